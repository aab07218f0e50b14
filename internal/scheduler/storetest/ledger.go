package storetest

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/compliance/ledger"
	"ringmaster/internal/scheduler"
)

func ledgerGuarantees() []guarantee {
	return []guarantee{
		{"G60_a_refused_act_leaves_nothing_behind", refusedLeavesNothing},
		{"G61_the_judge_sees_what_was_done_to_person_and_number", judgeSees},
		{"G62_every_placed_call_has_one_permit_in_the_chain", everyCallHasAPermit},
		{"G63_what_was_taken_back_is_voided_and_counts_no_more", takenBackIsVoided},
		{"G64_sealing_at_once_makes_one_chain", sealAtOnce},
		{"G65_a_message_is_judged_and_counted_like_a_call_and_once", spendOnce},
		{"G66_a_list_is_read_under_the_lock_so_a_claimed_attempt_is_not_placed", listedAfterTheClaim},
		{"G67_another_persons_act_places_nothing", foreignAct},
		{"G68_a_call_back_is_known_as_one", callBack},
		{"G69_abandoned_calls_are_counted_by_task", abandonedCalls},
	}
}

func (b *bed) facts(a compliance.Act) compliance.Facts {
	b.Helper()
	f, err := b.Scheduler.Facts(b.ctx, a, time.Now())
	b.must(err)
	return f
}

// whole verifies the tenant's ledger and gives what is in it.
func (b *bed) whole() ledger.Report {
	b.Helper()
	r, err := b.Verify(b.T, tenant)
	if err != nil {
		b.Errorf("the ledger does not verify: %v", err)
	}
	return r
}

func refusedLeavesNothing(b *bed) {
	a := b.claimed(1)
	v := b.refusedBy(b.tryPlace(a, refuse, time.Now()), "place")
	if v.Rule != "test" || v.Reason != "no" {
		b.Errorf("verdict %+v", v)
	}
	b.refusedBy(b.Scheduler.Spend(b.ctx, id(), act(a), refuse, []scheduler.Message{message("x", "sms", "sms")}, time.Now()), "spend")
	b.attemptIs(a.ID, campaign.AttemptClaimed)
	if f := b.facts(act(a)); len(f.Spent) != 0 || f.LifePerson != 0 || f.LifeNumber != 0 || f.LifeContact != 0 {
		b.Errorf("budget was consumed: %+v", f)
	}
	if r := b.whole(); r.Records != 0 {
		b.Errorf("%d records", r.Records)
	}
	if waiting, dead := b.depth(); waiting+dead != 0 {
		b.Errorf("%d messages", waiting+dead)
	}
	b.place(a) // and nothing is in the way
}

func judgeSees(b *bed) {
	first := b.placed(1)
	other := b.person(1) // the same number belongs to somebody else too
	other.ID, other.ExternalID = uuid.Nil, "neighbour"
	_, _, err := b.API.SavePerson(b.ctx, other)
	b.must(err)
	c := newContact(1)
	c.CustomerID = "neighbour"
	b.create(c)
	b.create(newContact(1))
	b.promote()
	var mine, neighbour campaign.Attempt
	for _, a := range b.claim(2) {
		if a.Person.ID == first.Person.ID {
			mine = a
		} else {
			neighbour = a
		}
	}
	see := func(a campaign.Attempt) compliance.Facts {
		b.Helper()
		var seen compliance.Facts
		b.refusedBy(b.tryPlace(a, func(now time.Time, f compliance.Facts) compliance.Judgement {
			seen = f
			return refuse(now, f)
		}, time.Now()), "look")
		return seen
	}
	f := see(mine)
	if len(f.Spent) != 1 || f.LifePerson != 1 || f.LifeNumber != 1 || f.LifeContact != 0 || f.Zone != "Asia/Shanghai" || f.Stopped != "" {
		b.Fatalf("facts %+v", f)
	}
	if s := f.Spent[0]; !s.SamePerson || !s.SameNumber || !s.SameTask || s.SameContact || !s.Open || s.Answered || s.Talked || s.Channel != compliance.Voice ||
		s.Path != compliance.PathTask || s.Purpose != campaign.Service {
		b.Errorf("spent %+v", s)
	}
	if f.Contact.State != campaign.Claimed || f.Task.State != campaign.TaskRunning || f.Task.MaxTries != campaign.DefaultRetry().MaxTries {
		b.Errorf("contact %+v, task %+v", f.Contact, f.Task)
	}
	f = see(neighbour)
	if len(f.Spent) != 1 || f.Spent[0].SamePerson || !f.Spent[0].SameNumber || f.LifePerson != 0 || f.LifeNumber != 1 {
		b.Errorf("the neighbour's facts %+v", f)
	}
	o := wholeOutcome()
	b.must(b.Scheduler.Finish(b.ctx, first.Fence, o, nil))
	f = see(mine)
	if s := f.Spent[0]; s.Open || !s.Answered || !s.Talked || !s.TalkedAt.Equal(o.EndedAt) {
		b.Errorf("spent after a conversation %+v", s)
	}
	if f.Answered != 1 || f.Abandoned != 0 {
		b.Errorf("answered %d, abandoned %d", f.Answered, f.Abandoned)
	}
}

