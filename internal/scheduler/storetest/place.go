package storetest

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

func placeGuarantees() []guarantee {
	return []guarantee{
		{"G19_place_is_written_once", placeOnce},
		{"G20_the_budget_of_a_person_holds_under_concurrency", budgetConcurrent},
		{"G21_the_budget_counts_a_day_and_a_week_and_gets_back_what_was_not_used", budgetWindows},
		{"G22_place_refuses_who_opted_out_after_the_claim", placeOptedOut},
		{"G23_place_refuses_a_cancelled_contact_and_a_stopped_task", placeWithdrawn},
		{"G24_cancel_and_place_at_once_leave_no_third_state", cancelRace},
		{"G25_do_not_call_has_layers_expiry_and_reason", blockedBy},
	}
}

func placeOnce(b *bed) {
	a := b.claimed(1)
	now := time.Now()
	b.must(b.tryPlace(a, caps(1, 0), now))
	b.want(b.tryPlace(a, allow, now), scheduler.ErrLate, "placing twice")
	if v := b.attempt(a.ID); v.State != campaign.AttemptPlaced || v.PBX != "pbx-1" || v.Version != "v1" {
		b.Errorf("view %+v", v)
	}
	if c := b.inState(a.Contact.ID, campaign.Claimed); c.Tries != 1 {
		b.Errorf("tries %d", c.Tries)
	}
	unknown := a
	unknown.Fence.Attempt = id()
	b.want(b.tryPlace(unknown, allow, now), scheduler.ErrLate, "unknown attempt")
}

func budgetConcurrent(b *bed) {
	b.standing("second")
	const contacts, allowed = 24, 5
	b.person(1)
	for i := range contacts { // two tasks, one person
		c := newContact(1)
		if i%2 == 1 {
			c.Script = "second"
		}
		b.create(c)
	}
	b.promote()
	as := b.claim(contacts)
	if len(as) != contacts {
		b.Fatalf("claimed %d", len(as))
	}
	var placed, refused atomic.Int32
	b.parallel(8, func(w int, view *bed) error {
		for i := w; i < contacts; i += 8 {
			err := view.tryPlace(as[i], caps(allowed, allowed+2), time.Now())
			var no *scheduler.RefusedError
			switch {
			case err == nil:
				placed.Add(1)
			case errors.As(err, &no):
				refused.Add(1)
			default:
				return err
			}
		}
		return nil
	})
	if placed.Load() != allowed || refused.Load() != contacts-allowed {
		b.Errorf("placed %d, refused %d; want %d and %d", placed.Load(), refused.Load(), allowed, contacts-allowed)
	}
}

func budgetWindows(b *bed) {
	b.person(1)
	now := time.Now()
	day := 24 * time.Hour
	steps := []struct {
		name    string
		at      time.Time
		unplace bool
		refused bool
	}{
		{name: "first", at: now},
		{name: "second, taken back", at: now.Add(time.Minute), unplace: true},
		{name: "second", at: now.Add(2 * time.Minute)},
		{name: "third that day", at: now.Add(3 * time.Minute), refused: true},
		{name: "just within 24 h of the first", at: now.Add(day - time.Millisecond), refused: true},
		{name: "24 h after the first", at: now.Add(day)},
		{name: "fourth that week", at: now.Add(2 * day), refused: true},
		{name: "7 days after the first", at: now.Add(7 * day)},
	}
	for _, s := range steps {
		b.create(newContact(1))
		b.promote()
		as := b.claim(1)
		if len(as) != 1 {
			b.Fatalf("%s: claimed %d", s.name, len(as))
		}
		err := b.tryPlace(as[0], caps(2, 3), s.at)
		if s.refused {
			b.refusedBy(err, s.name)
			b.must(b.Scheduler.Refuse(b.ctx, as[0].Fence, campaign.Blocked, "contact_budget", nil))
			continue
		}
		if err != nil {
			b.Errorf("%s: %v", s.name, err)
		}
		if s.unplace {
			b.must(b.Scheduler.Unplace(b.ctx, as[0].Fence, now.Add(240*time.Hour), "exchange said no"))
		}
	}
}

