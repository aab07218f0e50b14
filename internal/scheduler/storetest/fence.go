package storetest

import (
	"fmt"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/scheduler"
)

func fenceGuarantees() []guarantee {
	return []guarantee{
		{"G35_each_registration_has_a_higher_epoch_and_fences_the_earlier", epochs},
		{"G36_a_stale_fence_can_write_nothing", staleFence},
		{"G37_orphans_are_the_unfinished_attempts_of_dead_epochs_only", orphansOfDead},
		{"G38_a_restarted_controller_finds_its_own_attempts", ownOrphans},
		{"G39_an_orphan_is_given_to_one_controller", orphanOnce},
		{"G40_a_crash_between_steps_loses_nothing_and_doubles_nothing", crashBetweenSteps},
	}
}

func epochs(b *bed) {
	second := b.register(b.owner)
	if second <= b.epoch {
		b.Errorf("epoch %d after %d", second, b.epoch)
	}
	b.want(b.Scheduler.Renew(b.ctx, b.owner, b.epoch), scheduler.ErrFenced, "heartbeat of the earlier life")
	b.must(b.Scheduler.Renew(b.ctx, b.owner, second))
	b.want(b.Scheduler.Renew(b.ctx, "nobody", 1), scheduler.ErrFenced, "heartbeat of one never registered")
	_, err := b.Scheduler.Claim(b.ctx, pool, 1, b.fence())
	b.want(err, scheduler.ErrFenced, "claim of the earlier life")
	_, err = b.Scheduler.Orphans(b.ctx, b.owner, b.epoch, time.Minute, 10)
	b.want(err, scheduler.ErrFenced, "orphans for the earlier life")
	seen := make(chan int64, 8)
	b.parallel(8, func(_ int, view *bed) error {
		e, err := view.Scheduler.Register(b.ctx, "same")
		seen <- e
		return err
	})
	close(seen)
	unique := map[int64]bool{}
	for e := range seen {
		unique[e] = true
	}
	if len(unique) != 8 {
		b.Errorf("8 registrations gave %d epochs", len(unique))
	}
}

// everything that a fence could write.
func writes(b *bed, f campaign.Fence, a compliance.Act) map[string]error {
	msgs := []scheduler.Message{message("x", "crm", "call.finished")}
	return map[string]error{
		"place":      b.Scheduler.Place(b.ctx, f, b.placement(), a, allow, time.Now()),
		"unplace":    b.Scheduler.Unplace(b.ctx, f, time.Now(), "x"),
		"checkpoint": b.checkpoint(f, 1, []scheduler.InputRecord{{Kind: "x"}}),
		"postpone":   b.Scheduler.Postpone(b.ctx, f, time.Now(), "x"),
		"refuse":     b.Scheduler.Refuse(b.ctx, f, campaign.Blocked, "x", msgs),
		"finish":     b.Scheduler.Finish(b.ctx, f, outcome(campaign.Busy), msgs),
	}
}

// checkpoint is that of one call.
func (b *bed) checkpoint(f campaign.Fence, seq int64, records []scheduler.InputRecord) error {
	refused, err := b.Scheduler.Checkpoint(b.ctx, []scheduler.Inputs{{Fence: f, Seq: seq, Records: records}})
	if err != nil {
		return err
	}
	return refused[0]
}