func everyCallHasAPermit(b *bed) {
	first, second := b.placed(1), b.placed(2)
	b.must(b.Scheduler.Seal(b.ctx, tenant))
	b.must(b.Scheduler.Seal(b.ctx, tenant)) // with nothing to seal
	b.must(b.Scheduler.Finish(b.ctx, first.Fence, outcome(campaign.Busy), nil))
	if r := b.whole(); r.Permits != 2 || r.Attempts != 2 || r.Blocks != 1 || r.Voids != 0 || r.Tenant != tenant {
		b.Errorf("%+v", r)
	}
	b.placed(3)
	if r := b.whole(); r.Permits != 3 || r.Blocks != 2 {
		b.Errorf("%+v: the export seals what is not sealed", r)
	}
	b.must(b.Scheduler.Finish(b.ctx, second.Fence, outcome(campaign.Busy), nil))
	b.must(b.Scheduler.Seal(b.ctx, "nobody"))
}

func takenBackIsVoided(b *bed) {
	a := b.placed(1)
	b.must(b.Scheduler.Seal(b.ctx, tenant))
	b.must(b.Scheduler.Unplace(b.ctx, a.Fence, time.Now(), "exchange_unavailable: no answer"))
	if f := b.facts(act(a)); len(f.Spent) != 0 || f.LifePerson != 0 || f.LifeNumber != 0 || f.LifeContact != 0 {
		b.Errorf("facts %+v", f)
	}
	if r := b.whole(); r.Permits != 1 || r.Voids != 1 || r.Attempts != 0 {
		b.Errorf("%+v", r)
	}
	b.promote()
	as := b.claim(1)
	if len(as) != 1 {
		b.Fatalf("claimed %d", len(as))
	}
	b.must(b.tryPlace(as[0], caps(1, 1), time.Now()))
	if r := b.whole(); r.Permits != 2 || r.Voids != 1 || r.Attempts != 1 {
		b.Errorf("%+v", r)
	}
}

func sealAtOnce(b *bed) {
	const calls = 24
	for i := range calls {
		b.person(i)
		b.create(newContact(i))
	}
	b.promote()
	as := b.claim(calls)
	b.parallel(8, func(w int, view *bed) error {
		for i := w; i < len(as); i += 8 {
			if err := view.tryPlace(as[i], allow, time.Now()); err != nil {
				return err
			}
			if err := view.Scheduler.Seal(b.ctx, tenant); err != nil {
				return err
			}
		}
		return nil
	})
	if r := b.whole(); r.Permits != calls || r.Attempts != calls || r.Blocks == 0 || r.Blocks > calls {
		b.Errorf("%+v", r)
	}
}

