package media

import (
	"slices"
	"testing"
	"time"

	"ringmaster/internal/audio"
)

func TestPlayoutBook(t *testing.T) {
	t0 := time.Unix(1000, 0)
	at := func(ms int) time.Time { return t0.Add(time.Duration(ms) * time.Millisecond) }
	var p playout
	p.send(at(0), 3, false)
	p.send(at(0), 10, true)
	p.send(at(0), 5, false)
	if d := p.depth(at(0)); d != 18 {
		t.Fatalf("depth %d", d)
	}
	if d, h, w := p.depth(at(100)), p.heardBy(at(100)), p.speechWaiting(at(100)); d != 13 || h != 2 || w != 8 {
		t.Fatalf("after 100 ms: depth %d, heard %d, waiting %d", d, h, w)
	}
	// The exchange says that only 4 of 18 have been played: its tick is late.
	p.status(at(100), 18, 0, 14)
	if d, h := p.depth(at(100)), p.heardBy(at(100)); d != 14 || h != 1 || p.heard != 1 {
		t.Fatalf("after status: depth %d, heard %d, known %d", d, h, p.heard)
	}
	// A flush: 6 more were played when the question was handled.
	p.settle(18 - 8)
	p.drop(at(120), 18)
	if p.heard != 7 || p.depth(at(120)) != 0 || p.heardBy(at(500)) != 7 || p.speechUnsettled() {
		t.Fatalf("after flush: %+v", p)
	}
	// A late answer to an older question changes nothing.
	p.status(at(130), 18, 0, 9)
	if p.heard != 7 || p.depth(at(130)) != 0 {
		t.Fatalf("after a late answer: %+v", p)
	}
	p.send(at(140), 2, true)
	p.status(at(200), 20, 1, 0)
	if p.heard != 9 {
		t.Fatalf("heard %d", p.heard)
	}
}

// What is said by clock and by status never exceeds what was sent, and heard
// never falls.
func FuzzPlayout(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var p playout
		now := time.Unix(0, 0)
		last, speech := int64(0), int64(0)
		for _, op := range ops {
			n := int64(op >> 3)
			switch op & 7 {
			case 0, 1:
				p.send(now, n, op&7 == 0)
				if op&7 == 0 {
					speech += n
				}
			case 2:
				now = now.Add(time.Duration(n) * 7 * time.Millisecond)
			case 3:
				p.status(now, p.sent, p.drops, int(n))
			case 4:
				p.status(now, p.sent-n, p.drops-int(n&1), int(n))
			case 5:
				p.settle(p.sent - n)
				p.drop(now, p.sent)
			case 6:
				p.settle(p.settled + n)
			case 7:
				todo := p.plan(now, n, n&1 == 0)
				if todo.speech > n || todo.speech < 0 || todo.silence < 0 || todo.wait <= 0 || todo.wait > (idleHigh-idleLow)*frameTime || (n > 0 && todo.silence > 0) {
					t.Fatalf("%+v for %d queued", todo, n)
				}
			}
			if p.heard < last || p.heard > speech || p.heardBy(now) > speech || p.settled > p.sent || p.depth(now) < 0 {
				t.Fatalf("heard %d (was %d) of %d, settled %d of %d", p.heard, last, speech, p.settled, p.sent)
			}
			last = p.heard
		}
	})
}

func FuzzControl(f *testing.F) {
	for _, s := range []string{
		`{"event":"STATUS","channel_id":"m","queue_length":50,"xon_level":800,"xoff_level":900,"queue_full":false,"bulk_media":false,"media_paused":false}`,
		`{"event":"MEDIA_MARK_PROCESSED","correlation_id":"m1"}`, `{"event":"DTMF_END","digit":"#"}`, `{"event":7,"queue_length":"x"}`, `[[`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseControl(data)
		if err != nil {
			return
		}
		if c.Queue < 0 {
			t.Fatal("a negative queue")
		}
		c.digit()
	})
}

func TestSampleClock(t *testing.T) {
	start := time.Unix(50, 0)
	type step struct {
		ms   int
		want int64 // position in ms
	}
	var steady, late []step
	for i := range 10 {
		steady = append(steady, step{20 + 20*i, int64(20 * i)})
	}
	for i := range 10 {
		late = append(late, step{3020 + 20*i, 3000 + int64(20*i)})
	}
	late[0].want = 0 // it may be the first of a burst
	stall := []step{{20, 0}, {40, 20}}
	for i := range 25 { // half a second in one moment
		stall = append(stall, step{540, 40 + int64(20*i)})
	}
	for name, tc := range map[string][]step{
		"steady":                       steady,
		"nothing for three seconds":    late,
		"jitter is no loss":            {{20, 0}, {55, 20}, {60, 40}, {110, 60}, {112, 80}, {120, 100}},
		"a burst after a stall":        {{20, 0}, {40, 20}, {200, 40}, {200, 60}, {200, 80}, {200, 100}, {200, 120}, {200, 140}, {200, 160}, {200, 180}, {220, 200}},
		"loss of 100 ms is seen later": {{20, 0}, {140, 20}, {160, 40}, {180, 60}, {200, 80}, {220, 100}, {240, 220}, {260, 240}},
		"loss of 300 ms is seen":       {{20, 0}, {340, 20}, {360, 340}, {380, 360}},
		"a burst after a long stall":   append(slices.Clip(stall), step{560, 540}, step{580, 560}),
		"a burst that is not all":      append(slices.Clip(stall[:12]), step{560, 540}, step{580, 560}),
	} {
		c := sampleClock{format: audio.FormatSlin, start: start}
		for i, s := range tc {
			if got := c.place(start.Add(time.Duration(s.ms)*time.Millisecond), 160); got != s.want*8 {
				t.Errorf("%s: frame %d at %d ms is placed at %d ms, want %d", name, i, s.ms, got/8, s.want)
			}
		}
	}
}
