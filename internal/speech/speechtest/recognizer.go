package speechtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// Precision that TestRecognizer asks of times.
const Precision = 150 * time.Millisecond

// TestRecognizer is the contract of speech.Recognizer. newRecognizer returns a
// recognizer to be used by one test; what serves it is stopped by t.Cleanup.
// speak makes speech of text that the recognizer is sure to understand, 8 kHz
// linear, no silence at its ends. Audio is written as it comes in a call: one 20
// ms frame every 20 ms; the tests run side by side.
func TestRecognizer(t *testing.T, newRecognizer func(t *testing.T) speech.Recognizer, speak func(text string) []int16) {
	before := goleak.IgnoreCurrent()
	t.Run("Contract", func(t *testing.T) {
		for name, f := range map[string]func(*hearing){
			"PartialsThenFinal":  (*hearing).partialsThenFinal,
			"TwoUtterances":      (*hearing).twoUtterances,
			"CloseWriteThenEOF":  (*hearing).closeWriteThenEOF,
			"SilenceSaysNothing": (*hearing).silenceSaysNothing,
			"CloseUnblocksRecv":  (*hearing).closeUnblocksRecv,
			"CancelEndsIt":       (*hearing).cancelEndsIt,
			"LossKeepsTheClock":  (*hearing).lossKeepsTheClock,
			"Concurrent":         (*hearing).concurrent,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f(&hearing{t: t, r: newRecognizer(t), speak: speak})
			})
		}
		t.Run("BadOptions", func(t *testing.T) {
			t.Parallel()
			badOptions(t, newRecognizer(t))
		})
	})
	if err := goleak.Find(before); err != nil {
		t.Errorf("goroutines are left: %v", err)
	}
}

func options() speech.RecognizeOptions {
	return speech.RecognizeOptions{Format: audio.FormatSlin, Language: "cmn", Hotwords: map[string]int{"还款": 20, "人工 客服": 100}}
}

func badOptions(t *testing.T, r speech.Recognizer) {
	for name, o := range map[string]speech.RecognizeOptions{
		"no format": {Language: "cmn"}, "unknown language": {Format: audio.FormatSlin, Language: "xx"},
	} {
		rec, err := r.Recognize(t.Context(), o)
		if !errors.Is(err, speech.ErrUnsupported) {
			t.Errorf("%s: %v, want ErrUnsupported", name, err)
		}
		if err == nil {
			_ = rec.Close()
		}
	}
}

// hearing is one recognition in a test.
type hearing struct {
	t     *testing.T
	r     speech.Recognizer
	speak func(string) []int16

	rec    speech.Recognition
	pos    int64
	lost   int
	mu     sync.Mutex
	got    []speech.Result
	when   []time.Time
	end    error
	ended  chan struct{}
	finals chan struct{} // one for each final
}

func (h *hearing) open(ctx context.Context) {
	h.t.Helper()
	rec, err := h.r.Recognize(ctx, options())
	if err != nil {
		h.t.Fatal(err)
	}
	h.rec, h.ended, h.finals = rec, make(chan struct{}), make(chan struct{}, 100)
	h.t.Cleanup(func() {
		_ = rec.Close()
		<-h.ended
	})
	go func() {
		defer close(h.ended)
		for {
			r, err := rec.Recv()
			h.mu.Lock()
			if err != nil {
				h.end = err
				h.mu.Unlock()
				return
			}
			h.got, h.when = append(h.got, r), append(h.when, time.Now())
			h.mu.Unlock()
			if r.Final {
				h.finals <- struct{}{}
			}
		}
	}()
}

// write feeds pcm in real time, the last frame filled up with silence, and
// returns where it lay.
func (h *hearing) write(pcm []int16) (from, to time.Duration) {
	h.t.Helper()
	f := audio.FormatSlin
	tick := time.NewTicker(audio.FrameDuration)
	defer tick.Stop()
	from = f.Duration(h.pos)
	to = f.Duration(h.pos + int64(len(pcm)))
	frame := make([]int16, f.FrameSamples())
	for len(pcm) > 0 {
		n := copy(frame, pcm)
		clear(frame[n:])
		pcm = pcm[n:]
		if err := h.rec.Write(audio.Frame{Pos: h.pos, Lost: h.lost, Samples: frame}); err != nil {
			h.t.Fatalf("Write: %v", err)
		}
		h.pos, h.lost = h.pos+int64(len(frame)), 0
		<-tick.C
	}
	return from, to
}

