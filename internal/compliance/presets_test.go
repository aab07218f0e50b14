package compliance_test

import (
	"slices"
	"testing"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

var purposesOf = []campaign.Purpose{campaign.Marketing, campaign.Collections, campaign.Service, campaign.Fraud, campaign.Health}

// The rules for unknown regions are at least as strict as every other file.
func TestUnknownIsTheStrictest(t *testing.T) {
	s := shipped(t)
	strict, _ := s.Jurisdiction("strictest")
	for _, name := range s.Names() {
		j, _ := s.Jurisdiction(name)
		if j == strict || j.Lab {
			continue
		}
		if j.Hours != nil {
			for d := range strict.Hours.Days {
				for _, span := range strict.Hours.Days[d] {
					if !slices.ContainsFunc(j.Hours.Days[d], func(o compliance.Span) bool { return o.From <= span.From && span.To <= o.To }) {
						t.Errorf("%s is closed on %s %s, strictest is open", name, time.Weekday(d), span)
					}
				}
			}
		}
		for _, c := range j.Caps {
			if !slices.ContainsFunc(strict.Caps, func(o compliance.Cap) bool {
				return o.Subject == c.Subject && o.Day == c.Day && o.Within >= c.Within && o.AtMost <= c.AtMost && o.Counts == c.Counts && (len(o.Purposes) == 0 || slices.Equal(o.Purposes, c.Purposes))
			}) {
				t.Errorf("strictest has no cap like %s of %s", c.ID, name)
			}
		}
		for _, c := range j.CoolDowns {
			if !slices.ContainsFunc(strict.CoolDowns, func(o compliance.CoolDownRule) bool { return o.Subject == c.Subject && o.For >= c.For }) {
				t.Errorf("strictest has no peace like %s of %s", c.ID, name)
			}
		}
		if j.Abandon != nil && (strict.Abandon.Percent > j.Abandon.Percent || strict.Abandon.Period < j.Abandon.Period || strict.Abandon.Floor > j.Abandon.Floor || strict.Abandon.Answer > j.Abandon.Answer) {
			t.Errorf("%s abandons less than strictest", name)
		}
		if j.Ring != nil && strict.Ring.AtLeast < j.Ring.AtLeast {
			t.Errorf("%s rings longer than strictest", name)
		}
		for _, d := range j.Disclose {
			if !slices.ContainsFunc(strict.Disclose, func(o compliance.DisclosureRule) bool { return o.What == d.What }) {
				t.Errorf("%s discloses %s, strictest does not", name, d.What)
			}
		}
		for _, d := range j.Consents {
			for _, p := range purposesOf {
				if len(d.Purposes) > 0 && !slices.Contains(d.Purposes, p) {
					continue
				}
				if !slices.ContainsFunc(strict.Consents, func(o compliance.Demand) bool {
					return slices.Contains(o.Purposes, p) && (o.Record || !d.Record) && !slices.ContainsFunc(o.Accept, func(b string) bool { return !slices.Contains(d.Accept, b) })
				}) {
					t.Errorf("strictest accepts for %s what %s of %s does not", p, d.ID, name)
				}
			}
		}
	}
}

func TestLawOfAnAct(t *testing.T) {
	s, drafted := shipped(t), set(t, []string{"CN-commercial"})
	cn, us, gb, jersey, de, jp := number(t, "13812345678", "CN"), number(t, "+12125552368", "US"), number(t, "+447400123456", "GB"), number(t, "+441534456789", "JE"), number(t, "+4930123456", "DE"), number(t, "+81312345678", "JP")
	for _, c := range []struct {
		set     *compliance.Set
		number  phone.Number
		stated  string
		purpose campaign.Purpose
		lab     bool
		want    string
	}{
		{s, cn, "", campaign.Service, false, "CN"},
		{s, cn, "", campaign.Collections, false, "CN+CN-collections"},
		{s, cn, "", campaign.Marketing, false, "CN"},
		{drafted, cn, "", campaign.Marketing, false, "CN+CN-commercial"},
		{s, cn, "CN-commercial", campaign.Marketing, false, "CN-commercial+CN"},
		{s, us, "", campaign.Collections, false, "US+US-debt"},
		{s, us, "CN", campaign.Collections, false, "CN+CN-collections+US+US-debt"},
		{s, gb, "", campaign.Service, false, "UK"},
		{s, jersey, "", campaign.Service, false, "UK"},
		{s, de, "", campaign.Service, false, "EU"},
		{s, number(t, "+33612345678", "FR"), "", campaign.Marketing, false, "FR+FR-marketing+EU"},
		{s, jp, "", campaign.Service, false, "strictest"},
		{s, cn, "Atlantis", campaign.Service, false, "strictest+CN"},
		{s, cn, "lab", campaign.Service, false, "strictest+CN"},
		{s, phone.Number{}, "", campaign.Service, false, "strictest"},
		{s, cn, "US", campaign.Service, true, "lab"},
		{s, cn, "", "fun", false, "CN+CN-collections"},
	} {
		l := c.set.Law(compliance.Act{Number: c.number, Jurisdiction: c.stated, Purpose: c.purpose, Lab: c.lab})
		if l.String() != c.want {
			t.Errorf("%s %q %s: %s, not %s", c.number, c.stated, c.purpose, l, c.want)
		}
	}
	l := s.Law(compliance.Act{Number: us, Jurisdiction: "EU", Purpose: campaign.Service})
	if l.Ring() != 15*time.Second {
		t.Errorf("rings %s", l.Ring())
	}
	var what []string
	for _, d := range l.Disclosures() {
		what = append(what, d.What)
	}
	slices.Sort(what)
	if !slices.Equal(what, []string{"ai", "emotion", "identity", "opt_out", "recording"}) {
		t.Errorf("%v", what)
	}
	for _, d := range s.Law(compliance.Act{Number: cn, Jurisdiction: "EU"}).Disclosures() {
		if d.What == "ai" && !slices.Equal(d.Forms, []string{"spoken"}) {
			t.Errorf("a form that only one of two laws accepts: %v", d.Forms)
		}
	}
}

// Federal holidays by their definitions, against the list.
func TestUSCalendar(t *testing.T) {
	want := map[string]bool{}
	nth := func(y int, m time.Month, d time.Weekday, n int) time.Time {
		first := time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
		return first.AddDate(0, 0, (int(d)-int(first.Weekday())+7)%7+7*(n-1))
	}
	for y := 2026; y <= 2028; y++ {
		last := time.Date(y, 5, 31, 0, 0, 0, 0, time.UTC)
		days := []time.Time{nth(y, 1, 1, 3), nth(y, 2, 1, 3), last.AddDate(0, 0, -(int(last.Weekday())+6)%7), nth(y, 9, 1, 1), nth(y, 10, 1, 2), nth(y, 11, 4, 4)}
		for _, md := range [][2]int{{1, 1}, {6, 19}, {7, 4}, {11, 11}, {12, 25}} {
			d := time.Date(y, time.Month(md[0]), md[1], 0, 0, 0, 0, time.UTC)
			days = append(days, d)
			switch d.Weekday() {
			case time.Saturday:
				days = append(days, d.AddDate(0, 0, -1))
			case time.Sunday:
				days = append(days, d.AddDate(0, 0, 1))
			}
		}
		for _, d := range days {
			if d.Year() < 2028 {
				want[d.Format(time.DateOnly)] = true
			}
		}
	}
	law := set(t, nil, "format: ringmaster-law/1\nname: test\ntitle: test\nextends: US\npurposes: [service]\ncalendar: US\nhours: {days: {every: [\"00:00-24:00\"], holiday: []}, source: a test}\n")
	rule, n := compliance.Hours{Set: law}, 0
	for d := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC); d.Year() < 2028; d = d.AddDate(0, 0, 1) {
		open := rule.Check(d.Add(6*time.Hour), compliance.Act{Number: number(t, "+12125552368", "US"), Purpose: campaign.Service}, compliance.Facts{}).Decision == compliance.Allow
		if open == want[d.Format(time.DateOnly)] {
			t.Errorf("%s: open %v", d.Format(time.DateOnly), open)
		}
		if !open {
			n++
		}
	}
	if n != len(want) {
		t.Errorf("%d holidays of %d", n, len(want))
	}
}

