package freeswitch

import (
	"context"
	"errors"
	"strings"
	"time"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/internal/pbx"
)

// joinWait is how long uuid_bridge may take; measured are 60 ms.
const joinWait = 3 * time.Second

// connect asks for both legs to hear each other. That they do is an event.
func (l *leg) connect(ctx context.Context, other *leg) error {
	for _, leg := range []*leg{l, other} {
		leg.stopPlaybacks(ctx)
	}
	for _, leg := range []*leg{l, other} {
		if err := leg.stay(ctx); err != nil {
			return err
		}
	}
	for _, pair := range [][2]*leg{{l, other}, {other, l}} {
		pair[0].mu.Lock()
		pair[0].joining = pair[1]
		pair[0].mu.Unlock()
	}
	if err := l.api(ctx, "uuid_bridge %s %s", l.id, other.id); err != nil && !isUnknown(err) {
		l.notJoined(other)
		return err
	}
	time.AfterFunc(joinWait, func() { _ = l.in.Put(input{kind: inJoinLate, peer: other}) })
	return nil
}

// stay makes the leg outlive a bridge with another leg.
func (l *leg) stay(ctx context.Context) error {
	return l.api(ctx, "uuid_setvar %s park_after_bridge %t", l.id, l.customer == nil)
}

func (l *leg) notJoined(other *leg) bool {
	was := false
	for _, pair := range [][2]*leg{{l, other}, {other, l}} {
		pair[0].mu.Lock()
		if pair[0].joining == pair[1] {
			pair[0].joining, was = nil, true
		}
		pair[0].mu.Unlock()
	}
	return was
}

// joinLate: CHANNEL_BRIDGE should have come; the exchange knows whether it got
// lost.
func (l *leg) joinLate(other *leg) {
	l.mu.Lock()
	waiting := l.joining == other
	l.mu.Unlock()
	if !waiting {
		return
	}
	ctx, cancel := l.sw.background()
	defer cancel()
	if ch, err := l.sw.channel(ctx, l.id); err == nil && ch != nil && ch.Get("variable_bridge_to") == other.id {
		l.joined(other)
		return
	}
	if l.notJoined(other) {
		l.sw.log.Error("freeswitch: two legs were not bridged", "leg", l.id)
		if other.customer == l {
			other.hangupByUs(pbx.CauseTemporary)
			l.emit(pbx.TransferEnded{At: time.Now(), Reason: "unreachable", Cause: pbx.CauseTemporary})
		}
	}
}

// bridgedWith: CHANNEL_BRIDGE, told about one of the two channels.
func (l *leg) bridgedWith(e *esl.Event) {
	other := partner(e, l.id)
	l.mu.Lock()
	m, away := l.opened[other], l.away
	l.mu.Unlock()
	if m != nil {
		l.change(func() { m.bridged, l.parked = true, false })
		return
	}
	l.change(func() { l.parked = false })
	if o := l.sw.find(other); o != nil {
		l.joined(o)
		return
	}
	if away != nil && !away.bridged {
		l.change(func() { away.bridged = true })
		l.emit(pbx.Bridged{At: time.Now()})
	}
}

// partner is the other channel of a bridge.
func partner(e *esl.Event, id string) string {
	for _, name := range []string{"Bridge-B-Unique-ID", "Bridge-A-Unique-ID", "Other-Leg-Unique-ID"} {
		if other := e.Get(name); other != "" && other != id {
			return other
		}
	}
	return ""
}

