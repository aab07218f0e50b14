package espeak

import "math"

// Levels in dB relative to full scale of 16-bit samples.
const (
	targetLevel  = -19.0 // of active speech
	peakLimit    = -1.0
	maxGain      = 20.0
	silenceLevel = -50.0
	keptSilence  = 0.040 // seconds at each end
)

func amplitude(dB float64) float64 { return 32768 * math.Pow(10, dB/20) }

// trim cuts the silence at both ends down to 40 ms. Audio without any sound
// becomes nothing.
func trim(samples []int16, rate int) []int16 {
	threshold := int16(amplitude(silenceLevel))
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
	kept := int(keptSilence * float64(rate))
	return samples[max(first-kept, 0):min(last+1+kept, len(samples))]
}

// activeLevel is the level of speech without its pauses, in dB: blocks of 20
// ms, gated first at -50 dB and then 10 dB below the mean of the rest (the two
// gates of ITU-R BS.1770, without its weighting; close to the active speech
// level of ITU-T P.56). False when there is only silence.
func activeLevel(samples []int16, rate int) (float64, bool) {
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
	gate := math.Pow(amplitude(silenceLevel), 2)
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

// level brings speech to the target and keeps its peaks below the limit. The
// samples are changed in place.
func level(samples []int16, rate int) []int16 {
	now, ok := activeLevel(samples, rate)
	if !ok {
		return samples
	}
	gain := math.Pow(10, min(targetLevel-now, maxGain)/20)
	limit := limiter(samples, gain, rate)
	for i, s := range samples {
		samples[i] = int16(math.Round(float64(s) * gain * limit[i]))
	}
	return samples
}

// limiter is the factor by which each sample must be turned down: at every peak
// as much as it needs, reached within 5 ms before and left within 50 ms after.
func limiter(samples []int16, gain float64, rate int) []float64 {
	ceiling := amplitude(peakLimit)
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