func staleFence(b *bed) {
	claimed, placed := b.claimed(1), b.placed(2)
	check := func(why string, f campaign.Fence, at campaign.Attempt) {
		b.Helper()
		c, a := b.contact(at.Contact.ID), b.attempt(f.Attempt)
		for name, err := range writes(b, f, act(at)) {
			b.want(err, scheduler.ErrFenced, why+": "+name)
		}
		if c2, a2 := b.contact(at.Contact.ID), b.attempt(f.Attempt); c2 != c || a2.State != a.State {
			b.Errorf("%s: something was written: %+v, %+v", why, c2, a2)
		}
	}
	for _, a := range []campaign.Attempt{claimed, placed} {
		stranger := a.Fence
		stranger.Owner = "controller-2"
		check("stranger", stranger, a)
		future := a.Fence
		future.Epoch++
		check("an epoch that is not yet", future, a)
	}
	// A second controller takes the attempts of the first, which is not dead after all and goes on writing.
	epoch := b.register("controller-2")
	wait(20 * time.Millisecond)
	taken, err := b.Scheduler.Orphans(b.ctx, "controller-2", epoch, 10*time.Millisecond, 10)
	if err != nil || len(taken) != 2 {
		b.Fatalf("orphans: %d, %v", len(taken), err)
	}
	b.must(b.Scheduler.Renew(b.ctx, b.owner, b.epoch))
	check("taken, claimed", claimed.Fence, claimed)
	check("taken, placed", placed.Fence, placed)
	if waiting, _ := b.depth(); waiting != 0 {
		b.Errorf("%d messages were written", waiting)
	}
	for _, a := range taken { // the new owner can
		if a.State == campaign.AttemptPlaced {
			b.must(b.Scheduler.Finish(b.ctx, a.Fence, outcome(campaign.Uncertain), nil))
		} else {
			b.must(b.Scheduler.Postpone(b.ctx, a.Fence, time.Now(), "owner died"))
		}
	}
	// The same controller restarted: the old life has the right name, but an old epoch, even before Orphans ran.
	own := b.claimed(3)
	b.epoch = b.register(b.owner)
	check("earlier life", own.Fence, own)
}

func orphansOfDead(b *bed) {
	claimed, placed, done := b.claimed(1), b.placed(2), b.placed(3)
	b.must(b.Scheduler.Finish(b.ctx, done.Fence, outcome(campaign.Completed), nil))
	const second = "controller-2"
	epoch := b.register(second)
	as, err := b.Scheduler.Claim(b.ctx, pool, 5, campaign.Fence{Owner: second, Epoch: epoch})
	if err != nil || len(as) != 0 {
		b.Fatalf("claimed %d, %v", len(as), err)
	}
	if got, err := b.Scheduler.Orphans(b.ctx, second, epoch, time.Hour, 10); err != nil || len(got) != 0 {
		b.Errorf("a live controller's attempts are orphans: %d, %v", len(got), err)
	}
	wait(30 * time.Millisecond)
	if got, err := b.Scheduler.Orphans(b.ctx, b.owner, b.epoch, time.Millisecond, 10); err != nil || len(got) != 0 {
		b.Errorf("a controller's own live attempts are orphans: %d, %v", len(got), err)
	}
	if got, err := b.Scheduler.Orphans(b.ctx, second, epoch, 20*time.Millisecond, 1); err != nil || len(got) != 1 {
		b.Errorf("at most one: %d, %v", len(got), err)
	} else if got[0].ID != claimed.ID || got[0].State != campaign.AttemptClaimed {
		b.Errorf("first orphan %s %s, want the older %s", got[0].ID, got[0].State, claimed.ID)
	}
	got, err := b.Scheduler.Orphans(b.ctx, second, epoch, 20*time.Millisecond, 10)
	if err != nil || len(got) != 1 {
		b.Fatalf("orphans: %d, %v", len(got), err)
	}
	o := got[0]
	if o.ID != placed.ID || o.State != campaign.AttemptPlaced || o.Fence.Owner != second || o.Fence.Epoch != epoch || o.Fence.Attempt != placed.ID {
		b.Errorf("orphan %+v", o)
	}
	if o.Placed.PBX != "pbx-1" || o.Placed.CallerID != b.placement().CallerID || o.Placed.ScriptVersion != "v1" || len(o.Placed.Permit) != 32 ||
		o.PlacedAt.IsZero() || o.Person.Number != b.number(2) || o.Task.ID != b.task.ID || o.Contact.ID != placed.Contact.ID {
		b.Errorf("orphan is not whole: %+v", o)
	}
	if got, err := b.Scheduler.Orphans(b.ctx, second, epoch, 20*time.Millisecond, 10); err != nil || len(got) != 0 {
		b.Errorf("orphans twice: %d, %v", len(got), err)
	}
}

