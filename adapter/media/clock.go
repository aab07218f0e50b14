package media

import (
	"time"

	"ringmaster/internal/audio"
)

// A gap at least this long is loss at once; a shorter one only when the frames
// after it do not catch up (a network's burst after a stall does).
const (
	sureGap    = 200 * time.Millisecond
	catchUp    = 5 // frames
	toleration = 40 * time.Millisecond
)

// sampleClock places received frames on the leg's sample clock: sample 0 is
// the beginning of the media leg, and what never came takes its time too.
// Asterisk passes on what it gets, when it gets it, so loss is seen only as
// missing time. Pure.
type sampleClock struct {
	format audio.Format
	start  time.Time
	next   int64 // position after the last frame
	lags   [catchUp]int64
	n      int
}

// place returns the position of a frame of so many samples that came at now.
func (c *sampleClock) place(now time.Time, samples int) int64 {
	ended := c.format.Samples(now.Sub(c.start))
	lag := ended - c.next - int64(samples) // how far the frame is behind the clock
	if lag >= c.format.Samples(sureGap) {
		c.skip(lag)
	} else {
		c.lags[c.n%catchUp] = lag
		c.n++
		if least := c.least(); c.n >= catchUp && least >= c.format.Samples(toleration) {
			c.skip(least)
		}
	}
	pos := c.next
	c.next += int64(samples)
	return pos
}

func (c *sampleClock) least() int64 {
	m := c.lags[0]
	for _, l := range c.lags[1:] {
		m = min(m, l)
	}
	return m
}

// skip counts whole frames as lost.
func (c *sampleClock) skip(lag int64) {
	n := int64(c.format.FrameSamples())
	c.next += lag / n * n
	c.n = 0
}
