package call

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/pbx"
	"ringmaster/internal/speech/speechtest"
)

// quietMedia plays what is written at its pace.
type quietMedia struct {
	pbx.Media
	mu     sync.Mutex
	frames int
}

func (m *quietMedia) Format() audio.Format { return audio.FormatSlin }
func (m *quietMedia) WriteFrame(audio.Frame) error {
	time.Sleep(20 * time.Millisecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.frames++
	return nil
}
func (m *quietMedia) Drain(context.Context) error { return nil }
func (m *quietMedia) Played() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Duration(m.frames) * 20 * time.Millisecond
}
func (m *quietMedia) Flush() (time.Duration, error) { return m.Played(), nil }

// However a resume meets its stop, the resumed Say comes to an end under its
// own ID.
func TestResumeAlwaysEnds(t *testing.T) {
	for name, drive := range map[string]func(s *speaker){
		"after the stop": func(s *speaker) {
			time.Sleep(300 * time.Millisecond)
			s.stop()
			time.Sleep(time.Second)
		},
		"while it is being stopped": func(s *speaker) {
			time.Sleep(310 * time.Millisecond)
			s.stop()
		},
		"never begun": func(s *speaker) { s.stop() },
		"over":        func(*speaker) { time.Sleep(time.Minute) },
		"in the moment of its end": func(s *speaker) {
			time.Sleep(10 * time.Millisecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				ends := map[int64]LineReport{}
				f := audio.FormatSlin
				s := newSpeaker(&quietMedia{}, &speechtest.Tones{}, newReference(f), func() int64 { return 0 }, func(k Kind, r LineReport) {
					mu.Lock()
					defer mu.Unlock()
					if k == InLineEnded {
						ends[r.Say] = r
					}
				})
				lines := []dialogue.Line{{ID: "a", Text: "您好", Language: "cmn"}, {ID: "b", Text: "再见", Language: "cmn"}}
				s.say(Say{ID: 1, Lines: lines})
				drive(s)
				s.resume(ResumeSaying{ID: 2, Stopped: 1, Lines: lines})
				time.Sleep(time.Minute)
				s.close()
				if r := ends[2]; !r.Complete || !r.Last {
					t.Errorf("the resumed Say never ended: %+v", ends)
				}
			})
		})
	}
}
