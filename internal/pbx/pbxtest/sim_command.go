package pbxtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

var _ pbx.Leg = (*simLeg)(nil)

// ID implements pbx.Leg.
func (l *simLeg) ID() pbx.LegID { return l.req.ID }

// Next implements pbx.Leg.
func (l *simLeg) Next(ctx context.Context) (pbx.Event, error) { return l.events.Next(ctx) }

// do carries out a command under the lock, after faults and the leg's state.
func (l *simLeg) do(ctx context.Context, command string, f func() error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", pbx.ErrUnavailable, err)
	}
	l.sim.mu.Lock()
	defer l.sim.mu.Unlock()
	done, fault := l.sim.allow(command)
	if fault != nil && !done {
		return fault
	}
	if l.over {
		return pbx.ErrGone
	}
	if err := f(); err != nil {
		return err
	}
	return fault
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{pbx.ErrRefused}, args...)...)
}

// Answer implements pbx.Leg, for inbound legs.
func (l *simLeg) Answer(ctx context.Context) error {
	return l.do(ctx, "answer", func() error {
		if !l.inbound {
			return refuse("only an inbound leg is answered by us")
		}
		if !l.up {
			l.answered()
		}
		return nil
	})
}

// Play implements pbx.Leg. "tone:<name>" sounds until it is stopped.
func (l *simLeg) Play(ctx context.Context, p pbx.Playback) error {
	return l.do(ctx, "play", func() error {
		if !l.up {
			return refuse("channel is not up")
		}
		if l.plays[p.ID] != nil {
			return refuse("playback %s exists", p.ID)
		}
		name, isFile := strings.CutPrefix(p.Media, "file:")
		samples := l.sim.opts.Prompts[name]
		if isFile && len(samples) == 0 {
			l.put(pbx.PlaybackEnded{At: time.Now(), ID: p.ID, Err: fmt.Errorf("no prompt %q", name)})
			return nil
		}
		if !isFile {
			samples = callee.Tone(440, 300*time.Millisecond, 8000)
		}
		l.plays[p.ID] = &simPlay{samples: samples, loop: !isFile}
		l.order = append(l.order, p.ID)
		return nil
	})
}

// Record implements pbx.Leg.
func (l *simLeg) Record(ctx context.Context, r pbx.Recording) error {
	return l.do(ctx, "record", func() error {
		if r.Name == "" || strings.Contains(r.Name, "..") {
			return refuse("bad recording name")
		}
		if _, ok := l.records[r.ID]; ok {
			return refuse("recording %s exists", r.ID)
		}
		l.records[r.ID] = time.Now()
		return nil
	})
}

// Mute implements pbx.Leg.
func (l *simLeg) Mute(ctx context.Context, recording string, _ bool) error {
	return l.do(ctx, "mute", func() error {
		if _, ok := l.records[recording]; !ok {
			return refuse("no recording %s", recording)
		}
		return nil
	})
}

// Stop implements pbx.Leg.
func (l *simLeg) Stop(ctx context.Context, id string) error {
	return calm(l.do(ctx, "stop", func() error {
		if l.plays[id] != nil {
			l.played(id, pbx.PlaybackEnded{At: time.Now(), ID: id, Stopped: true})
		}
		if began, ok := l.records[id]; ok {
			delete(l.records, id)
			l.put(pbx.RecordingEnded{At: time.Now(), ID: id, Duration: time.Since(began)})
		}
		return nil
	}))
}

// calm makes ErrGone no error, for commands that a finished leg satisfies.
func calm(err error) error {
	if errors.Is(err, pbx.ErrGone) {
		return nil
	}
	return err
}

// SendDTMF implements pbx.Leg.
func (l *simLeg) SendDTMF(ctx context.Context, digits string) error {
	return l.do(ctx, "dtmf", func() error {
		if digits == "" || strings.Trim(digits, "0123456789*#ABCD") != "" {
			return refuse("keys are 0-9 * # A-D")
		}
		if !l.up {
			return refuse("channel is not up")
		}
		for i := range len(digits) {
			l.machine.Key(digits[i])
		}
		l.call.Record = *l.machine.Record()
		return nil
	})
}

// Bridge implements pbx.Leg.
func (l *simLeg) Bridge(ctx context.Context, other pbx.LegID) error {
	return l.do(ctx, "bridge", func() error {
		o := l.sim.legs[other]
		if o == nil || o == l {
			return refuse("no other leg %s", other)
		}
		if l.peer != nil || o.peer != nil {
			return refuse("already bridged")
		}
		l.join(o)
		return nil
	})
}

// Transfer implements pbx.Leg: the target's leg is named <id>-agent. The bot
// is heard until the target answers.
func (l *simLeg) Transfer(ctx context.Context, to pbx.Target) error {
	return l.do(ctx, "transfer", func() error {
		if !l.up || l.handover != nil || l.peer != nil {
			return refuse("the leg is not free to be handed over")
		}
		key := "a:" + to.Agent
		switch {
		case to.Queue != "":
			key = "q:" + to.Queue
		case to.Agent == "" && to.Number.IsZero():
			return refuse("nobody to hand over to")
		case to.Agent == "":
			key = "n:" + to.Number.Dial()
		}
		script, ok := l.sim.scripts[key]
		if !ok && to.Agent == "" && to.Queue == "" {
			script, ok = callee.Script{Silent: true, Reject: 404}, true
		}
		if !ok {
			return refuse("no such target")
		}
		timeout := to.Timeout
		if timeout <= 0 {
			timeout = 20 * time.Second
		}
		a := l.sim.newLeg(pbx.OriginateRequest{ID: l.req.ID + "-agent", RingTimeout: timeout, CallerID: to.CallerID, Tag: l.req.Tag}, key, script)
		a.customer, l.handover, a.queued = l, a, to.Queue != ""
		l.sim.start(a)
		return nil
	})
}

// Monitor implements pbx.Leg.
func (l *simLeg) Monitor(ctx context.Context, supervisor pbx.LegID, mode pbx.MonitorMode) error {
	return l.do(ctx, "monitor", func() error {
		if mode != pbx.Listen && mode != pbx.Whisper {
			return refuse("a monitor mode is listen or whisper")
		}
		w := l.sim.legs[supervisor]
		if w == nil || w == l || !w.up {
			return refuse("no supervisor's leg %s", supervisor)
		}
		w.watching, w.whisper = l, mode == pbx.Whisper
		return nil
	})
}

// Hangup implements pbx.Leg.
func (l *simLeg) Hangup(ctx context.Context, cause pbx.Cause) error {
	return calm(l.do(ctx, "hangup", func() error {
		if !cause.Valid() {
			return refuse("cause %d is no Q.850 value", int(cause))
		}
		l.call.Cause = int(cause)
		l.end(pbx.Hungup{Q850: cause, By: pbx.ByLocal})
		return nil
	}))
}

// OpenMedia implements pbx.Leg. A second one replaces the first.
func (l *simLeg) OpenMedia(ctx context.Context, f audio.Format) (pbx.Media, error) {
	if err := f.Validate(); err != nil {
		return nil, refuse("%v", err)
	}
	var m *simMedia
	err := l.do(ctx, "media", func() error {
		if !l.up && l.machine == nil {
			return refuse("nothing is heard before the answer")
		}
		if l.media != nil {
			l.media.end()
		}
		m = newSimMedia(l, f)
		l.media = m
		return nil
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}
