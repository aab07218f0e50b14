package storetest

import (
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/outbox"
	"ringmaster/internal/scheduler"
)

func outboxGuarantees() []guarantee {
	return []guarantee{
		{"G41_messages_of_an_aggregate_are_leased_in_order_one_at_a_time", outboxOrder},
		{"G42_one_slow_receiver_blocks_no_other", outboxSlowReceiver},
		{"G43_a_lease_expires_and_then_the_earlier_owner_can_write_nothing", outboxLease},
		{"G44_retry_waits_bury_ends_and_depth_counts", outboxRetry},
		{"G45_eight_workers_lease_each_message_once", outboxOnce},
		{"G46_appending_at_once_keeps_a_gapless_order", outboxAppend},
		{"G47_a_message_ID_is_stored_once", outboxSameID},
		{"G48_a_lease_leaves_out_receivers_that_have_their_share", outboxExcept},
		{"G49_a_lease_that_ended_without_a_word_is_told", outboxLapsed},
	}
}

// post stores messages with a contact, as production does.
func (b *bed) post(msgs ...scheduler.Message) {
	b.Helper()
	c := newContact(1)
	c.DueAt = time.Now().Add(time.Hour)
	c.Messages = msgs
	b.create(c)
}

func (b *bed) lease(owner string, n int, d time.Duration) []outbox.Delivery {
	b.Helper()
	ds, err := b.Outbox.Lease(b.ctx, owner, n, d)
	b.must(err)
	return ds
}

func outboxOrder(b *bed) {
	b.person(1)
	m := []scheduler.Message{message("call-1", "crm", "one"), message("call-1", "crm", "two"), message("call-1", "crm", "three"), message("call-2", "crm", "other")}
	b.post(m[0], m[3])
	b.post(m[1])
	b.post(m[2])
	first := b.lease("w", 10, time.Minute)
	if len(first) != 2 {
		b.Fatalf("leased %d, want the first of each aggregate", len(first))
	}
	for _, d := range first {
		if d.Aggregate == "call-1" && (d.ID != m[0].ID || d.Event != "one" || string(d.Body) != `{"event":"one"}` || d.Destination != "crm" ||
			d.Kind != "webhook" || d.Tenant != tenant || d.Tries != 0 || d.CreatedAt.IsZero()) {
			b.Errorf("delivery %+v", d)
		}
	}
	if more := b.lease("w", 10, time.Minute); len(more) != 0 {
		b.Errorf("leased %d behind an undelivered message", len(more))
	}
	b.must(b.Outbox.Delivered(b.ctx, "w", m[0].ID, 200))
	b.must(b.Outbox.Delivered(b.ctx, "w", m[0].ID, 200)) // its answer was lost
	next := b.lease("w", 10, time.Minute)
	if len(next) != 1 || next[0].ID != m[1].ID || next[0].Seq <= first[0].Seq && next[0].Aggregate == first[0].Aggregate {
		b.Fatalf("then %+v", next)
	}
	b.must(b.Outbox.Bury(b.ctx, "w", m[1].ID, "410")) // a dead letter does not block what follows
	if last := b.lease("w", 10, time.Minute); len(last) != 1 || last[0].ID != m[2].ID {
		b.Errorf("at last %+v", last)
	}
}

func outboxSlowReceiver(b *bed) {
	b.person(1)
	slow, quick := message("call-1", "slow", "one"), message("call-1", "quick", "one")
	b.post(slow)
	b.post(quick)
	b.post(message("call-2", "slow", "one"))
	if got := b.lease("w", 10, time.Minute); len(got) != 3 {
		b.Fatalf("leased %d, want 3: another receiver and another call do not wait", len(got))
	}
	b.must(b.Outbox.Delivered(b.ctx, "w", quick.ID, 200))
	b.must(b.Outbox.Retry(b.ctx, "w", slow.ID, time.Now().Add(time.Hour), "timeout"))
	next := message("call-1", "quick", "two")
	b.post(next, message("call-1", "slow", "two"))
	if got := b.lease("w", 10, time.Minute); len(got) != 1 || got[0].ID != next.ID {
		b.Errorf("leased %d, want the quick receiver's", len(got))
	}
}