// Make-up workdays (调休) are judged as workdays, holidays as holidays, and a
// year that is not held as both.
func TestHolidaysAndMakeupWorkdays(t *testing.T) {
	law := set(t, nil, "format: ringmaster-law/1\nname: test\ntitle: test\nextends: CN\npurposes: [service]\ncalendar: CN\n"+
		"hours: {days: {weekdays: [\"09:00-12:00\", \"14:00-18:00\"], weekend: [\"10:00-11:00\"], holiday: [\"15:00-16:00\"]}, source: a contract}\n")
	rule := compliance.Hours{Set: law}
	act := compliance.Act{Number: number(t, "13812345678", "CN"), Purpose: campaign.Service}
	for now, want := range map[string]string{
		"2026-02-14T09:30:00+08:00": "",                          // a Saturday on which people work
		"2026-02-14T12:00:00+08:00": "2026-02-14T14:00:00+08:00", // its lunch break
		"2026-02-17T09:30:00+08:00": "2026-02-17T15:00:00+08:00", // Spring Festival
		"2026-02-17T15:30:00+08:00": "",
		"2026-02-07T09:30:00+08:00": "2026-02-07T10:00:00+08:00", // an ordinary Saturday
		"2026-02-07T10:30:00+08:00": "",
		"2026-02-23T17:00:00+08:00": "2026-02-24T09:00:00+08:00", // the first day after it
		"2027-02-06T09:30:00+08:00": "2027-02-06T15:00:00+08:00",
		"2028-03-01T15:30:00+08:00": "",                          // both a weekday's and a holiday's hour
		"2028-03-01T09:30:00+08:00": "2028-03-01T15:00:00+08:00", // a weekday's hour only
	} {
		v := rule.Check(at(t, now), act, compliance.Facts{})
		if want == "" && v.Decision != compliance.Allow || want != "" && !v.Until.Equal(at(t, want)) {
			t.Errorf("%s: %+v", now, v)
		}
	}
}

