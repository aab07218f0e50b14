package freeswitch

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"ringmaster/internal/pbx"
)

var (
	errRestarted      = errors.New("the exchange was restarted: every call on it is lost")
	errPlaybackFailed = errors.New("the exchange could not play it: check that the sound exists there")
	errPlaybackLost   = errors.New("the end of the playback was not told")
)

func isUnknown(err error) bool { return errors.Is(err, pbx.ErrUnknown) }

// lost tells LinkLost once an outage.
func (l *leg) lost(err error) {
	if l.linkDown {
		return
	}
	l.linkDown = true
	l.emit(pbx.LinkLost{At: time.Now(), Err: err})
}

// arm sets the one deadline at which the leg is looked up.
func (l *leg) arm(d time.Duration) {
	if l.look != nil {
		l.look.Stop()
	}
	l.look = time.AfterFunc(d, func() { _ = l.in.Put(input{kind: inLook}) })
}

func (l *leg) lookUpPeriod() time.Duration {
	p := l.sw.cfg.LookUp
	return p*3/4 + rand.N(p/2) //nolint:gosec // spreads load, guards nothing
}

// lookUp asks the exchange: a single lost event is found here.
func (l *leg) lookUp() bool {
	if l.linkDown {
		if l.sw.up() == nil {
			return l.compare(false) // the last look after the outage failed
		}
		l.arm(l.sw.cfg.Deadline)
		return false
	}
	ctx, cancel := l.sw.background()
	defer cancel()
	ch, err := l.sw.channel(ctx, l.id)
	switch {
	case err != nil:
		l.arm(l.sw.cfg.Deadline)
	case ch == nil:
		// Its last events may be waiting behind this very input.
		time.AfterFunc(jobGrace, func() {
			_ = l.in.Put(input{kind: inGone, why: "not on the exchange any more; its last event never came"})
		})
	default:
		l.setKnown()
		l.seen(ctx, ch)
	}
	return false
}

func up(ch interface{ Get(string) string }) bool { return ch.Get("Answer-State") == "answered" }

// seen compares a channel with what its events said.
func (l *leg) seen(ctx context.Context, ch dump) {
	switch {
	case up(ch) && !l.end.answered:
		l.becomeUp(time.Now())
	case l.end.answered, l.inbound:
		l.arm(l.lookUpPeriod())
	case l.placedAt.IsZero() || time.Since(l.placedAt) < l.ringLimit()+l.sw.cfg.Deadline:
		l.arm(l.sw.cfg.Deadline)
	default:
		// It should have stopped ringing by itself.
		l.end.overdue = true
		_ = l.sw.kill(ctx, l.id, pbx.CauseNoAnswer)
		l.arm(l.sw.cfg.Deadline)
	}
}

// ringLimit is how long the leg may ring; that of one placed in an earlier life
// of ours is not known.
func (l *leg) ringLimit() time.Duration {
	if l.req.RingTimeout > 0 {
		return l.req.RingTimeout
	}
	return 180 * time.Second
}

// gone is a leg that was looked up and is not there: what its job said is all
// that is known of its end.
func (l *leg) gone(why string) bool {
	if !l.isKnown() {
		l.sw.giveUp(l.id)
	}
	h := pbx.Hungup{At: time.Now(), By: l.vanishedBy(), Answered: l.end.answered, Raw: why}
	if l.failed != "" && !l.end.answered {
		h.Q850 = causeOf(l.failed)
		h.Raw = "cause=" + l.failed
		switch {
		case timedOut(l.failed) && h.By == pbx.ByUnknown:
			h.By = pbx.ByTimer
		case h.By == pbx.ByUnknown:
			h.By = pbx.ByNetwork
		}
	}
	return l.finish(h)
}

func (l *leg) vanishedBy() pbx.Party {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.hungUp:
		return pbx.ByLocal
	case l.end.overdue:
		return pbx.ByTimer
	}
	return pbx.ByUnknown
}

// adopt takes hold of a channel that exists.
func (l *leg) adopt() bool {
	ctx, cancel := l.sw.background()
	defer cancel()
	if l.placedAt.IsZero() {
		l.placedAt = time.Now()
	}
	ch, err := l.sw.channel(ctx, l.id)
	if err != nil {
		l.arm(l.sw.cfg.Deadline)
		return false
	}
	if ch == nil {
		return l.finish(pbx.Hungup{At: time.Now(), By: pbx.ByUnknown, Answered: l.end.answered, Raw: "not on the exchange any more"})
	}
	l.back(ctx, ch, !l.sighted && !l.placedByUs())
	return false
}

