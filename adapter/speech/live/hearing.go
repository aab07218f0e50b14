package live

import (
	"time"

	"ringmaster/internal/audio"
)

// maxFill is the longest loss that is filled with silence; a longer gap only
// moves the clock.
const maxFill = time.Second

// Hearing is what a Codec may know of the audio: where on the leg's clock lies
// what was sent, and where sound was in it. All its times are on that clock.
type Hearing struct {
	clock timeline
	sound activity
	ended bool
}

// NewHearing is that of a leg with rate samples a second, of which nothing was
// heard yet.
func NewHearing(rate int) *Hearing {
	return &Hearing{clock: timeline{rate: rate}, sound: activity{rate: rate, floor: -60}}
}

// Hear notes the sound in a frame of the leg.
func (h *Hearing) Hear(f audio.Frame) { h.sound.hear(f) }

// Send puts a frame on the clock as sent and returns what to send: a short gap
// before it is filled with silence.
func (h *Hearing) Send(f audio.Frame) []int16 {
	samples := f.Samples
	if h.clock.sent > 0 {
		gap := f.Pos - h.clock.next()
		if gap > 0 && gap <= h.sound.samples(maxFill) {
			samples = append(make([]int16, gap, int(gap)+len(f.Samples)), f.Samples...)
			f.Pos -= gap
		}
	}
	h.clock.set(f.Pos)
	h.clock.sent += int64(len(samples))
	return samples
}

// Now is the end of what was sent.
func (h *Hearing) Now() time.Duration { return h.clock.duration(h.clock.next()) }

// At is the place of ms milliseconds of the provider's stream.
func (h *Hearing) At(ms int64) time.Duration { return h.clock.at(ms) }

// Sound is the first run of sound that no final has answered yet.
func (h *Hearing) Sound() (from, to time.Duration, ok bool) {
	s, ok := h.sound.utterance()
	return h.clock.duration(s.from), h.clock.duration(s.to), ok
}

// Answered forgets the sound of a final that ended at to.
func (h *Hearing) Answered(to time.Duration) {
	h.sound.close(int64(to * time.Duration(h.clock.rate) / time.Second))
}

// Ended tells whether the end of input was sent.
func (h *Hearing) Ended() bool { return h.ended }
