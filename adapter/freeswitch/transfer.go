package freeswitch

import (
	"context"
	"strconv"
	"time"

	"ringmaster/internal/pbx"
)

// Transfer implements pbx.Leg. The bot is heard until the target answers.
func (l *leg) Transfer(ctx context.Context, to pbx.Target) error {
	if err := l.talking(ctx); err != nil {
		return err
	}
	if l.hasPeer() {
		return refuse("the leg is being handed over, or bridged")
	}
	if to.Queue != "" {
		return l.toQueue(ctx, to)
	}
	req := pbx.OriginateRequest{
		ID: l.ID() + "-agent", To: pbx.Endpoint{Agent: to.Agent, Trunk: to.Trunk, Number: to.Number},
		CallerID: to.CallerID, RingTimeout: to.Timeout, Tag: l.req.Tag,
	}
	if req.RingTimeout <= 0 {
		req.RingTimeout = 20 * time.Second
	}
	if len(req.ID) > 63 {
		return refuse("the leg's ID leaves no room for the target's: at most 57 bytes")
	}
	if _, err := l.sw.plan(req); err != nil {
		return err
	}
	t, err := l.newTarget(req)
	if err != nil {
		return err
	}
	command, err := l.sw.plan(t.req)
	if err == nil {
		err = t.originate(ctx, command)
	}
	switch {
	case err == nil || isUnknown(err):
		l.mu.Lock()
		alone := l.over
		l.mu.Unlock()
		if alone {
			// The customer left while the target's channel was being made, and
			// the hang-up may have come before the channel.
			t.hangupByUs(pbx.CauseNormal)
		}
		return nil
	}
	// It never rang: told like one that does not answer.
	if l.dropHandover(t) {
		_ = l.in.Put(input{kind: inEmit, event: pbx.TransferEnded{At: time.Now(), Reason: "unreachable", Cause: pbx.CauseNoRoute}})
	}
	return nil
}

// newTarget starts the target's leg: <id>-agent, or <id>-agent2 and so on while
// an earlier one is still being cleared away.
func (l *leg) newTarget(req pbx.OriginateRequest) (*leg, error) {
	base := req.ID
	for n := 1; n <= 9; n++ {
		if n > 1 {
			req.ID = base + pbx.LegID(strconv.Itoa(n))
		}
		t := newLeg(l.sw, string(req.ID))
		t.req, t.customer = req, l
		l.mu.Lock()
		if l.handover != nil || l.over {
			l.mu.Unlock()
			return nil, refuse("the leg is being handed over, or over")
		}
		l.handover = t
		l.mu.Unlock()
		if l.sw.add(t) {
			return t, nil
		}
		l.dropHandover(t)
	}
	return nil, refuse("earlier hand-overs of the leg have not ended yet")
}

func (l *leg) dropHandover(t *leg) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.handover != t {
		return false
	}
	l.handover = nil
	return true
}

// targetAnswered: the bot leaves, the person comes.
func (l *leg) targetAnswered(t *leg) {
	if !l.dropHandover(t) {
		t.hangupByUs(pbx.CauseNormal)
		return
	}
	ctx, cancel := l.sw.background()
	defer cancel()
	if err := l.connect(ctx, t); err != nil {
		l.sw.log.Error("freeswitch: the target of a hand-over could not be bridged", "leg", l.id, "err", err)
		t.hangupByUs(pbx.CauseTemporary)
		l.emit(pbx.TransferEnded{At: time.Now(), Reason: "unreachable", Cause: pbx.CauseTemporary})
	}
}

// targetOver: it ended before it was connected.
func (l *leg) targetOver(t *leg, h pbx.Hungup) {
	if l.dropHandover(t) {
		l.emit(pbx.TransferEnded{At: time.Now(), Reason: transferReason(h), Cause: h.Q850})
		return
	}
	if l.notJoined(t) { // between its answer and the bridge
		l.emit(pbx.TransferEnded{At: time.Now(), Reason: "unreachable", Cause: h.Q850})
	}
}

