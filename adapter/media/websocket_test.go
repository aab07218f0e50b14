package media

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

func formats() []audio.Format {
	return []audio.Format{audio.FormatULaw, audio.FormatALaw, audio.FormatSlin, audio.FormatSlin16}
}

// Hazards c.4.1, the 128-byte limit and the discarded remainder: none of them
// can be triggered, however much is written at once.
func TestNothingIsFragmentedIgnoredOrDiscarded(t *testing.T) {
	for _, f := range formats() {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			a := newFake(t, f)
			w := dial(t, a)
			if err := w.WriteFrame(speech(f, 1500*time.Millisecond)); err != nil {
				t.Fatal(err)
			}
			if err := w.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := a.loudPlayed(); got != 75 {
				t.Errorf("%d frames of speech were played, 75 were written", got)
			}
			if p := w.Played(); p != 1500*time.Millisecond {
				t.Errorf("played %v", p)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			if a.fragments+a.ignored+a.discarded != 0 {
				t.Errorf("%d fragments, %d ignored commands, %d bytes discarded", a.fragments, a.ignored, a.discarded)
			}
			if a.largest > 4096 || a.longest > 60 {
				t.Errorf("largest message %d bytes, longest queue %d frames", a.largest, a.longest)
			}
		})
	}
}

func TestWriteFrameBlocksAtHalfASecond(t *testing.T) {
	a := newFake(t, audio.FormatSlin)
	w := dial(t, a)
	begin := time.Now()
	if err := w.WriteFrame(speech(a.f, time.Second)); err != nil {
		t.Fatal(err)
	}
	if d := time.Since(begin); d < 300*time.Millisecond || d > 3*time.Second {
		t.Errorf("a second of audio was taken in %v, want about 500 ms", d)
	}
	for _, n := range []int{0, 1, 159, 161} {
		if err := w.WriteFrame(audio.Frame{Samples: make([]int16, n)}); !errors.Is(err, pbx.ErrRefused) {
			t.Errorf("%d samples: %v", n, err)
		}
	}
}

