package compliance_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

// A world is some people with shared numbers, in several campaigns at once,
// approached by every path over simulated years; the rules decide, and the
// oracle is asked about each decision.

const (
	worlds  = 8000
	perDay  = 125 // acts asked for in each world
	persons = 3
	tasks   = 3
)

// tally is what a run of worlds saw.
type seen struct {
	asked, allowed int
	by             map[string]int // asked by path
	refusedBy      map[string]int // by rule
	nearDST        int
	untils         int
	mistakes       []string
	over           map[string]int // mistakes by rule
	elapsed        time.Duration
}

func (s *seen) mistake(rule, format string, args ...any) {
	s.over[rule]++
	if len(s.mistakes) < 10 {
		s.mistakes = append(s.mistakes, rule+": "+fmt.Sprintf(format, args...))
	}
}

// world is one run.
type world struct {
	*stage
	r        *rand.Rand
	out      *seen
	rules    compliance.Rules
	own      []ownCap
	now      time.Time
	numbers  [4]int // of the stage
	zone     [persons]string
	acts     map[key]*compliance.Act
	named    map[string]compliance.Rules
	f        compliance.Facts
	history  []deed
	blocks   [persons][]compliance.Block
	consents [persons][]compliance.Consent
	stopped  bool
	spent    []compliance.Spent
	until    time.Time
	purposes [tasks]campaign.Purpose
	stated   string
}

type key struct {
	number, task int
	path         compliance.Path
}

func (s *stage) play(seed uint64, out *seen) {
	w := &world{stage: s, r: rand.New(rand.NewPCG(seed, 18)), out: out, acts: map[key]*compliance.Act{}, named: map[string]compliance.Rules{}} //nolint:gosec // a seed that can be played again
	n := w.r.IntN(len(ownOfWorld))
	w.rules, w.own = s.rules[n], ownOfWorld[n]
	home := w.r.IntN(len(s.numbers))
	for i := range w.numbers {
		w.numbers[i] = home
		if w.r.IntN(4) == 0 {
			w.numbers[i] = w.r.IntN(len(s.numbers))
		}
	}
	w.now = time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(w.r.Int64N(int64(6 * 365 * 24 * time.Hour))))
	if d := s.dst[home]; len(d) > 0 && w.r.IntN(2) == 0 { // a day or two before a clock change
		w.now = d[w.r.IntN(len(d))].Add(-time.Duration(w.r.Int64N(int64(60 * time.Hour))))
		out.nearDST++
	}
	for p := range persons {
		if w.zone[p] = zonesOfWorld[w.r.IntN(len(zonesOfWorld))]; w.r.IntN(250) == 0 {
			w.zone[p] = "Mars/Base"
		}
		w.consent(p)
	}
	all := []campaign.Purpose{campaign.Marketing, campaign.Collections, campaign.Collections, campaign.Service, campaign.Fraud}
	for i := range w.purposes {
		w.purposes[i] = all[w.r.IntN(len(all))]
	}
	if w.r.IntN(6) == 0 {
		w.stated = []string{"CN", "US", "UK", "FR", "EU"}[w.r.IntN(5)]
	}
	for range perDay {
		w.pass()
		w.ask()
	}
	w.audit()
}

// consent gives a person a written consent, sometimes one that ends.
func (w *world) consent(p int) {
	c := compliance.Consent{Basis: "written", Source: "form", ObtainedAt: w.now.Add(-time.Hour)}
	switch w.r.IntN(8) {
	case 0:
		c.ExpiresAt = w.now.Add(time.Duration(w.r.Int64N(int64(20 * 24 * time.Hour))))
	case 1:
		c.Purpose = campaign.Marketing
	case 2:
		c.Channel = compliance.Voice
	}
	w.consents[p] = append(w.consents[p], c)
}

