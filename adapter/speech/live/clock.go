package live

import (
	"math"
	"time"

	"ringmaster/internal/audio"
)

// timeline maps what was sent to the server (counted in samples at the leg's
// rate) to the leg's clock.
type timeline struct {
	rate    int
	sent    int64
	anchors []anchor
}

type anchor struct{ sent, pos int64 }

const maxAnchors = 1024

// set says that the next sample sent lies at pos.
func (t *timeline) set(pos int64) {
	if n := len(t.anchors); n > 0 && t.anchors[n-1].pos+t.sent-t.anchors[n-1].sent == pos {
		return
	}
	if len(t.anchors) == maxAnchors {
		t.anchors = append(t.anchors[:0], t.anchors[maxAnchors/2:]...)
	}
	t.anchors = append(t.anchors, anchor{t.sent, pos})
}

// next is the leg position of the next sample sent.
func (t *timeline) next() int64 { return t.pos(t.sent) }

func (t *timeline) pos(sent int64) int64 {
	for i := len(t.anchors) - 1; i >= 0; i-- {
		if a := t.anchors[i]; sent >= a.sent || i == 0 {
			return a.pos + sent - a.sent
		}
	}
	return sent
}

// at is the time on the leg's clock of ms milliseconds of the server's stream.
func (t *timeline) at(ms int64) time.Duration {
	return t.duration(t.pos(ms * int64(t.rate) / 1000))
}

func (t *timeline) duration(pos int64) time.Duration {
	return time.Duration(pos) * time.Second / time.Duration(t.rate)
}

// activity notes where sound was that may be speech: louder than -45 dBFS and
// 10 dB above a floor that follows quiet at once and rises 3 dB a second. It
// only tells whether an answer is owed and where an utterance began.
type activity struct {
	rate  int
	floor float64 // dBFS
	spans []span
}

type span struct{ from, to int64 }

const (
	loudEnough = -45.0
	aboveFloor = 10.0
	floorRise  = 3.0 // dB a second
	joinGap    = 300 * time.Millisecond
	breakGap   = 600 * time.Millisecond
	maxSpans   = 64
)

func (a *activity) hear(f audio.Frame) {
	if len(f.Samples) == 0 {
		return
	}
	var sum float64
	for _, s := range f.Samples {
		sum += float64(s) * float64(s)
	}
	level := 10*math.Log10(sum/float64(len(f.Samples))+1) - 90.3
	a.floor = min(a.floor+floorRise*float64(len(f.Samples))/float64(a.rate), max(level, -80))
	if level < loudEnough || level < a.floor+aboveFloor {
		return
	}
	end := f.Pos + int64(len(f.Samples))
	if n := len(a.spans); n > 0 && f.Pos-a.spans[n-1].to < a.samples(joinGap) {
		a.spans[n-1].to = max(end, a.spans[n-1].to)
		return
	}
	if len(a.spans) == maxSpans {
		a.spans = append(a.spans[:0], a.spans[1:]...)
	}
	a.spans = append(a.spans, span{f.Pos, end})
}

func (a *activity) samples(d time.Duration) int64 {
	return int64(d) * int64(a.rate) / int64(time.Second)
}

// utterance is the first run of sound that no final has closed yet.
func (a *activity) utterance() (s span, ok bool) {
	if len(a.spans) == 0 {
		return span{}, false
	}
	s = a.spans[0]
	for _, next := range a.spans[1:] {
		if next.from-s.to >= a.samples(breakGap) {
			break
		}
		s.to = next.to
	}
	return s, true
}

// close forgets what a final that ended at pos has answered: sound that began
// before pos, unless it went on for long after.
func (a *activity) close(pos int64) {
	keep := a.spans[:0]
	for _, s := range a.spans {
		if s.from < pos && s.to <= pos+a.samples(breakGap) {
			continue
		}
		s.from = max(s.from, pos)
		keep = append(keep, s)
	}
	a.spans = keep
}

// owed is how much sound waits for an answer.
func (a *activity) owed() time.Duration {
	var n int64
	for _, s := range a.spans {
		n += s.to - s.from
	}
	return time.Duration(n) * time.Second / time.Duration(a.rate)
}