func outboxLease(b *bed) {
	b.person(1)
	m := message("call-1", "crm", "one")
	b.post(m)
	if got := b.lease("first", 1, 150*time.Millisecond); len(got) != 1 {
		b.Fatalf("leased %d", len(got))
	}
	if got := b.lease("second", 1, time.Minute); len(got) != 0 {
		b.Error("leased twice")
	}
	if due, err := b.Outbox.NextDue(b.ctx); err != nil || due.IsZero() {
		b.Errorf("next due %s, %v: want the end of the lease", due, err)
	}
	var got []outbox.Delivery
	b.until("the lease expires", func() bool {
		got = b.lease("second", 1, time.Minute)
		return len(got) == 1
	})
	if got[0].ID != m.ID || got[0].Tries != 1 {
		b.Errorf("second lease %+v", got[0])
	}
	for name, err := range map[string]error{
		"delivered": b.Outbox.Delivered(b.ctx, "first", m.ID, 200),
		"retry":     b.Outbox.Retry(b.ctx, "first", m.ID, time.Now(), "x"),
		"bury":      b.Outbox.Bury(b.ctx, "first", m.ID, "x"),
		"unknown":   b.Outbox.Delivered(b.ctx, "second", id(), 200),
	} {
		b.want(err, scheduler.ErrFenced, name)
	}
	b.must(b.Outbox.Delivered(b.ctx, "second", m.ID, 204))
	b.want(b.Outbox.Retry(b.ctx, "second", m.ID, time.Now(), "x"), scheduler.ErrLate, "retry of a delivered message")
}

func outboxRetry(b *bed) {
	b.person(1)
	if due, err := b.Outbox.NextDue(b.ctx); err != nil || !due.IsZero() {
		b.Errorf("nothing waits, due %s, %v", due, err)
	}
	m := message("call-1", "crm", "one")
	b.post(m, message("call-1", "crm", "two"))
	b.lease("w", 1, time.Minute)
	at := time.Now().Add(300 * time.Millisecond)
	b.must(b.Outbox.Retry(b.ctx, "w", m.ID, at, "503"))
	if got := b.lease("w", 10, time.Minute); len(got) != 0 && time.Now().Before(at) {
		b.Errorf("leased %d before the retry was due", len(got))
	}
	if due, err := b.Outbox.NextDue(b.ctx); err != nil || !due.Equal(micro(at)) {
		b.Errorf("next due %s, %v; want %s", due, err, at)
	}
	var got []outbox.Delivery
	b.until("the retry is due", func() bool {
		got = b.lease("w", 10, time.Minute)
		return len(got) > 0
	})
	if len(got) != 1 || got[0].ID != m.ID || got[0].Tries != 1 {
		b.Errorf("retried %+v", got)
	}
	if waiting, dead := b.depth(); waiting != 2 || dead != 0 {
		b.Errorf("depth %d, %d; want 2, 0", waiting, dead)
	}
	b.must(b.Outbox.Bury(b.ctx, "w", m.ID, "gave up"))
	if waiting, dead := b.depth(); waiting != 1 || dead != 1 {
		b.Errorf("depth %d, %d; want 1, 1", waiting, dead)
	}
	if got := b.lease("w", 10, time.Minute); len(got) != 1 {
		b.Errorf("the second message is not free: %d", len(got))
	}
}

