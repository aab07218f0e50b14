package hinted

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The contract holds with pauses in every text.
func TestSynthesizerContract(t *testing.T) {
	speechtest.TestSynthesizer(t, func(t *testing.T) speech.Synthesizer {
		return paused{New(&speechtest.Tones{}, Options{Pauses: true, Readings: true})}
	}, speechtest.SynthesizerOptions{Texts: map[speech.Language]string{"cmn": "您好，这里是阳光银行客服中心。"}})
}

// paused asks for a pause in the middle of whatever is said.
type paused struct{ *Synthesizer }

func (p paused) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	if at := len(u.Text) / 6 * 3; at > 0 {
		u.Hints = []speech.Hint{{Start: at, End: at, Pause: 50 * time.Millisecond}}
	}
	return p.Synthesizer.Synthesize(ctx, u)
}

// padded says 80 ms a character, with silence of its own around it.
func padded(before, after time.Duration) *speechtest.Tones {
	plain := &speechtest.Tones{}
	return &speechtest.Tones{Audio: func(u speech.Utterance) ([]int16, []speech.Mark) {
		syn, err := plain.Synthesize(context.Background(), u)
		if err != nil {
			return nil, nil
		}
		said, _ := speechtest.ReadAll(syn, u.Format, time.Minute)
		marks := syn.Marks()
		_ = syn.Close()
		for i := range marks {
			marks[i].At += before
		}
		return slices.Concat(make([]int16, u.Format.Samples(before)), said, make([]int16, u.Format.Samples(after))), marks
	}}
}

// gaps are the silences of 10 ms or more, with where they begin.
func gaps(samples []int16) (out [][2]time.Duration) {
	from := -1
	for i, v := range append(slices.Clone(samples), 10000) {
		switch {
		case silent(v) && from < 0:
			from = i
		case !silent(v) && from >= 0:
			if d := audio.FormatSlin.Duration(int64(i - from)); d >= 10*time.Millisecond {
				out = append(out, [2]time.Duration{audio.FormatSlin.Duration(int64(from)), d})
			}
			from = -1
		}
	}
	return out
}