// pass lets time pass: mostly little, sometimes to the very instant at which a
// gate said that it would open, to a moment before it, to a clock change, or
// back.
func (w *world) pass() {
	switch k := w.r.IntN(32); {
	case k < 9:
		w.now = w.now.Add(time.Duration(w.r.Int64N(int64(10 * time.Second))))
	case k < 14:
		w.now = w.now.Add(time.Duration(w.r.Int64N(int64(2 * time.Hour))))
	case k < 17:
		w.now = w.now.Add(time.Duration(w.r.Int64N(int64(26 * time.Hour))))
	case k < 19:
		w.now = w.now.Add(time.Duration(w.r.Int64N(int64(9 * 24 * time.Hour))))
	case k < 20:
		w.now = w.now.Add(-time.Duration(w.r.Int64N(int64(2 * time.Hour))))
	case k < 28 && w.until.After(w.now):
		w.now = w.until.Add([]time.Duration{0, 0, -1, 1, -time.Second}[w.r.IntN(5)])
	case k < 30:
		w.now = w.now.Truncate(time.Hour).Add(time.Hour)
	}
	switch p := w.r.IntN(persons); w.r.IntN(400) {
	case 0:
		w.blocks[p] = append(w.blocks[p], compliance.Block{Layer: compliance.LayerTenant, Kind: "person", Reason: "stop_word"})
	case 1, 2, 3:
		layer := []compliance.Layer{compliance.LayerSystem, compliance.LayerTenant, compliance.LayerTask}[w.r.IntN(3)]
		w.blocks[p] = append(w.blocks[p], compliance.Block{Layer: layer, Kind: "number", Reason: "complaint", Expires: w.now.Add(time.Duration(w.r.Int64N(int64(72 * time.Hour))))})
	case 4:
		w.consents[p][len(w.consents[p])-1].WithdrawnAt = w.now
	case 5, 6:
		w.consent(p)
	case 7:
		w.stopped = !w.stopped
	case 8, 9, 10:
		w.stopped = false
	}
}

var paths = []compliance.Path{compliance.PathTask, compliance.PathRetry, compliance.PathCallback, compliance.PathManual, compliance.PathSMS}

// ask asks for one act of a random path, and does it when it is allowed.
func (w *world) ask() {
	r := w.r
	person, task, path := r.IntN(persons), r.IntN(tasks), paths[r.IntN(len(paths))]
	slot := person // each has a number, and all share the last
	if r.IntN(3) == 0 {
		slot = 3
	}
	act := w.act(key{w.numbers[slot], task, path})
	act.DueAt = w.now
	w.facts(person, slot, task)
	q := question{now: w.now, region: w.region[w.numbers[slot]], purpose: act.Purpose, sms: path == compliance.PathSMS, stated: w.stated, zones: w.zonesOf(person, slot), places: w.places,
		person: person, number: w.numbers[slot], contact: person*tasks + task, history: w.history, own: w.own, blocks: w.blocks[person], consents: w.consents[person], stopped: w.stopped}
	v := w.rules.Quick(w.now, act, &w.f)
	want := q.answer()
	w.out.asked++
	w.out.by[string(path)]++
	switch {
	case v.Decision == compliance.Allow && want != "":
		w.out.mistake(want, "allowed at %s: %+v of %d acts, zones %v", w.now, act.Number, len(w.history), q.zones)
	case v.Decision != compliance.Allow && want == "":
		w.out.mistake(v.Rule, "kept back at %s for %s, zones %v", w.now, v.Reason, q.zones)
	}
	if v.Decision != compliance.Allow {
		w.out.refusedBy[v.Rule]++
		if v.Decision == compliance.Wait && !v.Until.IsZero() {
			w.until = v.Until
			if w.out.asked%16 == 0 {
				w.opens(v, act, &w.f)
			}
		}
		return
	}
	w.out.allowed++
	d := deed{at: w.now, end: w.now, sms: act.Channel == compliance.SMS, purpose: act.Purpose, path: path, person: person, number: w.numbers[slot], task: task, contact: q.contact}
	if !d.sms {
		d.end = w.now.Add(time.Duration(r.Int64N(int64(10 * time.Minute))))
		d.answered = r.IntN(2) == 0
		d.talked = d.answered && r.IntN(3) > 0
	}
	w.history = append(w.history, d)
}