// joined: both legs hear each other; their own audio has ended.
func (l *leg) joined(o *leg) {
	l.mu.Lock()
	if l.peer == o || l.over {
		l.mu.Unlock()
		return
	}
	l.mu.Unlock()
	for _, pair := range [][2]*leg{{l, o}, {o, l}} {
		a := pair[0]
		var m *mediaLeg
		a.change(func() {
			m = a.media
			a.media, a.peer, a.joining, a.parked = nil, pair[1], nil, false
		})
		if m != nil {
			m.legGone()
		}
	}
	at := time.Now()
	l.emit(pbx.Bridged{At: at, Other: o.ID()})
	_ = o.in.Put(input{kind: inEmit, event: pbx.Bridged{At: at, Other: l.ID()}})
	for _, pair := range [][2]*leg{{l, o}, {o, l}} {
		if isClosed(pair[0].done) { // it ended meanwhile and saw no company
			_ = pair[1].in.Put(input{kind: inPeerGone, peer: pair[0]})
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// unbridged: CHANNEL_UNBRIDGE, told about one of the two channels.
func (l *leg) unbridged(e *esl.Event) {
	other := partner(e, l.id)
	l.mu.Lock()
	peer, away := l.peer, l.away
	l.mu.Unlock()
	switch {
	case peer != nil && peer.id == other:
		_ = peer.in.Put(input{kind: inPeerGone, peer: l})
		l.peerGone(peer)
	case away != nil && away.bridged:
		l.stayEnded(away, "target_left")
	}
}

// peerGone: the leg is alone again, and goes back to its park.
func (l *leg) peerGone(p *leg) {
	was := false
	l.change(func() {
		was = l.peer == p
		if was {
			l.peer = nil
		}
		if l.joining == p {
			l.joining = nil
		}
	})
	if !was {
		return
	}
	l.emit(pbx.Unbridged{At: time.Now(), Other: p.ID()})
	if l.customer == p {
		l.hangupByUs(pbx.CauseNormal) // an agent stays for the customer only
	}
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
	if err := errors.Join(l.settle(ctx), o.settle(ctx)); err != nil {
		return err
	}
	return l.connect(ctx, o)
}

func (l *leg) hasPeer() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.peer != nil || l.handover != nil || l.joining != nil
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
	if sup.hasPeer() {
		return refuse("the supervisor speaks with somebody")
	}
	if err := sup.settle(ctx); err != nil {
		return err
	}
	sup.mu.Lock()
	spying, m := sup.spying, sup.media
	sup.spying = true
	sup.mu.Unlock()
	if m != nil {
		_ = m.Close()
	}
	if spying { // of another leg, or in the other mode
		if err := sup.toPark(ctx); err != nil {
			return err
		}
	}
	// bleg: what the supervisor says is mixed into what this leg hears.
	if err := sup.api(ctx, "uuid_setvar_multi %s eavesdrop_enable_dtmf=false;eavesdrop_whisper_aleg=false;eavesdrop_whisper_bleg=%t", sup.id, mode == pbx.Whisper); err != nil {
		return err
	}
	return sup.execute(ctx, spyMark+sup.id, "eavesdrop", l.id)
}

// toPark takes the leg out of whatever it does.
func (l *leg) toPark(ctx context.Context) error {
	l.change(func() { l.parked = false })
	return l.api(ctx, "uuid_transfer %s park: inline", l.id)
}

// executed: an application of the leg ended.
func (l *leg) executed(e *esl.Event) {
	name := e.Get("Application-UUID")
	switch {
	case strings.HasPrefix(name, playMark):
		l.playDone(name, e.Get("Application-Response"))
	case strings.HasPrefix(name, bridgeTag):
		l.change(func() {
			l.parked = l.peer == nil && l.away == nil && l.joining == nil // back in the park that it was bridged from
			if m := l.opened[strings.TrimPrefix(name, bridgeTag)]; m != nil && !m.bridged && m.failed == "" {
				m.failed = "cause=" + esl.Clean(e.Get("variable_originate_disposition"), 48)
			}
		})
	case strings.HasPrefix(name, spyMark):
		l.mu.Lock()
		l.spying = false
		l.mu.Unlock()
	case strings.HasPrefix(name, queueMark):
		l.mu.Lock()
		s := l.away
		l.mu.Unlock()
		if s == nil || s.name != name || s.bridged || e.Get("variable_cc_cause") == "answered" {
			return // the bridge with the agent is told by itself
		}
		reason := queueReason(e.Get("variable_cc_cancel_reason"))
		if s.expired {
			reason = "no_answer"
		}
		l.stayEnded(s, reason)
	}
}
