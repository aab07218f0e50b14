package level

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"ringmaster/internal/speech"
)

// maxVoices is how many voices are remembered.
const maxVoices = 1000

// Synthesizer levels what one provider says, while it comes. How loud a voice
// is, is measured from the first two seconds of its first utterance and then
// known: later ones are not held back. Safe for concurrent use.
type Synthesizer struct {
	next speech.Synthesizer

	mu    sync.Mutex
	gains map[voice]float64
}

type voice struct {
	name     string
	language speech.Language
	rate     int
}

// New stands in front of one provider. Two providers need two: each has its own
// loudness.
func New(next speech.Synthesizer) *Synthesizer {
	return &Synthesizer{next: next, gains: map[voice]float64{}}
}

// Synthesize implements speech.Synthesizer.
func (s *Synthesizer) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	syn, err := s.next.Synthesize(ctx, u)
	if err != nil {
		return nil, err
	}
	v := voice{u.Voice, u.Language, u.Format.Rate}
	s.mu.Lock()
	gain := s.gains[v]
	s.mu.Unlock()
	start, end := Pauses(u)
	return &synthesis{s: s, Synthesis: syn, voice: v, known: gain != 0, stream: newStream(u.Format.Rate, gain, longest, start, end), in: make([]int16, u.Format.FrameSamples()*5)}, nil
}

// Pauses tells whether an utterance asks for silence at its start or its end.
func Pauses(u speech.Utterance) (start, end bool) {
	for _, h := range u.Hints {
		if h.Pause > 0 {
			start = start || h.Start == 0
			end = end || h.Start >= len(u.Text)
		}
	}
	return start, end
}

func (s *Synthesizer) learned(v voice, gain float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.gains) >= maxVoices {
		clear(s.gains)
	}
	s.gains[v] = gain
}

// synthesis is used by one goroutine, like every speech.Synthesis.
type synthesis struct {
	speech.Synthesis
	s     *Synthesizer
	voice voice
	known bool

	in, out []int16
	done    bool

	mu     sync.Mutex // guards stream against Marks
	stream *stream
}

// Read implements speech.Synthesis.
func (s *synthesis) Read(dst []int16) (int, error) {
	for len(s.out) == 0 {
		if s.done {
			_, err := s.Synthesis.Read(s.in) // io.EOF, or that it is closed
			return 0, err
		}
		n, err := s.Synthesis.Read(s.in)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		s.mu.Lock()
		s.out = s.stream.write(s.out[:0], s.in[:n])
		if s.done = err != nil; s.done {
			s.out = s.stream.flush(s.out)
		}
		gain, sure := s.stream.gain, s.stream.sure
		s.mu.Unlock()
		if !s.known && sure {
			s.known = true
			s.s.learned(s.voice, gain)
		}
	}
	n := copy(dst, s.out)
	s.out = s.out[n:]
	return n, nil
}

// Marks implements speech.Synthesis: moved by what was left out.
func (s *synthesis) Marks() []speech.Mark {
	marks := s.Synthesis.Marks()
	s.mu.Lock()
	defer s.mu.Unlock()
	to := time.Duration(1<<63 - 1)
	if s.done {
		to = s.stream.duration(s.stream.out)
	}
	return Shift(marks, s.stream.duration(s.stream.cut), to)
}

func (s *stream) duration(n int64) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(s.rate)
}

// Shift moves marks back by what was left out at the start, none beyond to.
func Shift(marks []speech.Mark, by, to time.Duration) []speech.Mark {
	if marks == nil {
		return nil
	}
	out := make([]speech.Mark, len(marks))
	for i, m := range marks {
		out[i] = speech.Mark{Text: m.Text, At: min(max(0, m.At-by), to)}
	}
	return out
}

var _ speech.Synthesizer = (*Synthesizer)(nil)
