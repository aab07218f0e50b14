package call

import (
	"sync"
	"time"

	"ringmaster/internal/audio"
)

// reference remembers what was written to the leg until it has been played,
// so that the listener can set each 20 ms that came in beside the 20 ms that
// went out: for the echo-aware detector, and for the recording's second track.
type reference struct {
	mu      sync.Mutex
	rate    int
	samples []int16 // written, not yet pulled
	pulled  int64   // samples pulled since the start, without silence
	playing bool
}

func newReference(f audio.Format) *reference { return &reference{rate: f.Rate} }

// wrote appends what has been handed to the leg.
func (r *reference) wrote(samples []int16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = append(r.samples, samples...)
}

// flushed drops what will never be played: everything beyond heard.
func (r *reference) flushed(heard time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	keep := int64(heard)*int64(r.rate)/int64(time.Second) - r.pulled
	keep = max(0, min(keep, int64(len(r.samples))))
	r.samples = r.samples[:keep]
}

// pull fills dst with what went out while the same stretch came in. played is
// how much of all that was written has been played out.
func (r *reference) pull(dst []int16, played time.Duration) (sounding bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	due := int64(played)*int64(r.rate)/int64(time.Second) - r.pulled
	n := min(len(dst), len(r.samples))
	if !r.playing && due <= 0 {
		n = 0 // written, and not yet heard
	}
	// Within a run of speech the two clocks are one: nothing is inserted and
	// nothing skipped, however coarse the report of what was played is, unless
	// it is off by more than a second.
	if due > int64(r.rate) && len(r.samples) > len(dst) {
		skip := min(int(due)-len(dst), len(r.samples)-len(dst))
		r.samples = r.samples[skip:]
		r.pulled += int64(skip)
		n = len(dst)
	}
	copy(dst, r.samples[:n])
	clear(dst[n:])
	r.samples = r.samples[n:]
	r.pulled += int64(n)
	r.playing = len(r.samples) > 0
	if len(r.samples) == 0 {
		r.samples = nil
	}
	return n > 0
}

// rest is what was heard and has not been pulled when the leg ended: the
// customer's side no longer came in beside it.
func (r *reference) rest() []int16 {
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := r.samples[:min(len(r.samples), r.rate)]
	r.samples = nil
	return rest
}