func spendOnce(b *bed) {
	a := b.claimed(1)
	sms := act(a)
	sms.Channel, sms.Path = compliance.SMS, compliance.PathSMS
	once := id()
	var done atomic.Int32
	b.parallel(8, func(_ int, view *bed) error {
		err := view.Scheduler.Spend(b.ctx, once, sms, caps(1, 0), []scheduler.Message{{ID: once, Aggregate: "a", Kind: "sms", Event: "sms", Destination: "crm"}}, time.Now())
		if err == nil {
			done.Add(1)
		}
		return err
	})
	if waiting, _ := b.depth(); done.Load() != 8 || waiting != 1 {
		b.Errorf("%d of 8 know that it is done, %d messages", done.Load(), waiting)
	}
	f := b.facts(sms)
	if len(f.Spent) != 1 || f.Spent[0].Channel != compliance.SMS || f.Spent[0].Open || f.Spent[0].Path != compliance.PathSMS || !f.Spent[0].SameContact || f.LifePerson != 1 {
		b.Errorf("facts %+v", f)
	}
	// One budget over all channels: the message counts for the call, and the other way round.
	b.refusedBy(b.tryPlace(a, caps(1, 0), time.Now()), "a call after the message")
	b.must(b.tryPlace(a, caps(2, 0), time.Now()))
	b.refusedBy(b.Scheduler.Spend(b.ctx, id(), sms, caps(2, 0), nil, time.Now()), "a message after the call")
	if r := b.whole(); r.Permits != 2 || r.Messages != 1 || r.Attempts != 1 {
		b.Errorf("%+v", r)
	}
}

func listedAfterTheClaim(b *bed) {
	a := b.claimed(1)
	b.must(b.tryPlace(b.claimed(2), unlessBlocked, time.Now()))
	b.must(b.API.OptOut(b.ctx, tenant, a.Person.Number, uuid.Nil, "stop_word", time.Time{})) // while another call rings
	v := b.refusedBy(b.again().tryPlace(a, unlessBlocked, time.Now()), "the claimed attempt")
	if v.Reason != "tenant: stop_word" {
		b.Errorf("verdict %+v", v)
	}
	b.refusedBy(b.Scheduler.Spend(b.ctx, id(), act(a), unlessBlocked, nil, time.Now()), "a message")
}

func foreignAct(b *bed) {
	a, other := b.claimed(1), b.claimed(2)
	for name, change := range map[string]func(*compliance.Act){
		"person":       func(x *compliance.Act) { x.Person = other.Person.ID.String() },
		"number":       func(x *compliance.Act) { x.Number = other.Person.Number },
		"contact":      func(x *compliance.Act) { x.Contact = other.Contact.ID.String() },
		"tenant":       func(x *compliance.Act) { x.Tenant = "umbrella" },
		"no person":    func(x *compliance.Act) { x.Person = "" },
		"not a person": func(x *compliance.Act) { x.Person = "王芳" },
	} {
		x := act(a)
		change(&x)
		b.want(b.Scheduler.Place(b.ctx, a.Fence, b.placement(), x, allow, time.Now()), scheduler.ErrForeignAct, name)
	}
	b.attemptIs(a.ID, campaign.AttemptClaimed)
}

func callBack(b *bed) {
	a := b.placed(1)
	back := micro(time.Now().Add(-time.Second))
	o := again(outcome(campaign.Completed), back)
	o.CallbackAt = back
	b.must(b.Scheduler.Finish(b.ctx, a.Fence, o, nil))
	b.promote()
	as := b.claim(1)
	if len(as) != 1 || as[0].Contact.Path != string(compliance.PathCallback) || !as[0].Contact.AskedAt.Equal(back) {
		b.Fatalf("claimed %+v", as)
	}
	b.place(as[0])
	b.must(b.Scheduler.Finish(b.ctx, as[0].Fence, again(outcome(campaign.Busy), back), nil))
	b.promote()
	if as := b.claim(1); len(as) != 1 || as[0].Contact.Path != "" { // the person asked for one call, not for its retries
		b.Errorf("claimed %+v", as)
	}
}

func abandonedCalls(b *bed) {
	end := time.Now()
	silent := campaign.Outcome{Disposition: campaign.Failed, AnsweredAt: end.Add(-9 * time.Second), EndedAt: end}
	machine := silent
	machine.AMD = "voicemail"
	for i, o := range []campaign.Outcome{silent, machine, wholeOutcome(), outcome(campaign.Busy)} {
		b.must(b.Scheduler.Finish(b.ctx, b.placed(i).Fence, o, nil))
	}
	f := b.facts(compliance.Act{Tenant: tenant, Task: b.task.ID.String()})
	if f.Answered != 2 || f.Abandoned != 1 {
		b.Errorf("answered %d, abandoned %d; want 2 and 1", f.Answered, f.Abandoned)
	}
	if _, err := b.Scheduler.Facts(b.ctx, compliance.Act{Tenant: tenant, Task: id().String()}, time.Now()); err == nil || errors.Is(err, scheduler.ErrForeignAct) {
		b.Errorf("a task that is not there: %v", err)
	}
}
