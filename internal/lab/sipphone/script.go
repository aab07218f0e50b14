package sipphone

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Script is what a telephone does, step after step. After the last step it
// goes on listening (and sending silence) until the other side hangs up.
type Script []Step

// Step is one thing to do. A step that fails ends the script, is kept in
// Record.Err and hangs up.
type Step struct {
	name string
	do   func(ctx context.Context, c *Call) error
}

// run carries a script out; it ends with the call.
func (c *Call) run(script Script) {
	for _, s := range script {
		err := s.do(c.ctx, c)
		if c.ctx.Err() != nil {
			return
		}
		if err != nil {
			c.mu.Lock()
			c.rec.Err = fmt.Errorf("%s: %w", s.name, err)
			c.mu.Unlock()
			c.Hangup("")
			return
		}
	}
}

// pause waits; the line carries silence.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Ring sends 180 after a while.
func Ring(after time.Duration) Step {
	return Step{"ring", func(ctx context.Context, c *Call) error {
		if err := pause(ctx, after); err != nil {
			return err
		}
		return c.provisional(180, false)
	}}
}

// EarlyMedia sends 183 with a session description and plays sound before the
// answer: an announcement, music, a tone.
func EarlyMedia(pcm []int16) Step {
	return Step{"early media", func(ctx context.Context, c *Call) error {
		if err := c.provisional(183, true); err != nil {
			return err
		}
		return c.media.play(ctx, pcm)
	}}
}

