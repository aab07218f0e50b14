package storetest

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

func finishGuarantees() []guarantee {
	return []guarantee{
		{"G26_finish_keeps_outcome_turns_and_recordings", finishWhole},
		{"G27_finish_happens_once_and_only_to_a_placed_attempt", finishOnce},
		{"G28_the_next_try_is_due_when_the_outcome_says", finishNextTry},
		{"G29_an_opt_out_blocks_number_and_person_at_once", finishOptOut},
		{"G30_a_cancelled_contact_stays_cancelled", cancelledStays},
		{"G31_an_attempt_given_back_does_not_use_its_try", givenBack},
		{"G32_a_refused_contact_ends_with_its_reason_and_messages", refused},
		{"G33_checkpoints_are_appended_and_may_be_repeated", checkpoints},
		{"G34_hostile_text_does_not_stop_a_call_from_ending", hostileText},
	}
}

func outcome(d campaign.Disposition) campaign.Outcome {
	end := time.Now()
	return campaign.Outcome{Disposition: d, Reason: "because: it was so", StartedAt: end.Add(-20 * time.Second), EndedAt: end}
}

func again(o campaign.Outcome, at time.Time) campaign.Outcome {
	o.NextTry = at
	return o
}

func wholeOutcome() campaign.Outcome {
	end := micro(time.Now())
	return campaign.Outcome{
		Disposition: campaign.Completed, Reason: "script_end: bye", SIP: 200, Q850: 16, ReasonQ850: 31, By: "local", Raw: "16/Normal Clearing",
		StartedAt: end.Add(-30 * time.Second), RingingAt: end.Add(-29 * time.Second), AnsweredAt: end.Add(-25 * time.Second), EndedAt: end,
		AMD: "human", Grade: "A", Tags: []string{"vip", "回访"}, Slots: map[string]string{"time": "明天下午三点"},
		Turns: []campaign.Turn{
			{Seq: 0, Side: campaign.Us, Text: "您好，本次通话将被录音", StartMS: 100, EndMS: 2400, Node: "open"},
			{Seq: 1, Side: campaign.Them, Text: "嗯 😀", StartMS: 2600, EndMS: 2900, Node: "open", Intent: "yes", Confidence: 0.87},
			{Seq: 2, Side: campaign.Us, Text: "我们有", Planned: "我们有一个活动", StartMS: 3000, EndMS: 3600, Node: "offer", Interrupted: true},
		},
		Disclosure: &campaign.Disclosure{
			Text: "您好，本次通话将被录音", Line: "l1", Script: script, Version: "v1", PlayedAt: end.Add(-22 * time.Second), StartMS: 100, EndMS: 2400, Complete: true,
		},
		Recordings: []campaign.Recording{{
			ID: id(), Path: "2026/01/02/x.wav", SHA256: strings.Repeat("ab", 32), Bytes: 640_044, Duration: 20*time.Second + 1, Rate: 8000, Channels: 2, Incomplete: "disk",
		}},
		Tickets: []campaign.Ticket{{Kind: "complaint", Words: "我要投诉"}}, Degraded: []string{"tts-1"}, CallbackAt: end.Add(time.Hour),
	}
}

func finishWhole(b *bed) {
	a := b.placed(1)
	o := wholeOutcome()
	b.must(b.Scheduler.Finish(b.ctx, a.Fence, o, []scheduler.Message{message(a.ID.String(), "crm", "call.finished")}))
	v := b.attempt(a.ID)
	if v.State != campaign.AttemptFinished || v.Outcome == nil {
		b.Fatalf("view %+v", v)
	}
	if !reflect.DeepEqual(*v.Outcome, o) {
		b.Errorf("read %+v\nwant %+v", *v.Outcome, o)
	}
	r, err := b.API.Recording(b.ctx, tenant, o.Recordings[0].ID)
	if err != nil || !reflect.DeepEqual(r, o.Recordings[0]) {
		b.Errorf("recording %+v, %v", r, err)
	}
	_, err = b.API.Recording(b.ctx, "other", o.Recordings[0].ID)
	b.want(err, api.ErrNotFound, "recording of another tenant")
	_, err = b.API.Attempt(b.ctx, "other", a.ID)
	b.want(err, api.ErrNotFound, "attempt of another tenant")
	if c := b.inState(a.Contact.ID, campaign.Done); c.Reason != string(campaign.Completed) || c.Tries != 1 {
		b.Errorf("contact %+v", c)
	}
	if waiting, _ := b.depth(); waiting != 1 {
		b.Errorf("%d messages, want 1", waiting)
	}
}