// opens checks a wait's end: that rule allows then, and at no earlier moment
// that we try.
func (w *world) opens(v compliance.Verdict, act *compliance.Act, f *compliance.Facts) {
	w.out.untils++
	if !v.Until.After(w.now) {
		w.out.mistake("until", "%s at %s waits for the past: %s", v.Reason, w.now, v.Until)
		return
	}
	rule := w.named[v.Rule]
	if rule == nil {
		rule = w.rules.Named(v.Rule)
		w.named[v.Rule] = rule
	}
	if got := rule.Quick(v.Until, act, f); got.Decision != compliance.Allow {
		w.out.mistake("until", "%s at %s says %s and then %+v", v.Reason, w.now, v.Until, got)
	}
	for _, t := range []time.Time{v.Until.Add(-1), v.Until.Add(-time.Minute), w.now.Add(time.Duration(w.r.Int64N(int64(v.Until.Sub(w.now)))))} {
		if t.Before(w.now) {
			continue
		}
		if got := rule.Quick(t, act, f); got.Decision == compliance.Allow {
			w.out.mistake("until", "%s at %s says %s, but %s is open already", v.Reason, w.now, v.Until, t)
		}
	}
}

func (w *world) act(k key) *compliance.Act {
	if a, ok := w.acts[k]; ok {
		return a
	}
	a := w.stage.numbers[k.number]
	a.Channel, a.Path, a.Purpose, a.Jurisdiction, a.LegalBasis = compliance.Voice, k.path, w.purposes[k.task], w.stated, "express"
	if k.path == compliance.PathSMS {
		a.Channel = compliance.SMS
	}
	a.CallerID, a.Trunk = callerOfWorld, "carrier"
	a = w.rules.Prepared(a)
	w.acts[k] = &a
	return &a
}

var callerOfWorld, _ = phone.Short("95588")

// facts as a store reads them.
//
//go:norace
func (w *world) facts(person, slot, task int) {
	f := &w.f
	*f = compliance.Facts{Zone: w.zone[person], Blocks: w.blocks[person], Consents: w.consents[person], CallerID: w.registered}
	if w.stopped {
		f.Stopped = "tenant: by hand"
	}
	w.spent = w.spent[:0]
	for i := range w.history {
		d := &w.history[i]
		same := d.person == person
		at := d.number == w.numbers[slot]
		if same {
			f.LifePerson++
		}
		if at {
			f.LifeNumber++
		}
		if d.contact == person*tasks+task {
			f.LifeContact++
		}
		if !same && !at || w.now.Sub(d.at) >= compliance.Horizon {
			continue
		}
		s := compliance.Spent{At: d.at, Channel: compliance.Voice, Path: d.path, Purpose: d.purpose, SamePerson: same, SameNumber: at, SameTask: d.task == task,
			SameContact: d.contact == person*tasks+task, Open: d.openAt(w.now)}
		if d.sms {
			s.Channel = compliance.SMS
		}
		if !s.Open {
			s.Answered, s.Talked, s.TalkedAt = d.answered, d.talked, d.end
		}
		w.spent = append(w.spent, s)
	}
	f.Spent = w.spent
}

func (w *world) zonesOf(person, slot int) []string {
	zones := w.zones[w.numbers[slot]]
	if z := w.zone[person]; z != "" {
		zones = append(zones[:len(zones):len(zones)], z)
	}
	return zones
}

// audit counts afterwards, when every outcome is known: collections calls with
// a conversation per person and day, and everything per person in any 24 hours.
//
//go:norace
func (w *world) audit() {
	for i := range w.history {
		d := &w.history[i]
		for _, c := range w.own {
			if c.per != "24h" || c.counts != "all" || c.voice {
				continue
			}
			n := 0
			for k := range i { // what was done before it
				e := &w.history[k]
				if (c.subject == "person" && e.person == d.person || c.subject == "number" && e.number == d.number) && d.at.Sub(e.at) < 24*time.Hour {
					n++
				}
			}
			if n >= c.most {
				w.out.mistake("caps", "%d acts in 24 hours, %d allowed", n+1, c.most)
			}
		}
	}
}

