package asterisk

import (
	"context"
	"errors"
	"strings"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/pbx"
)

// keyGrace is how long a key reported by the media leg waits for ARI's report.
const keyGrace = 80 * time.Millisecond

// company does inputs that are about others than the exchange's own events of
// the leg.
func (l *leg) company(in input) {
	switch in.kind {
	case inTarget:
		if in.hungup != nil {
			l.targetOver(in.peer, *in.hungup)
		} else {
			l.targetAnswered(in.peer)
		}
	case inPeerGone:
		l.peerGone(in.peer)
	case inMediaLost:
		l.mediaLost(in.media, in.err)
	case inKey:
		if l.linkDown {
			l.key(in.digit, fromMedia, 0)
			break
		}
		// Asterisk's own report of the key knows how long it was held, and is
		// on its way; this one counts only should that be lost.
		time.AfterFunc(keyGrace, func() { _ = l.in.Put(input{kind: inLateKey, digit: in.digit}) })
	case inLateKey:
		l.key(in.digit, fromMedia, 0)
	case inEmit:
		l.emit(in.event)
	default: // handle has seen the others
	}
}

// helperEvent is about a media leg or a snoop of the leg.
func (l *leg) helperEvent(e *ari.Event) {
	l.mu.Lock()
	h, m := l.helpers[e.Channel.ID], l.media
	l.mu.Unlock()
	switch e.Type {
	case ari.TypeStasisStart:
		if h != nil {
			h.once.Do(func() { close(h.started) })
		}
	case ari.TypeChannelDestroyed:
		l.sw.unroute(e.Channel.ID)
		l.mu.Lock()
		delete(l.helpers, e.Channel.ID)
		l.mu.Unlock()
		if m != nil && m.channel == e.Channel.ID {
			m.ended(errors.New("the exchange ended the media leg: " + raw(e.Cause, e.TechCause, e.CauseText)))
		}
	}
}

// newHelper names a helper channel and makes its events ours.
func (l *leg) newHelper(mark string) (string, *helper) {
	id, h := helperID(l.id, mark), &helper{started: make(chan struct{})}
	l.mu.Lock()
	l.helpers[id] = h
	l.mu.Unlock()
	l.sw.route(id, l)
	return id, h
}

// dropHelper deletes a helper channel from the exchange and forgets it.
func (l *leg) dropHelper(id string) {
	l.mu.Lock()
	delete(l.helpers, id)
	l.mu.Unlock()
	l.sw.unroute(id)
	l.sw.hangupLater(id, pbx.CauseNormal)
}

// cleanUp removes from the exchange what belonged to a leg that is over.
func (l *leg) cleanUp() {
	l.joining.Lock() // a bridge that is being made is waited for
	l.cleaned = true
	l.joining.Unlock()
	l.mu.Lock()
	helpers, bridge := l.helpers, l.hasBridge
	l.helpers = map[string]*helper{}
	l.mu.Unlock()
	ctx, cancel := l.sw.background()
	defer cancel()
	for id := range helpers {
		l.sw.unroute(id)
		if !l.abandoned {
			_ = l.sw.ari.Hangup(ctx, id, pbx.CauseNormal)
		}
	}
	if !l.abandoned && bridge {
		_ = l.sw.ari.DeleteBridge(ctx, bridgeOf(l.id))
	}
}

// takeOver finds the bridge of an answered leg of an earlier life, or makes
// one, and ends media legs that nobody speaks on any more.
func (l *leg) takeOver(ctx context.Context) {
	w, err := l.sw.look(ctx)
	if err != nil {
		l.arm(l.sw.cfg.Deadline)
		return
	}
	for _, b := range w.bridges {
		for _, member := range b.Channels {
			if member == l.id && strings.HasPrefix(b.ID, bridgePrefix) {
				l.mu.Lock()
				l.joined, l.hasBridge = true, true
				l.mu.Unlock()
				l.readyOnce.Do(func() { close(l.ready) })
			}
		}
	}
	for id, c := range w.channels {
		if owner, ok := helperOf(id, c.Name); ok && owner == l.id && l.sw.owner(id) == nil {
			_ = l.sw.ari.Hangup(ctx, id, pbx.CauseNormal)
		}
	}
	if err := l.join(ctx); err != nil {
		l.sw.log.Warn("asterisk: a leg that was taken over could not be bridged", "leg", l.id, "err", err)
		l.arm(l.sw.cfg.Deadline)
		return
	}
	if !l.stasis {
		l.stasis = true
		close(l.inStasis)
	}
	l.end.answered, l.upAt = true, time.Now()
	l.mu.Lock()
	l.answered = true
	l.mu.Unlock()
	l.arm(l.lookUpPeriod())
}