func finishOnce(b *bed) {
	a := b.claimed(1)
	msgs := func() []scheduler.Message {
		return []scheduler.Message{message(a.ID.String(), "crm", "call.finished")}
	}
	b.want(b.Scheduler.Finish(b.ctx, a.Fence, outcome(campaign.Completed), msgs()), scheduler.ErrLate, "not placed")
	b.place(a)
	b.must(b.Scheduler.Finish(b.ctx, a.Fence, outcome(campaign.Completed), msgs()))
	b.want(b.Scheduler.Finish(b.ctx, a.Fence, outcome(campaign.Busy), msgs()), scheduler.ErrLate, "twice")
	b.want(b.Scheduler.Unplace(b.ctx, a.Fence, time.Now(), "x"), scheduler.ErrLate, "unplace after finish")
	b.want(b.Scheduler.Postpone(b.ctx, a.Fence, time.Now(), "x"), scheduler.ErrLate, "postpone after finish")
	b.want(b.Scheduler.Refuse(b.ctx, a.Fence, campaign.Blocked, "x", msgs()), scheduler.ErrLate, "refuse after finish")
	if v := b.attempt(a.ID); v.Outcome.Disposition != campaign.Completed {
		b.Errorf("outcome was overwritten by %s", v.Outcome.Disposition)
	}
	if waiting, _ := b.depth(); waiting != 1 {
		b.Errorf("%d messages: what was refused left some", waiting)
	}
	c := b.placed(2) // concurrently: one wins
	errs := make([]error, 4)
	b.parallel(4, func(w int, view *bed) error {
		errs[w] = view.Scheduler.Finish(b.ctx, c.Fence, outcome(campaign.Completed), nil)
		return nil
	})
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			b.want(err, scheduler.ErrLate, "concurrent finish")
		}
	}
	if won != 1 {
		b.Errorf("finished %d times", won)
	}
}

func finishNextTry(b *bed) {
	a := b.placed(1)
	at := time.Now().Add(90 * time.Minute)
	b.must(b.Scheduler.Finish(b.ctx, a.Fence, again(outcome(campaign.NoAnswer), at), nil))
	if c := b.inState(a.Contact.ID, campaign.Scheduled); !c.DueAt.Equal(micro(at)) || c.Tries != 1 || c.Reason != string(campaign.NoAnswer) {
		b.Errorf("contact %+v", c)
	}
	b.promote()
	if as := b.claim(1); len(as) != 0 {
		b.Error("claimed before it was due")
	}
	_, err := b.Scheduler.Promote(b.ctx, at, 10)
	b.must(err)
	if as := b.claim(1); len(as) != 1 || as[0].Try != 2 {
		b.Errorf("second try: %+v", as)
	}
}

func finishOptOut(b *bed) {
	a := b.placed(1)
	// The person's number changes while the call goes on: the number that was rung is banned.
	_, _, err := b.API.SavePerson(b.ctx, campaign.Person{Tenant: tenant, ExternalID: a.Person.ExternalID, Number: b.number(77)})
	b.must(err)
	o := again(outcome(campaign.OptedOut), time.Now())
	o.OptOut = &campaign.OptOut{Reason: "stop_word", Words: "别打了"}
	b.must(b.Scheduler.Finish(b.ctx, a.Fence, o, nil))
	b.inState(a.Contact.ID, campaign.Done)
	for name, who := range map[string]struct {
		person uuid.UUID
		n      phone.Number
	}{"person": {a.Person.ID, phone.Number{}}, "number": {uuid.Nil, b.number(1)}} {
		if why := b.blocks(tenant, who.person, who.n); len(why) != 1 || why[0].Reason != "stop_word" || why[0].Kind != name {
			b.Errorf("%s: blocked by %v", name, why)
		}
	}
	if why := b.blocks(tenant, uuid.Nil, b.number(77)); len(why) > 0 {
		b.Errorf("the new number is blocked by %v", why)
	}
}

