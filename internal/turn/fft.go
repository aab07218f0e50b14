package turn

import (
	"math"

	"ringmaster/internal/turn/lanes"
)

// The analysis: a 32 ms Hann window every 10 ms at 8 kHz. 31.25 Hz a bin is
// fine enough for the harmonics of a voice and 10 ms fine enough for an onset.
const (
	rate    = 8000 // all analysis is at 8 kHz
	hop     = 80   // samples between analyses
	fftSize = lanes.Size
	binLo   = 7   // 219 Hz: below it telephones carry hum
	binHi   = 110 // 3437 Hz, exclusive
	bins    = binHi - binLo
	bands   = lanes.Levels
)

// spectrum is the telephone band of one window. Powers are scaled so that
// their sum is the signal's mean square (full scale = 1). Beyond bins it is 0.
type spectrum = lanes.Spectrum

// tables never change after start-up; every detector reads the same ones.
type tables struct {
	window  [fftSize]float32
	place   [bins]uint8        // where bin binLo+k lies in a transformed block
	mirror  [bins]uint8        // and the bin of the same frequency below zero
	lagAt   [fftSize / 2]uint8 // where a lag lies
	edge    [bands + 1]uint8   // first bin of each band, relative to binLo
	lagGain [fftSize / 2]float32
	log2    [257]float32 // log2 of 1..2 in steps of 1/256
}

var shared = newTables()

func newTables() *tables {
	t := new(tables)
	var energy float64
	for i := range fftSize {
		w := 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/fftSize)
		t.window[i] = float32(w)
		energy += w * w
	}
	// Parseval: half of the bins of a real signal hold half of N * sum(x*x*w*w).
	scale := float32(1 / math.Sqrt(fftSize/2*energy))
	for i := range t.window {
		t.window[i] *= scale
	}
	for k := range bins {
		t.place[k], t.mirror[k] = uint8(lanes.Place(binLo+k)), uint8(lanes.Place(fftSize-binLo-k))
	}
	at := 0
	for b, w := range [bands]int{3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 8, 9, 11, 12, 14} {
		t.edge[b] = uint8(at)
		at += w
	}
	t.edge[bands] = uint8(at)
	// A window's own autocorrelation, so that a long pitch period is not
	// mistaken for a weak one (Boersma 1993).
	for lag := range t.lagGain {
		t.lagAt[lag] = uint8(lanes.Place(lag))
		var r float64
		for i := 0; i+lag < fftSize; i++ {
			r += float64(t.window[i]) * float64(t.window[i+lag])
		}
		for i := fftSize - lag; i < fftSize; i++ { // circular part
			r += float64(t.window[i]) * float64(t.window[i+lag-fftSize])
		}
		t.lagGain[lag] = float32(1 / r)
	}
	g0 := t.lagGain[0]
	for lag := range t.lagGain {
		t.lagGain[lag] /= g0
	}
	for i := range t.log2 {
		t.log2[i] = float32(math.Log2(1 + float64(i)/256))
	}
	return t
}

// split takes the transform of a + jb (both real) apart into the telephone
// bands of a and b.
func (t *tables) split(x *lanes.Block, a, b *spectrum) {
	for k := range bins {
		p, n := t.place[k], t.mirror[k]
		pr, pi, nr, ni := x.Re[p], x.Im[p], x.Re[n], x.Im[n]
		a.Re[k], a.Im[k] = 0.5*(pr+nr), 0.5*(pi-ni)
		b.Re[k], b.Im[k] = 0.5*(pi+ni), 0.5*(nr-pr)
	}
}

// pick takes the telephone band from the transform of one real signal.
func (t *tables) pick(x *lanes.Block, a *spectrum) {
	for k := range bins {
		p := t.place[k]
		a.Re[k], a.Im[k] = x.Re[p], x.Im[p]
	}
}

// powers sums |x|^2 over each band.
func (t *tables) powers(x *spectrum, out *[bands]float32) {
	var p lanes.Values
	lanes.Power(x, &p)
	for b := range bands {
		var sum float32
		for _, v := range p[t.edge[b]:t.edge[b+1]] {
			sum += v
		}
		out[b] = sum
	}
}

// log2 is the binary logarithm of a positive float32 to about 0.003.
func (t *tables) lg(v float32) float32 {
	b := math.Float32bits(v)
	return float32(int(b>>23)-127) + t.log2[b>>15&255]
}

// exp2 is 2 to the power of v to about 1e-4, for v from -100 to 100.
func exp2(v float32) float32 {
	n := int32(v + 1024) // whole part, rounded down
	f := v + 1024 - float32(n)
	// A polynomial that is exact at 0 and 1, after the series of exp(f*ln 2).
	p := 1 + f*(0.6951387+f*(0.2276306+f*0.0772307))
	return math.Float32frombits(uint32(n-1024+127)<<23) * p
}

// decibels of a power ratio.
func (t *tables) db(v float32) float32 { return 3.0103 * t.lg(v) }
