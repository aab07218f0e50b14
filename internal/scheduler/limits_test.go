package scheduler_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/pacing"
	"ringmaster/internal/scheduler"
)

func TestConcurrencyAndPlaceBeforeRun(t *testing.T) {
	b := newBed(t)
	for i := range 24 {
		b.due(i, time.Now(), 0)
	}
	c := &caller{b: b, length: 250 * time.Millisecond}
	s, stop := b.start(scheduler.Config{Concurrency: 4}, b, c)
	b.until("all calls are finished", func() bool { return s.Stats().Finished == 24 })
	b.must(stop())
	if c.most > 4 || c.most < 2 { // a busy machine may not reach the limit
		t.Errorf("%d calls at once, the limit is 4", c.most)
	}
	seen := map[uuid.UUID]bool{}
	for _, r := range c.rings() {
		if r.state != "placed" {
			t.Errorf("the exchange heard of an attempt that is %q on disk", r.state)
		}
		if seen[r.contact] {
			t.Error("a contact was rung twice")
		}
		seen[r.contact] = true
	}
	if st := s.Stats(); st.Claimed != 24 || st.Placed != 24 || st.Live != 0 || st.StoreErrors != 0 || c.open.Load() != 0 {
		t.Errorf("%+v, %d lines still taken", st, c.open.Load())
	}
}

func TestCPSHolds(t *testing.T) {
	b := newBed(t)
	for i := range 20 {
		b.due(i, time.Now(), 0)
	}
	c := &caller{b: b}
	start := time.Now()
	s, stop := b.start(scheduler.Config{CPS: pacing.CPS{Rate: 20, Burst: 2}}, b, c)
	b.until("all are called", func() bool { return s.Stats().Finished == 20 })
	b.must(stop())
	if took := time.Since(start); took < 850*time.Millisecond {
		t.Errorf("20 calls at 20 CPS and a burst of 2 within %s", took)
	}
	rings := c.rings()
	for i := range rings {
		n := 0
		for _, r := range rings {
			if d := r.at.Sub(rings[i].at); d >= 0 && d < 500*time.Millisecond {
				n++
			}
		}
		if n > 2+10+2 { // a burst, the rate, and what a busy machine delays
			t.Errorf("%d calls within half a second at 20 CPS", n)
		}
	}
}

// Trunks without a free line are asked again without touching the database.
func TestNoFreeLineCostsNoQueryAndIsNoticedAtOnce(t *testing.T) {
	b := newBed(t)
	b.due(1, time.Now(), 0)
	var free atomic.Int64
	var queries atomic.Int64
	c := &caller{b: b, free: func() int { return int(free.Load()) }}
	st := &flaky{b, func(m string) error {
		if m == "NextDue" || m == "Claim" || m == "Promote" {
			queries.Add(1)
		}
		return nil
	}}
	_, stop := b.start(scheduler.Config{}, st, c)
	time.Sleep(400 * time.Millisecond)
	if n := queries.Load(); n != 0 {
		t.Errorf("%d queries without a free line", n)
	}
	opened := time.Now()
	free.Store(1)
	b.until("the call is made", func() bool { return len(c.rings()) == 1 })
	if d := c.rings()[0].at.Sub(opened); d > 500*time.Millisecond {
		t.Errorf("dialled %s after a line came free", d)
	}
	b.must(stop())
}

func TestDialledWithinASecondOfItsTime(t *testing.T) {
	b := newBed(t)
	c := &caller{b: b}
	s, stop := b.start(scheduler.Config{Tick: 5 * time.Second}, b, c)
	at := time.Now().Add(2 * time.Second)
	b.due(1, at, 0)
	s.Wake() // as the API does
	b.until("the call is made", func() bool { return len(c.rings()) == 1 })
	b.must(stop())
	if d := c.rings()[0].at.Sub(at); d < 0 || d > time.Second {
		t.Errorf("dialled %s after its time", d)
	}
}