func cancelledStays(b *bed) {
	future := time.Now().Add(time.Hour)
	ends := map[string]func(a campaign.Attempt) error{
		"finish": func(a campaign.Attempt) error {
			return b.Scheduler.Finish(b.ctx, a.Fence, again(outcome(campaign.Busy), future), nil)
		},
		"unplace":  func(a campaign.Attempt) error { return b.Scheduler.Unplace(b.ctx, a.Fence, future, "no") },
		"postpone": func(a campaign.Attempt) error { return b.Scheduler.Postpone(b.ctx, a.Fence, future, "later") },
		"refuse": func(a campaign.Attempt) error {
			return b.Scheduler.Refuse(b.ctx, a.Fence, campaign.Blocked, "dnc", []scheduler.Message{message("x", "crm", "contact.blocked")})
		},
	}
	i := 0
	for name, end := range ends {
		i++
		a := b.claimed(i)
		if name == "finish" || name == "unplace" {
			b.place(a)
		}
		c, err := b.API.CancelContact(b.ctx, tenant, a.Contact.ID, time.Now())
		b.must(err)
		if err := end(a); err != nil {
			b.Errorf("%s: %v", name, err)
		}
		if got := b.inState(a.Contact.ID, campaign.Cancelled); got.Reason != c.Reason {
			b.Errorf("%s: reason became %q", name, got.Reason)
		}
	}
	if waiting, _ := b.depth(); waiting != 0 {
		b.Error("a contact that was cancelled was reported as blocked")
	}
	if due, err := b.Scheduler.NextDue(b.ctx); err != nil || !due.IsZero() {
		b.Errorf("due %s, %v", due, err)
	}
}

func givenBack(b *bed) {
	a := b.claimed(1)
	soon := time.Now().Add(time.Minute)
	b.want(b.Scheduler.Unplace(b.ctx, a.Fence, soon, "x"), scheduler.ErrLate, "unplace before place")
	b.must(b.Scheduler.Postpone(b.ctx, a.Fence, soon, "window_closed"))
	b.attemptIs(a.ID, campaign.AttemptPostponed)
	if c := b.inState(a.Contact.ID, campaign.Scheduled); c.Tries != 0 || !c.DueAt.Equal(micro(soon)) || c.Reason != "window_closed" {
		b.Errorf("contact %+v", c)
	}
	b.want(b.Scheduler.Postpone(b.ctx, a.Fence, soon, "x"), scheduler.ErrLate, "postponed twice")
	_, err := b.Scheduler.Promote(b.ctx, soon, 10)
	b.must(err)
	second := b.claim(1)
	if len(second) != 1 || second[0].Try != 1 {
		b.Fatalf("after postpone: %+v", second)
	}
	b.place(second[0])
	b.want(b.Scheduler.Postpone(b.ctx, second[0].Fence, soon, "x"), scheduler.ErrLate, "postpone after place")
	b.must(b.Scheduler.Unplace(b.ctx, second[0].Fence, soon, "exchange refused"))
	if c := b.inState(a.Contact.ID, campaign.Scheduled); c.Tries != 0 {
		b.Errorf("tries %d after unplace", c.Tries)
	}
	_, err = b.Scheduler.Promote(b.ctx, soon, 10)
	b.must(err)
	third := b.claim(1)
	if len(third) != 1 || third[0].Try != 1 || third[0].ID == second[0].ID {
		b.Fatalf("after unplace: %+v", third)
	}
}

func refused(b *bed) {
	for i, state := range []campaign.ContactState{campaign.Expired, campaign.Blocked, campaign.Cancelled} {
		a := b.claimed(i)
		b.must(b.Scheduler.Refuse(b.ctx, a.Fence, state, "why: "+string(state), []scheduler.Message{message(a.Contact.ID.String(), "crm", "contact."+string(state))}))
		if c := b.inState(a.Contact.ID, state); c.Reason != "why: "+string(state) || c.Tries != 0 {
			b.Errorf("contact %+v", c)
		}
		b.attemptIs(a.ID, campaign.AttemptPostponed)
	}
	if waiting, _ := b.depth(); waiting != 3 {
		b.Errorf("%d messages, want 3", waiting)
	}
	a := b.claimed(9)
	for _, bad := range []campaign.ContactState{campaign.Done, campaign.Ready, ""} {
		if err := b.Scheduler.Refuse(b.ctx, a.Fence, bad, "x", nil); err == nil {
			b.Errorf("refused into %q", bad)
		}
	}
	b.place(a)
	b.want(b.Scheduler.Refuse(b.ctx, a.Fence, campaign.Blocked, "x", nil), scheduler.ErrLate, "refuse after place")
}

func checkpoints(b *bed) {
	a := b.placed(1)
	in := func(n int) []scheduler.InputRecord {
		out := make([]scheduler.InputRecord, n)
		for i := range out {
			out[i] = scheduler.InputRecord{At: time.Duration(i) * time.Millisecond, Kind: "event", Data: []byte(`{"x":1}`)}
		}
		return out
	}
	b.must(b.checkpoint(a.Fence, 1, in(3)))
	b.must(b.checkpoint(a.Fence, 1, in(3))) // its answer was lost
	b.must(b.checkpoint(a.Fence, 3, in(450)))
	b.must(b.checkpoint(a.Fence, 500, nil))
	checkpointTogether(b, a, in)
	b.must(b.Scheduler.Finish(b.ctx, a.Fence, outcome(campaign.Completed), nil))
	b.want(b.checkpoint(a.Fence, 453, in(1)), scheduler.ErrLate, "after finish")
}