func TestRetentionIsTheMaximum(t *testing.T) {
	made := at(t, "2026-03-01T00:00:00Z")
	rules := shipped(t).Law(compliance.Act{Number: number(t, "13812345678", "CN"), Purpose: campaign.Marketing}).Retention()
	on := func(s string) time.Time { return at(t, s+"T00:00:00Z") }
	for _, c := range []struct {
		what    string
		kept    compliance.Kept
		forever bool
		until   string
	}{
		{"finance", compliance.Kept{What: "recording", Sectors: []string{"finance"}}, false, "2029-03-01"},
		{"insurance while the contract runs", compliance.Kept{What: "recording", Sectors: []string{"finance", "insurance_long"}}, true, ""},
		{"insurance after the contract", compliance.Kept{What: "recording", Sectors: []string{"finance", "insurance_long"}, Anchors: map[string]time.Time{"contract_end": on("2027-06-30")}}, false, "2037-06-30"},
		{"a short contract", compliance.Kept{What: "recording", Sectors: []string{"insurance_short"}, Anchors: map[string]time.Time{"contract_end": on("2026-06-30")}}, false, "2031-06-30"},
		{"nobody said that it may go", compliance.Kept{What: "recording"}, true, ""},
		{"legal hold", compliance.Kept{What: "recording", Sectors: []string{"finance"}, Hold: true}, true, ""},
	} {
		c.kept.Made = made
		k := compliance.Keep(rules, c.kept)
		if k.Forever != c.forever || c.until != "" && !k.Until.Equal(on(c.until)) {
			t.Errorf("%s: %+v", c.what, k)
		}
		if c.until != "" && (k.MayDelete(on(c.until).Add(-1)) || !k.MayDelete(on(c.until))) {
			t.Errorf("%s: deleted too early, or never: %+v", c.what, k)
		}
		if c.forever && (k.MayDelete(made.AddDate(100, 0, 0)) || k.MustDelete(made.AddDate(100, 0, 0))) {
			t.Errorf("%s: deleted", c.what)
		}
	}
	bounds := []compliance.RetentionRule{
		{ID: "keep", What: "recording", AtLeast: compliance.Term{Years: 5}}, {ID: "go", What: "recording", AtMost: compliance.Term{Years: 3}},
	}
	k := compliance.Keep(bounds, compliance.Kept{What: "recording", Made: made})
	if !k.Conflict || !k.Until.Equal(on("2031-03-01")) || !k.By.Equal(k.Until) || k.MustDelete(on("2029-03-02")) || !k.MustDelete(on("2031-03-01")) {
		t.Errorf("the duty to keep wins: %+v", k)
	}
	k = compliance.Keep(bounds[1:], compliance.Kept{What: "recording", Made: made})
	if !k.MayDelete(made) || k.MustDelete(on("2029-02-28")) || !k.MustDelete(on("2029-03-01")) {
		t.Errorf("%+v", k)
	}
}

