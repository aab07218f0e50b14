package cache

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
)

func TestFallbackWhenTheFirstFailsOrIsSlow(t *testing.T) {
	for name, c := range map[string]struct {
		primary *speechtest.Tones
		takes   time.Duration
		stats   FallbackStats
	}{
		"error": {&speechtest.Tones{Fail: speech.ErrUnavailable}, 0, FallbackStats{Started: 1, Errors: 1}},
		"slow":  {&speechtest.Tones{FirstAudio: time.Minute}, 1500 * time.Millisecond, FallbackStats{Started: 1, Slow: 1}},
		"fine":  {&speechtest.Tones{FirstAudio: time.Second}, time.Second, FallbackStats{Started: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := Fallback(c.primary, &speechtest.Tones{}, SynthesisTimeouts{})
				begun := time.Now()
				samples, marks, err := play(t, f, say("你好吗"))
				if err != nil || len(samples) != 3*640 || len(marks) != 3 {
					t.Errorf("%d samples, %d marks, %v", len(samples), len(marks), err)
				}
				if time.Since(begun) != c.takes || f.Stats() != c.stats {
					t.Errorf("took %v, %+v", time.Since(begun), f.Stats())
				}
				if c.primary.Open() != 0 {
					t.Error("the first provider was left open")
				}
			})
		})
	}
}

func TestFallbackInMidStreamGoesOnBehindTheLastMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		primary, secondary := &speechtest.Tones{BreakAfter: 200 * time.Millisecond}, &speechtest.Tones{}
		f := Fallback(primary, secondary, SynthesisTimeouts{})
		u := say("一二三四五")
		u.Voice = "the first one's"
		u.Hints = []speech.Hint{{Start: 3, End: 6, Reading: "er4"}, {Start: 12, End: 15, Reading: "wu3"}}
		samples, marks, err := play(t, f, u)
		if err != nil {
			t.Fatal(err)
		}
		// 200 ms of 80 ms a character: two were heard whole, three are left.
		if got := secondary.Calls(); len(got) != 1 || got[0].Text != "三四五" || got[0].Voice != "" || !slices.Equal(got[0].Hints, []speech.Hint{{Start: 6, End: 9, Reading: "wu3"}}) {
			t.Errorf("the second one was asked for %+v", got)
		}
		if len(samples) != 1600+3*640 || f.Stats().Stalled != 1 {
			t.Errorf("%d samples, %+v", len(samples), f.Stats())
		}
		want := []speech.Mark{{Text: 3, At: 80 * time.Millisecond}, {Text: 6, At: 160 * time.Millisecond}, {Text: 9, At: 280 * time.Millisecond}, {Text: 12, At: 360 * time.Millisecond}, {Text: 15, At: 440 * time.Millisecond}}
		if !slices.Equal(marks, want) {
			t.Errorf("marks %v, want %v", marks, want)
		}
	})
}

func TestBothFail(t *testing.T) {
	broken := errors.New("broken")
	f := Fallback(&speechtest.Tones{Fail: speech.ErrUnavailable}, &speechtest.Tones{BreakAfter: 100 * time.Millisecond, Break: broken}, SynthesisTimeouts{})
	samples, _, err := play(t, f, say("一二三四五"))
	if !errors.Is(err, broken) || !errors.Is(err, speech.ErrUnavailable) || len(samples) != 800 || f.Stats().Failed != 1 {
		t.Errorf("%d samples, %v, %+v", len(samples), err, f.Stats())
	}
}

func TestResumeAt(t *testing.T) {
	const text = "您好，我是小王。请问您方便吗？"
	for heard, want := range map[time.Duration]string{
		0:                       text,
		300 * time.Millisecond:  text,
		600 * time.Millisecond:  "我是小王。请问您方便吗？",
		1500 * time.Millisecond: "请问您方便吗？",
		2 * time.Second:         "请问您方便吗？",
		time.Hour:               "",
	} {
		if got := text[resumeAt(text, heard, nil):]; got != want {
			t.Errorf("after %v: %q, want %q", heard, got, want)
		}
	}
	if got := resumeAt(text, time.Second, []speech.Mark{{Text: 3}, {Text: 6}}); got != 6 {
		t.Errorf("with marks: %d, want 6", got)
	}
}

// recognizer is scripted: fail, connect, results by what was written.
type recognizer struct {
	fail    error
	connect time.Duration
	deaf    bool // gives no results
	breaks  int  // Recv fails after so many frames
	mu      sync.Mutex
	opened  []*recognition
}

type recognition struct {
	r       *recognizer
	ctx     context.Context
	results chan speech.Result
	end     chan error
	mu      sync.Mutex
	frames  []audio.Frame
	closed  bool
}

func (r *recognizer) Recognize(ctx context.Context, _ speech.RecognizeOptions) (speech.Recognition, error) {
	if r.connect > 0 {
		select {
		case <-time.After(r.connect):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if r.fail != nil {
		return nil, r.fail
	}
	rec := &recognition{r: r, ctx: ctx, results: make(chan speech.Result, 100), end: make(chan error, 10)}
	r.mu.Lock()
	r.opened = append(r.opened, rec)
	r.mu.Unlock()
	return rec, nil
}

var errBroken = errors.New("connection reset")

func (r *recognition) Write(f audio.Frame) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.frames = append(r.frames, f)
	if n := len(r.frames); r.r.breaks > 0 && n >= r.r.breaks {
		r.end <- errBroken
		return errBroken
	} else if n%10 == 0 && !r.r.deaf { // every 200 ms a final
		end := time.Duration(f.Pos+int64(len(f.Samples))) * time.Second / 8000
		r.results <- speech.Result{Text: end.String(), Final: true, End: end}
	}
	return nil
}

func (r *recognition) CloseWrite() error {
	if !r.r.deaf {
		r.end <- io.EOF
	}
	return nil
}

func (r *recognition) Recv() (speech.Result, error) {
	select {
	case res := <-r.results:
		return res, nil
	default:
	}
	select {
	case res := <-r.results:
		return res, nil
	case err := <-r.end:
		select {
		case res := <-r.results:
			r.end <- err
			return res, nil
		default:
		}
		return speech.Result{}, err
	case <-r.ctx.Done():
		return speech.Result{}, r.ctx.Err()
	}
}

func (r *recognition) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return nil
}

