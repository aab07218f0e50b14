package storetest

import (
	"fmt"
	"reflect"
	"sync"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/scheduler"
)

func claimGuarantees() []guarantee {
	return []guarantee{
		{"G13_only_due_contacts_are_promoted_and_NextDue_tells_the_next", promotes},
		{"G14_claims_go_by_priority_then_due_time_within_the_pool", claimOrder},
		{"G15_a_claim_brings_all_that_a_call_needs", claimIsWhole},
		{"G16_eight_workers_claim_2000_contacts_each_exactly_once", claimOnce},
		{"G17_a_paused_task_is_not_claimed_and_stands_in_nobodys_way", pausedTask},
		{"G18_a_contact_has_at_most_one_live_attempt", oneLiveAttempt},
	}
}

func promotes(b *bed) {
	due, err := b.Scheduler.NextDue(b.ctx)
	if err != nil || !due.IsZero() {
		b.Errorf("nothing scheduled: %s, %v", due, err)
	}
	b.person(1)
	now := time.Now()
	past, future := newContact(1), newContact(1)
	past.DueAt, future.DueAt = now.Add(-time.Minute), now.Add(time.Hour)
	future.Priority = 100
	b.create(past)
	b.create(future)
	if due, err = b.Scheduler.NextDue(b.ctx); err != nil || !due.Equal(micro(past.DueAt)) {
		b.Errorf("next due %s, %v; want %s", due, err, past.DueAt)
	}
	if n, err := b.Scheduler.Promote(b.ctx, now, 10); err != nil || n != 1 {
		b.Errorf("promoted %d, %v; want 1", n, err)
	}
	if n, err := b.Scheduler.Promote(b.ctx, now, 10); err != nil || n != 0 {
		b.Errorf("promoted %d again, %v", n, err)
	}
	b.inState(past.ID, campaign.Ready)
	b.inState(future.ID, campaign.Scheduled)
	if due, err = b.Scheduler.NextDue(b.ctx); err != nil || !due.Equal(micro(future.DueAt)) {
		b.Errorf("next due %s, %v; want %s", due, err, future.DueAt)
	}
	if as := b.claim(10); len(as) != 1 || as[0].Contact.ID != past.ID {
		b.Errorf("claimed %d", len(as))
	}
	for range 5 {
		b.create(newContact(1))
	}
	if n, err := b.Scheduler.Promote(b.ctx, now.Add(time.Minute), 3); err != nil || n != 3 {
		b.Errorf("promoted %d of at most 3, %v", n, err)
	}
}

func claimOrder(b *bed) {
	b.person(1)
	base := time.Now().Add(-time.Hour)
	type row struct{ priority, minute int }
	var want []uuid.UUID
	for _, r := range []row{{5, 1}, {5, 2}, {0, 0}, {0, 9}, {-1, 0}} { // as they should be claimed
		c := newContact(1)
		c.Priority, c.DueAt = r.priority, base.Add(time.Duration(r.minute)*time.Minute)
		want = append(want, c.ID)
		b.create(c)
	}
	_, err := b.API.EnsureTask(b.ctx, campaign.Task{Tenant: tenant, Script: "elsewhere", Standing: true, Pool: "other"})
	b.must(err)
	c := newContact(1)
	c.Script, c.Priority = "elsewhere", 99
	b.create(c)
	b.promote()
	var got []uuid.UUID
	for _, a := range append(b.claim(2), b.claim(10)...) {
		got = append(got, a.Contact.ID)
	}
	if !reflect.DeepEqual(got, want) {
		b.Errorf("claimed %v\n    want %v", got, want)
	}
	if as, err := b.Scheduler.Claim(b.ctx, "other", 10, b.fence()); err != nil || len(as) != 1 || as[0].Contact.ID != c.ID {
		b.Errorf("other pool: %d, %v", len(as), err)
	}
}

func claimIsWhole(b *bed) {
	p := b.person(3)
	c := newContact(3)
	c.Ref, c.Priority = "ref-1", 4
	b.create(c)
	b.promote()
	before := time.Now()
	as := b.claim(5)
	if len(as) != 1 {
		b.Fatalf("claimed %d", len(as))
	}
	a := as[0]
	if a.ID.Version() != 7 {
		b.Errorf("attempt ID is version %d", a.ID.Version())
	}
	if a.Fence != (campaign.Fence{Attempt: a.ID, Owner: b.owner, Epoch: b.epoch}) {
		b.Errorf("fence %+v", a.Fence)
	}
	if a.Person.Number != p.Number || a.Person.ID != p.ID || a.Person.Vars["plan"] != "gold" || a.Zone != "Asia/Shanghai" {
		b.Errorf("person %+v in zone %q", a.Person, a.Zone)
	}
	if !reflect.DeepEqual(a.Task, b.task) {
		b.Errorf("task %+v\nwant %+v", a.Task, b.task)
	}
	if a.Contact.ID != c.ID || a.Contact.State != campaign.Claimed || a.Contact.Ref != "ref-1" || a.Contact.Priority != 4 || a.Contact.Script != script {
		b.Errorf("contact %+v", a.Contact)
	}
	if a.Try != 1 || a.State != campaign.AttemptClaimed || a.Tenant != tenant || !a.DueAt.Equal(micro(c.DueAt)) || !a.PlacedAt.IsZero() {
		b.Errorf("attempt %+v", a)
	}
	if a.BornAt.Before(micro(before)) || a.BornAt.After(time.Now()) {
		b.Errorf("born at %s", a.BornAt)
	}
	b.attemptIs(a.ID, campaign.AttemptClaimed)
	b.inState(c.ID, campaign.Claimed)
	if v := b.attempt(a.ID); v.Masked != p.Number.Masked() || v.Contact != c.ID || v.Outcome != nil {
		b.Errorf("view %+v", v)
	}
	if as := b.claim(5); len(as) != 0 {
		b.Errorf("claimed again: %d", len(as))
	}
	for _, n := range []int{0, -1} {
		if as := b.claim(n); len(as) != 0 {
			b.Errorf("claim(%d) gave %d", n, len(as))
		}
	}
}

