package compliance_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// crowd is 10,000 contacts of a task in every state, with every reason not to
// be dialled.
type crowd struct {
	acts  []compliance.Act
	facts []compliance.Facts
}

func newCrowd(t testing.TB, rs compliance.Rules, n int, day time.Time) crowd {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a seed that can be played again
	var numbers []compliance.Act
	for _, raw := range rangesOfWorld {
		numbers = append(numbers, rs.Prepared(compliance.Act{Number: number(t, raw, "ZZ")}))
	}
	registered := &compliance.Registration{Voice: true, Trunk: "carrier"}
	states := []campaign.ContactState{campaign.Scheduled, campaign.Scheduled, campaign.Ready, campaign.Ready, campaign.Ready, campaign.Claimed, campaign.Done, campaign.Expired, campaign.Blocked, campaign.Cancelled}
	var c crowd
	for i := range n {
		a := numbers[0]
		if i%3 == 0 {
			a = numbers[r.IntN(len(numbers))]
		}
		a.Channel, a.Path, a.Purpose, a.LegalBasis, a.CallerID, a.Trunk, a.Try = compliance.Voice, compliance.PathTask, campaign.Collections, "express", callerOfWorld, "carrier", 1+r.IntN(3)
		f := compliance.Facts{CallerID: registered, Task: compliance.TaskFacts{State: campaign.TaskRunning, MaxTries: 2 + r.IntN(3)}}
		f.Contact = compliance.ContactFacts{State: states[r.IntN(len(states))], DueAt: day.Add(time.Duration(r.Int64N(int64(30 * time.Hour))))}
		f.Contact.Live = f.Contact.State == campaign.Claimed
		switch r.IntN(16) {
		case 0:
			f.Blocks = []compliance.Block{{Layer: compliance.LayerTenant, Kind: "number", Reason: "complaint"}}
		case 1:
			f.Blocks = []compliance.Block{{Layer: compliance.LayerTask, Kind: "person", Reason: "asked", Expires: day.Add(time.Duration(r.Int64N(int64(24 * time.Hour))))}}
		case 2:
			f.CallerID = nil
		case 3:
			a.LegalBasis = ""
		case 4:
			f.Zone = zonesOfWorld[r.IntN(len(zonesOfWorld))]
		case 5:
			f.Zone = "Mars/Base"
		}
		for range r.IntN(5) {
			s := compliance.Spent{At: day.Add(-time.Duration(r.Int64N(int64(48 * time.Hour)))), Channel: compliance.Voice, Purpose: campaign.Collections, SamePerson: true, SameNumber: true}
			s.Talked = r.IntN(4) == 0
			f.Spent = append(f.Spent, s)
		}
		c.acts, c.facts = append(c.acts, rs.Prepared(a)), append(c.facts, f)
	}
	return c
}

// Why not dialled: at every tick of a simulated day the dialable and those of
// each reason make up the contacts. The day is one of a clock change.
func TestRow_M1_SumOfReasonsIsContacts(t *testing.T) {
	const contacts, tick = 10_000, 10 * time.Minute
	caps, err := config.DefaultCompliance().OwnCaps()
	if err != nil {
		t.Fatal(err)
	}
	rs := rulesOf(t, compliance.Options{Caps: caps, Regions: []string{"CN", "US", "GB", "FR", "DE", "PT", "AU"}, Basis: map[campaign.Purpose]string{campaign.Service: "contract"}})
	day := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)
	c := newCrowd(t, rs, contacts, day)
	reasons, ticks := map[string]bool{}, 0
	least, most := contacts, 0
	for now := day; now.Before(day.Add(24 * time.Hour)); now = now.Add(tick) {
		tally := compliance.Tally{}
		stop := ""
		if m := now.Sub(day); m >= 12*time.Hour && m < 12*time.Hour+30*time.Minute {
			stop = "tenant: audit"
		}
		for i := range c.acts {
			c.facts[i].Stopped = stop
			tally.Add(rs.Quick(now, &c.acts[i], &c.facts[i]))
		}
		if tally.Sum() != contacts {
			t.Fatalf("%s: %d of %d: %v", now, tally.Sum(), contacts, tally)
		}
		if stop != "" && tally["stopped"] != contacts {
			t.Fatalf("%s: %v", now, tally)
		}
		// The explanation in full says the same, for a sample of them.
		for i := ticks % 400; i < contacts; i += 400 {
			one := compliance.Tally{}
			one.Add(rs.Explain(now, c.acts[i], c.facts[i])...)
			q := rs.Quick(now, &c.acts[i], &c.facts[i])
			if q.Decision == compliance.Allow && one[compliance.Dialable] != 1 || q.Decision != compliance.Allow && one[q.Reason] != 1 {
				t.Fatalf("%s: contact %d is %v in full and %+v in short", now, i, one, q)
			}
		}
		for _, r := range tally.Reasons() {
			reasons[r] = true
		}
		if stop == "" {
			least, most = min(least, tally[compliance.Dialable]), max(most, tally[compliance.Dialable])
		}
		ticks++
	}
	t.Logf("%d ticks x %d contacts, %d to %d dialable, %d reasons: %v", ticks, contacts, least, most, len(reasons), reasons)
	if len(reasons) < 15 || most == 0 || least == most {
		t.Errorf("the day is too plain: %v", reasons)
	}
}