// A hostile file is an error, never a panic, and what loads can be judged by.
func FuzzParseJurisdiction(f *testing.F) {
	for _, file := range yamlFiles(f, "../../config/jurisdictions/*.yaml", "../../config/testdata/jurisdictions/*.yaml") {
		f.Add(file)
	}
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{"))
	f.Add([]byte("- - - - - - - - - - - - - - - - - -"))
	lab, err := compliance.ParseJurisdiction([]byte("format: ringmaster-law/1\nname: thelab\ntitle: lab\nlab: true\nhours: {days: {every: [\"00:00-24:00\"]}, source: nobody}\n"))
	if err != nil {
		f.Fatal(err)
	}
	rest, err := compliance.ParseJurisdiction([]byte("format: ringmaster-law/1\nname: therest\ntitle: rest\nregions: [\"*\"]\nhours: {days: {every: [\"00:00-24:00\"]}, source: nobody}\n"))
	if err != nil {
		f.Fatal(err)
	}
	cn := number(f, "13812345678", "CN")
	now := at(f, workday)
	f.Fuzz(func(t *testing.T, data []byte) {
		if compliance.IsCalendar(data) {
			_, _ = compliance.ParseCalendar(data)
			return
		}
		j, err := compliance.ParseJurisdiction(data)
		if err != nil {
			return
		}
		j.Calendar, j.Extends = "", ""
		s, err := compliance.NewSet([]compliance.Jurisdiction{j, lab, rest}, nil, nil)
		if err != nil {
			return
		}
		rs := compliance.New(s, compliance.Options{Regions: []string{"CN"}, Late: time.Hour})
		spent := []compliance.Spent{{At: now.Add(-time.Hour), Channel: compliance.Voice, SamePerson: true, SameNumber: true, SameContact: true, Talked: true, Answered: true}}
		for _, v := range rs.Explain(now, compliance.Act{Channel: compliance.Voice, Number: cn, Jurisdiction: j.Name, Purpose: campaign.Marketing}, compliance.Facts{Spent: spent}) {
			if v.Reason == compliance.ReasonFailed {
				t.Fatalf("%+v", v)
			}
			if v.Decision == compliance.Wait && !v.Until.IsZero() && !v.Until.After(now) {
				t.Fatalf("waits for the past: %+v", v)
			}
		}
	})
}
