package call

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// soundings are the stretches of a track that are not silent, in samples;
// pauses shorter than 150 ms belong to them.
func soundings(track []int16, rate int) [][2]int {
	var out [][2]int
	for i, v := range track {
		if v < 100 && v > -100 {
			continue
		}
		if n := len(out); n > 0 && i-out[n-1][1] < rate*150/1000 {
			out[n-1][1] = i + 1
		} else {
			out = append(out, [2]int{i, i + 1})
		}
	}
	return out
}

// silencesOf are the silences between the customer's sound and ours that a
// plain reading of the two tracks finds.
func silencesOf(them, us []int16, rate int) []time.Duration {
	var out []time.Duration
	theirs, ours := soundings(them, rate), soundings(us, rate)
	for i, t := range theirs {
		for _, o := range ours {
			if o[0] < t[1] || i+1 < len(theirs) && o[0] >= theirs[i+1][0] {
				continue
			}
			out = append(out, time.Duration(o[0]-t[1])*time.Second/time.Duration(rate))
			break
		}
	}
	return out
}

// The silence before each turn of ours, read from the recording's two tracks by
// other means, is what the call accounted for span by span, within 20 ms; with
// a recognizer, a mind and a voice that take their time, and with none that do.
func TestRow_M16_TheSilenceOfTheRecordingIsTheSumOfItsSpans(t *testing.T) {
	for name, c := range map[string]struct{ mind, voice time.Duration }{
		"at once": {}, "a slow mind": {mind: 330 * time.Millisecond}, "a slow voice": {voice: 270 * time.Millisecond}, "a mind so slow that a filler is said": {mind: 1300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, "talks", callee.Script{Ring: time.Second, Steps: []callee.Step{
					listen(), say("方便，你说"), listen(), pause(137 * time.Millisecond), say("好的可以"), listen(), say("食品"), listen(), say("没有了"), listen(), pause(20 * time.Second), {Hangup: true}}})
				l.deps.Understander = echoNLU{delay: c.mind}
				l.synth.FirstAudio = c.voice
				var mu sync.Mutex
				var told []Silence
				l.deps.Silence = func(s Silence) {
					mu.Lock()
					defer mu.Unlock()
					told = append(told, s)
				}
				o := l.run(t)
				mu.Lock()
				defer mu.Unlock()
				want := silencesOf(l.tape.them, l.tape.us, l.plan.Format.Rate)
				if len(told) != 4 || len(want) != len(told) {
					show(t, o)
					t.Fatalf("%d silences were accounted for, the recording has %d: want 4", len(told), len(want))
				}
				for i, s := range told {
					t.Logf("recording %v: %v, unexplained %v", want[i].Round(time.Millisecond), s.Spans(), s.Unexplained())
					if off := (s.Total - s.Unexplained() - want[i]).Abs(); off > 20*time.Millisecond {
						t.Errorf("turn %d: the spans add up to %v, the recording has %v", i, s.Total-s.Unexplained(), want[i])
					}
					if s.Unexplained().Abs() > 20*time.Millisecond {
						t.Errorf("turn %d: %v of %v are not explained", i, s.Unexplained(), s.Total)
					}
					if c.mind > 0 && s.Understanding < min(c.mind, DefaultLimits().Filler)-20*time.Millisecond {
						t.Errorf("turn %d: a mind that takes %v shows as %v", i, c.mind, s.Understanding)
					}
					if c.voice > 0 && s.Synthesis < c.voice-20*time.Millisecond {
						t.Errorf("turn %d: a voice that takes %v shows as %v", i, c.voice, s.Synthesis)
					}
				}
			})
		})
	}
}