// Answer picks up after a while and waits for the ACK.
func Answer(after time.Duration) Step {
	return Step{"answer", func(ctx context.Context, c *Call) error {
		if err := pause(ctx, after); err != nil {
			return err
		}
		if err := c.answer(); err != nil {
			c.refuse(488, "")
			return err
		}
		select {
		case <-c.confirmed:
			c.media.setMark()
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}

// Reject refuses the call with a SIP status of 300 to 699. reason is the value
// of a Reason header, such as `Q.850;cause=1`, and may be empty.
func Reject(code int, reason string) Step {
	return Step{"reject", func(_ context.Context, c *Call) error {
		if code < 300 || code > 699 {
			return fmt.Errorf("sipphone: %d does not refuse a call", code)
		}
		c.refuse(code, reason)
		return nil
	}}
}

// Ignore never does anything: the call rings, or waits, until it is cancelled.
func Ignore() Step {
	return Step{"ignore", func(ctx context.Context, _ *Call) error {
		<-ctx.Done()
		return ctx.Err()
	}}
}

// Unreachable sends nothing at all, not even 100: as a first step it makes the
// telephone a machine that is switched off.
func Unreachable() Step { return Step{"unreachable", Ignore().do} }

// Silence waits; after the answer the line carries silence.
func Silence(d time.Duration) Step {
	return Step{"silence", func(ctx context.Context, _ *Call) error { return pause(ctx, d) }}
}

// Speak says 8 kHz samples and waits until the last of them is on the line.
func Speak(pcm []int16) Step {
	return Step{"speak", func(ctx context.Context, c *Call) error { return c.Speak(ctx, pcm) }}
}

// ErrNoMedia means that the call carries no sound yet.
var ErrNoMedia = errors.New("sipphone: no sound can be sent before early media or the answer")

// Speak says 8 kHz samples and waits until the last of them is on the line.
func (c *Call) Speak(ctx context.Context, pcm []int16) error {
	if !c.canTalk() {
		return ErrNoMedia
	}
	err := c.media.play(ctx, pcm)
	c.media.setMark()
	return err
}

func (c *Call) canTalk() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.talking
}

// minSpeech is how much sound counts as speech of the other side.
const minSpeech = 200 * time.Millisecond

// errNoSpeech and errNoSilence are what a step that waited in vain says.
var (
	errNoSpeech  = errors.New("sipphone: the other side did not speak in time")
	errNoSilence = errors.New("sipphone: the other side did not stop speaking in time")
)

// WaitForBotSpeech waits until the other side has been speaking for d since we
// last spoke.
func WaitForBotSpeech(d time.Duration) Step {
	return Step{"wait for speech", func(ctx context.Context, c *Call) error { return c.awaitSpeech(ctx, d) }}
}

// WaitForBotSilence waits until the other side has spoken (200 ms of sound at
// least since we last spoke or waited) and then been silent for d.
func WaitForBotSilence(d time.Duration) Step {
	return Step{"wait for silence", func(ctx context.Context, c *Call) error { return c.awaitSilence(ctx, d) }}
}

// BargeIn interrupts: it waits until the other side has been speaking for some
// time and then speaks.
func BargeIn(after time.Duration, pcm []int16) Step {
	return Step{"barge in", func(ctx context.Context, c *Call) error {
		if err := c.awaitSpeech(ctx, after); err != nil {
			return err
		}
		return c.Speak(ctx, pcm)
	}}
}

func (c *Call) awaitSpeech(ctx context.Context, d time.Duration) error {
	return c.await(ctx, errNoSpeech, func(h *heard, now time.Time) (bool, time.Duration) {
		if h.firstSinceMark.IsZero() {
			return false, 0
		}
		left := d - now.Sub(h.firstSinceMark)
		return left <= 0, left
	})
}

func (c *Call) awaitSilence(ctx context.Context, d time.Duration) error {
	err := c.await(ctx, errNoSilence, func(h *heard, now time.Time) (bool, time.Duration) {
		if h.audibleSince < minSpeech {
			return false, 0
		}
		left := d - now.Sub(h.lastAudible())
		return left <= 0, left
	})
	c.media.setMark()
	return err
}

// await looks at what was heard whenever that changes, and again after the time
// that the condition asks for.
func (c *Call) await(ctx context.Context, failure error, met func(*heard, time.Time) (bool, time.Duration)) error {
	deadline := time.NewTimer(c.phone.cfg.StepTimeout)
	defer deadline.Stop()
	for {
		c.media.mu.Lock()
		ok, again := met(&c.media.heard, time.Now())
		changed := c.media.changed
		c.media.mu.Unlock()
		if ok {
			return nil
		}
		var later <-chan time.Time
		var timer *time.Timer
		if again > 0 {
			timer = time.NewTimer(again)
			later = timer.C
		}
		var err error
		select {
		case <-changed:
		case <-later:
		case <-deadline.C:
			err = failure
		case <-ctx.Done():
			err = ctx.Err()
		}
		if timer != nil {
			timer.Stop()
		}
		if err != nil {
			return err
		}
	}
}

// DTMF presses keys: 100 ms each, 100 ms apart, as RFC 4733 events.
func DTMF(digits string) Step {
	return Step{"dtmf", func(ctx context.Context, c *Call) error { return c.Press(ctx, digits) }}
}

// Press presses keys: 100 ms each, 100 ms apart, as RFC 4733 events.
func (c *Call) Press(ctx context.Context, digits string) error {
	if !c.canTalk() {
		return ErrNoMedia
	}
	c.media.mu.Lock()
	events := c.media.events
	c.media.mu.Unlock()
	if events == 0 {
		return errors.New("sipphone: the other side takes no telephone-event")
	}
	for i := range len(digits) {
		if !strings.ContainsRune(keys, rune(digits[i])) {
			return fmt.Errorf("sipphone: %q is no key: use 0-9 * # A-D", digits[i])
		}
		if err := c.media.press(ctx, digits[i], 100*time.Millisecond); err != nil {
			return err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	c.media.setMark()
	return nil
}

// Hangup hangs up. reason is the value of a Reason header and may be empty.
func Hangup(reason string) Step {
	return Step{"hang up", func(_ context.Context, c *Call) error {
		c.Hangup(reason)
		return nil
	}}
}

// HangupAfter hangs up when d has passed, whatever the script is doing then.
func HangupAfter(d time.Duration, reason string) Step {
	return Step{"hang up after", func(ctx context.Context, c *Call) error {
		c.workers.Add(1)
		go func() {
			defer c.workers.Done()
			if pause(ctx, d) == nil {
				c.Hangup(reason)
			}
		}()
		return nil
	}}
}

// Mute stops or resumes the RTP of this telephone.
func Mute(on bool) Step {
	return Step{"mute", func(_ context.Context, c *Call) error {
		c.media.mu.Lock()
		c.media.muted = on
		c.media.mu.Unlock()
		return nil
	}}
}

// Noise plays samples over and over beneath everything that is said: babble,
// music, a street. Nil ends it.
func Noise(pcm []int16) Step {
	return Step{"noise", func(_ context.Context, c *Call) error {
		c.media.mu.Lock()
		c.media.noise, c.media.noiseAt = pcm, 0
		c.media.mu.Unlock()
		return nil
	}}
}

// Echo sends back what is heard, later and softer: gain is a factor, 0.1 is
// -20 dB. It needs kept audio.
func Echo(delay time.Duration, gain float64) Step {
	return Step{"echo", func(_ context.Context, c *Call) error {
		c.media.mu.Lock()
		c.media.echo = &echo{delay: max(delay, frameTime), gain: gain}
		c.media.mu.Unlock()
		return nil
	}}
}

// Do runs a function of the test's own.
func Do(f func(ctx context.Context, c *Call) error) Step { return Step{"do", f} }

// Forever repeats steps until the call ends.
func Forever(steps ...Step) Step {
	return Step{"forever", func(ctx context.Context, c *Call) error {
		for ctx.Err() == nil {
			for _, s := range steps {
				if err := s.do(ctx, c); err != nil {
					return fmt.Errorf("%s: %w", s.name, err)
				}
			}
		}
		return ctx.Err()
	}}
}
