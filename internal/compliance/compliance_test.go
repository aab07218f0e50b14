package compliance

import (
	"testing"
	"time"

	"ringmaster/internal/phone"
)

func number(t *testing.T, raw, region string) phone.Number {
	t.Helper()
	n, err := phone.Parse(raw, region)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestZeroVerdictRefuses(t *testing.T) {
	if (Verdict{}).Decision != Refuse {
		t.Fatal("the zero verdict must refuse")
	}
	if v := (Rules{}).Check(time.Now(), Act{}, Facts{}); v.Decision != Refuse {
		t.Fatal("no rules must refuse")
	}
}

func TestHours(t *testing.T) {
	cn := Act{Number: number(t, "13812345678", "CN")}
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name  string
		now   string
		act   Act
		facts Facts
		want  Decision
		until string
	}{
		{"open", "2026-03-02T10:00:00+08:00", cn, Facts{}, Allow, ""},
		{"first second", "2026-03-02T08:00:00+08:00", cn, Facts{}, Allow, ""},
		{"before", "2026-03-02T07:59:59+08:00", cn, Facts{}, Wait, "2026-03-02T08:00:00+08:00"},
		{"after", "2026-03-02T22:00:00+08:00", cn, Facts{}, Wait, "2026-03-03T08:00:00+08:00"},
		{"contact's zone wins", "2026-03-02T10:00:00+08:00", cn, Facts{Zone: "Europe/London"}, Wait, "2026-03-02T08:00:00+00:00"},
		{"zone that does not exist", "2026-03-02T10:00:00+08:00", cn, Facts{Zone: "Mars/Base"}, Refuse, ""},
		{"lab", "2026-03-02T03:00:00+08:00", Act{Lab: true}, Facts{}, Allow, ""},
		{"spring forward", "2026-03-08T06:30:00-05:00", Act{Number: number(t, "+12125552368", "US")}, Facts{}, Wait, "2026-03-08T08:00:00-04:00"},
	} {
		v := DefaultHours().Check(at(c.now), c.act, c.facts)
		if v.Decision != c.want || (c.until != "" && !v.Until.Equal(at(c.until))) {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}

func TestTollFraudAndLate(t *testing.T) {
	short, _ := phone.Short("110")
	r := TollFraud{Regions: []string{"CN"}}
	if v := r.Check(time.Time{}, Act{Number: short}, Facts{}); v.Decision != Refuse {
		t.Error("110 was allowed")
	}
	if v := r.Check(time.Time{}, Act{Number: number(t, "+442070313000", "GB")}, Facts{}); v.Decision != Refuse {
		t.Error("a foreign number was allowed")
	}
	if v := r.Check(time.Time{}, Act{Number: number(t, "13812345678", "CN")}, Facts{}); v.Decision != Allow {
		t.Error("a mobile was refused")
	}
	now := time.Now()
	if v := (Late{time.Minute}).Check(now, Act{DueAt: now.Add(-time.Hour)}, Facts{}); v.Decision != Refuse {
		t.Error("an hour late was allowed")
	}
	if v := (DoNotCall{}).Check(now, Act{}, Facts{BlockedBy: "tenant"}); v.Decision != Refuse {
		t.Error("a blocked number was allowed")
	}
}