func (h *hearing) silence(d time.Duration) {
	h.t.Helper()
	h.write(make([]int16, audio.FormatSlin.Samples(d)))
}

func (h *hearing) lose(d time.Duration) {
	h.lost = int(audio.FormatSlin.Samples(d))
	h.pos += int64(h.lost)
}

// quietUntil feeds silence until n finals have come.
func (h *hearing) quietUntil(n int) {
	h.t.Helper()
	for limit := time.Now().Add(6 * time.Second); time.Now().Before(limit); h.silence(40 * time.Millisecond) {
		if len(h.finals) >= n {
			return
		}
	}
	h.t.Fatalf("%d finals within 6 s, want %d", len(h.finals), n)
}

func (h *hearing) closeWrite() {
	h.t.Helper()
	if err := h.rec.CloseWrite(); err != nil {
		h.t.Fatalf("CloseWrite: %v", err)
	}
	h.wait("the end after CloseWrite", 10*time.Second)
	if !errors.Is(h.end, io.EOF) {
		h.t.Fatalf("the stream ended with %v, want io.EOF", h.end)
	}
	if _, err := h.rec.Recv(); !errors.Is(err, io.EOF) {
		h.t.Errorf("a second Recv after the end: %v, want io.EOF again", err)
	}
}

func (h *hearing) wait(what string, d time.Duration) {
	h.t.Helper()
	select {
	case <-h.ended:
	case <-time.After(d):
		h.t.Fatalf("%s did not come within %v", what, d)
	}
}

// said is an utterance as it must be heard.
type said struct {
	text     string
	from, to time.Duration
}

func (h *hearing) say(text string) said {
	h.t.Helper()
	from, to := h.write(h.speak(text))
	return said{text, from, to}
}

// check compares finals and their times with what was said.
func (h *hearing) check(want ...said) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	i := 0
	for _, r := range h.got {
		if !r.Final {
			if r.Text == "" || r.End < r.Start {
				h.t.Errorf("partial %+v", r)
			}
			continue
		}
		if i == len(want) {
			h.t.Errorf("a final too many: %+v", r)
			continue
		}
		w := want[i]
		i++
		if r.Text != w.text {
			h.t.Errorf("final %q, want %q", r.Text, w.text)
		}
		if d := (r.Start - w.from).Abs(); d > Precision {
			h.t.Errorf("%q starts at %v, want %v", r.Text, r.Start, w.from)
		}
		if d := (r.End - w.to).Abs(); d > Precision {
			h.t.Errorf("%q ends at %v, want %v", r.Text, r.End, w.to)
		}
		h.words(r)
	}
	if i < len(want) {
		h.t.Errorf("%d finals, want %d: %+v", i, len(want), h.got)
	}
}

func (h *hearing) words(r speech.Result) {
	h.t.Helper()
	last := r.Start - Precision
	for _, w := range r.Words {
		if w.Text == "" || w.Start < last || w.End < w.Start || w.End > r.End+Precision {
			h.t.Errorf("word %+v of %q, %v to %v", w, r.Text, r.Start, r.End)
		}
		last = w.Start
	}
}

const longText = "我这个月的还款已经还清了"

func (h *hearing) partialsThenFinal() {
	h.open(h.t.Context())
	h.silence(300 * time.Millisecond)
	s := h.say(longText)
	ended := time.Now()
	h.quietUntil(1)
	h.check(s)
	h.mu.Lock()
	partials := 0
	for i, r := range h.got {
		if r.Final {
			h.t.Logf("final %v after the end of speech", h.when[i].Sub(ended).Round(time.Millisecond))
			break
		}
		partials++
	}
	h.mu.Unlock()
	if partials == 0 {
		h.t.Errorf("no partial before the final of %v of speech", s.to-s.from)
	}
	h.closeWrite()
	h.check(s)
}

