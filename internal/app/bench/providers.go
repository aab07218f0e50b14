package bench

import (
	"context"
	"io"
	"math"
	"sync"
	"unicode/utf8"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
)

// ears is a recognizer of zero latency: the frame that begins with a marker is
// a final, there and then.
type ears struct{}

// Recognize implements speech.Recognizer.
func (ears) Recognize(context.Context, speech.RecognizeOptions) (speech.Recognition, error) {
	return &hearing{out: make(chan speech.Result, 64), done: make(chan struct{})}, nil
}

type hearing struct {
	out   chan speech.Result
	done  chan struct{}
	close sync.Once
	ended sync.Once
}

// Write implements speech.Recognition.
func (h *hearing) Write(f audio.Frame) error {
	if len(f.Samples) > 1 && f.Samples[0] >= twin.Marker {
		select {
		case h.out <- speech.Result{Text: "好的", Final: true, SpeechEnd: true, Confidence: 1}:
		default:
		}
	}
	return nil
}

// CloseWrite implements speech.Recognition.
func (h *hearing) CloseWrite() error {
	h.ended.Do(func() { close(h.out) })
	return nil
}

// Recv implements speech.Recognition.
func (h *hearing) Recv() (speech.Result, error) {
	select {
	case r, ok := <-h.out:
		if ok {
			return r, nil
		}
	case <-h.done:
	}
	return speech.Result{}, io.EOF
}

// Close implements speech.Recognition.
func (h *hearing) Close() error {
	h.close.Do(func() { close(h.done) })
	return nil
}

// mind understands everything as consent, at once.
type mind struct{}

// Understand implements nlu.Understander.
func (mind) Understand(context.Context, nlu.Question) (nlu.Answer, error) {
	return nlu.Answer{Intent: "affirm", Confidence: 1, Reason: "bench"}, nil
}

// voice says everything as a note, at once and from its first sample on: 600 ms
// of it, 8 s of a line that has more than 40 characters.
type voice struct{}

// Synthesize implements speech.Synthesizer.
func (voice) Synthesize(_ context.Context, u speech.Utterance) (speech.Synthesis, error) {
	length := 600
	if utf8.RuneCountInString(u.Text) > 40 {
		length = 8000
	}
	out := make([]int16, u.Format.Rate*length/1000)
	for i := range out {
		out[i] = int16(8000 * math.Cos(2*math.Pi*440*float64(i)/float64(u.Format.Rate)))
	}
	return &note{rest: out}, nil
}

type note struct{ rest []int16 }

// Read implements speech.Synthesis.
func (n *note) Read(dst []int16) (int, error) {
	k := copy(dst, n.rest)
	n.rest = n.rest[k:]
	if len(n.rest) == 0 {
		return k, io.EOF
	}
	return k, nil
}

// Marks implements speech.Synthesis.
func (*note) Marks() []speech.Mark { return nil }

// Close implements speech.Synthesis.
func (*note) Close() error { return nil }