func outboxOnce(b *bed) {
	b.person(1)
	const n = 300
	for i := 0; i < n; i += 10 {
		var msgs []scheduler.Message
		for j := range 10 {
			msgs = append(msgs, message(fmt.Sprintf("call-%d", (i+j)%60), "crm", "e"))
		}
		b.post(msgs...)
	}
	var mu sync.Mutex
	seen := map[uuid.UUID]int{}
	order := map[string]int64{}
	b.parallel(8, func(w int, view *bed) error {
		owner := fmt.Sprintf("w%d", w)
		stop := time.After(30 * time.Second)
		for {
			ds, err := view.Outbox.Lease(b.ctx, owner, 4, time.Minute)
			if err != nil {
				return err
			}
			for _, d := range ds {
				mu.Lock()
				seen[d.ID]++
				if d.Seq <= order[d.Aggregate] {
					b.Errorf("%s: %d after %d", d.Aggregate, d.Seq, order[d.Aggregate])
				}
				order[d.Aggregate] = d.Seq
				mu.Unlock()
				if err := view.Outbox.Delivered(b.ctx, owner, d.ID, 200); err != nil {
					return err
				}
			}
			if waiting, _, err := view.Outbox.Depth(b.ctx); err != nil || waiting == 0 {
				return err
			}
			select {
			case <-stop:
				return fmt.Errorf("messages are left after 30 s")
			default:
			}
		}
	})
	for id, times := range seen {
		if times != 1 {
			b.Errorf("message %s was leased %d times", id, times)
		}
	}
	if len(seen) != n {
		b.Errorf("%d messages, want %d", len(seen), n)
	}
}

func outboxAppend(b *bed) {
	b.person(1)
	const n = 40
	b.parallel(8, func(w int, view *bed) error {
		for i := w; i < n; i += 8 {
			c := newContact(1)
			c.Messages = []scheduler.Message{message("one", "crm", "e")}
			if _, _, err := view.API.CreateContact(b.ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	var last int64
	for range n {
		ds := b.lease("w", 5, time.Minute)
		if len(ds) != 1 || ds[0].Seq != last+1 {
			b.Fatalf("after %d: %+v", last, ds)
		}
		last++
		b.must(b.Outbox.Delivered(b.ctx, "w", ds[0].ID, 200))
	}
}

func outboxSameID(b *bed) {
	b.person(1)
	m := message("call-1", "crm", "one")
	b.post(m)
	b.post(m)
	if waiting, _ := b.depth(); waiting != 1 {
		b.Errorf("%d messages, want 1", waiting)
	}
}

func outboxExcept(b *bed) {
	b.person(1)
	for i := range 5 {
		b.post(message(fmt.Sprintf("call-%d", i), "slow", "one"))
	}
	quick := message("call-9", "quick", "one")
	b.post(quick)
	ds, err := b.Outbox.Lease(b.ctx, "w", 3, time.Minute, "slow", "another")
	b.must(err)
	if len(ds) != 1 || ds[0].ID != quick.ID {
		b.Errorf("leased %+v, want the quick receiver's", ds)
	}
	if ds := b.lease("w", 10, time.Minute); len(ds) != 5 {
		b.Errorf("then leased %d, want the other five", len(ds))
	}
}

func outboxLapsed(b *bed) {
	b.person(1)
	m := message("call-1", "crm", "one")
	b.post(m)
	again := func(what string, d time.Duration, lapsed bool) {
		b.Helper()
		var ds []outbox.Delivery
		b.until(what, func() bool { ds = b.lease("w", 1, d); return len(ds) == 1 })
		if ds[0].Lapsed != lapsed {
			b.Errorf("%s: lapsed is %v", what, ds[0].Lapsed)
		}
	}
	again("the first time", time.Minute, false)
	b.must(b.Outbox.Retry(b.ctx, "w", m.ID, time.Now(), "receiver answered 500"))
	again("after a retry", 100*time.Millisecond, false)
	again("after a lease that ended", time.Minute, true)
	b.must(b.Outbox.Retry(b.ctx, "w", m.ID, time.Now(), "receiver answered 500"))
	again("after another retry", time.Minute, false)
}
