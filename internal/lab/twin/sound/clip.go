package sound

import (
	"slices"
	"sync"
)

// Clip is a sound that is being played to a line, or to a bridge.
type Clip struct {
	// Owner is the exchange's own playback.
	Owner any

	mu      sync.Mutex
	samples []int16
	loop    bool
	at      int
	paused  bool

	// A bridge hears one frame in all its members.
	turn    sync.Mutex
	tick    int64 // of current
	current Frame
	spent   bool // the last frame was given
}

// NewClip plays samples once, or again and again.
func NewClip(owner any, samples []int16, loop bool) *Clip {
	return &Clip{Owner: owner, samples: samples, loop: loop}
}

// Len is the number of samples.
func (c *Clip) Len() int { return len(c.samples) }

// At is how many samples have been played.
func (c *Clip) At() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Pause holds the clip, or lets it go on.
func (c *Clip) Pause(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paused = on
}

// Seek moves by so many samples, not beyond the ends.
func (c *Clip) Seek(by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = max(0, min(c.at+by, len(c.samples)))
}

// frame is the next 20 ms; done after the last.
func (c *Clip) frame(dst []int16) (done bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(dst)
	if c.paused {
		return false
	}
	c.at += copy(dst, c.samples[min(c.at, len(c.samples)):])
	if c.at >= len(c.samples) && c.loop {
		c.at = 0
	}
	return c.at >= len(c.samples)
}

// shared is the frame of a clip that a whole bridge hears.
func (c *Clip) shared(tick int64, dst *Frame) {
	c.turn.Lock()
	defer c.turn.Unlock()
	if c.tick != tick {
		c.tick = tick
		c.spent = c.frame(c.current[:])
	}
	*dst = c.current
}

// Given says that a bridge has heard all of it.
func (c *Clip) Given() bool {
	c.turn.Lock()
	defer c.turn.Unlock()
	return c.spent
}

// Play queues a clip behind the others; first says that it sounds at once.
func (l *Line) Play(c *Clip) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plays = append(l.plays, c)
	return len(l.plays) == 1
}

// Interrupt plays a clip inside the one that sounds, which goes on after it.
func (l *Line) Interrupt(c *Clip) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plays = append([]*Clip{c}, l.plays...)
}

// Playing is the clip that sounds now, nil for none.
func (l *Line) Playing() *Clip {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.plays) == 0 {
		return nil
	}
	return l.plays[0]
}

// Unplay takes a clip off the line; next is the one that sounds now because
// of it, nil for none.
func (l *Line) Unplay(c *Clip) (next *Clip) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := len(l.plays) > 0 && l.plays[0] == c
	if i := slices.Index(l.plays, c); i >= 0 {
		l.plays = append(l.plays[:i:i], l.plays[i+1:]...)
	}
	if first && len(l.plays) > 0 {
		return l.plays[0]
	}
	return nil
}

// UnplayAll takes every clip off the line and returns them.
func (l *Line) UnplayAll() []*Clip {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.plays
	l.plays = nil
	return all
}
