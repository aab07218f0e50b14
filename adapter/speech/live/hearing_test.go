package live

import (
	"testing"
	"time"

	"ringmaster/internal/audio"
)

func TestTimeline(t *testing.T) {
	c := timeline{rate: 8000}
	c.set(16000) // begins two seconds into the call
	c.sent = 8000
	c.set(24000) // no gap: no anchor
	c.sent = 16000
	c.set(80000) // three seconds were not sent
	c.sent = 24000
	for ms, want := range map[int64]time.Duration{0: 2 * time.Second, 1500: 3500 * time.Millisecond, 2000: 10 * time.Second, 2500: 10500 * time.Millisecond} {
		if got := c.at(ms); got != want {
			t.Errorf("%d ms lies at %v, want %v", ms, got, want)
		}
	}
	for i := range int64(3 * maxAnchors) {
		c.set(i * 100000)
		c.sent += 160
	}
	if len(c.anchors) > maxAnchors {
		t.Errorf("%d anchors", len(c.anchors))
	}
}

func TestActivity(t *testing.T) {
	a := activity{rate: 8000, floor: -60}
	var pos int64
	hear := func(level int16, d time.Duration) {
		for end := pos + a.samples(d); pos < end; pos += 160 {
			s := make([]int16, 160)
			for i := range s {
				s[i] = level * int16(1-2*(i&1))
			}
			a.hear(audio.Frame{Pos: pos, Samples: s})
		}
	}
	hear(20, time.Second)
	hear(4000, time.Second)
	hear(20, 200*time.Millisecond) // joined
	hear(4000, time.Second)
	hear(20, time.Second)
	hear(4000, time.Second)
	s, ok := a.utterance()
	if !ok || s.from != 8000 || s.to != 25600 || len(a.spans) != 2 {
		t.Errorf("%+v of %+v", s, a.spans)
	}
	a.close(25600)
	if s, _ := a.utterance(); s.from != 33600 || a.owed() != time.Second {
		t.Errorf("%+v, owed %v", s, a.owed())
	}
	a = activity{rate: 8000, floor: -60}
	hear(300, 60*time.Second) // a hum becomes the floor
	if owed := a.owed(); owed > 10*time.Second {
		t.Errorf("a hum of one minute is owed an answer for %v", owed)
	}
}
