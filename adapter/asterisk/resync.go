package asterisk

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/pbx"
)

var (
	errRestarted      = errors.New("the exchange was restarted: every call on it is lost")
	errPlaybackFailed = errors.New("the exchange could not play it: check that the sound exists there")
	errPlaybackLost   = errors.New("the exchange no longer knows the playback; its end was not told")
	errRecording      = errors.New("the exchange could not record: check its disk and permissions")
)

func isUnknown(err error) bool { return errors.Is(err, pbx.ErrUnknown) }

func itoa(n int) string { return strconv.Itoa(n) }

// lost tells LinkLost once an outage.
func (l *leg) lost(err error) {
	if l.linkDown {
		return
	}
	l.linkDown = true
	l.emit(pbx.LinkLost{At: time.Now(), Err: err})
}

// adopt takes hold of a channel that exists: subscribe first, look second, so
// that nothing falls between.
func (l *leg) adopt() bool {
	ctx, cancel := l.sw.background()
	defer cancel()
	if l.placedAt.IsZero() {
		l.placedAt = time.Now()
	}
	err := l.sw.ari.Subscribe(ctx, "channel:"+l.id)
	var ch ari.Channel
	if err == nil || ari.Status(err) == http.StatusUnprocessableEntity {
		ch, err = l.sw.ari.Channel(ctx, l.id)
	}
	if ari.Status(err) == http.StatusNotFound {
		return l.finish(pbx.Hungup{At: time.Now(), By: pbx.ByUnknown, Answered: l.end.answered, Raw: "not on the exchange any more"})
	}
	if err != nil {
		l.arm(l.sw.cfg.Deadline)
		return false
	}
	first := !l.sighted && !l.placedByUs()
	l.back(ch, first)
	return false
}

// back tells what was found after a gap, and makes up for what was missed.
// first: a leg of an earlier life of ours, whose answer is no news, but which
// has to be in its bridge before commands come.
func (l *leg) back(ch ari.Channel, first bool) {
	ctx, cancel := l.sw.background()
	defer cancel()
	l.setKnown()
	l.linkDown, l.sighted = false, true
	up := ch.State == ari.StateUp
	if up && first && !l.end.answered { // whoever is told of it may open media at once
		l.takeOver(ctx)
		l.emit(pbx.LinkRestored{At: time.Now(), Up: true})
		return
	}
	l.emit(pbx.LinkRestored{At: time.Now(), Up: up})
	if up && !l.end.answered {
		l.missedAnswer(ctx)
		return
	}
	l.reviewPlaybacks(ctx)
	l.seen(ctx, ch)
}

// placedByUs: this process originated the leg, so its answer is to be told.
func (l *leg) placedByUs() bool { return l.req.RingTimeout > 0 || l.customer != nil }

// compare is the resync of one leg after the link came back.
func (l *leg) compare(w *world) bool {
	if w.restarted {
		l.lost(errRestarted)
		return l.finish(pbx.Hungup{At: time.Now(), By: pbx.ByUnknown, Answered: l.end.answered, Raw: "the exchange was restarted"})
	}
	ch, there := w.channels[l.id]
	if !there {
		if l.placedAt.IsZero() || l.placedAt.After(w.began) {
			l.arm(l.sw.cfg.Deadline) // placed after the list was asked for
			return false
		}
		return l.finish(pbx.Hungup{At: time.Now(), By: pbx.ByUnknown, Answered: l.end.answered, Raw: "it ended while the link was down"})
	}
	if !l.linkDown {
		return false
	}
	l.back(ch, false)
	return false
}

// overflowed: the leg lost its place among its own events.
func (l *leg) overflowed(err error) {
	ctx, cancel := l.sw.background()
	defer cancel()
	_ = l.sw.ari.Hangup(ctx, l.id, pbx.CauseTemporary)
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
	media, peer, handover := l.media, l.peer, l.handover
	l.media, l.peer, l.handover = nil, nil, nil
	plays, records := l.plays, l.records
	l.plays, l.records = map[string]*playback{}, map[string]*recording{}
	l.mu.Unlock()
	close(l.done)
	if !l.upAt.IsZero() && !l.end.answered && !l.discard {
		// Answered for a blink: over before it was in its bridge.
		l.end.answered, h.Answered = true, true
		l.emit(pbx.Answered{At: l.upAt})
	}
	for id, p := range plays {
		p.timer.Stop()
		l.emit(pbx.PlaybackEnded{At: h.At, ID: id, Stopped: p.stopped, Err: pbx.ErrGone})
	}
	for id, r := range records {
		l.emit(pbx.RecordingEnded{At: h.At, ID: id, Duration: h.At.Sub(r.began).Truncate(time.Second)})
	}
	if !l.discard {
		l.emit(h)
	}
	l.out.Close(nil)
	if media != nil {
		media.legGone()
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
