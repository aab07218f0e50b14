package label

import (
	"errors"
	"fmt"
	"math"
	"math/cmplx"
	"time"
)

// The fingerprint: energies of bands in dB every 20 ms, after the channel's
// passband and relative to the loudest moment, so that gain and the quantizing
// of G.711 do not matter.
const (
	printHop   = 20 * time.Millisecond
	printRate  = 8000 // every sound is brought to it first
	printWin   = 256
	printBands = 16
	printLow   = 300.0
	printHigh  = 3300.0
	printFloor = 35.0 // dB below the loudest that still count
	// printSilence is the power, in the units of features, below which a sound is none.
	printSilence = 60.0
	piece        = 25 // frames compared at a time: half a second
	pieceSlack   = 5  // frames that a piece may be early or late
	pieceScore   = 0.7
	minFrames    = 25
)

// ErrPrint is a notice too short to be told from others.
var ErrPrint = errors.New("label: a notice of less than half a second has no fingerprint")

type frame [printBands]float32

// Print is the fingerprint of a notice.
type Print struct{ frames []frame }

// NewPrint makes the fingerprint of the samples of a notice.
func NewPrint(samples []int16, rate int) (Print, error) {
	f := features(samples, rate)
	for len(f) > 0 && quiet(f[0]) {
		f = f[1:]
	}
	for len(f) > 0 && quiet(f[len(f)-1]) {
		f = f[:len(f)-1]
	}
	if len(f) < minFrames {
		return Print{}, fmt.Errorf("%w (%d ms)", ErrPrint, len(f)*20)
	}
	return Print{frames: f}, nil
}

// Duration is how long the notice is, without silence around it.
func (p Print) Duration() time.Duration { return time.Duration(len(p.frames)) * printHop }

// Match is how much of a notice was found.
type Match struct {
	At    time.Duration // where it begins
	Score float64       // 0 to 1: how alike
	// Heard is the share of its pieces that were found in their place; Cut says
	// that its end was not.
	Heard float64
	Cut   bool
}

// Proven reports that the whole notice was found. The thresholds and their
// error rates are measured by TestRow_M13.
func (m Match) Proven() bool { return m.Score >= 0.72 && m.Heard >= 0.85 && !m.Cut }

// Find looks for the notice in a recording.
func (p Print) Find(samples []int16, rate int) Match {
	rec := features(samples, rate)
	n := len(p.frames)
	if n == 0 || len(rec) < minFrames {
		return Match{Cut: true}
	}
	pad := make([]frame, n) // a notice that is cut off lies partly outside
	for i := range pad {
		for b := range pad[i] {
			pad[i][b] = -printFloor
		}
	}
	rec = append(append(pad[:pieceSlack:pieceSlack], rec...), pad...)
	best, at := -1.0, 0
	for i := 0; i+n <= len(rec); i++ {
		if s := alike(p.frames, rec[i:i+n], 4); s > best {
			best, at = s, i
		}
	}
	m := Match{At: max(0, time.Duration(at-pieceSlack)*printHop)}
	total, found, last := 0, 0, false
	sum := 0.0
	for i := 0; i < n; i += piece {
		part := p.frames[i:min(i+piece, n)]
		if len(part) < piece/2 || silent(part) {
			continue
		}
		s := -1.0
		for d := -pieceSlack; d <= pieceSlack; d++ {
			if j := at + i + d; j >= 0 && j+len(part) <= len(rec) {
				s = max(s, alike(part, rec[j:j+len(part)], 1))
			}
		}
		total++
		sum += max(0, s)
		last = s >= pieceScore
		if last {
			found++
		}
	}
	if total > 0 {
		m.Score, m.Heard, m.Cut = sum/float64(total), float64(found)/float64(total), !last
	}
	if !m.Proven() {
		if apart := p.findApart(rec, at); apart.Proven() {
			return apart
		}
	}
	return m
}

// pauseFrames is the longest pause in a notice that was stopped and went on.
const pauseFrames = 250

// apartScore is asked of every piece when pauses may lie between them.
const apartScore = 0.8

// findApart looks for a notice that was stopped and went on, from a phrase
// boundary: its pieces in order, with pauses or repeats between them.
func (p Print) findApart(rec []frame, at int) Match {
	total, found, last, pos, sum := 0, 0, false, max(0, at-pauseFrames), 0.0
	m := Match{At: time.Duration(pos) * printHop}
	for i := 0; i < len(p.frames); i += piece {
		part := p.frames[i:min(i+piece, len(p.frames))]
		if len(part) < piece/2 || silent(part) {
			pos += len(part)
			continue
		}
		best, where := -1.0, pos
		for j := max(0, pos-pieceSlack); j <= pos+pauseFrames && j+len(part) <= len(rec); j++ {
			s := alike(part, rec[j:j+len(part)], 1)
			if s > best {
				best, where = s, j
			}
			if j == pos+pieceSlack && best >= apartScore && found > 0 { // it goes straight on
				break
			}
		}
		total++
		sum += max(0, best)
		if last = best >= apartScore; last {
			if found == 0 {
				m.At = max(0, time.Duration(where-pieceSlack)*printHop)
			}
			found++
			pos = where
		}
		pos += len(part)
	}
	if total < 4 {
		return Match{Cut: true} // too few pieces to trust their order alone
	}
	m.Score, m.Heard, m.Cut = sum/float64(total), float64(found)/float64(total), !last
	return m
}

