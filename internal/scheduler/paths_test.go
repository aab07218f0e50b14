package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

func TestRefusalsAreNamed(t *testing.T) {
	shut := rule(func(now time.Time, _ compliance.Act, _ compliance.Facts) compliance.Verdict {
		return compliance.Verdict{Decision: compliance.Wait, Rule: "calling_hours", Reason: "outside_calling_hours", Until: now.Add(time.Hour)}
	})
	for _, c := range []struct {
		what    string
		rules   compliance.Rules
		before  func(b *bed, ct campaign.Contact)
		prepare error
		at      time.Duration
		state   campaign.ContactState
		reason  string
	}{
		{what: "do not call", rules: compliance.Rules{compliance.DoNotCall{}, rule(allow)}, state: campaign.Blocked, reason: "do_not_call", before: func(b *bed, _ campaign.Contact) {
			n, _ := phone.Parse("+8613800000001", "CN")
			b.must(b.OptOut(context.Background(), tenant, n, uuid.Nil, "asked", time.Time{}))
		}},
		{what: "late", rules: compliance.Rules{compliance.Late{Grace: time.Minute}}, at: -time.Hour, state: campaign.Expired, reason: "call_time_missed"},
		{what: "hours, first try", rules: compliance.Rules{shut}, state: campaign.Expired, reason: "outside_calling_hours"},
		{what: "no rules at all", rules: compliance.Rules{}, state: campaign.Blocked, reason: "no_rules"},
		{what: "cannot be prepared", prepare: errors.New("script is not published"), state: campaign.Blocked, reason: "cannot_prepare: script is not published"},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := newBed(t)
			ct := b.due(1, time.Now().Add(c.at), 0)
			if c.before != nil {
				c.before(b, ct)
			}
			k := &caller{b: b, prepare: func(campaign.Attempt) error { return c.prepare }}
			s, stop := b.start(scheduler.Config{Rules: c.rules}, b, k)
			b.until("it is refused", func() bool { return s.Stats().Refused == 1 })
			b.must(stop())
			if got := b.contact(ct.ID); got.State != c.state || got.Reason != c.reason || got.Tries != 0 {
				t.Errorf("contact %s %q after %d tries, want %s %q", got.State, got.Reason, got.Tries, c.state, c.reason)
			}
			if n := len(k.rings()); n != 0 || k.open.Load() != 0 {
				t.Errorf("%d rings, %d lines still taken", n, k.open.Load())
			}
		})
	}
}

