package scheduler

import (
	"context"
	"errors"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// attempt takes one claimed attempt to its end: gates, Place, call, Finish.
func (s *Scheduler) attempt(ctx context.Context, a campaign.Attempt) {
	log := s.log.With("attempt", a.ID, "task", a.Task.ID, "try", a.Try)
	failpoint("claimed")
	call, err := s.caller.Prepare(ctx, a)
	switch {
	case err == nil && ctx.Err() != nil: // cancelled, or we stop
		call.Discard()
		s.postpone(ctx, a, a.DueAt, "shutting_down")
		return
	case errors.Is(err, ErrNotNow), err != nil && ctx.Err() != nil:
		s.postpone(ctx, a, s.later(a), errText(err))
		return
	case err != nil:
		log.Warn("contact cannot be called", "err", err)
		s.refuse(ctx, a, campaign.Blocked, "cannot_prepare: "+err.Error())
		return
	}
	act := s.act(a, call)
	judge := s.cfg.Rules.Judge(act)
	if !s.gates(ctx, a, act, judge) {
		call.Discard()
		return
	}
	placement := call.Placement()
	failpoint("before_place")
	if err := s.store.Place(ctx, a.Fence, placement, act, judge, time.Now()); err != nil {
		call.Discard()
		s.unplaced(ctx, a, err)
		return
	}
	s.count(func(st *Stats) { st.Placed++ })
	failpoint("placed")
	if err := s.store.Seal(ctx, a.Tenant); err != nil { // no permit in the chain, no call
		call.Discard()
		s.storeError("seal", err)
		s.takeBack(ctx, a, s.later(a), "ledger_unavailable")
		return
	}
	failpoint("sealed")
	a.Placed, a.PlacedAt = placement, time.Now()
	inputs := s.inputs.open(Inputs{Fence: a.Fence}, log)
	outcome := call.Run(ctx, inputs)
	inputs.close()
	failpoint("ended")
	s.finish(ctx, a, outcome)
	failpoint("finished")
}

// act is what is judged. What the attempt itself says of person, number and
// time is not the caller's to say.
func (s *Scheduler) act(a campaign.Attempt, call Call) compliance.Act {
	act := call.Act()
	act.Tenant, act.Person, act.Number = a.Tenant, a.Person.ID.String(), a.Person.Number
	act.Contact, act.Task = a.Contact.ID.String(), a.Task.ID.String()
	act.Purpose, act.LegalBasis, act.Jurisdiction = a.Task.Purpose, a.Task.LegalBasis, a.Task.Jurisdiction
	act.Path, act.Try, act.DueAt = pathOf(a), a.Try, s.asked(a)
	act.Needs = s.cfg.Rules.Needs(act)
	return act
}

// pathOf says how the attempt came about.
func pathOf(a campaign.Attempt) compliance.Path {
	switch p := compliance.Path(a.Contact.Path); {
	case p == compliance.PathCallback, p == compliance.PathManual:
		return p
	case a.Try > 1:
		return compliance.PathRetry
	}
	return compliance.PathTask
}

// gates re-checks everything, however long ago the task was accepted, before
// any lock is taken: what is refused here costs nobody a wait. Place asks the
// same judge again.
func (s *Scheduler) gates(ctx context.Context, a campaign.Attempt, act compliance.Act, judge compliance.Judge) bool {
	now := time.Now()
	facts, err := s.store.Facts(ctx, act, now)
	if err != nil { // a gate that cannot be asked refuses, for now
		s.storeError("facts", err)
		s.postpone(ctx, a, s.later(a), "gate_unavailable")
		return false
	}
	facts.Contact.Live = false // that is this attempt
	j := judge(now, facts)
	if j.Decision != compliance.Allow {
		s.refused(ctx, a, j.Verdict)
		return false
	}
	return true
}

// refused ends or puts off an attempt that the rules do not allow.
func (s *Scheduler) refused(ctx context.Context, a campaign.Attempt, v compliance.Verdict) {
	switch {
	case v.Decision == compliance.Wait && v.Until.IsZero():
		// Nobody knows until when: a button was pressed, a task is paused. It
		// waits with it, and rule Late says when that was too long.
		s.postpone(ctx, a, s.later(a), v.Reason)
	case v.Decision == compliance.Wait && pathOf(a) == compliance.PathRetry:
		s.postpone(ctx, a, v.Until, v.Reason)
	case v.Decision == compliance.Wait, v.Rule == "late":
		// A first call has a time that somebody asked for: another time would
		// be a surprise. Only a retry moves to the next open window.
		s.refuse(ctx, a, campaign.Expired, v.Reason)
	default:
		s.refuse(ctx, a, campaign.Blocked, v.Reason)
	}
}

// unplaced deals with a Place that did not happen.
func (s *Scheduler) unplaced(ctx context.Context, a campaign.Attempt, err error) {
	var no *RefusedError
	switch {
	case errors.As(err, &no):
		s.refused(ctx, a, no.Verdict)
	case errors.Is(err, ErrWithdrawn):
		s.refuse(ctx, a, campaign.Cancelled, "cancelled")
	case errors.Is(err, ErrHalted):
		s.postpone(ctx, a, s.later(a), "task_halted")
	case errors.Is(err, ErrForeignAct):
		s.log.Error("attempt was judged as somebody else's", "attempt", a.ID, "err", err)
		s.refuse(ctx, a, campaign.Blocked, "foreign_act")
	case errors.Is(err, ErrFenced), errors.Is(err, ErrLate):
		s.log.Warn("attempt was taken from this controller before it was placed", "attempt", a.ID, "err", err)
	default:
		// Whether it is on disk is not known, but the exchange has not heard:
		// taking it back is right either way.
		s.storeError("place", err)
		s.takeBack(ctx, a, s.later(a), "place_failed")
	}
}

func (s *Scheduler) finish(ctx context.Context, a campaign.Attempt, o campaign.Outcome) {
	if o.NeverSent != "" && !a.Inbound {
		at := s.later(a)
		if o.NextTry.After(at) { // what was refused is not asked for over and over
			at = o.NextTry
		}
		s.takeBack(ctx, a, at, o.NeverSent)
		return
	}
	s.forget(a)
	switch {
	case a.Inbound: // nobody was dialled: only what was asked for leads to another call
		o.NextTry = time.Time{}
		if a.Try > 0 && o.OptOut == nil {
			o.NextTry = o.CallbackAt
		}
	case o.NextTry.IsZero():
		o.NextTry = a.Task.Retry.Next(o.Disposition, a.Try, o.EndedAt)
	}
	msgs := s.messages(a, o)
	if s.insist(ctx, "finish", a, func(ctx context.Context) error { return s.store.Finish(ctx, a.Fence, o, msgs) }) {
		s.count(func(st *Stats) { st.Finished++ })
	}
}

func (s *Scheduler) takeBack(ctx context.Context, a campaign.Attempt, at time.Time, why string) {
	if s.insist(ctx, "unplace", a, func(ctx context.Context) error {
		err := s.store.Unplace(ctx, a.Fence, at, why)
		if errors.Is(err, ErrLate) { // Place was never written
			err = s.store.Postpone(ctx, a.Fence, at, why)
		}
		return err
	}) {
		s.count(func(st *Stats) { st.Postponed++ })
	}
}

func (s *Scheduler) postpone(ctx context.Context, a campaign.Attempt, at time.Time, why string) {
	if s.insist(ctx, "postpone", a, func(ctx context.Context) error { return s.store.Postpone(ctx, a.Fence, at, why) }) {
		s.count(func(st *Stats) { st.Postponed++ })
	}
}

func (s *Scheduler) refuse(ctx context.Context, a campaign.Attempt, state campaign.ContactState, why string) {
	s.forget(a)
	o := campaign.Outcome{Disposition: "", Reason: why, EndedAt: time.Now()}
	msgs := s.messages(a, o)
	if s.insist(ctx, "refuse", a, func(ctx context.Context) error { return s.store.Refuse(ctx, a.Fence, state, why, msgs) }) {
		s.count(func(st *Stats) { st.Refused++ })
	}
}

// insist repeats a write until it is done or refused for good: what a call
// became must not be lost to a database that is away. The attempt keeps its
// place among the live calls meanwhile, so that a database that does not come
// back stops the dialling. Once calls are hung up, Config.Last is what is
// left; what remains unwritten then is found by Orphans at the next start.
func (s *Scheduler) insist(ctx context.Context, what string, a campaign.Attempt, write func(context.Context) error) bool {
	closing := s.closing
	var last <-chan time.Time
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		err := write(once)
		cancel()
		switch {
		case err == nil:
			return true
		case errors.Is(err, ErrFenced), errors.Is(err, ErrLate):
			s.log.Warn("attempt belongs to somebody else or is over", "step", what, "attempt", a.ID, "err", err)
			return false
		}
		s.storeError(what, err)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-closing:
			timer.Stop()
			closing, wait = nil, 25*time.Millisecond
			last = time.After(s.cfg.Last)
		case <-last:
			timer.Stop()
			s.log.Error("attempt stays open in the database; it will be found as an orphan", "step", what, "attempt", a.ID)
			return false
		}
	}
}

