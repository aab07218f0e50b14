package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
	"ringmaster/internal/speech"
)

// Ears is the detector on the customer's side: one per call, fed by one
// goroutine. Positions of its sounds are samples of the leg's clock.
type Ears interface {
	// Frame takes what came in beside what went out meanwhile. speaking says
	// that an utterance of ours is under way, its pauses included. The result
	// is valid until the next Frame.
	Frame(mic, ref []int16, pos int64, speaking bool) []Heard
	// Attend sets how long speech must last to be a barge-in (0 = default), and
	// whether it may be one at all.
	Attend(minBargeIn time.Duration, protected bool)
	// Active reports that the last frame belongs to speech of the customer,
	// as opposed to silence, noise or the echo of our own voice.
	Active() bool
}

// Heard is a sound or a verdict of AMD at a sample position.
type Heard struct {
	Sound   SoundKind // empty for a verdict
	Machine string    // human, greeting, beep, uncertain
	Why     string
	Pos     int64
}

// audioPath is the media leg with everything that hangs on it.
type audioPath struct {
	call    *call
	media   pbx.Media
	ref     *reference
	speaker *speaker
	ears    Ears
	offset  int64 // ms from the answer to the first sample
	// answered is when, since the call's start.
	answered time.Duration
	tracks   Tracks // nil = not recorded, or stopped in mid-call
	take     *take  // what is kept about the recording; nil = not recorded
	asr      speech.Recognition
	silence  *silenceMeter // nil = nobody wants to know

	mu      sync.Mutex
	policy  Attend
	pumps   sync.WaitGroup
	closing atomic.Bool
}

func (c *call) openMedia(leg pbx.Leg, opening int) {
	ctx, cancel := context.WithTimeout(c.ctx, c.plan.Limits.MediaOpen)
	defer cancel()
	m, err := leg.OpenMedia(ctx, c.plan.Format)
	if err != nil {
		c.deliver(delivery{Input: Input{Kind: InMediaLost, Text: err.Error()}, opening: opening})
		return
	}
	c.deliver(delivery{Input: Input{Kind: InMediaOpen}, media: m, opening: opening})
}

// openPath hangs speaker, listener, recognizer and recording on the media leg.
// It reports false when the call has moved on and the leg is not wanted.
func (c *call) openPath(m pbx.Media) bool {
	if c.state.Phase != Opening && c.state.Phase != Talking {
		_ = m.Close()
		return false
	}
	answered := c.state.AnsweredAt
	ears, err := c.deps.Ears(m.Format())
	if err != nil {
		_ = m.Close()
		c.post(Input{Kind: InMediaLost, Text: err.Error()})
		return false
	}
	a := &audioPath{call: c, media: m, answered: answered, ref: newReference(m.Format()), ears: ears,
		offset: (m.Began().Sub(c.start) - answered).Milliseconds()}
	clock := func() int64 { return (time.Since(c.start) - answered).Milliseconds() }
	a.speaker = newSpeaker(m, c.deps.Synthesizer, a.ref, clock, func(k Kind, l LineReport) { c.post(Input{Kind: k, Line: &l}) })
	if c.deps.Silence != nil {
		a.silence = newSilenceMeter(m.Format().Rate, func(s Silence) {
			s.At += time.Duration(a.offset) * time.Millisecond
			c.log.Debug("silence before our turn", "silence", s)
			c.deps.Silence(s)
		})
		a.speaker.silence = a.silence
	}
	if c.audio != nil { // reopened: what was being said goes on there
		a.speaker.suspended = c.audio.speaker.suspended
	}
	c.audio = a
	if c.deps.Recorder != nil {
		t, err := c.deps.Recorder.Create(c.ctx, c.plan.Attempt.Tenant, c.plan.Attempt.ID.String(), m.Format(), time.Now())
		if err != nil {
			c.log.Error("this call is not recorded", "err", err)
			c.post(Input{Kind: InRecording, Text: err.Error()})
		} else {
			a.tracks = t
			a.take = &take{tracks: t, rate: m.Format().Rate, offset: time.Duration(a.offset) * time.Millisecond, blind: -1}
			c.takes = append(c.takes, a.take)
		}
	}
	asr, err := c.recognize(m.Format())
	if err != nil {
		a.deaf(err)
	} else {
		a.asr = asr
		a.pumps.Go(a.pumpRecognition)
	}
	a.pumps.Go(a.listen)
	for _, e := range c.waiting {
		a.speaker.say(e)
	}
	c.waiting = nil
	return true
}

// closePath closes everything in an order in which the last reports still
// arrive: the speaker, the leg, the recognizer, the recording.
func (c *call) closePath() {
	a := c.audio
	if a == nil || a.media == nil {
		return
	}
	a.closing.Store(true)
	a.speaker.close()
	_ = a.media.Close()
	if a.asr != nil {
		_ = a.asr.CloseWrite()
		timer := time.AfterFunc(400*time.Millisecond, func() { _ = a.asr.Close() })
		a.pumps.Wait()
		timer.Stop()
		_ = a.asr.Close()
	}
	a.pumps.Wait()
	if rest := a.ref.rest(); len(rest) > 0 {
		a.write(make([]int16, len(rest)), rest, -1)
	}
	if a.tracks != nil {
		if err := a.tracks.Close(); err != nil {
			a.stopped("could not be finished", err)
		}
	}
	a.media = nil
}

func (a *audioPath) attend(e Attend) {
	a.mu.Lock()
	a.policy = e
	a.mu.Unlock()
}