// checkpointTogether: who may not write is refused, and costs nobody else his inputs.
func checkpointTogether(b *bed, a campaign.Attempt, in func(int) []scheduler.InputRecord) {
	b.Helper()
	second, over := b.placed(2), b.placed(3)
	b.must(b.Scheduler.Finish(b.ctx, over.Fence, outcome(campaign.Busy), nil))
	stale, nobody := second.Fence, second.Fence
	stale.Epoch--
	nobody.Attempt = id()
	refused, err := b.Scheduler.Checkpoint(b.ctx, []scheduler.Inputs{
		{Fence: over.Fence, Records: in(1)}, {Fence: second.Fence, Records: in(7)}, {Fence: stale, Seq: 9, Records: in(1)},
		{Fence: nobody, Records: in(1)}, {Fence: a.Fence, Seq: 453, Records: in(2)}, {Fence: over.Fence},
	})
	b.must(err)
	for i, want := range []error{scheduler.ErrLate, nil, scheduler.ErrFenced, scheduler.ErrLate, nil, nil} {
		if len(refused) != 6 || want == nil && refused[i] != nil {
			b.Fatalf("refused: %v", refused)
		}
		if want != nil {
			b.want(refused[i], want, fmt.Sprintf("inputs %d of six", i))
		}
	}
	for _, c := range []struct {
		of   uuid.UUID
		want int
	}{{a.ID, 455 - 1}, {second.ID, 7}, {over.ID, 0}} {
		got := b.Inputs(b.T, tenant, c.of)
		if len(got) != c.want {
			b.Errorf("%d inputs are kept, want %d", len(got), c.want)
		}
	}
}

func hostileText(b *bed) {
	a := b.placed(1)
	bad := "\xff\x00'; DROP TABLE attempt; -- \\ 😀 " + strings.Repeat("长", 5000)
	o := outcome(campaign.Disposition(bad))
	o.Reason, o.By, o.Raw, o.AMD, o.Grade = bad, bad, bad, bad, bad
	o.Turns = []campaign.Turn{
		{Seq: 1, Side: campaign.Side(bad), Text: bad, Node: bad, Intent: bad, Planned: bad, Confidence: math.NaN()},
		{Seq: 1, Side: campaign.Us, Text: "the same number"}, {Seq: math.MaxInt, Confidence: math.Inf(1)}, {Seq: -5},
	}
	o.SIP, o.Q850, o.ReasonQ850 = math.MaxInt, math.MinInt, 1<<40
	o.StartedAt, o.RingingAt = time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC)
	o.NextTry, o.EndedAt = time.Date(99999, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{}
	rec := campaign.Recording{Path: bad, SHA256: bad, Rate: math.MaxInt, Incomplete: bad}
	o.Recordings = []campaign.Recording{rec, rec}
	o.OptOut = &campaign.OptOut{Reason: bad, Words: bad}
	o.Tickets = []campaign.Ticket{{Kind: bad, Words: bad}}
	o.Disclosure = &campaign.Disclosure{Text: bad, Line: bad, Script: bad, Version: bad}
	o.Slots = map[string]string{bad: bad}
	b.must(b.checkpoint(a.Fence, 1, []scheduler.InputRecord{{Kind: bad, Data: []byte(bad)}}))
	b.must(b.Scheduler.Finish(b.ctx, a.Fence, o, []scheduler.Message{
		{Aggregate: bad, Kind: bad, Event: bad, Destination: bad, Body: []byte(bad)}, {Aggregate: bad, Destination: "crm"},
	}))
	b.inState(a.Contact.ID, campaign.Done)
	v := b.attempt(a.ID)
	if v.Outcome == nil || len(v.Outcome.Turns) < 3 || len(v.Outcome.Recordings) != 2 {
		b.Fatalf("view %+v", v)
	}
	smile := false
	for _, u := range v.Outcome.Turns {
		smile = smile || strings.Contains(u.Text, "😀")
	}
	if !smile {
		b.Error("what was said is lost")
	}
	if waiting, dead := b.depth(); waiting != 1 || dead != 1 {
		b.Errorf("messages: %d wait, %d are dead; want 1 and 1", waiting, dead)
	}
	c := b.claimed(2)
	b.must(b.Scheduler.Postpone(b.ctx, c.Fence, time.Now().Add(-time.Second), bad))
	b.promote()
	d := b.claim(1)[0]
	b.must(b.Scheduler.Refuse(b.ctx, d.Fence, campaign.Blocked, bad, nil))
}