// once plays all worlds, on every processor.
var once = sync.OnceValue(func() *seen {
	t := &reporter{}
	s := newStage(t)
	if t.failed != "" {
		return &seen{mistakes: []string{t.failed}, over: map[string]int{"stage": 1}}
	}
	start := time.Now()
	workers := runtime.GOMAXPROCS(0)
	parts := make([]*seen, workers)
	var wg sync.WaitGroup
	for k := range workers {
		parts[k] = &seen{by: map[string]int{}, refusedBy: map[string]int{}, over: map[string]int{}}
		wg.Go(func() {
			for n := k; n < worlds; n += workers {
				s.play(uint64(n), parts[k])
			}
		})
	}
	wg.Wait()
	sum := parts[0]
	for _, p := range parts[1:] {
		sum.asked, sum.allowed, sum.nearDST, sum.untils = sum.asked+p.asked, sum.allowed+p.allowed, sum.nearDST+p.nearDST, sum.untils+p.untils
		for k, n := range p.by {
			sum.by[k] += n
		}
		for k, n := range p.refusedBy {
			sum.refusedBy[k] += n
		}
		for k, n := range p.over {
			sum.over[k] += n
		}
		sum.mistakes = append(sum.mistakes, p.mistakes...)
	}
	sum.elapsed = time.Since(start)
	return sum
})

// reporter is a testing.TB for what runs once for several tests.
type reporter struct {
	testing.TB
	failed string
}

func (r *reporter) Helper()                      {}
func (r *reporter) Fatal(args ...any)            { r.failed = fmt.Sprint(args...) }
func (r *reporter) Fatalf(f string, args ...any) { r.failed = fmt.Sprintf(f, args...) }

// judged fails when a rule made a mistake, and shows what was tried.
func judged(t *testing.T, rules ...string) *seen {
	t.Helper()
	s := once()
	if s.asked < 1_000_000 {
		t.Fatalf("only %d cases: %v", s.asked, s.mistakes)
	}
	for _, r := range rules {
		if n := s.over[r]; n > 0 {
			t.Errorf("%s: %d mistakes:\n%s", r, n, strings.Join(s.mistakes, "\n"))
		}
		if s.refusedBy[r] == 0 && r != "until" {
			t.Errorf("%s kept nothing back in %d cases: the test does not reach it", r, s.asked)
		}
	}
	t.Logf("%d acts asked for, %d allowed, in %v; by path %v; kept back by %v; %d worlds near a clock change; %d waits tried", s.asked, s.allowed, s.elapsed.Round(time.Millisecond), s.by, s.refusedBy, s.nearDST, s.untils)
	return s
}

// No harassment: no path exceeds a cap, whatever campaigns do at once.
func TestRow_S18_NoPathExceedsACap(t *testing.T) {
	s := judged(t, "caps", "cool_down", "do_not_call", "consent", "stop", "until")
	for _, p := range paths {
		if s.by[string(p)] < 100_000 {
			t.Errorf("path %s was tried %d times", p, s.by[string(p)])
		}
	}
	for rule, n := range s.over {
		if n > 0 {
			t.Errorf("%s: %d mistakes:\n%s", rule, n, strings.Join(s.mistakes, "\n"))
		}
	}
}

// One budget for a person over calls, messages, callbacks and campaigns.
func TestRow_M15_OneBudgetPerPerson(t *testing.T) { judged(t, "caps", "cool_down", "until") }

// Attempts per contact, number and person, per day, 24 hours, 7 days and life.
func TestRow_T4_AttemptLimits(t *testing.T) { judged(t, "caps", "until") }

// No call outside the callee's hours, clock changes and holidays included.
func TestRow_T6_CallableHours(t *testing.T) {
	if s := judged(t, "calling_hours", "until"); s.nearDST < worlds/4 {
		t.Errorf("only %d worlds near a clock change", s.nearDST)
	}
}
