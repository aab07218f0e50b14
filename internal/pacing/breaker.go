package pacing

import "time"

// How many set-ups a way out is judged by, and what happens to a bad one.
const (
	judged   = 20              // the last so many set-ups
	enough   = 10              // fewer say nothing
	memory   = 5 * time.Minute // older ones say nothing
	spoilt   = 0.7             // share of failures that rests the way
	rest     = 30 * time.Second
	longRest = 10 * time.Minute
	// A trial whose end nobody told is over after this long.
	longTrial = 3 * time.Minute
)

// Breaker rests a way out on which most set-ups fail because of the way itself
// (congestion, a carrier that is down), so that contacts do not burn their
// tries on it. After a rest one set-up at a time is tried; the first that gets
// through ends the rest, one that fails doubles it (30 s to 10 min). The
// circuit breaker of Nygard, Release It!, 2007. The zero Breaker works.
type Breaker struct {
	ends   [judged]end
	next   int
	until  time.Time     // resting, or trying after it; zero = in use
	pause  time.Duration // the present rest
	trying time.Time     // since when a trial runs; zero = none
}

type end struct {
	at     time.Time
	failed bool
}

// Result of a set-up.
type Result int

// Results. Nothing is said by a call that was withdrawn or is uncertain.
const (
	SaysNothing Result = iota
	GotThrough         // the far end answered, refused, was busy or did not pick up
	WayFailed          // the far end was never reached, because of the way
)

// Allows reports that a set-up may take the way now.
func (b *Breaker) Allows(now time.Time) bool {
	if b.until.IsZero() {
		return true
	}
	return !now.Before(b.until) && (b.trying.IsZero() || now.Sub(b.trying) > longTrial)
}

// Took says that a set-up takes the way.
func (b *Breaker) Took(now time.Time) {
	if !b.until.IsZero() {
		b.trying = now
	}
}

// Ended says how a set-up went.
func (b *Breaker) Ended(now time.Time, r Result) {
	if !b.until.IsZero() {
		b.tried(now, r)
		return
	}
	if r == SaysNothing {
		return
	}
	b.ends[b.next] = end{now, r == WayFailed}
	b.next = (b.next + 1) % judged
	seen, failed := 0, 0
	for _, e := range b.ends {
		if e.at.IsZero() || now.Sub(e.at) > memory {
			continue
		}
		seen++
		if e.failed {
			failed++
		}
	}
	if r == WayFailed && seen >= enough && float64(failed) >= spoilt*float64(seen) {
		b.pause = rest
		b.until, b.trying = now.Add(b.pause), time.Time{}
	}
}

// tried: a set-up ended while the way rests or is tried. Those that were under
// way when the rest began end here too; only success among them counts.
func (b *Breaker) tried(now time.Time, r Result) {
	switch {
	case r == GotThrough:
		*b = Breaker{}
	case b.trying.IsZero(): // began before the rest
	case r == WayFailed:
		b.pause = min(2*b.pause, longRest)
		b.until, b.trying = now.Add(b.pause), time.Time{}
	default:
		b.trying = time.Time{}
	}
}

// Resting is until when the way rests; zero when it is in use.
func (b *Breaker) Resting() time.Time { return b.until }