func TestPriorityFirstThenWhoWaitedLonger(t *testing.T) {
	b := newBed(t)
	now := time.Now()
	low := b.due(1, now.Add(-3*time.Minute), 0)
	high := b.due(2, now.Add(-time.Minute), 9)
	older := b.due(3, now.Add(-2*time.Minute), 9)
	b.due(4, now.Add(time.Hour), 100) // important, and not yet due
	c := &caller{b: b}
	s, stop := b.start(scheduler.Config{Concurrency: 1}, b, c)
	b.until("three calls", func() bool { return s.Stats().Finished == 3 })
	b.must(stop())
	got := []uuid.UUID{}
	for _, r := range c.rings() {
		got = append(got, r.contact)
	}
	if want := []uuid.UUID{older.ID, high.ID, low.ID}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("order %v, want %v", got, want)
	}
}

// With nothing to do a controller asks the database a few times a second and
// writes nothing but its heartbeat.
func TestIdleCostsLittle(t *testing.T) {
	b := newBed(t)
	var mu sync.Mutex
	asked := map[string]int{}
	st := &flaky{b, func(m string) error {
		mu.Lock()
		defer mu.Unlock()
		asked[m]++
		return nil
	}}
	_, stop := b.start(scheduler.Config{}, st, &caller{b: b})
	time.Sleep(2500 * time.Millisecond)
	b.must(stop())
	if asked["Promote"] != 0 || asked["NextDue"] > 5 || asked["Claim"] > 5 || asked["Renew"] > 2 || asked["Orphans"] > 2 {
		t.Errorf("in 2.5 s: %v", asked)
	}
}

func TestADatabaseThatIsAwayIsNotHammered(t *testing.T) {
	b := newBed(t)
	b.due(1, time.Now(), 0)
	var asked atomic.Int64
	var back atomic.Bool
	st := &flaky{b, func(m string) error {
		if back.Load() || m == "Renew" || m == "Orphans" {
			return nil
		}
		asked.Add(1)
		return errAway
	}}
	c := &caller{b: b}
	s, stop := b.start(scheduler.Config{Tick: 100 * time.Millisecond}, st, c)
	time.Sleep(time.Second)
	if n := asked.Load(); n < 5 || n > 15 {
		t.Errorf("asked %d times in a second, a tick is 100 ms", n)
	}
	back.Store(true)
	b.until("the call is made", func() bool { return s.Stats().Finished == 1 })
	b.must(stop())
}

func TestCancelHangsUpAndIsNotRetried(t *testing.T) {
	b := newBed(t)
	ct := b.due(1, time.Now(), 0)
	c := &caller{b: b, length: time.Minute}
	s, stop := b.start(scheduler.Config{}, b, c)
	b.until("it rings", func() bool { return len(c.rings()) == 1 })
	_, err := b.CancelContact(context.Background(), tenant, ct.ID, time.Now())
	b.must(err)
	if !s.Cancel(ct.ID.String()) {
		t.Error("no live call was found")
	}
	b.until("the call is over", func() bool { return s.Stats().Finished == 1 })
	b.must(stop())
	if got := b.contact(ct.ID); got.State != campaign.Cancelled {
		t.Errorf("contact %s", got.State)
	}
	if as := b.attempts(ct.ID); len(as) != 1 || as[0].State != campaign.AttemptFinished {
		t.Errorf("attempts %+v", as)
	}
	if s.Cancel(ct.ID.String()) {
		t.Error("a call that is over was found")
	}
}

// What the exchange refuses waits as long as the call says.
func TestWhatTheExchangeRefusesIsNotAskedForOverAndOver(t *testing.T) {
	b := newBed(t)
	ct := b.due(1, time.Now(), 0)
	next := time.Now().Add(time.Hour)
	c := &caller{b: b, run: func(context.Context, campaign.Attempt) campaign.Outcome {
		return campaign.Outcome{NeverSent: "exchange_refused", EndedAt: time.Now(), NextTry: next}
	}}
	s, stop := b.start(scheduler.Config{}, b, c)
	b.until("the attempt is given back", func() bool { return s.Stats().Postponed == 1 })
	b.must(stop())
	if got := b.contact(ct.ID); got.DueAt.Sub(next).Abs() > time.Second {
		t.Errorf("due at %v, want %v", got.DueAt, next)
	}
}