func (h *hearing) twoUtterances() {
	h.open(h.t.Context())
	h.silence(200 * time.Millisecond)
	a := h.say("你好请问是哪位")
	h.quietUntil(1)
	h.silence(400 * time.Millisecond)
	b := h.say("我要转人工客服")
	h.quietUntil(2)
	h.closeWrite()
	h.check(a, b)
}

func (h *hearing) closeWriteThenEOF() {
	h.open(h.t.Context())
	h.silence(200 * time.Millisecond)
	s := h.say("话还没说完就")
	h.closeWrite()
	h.check(s)
}

func (h *hearing) silenceSaysNothing() {
	h.open(h.t.Context())
	h.silence(1500 * time.Millisecond)
	h.closeWrite()
	h.check()
	if len(h.got) > 0 {
		h.t.Errorf("silence was heard as %+v", h.got)
	}
}

func (h *hearing) closeUnblocksRecv() {
	h.open(h.t.Context())
	h.silence(100 * time.Millisecond)
	h.write(h.speak(longText)[:8000])
	began := time.Now()
	if err := h.rec.Close(); err != nil {
		h.t.Errorf("Close: %v", err)
	}
	h.wait("the end after Close", 2*time.Second)
	if d := time.Since(began); d > time.Second {
		h.t.Errorf("Close and Recv took %v", d)
	}
	if h.end == nil {
		h.t.Error("Recv after Close without an error")
	}
	if err := h.rec.Close(); err != nil {
		h.t.Errorf("a second Close: %v", err)
	}
	if err := h.rec.Write(audio.Frame{Pos: h.pos, Samples: make([]int16, 160)}); err == nil {
		h.t.Error("Write after Close is taken")
	}
}

func (h *hearing) cancelEndsIt() {
	ctx, cancel := context.WithCancel(h.t.Context())
	defer cancel()
	h.open(ctx)
	h.write(h.speak(longText)[:8000])
	cancel()
	h.wait("the end after cancel", 2*time.Second)
	if !errors.Is(h.end, context.Canceled) {
		h.t.Errorf("the stream ended with %v, want context.Canceled", h.end)
	}
	if _, err := h.r.Recognize(ctx, options()); err == nil {
		h.t.Error("a recognition began in a context that had ended")
	}
}

func (h *hearing) lossKeepsTheClock() {
	h.pos = 8000 * 100 // a recognition may begin in mid-call
	h.open(h.t.Context())
	h.silence(200 * time.Millisecond)
	h.lose(660 * time.Millisecond)
	h.silence(100 * time.Millisecond)
	a := h.say("丢了一些声音")
	h.quietUntil(1)
	h.lose(3 * time.Second)
	h.silence(500 * time.Millisecond)
	b := h.say("时间还是对的")
	h.quietUntil(2)
	h.closeWrite()
	h.check(a, b)
}

func (h *hearing) concurrent() {
	var wg sync.WaitGroup
	for i := range 4 {
		one := &hearing{t: h.t, r: h.r, speak: h.speak}
		one.open(h.t.Context())
		wg.Go(func() {
			pcm := one.speak(fmt.Sprintf("第%s路电话", []string{"一", "二", "三", "四"}[i]))
			frame := make([]int16, 160)
			tick := time.NewTicker(audio.FrameDuration)
			defer tick.Stop()
			for len(pcm) > 0 {
				n := copy(frame, pcm)
				clear(frame[n:])
				pcm = pcm[n:]
				if err := one.rec.Write(audio.Frame{Pos: one.pos, Samples: frame}); err != nil {
					h.t.Errorf("Write: %v", err)
					return
				}
				one.pos += 160
				<-tick.C
			}
			_ = one.rec.CloseWrite()
			<-one.ended
			text := ""
			for _, r := range one.got {
				if r.Final {
					text += r.Text
				}
			}
			if want := "第" + []string{"一", "二", "三", "四"}[i] + "路电话"; text != want {
				h.t.Errorf("stream %d heard %q, want %q", i, text, want)
			}
		})
	}
	wg.Wait()
}
