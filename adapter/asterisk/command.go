package asterisk

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/pbx"
)

// gate is what every command but Hangup and Stop asks first.
func (l *leg) gate(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", pbx.ErrUnavailable, err)
	}
	l.mu.Lock()
	over := l.over
	l.mu.Unlock()
	if over {
		return pbx.ErrGone
	}
	return l.sw.up()
}

// own turns "channel not found" about the leg itself into ErrGone.
func own(err error) error {
	if ari.Status(err) == http.StatusNotFound {
		return fmt.Errorf("%w: %w", pbx.ErrGone, err)
	}
	return err
}

// talking is the gate of commands that need an answered leg in its bridge.
func (l *leg) talking(ctx context.Context) error {
	if err := l.gate(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	answered, away := l.answered, l.away
	l.mu.Unlock()
	if !answered {
		return refuse("the leg is not answered")
	}
	if away {
		return refuse("the leg is in a queue of the exchange")
	}
	return nil
}

// Answer implements pbx.Leg. Answered follows as an event.
func (l *leg) Answer(ctx context.Context) error {
	if err := l.gate(ctx); err != nil {
		return err
	}
	if !l.inbound {
		return refuse("only an inbound leg is answered by us")
	}
	return own(l.sw.ari.Answer(ctx, l.id))
}

// Hangup implements pbx.Leg. It is tried also while the event socket is down.
func (l *leg) Hangup(ctx context.Context, cause pbx.Cause) error {
	if !cause.Valid() {
		return refuse("cause %d is no Q.850 value", int(cause))
	}
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return nil
	}
	first := !l.hungUp && !l.byOther
	if first {
		l.hungUp, l.cause = true, cause
	}
	l.mu.Unlock()
	err := l.sw.ari.Hangup(ctx, l.id, cause)
	if ari.Status(err) == http.StatusNotFound {
		err = nil // it is over, or its end is on the way
	}
	if err != nil && first && !isUnknown(err) {
		l.mu.Lock()
		l.hungUp = false
		l.mu.Unlock()
		return err
	}
	_ = l.in.Put(input{kind: inHangup})
	return err
}

// hangupByUs ends a leg of our own making, in the background.
func (l *leg) hangupByUs(cause pbx.Cause) {
	l.sw.spawn(func() {
		ctx, cancel := l.sw.background()
		defer cancel()
		_ = l.Hangup(ctx, cause)
	})
}

// SendDTMF implements pbx.Leg.
func (l *leg) SendDTMF(ctx context.Context, digits string) error {
	if digits == "" || len(digits) > 64 || strings.Trim(digits, "0123456789*#ABCD") != "" {
		return refuse("keys are 1 to 64 of 0-9 * # A-D")
	}
	if err := l.talking(ctx); err != nil {
		return err
	}
	return own(l.sw.ari.SendDTMF(ctx, l.id, digits))
}

// Endless playbacks (tones) sound until stopped; a file that has not ended
// after this long never will.
const longestPlayback = 15 * time.Minute

// playback is one prompt on the exchange; stopped is our own flag, because
// Asterisk says "done" for both ends.
type playback struct {
	stopped bool
	endless bool
	began   time.Time
	timer   *time.Timer
}

// playbackID is the exchange's name of a playback; unique over legs.
func (l *leg) playbackID(id string) string { return l.id + "-p-" + id }

func (l *leg) localPlayback(id string) (string, bool) { return strings.CutPrefix(id, l.id+"-p-") }

// mediaURI turns Playback.Media into Asterisk's: only schemes that exist,
// because a playback of another one never ends.
func mediaURI(m string) (uri string, endless bool, err error) {
	kind, name, _ := strings.Cut(m, ":")
	ok := name != "" && len(name) <= 200 && !strings.Contains(name, "..")
	switch kind {
	case "file":
		if ok && identifier(strings.ReplaceAll(name, "/", "")) {
			return "sound:" + name, false, nil
		}
		return "", false, refuse("a prompt is file:<path> of [A-Za-z0-9._/-] without ..")
	case "tone":
		if ok && identifier(name) {
			return "tone:" + name, true, nil
		}
		return "", false, refuse("a tone is tone:<name> of [A-Za-z0-9._-]")
	}
	return "", false, refuse("a playback is file:<path> or tone:<name>")
}

