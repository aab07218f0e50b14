package callee

import (
	"math"
	"time"
)

// threshold is the mean power above which a frame is audible: an RMS of 260,
// about -42 dBFS; the noise of a G.711 line stays far below it.
const threshold = 260 * 260

// Audible reports whether a frame is loud enough to be heard as speech.
func Audible(samples []int16) bool {
	if len(samples) == 0 {
		return false
	}
	var sum int64
	for _, s := range samples {
		sum += int64(s) * int64(s)
	}
	return sum/int64(len(samples)) > threshold
}

// Tone is a sine of hz with a peak of level, lasting d, at Rate, with 5 ms
// ramps so that it does not click.
func Tone(hz float64, d time.Duration, level int) []int16 {
	out := make([]int16, int(int64(d)*Rate/int64(time.Second)))
	ramp := min(Rate/200, len(out)/2)
	for i := range out {
		gain := 1.0
		if edge := min(i, len(out)-1-i); edge < ramp {
			gain = float64(edge) / float64(ramp)
		}
		out[i] = int16(gain * float64(level) * math.Sin(2*math.Pi*hz*float64(i)/Rate))
	}
	return out
}

// Power is the share of hz in the energy of samples, 0 to 1 (Goertzel's
// algorithm): 1 for a pure tone of hz, 0 for silence.
func Power(samples []int16, hz float64) float64 {
	var s1, s2, total float64
	c := 2 * math.Cos(2*math.Pi*hz/Rate)
	for _, v := range samples {
		s0 := float64(v) + c*s1 - s2
		s2, s1 = s1, s0
		total += float64(v) * float64(v)
	}
	if total == 0 {
		return 0
	}
	p := s1*s1 + s2*s2 - c*s1*s2
	return min(1, 2*p/(total*float64(len(samples))))
}

// Upsample doubles the rate by linear interpolation, appended to dst; last is
// the sample before the first one, and the new last is returned.
func Upsample(dst, src []int16, last int16) ([]int16, int16) {
	for _, v := range src {
		dst = append(dst, int16((int(last)+int(v))/2), v)
		last = v
	}
	return dst, last
}

// Downsample halves the rate, averaging neighbours, appended to dst.
func Downsample(dst, src []int16) []int16 {
	for i := 0; i+1 < len(src); i += 2 {
		dst = append(dst, int16((int(src[i])+int(src[i+1]))/2))
	}
	return dst
}