func speak(t *testing.T, s speech.Synthesizer, u speech.Utterance) ([]int16, []speech.Mark) {
	t.Helper()
	u.Language, u.Format = "cmn", audio.FormatSlin
	syn, err := s.Synthesize(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syn.Close(); err != nil {
			t.Error(err)
		}
	}()
	out, err := speechtest.ReadAll(syn, audio.FormatSlin, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return out, syn.Marks()
}

// A pause is as long as it was asked for, whatever silence the provider leaves
// at the ends of its pieces; marks are places of the text as it was given.
func TestAPauseIsExact(t *testing.T) {
	const text = "请听好重庆再见"
	at := len("请听好")
	hints := []speech.Hint{
		{Start: at, End: at, Pause: 300 * time.Millisecond},
		{Start: at, End: at + 6, Reading: "chong2 qing4"},
		{Start: at + 6, End: at + 6, Pause: 700 * time.Millisecond},
		{Start: len(text), End: len(text), Pause: 200 * time.Millisecond},
	}
	for _, own := range []time.Duration{0, 20 * time.Millisecond, 120 * time.Millisecond} {
		v := padded(own, own)
		samples, marks := speak(t, New(v, Options{Pauses: true, Readings: true}), speech.Utterance{Text: text, Hints: hints})
		got := gaps(samples)
		if own > 0 {
			got = got[1:] // before the first piece, where no pause is asked for
		}
		if len(got) != 3 {
			t.Fatalf("silences at %v", got)
		}
		for i, ms := range []int64{300, 700, 200} {
			want := time.Duration(ms) * time.Millisecond
			if d := got[i][1] - want; d.Abs() > 4*time.Millisecond { // the tones begin and end softly
				t.Errorf("own silence %v: pause %d is %v, want %v", own, i, got[i][1], want)
			}
		}
		var said []string
		for _, c := range v.Calls() {
			said = append(said, c.Text)
			if c.Hints != nil {
				t.Errorf("the provider is given hints: %v", c.Hints)
			}
		}
		slices.Sort(said)
		if s := strings.Join(said, " "); s != "再见 虫庆 请听好" {
			t.Errorf("the provider says %s", s)
		}
		if len(marks) != 7 {
			t.Fatalf("%v", marks)
		}
		for i, m := range marks {
			want := own + time.Duration(i+1)*80*time.Millisecond
			if i >= 3 {
				want += max(300*time.Millisecond, 2*own)
			}
			if i >= 5 {
				want += 700 * time.Millisecond
			}
			if m.Text != 3*(i+1) || (m.At-want).Abs() > 8*time.Millisecond {
				t.Errorf("own silence %v: mark %d is %+v, want %v", own, i, m, want)
			}
		}
		if v.Open() != 0 {
			t.Errorf("%d syntheses are still open", v.Open())
		}
	}
}

// What is off is left out, and without anything to heed the provider's own
// synthesis is given.
func TestHintsCanBeOff(t *testing.T) {
	hints := []speech.Hint{{Start: 3, End: 3, Pause: time.Second}, {Start: 3, End: 6, Reading: "chong2"}}
	for _, x := range []struct {
		o    Options
		want string
	}{
		{Options{}, "看重庆"}, {Options{Readings: true}, "看虫庆"}, {Options{Pauses: true}, "看 重庆"},
	} {
		v := &speechtest.Tones{}
		speak(t, New(v, x.o), speech.Utterance{Text: "看重庆", Hints: hints})
		var said []string
		for _, c := range v.Calls() {
			said = append(said, c.Text)
		}
		if got := strings.Join(said, " "); got != x.want {
			t.Errorf("%+v: %s", x.o, got)
		}
	}
	v := &speechtest.Tones{}
	u := speech.Utterance{Text: "看重庆", Hints: hints}
	u.Language, u.Format = "yue", audio.FormatSlin
	syn, err := New(v, Options{Readings: true}).Synthesize(t.Context(), u)
	if err != nil || v.Calls()[0].Text != "看重庆" {
		t.Errorf("pinyin is used for Cantonese: %v", err)
	}
	_ = syn.Close()
}

// A piece that cannot be made ends the utterance with its error, after what
// came before; closing while the next is being made waits for nobody.
func TestAPieceThatFails(t *testing.T) {
	boom := errors.New("boom")
	v := &failing{Tones: &speechtest.Tones{}, on: "乙", err: boom}
	u := speech.Utterance{Text: "甲乙", Language: "cmn", Format: audio.FormatSlin, Hints: []speech.Hint{{Start: 3, End: 3, Pause: time.Second}}}
	syn, err := New(v, Options{Pauses: true}).Synthesize(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	samples, err := speechtest.ReadAll(syn, audio.FormatSlin, time.Minute)
	if !errors.Is(err, boom) || len(samples) < 600 {
		t.Errorf("%d samples, %v", len(samples), err)
	}
	_ = syn.Close()
	slow := &failing{Tones: &speechtest.Tones{}, on: "乙"} // until the context ends
	if syn, err = New(slow, Options{Pauses: true}).Synthesize(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	reading := make(chan error, 1)
	go func() {
		_, err := speechtest.ReadAll(syn, audio.FormatSlin, time.Minute)
		reading <- err
	}()
	_ = syn.Close()
	if err := <-reading; err == nil {
		t.Error("a closed synthesis came to its end")
	}
	if slow.Open() != 0 {
		t.Errorf("%d syntheses are still open", slow.Open())
	}
}

// failing cannot say one text.
type failing struct {
	*speechtest.Tones
	on  string
	err error
}

func (f *failing) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	if u.Text == f.on {
		if f.err == nil {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return nil, f.err
	}
	return f.Tones.Synthesize(ctx, u)
}

// FuzzHints: whatever the hints, every byte of the text is said once and in
// order, and no place moves.
func FuzzHints(f *testing.F) {
	f.Add("欢迎来到重庆银行", 12, 18, "chong2 qing4", 300, 18, 900)
	f.Add("abc", -1, 9, "a1", -5, 2, 1<<40)
	f.Add("重", 0, 3, "chong2", 0, 1, 50)
	f.Fuzz(func(t *testing.T, text string, from, to int, reading string, ms, at, ms2 int) {
		hints := []speech.Hint{{Start: from, End: to, Reading: reading, Pause: time.Duration(ms) * time.Millisecond}, {Start: at, End: at, Pause: time.Duration(ms2) * time.Millisecond}}
		if from < 0 || to > len(text) {
			hints = hints[1:]
		}
		out, _ := spelled(text, hints)
		if len(out) != len(text) {
			t.Fatalf("%q became %q", text, out)
		}
		var all string
		for _, p := range cut(text, hints) {
			if p.before < 0 || p.before > maxPause {
				t.Fatalf("a pause of %v", p.before)
			}
			all += text[p.from:p.to]
		}
		if all != text {
			t.Fatalf("%q is said as %q", text, all)
		}
	})
}
