package level

import (
	"context"
	"errors"
	"io"
	"math"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// provider says every text with syllables of noise at its own loudness, with
// 300 ms of silence at both ends, 50 ms at a time.
type provider struct {
	amplitude float64
	reads     int
}

func (p *provider) Synthesize(_ context.Context, u speech.Utterance) (speech.Synthesis, error) {
	return &spoken{p: p, samples: syllables(len([]rune(u.Text)), p.amplitude, u.Format.Rate)}, nil
}

func syllables(n int, amplitude float64, rate int) []int16 {
	pad := make([]int16, 3*rate/10)
	out := append([]int16(nil), pad...)
	random := uint32(1)
	for range n {
		for i := range rate / 4 {
			random = random*1664525 + 1013904223
			shape := math.Sin(math.Pi * float64(i) / float64(rate/4))
			out = append(out, int16(amplitude*shape*(float64(random>>16)/32768-1)))
		}
	}
	return append(out, pad...)
}

type spoken struct {
	p       *provider
	samples []int16
}

func (s *spoken) Read(dst []int16) (int, error) {
	s.p.reads++
	if len(s.samples) == 0 {
		return 0, io.EOF
	}
	n := copy(dst[:min(400, len(dst))], s.samples)
	s.samples = s.samples[n:]
	return n, nil
}
func (s *spoken) Marks() []speech.Mark { return []speech.Mark{{Text: 3, At: 400 * time.Millisecond}} }
func (s *spoken) Close() error         { return nil }

func say(t *testing.T, s speech.Synthesizer, text string) (samples []int16, marks []speech.Mark) {
	t.Helper()
	syn, err := s.Synthesize(t.Context(), speech.Utterance{Text: text, Language: "cmn", Format: audio.FormatSlin})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syn.Close() }()
	buf := make([]int16, 161)
	for {
		n, err := syn.Read(buf)
		samples = append(samples, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return samples, syn.Marks()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// join measures two prompts played one after the other: the step of active
// level, the silence between them in ms, the highest peak of both.
func join(t *testing.T, a, b []int16) (step, gap, peak float64) {
	t.Helper()
	la, ok := Active(a, 8000)
	lb, ok2 := Active(b, 8000)
	if !ok || !ok2 {
		t.Fatal("silence")
	}
	quiet, i, j := Amplitude(Silence), len(a), 0
	for i > 0 && math.Abs(float64(a[i-1])) <= quiet {
		i--
	}
	for j < len(b) && math.Abs(float64(b[j])) <= quiet {
		j++
	}
	for _, v := range append(append([]int16(nil), a...), b...) {
		peak = max(peak, math.Abs(float64(v)))
	}
	return math.Abs(la - lb), float64(len(a)-i+j) / 8, 20 * math.Log10(peak/32768)
}

func check(t *testing.T, what string, a, b []int16) {
	t.Helper()
	step, gap, peak := join(t, a, b)
	t.Logf("%-40s step %.2f dB, gap %.1f ms, peak %.1f dBFS", what, step, gap, peak)
	if step > 1 || gap > 40 || peak > PeakLimit+0.01 {
		t.Errorf("%s: step %.2f dB (at most 1), gap %.1f ms (at most 40), peak %.1f dBFS (at most -1)", what, step, gap, peak)
	}
}

// A quiet and a loud provider join within 1 dB and 40 ms, in the first
// utterance as in the later ones, and when the prompts are whole.
func TestVoicesJoinWithoutAStep(t *testing.T) {
	const text = "您好这里是阳光银行客服中心"
	soft, loud := &provider{amplitude: 900}, &provider{amplitude: 32000}
	raw, _ := say(t, soft, text)
	high, _ := say(t, loud, text)
	if step, gap, _ := join(t, raw, high); step < 20 || gap < 500 {
		t.Fatalf("as they come: step %.1f dB, gap %.0f ms: nothing to do", step, gap)
	}
	s, l := New(soft), New(loud)
	for _, turn := range []string{"first utterance", "second utterance"} {
		a, marks := say(t, s, text)
		b, _ := say(t, l, text)
		check(t, turn, a, b)
		if got := math.Abs(mustActive(a) - Target); got > 1 {
			t.Errorf("%.1f dB from the target", got)
		}
		if marks[0].At >= 400*time.Millisecond || marks[0].At < 100*time.Millisecond {
			t.Errorf("a mark at %v: 300 ms of silence were cut", marks[0].At)
		}
	}
	a, _ := Whole(raw, 8000, false, false)
	b, _ := Whole(high, 8000, false, false)
	check(t, "whole prompts", a, b)
}

func mustActive(s []int16) float64 { v, _ := Active(s, 8000); return v }

// Once a voice is known, its sound is not held back.
func TestAKnownVoiceIsNotHeldBack(t *testing.T) {
	p := &provider{amplitude: 3000}
	s := New(p)
	_, _ = say(t, s, "您好这里是阳光银行客服中心")
	p.reads = 0
	syn, err := s.Synthesize(t.Context(), speech.Utterance{Text: "您好这里是阳光银行", Language: "cmn", Format: audio.FormatSlin})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := syn.Read(make([]int16, 100)); n == 0 || err != nil || p.reads > 8 {
		t.Errorf("%d samples after %d reads of 50 ms (300 ms are silence), %v", n, p.reads, err)
	}
	_ = syn.Close()
}

// The limiter gives the same in pieces as at once, no peak passes it, and a
// pause that a script asks for at an end stays.
func TestLimiterAndPauses(t *testing.T) {
	in := syllables(8, 500, 8000)
	for i := 4000; i < len(in); i += 3000 {
		in[i] = 30000
	}
	whole := Apply(append([]int16(nil), in...), 8000)
	gain, _ := gainFor(in, 8000)
	s := newStream(8000, gain, 0, true, true)
	var out []int16
	for len(in) > 0 {
		n := min(len(in), 77)
		out = s.write(out, in[:n])
		in = in[n:]
	}
	out = s.flush(out)
	if len(out) != len(whole) {
		t.Fatalf("%d samples, %d at once", len(out), len(whole))
	}
	for i, v := range out {
		if d := int(v) - int(whole[i]); d > 1 || d < -1 {
			t.Fatalf("sample %d is %d in pieces, %d at once", i, v, whole[i])
		}
		if math.Abs(float64(v)) > Amplitude(PeakLimit)+1 {
			t.Fatalf("a peak of %d", v)
		}
	}
	u := speech.Utterance{Text: "您好", Hints: []speech.Hint{{Pause: time.Second}, {Start: 3, End: 3, Pause: time.Second}}}
	if start, end := Pauses(u); !start || end {
		t.Errorf("%v, %v", start, end)
	}
}

func TestSilenceStaysSilence(t *testing.T) {
	for _, n := range []int{0, 1, 8000} {
		if out, _ := Whole(make([]int16, n), 8000, false, false); len(out) != n {
			t.Errorf("%d samples of %d", len(out), n)
		}
	}
}