// listen carries frames from the leg to detector, recognizer and recording.
func (a *audioPath) listen() {
	format := a.media.Format()
	out := make([]int16, format.FrameSamples())
	gate := newGate(a.asr, format)
	var frame audio.Frame
	var next int64
	for {
		if err := a.media.ReadFrame(&frame); err != nil {
			if !a.closing.Load() { // a death of the leg is announced by its own event
				a.call.post(Input{Kind: InMediaEnded})
			}
			return
		}
		if gap := frame.Pos - next; gap > 0 && next > 0 {
			a.fillGap(next, min(gap, int64(format.Rate)*10), out)
		}
		next = frame.Pos + int64(len(frame.Samples))
		if len(out) != len(frame.Samples) {
			out = make([]int16, len(frame.Samples))
		}
		sounding := a.ref.pull(out, a.media.Played())
		a.silence.frame(frame.Pos, frame.Samples, out, sounding)
		a.write(frame.Samples, out, frame.Pos)
		a.mu.Lock()
		policy := a.policy
		a.mu.Unlock()
		a.ears.Attend(policy.MinBargeIn, policy.Protected)
		for _, h := range a.ears.Frame(frame.Samples, out, frame.Pos, a.speaker.speaking()) {
			a.report(h, format)
		}
		if err := gate.write(frame, sounding, a.ears.Active()); err != nil && !a.closing.Load() {
			a.deaf(err)
			gate.asr = nil
		}
	}
}

func (a *audioPath) report(h Heard, f audio.Format) {
	at := a.offset + f.Duration(h.Pos).Milliseconds()
	if h.Machine != "" {
		a.call.post(Input{Kind: InMachine, Machine: h.Machine, Text: h.Why})
		return
	}
	a.call.post(Input{Kind: InSound, Sound: &Sound{Kind: h.Sound, AtMS: at}})
}

// fillGap keeps the recording on the leg's clock where audio was lost.
func (a *audioPath) fillGap(pos, samples int64, out []int16) {
	silence := make([]int16, len(out))
	for samples > 0 {
		a.ref.pull(out, a.media.Played())
		n := min(int64(len(out)), samples)
		a.write(silence[:n], out[:n], pos)
		samples, pos = samples-n, pos+n
	}
}

// write appends to the recording. pos is where on the leg's clock it came from;
// negative = behind its end.
func (a *audioPath) write(them, us []int16, pos int64) {
	if a.tracks == nil {
		return
	}
	if pos >= 0 {
		a.take.writing(pos)
	}
	if err := a.tracks.Write(them, us); err != nil {
		_ = a.tracks.Close()
		a.tracks = nil
		a.stopped("stopped in mid-call", err)
		return
	}
	a.take.filed += int64(max(len(them), len(us)))
}

// stopped says loudly that a recording is not whole.
func (a *audioPath) stopped(what string, err error) {
	a.call.log.Error("a recording is not whole", "what", what, "err", err)
	a.call.post(Input{Kind: InRecording, Text: err.Error()})
	a.take.fault = err.Error()
}

// deaf says that nothing more is recognized.
func (a *audioPath) deaf(err error) {
	if a.take != nil {
		a.mu.Lock()
		a.take.deaf()
		a.mu.Unlock()
	}
	a.call.post(Input{Kind: InDeaf, Text: err.Error()})
}

func (a *audioPath) pumpRecognition() {
	for {
		res, err := a.asr.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) && !a.closing.Load() {
				a.deaf(err)
			}
			return
		}
		if a.take != nil {
			a.mu.Lock()
			a.take.hears(res, time.Since(a.call.start)-a.answered-a.take.offset)
			a.mu.Unlock()
		}
		a.silence.heardWords()
		res.Words = nil // decisions do not depend on them
		if res.End > 0 {
			shift := time.Duration(a.offset) * time.Millisecond
			res.Start, res.End = res.Start+shift, res.End+shift
		}
		a.call.post(Input{Kind: InHeard, Result: &res})
	}
}

// gate keeps our own echo from the recognizer: while we speak, it hears
// silence unless the detector hears the customer. What was held back when
// speech begins is handed over first, so that no word loses its head.
type gate struct {
	asr    speech.Recognition
	format audio.Format
	held   []audio.Frame
	quiet  int // frames since the detector last heard the customer
	frames int // so far
	zero   []int16
}

const (
	gateHold = 15 // frames held back: 300 ms of pre-roll
	gateTail = 25 // frames still passed after speech
	// gateLearn is how long the gate stays open at first: the detector does not
	// know the echo of this line yet and takes no risk, and a stop word may come
	// in the first second. What the recognizer makes of our own echo meanwhile
	// is told by its words (ownWords).
	gateLearn = 150
)

func newGate(asr speech.Recognition, f audio.Format) *gate {
	return &gate{asr: asr, format: f, quiet: gateTail + 1, zero: make([]int16, f.FrameSamples())}
}

func (g *gate) write(f audio.Frame, sounding, active bool) error {
	if g.asr == nil {
		return nil
	}
	if active {
		g.quiet = 0
	} else {
		g.quiet++
	}
	g.frames++
	if !sounding || g.quiet <= gateTail || g.frames <= gateLearn {
		for _, h := range g.held {
			if err := g.asr.Write(h); err != nil {
				return fmt.Errorf("recognizer takes no audio: %w", err)
			}
		}
		g.held = g.held[:0]
		return g.asr.Write(f)
	}
	keep := f
	keep.Samples = append([]int16(nil), f.Samples...)
	g.held = append(g.held, keep)
	if len(g.held) <= gateHold {
		return nil
	}
	old := g.held[0]
	g.held = append(g.held[:0], g.held[1:]...)
	old.Samples = g.zero[:min(len(g.zero), len(old.Samples))]
	return g.asr.Write(old)
}
