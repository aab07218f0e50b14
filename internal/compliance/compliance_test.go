package compliance_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

func number(t testing.TB, raw, region string) phone.Number {
	t.Helper()
	n, err := phone.Parse(raw, region)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func short(t testing.TB, digits string) phone.Number {
	t.Helper()
	n, err := phone.Short(digits)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var shippedSet = sync.OnceValues(config.Shipped)

func shipped(t testing.TB) *compliance.Set {
	t.Helper()
	s, err := shippedSet()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// set is the shipped files with drafts in force and further files, whose names
// must be new.
func set(t testing.TB, drafts []string, files ...string) *compliance.Set {
	t.Helper()
	dir := t.TempDir()
	for i, f := range files {
		write(t, dir, i, f)
	}
	s, err := config.Compliance{Dir: dir, Drafts: drafts}.Set()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestZeroVerdictRefuses(t *testing.T) {
	if (compliance.Verdict{}).Decision != compliance.Refuse {
		t.Fatal("the zero verdict must refuse")
	}
	none := compliance.Rules{}
	if v := none.Check(time.Now(), compliance.Act{}, compliance.Facts{}); v.Decision != compliance.Refuse || v.Reason != "no_rules" {
		t.Fatal("no rules must refuse")
	}
	if j := none.Judge(compliance.Act{})(time.Now(), compliance.Facts{}); j.Decision != compliance.Refuse {
		t.Fatal("no rules must refuse")
	}
	if vs := none.Explain(time.Now(), compliance.Act{}, compliance.Facts{}); len(vs) != 1 || vs[0].Decision != compliance.Refuse {
		t.Fatal("no rules must refuse")
	}
}

type broken struct{}

func (broken) Check(time.Time, compliance.Act, compliance.Facts) compliance.Verdict {
	panic("+8613812345678") //nolint:forbidigo // what it is to show
}

// A rule that fails refuses, whichever way it is asked, and what it failed
// with is not shown.
func TestRuleThatFailsRefuses(t *testing.T) {
	for name, rs := range map[string]compliance.Rules{
		"panics":  {compliance.Stop{}, broken{}, compliance.Stop{}},
		"no set":  {compliance.Stop{}, compliance.Hours{}, compliance.Stop{}},
		"no caps": {compliance.Stop{}, compliance.Caps{}},
	} {
		vs := []compliance.Verdict{rs.Check(time.Now(), compliance.Act{}, compliance.Facts{}), rs.Explain(time.Now(), compliance.Act{}, compliance.Facts{})[1]}
		if name == "panics" {
			vs = append(vs, rs.Judge(compliance.Act{})(time.Now(), compliance.Facts{}).Verdict)
		}
		for _, v := range vs {
			if v.Decision != compliance.Refuse || v.Reason != compliance.ReasonFailed {
				t.Errorf("%s: %+v", name, v)
			}
			for _, in := range v.Inputs {
				if strings.Contains(in, "138") {
					t.Errorf("%s: shows what it failed with", name)
				}
			}
		}
	}
}

func TestHours(t *testing.T) {
	cn := compliance.Act{Number: number(t, "13812345678", "CN"), Purpose: campaign.Service}
	us := compliance.Act{Number: number(t, "+12125552368", "US"), Purpose: campaign.Service}
	fr := compliance.Act{Number: number(t, "+33612345678", "FR"), Purpose: campaign.Marketing}
	tollFree := compliance.Act{Number: number(t, "+18005551234", "US"), Purpose: campaign.Service}
	for _, c := range []struct {
		name, now string
		act       compliance.Act
		zone      string
		want      compliance.Decision
		until     string
	}{
		{"open", "2026-03-02T10:00:00+08:00", cn, "", compliance.Allow, ""},
		{"first second", "2026-03-02T08:00:00+08:00", cn, "", compliance.Allow, ""},
		{"before", "2026-03-02T07:59:59.5+08:00", cn, "", compliance.Wait, "2026-03-02T08:00:00+08:00"},
		{"last moment", "2026-03-02T21:59:59.999999999+08:00", cn, "", compliance.Allow, ""},
		{"after", "2026-03-02T22:00:00+08:00", cn, "", compliance.Wait, "2026-03-03T08:00:00+08:00"},
		{"contact's zone and number's zone disagree", "2026-03-02T10:00:00+08:00", cn, "Europe/London", compliance.Wait, "2026-03-02T08:00:00+00:00"},
		{"both are open", "2026-03-02T08:00:00+00:00", cn, "Europe/London", compliance.Allow, ""},
		{"number's zone closes first", "2026-03-02T14:00:00+00:00", cn, "Europe/London", compliance.Wait, "2026-03-03T08:00:00+00:00"},
		{"zone that does not exist", "2026-03-02T10:00:00+08:00", cn, "Mars/Base", compliance.Refuse, ""},
		{"the machine's zone is nobody's", "2026-03-02T10:00:00+08:00", cn, "Local", compliance.Refuse, ""},
		{"no zone at all", "2026-03-02T10:00:00+08:00", compliance.Act{Number: short(t, "95588")}, "", compliance.Refuse, ""},
		{"lab", "2026-03-02T03:00:00+08:00", compliance.Act{Lab: true}, "", compliance.Allow, ""},
		{"lab of no lab number is not believed", "2026-03-02T03:00:00+08:00", compliance.Act{Number: cn.Number, Jurisdiction: "lab"}, "", compliance.Wait, "2026-03-02T10:00:00+08:00"},
		{"spring forward", "2026-03-08T06:30:00-05:00", us, "", compliance.Wait, "2026-03-08T08:00:00-04:00"},
		{"fall back", "2026-11-01T00:30:00-04:00", us, "", compliance.Wait, "2026-11-01T08:00:00-05:00"},
		{"task's law and number's law disagree", "2026-03-02T21:30:00-05:00", compliance.Act{Number: us.Number, Jurisdiction: "CN", Purpose: campaign.Service}, "", compliance.Wait, "2026-03-03T08:00:00-05:00"},
		{"a law that nobody knows", "2026-03-01T12:00:00+08:00", compliance.Act{Number: cn.Number, Jurisdiction: "Atlantis", Purpose: campaign.Service}, "", compliance.Wait, "2026-03-02T10:00:00+08:00"},
		{"lunch", "2026-03-02T13:00:00+01:00", fr, "", compliance.Wait, "2026-03-02T14:00:00+01:00"},
		{"weekend", "2026-03-06T20:00:00+01:00", fr, "", compliance.Wait, "2026-03-09T10:00:00+01:00"},
		{"holiday after a weekend", "2026-04-03T21:00:00+02:00", fr, "", compliance.Wait, "2026-04-07T10:00:00+02:00"},
		{"other purposes are not under the marketing rule", "2026-03-02T13:00:00+01:00", compliance.Act{Number: fr.Number, Purpose: campaign.Service}, "", compliance.Allow, ""},
		{"a purpose that nobody knows is under all of them", "2026-03-02T13:00:00+01:00", compliance.Act{Number: fr.Number, Purpose: "fun"}, "", compliance.Wait, "2026-03-02T14:00:00+01:00"},
		{"a year that the calendar does not hold is both", "2031-03-03T11:00:00+01:00", fr, "", compliance.Refuse, ""},
		{"a number of forty zones", "2026-03-02T12:00:00-05:00", tollFree, "", compliance.Wait, "2026-03-02T22:00:00Z"},
	} {
		v := compliance.Hours{Set: shipped(t)}.Check(at(t, c.now), c.act, compliance.Facts{Zone: c.zone})
		if v.Decision != c.want || (c.until != "" && !v.Until.Equal(at(t, c.until))) {
			t.Errorf("%s: %+v", c.name, v)
		}
		if (v.Decision == compliance.Wait) != !v.Until.IsZero() {
			t.Errorf("%s: a wait without an end, or an end without a wait: %+v", c.name, v)
		}
	}
}

func TestLate(t *testing.T) {
	now := at(t, "2026-03-02T10:00:00+08:00")
	r := compliance.Late{Grace: time.Minute}
	for due, want := range map[time.Time]compliance.Decision{
		now.Add(-time.Minute - time.Nanosecond): compliance.Refuse, now.Add(-time.Minute): compliance.Allow, now.Add(time.Hour): compliance.Allow, {}: compliance.Allow,
	} {
		if v := r.Check(now, compliance.Act{DueAt: due}, compliance.Facts{}); v.Decision != want {
			t.Errorf("%s: %+v", due, v)
		}
	}
}
