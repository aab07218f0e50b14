package compliance

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"ringmaster/internal/campaign"
)

// MaxFile is how large a jurisdiction or calendar file may be.
const MaxFile = 64 << 10

// fileHead tells the two sorts of files apart.
const (
	lawFormat      = "ringmaster-law/1"
	calendarFormat = "ringmaster-calendar/1"
)

// The file as it is written. Every figure stands beside its source.
type lawFile struct {
	Format    string             `yaml:"format"`
	Name      string             `yaml:"name"`
	Title     string             `yaml:"title"`
	Regions   []string           `yaml:"regions"`
	Lab       bool               `yaml:"lab"`
	Extends   string             `yaml:"extends"`
	Purposes  []campaign.Purpose `yaml:"purposes"`
	Draft     bool               `yaml:"draft"`
	Calendar  string             `yaml:"calendar"`
	Hours     *hoursFile         `yaml:"hours"`
	Caps      []capFile          `yaml:"caps"`
	CoolDown  []coolFile         `yaml:"cool_down"`
	Consent   []demandFile       `yaml:"consent"`
	Abandon   *abandonFile       `yaml:"abandon"`
	Ring      *ringFile          `yaml:"ring"`
	Disclose  []discloseFile     `yaml:"disclose"`
	Retain    []retainFile       `yaml:"retain"`
	CallerIDs []rangeFile        `yaml:"caller_ids"`
}

type hoursFile struct {
	Days   map[string][]string `yaml:"days"`
	Source string              `yaml:"source"`
}

type capFile struct {
	ID       string             `yaml:"id"`
	Subject  string             `yaml:"subject"`
	Per      string             `yaml:"per"`
	AtMost   int                `yaml:"at_most"`
	Counts   string             `yaml:"counts"`
	Channels []Channel          `yaml:"channels"`
	Purposes []campaign.Purpose `yaml:"purposes"`
	Source   string             `yaml:"source"`
}

type coolFile struct {
	ID       string             `yaml:"id"`
	After    string             `yaml:"after"`
	Subject  string             `yaml:"subject"`
	For      string             `yaml:"for"`
	Channels []Channel          `yaml:"channels"`
	Purposes []campaign.Purpose `yaml:"purposes"`
	Source   string             `yaml:"source"`
}

type demandFile struct {
	ID       string             `yaml:"id"`
	Channels []Channel          `yaml:"channels"`
	Purposes []campaign.Purpose `yaml:"purposes"`
	Accept   []string           `yaml:"accept"`
	Proof    string             `yaml:"proof"`
	Source   string             `yaml:"source"`
}

type abandonFile struct {
	Percent *float64 `yaml:"percent"`
	Period  string   `yaml:"period"`
	Scope   string   `yaml:"scope"`
	Floor   int      `yaml:"floor"`
	Answer  string   `yaml:"answer_within"`
	Source  string   `yaml:"source"`
}

type ringFile struct {
	AtLeast string `yaml:"at_least"`
	Source  string `yaml:"source"`
}

type discloseFile struct {
	What   string   `yaml:"what"`
	Forms  []string `yaml:"forms"`
	When   string   `yaml:"when"`
	Source string   `yaml:"source"`
}

type retainFile struct {
	ID       string             `yaml:"id"`
	What     string             `yaml:"what"`
	Purposes []campaign.Purpose `yaml:"purposes"`
	Sector   string             `yaml:"sector"`
	From     string             `yaml:"from"`
	AtLeast  string             `yaml:"at_least"`
	AtMost   string             `yaml:"at_most"`
	Source   string             `yaml:"source"`
}

type rangeFile struct {
	Prefix  string `yaml:"prefix"`
	Type    string `yaml:"type"`
	Voice   bool   `yaml:"voice"`
	SMS     bool   `yaml:"sms"`
	Licence bool   `yaml:"licence"`
	Source  string `yaml:"source"`
}

type calendarFile struct {
	Format   string    `yaml:"format"`
	Name     string    `yaml:"name"`
	Source   string    `yaml:"source"`
	From     string    `yaml:"from"`
	To       string    `yaml:"to"`
	Holidays []dayFile `yaml:"holidays"`
	Makeup   []dayFile `yaml:"makeup_workdays"`
}

