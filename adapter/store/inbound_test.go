package store

import (
	"bytes"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/compliance/ledger"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

// inboundKept: who was called and calls back is found by the number that they call; strangers become people who are never dialled; a call
// that came in costs no budget, no try and no permit, and ends as any other.
func inboundKept(b *apiBed) {
	ctx := b.Context()
	shown, other := b.number(9001), b.number(9002)
	_, err := b.s.EnsureTask(ctx, campaign.Task{Tenant: "in", Script: "s", Standing: true, Pool: "in", Retry: campaign.DefaultRetry()})
	b.must(err)
	closing, err := b.s.EnsureTask(ctx, campaign.Task{Tenant: "in", Script: "closing", Standing: true, Pool: "in", Retry: campaign.DefaultRetry()})
	b.must(err)
	epoch, err := b.s.Register(ctx, "in")
	b.must(err)
	owner := campaign.Fence{Owner: "in", Epoch: epoch}
	call := func(external string, n phone.Number) campaign.Attempt {
		_, _, err := b.s.SavePerson(ctx, campaign.Person{Tenant: "in", ExternalID: external, Number: n})
		b.must(err)
		_, _, err = b.s.CreateContact(ctx, api.NewContact{ID: newUUID(b), Tenant: "in", CustomerID: external, Script: "s", DueAt: b.now.Add(-time.Minute), State: campaign.Ready})
		b.must(err)
		as, err := b.s.Claim(ctx, "in", 1, owner)
		b.must(err)
		b.must(b.s.Place(ctx, as[0].Fence, campaign.Placement{PBX: "p", Trunk: "t", CallerID: shown}, actOf(as[0]), allowed, time.Now()))
		b.must(b.s.Seal(ctx, "in"))
		b.must(b.s.Finish(ctx, as[0].Fence, campaign.Outcome{Disposition: campaign.Busy, EndedAt: b.now, NextTry: b.now.Add(time.Hour)}, nil))
		return as[0]
	}
	arrival := func(from, called phone.Number) scheduler.Arrival {
		return scheduler.Arrival{Tenant: "in", From: from, Called: called, Leg: "chan-1", PBX: "p", Trunk: "t", ScriptVersion: "v", Task: closing.ID}
	}
	receive := func(in scheduler.Arrival) campaign.Attempt {
		f := owner
		f.Attempt = newUUID(b)
		a, err := b.s.Receive(ctx, f, in, time.Now())
		b.must(err)
		if a.ID != f.Attempt || !a.Inbound || a.State != campaign.AttemptPlaced || a.Placed.CallerID != in.Called || a.Person.Number != in.From {
			b.Errorf("received: %+v", a)
		}
		return a
	}
	finish := func(a campaign.Attempt, o campaign.Outcome) campaign.Contact {
		o.EndedAt = time.Now()
		b.must(b.s.Finish(ctx, a.Fence, o, nil))
		b.want(b.s.Finish(ctx, a.Fence, o, nil), scheduler.ErrLate, "finished twice")
		c, err := b.s.Contact(ctx, "in", a.Contact.ID)
		b.must(err)
		return c
	}

	ann := call("ann", b.number(9010))
	for _, c := range []struct {
		from, called phone.Number
		known        bool
	}{{b.number(9010), shown, true}, {b.number(9010), other, false}, {b.number(9010), phone.Number{}, false}, {b.number(9011), shown, false}, {phone.Number{}, shown, false}} {
		last, ok, err := b.s.LastCall(ctx, arrival(c.from, c.called))
		b.must(err)
		if ok != c.known || ok && (last.ID != ann.ID || last.Contact.ID != ann.Contact.ID || last.Task.Script != "s") {
			b.Errorf("%v calls %v: %v %+v", c.from, c.called, ok, last.ID)
		}
	}
	in := arrival(b.number(9010), shown)
	in.Contact = ann.Contact.ID
	a := receive(in)
	leg, err := b.s.Leg(ctx, "in", a.ID)
	b.must(err)
	b.same(leg, "chan-1", "leg")
	byLeg, err := b.s.ByLeg(ctx, "in", "chan-1")
	b.must(err)
	b.same(byLeg, a.ID, "attempt by its leg")
	_, err = b.s.ByLeg(ctx, "in", "chan-2")
	b.want(err, api.ErrNotFound, "a leg that nobody knows")
	orphans, err := b.s.Orphans(ctx, "other", mustRegister(b, "other"), time.Hour, 10)
	b.must(err)
	b.same(len(orphans), 0, "orphans of a living controller")
	_, err = b.s.ErasePerson(ctx, "in", a.Person.ID, b.now)
	b.want(err, api.ErrConflict, "erased while they call")
	b.must(checkpoint(ctx, b.s, a.Fence, 0, []scheduler.InputRecord{{Kind: "start", Data: []byte("{}")}}))
	c := finish(a, campaign.Outcome{Disposition: campaign.Completed, AnsweredAt: b.now, NextTry: b.now.Add(time.Hour), Turns: []campaign.Turn{{Seq: 1, Text: "喂"}}})
	if c.State != campaign.Done || c.Reason != "called_back" || c.Tries != 1 {
		b.Errorf("the contact after its callback: %+v", c)
	}
	// A later one asks to be called at a time; who was never dialled gets none.
	when := b.now.Add(3 * time.Hour)
	if c = finish(receive(in), campaign.Outcome{Disposition: campaign.Completed, AnsweredAt: b.now, CallbackAt: when}); c.State != campaign.Scheduled ||
		!c.DueAt.Equal(when) || c.Path != string(compliance.PathCallback) {
		b.Errorf("asked for a call: %+v", c)
	}
	stranger := receive(arrival(b.number(9020), shown))
	if c = finish(stranger, campaign.Outcome{Disposition: campaign.Completed, AnsweredAt: b.now, CallbackAt: when, OptOut: nil}); c.State != campaign.Done {
		b.Errorf("a stranger is to be dialled: %+v", c)
	}
	again := receive(arrival(b.number(9020), shown))
	b.same([]uuid.UUID{again.Person.ID, again.Contact.ID}, []uuid.UUID{stranger.Person.ID, stranger.Contact.ID}, "the same stranger")
	finish(again, campaign.Outcome{Disposition: campaign.OptedOut, AnsweredAt: b.now, OptOut: &campaign.OptOut{Reason: "stop_word", Words: "别打了"}})
	hidden := receive(arrival(phone.Number{}, shown))
	finish(hidden, campaign.Outcome{Disposition: campaign.OptedOut, AnsweredAt: b.now, OptOut: &campaign.OptOut{Reason: "stop_word"}})
	b.same(hidden.Person.ExternalID, "inbound:withheld", "withheld")
	// A number that two customers share is neither's.
	for _, ext := range []string{"x1", "x2"} {
		_, _, err := b.s.SavePerson(ctx, campaign.Person{Tenant: "in", ExternalID: ext, Number: b.number(9030)})
		b.must(err)
	}
	shared := receive(arrival(b.number(9030), shown))
	twice := receive(arrival(b.number(9030), shown))
	if shared.Person.ExternalID == "x1" || shared.Person.ExternalID == "x2" || twice.Person.ID != shared.Person.ID {
		b.Errorf("a shared number: %s, then %s", shared.Person.ExternalID, twice.Person.ExternalID)
	}
	finish(shared, campaign.Outcome{Disposition: campaign.HungUp})
	finish(twice, campaign.Outcome{Disposition: campaign.HungUp})

	b.same(b.count("SELECT COUNT(*) FROM cdr WHERE tenant_id = 'in' AND direction = 'in'"), 7, "records of calls that came in")
	b.same(b.count("SELECT COUNT(*) FROM cdr WHERE tenant_id = 'in' AND direction = 'out'"), 1, "records of calls that went out")
	b.same(b.count("SELECT COUNT(*) FROM budget_entry WHERE tenant_id = 'in'"), 1, "budget entries")
	b.same(b.count("SELECT COUNT(*) FROM task_day WHERE tenant_id = 'in'"), 0, "days of tasks: nobody waited for a call of ours")
	b.same(b.count("SELECT COUNT(*) FROM dnc WHERE tenant_id = 'in'"), 2, "bans: the stranger's number and person, nobody's for the withheld")
	var out bytes.Buffer
	_, err = b.s.ExportLedger(ctx, "in", &out)
	b.must(err)
	report, err := ledger.Verify(&out, b.s.LedgerKey())
	if err != nil || report.Attempts != 1 {
		b.Errorf("the ledger: %d attempts, %v", report.Attempts, err)
	}
	past, err := b.s.PastCalls(ctx, "in", ann.Person.ID, 10)
	b.must(err)
	b.same(len(past), 3, "what the next call knows of")

	// A controller died in a call that came in.
	lost := receive(in)
	epoch = mustRegister(b, "in")
	orphans, err = b.s.Orphans(ctx, "in", epoch, time.Hour, 10)
	b.must(err)
	if len(orphans) != 1 || orphans[0].ID != lost.ID || !orphans[0].Inbound {
		b.Errorf("orphans: %+v", orphans)
	}
	_, err = b.s.Receive(ctx, campaign.Fence{Attempt: newUUID(b), Owner: "in", Epoch: epoch - 1}, in, time.Now())
	b.want(err, scheduler.ErrFenced, "received by an earlier life")
}

func mustRegister(b *apiBed, owner string) int64 {
	b.Helper()
	epoch, err := b.s.Register(b.Context(), owner)
	b.must(err)
	return epoch
}