// A retry has no time that anybody asked for: it moves to the next window.
func TestARetryMovesToTheWindow(t *testing.T) {
	b := newBed(t)
	ct := b.due(1, time.Now(), 0)
	opens := time.Now().Add(5 * time.Hour).Truncate(time.Microsecond)
	shut := rule(func(_ time.Time, _ compliance.Act, _ compliance.Facts) compliance.Verdict {
		if as := b.attempts(ct.ID); len(as) > 1 {
			return compliance.Verdict{Decision: compliance.Wait, Reason: "outside_calling_hours", Until: opens}
		}
		return compliance.Verdict{Decision: compliance.Allow}
	})
	c := &caller{b: b, run: func(context.Context, campaign.Attempt) campaign.Outcome {
		return campaign.Outcome{Disposition: campaign.Busy, EndedAt: time.Now(), NextTry: time.Now()}
	}}
	s, stop := b.start(scheduler.Config{Rules: compliance.Rules{shut}}, b, c)
	b.until("the retry is postponed", func() bool { return s.Stats().Postponed == 1 })
	b.must(stop())
	if got := b.contact(ct.ID); got.State != campaign.Scheduled || !got.DueAt.Equal(opens) || got.Reason != "outside_calling_hours" || got.Tries != 1 {
		t.Errorf("%+v", got)
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

func TestWhatTheExchangeNeverSawUsesNoTry(t *testing.T) {
	b := newBed(t)
	ct := b.due(1, time.Now(), 0)
	var n atomic.Int64
	c := &caller{b: b, run: func(_ context.Context, a campaign.Attempt) campaign.Outcome {
		if n.Add(1) == 1 {
			return campaign.Outcome{NeverSent: "exchange_unavailable", EndedAt: time.Now()}
		}
		return campaign.Outcome{Disposition: campaign.Completed, EndedAt: time.Now()}
	}}
	s, stop := b.start(scheduler.Config{Budget: scheduler.Budget{PerDay: 1}}, b, c)
	b.until("the second attempt is finished", func() bool { return s.Stats().Finished == 1 })
	b.must(stop())
	rings := c.rings()
	if len(rings) != 2 || rings[0].try != 1 || rings[1].try != 1 {
		t.Errorf("%+v: want the same try number, and the budget given back", rings)
	}
	if got := b.contact(ct.ID); got.State != campaign.Done || got.Tries != 1 {
		t.Errorf("%+v", got)
	}
	if as := b.attempts(ct.ID); as[0].State != campaign.AttemptPostponed || as[1].State != campaign.AttemptFinished {
		t.Errorf("attempts %+v", as)
	}
}

func TestNotNowIsGivenBackAndBudgetWaits(t *testing.T) {
	b := newBed(t)
	one := b.due(1, time.Now(), 0)
	var refuse atomic.Bool
	refuse.Store(true)
	c := &caller{b: b, prepare: func(campaign.Attempt) error {
		if refuse.Load() {
			return fmt.Errorf("%w: no line is free", scheduler.ErrNotNow)
		}
		return nil
	}}
	s, stop := b.start(scheduler.Config{Budget: scheduler.Budget{PerDay: 1}}, b, c)
	b.until("it is given back", func() bool { return s.Stats().Postponed == 1 })
	if got := b.contact(one.ID); got.State != campaign.Scheduled || !strings.Contains(got.Reason, "no line is free") || got.Tries != 0 {
		t.Errorf("%+v", got)
	}
	refuse.Store(false)
	b.until("it is called", func() bool { return s.Stats().Finished == 1 })
	// The same person again today: the budget of one is used up.
	again := b.due(1, time.Now(), 0)
	s.Wake()
	b.until("it ends by name", func() bool { return s.Stats().Refused == 1 })
	b.must(stop())
	if got := b.contact(again.ID); got.State != campaign.Expired || got.Reason != "contact_budget" || len(c.rings()) != 1 {
		t.Errorf("%+v, %d rings", got, len(c.rings()))
	}
}

// A first call that finds no line for too long is missed by the time that was
// asked for, not by the one that it was put off to; and it is looked at less
// and less often.
func TestPutOffTooLongIsMissed(t *testing.T) {
	b := newBed(t)
	ct := b.due(1, time.Now(), 0)
	c := &caller{b: b, prepare: func(campaign.Attempt) error {
		if time.Since(ct.DueAt) > 3*time.Second {
			return nil
		}
		return fmt.Errorf("%w: no line is free", scheduler.ErrNotNow)
	}}
	s, stop := b.start(scheduler.Config{Rules: compliance.Rules{compliance.Late{Grace: 2 * time.Second}}}, b, c)
	b.until("it is missed", func() bool { return s.Stats().Refused == 1 })
	b.must(stop())
	if got := b.contact(ct.ID); got.State != campaign.Expired || got.Reason != "call_time_missed" || len(c.rings()) != 0 {
		t.Errorf("%+v, %d rings", got, len(c.rings()))
	}
	if n := len(b.attempts(ct.ID)); n > 4 {
		t.Errorf("looked at %d times in %s", n, time.Since(ct.DueAt))
	}
}

// What a dead controller had claimed and not placed keeps its own time: after
// a long stop it is missed and not a surprise.
func TestClaimedLongAgoIsMissed(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	epoch, err := b.Register(ctx, "rm-1")
	b.must(err)
	ct := b.due(1, time.Now().Add(-time.Hour), 0)
	_, err = b.Promote(ctx, time.Now(), 1)
	b.must(err)
	_, err = b.Claim(ctx, "default", 1, campaign.Fence{Owner: "rm-1", Epoch: epoch})
	b.must(err)
	c := &caller{b: b}
	s, stop := b.start(scheduler.Config{Rules: compliance.Rules{compliance.Late{Grace: time.Minute}}}, b, c)
	b.until("it is missed", func() bool { return s.Stats().Refused == 1 })
	b.must(stop())
	if got := b.contact(ct.ID); got.Reason != "call_time_missed" || len(c.rings()) != 0 {
		t.Errorf("%+v, %d rings", got, len(c.rings()))
	}
}

func TestFinishIsRetriedUntilTheDatabaseIsBack(t *testing.T) {
	b := newBed(t)
	ct := b.due(1, time.Now(), 0)
	var fails, tries atomic.Int64
	fails.Store(6)
	st := &flaky{b, func(m string) error {
		if m == "Finish" && tries.Add(1) <= fails.Load() {
			return errAway
		}
		return nil
	}}
	c := &caller{b: b}
	s, stop := b.start(scheduler.Config{}, st, c)
	b.until("the outcome is written", func() bool { return b.contact(ct.ID).State == campaign.Done })
	b.must(stop())
	if st := s.Stats(); st.Finished != 1 || st.StoreErrors != 6 || len(c.rings()) != 1 {
		t.Errorf("%+v, %d rings", st, len(c.rings()))
	}
}

// A database that never comes back does not keep the process from ending.
func TestFinishGivesUpAfterTheEnd(t *testing.T) {
	b := newBed(t)
	ct := b.due(1, time.Now(), 0)
	st := &flaky{b, func(m string) error {
		if m == "Finish" {
			return errAway
		}
		return nil
	}}
	c := &caller{b: b}
	_, stop := b.start(scheduler.Config{Last: 300 * time.Millisecond}, st, c)
	b.until("the call is over", func() bool { return strings.Contains(b.logged(), "step=finish") })
	begun := time.Now()
	b.must(stop())
	if d := time.Since(begun); d < 250*time.Millisecond || d > 3*time.Second {
		t.Errorf("gave up after %s", d)
	}
	if as := b.attempts(ct.ID); as[0].State != campaign.AttemptPlaced {
		t.Errorf("attempt %s", as[0].State)
	}
	// The next life finds it and does not ring again.
	after := &caller{b: b}
	s, stop := b.start(scheduler.Config{}, b, after)
	b.until("it is adopted", func() bool { return s.Stats().Finished == 1 })
	b.must(stop())
	if len(after.rings()) != 0 || len(after.adopted) != 1 {
		t.Errorf("%d rings, adopted %v", len(after.rings()), after.adopted)
	}
}

func TestPlaceThatFailsRingsNobody(t *testing.T) {
	b := newBed(t)
	ct := b.due(1, time.Now(), 0)
	var n atomic.Int64
	st := &flaky{b, func(m string) error {
		if m == "Place" && n.Add(1) == 1 {
			return errAway
		}
		return nil
	}}
	c := &caller{b: b}
	s, stop := b.start(scheduler.Config{}, st, c)
	b.until("it is given back", func() bool { return s.Stats().Postponed == 1 })
	b.must(stop())
	if got := b.contact(ct.ID); got.State != campaign.Scheduled || got.Tries != 0 || len(c.rings()) != 0 || c.discarded != 1 {
		t.Errorf("%+v, %d rings, %d discarded", got, len(c.rings()), c.discarded)
	}
}

// An answer to Place that was lost although it was written: taken back, with
// its budget, and nobody was rung.
func TestPlaceThatWasWrittenWithoutAnAnswerIsTakenBack(t *testing.T) {
	b := newBed(t)
	ct := b.due(1, time.Now(), 0)
	lost := &lostAnswer{Store: b}
	c := &caller{b: b}
	s, stop := b.start(scheduler.Config{Budget: scheduler.Budget{PerDay: 1}}, lost, c)
	b.until("it is taken back", func() bool { return s.Stats().Postponed == 1 })
	b.must(stop())
	if got := b.contact(ct.ID); got.State != campaign.Scheduled || got.Tries != 0 || len(c.rings()) != 0 {
		t.Errorf("%+v, %d rings", got, len(c.rings()))
	}
}

type lostAnswer struct{ scheduler.Store }

func (l *lostAnswer) Place(ctx context.Context, f campaign.Fence, p campaign.Placement, b scheduler.Budget, now time.Time) error {
	if err := l.Store.Place(ctx, f, p, b, now); err != nil {
		return err
	}
	return errAway
}

func TestAFencedControllerStopsAndHangsUp(t *testing.T) {
	b := newBed(t)
	b.due(1, time.Now(), 0)
	c := &caller{b: b, length: time.Minute}
	_, stop, ended := b.startGrace(scheduler.Config{Heartbeat: 50 * time.Millisecond}, b, c, time.Minute)
	b.until("it rings", func() bool { return len(c.rings()) == 1 })
	_, err := b.Register(context.Background(), "rm-1") // another process with the same ID
	b.must(err)
	select {
	case err := <-ended:
		if !errors.Is(err, scheduler.ErrFenced) || !strings.Contains(err.Error(), "rm-1") {
			t.Errorf("%v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("a fenced controller goes on")
	}
	b.due(2, time.Now(), 0)
	if stop() == nil || len(c.rings()) != 1 {
		t.Error("no error, or it went on calling")
	}
}

func TestOrphansOfDeadControllers(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	epoch, err := b.Register(ctx, "rm-1")
	b.must(err)
	for i := range 6 {
		b.due(i, time.Now(), 0)
	}
	_, err = b.Promote(ctx, time.Now(), 100)
	b.must(err)
	as, err := b.Claim(ctx, "default", 6, campaign.Fence{Owner: "rm-1", Epoch: epoch})
	b.must(err)
	for _, a := range as[:4] {
		b.must(b.Place(ctx, a.Fence, campaign.Placement{PBX: "main"}, scheduler.Budget{}, time.Now()))
	}
	var asked atomic.Int64
	c := &caller{b: b, adopt: func(a campaign.Attempt) (campaign.Outcome, error) {
		if asked.Add(1) <= 2 {
			return campaign.Outcome{}, errors.New("exchange is not up yet")
		}
		return campaign.Outcome{Disposition: campaign.Uncertain, Reason: "controller_died", StartedAt: a.PlacedAt, EndedAt: time.Now()}, nil
	}}
	// Two later lives at once: each orphan belongs to one of them.
	s1, stop1 := b.start(scheduler.Config{Owner: "rm-1"}, b, c)
	s2, stop2 := b.start(scheduler.Config{Owner: "rm-2", Dead: 10 * time.Second}, b, c)
	b.until("all six ended", func() bool { return s1.Stats().Finished+s2.Stats().Finished == 6 })
	b.must(stop1())
	b.must(stop2())
	got := map[uuid.UUID]int{}
	for _, id := range c.adopted {
		got[id]++
	}
	if len(got) != 4 || asked.Load() != 6 {
		t.Errorf("adopted %v in %d questions: want each placed one until its answer", got, asked.Load())
	}
	if rings := c.rings(); len(rings) != 2 || rings[0].try != 1 || rings[1].try != 1 {
		t.Errorf("claimed and never placed: %+v, want both called with the try unused", rings)
	}
	for i, a := range as {
		ct := b.contact(a.Contact.ID)
		if i < 4 && (ct.State != campaign.Scheduled || ct.Tries != 1) || i >= 4 && ct.State != campaign.Done {
			t.Errorf("contact %d: %s after %d tries, %s", i, ct.State, ct.Tries, ct.Reason)
		}
	}
}

// The attempts of another controller are taken only when it is dead.
func TestAQuietControllerIsDeadAfterItsTime(t *testing.T) {
	b := newBed(t)
	ctx := context.Background()
	epoch, err := b.Register(ctx, "rm-2")
	b.must(err)
	b.due(1, time.Now(), 0)
	_, err = b.Promote(ctx, time.Now(), 1)
	b.must(err)
	as, err := b.Claim(ctx, "default", 1, campaign.Fence{Owner: "rm-2", Epoch: epoch})
	b.must(err)
	b.must(b.Place(ctx, as[0].Fence, campaign.Placement{PBX: "main"}, scheduler.Budget{}, time.Now()))
	c := &caller{b: b}
	s, stop := b.start(scheduler.Config{Owner: "rm-1", Dead: 600 * time.Millisecond, Heartbeat: 100 * time.Millisecond}, b, c)
	time.Sleep(250 * time.Millisecond)
	if s.Stats().Orphans != 0 {
		t.Error("a living controller lost its attempt")
	}
	b.until("it is adopted", func() bool { return s.Stats().Finished == 1 })
	b.must(stop())
	if err := b.Finish(ctx, as[0].Fence, campaign.Outcome{Disposition: campaign.Completed, EndedAt: time.Now()}, nil); !errors.Is(err, scheduler.ErrFenced) {
		t.Errorf("the dead one came back and wrote: %v", err)
	}
}

// A controller whose heartbeat is not heard claims nothing: it would lose it.
func TestWithoutAHeartbeatNothingIsClaimed(t *testing.T) {
	b := newBed(t)
	var mute atomic.Bool
	st := &flaky{b, func(m string) error {
		if m == "Renew" && mute.Load() {
			return errAway
		}
		return nil
	}}
	mute.Store(true)
	c := &caller{b: b}
	s, stop := b.start(scheduler.Config{Heartbeat: 50 * time.Millisecond, Dead: 400 * time.Millisecond, Tick: 50 * time.Millisecond}, st, c)
	time.Sleep(350 * time.Millisecond)
	b.due(1, time.Now(), 0)
	time.Sleep(300 * time.Millisecond)
	if n := len(c.rings()); n != 0 {
		t.Error("claimed while the others take it for dead")
	}
	mute.Store(false)
	b.until("it goes on", func() bool { return s.Stats().Finished == 1 })
	b.must(stop())
}

func TestShutdownClaimsNothingAndLetsCallsFinish(t *testing.T) {
	b := newBed(t)
	for i := range 3 {
		b.due(i, time.Now(), 0)
	}
	long := b.due(3, time.Now().Add(-time.Minute), 9)
	c := &caller{b: b, run: func(ctx context.Context, a campaign.Attempt) campaign.Outcome {
		o := campaign.Outcome{Disposition: campaign.Completed}
		d := 250 * time.Millisecond
		if a.Contact.ID == long.ID {
			d = time.Minute
		}
		select {
		case <-time.After(d):
		case <-ctx.Done():
			o.Disposition, o.Reason = campaign.Failed, "controller_stops"
		}
		o.EndedAt = time.Now()
		return o
	}}
	s, stop, _ := b.startGrace(scheduler.Config{Concurrency: 3}, b, c, 700*time.Millisecond)
	b.until("three calls ring", func() bool { return len(c.rings()) == 3 })
	begun := time.Now()
	b.must(stop())
	if d := time.Since(begun); d < 600*time.Millisecond || d > 4*time.Second {
		t.Errorf("ended after %s, the grace is 700 ms", d)
	}
	if n := len(c.rings()); n != 3 {
		t.Errorf("%d calls: one was started after the end", n)
	}
	if st := s.Stats(); st.Finished != 3 || st.Live != 0 || c.open.Load() != 0 {
		t.Errorf("%+v", st)
	}
	if as := b.attempts(long.ID); as[0].Outcome == nil || as[0].Outcome.Reason != "controller_stops" {
		t.Errorf("the call that was hung up: %+v", as)
	}
}

// ctx ends while the database answers a claim: what it gave is given back.
func TestAClaimThatComesTooLateIsGivenBack(t *testing.T) {
	b := newBed(t)
	ct := b.due(1, time.Now(), 0)
	slow := &slowClaim{Store: b, begun: make(chan struct{}), go_: make(chan struct{})}
	c := &caller{b: b}
	_, stop := b.start(scheduler.Config{}, slow, c)
	<-slow.begun
	go func() { time.Sleep(100 * time.Millisecond); close(slow.go_) }()
	b.must(stop())
	if got := b.contact(ct.ID); got.State != campaign.Scheduled || got.Reason != "shutting_down" || len(c.rings()) != 0 || got.Tries != 0 {
		t.Errorf("%+v, %d rings", got, len(c.rings()))
	}
}

type slowClaim struct {
	scheduler.Store
	begun, go_ chan struct{}
}

func (s *slowClaim) Claim(ctx context.Context, pool string, n int, f campaign.Fence) ([]campaign.Attempt, error) {
	close(s.begun)
	<-s.go_
	return s.Store.Claim(ctx, pool, n, f)
}

func TestADatabaseThatNeverAnswersAtTheStart(t *testing.T) {
	b := newBed(t)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	s := scheduler.New(scheduler.Config{Owner: "rm-1"}, &noRegister{b}, &caller{b: b}, nil, b.logger())
	if err := s.Run(ctx, context.Background()); !errors.Is(err, errAway) {
		t.Errorf("%v", err)
	}
}

type noRegister struct{ scheduler.Store }

func (noRegister) Register(context.Context, string) (int64, error) { return 0, errAway }