func placeOptedOut(b *bed) {
	byNumber, byPerson, expired, other := b.claimed(1), b.claimed(2), b.claimed(3), b.claimed(4)
	b.must(b.API.OptOut(b.ctx, tenant, b.number(1), uuid.Nil, "stop_word", time.Time{}))
	b.must(b.API.OptOut(b.ctx, tenant, phone.Number{}, byPerson.Person.ID, "complaint", time.Time{}))
	b.must(b.API.OptOut(b.ctx, tenant, b.number(3), uuid.Nil, "holiday", time.Now().Add(-time.Hour)))
	b.must(b.API.OptOut(b.ctx, "other", b.number(4), uuid.Nil, "stop_word", time.Time{}))
	for name, a := range map[string]campaign.Attempt{"number": byNumber, "person": byPerson} {
		b.refusedBy(b.tryPlace(a, unlessBlocked, time.Now()), name)
		b.attemptIs(a.ID, campaign.AttemptClaimed)
	}
	b.must(b.tryPlace(expired, unlessBlocked, time.Now()))
	b.must(b.tryPlace(other, unlessBlocked, time.Now()))
}

func placeWithdrawn(b *bed) {
	cancelled, stopped := b.claimed(1), b.claimed(2)
	_, err := b.API.CancelContact(b.ctx, tenant, cancelled.Contact.ID, time.Now())
	b.must(err)
	b.want(b.tryPlace(cancelled, allow, time.Now()), scheduler.ErrWithdrawn, "cancelled contact")
	b.must(b.API.SetTaskState(b.ctx, tenant, b.task.ID, campaign.TaskPaused))
	b.want(b.tryPlace(stopped, allow, time.Now()), scheduler.ErrHalted, "paused task")
	b.must(b.API.SetTaskState(b.ctx, tenant, b.task.ID, campaign.TaskRunning))
	b.place(stopped)
	// A refusal leaves nothing behind: the budget was not touched.
	b.must(b.Scheduler.Refuse(b.ctx, cancelled.Fence, campaign.Cancelled, "cancelled", nil))
	b.create(newContact(1))
	b.promote()
	as := b.claim(1)
	if len(as) != 1 {
		b.Fatalf("claimed %d", len(as))
	}
	if err := b.tryPlace(as[0], caps(1, 0), time.Now()); err != nil {
		b.Errorf("budget was consumed by a refused Place: %v", err)
	}
}

func cancelRace(b *bed) {
	for i := range 12 {
		a := b.claimed(i)
		errs := make([]error, 2)
		b.parallel(2, func(w int, view *bed) error {
			if w == 0 {
				errs[0] = view.tryPlace(a, allow, time.Now())
				return nil
			}
			_, errs[1] = view.API.CancelContact(b.ctx, tenant, a.Contact.ID, time.Now())
			return nil
		})
		b.must(errs[1])
		b.inState(a.Contact.ID, campaign.Cancelled)
		switch {
		case errs[0] == nil:
			b.attemptIs(a.ID, campaign.AttemptPlaced)
			b.must(b.Scheduler.Finish(b.ctx, a.Fence, again(outcome(campaign.Busy), time.Now()), nil))
		case errors.Is(errs[0], scheduler.ErrWithdrawn):
			b.attemptIs(a.ID, campaign.AttemptClaimed)
			b.must(b.Scheduler.Postpone(b.ctx, a.Fence, time.Now(), "withdrawn"))
		default:
			b.Errorf("place: %v", errs[0])
		}
		b.inState(a.Contact.ID, campaign.Cancelled)
	}
	b.promote()
	if as := b.claim(100); len(as) != 0 {
		b.Errorf("%d cancelled contacts were claimed", len(as))
	}
}

func blockedBy(b *bed) {
	p := b.person(1)
	ask := func(tenant string, person uuid.UUID, n phone.Number, blocked bool) {
		b.Helper()
		if why := b.blocks(tenant, person, n); (len(why) > 0) != blocked {
			b.Errorf("blocked by %v; want blocked %v", why, blocked)
		}
	}
	ask(tenant, p.ID, p.Number, false)
	soon := time.Now().Add(700 * time.Millisecond)
	b.must(b.API.OptOut(b.ctx, tenant, p.Number, uuid.Nil, "campaign", soon))
	ask(tenant, uuid.Nil, p.Number, true)
	ask(tenant, p.ID, b.number(2), false)
	ask("other", uuid.Nil, p.Number, false)
	b.until("the ban expires", func() bool { return len(b.blocks(tenant, uuid.Nil, p.Number)) == 0 })
	b.must(b.API.OptOut(b.ctx, tenant, p.Number, p.ID, "stop_word", time.Time{}))
	b.must(b.API.OptOut(b.ctx, tenant, p.Number, p.ID, "later and shorter", time.Now().Add(-time.Hour)))
	ask(tenant, p.ID, phone.Number{}, true)
	ask(tenant, uuid.Nil, p.Number, true)
	ask(tenant, uuid.Nil, phone.Number{}, false)
}
