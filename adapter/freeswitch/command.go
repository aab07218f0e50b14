package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringmaster/adapter/freeswitch/esl"
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

// own turns "no such channel" about the leg itself into ErrGone.
func own(err error) error {
	text := esl.Refusal(err)
	if strings.HasPrefix(text, "No such channel") || strings.HasPrefix(text, "invalid session id") || strings.HasPrefix(text, "Cannot locate session") ||
		strings.HasPrefix(text, "Invalid session") || strings.HasPrefix(text, "No such session") {
		return fmt.Errorf("%w: %w", pbx.ErrGone, err)
	}
	return err
}

// talking is the gate of commands that need an answered leg that is ours.
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
	if away != nil {
		return refuse("the leg is in a queue of the exchange")
	}
	return nil
}

// api runs a command about the leg's own channel.
func (l *leg) api(ctx context.Context, format string, args ...any) error {
	_, err := l.sw.esl.API(ctx, fmt.Sprintf(format, args...))
	return own(err)
}

// execute runs an application on the leg's channel; its end is told under the
// name.
func (l *leg) execute(ctx context.Context, name, app, arg string) error {
	fields := []esl.Field{{Name: "call-command", Value: "execute"}, {Name: "execute-app-name", Value: app}}
	if arg != "" {
		fields = append(fields, esl.Field{Name: "execute-app-arg", Value: arg})
	}
	return own(l.sw.esl.SendMsg(ctx, l.id, append(fields, esl.Field{Name: "Event-UUID", Value: name}), ""))
}

// settleWait is how long an answered channel may take to its park; measured are
// 20 ms. What runs before that is cut off by the park.
const settleWait = 2 * time.Second

// settle waits until the leg has been in its park once.
func (l *leg) settle(ctx context.Context) error {
	if _, err := l.await(ctx, settleWait, func() bool { return l.settled }); err != nil {
		return l.why(err)
	}
	return nil
}

