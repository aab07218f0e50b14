package level

import (
	"math"
	"time"
)

// Levels in dB relative to full scale of 16-bit samples.
const (
	Target    = -19.0 // of active speech
	PeakLimit = -1.0
	Silence   = -50.0 // samples below are not sound
	maxGain   = 20.0
)

// Amplitude is the sample value of a level in dB.
func Amplitude(dB float64) float64 { return 32768 * math.Pow(10, dB/20) }

// Trim cuts the silence at both ends down to what is kept. Audio without any
// sound becomes nothing.
func Trim(samples []int16, rate int, keep time.Duration) []int16 {
	threshold := int16(Amplitude(Silence))
	loud := func(s int16) bool { return s > threshold || s < -threshold }
	first, last := -1, -1
	for i, s := range samples {
		if loud(s) {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return nil
	}
	kept := int(keep * time.Duration(rate) / time.Second)
	return samples[max(first-kept, 0):min(last+1+kept, len(samples))]
}

// Active is the level of speech without its pauses, in dB: blocks of 20
// ms, gated first at -50 dB and then 10 dB below the mean of the rest (the two
// gates of ITU-R BS.1770, without its weighting; close to the active speech
// level of ITU-T P.56). False when there is only silence.
func Active(samples []int16, rate int) (float64, bool) {
	block := rate / 50
	var powers []float64
	for i := 0; i < len(samples); i += block {
		var sum float64
		part := samples[i:min(i+block, len(samples))]
		for _, s := range part {
			sum += float64(s) * float64(s)
		}
		powers = append(powers, sum/float64(len(part)))
	}
	gate := math.Pow(Amplitude(Silence), 2)
	for range 2 {
		mean, n := 0.0, 0
		for _, p := range powers {
			if p > gate {
				mean += p
				n++
			}
		}
		if n == 0 {
			return 0, false
		}
		gate = max(gate, mean/float64(n)/10)
	}
	mean, n := 0.0, 0
	for _, p := range powers {
		if p >= gate {
			mean += p
			n++
		}
	}
	if n == 0 {
		return 0, false
	}
	return 10*math.Log10(mean/float64(n)) - 20*math.Log10(32768), true
}

// Apply brings speech to the target and keeps its peaks below the limit. The
// samples are changed in place.
func Apply(samples []int16, rate int) []int16 {
	gain, ok := gainFor(samples, rate)
	if !ok {
		return samples
	}
	limit := limiter(samples, gain, rate)
	for i, s := range samples {
		samples[i] = int16(math.Round(float64(s) * gain * limit[i]))
	}
	return samples
}

// gainFor is the factor that brings speech to the target; false when there is
// only silence.
func gainFor(samples []int16, rate int) (float64, bool) {
	now, ok := Active(samples, rate)
	return math.Pow(10, min(Target-now, maxGain)/20), ok
}

// limiter is the factor by which each sample must be turned down: at every peak
// as much as it needs, reached within 5 ms before and left within 50 ms after.
func limiter(samples []int16, gain float64, rate int) []float64 {
	ceiling := Amplitude(PeakLimit)
	factors := make([]float64, len(samples))
	for i, s := range samples {
		factors[i] = 1
		if v := math.Abs(float64(s)) * gain; v > ceiling {
			factors[i] = ceiling / v
		}
	}
	attack, release := 1/(0.005*float64(rate)), 1/(0.050*float64(rate))
	for i := len(factors) - 2; i >= 0; i-- {
		factors[i] = min(factors[i], factors[i+1]+attack)
	}
	for i := 1; i < len(factors); i++ {
		factors[i] = min(factors[i], factors[i-1]+release)
	}
	return factors
}