func TestTallyOfNothingRefuses(t *testing.T) {
	tally := compliance.Tally{}
	tally.Add()
	if tally["no_rules"] != 1 || tally.Sum() != 1 {
		t.Error(tally)
	}
}

// Every wait ends at the first instant that its gate allows: minute by minute
// no earlier one does.
func TestUntilIsTheFirstInstant(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // a seed that can be played again
	s := newStage(t)
	tried := map[string]int{}
	for range 150 {
		rs := s.rules[r.IntN(len(s.rules))]
		n := r.IntN(len(s.numbers))
		a := s.numbers[n]
		a.Channel, a.Purpose, a.CallerID, a.Trunk, a.LegalBasis = compliance.Voice, []campaign.Purpose{campaign.Collections, campaign.Service}[r.IntN(2)], callerOfWorld, "carrier", "express"
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(int64(700 * 24 * time.Hour))))
		if d := s.dst[n]; len(d) > 0 && r.IntN(2) == 0 {
			now = d[r.IntN(len(d))].Add(-time.Duration(r.Int64N(int64(30 * time.Hour))))
		}

		f := compliance.Facts{CallerID: s.registered, Zone: zonesOfWorld[r.IntN(len(zonesOfWorld))]}
		for range r.IntN(9) {
			f.Spent = append(f.Spent, compliance.Spent{At: now.Add(-time.Duration(r.Int64N(int64(30 * time.Hour)))), Channel: compliance.Voice, Purpose: campaign.Collections, SamePerson: true, SameNumber: true, SameContact: true, Talked: r.IntN(5) == 0})
		}
		for _, v := range rs.Explain(now, a, f) {
			if v.Decision != compliance.Wait || v.Until.IsZero() {
				continue
			}
			tried[v.Rule]++
			gate := rs.Named(v.Rule)
			for at := now; at.Before(v.Until) && at.Before(now.Add(36*time.Hour)); at = at.Add(time.Minute) {
				if gate.Quick(at, &a, &f).Decision == compliance.Allow {
					t.Fatalf("%s waits from %s to %s, but %s is open", v.Rule, now, v.Until, at)
				}
			}
			if gate.Quick(v.Until, &a, &f).Decision != compliance.Allow || gate.Quick(v.Until.Add(-1), &a, &f).Decision == compliance.Allow {
				t.Fatalf("%s: %s is not the first instant", v.Rule, v.Until)
			}
		}
		// And the whole list opens when the last of them does.
		open, v := rs.Opens(now, a, f)
		if open.IsZero() {
			continue
		}
		tried["all"]++
		if rs.Quick(open, &a, &f).Decision != compliance.Allow || open.After(now) && rs.Quick(open.Add(-1), &a, &f).Decision == compliance.Allow {
			t.Fatalf("all rules open at %s, they say, after %+v", open, v)
		}
	}
	if tried["calling_hours"] < 50 || tried["caps"] < 20 || tried["cool_down"] < 5 || tried["all"] < 25 {
		t.Errorf("too few waits: %v", tried)
	}
}

func ExampleRules_Explain() {
	set, err := config.Shipped()
	if err != nil {
		fmt.Println(err)
		return
	}
	rs := compliance.New(set, compliance.Options{Regions: []string{"CN"}, Late: time.Minute})
	now := time.Date(2026, 3, 2, 15, 30, 0, 0, time.UTC)
	act := compliance.Act{Lab: true, Channel: compliance.Voice, DueAt: now.Add(-time.Hour)}
	for _, v := range rs.Named("stop", "late", "calling_hours").Explain(now, act, compliance.Facts{}) {
		fmt.Printf("%s: %s %q\n", v.Rule, v.Decision, v.Reason)
	}
	// Output:
	// stop: allow ""
	// late: refuse "call_time_missed"
	// calling_hours: allow ""
}
