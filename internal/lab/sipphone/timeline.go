package sipphone

import (
	"math"
	"time"
)

// rate of every telephone in this package: G.711.
const rate = 8000

// frameSamples is one packet of 20 ms.
const frameSamples = rate / 50

// audible is the level from which a sample counts as sound: -46 dBFS, above
// comfort noise and G.711's idle codes, below any speech.
const audible = 164

// Timeline is sound with the time of its first sample. Samples are 8 kHz
// linear; where nothing arrived there is silence.
type Timeline struct {
	Start   time.Time
	Samples []int16
}

// Duration is the length of the timeline.
func (t Timeline) Duration() time.Duration { return toDuration(len(t.Samples)) }

// Slice is the part between two moments, clipped to what there is.
func (t Timeline) Slice(from, to time.Time) Timeline {
	a := min(max(toSamples(from.Sub(t.Start)), 0), len(t.Samples))
	b := min(max(toSamples(to.Sub(t.Start)), a), len(t.Samples))
	return Timeline{Start: t.Start.Add(toDuration(a)), Samples: t.Samples[a:b]}
}

// Span is a stretch of sound: from the first audible sample to the last.
type Span struct{ Start, End time.Time }

// Duration is the length of the span.
func (s Span) Duration() time.Duration { return s.End.Sub(s.Start) }

// Packet is one RTP packet as the wire saw it.
type Packet struct {
	At        time.Time
	Seq       uint16
	Timestamp uint32
	Marker    bool
	Payload   uint8 // payload type
	Audible   bool
}

// Digit is one key that was pressed at the other end (RFC 4733).
type Digit struct {
	Key      byte // 0-9 * # A-D
	At       time.Time
	Duration time.Duration
	Ended    bool // an end packet arrived
}

func toSamples(d time.Duration) int  { return int(int64(d) * rate / int64(time.Second)) }
func toDuration(n int) time.Duration { return time.Duration(n) * time.Second / rate }

// loudness tells whether a frame sounds, and where its first and last audible
// samples are. A single click is not sound: the whole frame must reach a
// quarter of the audible amplitude.
func loudness(samples []int16) (first, last int, ok bool) {
	first, last = -1, -1
	var sum float64
	for i, s := range samples {
		if s >= audible || s <= -audible {
			if first < 0 {
				first = i
			}
			last = i
		}
		sum += float64(s) * float64(s)
	}
	if first < 0 || math.Sqrt(sum/float64(len(samples))) < audible/4 {
		return 0, 0, false
	}
	return first, last, true
}

// heard places incoming packets on a timeline by their RTP timestamps, anchored
// at the arrival of the first; a new source or a leap that the clock on the
// wall does not confirm anchors anew. It also keeps the stretches of sound.
type heard struct {
	limit   int // samples kept; 0 keeps none
	line    Timeline
	started bool

	ssrc       uint32
	anchorTS   uint32
	anchorPos  int
	lastAt     time.Time
	end        int // position after the last sample placed
	firstSeq   uint32
	highestSeq uint32 // extended
	seen       map[uint32]struct{}
	lostBefore int

	received, late, duplicate int
	fromSource                int // received from the current source
	spans                     []Span
	audibleSince              time.Duration // sound since the last mark
	firstSinceMark            time.Time
	mark                      time.Time
}

// spanGap is the silence that parts two spans.
const spanGap = 300 * time.Millisecond

const (
	leapAfterPause = 100 * time.Millisecond
	leapInStream   = 2 * time.Second
	streamPause    = 200 * time.Millisecond
	seenWindow     = 512
	maxDropout     = 3000 // RFC 3550 A.1
)

