package config

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

var update = flag.Bool("update", false, "write the tables of docs/compliance.md anew")

const (
	docsFile  = "../docs/compliance.md"
	docsBegin = "<!-- figures: written by go test ./config -run Docs -update -->\n"
	docsEnd   = "<!-- end of figures -->\n"
)

// The tables of docs/compliance.md are those of the files: a figure that is
// changed in one place alone fails.
func TestDocsHaveTheFiguresOfTheFiles(t *testing.T) {
	s, err := Shipped()
	if err != nil {
		t.Fatal(err)
	}
	want := figures(s)
	data, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok1 := strings.Cut(string(data), docsBegin)
	got, after, ok2 := strings.Cut(rest, docsEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s lacks the marks of its tables", docsFile)
	}
	if *update {
		if err := os.WriteFile(docsFile, []byte(before+docsBegin+want+docsEnd+after), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s differs from config/jurisdictions: run go test ./config -run Docs -update\nwant:\n%s", docsFile, want)
	}
}

func figures(s *compliance.Set) string {
	var b strings.Builder
	for _, name := range s.Names() {
		j, _ := s.Jurisdiction(name)
		fmt.Fprintf(&b, "\n### %s: %s\n\n%s\n\n| what | figure | source |\n|---|---|---|\n", j.Name, j.Title, governs(j))
		row := func(what, figure, source string) {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", what, strings.ReplaceAll(figure, "|", "/"), source)
		}
		if j.Hours != nil {
			row("hours", hoursText(j), j.Hours.Source)
		}
		for _, c := range j.Caps {
			row("cap "+c.ID, fmt.Sprintf("at most %d %s acts per %s in %s%s", c.AtMost, c.Counts, c.Subject, capSpan(c), only(c.Channels, c.Purposes)), c.Source)
		}
		for _, c := range j.CoolDowns {
			row("peace "+c.ID, fmt.Sprintf("%s after a conversation with the %s%s", days(c.For), c.Subject, only(c.Channels, c.Purposes)), c.Source)
		}
		for _, d := range j.Consents {
			proof := "stated by the task"
			if d.Record {
				proof = "proven by a record"
			}
			row("consent "+d.ID, fmt.Sprintf("%s: %s%s", proof, strings.Join(d.Accept, ", "), only(d.Channels, d.Purposes)), d.Source)
		}
		if a := j.Abandon; a != nil {
			row("abandoned calls", fmt.Sprintf("at most %g %% per %s in %s (of at least %d answered), somebody speaks within %s", a.Percent, a.Scope, days(a.Period), a.Floor, a.Answer), a.Source)
		}
		if j.Ring != nil {
			row("ringing", "at least "+j.Ring.AtLeast.String(), j.Ring.Source)
		}
		for _, d := range j.Disclose {
			row("disclose "+d.What, strings.Join(d.Forms, " or ")+", at the "+d.When, d.Source)
		}
		for _, r := range j.Retain {
			row("keep "+r.ID, keepText(r), r.Source)
		}
		for _, r := range j.CallerIDs {
			row("caller ID "+r.Prefix+"...", fmt.Sprintf("%s; voice: %t, messages: %t, licence: %t", r.Type, r.Voice, r.SMS, r.Licence), r.Source)
		}
	}
	return b.String() + "\n"
}

func governs(j *compliance.Jurisdiction) string {
	var out []string
	switch {
	case j.Lab:
		out = append(out, "Governs calls over a lab trunk to a lab extension.")
	case slices.Contains(j.Regions, "*"):
		out = append(out, "Governs numbers of every region that no other file names, and every jurisdiction that nobody knows.")
	case len(j.Regions) > 0:
		out = append(out, "Governs numbers of "+strings.Join(j.Regions, ", ")+".")
	}
	if j.Extends != "" {
		out = append(out, "Adds to "+j.Extends+".")
	}
	if len(j.Purposes) > 0 {
		out = append(out, "For "+purposeText(j.Purposes)+".")
	}
	if j.Draft {
		out = append(out, "**Draft**: holds where `compliance.drafts` or a task names it.")
	}
	if j.Calendar != "" {
		out = append(out, "Holidays: "+j.Calendar+".")
	}
	return strings.Join(out, " ")
}

func hoursText(j *compliance.Jurisdiction) string {
	text := func(spans []compliance.Span) string {
		if len(spans) == 0 {
			return "closed"
		}
		var out []string
		for _, s := range spans {
			out = append(out, s.String())
		}
		return strings.Join(out, " ")
	}
	var parts []string
	for d := time.Monday; d < time.Monday+7; d++ {
		day := text(j.Hours.Days[d%7])
		if n := len(parts); n > 0 && strings.HasSuffix(parts[n-1], " "+day) {
			first, _, _ := strings.Cut(parts[n-1], " ")
			first, _, _ = strings.Cut(first, "-")
			parts[n-1] = first + "-" + (d % 7).String()[:3] + " " + day
			continue
		}
		parts = append(parts, (d % 7).String()[:3]+" "+day)
	}
	if j.Calendar != "" && !slices.Equal(j.Hours.Holiday, j.Hours.Makeup) {
		parts = append(parts, "holidays "+text(j.Hours.Holiday), "make-up workdays "+text(j.Hours.Makeup))
	}
	return strings.Join(parts, "; ")
}

func capSpan(c compliance.Cap) string {
	switch {
	case c.Day:
		return "a calendar day of theirs"
	case c.Life:
		return "a life"
	}
	return days(c.Within)
}

func days(d time.Duration) string {
	if d%(24*time.Hour) == 0 && d > 24*time.Hour {
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
	return fmt.Sprintf("%d hours", d/time.Hour)
}

func purposeText(ps []campaign.Purpose) string {
	var out []string
	for _, p := range ps {
		out = append(out, string(p))
	}
	return strings.Join(out, ", ")
}

func only(cs []compliance.Channel, ps []campaign.Purpose) string {
	var out []string
	for _, c := range cs {
		out = append(out, string(c))
	}
	if len(ps) > 0 {
		out = append(out, purposeText(ps))
	}
	if len(out) == 0 {
		return ""
	}
	return " (" + strings.Join(out, "; ") + ")"
}

func keepText(r compliance.RetentionRule) string {
	var out []string
	if !r.AtLeast.IsZero() {
		out = append(out, "at least "+r.AtLeast.String())
	}
	if !r.AtMost.IsZero() {
		out = append(out, "at most "+r.AtMost.String())
	}
	from := r.From
	if from == "" {
		from = "made"
	}
	text := "each " + r.What + " " + strings.Join(out, ", ") + " from " + strings.ReplaceAll(from, "_", " ")
	if r.Sector != "" {
		text += ", sector " + r.Sector
	}
	return text + only(nil, r.Purposes)
}