// alike is the correlation of two stretches over all bands, every step-th
// frame, each band around its own mean.
func alike(a, b []frame, step int) float64 {
	var sa, sb, saa, sbb, sab frame
	n := float32(0)
	for i := 0; i < len(a); i += step {
		fa, fb := &a[i], &b[i]
		for k := range fa {
			x, y := fa[k]+printFloor/2, fb[k]+printFloor/2 // about zero: sums of squares stay small
			sa[k] += x
			sb[k] += y
			saa[k] += x * x
			sbb[k] += y * y
			sab[k] += x * y
		}
		n++
	}
	var num, da, db float32
	for k := range sa {
		num += sab[k] - sa[k]*sb[k]/n
		da += saa[k] - sa[k]*sa[k]/n
		db += sbb[k] - sb[k]*sb[k]/n
	}
	if da <= 1 || db <= 1 {
		return 0
	}
	return float64(num) / math.Sqrt(float64(da)*float64(db))
}

func quiet(f frame) bool {
	for _, v := range f {
		if v > -printFloor+3 {
			return false
		}
	}
	return true
}

// silent reports a piece that is mostly a pause.
func silent(fs []frame) bool {
	n := 0
	for _, f := range fs {
		if quiet(f) {
			n++
		}
	}
	return n > len(fs)*2/3
}

// features are the band energies of samples.
func features(samples []int16, rate int) []frame {
	x := atPrintRate(samples, rate)
	hop := printRate / 50
	n := (len(x) - printWin) / hop
	if n <= 0 {
		return nil
	}
	window := make([]float64, printWin)
	for i := range window {
		window[i] = 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/printWin)
	}
	edges := bandEdges()
	out := make([]frame, n)
	buf := make([]complex128, printWin)
	loudest := printSilence
	for i := range out {
		for j := range buf {
			buf[j] = complex(x[i*hop+j]*window[j], 0)
		}
		fft(buf)
		for b := range printBands {
			e := 1.0
			for k := edges[b]; k < edges[b+1]; k++ {
				e += real(buf[k])*real(buf[k]) + imag(buf[k])*imag(buf[k])
			}
			db := 10 * math.Log10(e/float64(edges[b+1]-edges[b]))
			out[i][b] = float32(db)
			loudest = max(loudest, db)
		}
	}
	for i := range out {
		for b := range out[i] {
			out[i][b] = float32(max(-printFloor, float64(out[i][b])-loudest))
		}
	}
	return out
}

// bandEdges are FFT bins, evenly spaced on the mel scale.
func bandEdges() [printBands + 1]int {
	mel := func(hz float64) float64 { return 2595 * math.Log10(1+hz/700) }
	hz := func(m float64) float64 { return 700 * (math.Pow(10, m/2595) - 1) }
	var out [printBands + 1]int
	low, high := mel(printLow), mel(printHigh)
	for i := range out {
		f := hz(low + (high-low)*float64(i)/printBands)
		out[i] = int(math.Round(f * printWin / printRate))
		if i > 0 {
			out[i] = max(out[i], out[i-1]+1)
		}
	}
	return out
}

// atPrintRate brings samples to 8 kHz by linear interpolation over a short
// average, which is enough for band energies.
func atPrintRate(samples []int16, rate int) []float64 {
	if rate <= 0 {
		return nil
	}
	n := int(int64(len(samples)) * printRate / int64(rate))
	out := make([]float64, n)
	ratio := float64(rate) / printRate
	width := max(1, int(math.Round(ratio)))
	for i := range out {
		if rate == printRate {
			out[i] = float64(samples[i])
			continue
		}
		from := int(float64(i) * ratio)
		sum, count := 0.0, 0
		for j := from; j < min(len(samples), from+width); j++ {
			sum, count = sum+float64(samples[j]), count+1
		}
		if count > 0 {
			out[i] = sum / float64(count)
		}
	}
	return out
}

// fft is the radix-2 transform in place; len(x) is a power of two.
func fft(x []complex128) {
	n := len(x)
	for i, j := 1, 0; i < n; i++ {
		bit := n >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		if j ^= bit; i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for size := 2; size <= n; size <<= 1 {
		w := cmplx.Rect(1, -2*math.Pi/float64(size))
		for i := 0; i < n; i += size {
			f := complex(1, 0)
			for j := i; j < i+size/2; j++ {
				a, b := x[j], x[j+size/2]*f
				x[j], x[j+size/2] = a+b, a-b
				f *= w
			}
		}
	}
}