func ownOrphans(b *bed) {
	a := b.placed(1)
	b.epoch = b.register(b.owner)
	got, err := b.Scheduler.Orphans(b.ctx, b.owner, b.epoch, time.Hour, 10)
	if err != nil || len(got) != 1 || got[0].ID != a.ID {
		b.Fatalf("orphans: %d, %v", len(got), err)
	}
	b.must(b.Scheduler.Finish(b.ctx, got[0].Fence, outcome(campaign.Uncertain), nil))
	b.inState(a.Contact.ID, campaign.Done)
}

func orphanOnce(b *bed) {
	const n = 40
	for i := range n {
		b.due(i)
	}
	if as := b.claim(n); len(as) != n {
		b.Fatalf("claimed %d", len(as))
	}
	wait(60 * time.Millisecond)
	ids := make([][]uuid.UUID, 4)
	b.parallel(len(ids), func(w int, view *bed) error {
		owner := fmt.Sprintf("rescuer-%d", w)
		epoch, err := view.Scheduler.Register(b.ctx, owner)
		if err != nil {
			return err
		}
		for {
			got, err := view.Scheduler.Orphans(b.ctx, owner, epoch, 50*time.Millisecond, 7)
			if err != nil || len(got) == 0 {
				return err
			}
			for _, a := range got {
				if a.Fence.Owner != owner {
					return fmt.Errorf("orphan of %s given to %s", a.Fence.Owner, owner)
				}
				ids[w] = append(ids[w], a.ID)
			}
			if err := view.Scheduler.Renew(b.ctx, owner, epoch); err != nil {
				return err
			}
		}
	})
	seen := map[uuid.UUID]int{}
	for _, list := range ids {
		for _, id := range list {
			seen[id]++
		}
	}
	if len(seen) != n {
		b.Errorf("%d orphans were found, want %d", len(seen), n)
	}
}

// crashBetweenSteps dies after each step of a call's path and looks what the next life finds.
func crashBetweenSteps(b *bed) {
	for i, step := range []string{"claim", "place", "checkpoint", "finish"} {
		c := b.due(i)
		as := b.claim(1)
		if len(as) != 1 || as[0].Contact.ID != c.ID {
			b.Fatalf("%s: claimed %d", step, len(as))
		}
		a := as[0]
		if step != "claim" {
			b.place(a)
		}
		if step == "checkpoint" {
			b.must(b.checkpoint(a.Fence, 1, []scheduler.InputRecord{{Kind: "answered"}}))
		}
		if step == "finish" {
			b.must(b.Scheduler.Finish(b.ctx, a.Fence, outcome(campaign.Completed), nil))
		}
		next := b.again() // kill -9, another process
		next.epoch = next.register(b.owner)
		b.epoch = next.epoch
		if more := next.claim(10); len(more) != 0 {
			b.Errorf("%s: %d contacts could be claimed again behind the crash's back", step, len(more))
		}
		orphans, err := next.Scheduler.Orphans(b.ctx, b.owner, next.epoch, time.Hour, 10)
		b.must(err)
		switch {
		case step == "finish":
			if len(orphans) != 0 {
				b.Errorf("a finished attempt is an orphan")
			}
			continue
		case len(orphans) != 1 || orphans[0].ID != a.ID:
			b.Fatalf("%s: %d orphans", step, len(orphans))
		}
		o := orphans[0]
		if step == "claim" {
			if o.State != campaign.AttemptClaimed {
				b.Errorf("%s: orphan is %s", step, o.State)
			}
			b.must(next.Scheduler.Refuse(b.ctx, o.Fence, campaign.Expired, "test", nil))
			continue
		}
		if o.State != campaign.AttemptPlaced {
			b.Errorf("%s: orphan is %s", step, o.State)
		}
		b.want(next.tryPlace(o, allow, time.Now()), scheduler.ErrLate, step+": dialled again")
		b.must(next.Scheduler.Finish(b.ctx, o.Fence, outcome(campaign.Uncertain), nil))
	}
}
