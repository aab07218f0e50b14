package callee

import (
	"slices"
	"time"
)

// MaxKeep bounds the samples kept of one call: ten minutes.
const MaxKeep = 600 * Rate

// Record is what a subscriber noticed in one call. All times count from the
// answer, on the subscriber's own 20 ms clock.
type Record struct {
	Elapsed time.Duration
	// Said is what the subscriber said.
	Said []Utterance
	// Spoke are the stretches in which the caller was audible, pauses of less
	// than 200 ms included.
	Spoke []Span
	// FirstAudible is when the caller was first heard, -1 for never.
	FirstAudible time.Duration
	// LastAudible is the end of the last audible frame.
	LastAudible time.Duration
	// Audible is the sum of all audible frames.
	Audible time.Duration
	// Missing is the number of 20 ms periods without any packet (a dead line),
	// LongestGap the longest run of them.
	Missing    int
	LongestGap time.Duration
	// BargeIns are the interruptions, with the caller's reaction.
	BargeIns []BargeIn
	// Digits are the keys that the caller pressed.
	Digits string
	// Heard are all samples, when Keep is set: the index is the time.
	Heard []int16
	Keep  bool
}

// Utterance is one Say step as it happened. End of an utterance that was cut
// off is where it was cut.
type Utterance struct {
	Text       string
	Start, End time.Duration
}

// Span is a stretch of time.
type Span struct{ Start, End time.Duration }

// BargeIn is one interruption: the subscriber began to speak at Onset, the
// caller was last audible until LastAudible (Onset when silent at once).
type BargeIn struct{ Onset, LastAudible time.Duration }

// Clone is a copy that shares nothing.
func (r *Record) Clone() Record {
	c := *r
	c.Said, c.Spoke = slices.Clone(r.Said), slices.Clone(r.Spoke)
	c.BargeIns, c.Heard = slices.Clone(r.BargeIns), slices.Clone(r.Heard)
	return c
}

func (r *Record) hear(now time.Duration, heard []int16, loud bool) {
	if r.Keep && len(r.Heard) < MaxKeep {
		n := len(r.Heard)
		r.Heard = append(r.Heard, make([]int16, FrameSamples)...)
		copy(r.Heard[n:], heard)
	}
	if !loud {
		return
	}
	if r.FirstAudible < 0 {
		r.FirstAudible = now
	}
	r.Audible += frame
	r.LastAudible = now + frame
	if n := len(r.Spoke); n > 0 && now-r.Spoke[n-1].End < pause {
		r.Spoke[n-1].End = now + frame
		return
	}
	if len(r.Spoke) < 10000 {
		r.Spoke = append(r.Spoke, Span{now, now + frame})
	}
}
