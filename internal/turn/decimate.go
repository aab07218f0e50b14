package turn

// decimator halves the rate of 16 kHz samples with a half-band filter of 23
// taps (stop band below -50 dB from 4.6 kHz).
type decimator struct {
	x   [24]float32
	at  int
	odd bool
}

// halfBand is the non-zero side of the filter: taps 1, 3, 5 ... from the centre.
var halfBand = [6]float32{0.31371, -0.09309, 0.04402, -0.02167, 0.00960, -0.00357}

// take writes samples at half the rate into out and returns how many.
func (d *decimator) take(out, in []int16) (n int) {
	for _, s := range in {
		d.x[d.at] = float32(s)
		d.at = (d.at + 1) % len(d.x)
		d.odd = !d.odd
		if !d.odd {
			out[n] = d.value()
			n++
		}
	}
	return n
}

func (d *decimator) value() int16 {
	tap := func(back int) float32 { return d.x[(d.at-1-back+2*len(d.x))%len(d.x)] }
	const centre = 11
	sum := 0.5 * tap(centre)
	for i, h := range halfBand {
		sum += h * (tap(centre-1-2*i) + tap(centre+1+2*i))
	}
	return int16(max(-32768, min(32767, sum)))
}
