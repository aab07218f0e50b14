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
	s, stop := b.start(scheduler.Config{Rules: perDay(1)}, b, c)
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
	s, stop := b.start(scheduler.Config{Rules: perDay(1)}, b, c)
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
	if d := time.Since(begun); d < 250*time.Millisecond || d > 30*time.Second {
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
	s, stop := b.start(scheduler.Config{Rules: perDay(1)}, lost, c)
	b.until("it is taken back", func() bool { return s.Stats().Postponed == 1 })
	b.must(stop())
	if got := b.contact(ct.ID); got.State != campaign.Scheduled || got.Tries != 0 || len(c.rings()) != 0 {
		t.Errorf("%+v, %d rings", got, len(c.rings()))
	}
}

type lostAnswer struct{ scheduler.Store }

func (l *lostAnswer) Place(ctx context.Context, f campaign.Fence, p campaign.Placement, a compliance.Act, j compliance.Judge, now time.Time) error {
	if err := l.Store.Place(ctx, f, p, a, j, now); err != nil {
		return err
	}
	return errAway
}