// converse writes a second of sound in real time and returns the texts.
func converse(t *testing.T, f *RecognizerFallback, frames int) (texts []string, err error) {
	t.Helper()
	rec, err := f.Recognize(t.Context(), speech.RecognizeOptions{Format: audio.FormatSlin})
	if err != nil {
		return nil, err
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer rec.Close()
	wg.Go(func() {
		loud := slices.Repeat([]int16{5000, -5000}, 80)
		for i := range frames {
			_ = rec.Write(audio.Frame{Pos: int64(i * 160), Samples: loud})
			time.Sleep(20 * time.Millisecond)
		}
		_ = rec.CloseWrite()
	})
	for {
		r, err := rec.Recv()
		if errors.Is(err, io.EOF) {
			return texts, nil
		}
		if err != nil {
			return texts, err
		}
		texts = append(texts, r.Text)
	}
}

func TestFallbackRecognizer(t *testing.T) {
	all := "200ms 400ms 600ms 800ms 1s"
	for name, c := range map[string]struct {
		primary *recognizer
		frames  int
		want    string
		stats   FallbackStats
	}{
		"fine":            {&recognizer{}, 50, all, FallbackStats{Started: 1}},
		"not there":       {&recognizer{fail: speech.ErrUnavailable}, 50, all, FallbackStats{Started: 1, Errors: 1}},
		"never connects":  {&recognizer{connect: time.Hour}, 50, all, FallbackStats{Started: 1, Errors: 1}},
		"breaks at once":  {&recognizer{breaks: 1}, 50, all, FallbackStats{Started: 1, Errors: 1}},
		"breaks later":    {&recognizer{breaks: 26}, 50, "200ms 400ms 600ms 800ms 1s", FallbackStats{Started: 1, Errors: 1}},
		"deaf":            {&recognizer{deaf: true}, 300, "200ms 400ms 600ms", FallbackStats{Started: 1, Slow: 1}},
		"deaf at the end": {&recognizer{deaf: true}, 50, all, FallbackStats{Started: 1, Slow: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				second := &recognizer{}
				f := FallbackRecognizer(c.primary, second, RecognitionTimeouts{})
				texts, err := converse(t, f, c.frames)
				if got := strings.Join(texts, " "); err != nil || !strings.HasPrefix(got, c.want) || len(texts) != c.frames/10 {
					t.Errorf("heard %d: %q, %v", len(texts), got, err)
				}
				if f.Stats() != c.stats {
					t.Errorf("%+v, want %+v", f.Stats(), c.stats)
				}
				for _, r := range c.primary.opened {
					if r.mu.Lock(); !r.closed {
						t.Error("the first provider was left open")
					}
					r.mu.Unlock()
				}
			})
		})
	}
}

func TestFallbackRecognizerBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		second := &recognizer{}
		f := FallbackRecognizer(&recognizer{deaf: true}, second, RecognitionTimeouts{Buffer: time.Second, FirstResult: 3 * time.Second})
		if _, err := converse(t, f, 200); err != nil {
			t.Fatal(err)
		}
		if n := len(second.opened[0].frames); n < 90 || n > 110 || f.LostSamples() == 0 {
			t.Errorf("the second one heard %d frames, want 50 kept and 50 new; %d samples lost", n, f.LostSamples())
		}
	})
}

func TestBothRecognizersFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := FallbackRecognizer(&recognizer{fail: speech.ErrUnavailable}, &recognizer{fail: errBroken}, RecognitionTimeouts{})
		if _, err := converse(t, f, 1); !errors.Is(err, errBroken) || !errors.Is(err, speech.ErrUnavailable) {
			t.Error(err)
		}
		f = FallbackRecognizer(&recognizer{breaks: 1}, &recognizer{breaks: 3}, RecognitionTimeouts{})
		if _, err := converse(t, f, 10); !errors.Is(err, errBroken) || f.Stats().Failed != 1 {
			t.Errorf("%v, %+v", err, f.Stats())
		}
	})
}

func TestRecognizerContract(t *testing.T) {
	for name, primary := range map[string]func(s *speechtest.Scripted) speech.Recognizer{
		"Fine":        func(s *speechtest.Scripted) speech.Recognizer { return s },
		"BreaksLater": func(*speechtest.Scripted) speech.Recognizer { return &cut{after: 350 * time.Millisecond} },
	} {
		t.Run(name, func(t *testing.T) {
			s := &speechtest.Scripted{}
			speechtest.TestRecognizer(t, func(*testing.T) speech.Recognizer {
				return FallbackRecognizer(primary(s), s, RecognitionTimeouts{})
			}, s.Speak)
		})
	}
}

// cut is a recognizer whose every connection breaks.
type cut struct{ after time.Duration }

func (c *cut) Recognize(ctx context.Context, o speech.RecognizeOptions) (speech.Recognition, error) {
	s := &speechtest.Scripted{Cues: []speechtest.Cue{{At: c.after, Err: errBroken}}}
	return s.Recognize(ctx, o)
}