type dayFile struct {
	Date string `yaml:"date"`
	Last string `yaml:"last"` // of several days; empty = one day
	Name string `yaml:"name"`
}

// ParseJurisdiction reads and checks one jurisdiction file. All mistakes are
// reported at once, each with its key.
func ParseJurisdiction(data []byte) (Jurisdiction, error) {
	var f lawFile
	if err := decode(data, &f); err != nil {
		return Jurisdiction{}, err
	}
	k := &lawChecker{}
	j := f.jurisdiction(k)
	j.digest = sha256.Sum256(data)
	if err := k.err(); err != nil {
		return Jurisdiction{}, err
	}
	return j, nil
}

// ParseCalendar reads and checks one calendar file.
func ParseCalendar(data []byte) (Calendar, error) {
	var f calendarFile
	if err := decode(data, &f); err != nil {
		return Calendar{}, err
	}
	k := &lawChecker{}
	c := f.calendar(k)
	c.digest = sha256.Sum256(data)
	if err := k.err(); err != nil {
		return Calendar{}, err
	}
	return c, nil
}

// IsCalendar reports that a file calls itself a calendar.
func IsCalendar(data []byte) bool {
	return bytes.Contains(data[:min(len(data), MaxFile)], []byte("format: "+calendarFormat))
}

// decode is strict: unknown and repeated keys are mistakes, and anchors,
// aliases, merge keys and tags are not part of the format, so that no file is
// larger in memory than on disk.
func decode(data []byte, into any) (err error) {
	defer func() {
		if p := recover(); p != nil { // of the YAML library on hostile bytes
			err = fmt.Errorf("%w: the file cannot be read as YAML", ErrLaw)
		}
	}()
	switch {
	case len(data) > MaxFile:
		return fmt.Errorf("%w: more than %d bytes", ErrLaw, MaxFile)
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		return fmt.Errorf("%w: the file is not UTF-8 text", ErrLaw)
	}
	tokens := lexer.Tokenize(string(data))
	if len(tokens) > 20_000 {
		return fmt.Errorf("%w: more than 20000 words", ErrLaw)
	}
	depth := 0
	for _, t := range tokens {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType, token.TagType:
			return fmt.Errorf("%w: line %d: anchors, aliases, merge keys and tags are not allowed", ErrLaw, t.Position.Line)
		case token.DocumentHeaderType, token.DocumentEndType, token.DirectiveType:
			return fmt.Errorf("%w: line %d: one document a file, without --- or %%", ErrLaw, t.Position.Line)
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType:
			if t.Position.Column > 200 {
				depth = 100
			}
		}
		if depth > 16 || t.Position.IndentNum > 64 {
			return fmt.Errorf("%w: line %d: nested too deep", ErrLaw, t.Position.Line)
		}
	}
	if err := yaml.UnmarshalWithOptions(data, into, yaml.Strict()); err != nil {
		return fmt.Errorf("%w:\n%s", ErrLaw, yaml.FormatError(err, false, false))
	}
	return nil
}

type lawChecker struct{ errs []error }

func (k *lawChecker) must(ok bool, key, what string) {
	if !ok {
		k.errs = append(k.errs, fmt.Errorf("%s: %s", key, what))
	}
}

func (k *lawChecker) err() error {
	if len(k.errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrLaw, errors.Join(k.errs...))
}

// source: a figure without one is nobody's figure.
func (k *lawChecker) source(s, key string) {
	k.must(len(strings.TrimSpace(s)) >= 5 && len(s) <= 1000, key+".source", "name the law, clause or contract that the figure comes from")
}

