package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// SynthesisTimeouts say when a synthesizer counts as failed.
type SynthesisTimeouts struct {
	// FirstAudio is the longest wait for the first sample; 0 means 1.5 s.
	FirstAudio time.Duration
	// Stall is the longest wait for more in the middle; 0 means 1 s.
	Stall time.Duration
}

// FallbackStats count what a fallback did.
type FallbackStats struct {
	Started               int64 // utterances or recognitions begun
	Errors, Slow, Stalled int64 // why the second provider was taken
	Failed                int64 // neither provider could do it
}

// FallbackSynthesizer asks a second synthesizer when the first one fails.
type FallbackSynthesizer struct {
	primary, secondary speech.Synthesizer
	timeouts           SynthesisTimeouts

	started, failures, slow, stalled, failed atomic.Int64
}

// Fallback puts two synthesizers behind one. The second takes over when the
// first returns an error, gives no sample in time, or falls silent in the
// middle. It then speaks what the listener has not heard: from the first's last
// mark that was read, or, where the first gives no marks, from the beginning of
// the clause that was being spoken by estimate, so that a few words may be
// heard twice but none is lost. The voice name is the first provider's own; the
// second uses its default for the language.
func Fallback(primary, secondary speech.Synthesizer, t SynthesisTimeouts) *FallbackSynthesizer {
	if t.FirstAudio <= 0 {
		t.FirstAudio = 1500 * time.Millisecond
	}
	if t.Stall <= 0 {
		t.Stall = time.Second
	}
	return &FallbackSynthesizer{primary: primary, secondary: secondary, timeouts: t}
}

// Stats are the counts so far.
func (f *FallbackSynthesizer) Stats() FallbackStats {
	return FallbackStats{
		Started: f.started.Load(), Errors: f.failures.Load(), Slow: f.slow.Load(), Stalled: f.stalled.Load(), Failed: f.failed.Load(),
	}
}

// Synthesize implements speech.Synthesizer. It never blocks: errors, too, come
// with the first Read.
func (f *FallbackSynthesizer) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	if err := u.Format.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", speech.ErrUnsupported, err)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.started.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	s := &fallbackSynthesis{f: f, ctx: ctx, cancel: cancel, utterance: u, closed: make(chan struct{})}
	s.pump = pumpSynthesis(ctx, f.primary, u)
	return s, nil
}

type fallbackSynthesis struct {
	f         *FallbackSynthesizer
	ctx       context.Context
	cancel    context.CancelFunc
	utterance speech.Utterance
	once      sync.Once
	closed    chan struct{}

	// Only the reader touches these.
	left      []int16
	delivered int64 // samples given out
	sincePump int64 // of these, from the pump in use
	firstErr  error
	end       error

	mu       sync.Mutex // guards what Marks, Degraded and Close need
	second   bool
	pump     *synthesisPump
	marks    []speech.Mark // of the first provider, once it was given up
	textBase int
	timeBase time.Duration
}

// Read implements speech.Synthesis.
func (s *fallbackSynthesis) Read(dst []int16) (int, error) {
	for {
		select {
		case <-s.closed:
			return 0, io.ErrClosedPipe
		default:
		}
		if s.end != nil {
			return 0, s.end
		}
		if len(s.left) > 0 {
			n := copy(dst, s.left)
			s.left = s.left[n:]
			s.delivered += int64(n)
			s.sincePump += int64(n)
			return n, nil
		}
		if err := s.next(); err != nil {
			return 0, err
		}
	}
}

// next waits for the pump's next chunk, or goes to the second provider.
func (s *fallbackSynthesis) next() error {
	wait, counter := s.f.timeouts.Stall, &s.f.stalled
	if s.sincePump == 0 {
		wait, counter = s.f.timeouts.FirstAudio-time.Since(s.pump.begun), &s.f.slow
	}
	timer := time.NewTimer(max(wait, 0))
	defer timer.Stop()
	select {
	case chunk, ok := <-s.pump.chunks:
		if ok {
			s.left = chunk
			return nil
		}
		if errors.Is(s.pump.err, io.EOF) {
			s.end = io.EOF
			return io.EOF
		}
		if s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		return s.change(s.pump.err, &s.f.failures)
	case <-timer.C:
		return s.change(fmt.Errorf("%w: no audio for %v", speech.ErrTimeout, wait), counter)
	case <-s.ctx.Done():
		select {
		case <-s.closed:
			return io.ErrClosedPipe
		default:
		}
		return s.ctx.Err()
	case <-s.closed:
		return io.ErrClosedPipe
	}
}

