package asterisk

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/pbx"
)

// What the events of the leg's own channel make of it. All of this is called
// by run alone.

func (l *leg) stateChanged(state string) {
	switch state {
	case ari.StateRinging:
		l.ring(false)
	case ari.StateUp:
		if l.upAt.IsZero() {
			l.upAt = time.Now()
		}
		if l.stasis {
			l.becomeUp()
		} else {
			l.arm(min(2*time.Second, l.sw.cfg.Deadline)) // StasisStart has to follow
		}
	}
}

func (l *leg) dialEvent(status string) {
	switch status {
	case "RINGING":
		l.ring(false)
	case "PROGRESS":
		l.ring(l.created)
	}
}

// ring tells Ringing once, and once more when early media begins.
func (l *leg) ring(early bool) {
	if l.end.answered || l.inbound || (l.ringing && !early) || l.early {
		return
	}
	l.ringing, l.early = true, early
	l.emit(pbx.Ringing{At: time.Now(), EarlyMedia: early})
}

func (l *leg) stasisStart(e *ari.Event) {
	l.mu.Lock()
	back := l.away
	l.away = false
	l.mu.Unlock()
	first := !l.stasis
	l.stasis = true
	if first {
		close(l.inStasis)
	}
	if back {
		l.backFromQueue(e.Args)
		return
	}
	if e.Channel.State == ari.StateUp {
		if l.upAt.IsZero() {
			l.upAt = time.Now()
		}
		l.becomeUp()
	}
}

// becomeUp puts an answered leg into its bridge and then tells Answered: from
// there on no command can block.
func (l *leg) becomeUp() {
	if l.end.answered {
		return
	}
	ctx, cancel := l.sw.background()
	defer cancel()
	err := l.join(ctx)
	if err != nil && !channelGone(err) {
		err = l.join(ctx) // a bridge may just have been cleaned away
	}
	if err != nil {
		if !channelGone(err) {
			l.sw.log.Error("asterisk: an answered leg could not be bridged", "leg", l.id, "err", err)
		}
		l.arm(time.Second) // gone, or to be tried again
		return
	}
	l.end.answered = true
	l.mu.Lock()
	l.answered = true
	l.mu.Unlock()
	if l.req.MaxDuration > 0 {
		// Before anybody can play: a variable waits for the end of a playback.
		_ = l.sw.ari.SetVariable(ctx, l.id, "TIMEOUT(absolute)", itoa(wholeSeconds(l.req.MaxDuration)))
	}
	l.emit(pbx.Answered{At: l.upAt})
	if l.customer != nil {
		if l.customer.in.Put(input{kind: inTarget, peer: l}) != nil {
			l.hangupByUs(pbx.CauseNormal) // the customer is gone
		}
	}
	l.arm(l.lookUpPeriod())
}

// channelGone: addChannel says 400 of a channel that is no more.
func channelGone(err error) bool {
	s := ari.Status(err)
	return s == http.StatusBadRequest || s == http.StatusNotFound
}

// join puts the leg into a bridge of its own, making it if need be.
func (l *leg) join(ctx context.Context) error {
	l.joining.Lock()
	defer l.joining.Unlock()
	if l.cleaned {
		return pbx.ErrGone
	}
	l.mu.Lock()
	joined := l.joined
	l.hasBridge = true // from here on one may exist
	l.mu.Unlock()
	if joined {
		return nil
	}
	if err := l.sw.ari.CreateBridge(ctx, bridgeOf(l.id)); err != nil && ari.Status(err) != http.StatusConflict {
		return err
	}
	if err := l.sw.ari.AddToBridge(ctx, bridgeOf(l.id), l.id); err != nil {
		return err
	}
	l.mu.Lock()
	l.joined = true
	l.mu.Unlock()
	l.readyOnce.Do(func() { close(l.ready) })
	return nil
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (l *leg) hangupRequest(e *ari.Event) {
	l.mu.Lock()
	ours := l.hungUp
	if !ours {
		l.byOther = true
	}
	l.mu.Unlock()
	if !ours && l.end.request == nil {
		l.end.request = e
	}
	l.arm(l.sw.cfg.Deadline)
}

// stasisEnd: the end, or a queue has the leg, or somebody moved it.
func (l *leg) stasisEnd() {
	l.mu.Lock()
	away := l.away
	l.joined = false
	l.mu.Unlock()
	if !away {
		l.arm(min(2*time.Second, l.sw.cfg.Deadline))
	}
}

func (l *leg) key(digit byte, source dtmfSource, d time.Duration) {
	if l.keys.add(digit, source, time.Now()) {
		l.emit(pbx.DTMF{At: time.Now(), Digit: digit, Duration: d})
	}
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
		l.arm(l.sw.cfg.Deadline)
		return false
	}
	ctx, cancel := l.sw.background()
	defer cancel()
	ch, err := l.sw.ari.Channel(ctx, l.id)
	if ari.Status(err) == http.StatusNotFound {
		// Its last events may be waiting behind this very input.
		time.AfterFunc(200*time.Millisecond, func() {
			_ = l.in.Put(input{kind: inGone, why: "not on the exchange any more; its last event never came"})
		})
		return false
	}
	if err != nil {
		l.arm(l.sw.cfg.Deadline)
		return false
	}
	l.setKnown()
	l.seen(ctx, ch)
	return false
}

// seen compares a channel with what its events said.
func (l *leg) seen(ctx context.Context, ch ari.Channel) {
	switch {
	case ch.State == ari.StateUp && !l.end.answered:
		l.missedAnswer(ctx)
	case l.end.answered:
		l.reviewPlaybacks(ctx)
		l.arm(l.lookUpPeriod())
	case l.inbound:
		l.arm(l.lookUpPeriod())
	case l.placedAt.IsZero() || time.Since(l.placedAt) < l.ringLimit()+l.sw.cfg.Deadline:
		l.arm(l.sw.cfg.Deadline)
	default:
		// It should have stopped ringing by itself.
		l.end.overdue = true
		_ = l.sw.ari.Hangup(ctx, l.id, pbx.CauseNoAnswer)
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

// missedAnswer: the channel is up and no StasisStart came. Bridging it proves
// that it is in our application; a channel that is not is ended.
func (l *leg) missedAnswer(ctx context.Context) {
	if l.upAt.IsZero() {
		l.upAt = time.Now()
	}
	if err := l.join(ctx); err != nil {
		if errors.Is(err, pbx.ErrRefused) && time.Since(l.upAt) > 2*l.sw.cfg.Deadline {
			l.sw.log.Error("asterisk: an answered leg is not in our application and is ended", "leg", l.id, "err", err)
			_ = l.Hangup(ctx, pbx.CauseTemporary)
		}
		l.arm(l.sw.cfg.Deadline)
		return
	}
	if !l.stasis {
		l.stasis = true
		close(l.inStasis)
	}
	l.becomeUp()
}
