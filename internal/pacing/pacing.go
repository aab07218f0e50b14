// Package pacing decides how many calls may be started now. It is pure: time
// comes in as an argument.
package pacing

import "time"

// CPS is a token bucket for call set-ups per second. The zero CPS has no
// limit. Copy it to snapshot it; it holds no lock.
type CPS struct {
	Rate   float64 // set-ups per second; 0 = no limit
	Burst  int     // set-ups that may start at once; at least 1
	tokens float64
	last   time.Time
}

// Take asks for up to n set-ups at now and returns how many may start.
func (c *CPS) Take(now time.Time, n int) int {
	if c.Rate <= 0 {
		return n
	}
	c.refill(now)
	got := min(n, int(c.tokens))
	c.tokens -= float64(got)
	return got
}

// Return gives back set-ups that did not take place.
func (c *CPS) Return(n int) {
	if c.Rate > 0 {
		c.tokens = min(c.tokens+float64(n), float64(max(c.Burst, 1)))
	}
}

// Wait is how long until one set-up may start.
func (c *CPS) Wait(now time.Time) time.Duration {
	if c.Rate <= 0 {
		return 0
	}
	c.refill(now)
	if c.tokens >= 1 {
		return 0
	}
	return time.Duration((1 - c.tokens) / c.Rate * float64(time.Second))
}

func (c *CPS) refill(now time.Time) {
	limit := float64(max(c.Burst, 1))
	if c.last.IsZero() {
		c.tokens, c.last = limit, now
		return
	}
	if elapsed := now.Sub(c.last); elapsed > 0 { // a clock that jumps back adds nothing
		c.tokens = min(c.tokens+elapsed.Seconds()*c.Rate, limit)
	}
	c.last = now
}
