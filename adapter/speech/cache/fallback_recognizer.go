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

// RecognitionTimeouts say when a recognizer counts as failed.
type RecognitionTimeouts struct {
	// Connect is the longest wait for a stream; 0 means 2 s.
	Connect time.Duration
	// FirstResult is the longest wait for any result, counted from the first
	// frame with sound in it; 0 means 5 s. Steady noise in which nobody speaks
	// looks the same: the price is a change of provider.
	FirstResult time.Duration
	// Final is the longest wait for the last result after CloseWrite; 0 means 3 s.
	Final time.Duration
	// Buffer is how much audio is kept to be heard again by the second
	// provider; 0 means 30 s. Older audio is lost, and counted.
	Buffer time.Duration
}

// RecognizerFallback asks a second recognizer when the first one fails.
type RecognizerFallback struct {
	primary, secondary speech.Recognizer
	timeouts           RecognitionTimeouts

	started, failures, slow, failed, lost atomic.Int64
}

// FallbackRecognizer puts two recognizers behind one. The second takes over
// when the first cannot be opened, breaks, or gives no result in time. It hears
// again everything since the last final result (bounded by Buffer, ten times
// faster than it was said), so that no sentence is lost; partial results before
// the change are superseded. There is one change in a stream.
func FallbackRecognizer(primary, secondary speech.Recognizer, t RecognitionTimeouts) *RecognizerFallback {
	set := func(d *time.Duration, to time.Duration) {
		if *d <= 0 {
			*d = to
		}
	}
	set(&t.Connect, 2*time.Second)
	set(&t.FirstResult, 5*time.Second)
	set(&t.Final, 3*time.Second)
	set(&t.Buffer, 30*time.Second)
	return &RecognizerFallback{primary: primary, secondary: secondary, timeouts: t}
}

// Stats are the counts so far.
func (f *RecognizerFallback) Stats() FallbackStats {
	return FallbackStats{Started: f.started.Load(), Errors: f.failures.Load(), Slow: f.slow.Load(), Failed: f.failed.Load()}
}

// LostSamples is the audio that a second provider could not hear any more.
func (f *RecognizerFallback) LostSamples() int64 { return f.lost.Load() }

// Recognize implements speech.Recognizer.
func (f *RecognizerFallback) Recognize(ctx context.Context, o speech.RecognizeOptions) (speech.Recognition, error) {
	f.started.Add(1)
	ctx, cancel := context.WithCancel(ctx)
	s := &fallbackRecognition{
		f: f, ctx: ctx, cancel: cancel, o: o,
		buffer: frames{limit: int(o.Format.Samples(f.timeouts.Buffer))}, kick: make(chan struct{}, 1), broken: make(chan error, 1),
	}
	p, err := s.connect(f.primary)
	if err == nil {
		s.pump, s.live = p, true
		return s, nil
	}
	if ctx.Err() != nil {
		cancel()
		return nil, err
	}
	f.failures.Add(1)
	s.second, s.firstErr = true, err
	p, err = s.connect(f.secondary)
	if err != nil {
		cancel()
		f.failed.Add(1)
		return nil, errors.Join(s.firstErr, err)
	}
	s.pump, s.live = p, true
	return s, nil
}

type fallbackRecognition struct {
	f      *RecognizerFallback
	ctx    context.Context
	cancel context.CancelFunc
	o      speech.RecognizeOptions
	kick   chan struct{} // the deadline has changed
	broken chan error    // Write failed
	replay sync.WaitGroup
	hot    atomic.Pointer[map[string]int] // hotwords since the stream was opened; nil: those of o

	mu       sync.Mutex
	pump     *recognitionPump
	live     bool // frames go straight to the pump
	second   bool
	firstErr error
	buffer   frames
	results  int
	soundAt  time.Time // first sound before any result
	closedAt time.Time // CloseWrite
	lastAt   time.Time // last result
	fatal    error
}

// Write implements speech.Recognition.
func (s *fallbackRecognition) Write(f audio.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal != nil {
		return s.fatal
	}
	if err := s.ctx.Err(); err != nil {
		return err
	}
	s.buffer.push(f)
	if s.soundAt.IsZero() && sounds(f.Samples) {
		s.soundAt = time.Now()
		s.wake()
	}
	if !s.live {
		return nil
	}
	if err := s.pump.rec.Write(f); err != nil {
		s.fail(err)
	}
	return nil
}

// fail tells Recv that the provider in use takes no more. The caller holds s.mu.
func (s *fallbackRecognition) fail(err error) {
	s.live = false
	select {
	case s.broken <- err:
	default:
	}
}

// CloseWrite implements speech.Recognition.
func (s *fallbackRecognition) CloseWrite() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fatal != nil || !s.closedAt.IsZero() {
		return s.fatal
	}
	s.closedAt = time.Now()
	s.wake()
	if s.live {
		if err := s.pump.rec.CloseWrite(); err != nil {
			s.fail(err)
		}
	}
	return nil
}

