package app

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/adapter/speech/funasr"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/speech"
)

// earlyEar notes when each recognition first gave a result with a stop word,
// under the last words of that recognition, which tell the calls apart.
type earlyEar struct {
	speech.Recognizer
	mu   sync.Mutex
	told map[string]time.Time
}

// mark is how the i-th customer ends his sentence.
func mark(i int) string {
	d := []rune("零一二三四五六七八九")
	return string(d[i/10]) + string(d[i%10])
}

func (e *earlyEar) when(mark string) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	for text, at := range e.told {
		if strings.HasSuffix(text, mark) {
			return at
		}
	}
	return time.Time{}
}

func (e *earlyEar) Recognize(ctx context.Context, o speech.RecognizeOptions) (speech.Recognition, error) {
	r, err := e.Recognizer.Recognize(ctx, o)
	if err != nil {
		return nil, err
	}
	return &earlyHearing{Recognition: r, ear: e}, nil
}

type earlyHearing struct {
	speech.Recognition
	ear   *earlyEar
	first time.Time
}

func (h *earlyHearing) Recv() (speech.Result, error) {
	res, err := h.Recognition.Recv()
	if stop, _ := dialogue.FindStop(res.Text, "cmn"); err == nil && stop != dialogue.StopNone {
		h.ear.mu.Lock()
		if h.first.IsZero() {
			h.first = time.Now()
		}
		h.ear.told[res.Text] = h.first
		h.ear.mu.Unlock()
	}
	return res, err
}

// Stop words said into the protected notice of real calls on a real Asterisk:
// from the result that carries them to the last sample of our voice at the
// telephone. Printed; the calls must end opted out, with the notice cut short.
// 10 calls always, 40 with RINGMASTER_PROVE=1.
func TestRow_M7_OurVoiceStopsAfterThePartialAtTheTelephone(t *testing.T) {
	env.Need(t, env.Asterisk)
	const together = 10
	calls := together
	if os.Getenv("RINGMASTER_PROVE") != "" {
		calls = 40
	}
	phones, marks := map[string]sipphone.Script{}, map[string]int{}
	for i := range calls {
		marks[fmt.Sprintf("stop%d", i)] = i
		phones[fmt.Sprintf("stop%d", i)] = sipphone.Script{sipphone.Answer(100 * time.Millisecond),
			sipphone.BargeIn(600*time.Millisecond+time.Duration(i%together)*73*time.Millisecond, tone.Encode("别打了"+mark(i), 8000)), listen(), sipphone.Silence(10 * time.Second)}
	}
	r := newReal(t, phones)
	ear := &earlyEar{told: map[string]time.Time{}}
	h := buildHouse(t, r.pbx, "sqlite")
	h.ears = func(url string) speech.Recognizer {
		asr, err := funasr.New(funasr.Config{URL: url})
		if err != nil {
			t.Fatal(err)
		}
		ear.Recognizer = asr
		return ear
	}
	h.start()
	var lags []time.Duration
	for from := 0; from < calls; from += together {
		tasks := map[string]string{}
		for i := from; i < from+together; i++ {
			user := fmt.Sprintf("stop%d", i)
			tasks[user] = h.ring(user, "e2e_001")
		}
		for user, task := range tasks {
			c := r.call(h, user)
			a := h.attempt(task, 1, 60*time.Second)
			if a.Disposition != "opted_out" || a.Disclosure != nil {
				a.show(t)
				t.Errorf("%s: %s, disclosure %v", user, a.Disposition, a.Disclosure)
				continue
			}
			if told := ear.when(mark(marks[user])); !told.IsZero() {
				lags = append(lags, silentAfter(c.Heard(), told))
			}
		}
	}
	slices.Sort(lags)
	if len(lags) < calls*9/10 {
		t.Fatalf("%d of %d calls could be measured", len(lags), calls)
	}
	at := func(p int) time.Duration { return lags[min(len(lags)-1, len(lags)*p/100)].Round(time.Millisecond) }
	t.Logf("%d stop words, from the result that carries them to the last sample of our voice at the telephone: p50 %v, p95 %v, longest %v (aim: p95 300ms)", len(lags), at(50), at(95), at(100))
}

// silentAfter is how long after a moment our last sample was heard before a
// silence of at least 60 ms; the tone alphabet itself has none.
func silentAfter(heard sipphone.Timeline, from time.Time) time.Duration {
	const rate, quiet = 8000, 8000 * 60 / 1000
	rest := heard.Slice(from, heard.Start.Add(heard.Duration())).Samples
	last, run := 0, 0
	for i, v := range rest {
		if v > 100 || v < -100 {
			last, run = i+1, 0
		} else if run++; run >= quiet {
			break
		}
	}
	return time.Duration(last) * time.Second / rate
}