// steady waits until the leg is neither on its way to its first park nor in a
// bridge that is ending: what is executed there is cut off, or keeps the bridge
// from ending (measured).
func (l *leg) steady(ctx context.Context) error {
	if _, err := l.await(ctx, settleWait, func() bool { return l.settled && (l.parked || l.media != nil || l.peer != nil) }); err != nil {
		return l.why(err)
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
	return l.api(ctx, "uuid_answer %s", l.id)
}

// Hangup implements pbx.Leg. It is tried also while the events are lost.
func (l *leg) Hangup(ctx context.Context, cause pbx.Cause) error {
	if !cause.Valid() {
		return refuse("cause %d is no Q.850 value", int(cause))
	}
	l.mu.Lock()
	if l.over {
		l.mu.Unlock()
		return nil
	}
	first := !l.hungUp
	if first {
		l.hungUp, l.cause = true, cause
	}
	l.mu.Unlock()
	err := l.sw.kill(ctx, l.id, cause)
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

// SendDTMF implements pbx.Leg: RFC 4733, 100 ms a key.
func (l *leg) SendDTMF(ctx context.Context, digits string) error {
	if digits == "" || len(digits) > 64 || strings.Trim(digits, "0123456789*#ABCD") != "" {
		return refuse("keys are 1 to 64 of 0-9 * # A-D")
	}
	if err := l.talking(ctx); err != nil {
		return err
	}
	return l.api(ctx, "uuid_send_dtmf %s %s@100", l.id, digits)
}

// longestPlayback: a file that has not ended after this long never will.
const longestPlayback = 15 * time.Minute

// playback is one prompt. The first of a leg's sounds; what is behind it waits
// with us, so that Stop is exact for every one of them.
type playback struct {
	id      string
	name    string // of its execution, once it was sent
	media   string // what FreeSWITCH plays
	endless bool
	began   bool // PLAYBACK_START came
	silent  bool // PLAYBACK_STOP came
	stopped bool
	broken  int // how often it was told to stop
	timer   *time.Timer
}

// playFile turns Playback.Media into what FreeSWITCH plays.
func (s *Switch) playFile(m string) (file string, endless bool, err error) {
	kind, name, _ := strings.Cut(m, ":")
	switch kind {
	case "file":
		if !pathLike(name) || strings.HasPrefix(name, "/") {
			return "", false, refuse("a prompt is file:<path> of [A-Za-z0-9._/-] without ..")
		}
		if s.cfg.Sounds != "" {
			name = strings.TrimSuffix(s.cfg.Sounds, "/") + "/" + name
		}
		return name + ".wav", false, nil
	case "tone":
		t, ok := s.cfg.Tones[name]
		if !ok {
			return "", false, refuse("no tone of that name is configured")
		}
		return "tone_stream://" + t, strings.HasSuffix(t, ";loops=-1"), nil
	}
	return "", false, refuse("a playback is file:<path> or tone:<name>")
}

// Play implements pbx.Leg.
func (l *leg) Play(ctx context.Context, p pbx.Playback) error {
	file, endless, err := l.sw.playFile(p.Media)
	if err != nil {
		return err
	}
	if p.ID == "" || len(p.ID) > 64 || !identifier(p.ID) {
		return refuse("a playback ID is 1 to 64 of [A-Za-z0-9._-]")
	}
	if err := l.talking(ctx); err != nil {
		return err
	}
	pb := &playback{id: p.ID, media: file, endless: endless}
	pb.timer = time.AfterFunc(longestPlayback, func() { _ = l.in.Put(input{kind: inPlayLate, play: pb}) })
	l.mu.Lock()
	taken := l.records[p.ID] != nil || slices.ContainsFunc(l.plays, func(o *playback) bool { return o.id == p.ID })
	full := len(l.plays) >= 100
	if !taken && !full && !l.over {
		l.plays = append(l.plays, pb)
	}
	first := len(l.plays) == 1 && l.plays[0] == pb
	over := l.over
	l.mu.Unlock()
	switch {
	case over:
		pb.timer.Stop()
		return pbx.ErrGone
	case taken:
		pb.timer.Stop()
		return refuse("playback %s exists", p.ID)
	case full:
		pb.timer.Stop()
		return refuse("a hundred playbacks wait on the leg already")
	case !first:
		return nil
	}
	if err = l.steady(ctx); err == nil {
		err = l.sound(ctx, pb)
	}
	if err != nil && !isUnknown(err) {
		l.takePlayback(pb)
	}
	return err
}

// sound starts the first playback.
func (l *leg) sound(ctx context.Context, pb *playback) error {
	l.mu.Lock()
	l.played++
	pb.name = playMark + strconv.Itoa(l.played) + "." + l.id
	l.mu.Unlock()
	return l.execute(ctx, pb.name, "playback", pb.media)
}

// takePlayback ends the book of a playback; false when it is closed already.
func (l *leg) takePlayback(pb *playback) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.plays, pb)
	if i < 0 {
		return false
	}
	pb.timer.Stop()
	l.plays = slices.Delete(l.plays, i, i+1)
	return true
}

func (l *leg) firstPlayback() *playback {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.plays) == 0 {
		return nil
	}
	return l.plays[0]
}

// playDone: its execution ended. FreeSWITCH says FILE PLAYED after a break too,
// so Stopped is our own book.
func (l *leg) playDone(name, response string) {
	pb := l.firstPlayback()
	if pb == nil || pb.name != name {
		return
	}
	end := pbx.PlaybackEnded{At: time.Now(), ID: pb.id}
	l.mu.Lock()
	end.Stopped = pb.stopped
	l.mu.Unlock()
	if response != "FILE PLAYED" && !end.Stopped {
		end.Err = fmt.Errorf("%w (%s)", errPlaybackFailed, esl.Clean(response, 40))
	}
	l.playEnded(pb, end)
}

func (l *leg) playEnded(pb *playback, end pbx.PlaybackEnded) {
	if !l.takePlayback(pb) {
		return
	}
	l.emit(end)
	l.nextPlayback()
}

