package speechtest

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTonesKeepTheContract(t *testing.T) {
	TestSynthesizer(t, func(*testing.T) speech.Synthesizer { return &Tones{} }, SynthesizerOptions{
		Texts: map[speech.Language]string{"cmn": "您好，这里是阳光银行客服中心。", "en": "Hello, this is the bank."},
	})
}

func TestTonesAreTheSameEachTimeAndMarked(t *testing.T) {
	tones := &Tones{}
	u := speech.Utterance{Text: "你好a", Language: "cmn", Format: audio.FormatSlin}
	var runs [][]int16
	for range 2 {
		s, err := tones.Synthesize(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		samples, err := ReadAll(s, u.Format, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		want := []speech.Mark{{Text: 3, At: 80 * time.Millisecond}, {Text: 6, At: 160 * time.Millisecond}, {Text: 7, At: 240 * time.Millisecond}}
		if !slices.Equal(s.Marks(), want) {
			t.Errorf("marks %v, want %v", s.Marks(), want)
		}
		if tones.Open() != 1 || s.Close() != nil || tones.Open() != 0 {
			t.Error("open syntheses are miscounted")
		}
		runs = append(runs, samples)
	}
	if !slices.Equal(runs[0], runs[1]) || len(tones.Calls()) != 2 {
		t.Error("two runs differ, or were miscounted")
	}
}

func TestTonesFailAsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := speech.Utterance{Text: "0123456789", Format: audio.FormatSlin16}
		broken := errors.New("broken")
		tones := &Tones{FirstAudio: time.Second, BreakAfter: 200 * time.Millisecond, Break: broken}
		start := time.Now()
		s, err := tones.Synthesize(t.Context(), u)
		if err != nil {
			t.Fatal(err)
		}
		samples, err := ReadAll(s, u.Format, time.Minute)
		if !errors.Is(err, broken) || len(samples) != 3200 || time.Since(start) != time.Second {
			t.Errorf("%d samples after %v, %v", len(samples), time.Since(start), err)
		}
		_ = s.Close()
		tones.Fail = speech.ErrUnavailable
		if _, err := tones.Synthesize(t.Context(), u); !errors.Is(err, speech.ErrUnavailable) {
			t.Error(err)
		}
	})
}

func TestTonesStallUntilClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tones := &Tones{BreakAfter: 100 * time.Millisecond}
		s, err := tones.Synthesize(t.Context(), speech.Utterance{Text: "0123456789", Format: audio.FormatSlin})
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Hour, func() { _ = s.Close() })
		start := time.Now()
		if samples, err := ReadAll(s, audio.FormatSlin, time.Minute); err == nil || len(samples) != 800 || time.Since(start) != time.Hour {
			t.Errorf("%d samples, %v after %v", len(samples), err, time.Since(start))
		}
	})
}