func claimOnce(b *bed) {
	const contacts, workers, people = 2000, 8, 50
	for i := range people {
		b.person(i)
	}
	all := make([]api.NewContact, contacts)
	for i := range all {
		all[i] = newContact(i % people)
		all[i].Priority = i % 3
	}
	if b.Bulk != nil {
		b.Bulk(b.T, all)
	} else {
		b.parallel(workers, func(w int, view *bed) error {
			for i := w; i < contacts; i += workers {
				if _, _, err := view.API.CreateContact(b.ctx, all[i]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for range 3 {
		b.promote()
	}
	var mu sync.Mutex
	seen := map[uuid.UUID]int{}
	attempts := map[uuid.UUID]bool{}
	b.parallel(workers, func(w int, view *bed) error {
		owner := fmt.Sprintf("worker-%d", w)
		epoch, err := view.Scheduler.Register(b.ctx, owner)
		if err != nil {
			return err
		}
		for empty := 0; empty < 3; {
			as, err := view.Scheduler.Claim(b.ctx, pool, 1+w*3, campaign.Fence{Owner: owner, Epoch: epoch})
			if err != nil {
				return err
			}
			if len(as) == 0 {
				empty++ // others may hold what is left
				continue
			}
			mu.Lock()
			for _, a := range as {
				seen[a.Contact.ID]++
				attempts[a.ID] = true
			}
			mu.Unlock()
		}
		return nil
	})
	for id, n := range seen {
		if n != 1 {
			b.Errorf("contact %s was claimed %d times", id, n)
		}
	}
	if len(seen) != contacts || len(attempts) != contacts {
		b.Errorf("%d contacts in %d attempts, want %d", len(seen), len(attempts), contacts)
	}
}

// parallel runs f in n goroutines, every second one on another process's handle.
func (b *bed) parallel(n int, f func(w int, view *bed) error) {
	b.Helper()
	views := []*bed{b, b.again()}
	var wg sync.WaitGroup
	for w := range n {
		wg.Go(func() {
			if err := f(w, views[w%2]); err != nil {
				b.Errorf("worker %d: %v", w, err)
			}
		})
	}
	wg.Wait()
}

func pausedTask(b *bed) {
	b.person(1)
	slow := b.standing("slow")
	for range 30 { // high priority, promoted, then paused
		c := newContact(1)
		c.Script, c.Priority = "slow", 50
		b.create(c)
	}
	b.promote()
	b.must(b.API.SetTaskState(b.ctx, tenant, slow.ID, campaign.TaskPaused))
	late := newContact(1) // not yet promoted when its task was paused
	late.Script = "slow"
	b.create(late)
	c := b.create(newContact(1))
	b.promote()
	if as := b.claim(10); len(as) != 1 || as[0].Contact.ID != c.ID {
		b.Fatalf("claimed %d past a paused task, want the one of the other", len(as))
	}
	b.inState(late.ID, campaign.Scheduled)
	if as := b.claim(10); len(as) != 0 {
		b.Errorf("claimed %d of a paused task", len(as))
	}
	b.must(b.API.SetTaskState(b.ctx, tenant, slow.ID, campaign.TaskRunning))
	if due, err := b.Scheduler.NextDue(b.ctx); err != nil || due.IsZero() || due.After(time.Now()) {
		b.Errorf("contacts of a task that runs again are due %s, %v", due, err)
	}
	var got int
	b.until("all contacts of the resumed task are claimed", func() bool {
		b.promote()
		got += len(b.claim(100))
		return got >= 31
	})
	if got != 31 {
		b.Errorf("claimed %d, want 31", got)
	}
	if due, err := b.Scheduler.NextDue(b.ctx); err != nil || !due.IsZero() {
		b.Errorf("nothing is left, but due is %s, %v", due, err)
	}
}

func oneLiveAttempt(b *bed) {
	a := b.placed(1)
	b.must(b.Scheduler.Finish(b.ctx, a.Fence, again(outcome(campaign.Busy), time.Now().Add(-time.Second)), nil))
	b.promote()
	second := b.claim(1)
	if len(second) != 1 || second[0].Try != 2 || second[0].ID == a.ID {
		b.Fatalf("second try: %+v", second)
	}
	views, err := b.API.Attempts(b.ctx, tenant, a.Contact.ID)
	b.must(err)
	live := 0
	for _, v := range views {
		if v.State == campaign.AttemptClaimed || v.State == campaign.AttemptPlaced {
			live++
		}
	}
	if len(views) != 2 || live != 1 || views[0].ID != a.ID {
		b.Errorf("%d attempts, %d live", len(views), live)
	}
	b.want(b.tryPlace(a, allow, time.Now()), scheduler.ErrLate, "placing the finished attempt")
}