func (s *fallbackRecognition) wake() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// patience is how long Recv may wait for the provider in use; false for ever.
func (s *fallbackRecognition) patience() (time.Duration, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.f.timeouts
	switch {
	case !s.closedAt.IsZero():
		since := s.closedAt
		if s.lastAt.After(since) {
			since = s.lastAt
		}
		return t.Final - time.Since(since), true
	case s.results == 0 && !s.soundAt.IsZero():
		return t.FirstResult - time.Since(s.soundAt), true
	}
	return 0, false
}

// Recv implements speech.Recognition.
func (s *fallbackRecognition) Recv() (speech.Result, error) {
	for {
		s.mu.Lock()
		p, fatal := s.pump, s.fatal
		s.mu.Unlock()
		if fatal != nil {
			return speech.Result{}, fatal
		}
		r, err := s.wait(p)
		if err == nil || errors.Is(err, errAgain) {
			if err == nil {
				return r, nil
			}
			continue
		}
		if errors.Is(err, io.EOF) && s.ended() {
			return speech.Result{}, io.EOF
		}
		if s.ctx.Err() != nil {
			return speech.Result{}, s.ctx.Err()
		}
		s.change(err)
	}
}

var errAgain = errors.New("cache: look again")

// wait waits for one result of the provider in use, or a reason to leave it.
func (s *fallbackRecognition) wait(p *recognitionPump) (speech.Result, error) {
	var late <-chan time.Time
	if d, ok := s.patience(); ok {
		timer := time.NewTimer(max(d, 0))
		defer timer.Stop()
		late = timer.C
	}
	select {
	case r, ok := <-p.results:
		if !ok {
			return r, p.err
		}
		s.took(r)
		return r, nil
	case err := <-s.broken:
		return speech.Result{}, err
	case <-late:
		return speech.Result{}, fmt.Errorf("%w: no result", speech.ErrTimeout)
	case <-s.kick:
		return speech.Result{}, errAgain
	case <-s.ctx.Done():
		return speech.Result{}, s.ctx.Err()
	}
}

func (s *fallbackRecognition) ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closedAt.IsZero()
}

// took notes a result: what a final covers need not be heard again.
func (s *fallbackRecognition) took(r speech.Result) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results++
	s.lastAt = time.Now()
	if r.Final {
		s.buffer.forget(s.o.Format.Samples(r.End), r.End == 0)
	}
}

// change leaves the first provider for the second, or gives up.
func (s *fallbackRecognition) change(err error) {
	s.mu.Lock()
	old, second := s.pump, s.second
	s.live = false
	if !second {
		s.second, s.firstErr = true, err
	}
	s.mu.Unlock()
	old.stop()
	if second {
		s.giveUp(err)
		return
	}
	if errors.Is(err, speech.ErrTimeout) {
		s.f.slow.Add(1)
	} else {
		s.f.failures.Add(1)
	}
	p, err := s.connect(s.f.secondary)
	if err != nil {
		s.giveUp(err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		p.stop()
		return
	}
	s.f.lost.Add(int64(s.buffer.lost))
	s.broken = make(chan error, 1) // what the first provider had to say is past
	now := time.Now()
	s.pump, s.results = p, 0
	if !s.soundAt.IsZero() {
		s.soundAt = now
	}
	if !s.closedAt.IsZero() {
		s.closedAt = now
	}
	s.replay.Go(func() { s.hearAgain(p) })
}

func (s *fallbackRecognition) giveUp(err error) {
	s.f.failed.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fatal = errors.Join(err, s.firstErr)
}

// hearAgain gives the kept frames to a new provider, ten times faster than they
// were said, until it has caught up with the line.
func (s *fallbackRecognition) hearAgain(p *recognitionPump) {
	ticker := time.NewTicker(audio.FrameDuration)
	defer ticker.Stop()
	next := int64(0)
	for {
		s.mu.Lock()
		for range 10 {
			f, number, ok := s.buffer.from(next)
			if !ok {
				s.live = true
				if !s.closedAt.IsZero() {
					s.closedAt = time.Now()
					if err := p.rec.CloseWrite(); err != nil {
						s.fail(err)
					}
				}
				s.mu.Unlock()
				return
			}
			next = number + 1
			if err := p.rec.Write(f); err != nil {
				s.fail(err)
				s.mu.Unlock()
				return
			}
		}
		s.mu.Unlock()
		select {
		case <-ticker.C:
		case <-s.ctx.Done():
			return
		}
	}
}

// Close implements speech.Recognition.
func (s *fallbackRecognition) Close() error {
	s.cancel()
	s.mu.Lock()
	p := s.pump
	s.mu.Unlock()
	p.stop()
	s.replay.Wait()
	return nil
}
