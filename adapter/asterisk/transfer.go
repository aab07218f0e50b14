package asterisk

import (
	"context"
	"net/http"
	"time"

	"ringmaster/adapter/asterisk/ari"
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
	o, err := l.sw.plan(req)
	if err != nil {
		return err
	}
	o.CallerID = ""
	o.Vars = merge(o.Vars, connectedLine(to.CallerID))
	t, err := l.newTarget(req)
	if err != nil {
		return err
	}
	o.ChannelID = t.id
	return l.callTarget(ctx, t, o)
}

// newTarget starts the target's leg: <id>-agent, or <id>-agent2 and so on while
// an earlier one is still being cleared away.
func (l *leg) newTarget(req pbx.OriginateRequest) (*leg, error) {
	base := req.ID
	for n := 1; n <= 9; n++ {
		if n > 1 {
			req.ID = base + pbx.LegID(itoa(n))
		}
		t := newLeg(l.sw, string(req.ID))
		t.req, t.created, t.end.created, t.customer = req, true, true, l
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

// callTarget dials the target. One that Asterisk cannot reach at all ends in
// TransferEnded like one that does not answer.
func (l *leg) callTarget(ctx context.Context, t *leg, o ari.Originate) error {
	err := t.createAndDial(ctx, o)
	switch {
	case err == nil || isUnknown(err):
		_ = t.in.Put(input{kind: inPlaced, unsure: err != nil})
		l.mu.Lock()
		alone := l.over
		l.mu.Unlock()
		if alone {
			// The customer left while the target's channel was being made, and
			// the hang-up may have come before the channel.
			t.hangupByUs(pbx.CauseNormal)
		}
		return nil
	case ari.Status(err) == http.StatusInternalServerError:
		l.dropHandover(t)
		_ = t.in.Put(input{kind: inDiscard})
		_ = l.in.Put(input{kind: inEmit, event: pbx.TransferEnded{At: time.Now(), Reason: "unreachable", Cause: pbx.CauseNoRoute}})
		return nil
	}
	l.dropHandover(t)
	_ = t.in.Put(input{kind: inDiscard})
	return err
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
		l.sw.log.Error("asterisk: the target of a hand-over could not be bridged", "leg", l.id, "err", err)
		t.hangupByUs(pbx.CauseTemporary)
		l.emit(pbx.TransferEnded{At: time.Now(), Reason: "unreachable", Cause: pbx.CauseTemporary})
	}
}

// targetOver: it ended before it was connected.
func (l *leg) targetOver(t *leg, h pbx.Hungup) {
	if l.dropHandover(t) {
		l.emit(pbx.TransferEnded{At: time.Now(), Reason: transferReason(h), Cause: h.Q850})
	}
}

// toQueue gives the leg to a queue of the exchange and keeps its events.
func (l *leg) toQueue(ctx context.Context, to pbx.Target) error {
	q, ok := l.sw.cfg.Queues[to.Queue]
	if !ok {
		return refuse("no queue of that name is configured")
	}
	if q.Extension == "" {
		q.Extension = to.Queue
	}
	if err := l.sw.ari.Subscribe(ctx, "channel:"+l.id); err != nil {
		return own(err)
	}
	l.stopPlaybacks(ctx)
	if to.Timeout > 0 {
		if err := l.sw.ari.SetVariable(ctx, l.id, "QTIMEOUT", itoa(wholeSeconds(to.Timeout))); err != nil {
			return own(err)
		}
	}
	l.mu.Lock()
	l.away = true
	l.mu.Unlock()
	if err := l.sw.ari.Continue(ctx, l.id, q.Context, q.Extension); err != nil && !isUnknown(err) {
		l.mu.Lock()
		l.away = false
		l.mu.Unlock()
		return own(err)
	}
	l.mu.Lock()
	media := l.media
	l.media, l.joined = nil, false
	l.mu.Unlock()
	if media != nil {
		media.legGone()
		l.dropHelper(media.channel)
	}
	return nil
}

// queueDialled: the queue that has the leg called an agent. It tells nobody
// whom, and its bridge is not ours to see.
func (l *leg) queueDialled(status string) {
	l.mu.Lock()
	away := l.away
	l.mu.Unlock()
	if away && status == "ANSWER" {
		l.emit(pbx.Bridged{At: time.Now()})
	}
}

// backFromQueue: nobody took the leg, or the agent left it.
func (l *leg) backFromQueue(args []string) {
	status := ""
	if len(args) > 2 && args[0] == argQueue {
		status = args[2]
	}
	ctx, cancel := l.sw.background()
	defer cancel()
	if err := l.join(ctx); err != nil {
		l.sw.log.Error("asterisk: a leg that came back from a queue could not be bridged", "leg", l.id, "err", err)
		l.arm(time.Second)
	}
	l.emit(pbx.TransferEnded{At: time.Now(), Reason: queueReason(status)})
}