// change gives the pump up and starts the second provider where it ended.
func (s *fallbackSynthesis) change(err error, counter *atomic.Int64) error {
	if s.Degraded() {
		s.f.failed.Add(1)
		s.pump.stop()
		s.end = errors.Join(err, s.firstErr)
		return s.end
	}
	s.firstErr = err
	counter.Add(1)
	heard := s.utterance.Format.Duration(s.delivered)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.second = true
	marks := s.pump.currentMarks()
	s.pump.stop()
	for len(marks) > 0 && marks[len(marks)-1].At > heard {
		marks = marks[:len(marks)-1]
	}
	u := s.utterance
	from := resumeAt(u.Text, heard, marks)
	u.Text, u.Voice, u.Hints = u.Text[from:], "", speech.HintsFrom(u.Hints, from)
	s.marks, s.textBase, s.timeBase = marks, from, heard
	s.sincePump = 0
	if u.Text == "" {
		s.end = io.EOF
		return io.EOF
	}
	s.pump = pumpSynthesis(s.ctx, s.f.secondary, u)
	return nil
}

// Marks implements speech.Synthesis.
func (s *fallbackSynthesis) Marks() []speech.Mark {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append([]speech.Mark(nil), s.marks...)
	for _, m := range s.pump.currentMarks() {
		all = append(all, speech.Mark{Text: m.Text + s.textBase, At: m.At + s.timeBase})
	}
	return all
}

// Degraded tells whether the second provider spoke: a Cache in front does not
// keep that.
func (s *fallbackSynthesis) Degraded() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.second
}

// Close implements speech.Synthesis.
func (s *fallbackSynthesis) Close() error {
	s.once.Do(func() {
		close(s.closed)
		s.cancel()
		s.mu.Lock()
		s.pump.stop()
		s.mu.Unlock()
	})
	return nil
}

// synthesisPump reads one provider in a goroutine of its own, a bounded way
// ahead, so that its silence can be told from the listener's patience.
type synthesisPump struct {
	begun  time.Time
	chunks chan []int16
	err    error // why chunks was closed; io.EOF at the end
	cancel context.CancelFunc

	mu      sync.Mutex
	syn     speech.Synthesis
	stopped bool
}

// ahead is how many chunks of 100 ms a pump reads ahead.
const ahead = 50

func pumpSynthesis(ctx context.Context, s speech.Synthesizer, u speech.Utterance) *synthesisPump {
	ctx, cancel := context.WithCancel(ctx)
	p := &synthesisPump{begun: time.Now(), chunks: make(chan []int16, ahead), cancel: cancel}
	go func() {
		defer close(p.chunks)
		p.err = p.run(ctx, s, u)
	}()
	return p
}

func (p *synthesisPump) run(ctx context.Context, s speech.Synthesizer, u speech.Utterance) error {
	syn, err := s.Synthesize(ctx, u)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.syn = syn
	if p.stopped {
		p.mu.Unlock()
		return errors.Join(context.Canceled, syn.Close())
	}
	p.mu.Unlock()
	for {
		buf := make([]int16, audio.Format.FrameSamples(u.Format)*5)
		n, err := syn.Read(buf)
		if n > 0 {
			select {
			case p.chunks <- buf[:n]:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil {
			return err
		}
	}
}

func (p *synthesisPump) currentMarks() []speech.Mark {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.syn == nil {
		return nil
	}
	return p.syn.Marks()
}

func (p *synthesisPump) stop() {
	p.cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.syn != nil && !p.stopped {
		_ = p.syn.Close()
	}
	p.stopped = true
}
