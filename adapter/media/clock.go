package media

import (
	"time"

	"ringmaster/internal/audio"
)

// A lag is loss only when it stays: after a stall, of the network, of the
// exchange or of ours, the frames come in a burst and the lag is gone. Taken
// for loss, it would put all later sound behind its time for the rest of the
// call. A lag of at least sureGap is loss as soon as a second frame is as far
// behind, a shorter one when it lasts for catchUp.
const (
	sureGap    = 200 * time.Millisecond
	catchUp    = 100 * time.Millisecond
	toleration = 40 * time.Millisecond
)

// sampleClock places received frames on the leg's sample clock: sample 0 is
// the beginning of the media leg, and what never came takes its time too.
// Asterisk passes on what it gets, when it gets it, so loss is seen only as
// missing time. Pure.
type sampleClock struct {
	format audio.Format
	start  time.Time
	next   int64     // position after the last frame
	behind time.Time // since when frames have been late; zero if they are not
	least  int64     // smallest lag since then, in samples
}

// place returns the position of a frame of so many samples that came at now.
func (c *sampleClock) place(now time.Time, samples int) int64 {
	// How far the frame is behind the clock.
	lag := c.format.Samples(now.Sub(c.start)) - c.next - int64(samples)
	switch {
	case lag < c.format.Samples(toleration):
		c.behind = time.Time{}
	case c.behind.IsZero():
		c.behind, c.least = now, lag
	case lag >= c.format.Samples(sureGap) && lag > c.least-int64(samples)/2:
		c.skip(lag)
	default:
		if c.least = min(c.least, lag); now.Sub(c.behind) >= catchUp {
			c.skip(c.least)
		}
	}
	pos := c.next
	c.next += int64(samples)
	return pos
}

// skip counts whole frames as lost.
func (c *sampleClock) skip(lag int64) {
	n := int64(c.format.FrameSamples())
	c.next += lag / n * n
	c.behind = time.Time{}
}