// Play implements pbx.Leg.
func (l *leg) Play(ctx context.Context, p pbx.Playback) error {
	uri, endless, err := mediaURI(p.Media)
	if err != nil {
		return err
	}
	if p.ID == "" || len(p.ID) > 64 || !identifier(p.ID) {
		return refuse("a playback ID is 1 to 64 of [A-Za-z0-9._-]")
	}
	if err := l.talking(ctx); err != nil {
		return err
	}
	pb := &playback{endless: endless, began: time.Now()}
	pb.timer = time.AfterFunc(longestPlayback, func() { _ = l.in.Put(input{kind: inLook}) })
	l.mu.Lock()
	_, taken := l.plays[p.ID]
	_, taken2 := l.records[p.ID]
	if !taken && !taken2 {
		l.plays[p.ID] = pb
	}
	l.mu.Unlock()
	if taken || taken2 {
		pb.timer.Stop()
		return refuse("playback %s exists", p.ID)
	}
	err = own(l.sw.ari.Play(ctx, l.id, l.playbackID(p.ID), uri))
	if err != nil && !isUnknown(err) {
		l.takePlayback(p.ID)
	}
	return err
}

// takePlayback ends the book of a playback; nil when it is closed already.
func (l *leg) takePlayback(id string) *playback {
	l.mu.Lock()
	defer l.mu.Unlock()
	pb := l.plays[id]
	if pb != nil {
		pb.timer.Stop()
		delete(l.plays, id)
	}
	return pb
}

func (l *leg) playbackFinished(e *ari.Event) {
	id, ok := l.localPlayback(e.Playback.ID)
	if !ok {
		return
	}
	pb := l.takePlayback(id)
	if pb == nil {
		return
	}
	end := pbx.PlaybackEnded{At: time.Now(), ID: id, Stopped: pb.stopped}
	if e.Playback.State == "failed" && !pb.stopped {
		end.Err = errPlaybackFailed
	}
	l.emit(end)
}

// reviewPlaybacks looks up playbacks whose end may have been missed.
func (l *leg) reviewPlaybacks(ctx context.Context) {
	l.mu.Lock()
	ids := make([]string, 0, len(l.plays))
	for id := range l.plays {
		ids = append(ids, id)
	}
	l.mu.Unlock()
	for _, id := range ids {
		l.reviewPlayback(ctx, id)
	}
}

func (l *leg) reviewPlayback(ctx context.Context, id string) {
	_, err := l.sw.ari.Playback(ctx, l.playbackID(id))
	l.mu.Lock()
	pb := l.plays[id]
	tooLong := pb != nil && !pb.endless && time.Since(pb.began) >= longestPlayback
	l.mu.Unlock()
	if pb == nil || (ari.Status(err) != http.StatusNotFound && !tooLong) || time.Since(pb.began) < time.Second {
		return
	}
	if tooLong {
		_ = l.sw.ari.StopPlayback(ctx, l.playbackID(id))
	}
	if pb = l.takePlayback(id); pb != nil {
		l.emit(pbx.PlaybackEnded{At: time.Now(), ID: id, Stopped: pb.stopped, Err: errPlaybackLost})
	}
}

// stopPlaybacks ends what is being played to a leg that goes to somebody else:
// commands that move it would wait for the end.
func (l *leg) stopPlaybacks(ctx context.Context) {
	l.mu.Lock()
	ids := make([]string, 0, len(l.plays))
	for id := range l.plays {
		ids = append(ids, id)
	}
	l.mu.Unlock()
	for _, id := range ids {
		_ = l.Stop(ctx, id)
	}
}

// Stop implements pbx.Leg.
func (l *leg) Stop(ctx context.Context, id string) error {
	l.mu.Lock()
	pb, rec := l.plays[id], l.records[id]
	if pb != nil {
		pb.stopped = true
	}
	l.mu.Unlock()
	switch {
	case pb != nil:
		err := l.sw.ari.StopPlayback(ctx, l.playbackID(id))
		if ari.Status(err) == http.StatusNotFound {
			return nil
		}
		return err
	case rec != nil:
		return l.stopRecording(ctx, rec)
	}
	return nil
}