// rescuer looks for the attempts of dead controllers: our own earlier lives at
// once, others' three times within the time that makes one dead.
func (s *Scheduler) rescuer(ctx, callCtx context.Context) {
	for {
		wait := s.cfg.Dead / 3
		if s.rescue(ctx, callCtx) == rescueBatch { // there may be more
			wait = 0
		}
		if !sleep(ctx, wait) {
			return
		}
	}
}

const rescueBatch = 100

// rescue ends the attempts of dead controllers and returns how many it found.
func (s *Scheduler) rescue(ctx, callCtx context.Context) int {
	rescueCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	orphans, err := s.store.Orphans(rescueCtx, s.cfg.Owner, s.epoch, s.cfg.Dead, rescueBatch)
	cancel()
	if err != nil {
		if !errors.Is(err, ErrFenced) { // the heartbeat says that
			s.storeError("orphans", err)
		}
		return 0
	}
	for _, a := range orphans {
		s.count(func(st *Stats) { st.Orphans++ })
		s.calls.Go(func() {
			if a.State == campaign.AttemptClaimed {
				s.postpone(callCtx, a, a.DueAt, "controller_died_before_placing") // its own time: it may be too late
				s.Wake()
				return
			}
			s.adopt(callCtx, a)
			s.Wake()
		})
	}
	return len(orphans)
}