func isName(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func (f *lawFile) jurisdiction(k *lawChecker) Jurisdiction {
	j := Jurisdiction{Name: f.Name, Title: f.Title, Regions: f.Regions, Lab: f.Lab, Extends: f.Extends, Purposes: f.Purposes, Draft: f.Draft, Calendar: f.Calendar}
	k.must(f.Format == lawFormat, "format", "must be "+lawFormat)
	k.must(isName(f.Name, 32), "name", "1 to 32 letters, digits, dash and underscore")
	k.must(f.Title != "" && len(f.Title) <= 200, "title", "1 to 200 bytes")
	for _, r := range f.Regions {
		k.must(r == "*" || len(r) == 2 && r == strings.ToUpper(r) && isName(r, 2), "regions", `two capital letters of ISO 3166-1 each, or "*"`)
	}
	k.must(!f.Lab || len(f.Regions) == 0 && f.Extends == "", "lab", "the lab has no regions and extends nothing")
	k.must(f.Extends != f.Name || f.Name == "", "extends", "must be another jurisdiction")
	k.must(f.Extends == "" || isName(f.Extends, 32), "extends", "the name of another jurisdiction")
	k.must(f.Extends == "" || len(f.Regions) == 0 || len(f.Purposes) == 0, "purposes", "what has regions of its own governs every purpose there")
	k.must(len(f.Purposes) == 0 || f.Extends != "", "purposes", "say with extends: of which jurisdiction")
	k.must(!f.Draft || len(f.Regions) == 0 && !f.Lab, "draft", "a draft governs no region by itself: let it extend a jurisdiction")
	k.must(f.Calendar == "" || isName(f.Calendar, 32), "calendar", "the name of a calendar")
	k.must(f.Hours != nil || f.Extends != "", "hours", "say when people may be called (lab: 00:00-24:00)")
	k.purposes(f.Purposes, "purposes")
	if f.Hours != nil {
		j.Hours = f.Hours.rule(k, f.Calendar != "")
	}
	f.limits(k, &j)
	f.duties(k, &j)
	return j
}

// limits are what may not be exceeded.
func (f *lawFile) limits(k *lawChecker, j *Jurisdiction) {
	ids := map[string]bool{}
	once := func(id, key string) {
		k.must(isName(id, 32), key+".id", "1 to 32 letters, digits, dash and underscore")
		k.must(!ids[key[:3]+id], key+".id", "stands twice")
		ids[key[:3]+id] = true
	}
	k.must(len(f.Caps) <= 32 && len(f.CoolDown) <= 32 && len(f.Consent) <= 32 && len(f.Retain) <= 64 && len(f.CallerIDs) <= 256 && len(f.Disclose) <= 16 && len(f.Regions) <= 250, "file", "more entries than any law has")
	for i, c := range f.Caps {
		at := fmt.Sprintf("caps[%d]", i)
		once(c.ID, at)
		j.Caps = append(j.Caps, c.rule(k, at, true))
	}
	for i, c := range f.CoolDown {
		at := fmt.Sprintf("cool_down[%d]", i)
		once(c.ID, at)
		k.source(c.Source, at)
		k.must(c.After == "conversation", at+".after", "conversation")
		k.must(c.Subject == SubjectPerson || c.Subject == SubjectNumber, at+".subject", "person or number")
		k.channels(c.Channels, at+".channels")
		k.purposes(c.Purposes, at+".purposes")
		d, ok := span(c.For)
		k.must(ok && d >= time.Minute && d <= Horizon-12*time.Hour, at+".for", "a span such as 7d or 36h, at most 30d")
		j.CoolDowns = append(j.CoolDowns, CoolDownRule{ID: c.ID, Source: c.Source, Subject: c.Subject, Channels: c.Channels, Purposes: c.Purposes, For: d})
	}
	for i, d := range f.Consent {
		at := fmt.Sprintf("consent[%d]", i)
		once(d.ID, at)
		k.source(d.Source, at)
		k.channels(d.Channels, at+".channels")
		k.purposes(d.Purposes, at+".purposes")
		k.must(d.Proof == "record" || d.Proof == "statement", at+".proof", "record (a consent record) or statement (the task's word)")
		k.must(len(d.Accept) > 0, at+".accept", "at least one of "+strings.Join(Bases(), ", "))
		for _, b := range d.Accept {
			k.must(slices.Contains(Bases(), b), at+".accept", "only "+strings.Join(Bases(), ", "))
			k.must(d.Proof != "record" || !slices.Contains(otherBases, b), at+".accept", "a consent record never has a basis such as contract")
		}
		j.Consents = append(j.Consents, Demand{ID: d.ID, Source: d.Source, Channels: d.Channels, Purposes: d.Purposes, Accept: d.Accept, Record: d.Proof == "record"})
	}
	if a := f.Abandon; a != nil {
		k.source(a.Source, "abandon")
		k.must(a.Percent != nil && *a.Percent >= 0 && *a.Percent < 100, "abandon.percent", "0 to 99.9")
		period, ok := span(a.Period)
		k.must(ok && period >= time.Hour && period <= Horizon, "abandon.period", "1h to 31d")
		k.must(a.Scope == "task", "abandon.scope", "task")
		k.must(a.Floor >= 0 && a.Floor <= 10000, "abandon.floor", "0 to 10000 answered calls")
		answer, ok := span(a.Answer)
		k.must(ok && answer > 0 && answer <= time.Minute, "abandon.answer_within", "a span such as 2s")
		j.Abandon = &AbandonRule{Period: period, Scope: a.Scope, Floor: a.Floor, Answer: answer, Source: a.Source}
		if a.Percent != nil {
			j.Abandon.Percent = *a.Percent
		}
	}
}

// duties are what has to be done.
func (f *lawFile) duties(k *lawChecker, j *Jurisdiction) {
	if r := f.Ring; r != nil {
		k.source(r.Source, "ring")
		d, ok := span(r.AtLeast)
		k.must(ok && d >= time.Second && d <= time.Minute, "ring.at_least", "1s to 60s")
		j.Ring = &RingRule{AtLeast: d, Source: r.Source}
	}
	for i, d := range f.Disclose {
		at := fmt.Sprintf("disclose[%d]", i)
		k.source(d.Source, at)
		k.must(slices.Contains([]string{"ai", "recording", "identity", "emotion", "opt_out"}, d.What), at+".what", "ai, recording, identity, emotion or opt_out")
		k.must(d.When == "start", at+".when", "start")
		k.must(len(d.Forms) > 0, at+".forms", "spoken, rhythm or both")
		for _, form := range d.Forms {
			k.must(form == "spoken" || form == "rhythm" && d.What == "ai", at+".forms", "spoken; rhythm is a form of the AI label alone")
		}
		j.Disclose = append(j.Disclose, DisclosureRule(d))
	}
	for i, r := range f.Retain {
		at := fmt.Sprintf("retain[%d]", i)
		k.source(r.Source, at)
		k.must(isName(r.ID, 32), at+".id", "1 to 32 letters, digits, dash and underscore")
		k.must(r.What == "recording" || r.What == "record" || r.What == "consent", at+".what", "recording, record or consent")
		k.must(r.From == "" || r.From == "made" || r.From == "contract_end" || r.From == "last_use", at+".from", "made, contract_end or last_use")
		k.must(r.Sector == "" || isName(r.Sector, 32), at+".sector", "1 to 32 letters, digits, dash and underscore")
		k.purposes(r.Purposes, at+".purposes")
		least, ok1 := term(r.AtLeast)
		most, ok2 := term(r.AtMost)
		k.must(ok1 && ok2 && (r.AtLeast != "" || r.AtMost != ""), at, "at_least, at_most or both: a term such as 5y, 5mo or 30d, at most 100y")
		base := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		k.must(most.IsZero() || !most.After(base).Before(least.After(base)), at+".at_most", "must not be shorter than at_least")
		j.Retain = append(j.Retain, RetentionRule{ID: r.ID, Source: r.Source, What: r.What, Purposes: r.Purposes, Sector: r.Sector, From: r.From, AtLeast: least, AtMost: most})
	}
	for i, r := range f.CallerIDs {
		at := fmt.Sprintf("caller_ids[%d]", i)
		k.source(r.Source, at)
		k.must(len(r.Prefix) >= 2 && len(r.Prefix) <= 10 && strings.Trim(r.Prefix, "0123456789") == "", at+".prefix", "2 to 10 digits")
		k.must(isName(r.Type, 32), at+".type", "1 to 32 letters, digits, dash and underscore")
		j.CallerIDs = append(j.CallerIDs, NumberRange(r))
	}
}