// nextPlayback starts what waits.
func (l *leg) nextPlayback() {
	ctx, cancel := l.sw.background()
	defer cancel()
	for pb := l.firstPlayback(); pb != nil && pb.name == ""; pb = l.firstPlayback() {
		err := l.sound(ctx, pb)
		if err == nil || isUnknown(err) {
			return
		}
		if l.takePlayback(pb) {
			l.emit(pbx.PlaybackEnded{At: time.Now(), ID: pb.id, Err: err})
		}
	}
}

func (l *leg) playBegan() {
	pb := l.firstPlayback()
	if pb == nil {
		return
	}
	l.mu.Lock()
	pb.began = true
	stopped := pb.stopped
	l.mu.Unlock()
	if stopped {
		l.sw.spawn(func() { l.breakOff(pb) })
	}
}

// playStopped: the end of the execution must follow.
func (l *leg) playStopped() {
	if pb := l.firstPlayback(); pb != nil && pb.began {
		l.mu.Lock()
		pb.silent = true
		l.mu.Unlock()
		time.AfterFunc(time.Second, func() { _ = l.in.Put(input{kind: inPlayLate, play: pb}) })
	}
}

// playLate makes up for an end that was not told, and for a break that came
// before there was anything to break.
func (l *leg) playLate(pb *playback) {
	if l.firstPlayback() != pb {
		return
	}
	l.mu.Lock()
	stopped, silent, again := pb.stopped, pb.silent, pb.broken < 10
	l.mu.Unlock()
	if stopped && !silent && again {
		l.sw.spawn(func() { l.breakOff(pb) })
		return
	}
	l.playEnded(pb, pbx.PlaybackEnded{At: time.Now(), ID: pb.id, Stopped: stopped, Err: errPlaybackLost})
}

// breakOff tells FreeSWITCH to stop the first playback, and looks again later.
func (l *leg) breakOff(pb *playback) {
	ctx, cancel := l.sw.background()
	defer cancel()
	_ = l.breakNow(ctx, pb)
}

func (l *leg) breakNow(ctx context.Context, pb *playback) error {
	l.mu.Lock()
	first := len(l.plays) > 0 && l.plays[0] == pb
	if first {
		pb.broken++
	}
	l.mu.Unlock()
	if !first {
		return nil // a break would hit the next one
	}
	time.AfterFunc(300*time.Millisecond, func() { _ = l.in.Put(input{kind: inPlayLate, play: pb}) })
	return l.api(ctx, "uuid_break %s", l.id)
}

// Stop implements pbx.Leg.
func (l *leg) Stop(ctx context.Context, id string) error {
	l.mu.Lock()
	var pb *playback
	if i := slices.IndexFunc(l.plays, func(p *playback) bool { return p.id == id }); i >= 0 {
		pb = l.plays[i]
		pb.stopped = true
		if i > 0 {
			pb.timer.Stop()
			l.plays = slices.Delete(l.plays, i, i+1)
			l.mu.Unlock()
			_ = l.in.Put(input{kind: inEmit, event: pbx.PlaybackEnded{At: time.Now(), ID: id, Stopped: true}})
			return nil
		}
	}
	rec := l.records[id]
	l.mu.Unlock()
	var err error
	switch {
	case pb != nil:
		err = l.breakNow(ctx, pb)
	case rec != nil:
		err = l.api(ctx, "uuid_record %s stop %s", l.id, rec.path)
	}
	if errors.Is(err, pbx.ErrGone) || errors.Is(err, pbx.ErrRefused) {
		return nil // it ended meanwhile
	}
	return err
}

// stopPlaybacks ends what is being played to a leg that goes to somebody else.
func (l *leg) stopPlaybacks(ctx context.Context) {
	l.mu.Lock()
	var ids []string
	for _, p := range slices.Backward(l.plays) {
		ids = append(ids, p.id)
	}
	l.mu.Unlock()
	for _, id := range ids {
		_ = l.Stop(ctx, id)
	}
}
