package turn

import (
	"math"

	"ringmaster/internal/turn/lanes"
)

// maxDelay is the longest echo delay that is looked for, in hops (400 ms: the
// jitter buffer of the far phone, the network both ways and the exchange).
const maxDelay = 40

// delayEstimator finds how long our own voice takes to come back, by
// correlating the changes of band levels of what we play with those of what we
// hear. Level changes survive codecs and rooms that destroy the waveform.
type delayEstimator struct {
	ref              [maxDelay + 1][bands]float32 // level changes of what we played, newest at head
	energy           [maxDelay + 1]float32        // sum of squares of each row
	head             int
	meanRef, meanMic [bands]float32 // slow mean of the log level
	corr             [maxDelay + 1]float32
	norm             [maxDelay + 1]float32
	micNorm          float32
	heard            float32 // hops with our voice in them so far, saturating
	best, steady     int     // current favourite, and for how many hops
}

// observe takes the band powers of one hop and returns the delay in hops, or
// ok = false while there is no clear favourite.
func (d *delayEstimator) observe(t *tables, mic, ref *[bands]float32, playing bool) (delay int, ok bool) {
	d.head = (d.head + maxDelay) % (maxDelay + 1)
	row := &d.ref[d.head]
	d.energy[d.head] = change(t, ref, &d.meanRef, row, playing)
	var now [bands]float32
	power := change(t, mic, &d.meanMic, &now, true)

	var recent float32
	for _, e := range d.energy {
		recent += e
	}
	if recent < 40 { // we have been silent for the whole span
		return d.best, false
	}
	d.heard = min(d.heard+1, 250)
	a := 1 / max(d.heard, 25)
	d.micNorm += a * (power - d.micNorm)
	var sum, energy [maxDelay + 1]float32 // by lag
	newer := maxDelay + 1 - d.head
	lanes.Correlate(d.ref[d.head:], &now, sum[:newer])
	lanes.Correlate(d.ref[:d.head], &now, sum[newer:])
	copy(energy[copy(energy[:], d.energy[d.head:]):], d.energy[:d.head])
	for lag := range d.corr {
		d.corr[lag] += a * (sum[lag] - d.corr[lag])
		d.norm[lag] += a * (energy[lag] - d.norm[lag])
	}
	return d.decide()
}

// change writes how far each band is from its slow mean, in doublings, limited
// to +-3, and returns the sum of squares. A hop without our voice is no change.
func change(t *tables, p, mean, out *[bands]float32, active bool) float32 {
	if !active {
		*out = [bands]float32{}
		return 0
	}
	var sum float32
	for b, v := range p {
		l := t.lg(v + 1e-7)
		if mean[b] == 0 {
			mean[b] = l
		}
		x := max(-3, min(3, l-mean[b]))
		mean[b] += 0.02 * (l - mean[b])
		out[b] = x
		sum += x * x
	}
	return sum
}

// decide looks for a peak that is clear (the more so the less has been heard)
// and that has stayed.
func (d *delayEstimator) decide() (int, bool) {
	var top, second float32
	at := 0
	var rho [maxDelay + 1]float32
	for lag := range rho { // squares; what is not positive is no candidate
		if n := d.norm[lag] * d.micNorm; n > 0.01 && d.corr[lag] > 0 {
			rho[lag] = d.corr[lag] * d.corr[lag] / n
		}
		if rho[lag] > top {
			top, at = rho[lag], lag
		}
	}
	for lag, r := range rho {
		if (lag < at-4 || lag > at+4) && r > second {
			second = r
		}
	}
	top, second = sqrt(top), sqrt(second)
	if at-d.best > 1 || d.best-at > 1 {
		d.best, d.steady = at, 0
	} else {
		d.best = at
		d.steady++
	}
	clear := top > 0.22+6/d.heard && top > 1.35*second
	return at, clear && d.steady >= 12 && d.heard >= 25
}

func sqrt(v float32) float32 { return float32(math.Sqrt(float64(v))) }
