package turn

import "math"

// The analysis: a 32 ms Hann window every 10 ms at 8 kHz. 31.25 Hz a bin is
// fine enough for the harmonics of a voice and 10 ms fine enough for an onset.
const (
	rate    = 8000 // all analysis is at 8 kHz
	hop     = 80   // samples between analyses
	fftSize = 256
	binLo   = 7   // 219 Hz: below it telephones carry hum
	binHi   = 110 // 3437 Hz, exclusive
	bins    = binHi - binLo
	bands   = 16
)

// spectrum is the telephone band of one window. Powers are scaled so that
// their sum is the signal's mean square (full scale = 1).
type spectrum [bins]complex64

// tables never change after start-up; every detector reads the same ones.
type tables struct {
	cos, sin [fftSize]float32
	window   [fftSize]float32
	place    [fftSize]uint8   // where bin k lies in a transformed block
	edge     [bands + 1]uint8 // first bin of each band, relative to binLo
	lagGain  [fftSize / 2]float32
	log2     [257]float32 // log2 of 1..2 in steps of 1/256
}

var shared = newTables()

func newTables() *tables {
	t := new(tables)
	var energy float64
	for i := range fftSize {
		s, c := math.Sincos(-2 * math.Pi * float64(i) / fftSize)
		t.cos[i], t.sin[i] = float32(c), float32(s)
		w := 0.5 - 0.5*math.Cos(2*math.Pi*(float64(i)+0.5)/fftSize)
		t.window[i] = float32(w)
		energy += w * w
		r := 0
		for d, v := 0, i; d < 4; d, v = d+1, v/4 {
			r = r*4 + v%4
		}
		t.place[i] = uint8(r)
	}
	// Parseval: half of the bins of a real signal hold half of N * sum(x*x*w*w).
	scale := float32(1 / math.Sqrt(fftSize/2*energy))
	for i := range t.window {
		t.window[i] *= scale
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

// transform is an in-place radix-4 FFT, decimation in frequency; bin k ends up
// at place[k].
func (t *tables) transform(re, im *[fftSize]float32) {
	for size := fftSize; size >= 4; size /= 4 {
		q, step := size/4, fftSize/size
		for j := range q {
			c1, s1 := t.cos[j*step], t.sin[j*step]
			c2, s2 := t.cos[2*j*step], t.sin[2*j*step]
			c3, s3 := t.cos[(3*j*step)&(fftSize-1)], t.sin[(3*j*step)&(fftSize-1)]
			for i := j; i < fftSize; i += size {
				i0, i1, i2, i3 := uint8(i), uint8(i+q), uint8(i+2*q), uint8(i+3*q)
				ar, ai, br, bi := re[i0], im[i0], re[i1], im[i1]
				cr, ci, dr, di := re[i2], im[i2], re[i3], im[i3]
				t0r, t0i, t1r, t1i := ar+cr, ai+ci, ar-cr, ai-ci
				t2r, t2i, t3r, t3i := br+dr, bi+di, bi-di, dr-br
				re[i0], im[i0] = t0r+t2r, t0i+t2i
				yr, yi := t1r+t3r, t1i+t3i
				re[i1], im[i1] = yr*c1-yi*s1, yr*s1+yi*c1
				yr, yi = t0r-t2r, t0i-t2i
				re[i2], im[i2] = yr*c2-yi*s2, yr*s2+yi*c2
				yr, yi = t1r-t3r, t1i-t3i
				re[i3], im[i3] = yr*c3-yi*s3, yr*s3+yi*c3
			}
		}
	}
}

// split takes the transform of a + jb (both real) apart into the telephone
// bands of a and b.
func (t *tables) split(re, im *[fftSize]float32, a, b *spectrum) {
	for k := range bins {
		p, n := t.place[k+binLo], t.place[fftSize-k-binLo]
		pr, pi, nr, ni := re[p], im[p], re[n], im[n]
		a[k] = complex(0.5*(pr+nr), 0.5*(pi-ni))
		b[k] = complex(0.5*(pi+ni), 0.5*(nr-pr))
	}
}

// powers sums |x|^2 over each band.
func (t *tables) powers(x *spectrum, out *[bands]float32) {
	for b := range bands {
		var sum float32
		for _, v := range x[t.edge[b]:t.edge[b+1]] {
			sum += real(v)*real(v) + imag(v)*imag(v)
		}
		out[b] = sum
	}
}

// log2 is the binary logarithm of a positive float32 to about 0.003.
func (t *tables) lg(v float32) float32 {
	b := math.Float32bits(v)
	return float32(int(b>>23)-127) + t.log2[b>>15&255]
}

// decibels of a power ratio.
func (t *tables) db(v float32) float32 { return 3.0103 * t.lg(v) }
