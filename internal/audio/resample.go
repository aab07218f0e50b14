package audio

import (
	"errors"
	"fmt"
	"math"
)

// The filter of a Resampler: a Kaiser-windowed sinc. With 20 zero crossings each
// side and beta 8 the stop band lies 80 dB down and the pass band is flat to 0.1
// dB up to 0.85 of the lower Nyquist frequency, 3.4 kHz at 8 kHz (Kaiser 1974;
// Smith, "Digital Audio Resampling").
const (
	crossings  = 20
	kaiserBeta = 8.0
	rollOff    = 0.945 // cut-off as a share of the lower Nyquist frequency
	maxPhases  = 640
)

// ErrRate is wrapped by errors about rates that cannot be converted.
var ErrRate = errors.New("audio: this change of sample rate is not offered")

// Resampler changes the rate of a stream of samples by a rational factor. The
// output is aligned with the input: output sample n stands for the time n/to
// seconds, whatever the length of the filter. It is not safe for concurrent use.
type Resampler struct {
	up, down int         // to/from in lowest terms
	half     int         // input samples that the filter reaches to each side
	phase    [][]float32 // coefficients by phase, oldest sample first

	history []float32 // input from position base on
	base    int64
	in      int64 // samples written
	out     int64 // samples produced
}

// NewResampler changes from one rate to another, both in Hz, 4000 to 192000.
// Equal rates copy. ErrRate when the ratio needs too long a table.
func NewResampler(from, to int) (*Resampler, error) {
	if from < 4000 || to < 4000 || from > 192000 || to > 192000 {
		return nil, fmt.Errorf("%w: %d to %d Hz: rates must lie between 4000 and 192000", ErrRate, from, to)
	}
	g := gcd(from, to)
	r := &Resampler{up: to / g, down: from / g}
	if r.up > maxPhases {
		return nil, fmt.Errorf("%w: %d to %d Hz needs %d filter phases, %d are the limit", ErrRate, from, to, r.up, maxPhases)
	}
	if from == to {
		return r, nil
	}
	cut := rollOff * math.Min(1, float64(to)/float64(from)) // of the input's Nyquist
	reach := crossings / cut
	r.half = int(math.Ceil(reach))
	r.phase = make([][]float32, r.up)
	for p := range r.phase {
		r.phase[p] = filterPhase(float64(p)/float64(r.up), cut, reach, r.half)
	}
	r.history = make([]float32, r.half-1) // silence before the first sample
	r.base = -int64(r.half - 1)
	return r, nil
}

// filterPhase is the filter for an output that lies fraction of a sample after
// an input sample: it covers the half-1 samples before that one to half after.
func filterPhase(fraction, cut, reach float64, half int) []float32 {
	taps := make([]float32, 2*half)
	c := make([]float64, 2*half)
	var sum float64
	for i := range c {
		x := float64(i-(half-1)) - fraction
		if math.Abs(x) >= reach {
			continue
		}
		s := cut
		if x != 0 {
			s = math.Sin(math.Pi*cut*x) / (math.Pi * x)
		}
		c[i] = s * bessel0(kaiserBeta*math.Sqrt(1-x*x/(reach*reach))) / bessel0(kaiserBeta)
		sum += c[i]
	}
	for i := range c { // every phase passes a constant unchanged
		taps[i] = float32(c[i] / sum)
	}
	return taps
}

// bessel0 is the modified Bessel function of the first kind and order zero, by
// its power series.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1; term > 1e-12*sum; k++ {
		term *= x / 2 / float64(k) * x / 2 / float64(k)
		sum += term
	}
	return sum
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// Write resamples src and appends to dst what can be computed so far: the output
// lags the input by Delay samples of input.
func (r *Resampler) Write(dst, src []int16) []int16 {
	r.in += int64(len(src))
	if r.phase == nil {
		r.out += int64(len(src))
		return append(dst, src...)
	}
	for _, s := range src {
		r.history = append(r.history, float32(s))
	}
	return r.drain(dst, r.in)
}

// Flush appends the rest, as if silence followed; the total is then
// ceil(samples written * to / from). The Resampler is of no further use.
func (r *Resampler) Flush(dst []int16) []int16 {
	if r.phase == nil {
		return dst
	}
	r.history = append(r.history, make([]float32, r.half+1)...)
	limit := (r.in*int64(r.up) + int64(r.down) - 1) / int64(r.down)
	dst = r.drain(dst, r.in+int64(r.half)+1)
	if extra := r.out - limit; extra > 0 {
		dst, r.out = dst[:len(dst)-int(extra)], limit
	}
	return dst
}

// Delay is how many input samples must follow one before its output is ready.
func (r *Resampler) Delay() int { return r.half }

func (r *Resampler) drain(dst []int16, known int64) []int16 {
	up, down := int64(r.up), int64(r.down)
	for {
		at := r.out * down / up // input sample at or before the output
		if at+int64(r.half) >= known {
			break
		}
		taps := r.phase[r.out*down%up]
		from := int(at - int64(r.half-1) - r.base)
		var sum float32
		for i, h := range r.history[from : from+len(taps)] {
			sum += h * taps[i]
		}
		dst = append(dst, clip(sum))
		r.out++
	}
	// forget what no later output needs
	if need := int(r.out*down/up - int64(r.half-1) - r.base); need > 4*r.half {
		need = min(need, len(r.history))
		r.history = append(r.history[:0], r.history[need:]...)
		r.base += int64(need)
	}
	return dst
}

func clip(v float32) int16 {
	switch {
	case v >= math.MaxInt16:
		return math.MaxInt16
	case v <= math.MinInt16:
		return math.MinInt16
	case v < 0:
		return int16(v - 0.5)
	}
	return int16(v + 0.5)
}

// Resample changes the rate of a whole recording.
func Resample(samples []int16, from, to int) ([]int16, error) {
	r, err := NewResampler(from, to)
	if err != nil {
		return nil, err
	}
	return r.Flush(r.Write(nil, samples)), nil
}
