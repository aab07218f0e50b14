package cache

import (
	"context"
	"io"
	"math"
	"testing"
	"time"

	"ringmaster/adapter/speech/level"
	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// hum says everything as a second of a tone at its own loudness, with silence
// at both ends.
type hum struct{ amplitude float64 }

func (h hum) Synthesize(context.Context, speech.Utterance) (speech.Synthesis, error) {
	s := make([]int16, 12800)
	for i := 2400; i < 10400; i++ {
		s[i] = int16(h.amplitude * math.Sin(float64(i)))
	}
	return &humming{s}, nil
}

type humming struct{ left []int16 }

func (h *humming) Read(dst []int16) (int, error) {
	if len(h.left) == 0 {
		return 0, io.EOF
	}
	n := copy(dst, h.left)
	h.left = h.left[n:]
	return n, nil
}
func (h *humming) Marks() []speech.Mark {
	return []speech.Mark{{Text: 6, At: 1600 * time.Millisecond}}
}
func (h *humming) Close() error { return nil }

// A kept prompt is at the target with 20 ms at its ends, from memory and from
// disk; without Level it is as it came.
func TestKeptPromptsAreEquallyLoud(t *testing.T) {
	u := speech.Utterance{Text: "您好", Language: "cmn", Format: audio.FormatSlin}
	for _, loud := range []float64{500, 20000} {
		dir := t.TempDir()
		for _, turn := range []string{"made", "disk"} {
			c, err := New(hum{loud}, Config{Provider: "hum", Dir: dir, Level: true})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Warm(t.Context(), []speech.Utterance{u}, nil); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			c.mu.Lock()
			p, ok := c.kept.get(c.keyOf(u))
			c.mu.Unlock()
			if !ok {
				t.Fatal("not kept")
			}
			got, _ := level.Active(p.samples, 8000)
			if math.Abs(got-level.Target) > 0.5 || len(p.samples) < 8200 || len(p.samples) > 8320 {
				t.Errorf("%s at %.0f: %.1f dBFS, %d samples", turn, loud, got, len(p.samples))
			}
			if len(p.marks) != 1 || p.marks[0].At > u.Format.Duration(int64(len(p.samples))) {
				t.Errorf("%s: %v", turn, p.marks)
			}
		}
	}
}
