package call

import (
	"testing"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/lab/twin/callee"
)

// Tomorrow is the customer's tomorrow, and eight in the evening his evening,
// whatever the machine's zone.
func TestTheClockIsTheCustomers(t *testing.T) {
	for zone, hour := range map[string]int{"Asia/Shanghai": 8 * 3600, "America/New_York": -5 * 3600, "Asia/Kolkata": 5*3600 + 1800} {
		l := newLab(t, "x", callee.Script{})
		l.sim.Close()
		plan := l.plan
		plan.Attempt = campaign.Attempt{Zone: zone}
		r := newCall(plan, l.deps).rules
		r.start = time.Date(2026, 1, 15, 20, 0, 0, 0, time.UTC) // the 16th in China
		s := State{}
		for _, k := range []Kind{InStart, InAnswered, InMediaOpen} {
			s, _ = r.step(s, Input{Kind: k})
		}
		if s.Dialogue.Zone != hour {
			t.Errorf("%s: the script is told of the zone %d, want %d", zone, s.Dialogue.Zone, hour)
		}
		want := r.start.In(r.zone).Format("2006-01-02 15")
		if q := r.script.Question(s.Dialogue, "晚上八点"); q.Now.Format("2006-01-02 15") != want {
			t.Errorf("%s: the understander is told that it is %s, not %s", zone, q.Now, want)
		}
	}
	for _, zone := range []string{"", "Local", "Nowhere/Atlantis", "Asia/Shanghai,Asia/Urumqi", "../../etc/passwd"} {
		if zoneOf(zone) != nil {
			t.Errorf("%q is a zone", zone)
		}
	}
}