// connect puts other into l's bridge in place of l's media leg.
func (l *leg) connect(ctx context.Context, other *leg) error {
	if err := l.join(ctx); err != nil {
		return err
	}
	l.stopPlaybacks(ctx)
	other.stopPlaybacks(ctx)
	l.mu.Lock()
	m := l.media
	l.mu.Unlock()
	if m != nil {
		_ = l.sw.ari.RemoveFromBridge(ctx, bridgeOf(l.id), m.channel)
	}
	if err := l.sw.ari.AddToBridge(ctx, bridgeOf(l.id), other.id); err != nil {
		if m != nil {
			_ = l.sw.ari.AddToBridge(ctx, bridgeOf(l.id), m.channel)
		}
		return err
	}
	for _, pair := range [][2]*leg{{l, other}, {other, l}} {
		a := pair[0]
		a.mu.Lock()
		media := a.media
		a.media, a.peer, a.home = nil, pair[1], l
		if a == other {
			a.joined = false // it is in our bridge now
		}
		a.mu.Unlock()
		if media != nil {
			media.legGone()
			a.dropHelper(media.channel)
		}
		_ = a.in.Put(input{kind: inEmit, event: pbx.Bridged{At: time.Now(), Other: pair[1].ID()}})
	}
	for _, pair := range [][2]*leg{{l, other}, {other, l}} {
		if isClosed(pair[0].done) { // it ended meanwhile and saw no company
			_ = pair[1].in.Put(input{kind: inPeerGone, peer: pair[0]})
		}
	}
	return nil
}

// Bridge implements pbx.Leg: both legs hear each other, their media legs close.
func (l *leg) Bridge(ctx context.Context, other pbx.LegID) error {
	o := l.sw.find(string(other))
	if o == nil || o == l {
		return refuse("no other leg of that ID is held here")
	}
	if err := l.talking(ctx); err != nil {
		return err
	}
	if err := o.talking(ctx); err != nil {
		return refuse("the other leg cannot be bridged: %v", err)
	}
	if l.hasPeer() || o.hasPeer() {
		return refuse("one of the legs is bridged already")
	}
	return l.connect(ctx, o)
}

func (l *leg) hasPeer() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peer != nil || l.handover != nil
}

// peerGone: the leg is alone again, in its own bridge.
func (l *leg) peerGone(p *leg) {
	l.mu.Lock()
	was := l.peer == p
	if was {
		l.peer, l.home = nil, nil
	}
	l.mu.Unlock()
	if !was {
		return
	}
	l.emit(pbx.Unbridged{At: time.Now(), Other: p.ID()})
	if l.customer == p {
		l.hangupByUs(pbx.CauseNormal) // an agent stays for the customer only
		return
	}
	ctx, cancel := l.sw.background()
	defer cancel()
	if err := l.join(ctx); err != nil {
		l.arm(time.Second)
	}
}

// Monitor implements pbx.Leg: the supervisor's leg hears this leg and who it
// speaks with; with Whisper this leg also hears the supervisor.
func (l *leg) Monitor(ctx context.Context, supervisor pbx.LegID, mode pbx.MonitorMode) error {
	if mode != pbx.Listen && mode != pbx.Whisper {
		return refuse("a monitor mode is listen or whisper")
	}
	if err := l.talking(ctx); err != nil {
		return err
	}
	sup := l.sw.find(string(supervisor))
	if sup == nil || sup == l {
		return refuse("no supervisor's leg of that ID is held here")
	}
	if err := sup.talking(ctx); err != nil {
		return refuse("the supervisor's leg cannot listen: %v", err)
	}
	whisper := ari.SnoopNone
	if mode == pbx.Whisper {
		whisper = ari.SnoopOut
	}
	id, err := l.snoop(ctx, ari.SnoopBoth, whisper)
	if err != nil {
		return err
	}
	if err := l.sw.ari.AddToBridge(ctx, bridgeOf(sup.id), id); err != nil {
		l.dropHelper(id)
		return err
	}
	return nil
}

// snoop makes a snoop channel and waits until it can be used.
func (l *leg) snoop(ctx context.Context, spy, whisper string) (string, error) {
	id, h := l.newHelper(snoopMark)
	if err := l.sw.ari.Snoop(ctx, l.id, id, spy, whisper, argSnoop+","+l.id); err != nil {
		l.dropHelper(id)
		return "", own(err)
	}
	if err := l.await(ctx, h.started, 2*time.Second); err != nil {
		l.dropHelper(id)
		return "", err
	}
	return id, nil
}