// arrive counts one packet of any payload (RFC 3550 A.1); false for a
// duplicate.
func (h *heard) arrive(ssrc uint32, seq uint16, ts uint32, at time.Time) bool {
	delta := int32(int16(seq - uint16(h.highestSeq)))
	if !h.started || ssrc != h.ssrc || delta > maxDropout || delta < -maxDropout {
		h.newSource(ssrc, seq, ts, at)
		delta = 0
	}
	ext := uint32(int64(h.highestSeq) + int64(delta))
	if _, dup := h.seen[ext]; dup {
		h.duplicate++
		return false
	}
	switch {
	case delta > 0:
		h.highestSeq = ext
	case delta < 0:
		h.late++
		h.firstSeq = min(h.firstSeq, ext)
	}
	h.seen[ext] = struct{}{}
	delete(h.seen, ext-seenWindow)
	h.received++
	h.fromSource++
	return true
}

func (h *heard) newSource(ssrc uint32, seq uint16, ts uint32, at time.Time) {
	h.lostBefore = h.lost()
	if !h.started {
		h.started = true
		h.line.Start = at
	}
	h.ssrc, h.anchorTS, h.lastAt = ssrc, ts, at
	h.anchorPos = max(toSamples(at.Sub(h.line.Start)), h.end)
	h.firstSeq = 1<<16 | uint32(seq)
	h.highestSeq = h.firstSeq
	h.fromSource = 0
	h.seen = make(map[uint32]struct{})
}

// lost is the packets that never came, over all sources.
func (h *heard) lost() int {
	if h.fromSource == 0 {
		return h.lostBefore
	}
	return h.lostBefore + max(int(h.highestSeq-h.firstSeq)+1-h.fromSource, 0)
}

// place puts the sound of one packet and says whether it was audible. After a
// pause a packet with the marker begins a new talkspurt (RFC 3551, 4.1): a
// sender that did not count the pause is put right by the clock on the wall.
// Without the marker it is late, and belongs where its timestamp says.
func (h *heard) place(ts uint32, marker bool, samples []int16, at time.Time) bool {
	pos := h.anchorPos + int(int32(ts-h.anchorTS))
	wall := toSamples(at.Sub(h.line.Start))
	tolerance := leapInStream
	if marker && at.Sub(h.lastAt) > streamPause {
		tolerance = leapAfterPause
	}
	if diff := pos - wall; diff > toSamples(tolerance) || -diff > toSamples(tolerance) {
		pos = max(wall, h.end)
		h.anchorPos, h.anchorTS = pos, ts
	}
	h.lastAt = at
	h.store(pos, samples)
	return h.listen(samples, at)
}

func (h *heard) store(pos int, samples []int16) {
	h.end = max(h.end, pos+len(samples))
	if pos < 0 || pos+len(samples) > h.limit {
		return
	}
	if need := pos + len(samples); need > len(h.line.Samples) {
		h.line.Samples = append(h.line.Samples, make([]int16, need-len(h.line.Samples))...)
	}
	copy(h.line.Samples[pos:], samples)
}

// listen keeps the spans of sound. The samples of a packet are heard from its
// arrival on.
func (h *heard) listen(samples []int16, at time.Time) bool {
	first, last, ok := loudness(samples)
	if !ok {
		return false
	}
	start, end := at.Add(toDuration(first)), at.Add(toDuration(last+1))
	if n := len(h.spans); n > 0 && start.Sub(h.spans[n-1].End) < spanGap {
		if end.After(h.spans[n-1].End) {
			h.spans[n-1].End = end
		}
	} else {
		h.spans = append(h.spans, Span{start, end})
	}
	if h.firstSinceMark.IsZero() {
		h.firstSinceMark = start
	}
	h.audibleSince += toDuration(len(samples))
	return true
}

// setMark starts a new wait: only sound after it counts.
func (h *heard) setMark(now time.Time) {
	h.mark, h.firstSinceMark, h.audibleSince = now, time.Time{}, 0
}

// lastAudible is the end of the last sound, zero if there was none.
func (h *heard) lastAudible() time.Time {
	if len(h.spans) == 0 {
		return time.Time{}
	}
	return h.spans[len(h.spans)-1].End
}