// stay is the time that a leg spends in a queue of the exchange.
type stay struct {
	name    string // of the execution of callcenter; "" is an extension
	timer   *time.Timer
	bridged bool // under the leg's lock, like the next
	expired bool
}

// toQueue gives the leg to a queue of the exchange and keeps its events. What
// the queue's people see of it is the caller ID, never the customer's number by
// itself.
func (l *leg) toQueue(ctx context.Context, to pbx.Target) error {
	q, ok := l.sw.cfg.Queues[to.Queue]
	if !ok {
		return refuse("no queue of that name is configured")
	}
	number, name := callerNumber(to.CallerID), displayName(to.CallerID.Name)
	if number == "" {
		number = nobody
	}
	if name == "" {
		name = number
	}
	for _, v := range []variable{
		{"effective_caller_id_number", number}, {"effective_caller_id_name", name}, {"park_after_bridge", "true"},
		{"cc_export_vars", "ignore_display_updates"}, {"export_vars", "ignore_display_updates"},
	} {
		if err := l.api(ctx, "uuid_setvar %s %s %s", l.id, v.name, v.value); err != nil {
			return err
		}
	}
	l.stopPlaybacks(ctx)
	l.opening.Lock()
	defer l.opening.Unlock()
	l.mu.Lock()
	m := l.media
	l.played++
	s := &stay{}
	if q.Callcenter != "" {
		s.name = queueMark + strconv.Itoa(l.played) + "." + l.id
	}
	l.away = s
	l.mu.Unlock()
	if m != nil {
		_ = m.Close()
	}
	if _, err := l.await(ctx, 2*time.Second, func() bool { return l.parked }); err != nil {
		l.noStay(s)
		return l.why(err)
	}
	err := l.enter(ctx, q, to.Queue, s)
	if err != nil && !isUnknown(err) {
		l.noStay(s)
		return err
	}
	if to.Timeout > 0 {
		timer := time.AfterFunc(to.Timeout, func() { _ = l.in.Put(input{kind: inStay, stay: s}) })
		l.mu.Lock()
		s.timer = timer
		l.mu.Unlock()
	}
	return nil
}

func (l *leg) enter(ctx context.Context, q Queue, name string, s *stay) error {
	if q.Callcenter != "" {
		return l.execute(ctx, s.name, "callcenter", q.Callcenter)
	}
	if q.Extension != "" {
		name = q.Extension
	}
	l.change(func() { l.parked = false })
	return l.api(ctx, "uuid_transfer %s %s XML %s", l.id, name, q.Context)
}

func (l *leg) noStay(s *stay) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away != s {
		return false
	}
	l.away = nil
	if s.timer != nil {
		s.timer.Stop()
	}
	return true
}

// stayOver: nobody took the leg in time.
func (l *leg) stayOver(s *stay) {
	l.mu.Lock()
	waiting := l.away == s && !s.bridged
	if waiting {
		s.expired = true
	}
	l.mu.Unlock()
	if !waiting {
		return
	}
	ctx, cancel := l.sw.background()
	defer cancel()
	if err := l.toPark(ctx); err != nil {
		l.sw.log.Warn("freeswitch: a leg could not be taken out of its queue", "leg", l.id, "err", err)
	}
}

// backInPark: a leg that was in a queue is back with us.
func (l *leg) backInPark() {
	l.mu.Lock()
	s := l.away
	l.mu.Unlock()
	switch {
	case s == nil:
	case s.bridged:
		l.stayEnded(s, "target_left")
	case s.expired:
		l.stayEnded(s, "no_answer")
	case s.name == "":
		l.stayEnded(s, "unreachable") // the extension had nobody
	}
}

func (l *leg) stayEnded(s *stay, reason string) {
	if l.noStay(s) {
		l.emit(pbx.TransferEnded{At: time.Now(), Reason: reason})
	}
}