// placedByUs: this process originated the leg, so its answer is to be told.
func (l *leg) placedByUs() bool { return l.req.RingTimeout > 0 || l.customer != nil || l.call != nil }

// back tells what was found after a gap, and makes up for what was missed.
// first: a leg of an earlier life of ours, whose answer is no news, and whose
// audio leads to nobody.
func (l *leg) back(ctx context.Context, ch dump, first bool) {
	l.setKnown()
	l.linkDown, l.sighted = false, true
	if !first {
		l.emit(pbx.LinkRestored{At: time.Now(), Up: up(ch)})
		l.seen(ctx, ch)
		return
	}
	with := ch.Get("variable_bridge_to") // bridge_uuid stays when the bridge is over
	orphan := strings.HasPrefix(with, l.id+mediaMark)
	if orphan {
		_ = l.sw.kill(ctx, with, pbx.CauseNormal)
	}
	if at := atoi64(ch.Get("variable_start_epoch")); at > 0 {
		l.change(func() { l.since = time.Unix(at, 0) })
	}
	if up(ch) && !l.end.answered {
		l.end.answered, l.upAt = true, time.Now()
		l.change(func() { l.answered, l.settled, l.parked = true, true, !orphan && with == "" })
		l.arm(l.lookUpPeriod())
		l.emit(pbx.LinkRestored{At: time.Now(), Up: true}) // media may be opened at once
		return
	}
	l.emit(pbx.LinkRestored{At: time.Now(), Up: up(ch)})
	l.seen(ctx, ch)
}

// compare is the resync of one leg after the link came back.
func (l *leg) compare(restarted bool) bool {
	if restarted {
		l.lost(errRestarted)
		return l.finish(pbx.Hungup{At: time.Now(), By: pbx.ByUnknown, Answered: l.end.answered, Raw: "the exchange was restarted"})
	}
	ctx, cancel := l.sw.background()
	defer cancel()
	ch, err := l.sw.channel(ctx, l.id)
	switch {
	case err != nil:
		l.arm(l.sw.cfg.Deadline)
	case ch != nil && l.linkDown:
		l.back(ctx, ch, false)
	case ch != nil:
	case l.placedAt.IsZero() || time.Since(l.placedAt) < l.sw.cfg.Deadline && !l.isKnown():
		l.arm(l.sw.cfg.Deadline) // its job may not have begun
	default:
		return l.finish(pbx.Hungup{At: time.Now(), By: pbx.ByUnknown, Answered: l.end.answered, Raw: "it ended while the link was down"})
	}
	return false
}

// overflowed: the leg lost its place among its own events.
func (l *leg) overflowed(err error) {
	ctx, cancel := l.sw.background()
	defer cancel()
	_ = l.sw.kill(ctx, l.id, pbx.CauseTemporary)
	l.finish(pbx.Hungup{At: time.Now(), By: pbx.ByUnknown, Answered: l.end.answered, Raw: err.Error()})
}

// finish tells everything that ends with the leg, Hungup last, exactly once.
func (l *leg) finish(h pbx.Hungup) bool {
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return true
	}
	l.over = true
	media, peer, handover, joining := l.media, l.peer, l.handover, l.joining
	opened := l.opened
	l.media, l.peer, l.handover, l.joining, l.opened = nil, nil, nil, nil, map[string]*mediaLeg{}
	plays, records := l.plays, l.records
	l.plays, l.records = nil, map[string]*recording{}
	l.mu.Unlock()
	close(l.done)
	if !l.upAt.IsZero() && !l.end.answered && !l.discard {
		// Answered for a blink, and the answer's own event lost or late.
		l.end.answered, h.Answered = true, true
		l.emit(pbx.Answered{At: l.upAt})
	}
	for _, p := range plays {
		p.timer.Stop()
		l.emit(pbx.PlaybackEnded{At: h.At, ID: p.id, Stopped: p.stopped, Err: pbx.ErrGone})
	}
	for id, r := range records {
		l.emit(pbx.RecordingEnded{At: h.At, ID: id, Duration: h.At.Sub(r.began).Truncate(time.Millisecond)})
	}
	if !l.discard {
		l.emit(h)
	}
	l.out.Close(nil)
	for channel := range opened {
		l.sw.unroute(channel)
	}
	if media != nil {
		media.legGone()
	}
	if peer == nil {
		peer = joining
	}
	if peer != nil {
		_ = peer.in.Put(input{kind: inPeerGone, peer: l})
	}
	if handover != nil {
		handover.hangupByUs(pbx.CauseNormal)
	}
	if c := l.customer; c != nil {
		_ = c.in.Put(input{kind: inTarget, peer: l, hungup: &h})
	}
	return true
}
