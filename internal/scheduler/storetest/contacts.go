package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/scheduler"
)

func contactGuarantees() []guarantee {
	return []guarantee{
		{"G06_contact_reads_back_with_times_to_the_microsecond_in_UTC", contactRoundTrip},
		{"G07_idempotency_key_returns_the_first_contact", idempotency},
		{"G08_concurrent_duplicates_make_one_contact", concurrentDuplicates},
		{"G09_contact_and_messages_are_stored_together_or_not_at_all", contactAtomic},
		{"G10_contacts_are_listed_in_order_a_page_at_a_time", contactPages},
		{"G11_cancel_ends_what_is_not_final", cancel},
		{"G12_a_context_that_ended_writes_nothing", endedContext},
	}
}

func contactRoundTrip(b *bed) {
	p := b.person(1)
	due := time.Date(2031, 3, 4, 5, 6, 7, 123_456_789, time.FixedZone("UTC+8", 8*3600))
	c := newContact(1)
	c.DueAt, c.CallTime, c.CallZone, c.Priority, c.Ref = due, "2031-03-04T05:06:07", "Asia/Shanghai", -3, "订单 \"7\" 😀"
	made := b.create(c)
	got := b.contact(c.ID)
	if !reflect.DeepEqual(made, got) {
		b.Errorf("returned %+v\n    read %+v", made, got)
	}
	want := campaign.Contact{
		ID: c.ID, Tenant: tenant, Task: b.task.ID, Person: p.ID, Script: script, Customer: p.ExternalID, State: campaign.Scheduled, DueAt: micro(due), CallTime: c.CallTime,
		CallZone: c.CallZone, Priority: -3, Ref: c.Ref, CreatedAt: micro(c.CreatedAt), UpdatedAt: got.UpdatedAt,
	}
	if !reflect.DeepEqual(got, want) {
		b.Errorf("read %+v\nwant %+v", got, want)
	}
	if got.DueAt.Location() != time.UTC {
		b.Errorf("due_at comes in %s", got.DueAt.Location())
	}
	_, err := b.API.Contact(b.ctx, "other", c.ID)
	b.want(err, api.ErrNotFound, "contact of another tenant")
	// The hour that a clock change skips or repeats is stored as the instant that it is.
	for i, at := range []time.Time{
		time.Date(2026, 3, 8, 7, 30, 0, 0, time.UTC), time.Date(2026, 11, 1, 5, 30, 0, 1000, time.UTC), time.Date(2026, 11, 1, 6, 30, 0, 999_999_000, time.UTC),
		time.Date(1999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
	} {
		c := newContact(1)
		c.DueAt = at
		b.create(c)
		if got := b.contact(c.ID).DueAt; !got.Equal(micro(at)) {
			b.Errorf("%d: %s came back as %s", i, at, got)
		}
	}
}

func keyed(i int, key, body string) api.NewContact {
	c := newContact(i)
	c.IdempotencyKey, c.RequestHash = key, sha256.Sum256([]byte(body))
	return c
}

func idempotency(b *bed) {
	b.person(1)
	c := keyed(1, "k1", "body")
	c.Messages = []scheduler.Message{message(c.ID.String(), "crm", "contact.created")}
	first := b.create(c)
	again := keyed(1, "k1", "body")
	again.Messages = []scheduler.Message{message(again.ID.String(), "crm", "contact.created")}
	got, created, err := b.API.CreateContact(b.ctx, again)
	if err != nil || created || got.ID != first.ID {
		b.Errorf("repeat: %v, created %v, %s, want %s", err, created, got.ID, first.ID)
	}
	_, created, err = b.API.CreateContact(b.ctx, c) // the same ID: the answer was lost, the handler asks again
	if err != nil || created {
		b.Errorf("same ID: created %v, %v", created, err)
	}
	if waiting, _ := b.depth(); waiting != 1 {
		b.Errorf("%d messages, want 1", waiting)
	}
	_, _, err = b.API.CreateContact(b.ctx, keyed(1, "k1", "another body"))
	b.want(err, api.ErrKeyReused, "another body")
	_, created, err = b.API.CreateContact(b.ctx, keyed(1, "K1", "body"))
	if err != nil || !created {
		b.Errorf("keys are case-sensitive: created %v, %v", created, err)
	}

	unknown := keyed(404, "k2", "body")
	_, _, err = b.API.CreateContact(b.ctx, unknown)
	b.want(err, api.ErrNotFound, "unknown customer")
	b.person(404)
	if _, created, err = b.API.CreateContact(b.ctx, unknown); err != nil || !created {
		b.Errorf("a request that failed used its key up: created %v, %v", created, err)
	}
}

func concurrentDuplicates(b *bed) {
	b.person(1)
	views := []*bed{b, b.again()}
	for round := range 10 {
		var wg sync.WaitGroup
		var made atomic.Int32
		ids := make([]uuid.UUID, 8)
		for i := range ids {
			wg.Go(func() {
				got, created, err := views[i%2].API.CreateContact(b.ctx, keyed(1, "round-"+string(rune('a'+round)), "body"))
				if err != nil {
					b.Error(err)
				}
				if created {
					made.Add(1)
				}
				ids[i] = got.ID
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				b.Fatalf("two contacts: %s and %s", id, ids[0])
			}
		}
		if made.Load() != 1 {
			b.Fatalf("created %d times", made.Load())
		}
	}
	if all, err := b.API.Contacts(b.ctx, tenant, uuid.Nil, 100); err != nil || len(all) != 10 {
		b.Errorf("%d contacts, %v; want 10", len(all), err)
	}
}

func contactAtomic(b *bed) {
	b.person(1)
	c := newContact(1)
	c.Script = "unknown"
	c.Messages = []scheduler.Message{message("x", "crm", "contact.created")}
	_, _, err := b.API.CreateContact(b.ctx, c)
	b.want(err, api.ErrNotFound, "unknown script")
	if waiting, _ := b.depth(); waiting != 0 {
		b.Errorf("%d messages of a contact that was not stored", waiting)
	}
	_, err = b.API.Contact(b.ctx, tenant, c.ID)
	b.want(err, api.ErrNotFound, "contact that was refused")

	c = newContact(1)
	c.State, c.Reason = campaign.Expired, "past_call_time"
	c.Messages = []scheduler.Message{message("x", "crm", "contact.expired")}
	if got := b.create(c); got.State != campaign.Expired || got.Reason != "past_call_time" {
		b.Errorf("expired at birth: %+v", got)
	}
	b.promote()
	if as := b.claim(10); len(as) != 0 {
		b.Errorf("claimed %d contacts that were never due", len(as))
	}
	if waiting, _ := b.depth(); waiting != 1 {
		b.Errorf("%d messages, want 1", waiting)
	}
}

func contactPages(b *bed) {
	b.person(1)
	var want, got []uuid.UUID
	for range 7 {
		want = append(want, b.create(newContact(1)).ID)
	}
	for after := uuid.Nil; ; after = got[len(got)-1] {
		page, err := b.API.Contacts(b.ctx, tenant, after, 3)
		b.must(err)
		if len(page) == 0 {
			break
		}
		for _, c := range page {
			got = append(got, c.ID)
		}
	}
	if !reflect.DeepEqual(got, want) {
		b.Errorf("pages give %v, want %v", got, want)
	}
	if page, err := b.API.Contacts(b.ctx, "other", uuid.Nil, 3); err != nil || len(page) != 0 {
		b.Errorf("another tenant sees %d, %v", len(page), err)
	}
}

func cancel(b *bed) {
	b.person(1)
	c := b.create(newContact(1))
	for range 2 { // twice is once
		got, err := b.API.CancelContact(b.ctx, tenant, c.ID, time.Now())
		if err != nil || got.State != campaign.Cancelled {
			b.Errorf("cancelled: %s, %v", got.State, err)
		}
	}
	b.promote()
	if as := b.claim(1); len(as) != 0 {
		b.Error("a cancelled contact was claimed")
	}
	_, err := b.API.CancelContact(b.ctx, tenant, id(), time.Now())
	b.want(err, api.ErrNotFound, "unknown contact")
	a := b.placed(2)
	b.must(b.Scheduler.Finish(b.ctx, a.Fence, outcome(campaign.Completed), nil))
	_, err = b.API.CancelContact(b.ctx, tenant, a.Contact.ID, time.Now())
	b.want(err, api.ErrConflict, "contact that is done")
	b.inState(a.Contact.ID, campaign.Done)
}

func endedContext(b *bed) {
	b.person(1)
	ctx, stop := context.WithCancel(b.ctx)
	stop()
	c := newContact(1)
	_, created, err := b.API.CreateContact(ctx, c)
	if !errors.Is(err, context.Canceled) || created {
		b.Errorf("created %v, %v", created, err)
	}
	_, err = b.API.Contact(b.ctx, tenant, c.ID)
	b.want(err, api.ErrNotFound, "contact of a cancelled request")
}