// adopt stays with an orphaned call until its outcome is written; it counts
// among the live ones.
func (s *Scheduler) adopt(ctx context.Context, a campaign.Attempt) {
	failpoint("adopting")
	ctx, leave := s.enlist(ctx, a)
	defer leave()
	log := s.log.With("attempt", a.ID)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		var inputs *inputLog
		o, err := s.caller.Adopt(ctx, a, func(seq int64) InputLog {
			inputs = s.inputs.open(Inputs{Fence: a.Fence, Seq: seq}, log)
			return inputs
		})
		if inputs != nil {
			inputs.close()
		}
		if err == nil {
			failpoint("adopted")
			s.finish(ctx, a, o)
			return
		}
		s.log.Warn("the exchange cannot yet be asked for an orphaned attempt", "attempt", a.ID, "err", err)
		if !sleep(ctx, wait) {
			return
		}
	}
}

// enlist gives an adopted call a place among the live ones.
func (s *Scheduler) enlist(ctx context.Context, a campaign.Attempt) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	key := a.Contact.ID.String()
	if a.Inbound {
		key = "in:" + a.ID.String()
	}
	s.mu.Lock()
	s.live[key] = liveCall{a.Tenant, cancel}
	s.mu.Unlock()
	return ctx, func() {
		cancel()
		s.mu.Lock()
		delete(s.live, key)
		s.mu.Unlock()
	}
}

func errText(err error) string {
	if err == nil {
		return "shutting_down"
	}
	return err.Error()
}
