package speechtest

import (
	"context"
	"fmt"
	"io"
	"math"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// Tones is a synthesizer for tests: the same text always gives the same
// samples, one tone for each character, with a mark after each. It takes no
// time unless told to, and fails as it is told. Fields are set before use.
type Tones struct {
	// PerRune is the length of one character; 0 means 80 ms.
	PerRune time.Duration
	// Audio replaces the tones, for instance by a tone alphabet; it returns
	// samples at u.Format.Rate and marks (or none).
	Audio func(u speech.Utterance) ([]int16, []speech.Mark)
	// NoMarks hides the marks, as providers without word times do.
	NoMarks bool

	// Fail is returned by Synthesize.
	Fail error
	// FirstAudio is how long the first samples take.
	FirstAudio time.Duration
	// BreakAfter is how much audio comes before Break is returned by Read, or,
	// if Break is nil, before nothing comes any more; 0 never.
	BreakAfter time.Duration
	Break      error

	mu    sync.Mutex
	calls []speech.Utterance
	open  int
}

// Calls are the utterances that were asked for so far.
func (t *Tones) Calls() []speech.Utterance {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]speech.Utterance(nil), t.calls...)
}

// Open is the number of syntheses that were not closed yet.
func (t *Tones) Open() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.open
}

// Synthesize implements speech.Synthesizer. The voice "nobody" and the language
// "xx" are not offered.
func (t *Tones) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.calls = append(t.calls, u)
	t.mu.Unlock()
	if t.Fail != nil {
		return nil, t.Fail
	}
	if err := u.Format.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", speech.ErrUnsupported, err)
	}
	if u.Voice == "nobody" || u.Language == "xx" {
		return nil, fmt.Errorf("%w: voice %q, language %q", speech.ErrUnsupported, u.Voice, u.Language)
	}
	say := t.tones
	if t.Audio != nil {
		say = t.Audio
	}
	samples, marks := say(u)
	if t.NoMarks {
		marks = nil
	}
	t.mu.Lock()
	t.open++
	t.mu.Unlock()
	s := &toneSynthesis{t: t, ctx: ctx, format: u.Format, samples: samples, marks: marks, closed: make(chan struct{})}
	return s, nil
}

func (t *Tones) tones(u speech.Utterance) ([]int16, []speech.Mark) {
	per := t.PerRune
	if per <= 0 {
		per = 80 * time.Millisecond
	}
	if u.Speed > 0 {
		per = time.Duration(float64(per) / u.Speed)
	}
	n := int(u.Format.Samples(per))
	var samples []int16
	var marks []speech.Mark
	for i := 0; i < len(u.Text); {
		r, size := utf8.DecodeRuneInString(u.Text[i:])
		i += size
		// 40 tones from 300 Hz up, all below the telephone's 3.4 kHz.
		samples = appendTone(samples, 300+float64(r%40)*70, n, u.Format.Rate)
		marks = append(marks, speech.Mark{Text: i, At: u.Format.Duration(int64(len(samples)))})
	}
	return samples, marks
}

// appendTone adds n samples of a tone at -19 dBFS that begins and ends softly.
func appendTone(dst []int16, hertz float64, n, rate int) []int16 {
	const amplitude = 0.158 * 32768
	edge := max(n/10, 1)
	for i := range n {
		gain := min(1, float64(i)/float64(edge), float64(n-1-i)/float64(edge))
		dst = append(dst, int16(amplitude*gain*math.Sin(2*math.Pi*hertz*float64(i)/float64(rate))))
	}
	return dst
}

type toneSynthesis struct {
	t       *Tones
	ctx     context.Context
	format  audio.Format
	samples []int16
	marks   []speech.Mark
	closed  chan struct{}

	at   atomic.Int64 // samples read
	over bool         // guarded by t.mu
}

func (s *toneSynthesis) Read(dst []int16) (int, error) {
	select {
	case <-s.closed:
		return 0, io.ErrClosedPipe
	default:
	}
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	at := int(s.at.Load())
	if at == 0 && s.t.FirstAudio > 0 {
		if err := s.wait(s.t.FirstAudio); err != nil {
			return 0, err
		}
	}
	end := len(s.samples)
	if s.t.BreakAfter > 0 {
		end = min(end, int(s.format.Samples(s.t.BreakAfter)))
	}
	if at >= end && end < len(s.samples) {
		if s.t.Break != nil {
			return 0, s.t.Break
		}
		return 0, s.wait(0)
	}
	if at >= end {
		return 0, io.EOF
	}
	n := copy(dst, s.samples[at:end])
	s.at.Add(int64(n))
	return n, nil
}

// wait waits for d, or for ever if d is 0, unless the synthesis ends first.
func (s *toneSynthesis) wait(d time.Duration) error {
	var after <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-after:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	case <-s.closed:
		return io.ErrClosedPipe
	}
}

func (s *toneSynthesis) Marks() []speech.Mark {
	n := 0
	for n < len(s.marks) && s.format.Samples(s.marks[n].At) <= s.at.Load() {
		n++
	}
	return append([]speech.Mark(nil), s.marks[:n]...)
}

func (s *toneSynthesis) Close() error {
	s.t.mu.Lock()
	defer s.t.mu.Unlock()
	if !s.over {
		s.over = true
		s.t.open--
		close(s.closed)
	}
	return nil
}