func TestFlushIsExact(t *testing.T) {
	a := newFake(t, audio.FormatSlin)
	w := dial(t, a)
	drained := make(chan error, 1)
	wrote := make(chan error, 1)
	go func() { wrote <- w.WriteFrame(speech(a.f, 2*time.Second)) }()
	time.Sleep(300 * time.Millisecond)
	go func() { drained <- w.Drain(context.Background()) }()
	time.Sleep(30 * time.Millisecond)
	heard, err := w.Flush()
	if err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; !errors.Is(err, pbx.ErrFlushed) {
		t.Errorf("writer: %v", err)
	}
	if err := <-drained; !errors.Is(err, pbx.ErrFlushed) {
		t.Errorf("drain: %v", err)
	}
	time.Sleep(100 * time.Millisecond)
	if got := toTime(int64(a.loudPlayed())); got != heard || w.Played() != heard {
		t.Errorf("flush says %v were heard, the exchange played %v, Played says %v", heard, got, w.Played())
	}
	// Life goes on, and the count with it.
	if err := w.WriteFrame(speech(a.f, 100*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := w.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := toTime(int64(a.loudPlayed())); got != heard+100*time.Millisecond || w.Played() != got {
		t.Errorf("then %v were played, Played says %v", got, w.Played())
	}
}

func TestDrainOfNothingReturnsAtOnce(t *testing.T) {
	a := newFake(t, audio.FormatULaw)
	w := dial(t, a)
	if err := w.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if heard, err := w.Flush(); heard != 0 || err != nil {
		t.Fatal(heard, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_ = w.WriteFrame(speech(a.f, 400*time.Millisecond))
	if err := w.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
}

// A line on which nobody speaks is fed with silence: the callee never hears it die.
func TestIdleLineIsFed(t *testing.T) {
	a := newFake(t, audio.FormatULaw)
	w := dial(t, a)
	time.Sleep(500 * time.Millisecond)
	_ = w.WriteFrame(speech(a.f, 100*time.Millisecond))
	time.Sleep(600 * time.Millisecond)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.gaps > 3 || len(a.played) < 20 || a.longest > 40 { // 55, 0 and 8 on a machine that is not busy
		t.Errorf("%d ticks without a frame, %d played, longest queue %d", a.gaps, len(a.played), a.longest)
	}
}

// Speech does not wait behind queued silence.
func TestSpeechOvertakesSilence(t *testing.T) {
	a := newFake(t, audio.FormatULaw)
	w := dial(t, a)
	time.Sleep(330 * time.Millisecond)
	_ = w.WriteFrame(speech(a.f, 20*time.Millisecond))
	if err := w.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.before != 0 {
		t.Errorf("%d frames of silence were played before the first word", a.before)
	}
}

// The exchange starves for half a second: its queue must not grow, and the
// clock finds back.
func TestStarvingExchangeIsNotFlooded(t *testing.T) {
	a := newFake(t, audio.FormatULaw)
	w := dial(t, a)
	time.Sleep(200 * time.Millisecond)
	a.mu.Lock()
	a.paused = true
	a.mu.Unlock()
	time.Sleep(3 * time.Second)
	a.mu.Lock()
	n := a.length()
	a.paused = false
	a.mu.Unlock()
	if n > 75 { // a second without a status, and no more
		t.Errorf("%d frames of silence were piled up", n)
	}
	_ = w.WriteFrame(speech(a.f, 100*time.Millisecond))
	if err := w.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.Played() != 100*time.Millisecond {
		t.Error(w.Played())
	}
}

func TestWhatIsReceived(t *testing.T) {
	for _, f := range formats() {
		a := newFake(t, f)
		var dropped atomic.Uint64
		keys := make(chan byte, 10)
		w := dial(t, a, func(o *Options) { o.Dropped = &dropped; o.OnDTMF = func(d byte) { keys <- d } })
		a.event(`{"event":"DTMF_END","channel_id":"m","digit":"#"}`)
		for _, hostile := range []string{`{"event":"DTMF_END","digit":"12"}`, `{"event":"DTMF_END","digit":7}`, `{`, `[]`, `{"event":"STATUS","queue_length":-5}`, `{"event":"STATUS"}`, strings.Repeat("[", 50000), `{"event":"MEDIA_MARK_PROCESSED","correlation_id":""}`} {
			a.send(1, []byte(hostile))
		}
		wire, _ := audio.Encode(nil, speech(f, 20*time.Millisecond).Samples, f.Encoding)
		a.send(2, wire[:10]) // no whole frame: the rest may follow
		a.send(2, wire[10:])
		var got audio.Frame
		if err := w.ReadFrame(&got); err != nil || len(got.Samples) != f.FrameSamples() || got.Pos != 0 || got.Lost != 0 {
			t.Fatalf("%s: %v %d at %d", f, err, len(got.Samples), got.Pos)
		}
		if d := int(got.Samples[5]) - 4000; d > 200 || d < -200 {
			t.Errorf("%s: sample %d", f, got.Samples[5])
		}
		if k := <-keys; k != '#' {
			t.Errorf("key %c", k)
		}
		// Nobody reads: the oldest go, and are counted and told.
		for range inboxFrames + 20 {
			a.send(2, wire)
		}
		for dropped.Load() < 20 {
			time.Sleep(time.Millisecond)
		}
		if err := w.ReadFrame(&got); err != nil || got.Lost < 20*f.FrameSamples() {
			t.Errorf("%s: %v, lost %d", f, err, got.Lost)
		}
	}
}

func TestEndsAreTold(t *testing.T) {
	for name, end := range map[string]func(a *fakeAsterisk, w *WebSocket){
		"exchange": func(a *fakeAsterisk, _ *WebSocket) { a.drop() },
		"abort":    func(_ *fakeAsterisk, w *WebSocket) { w.Abort(errTest) },
		"close":    func(_ *fakeAsterisk, w *WebSocket) { _ = w.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			a := newFake(t, audio.FormatSlin)
			ended := make(chan error, 2)
			w := dial(t, a, func(o *Options) { o.OnEnd = func(err error) { ended <- err } })
			errs := make(chan error, 3)
			go func() { errs <- w.WriteFrame(speech(a.f, 10*time.Second)) }()
			time.Sleep(20 * time.Millisecond)
			go func() { errs <- w.Drain(context.Background()) }()
			go func() { var f audio.Frame; errs <- w.ReadFrame(&f) }()
			time.Sleep(50 * time.Millisecond)
			end(a, w)
			for range 3 {
				select {
				case err := <-errs:
					if !errors.Is(err, pbx.ErrGone) && !errors.Is(err, io.EOF) {
						t.Errorf("%v", err)
					}
				case <-time.After(5 * time.Second):
					t.Fatal("somebody waits for ever")
				}
			}
			if _, err := w.Flush(); !errors.Is(err, pbx.ErrGone) {
				t.Errorf("flush: %v", err)
			}
			if err := w.WriteFrame(speech(a.f, 20*time.Millisecond)); !errors.Is(err, pbx.ErrGone) {
				t.Errorf("write: %v", err)
			}
			if name == "close" {
				if len(ended) != 0 || w.Err() != nil {
					t.Error("OnEnd after Close")
				}
			} else if err := <-ended; err == nil || w.Err() == nil {
				t.Error("no reason")
			}
		})
	}
}

func TestFlushWithoutAnAnswer(t *testing.T) {
	a := newFake(t, audio.FormatSlin)
	w := dial(t, a)
	_ = w.WriteFrame(speech(a.f, 400*time.Millisecond))
	time.Sleep(100 * time.Millisecond)
	a.mu.Lock()
	a.mute = true
	a.mu.Unlock()
	heard, err := w.Flush()
	if !errors.Is(err, pbx.ErrUnknown) || heard < 20*time.Millisecond || heard > 380*time.Millisecond {
		t.Errorf("heard %v, %v", heard, err)
	}
	if p := w.Played(); p != heard {
		t.Errorf("then %v", p)
	}
}

func TestWrongStartIsRefused(t *testing.T) {
	for _, start := range []string{
		`{"event":"MEDIA_START","format":"ulaw","optimal_frame_size":160}`, `{"event":"MEDIA_START","format":"slin","optimal_frame_size":160}`,
		`{"event":"MEDIA_START"}`, `garbage`,
	} {
		a := newFake(t, audio.FormatSlin)
		a.startEvent = start
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if _, err := DialWebSocket(ctx, a.url, nil, Options{Format: a.f}); err == nil {
			t.Errorf("%s was accepted", start)
		}
		cancel()
	}
	if _, err := DialWebSocket(t.Context(), "http://127.0.0.1:1/media/x", nil, Options{Format: audio.FormatSlin}); err == nil {
		t.Error("nobody listens there")
	}
	if _, err := DialWebSocket(t.Context(), "http://127.0.0.1:1/media/x", nil, Options{}); err == nil {
		t.Error("no format")
	}
}

func TestCommandsStayBelowTheLimit(t *testing.T) {
	if _, err := command(cmdMark, strings.Repeat("a", 100)); !errors.Is(err, ErrControl) {
		t.Error("a command that Asterisk ignores was made")
	}
	if _, err := command(cmdMark, `x"}`); !errors.Is(err, ErrControl) {
		t.Error("injection")
	}
	longest := "m" + fmt.Sprint(int64(1)<<62)
	if b, err := command(cmdMark, longest); err != nil || len(b) > maxCommand {
		t.Errorf("%s %v", b, err)
	}
}
