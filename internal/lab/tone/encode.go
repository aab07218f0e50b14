package tone

import (
	"math"
	"time"
)

const (
	symbolsPerSecond = 50
	toneSpacing      = 93.75 // Hz
	lowestTone       = 312.5 // Hz
	amplitude        = 5193  // of each tone: the sum is -16 dBFS RMS
	rampSeconds      = 0.0025
	syllableHz       = 4 // speech rises and falls about four times a second
	syllableDepth    = 0.2
)

// frequency of a tone in Hz; low tones are 0 to 15, high tones 16 to 31.
func frequency(tone int) float64 { return lowestTone + toneSpacing*float64(tone) }

// Encode speaks text at rate samples a second (8000 or a multiple of it).
// Invalid UTF-8 becomes U+FFFD. The result is 160 ms for every codeword: see
// Duration.
func Encode(text string, rate int) []int16 {
	ws := words(text)
	n := rate / symbolsPerSecond
	out := make([]int16, 0, len(ws)*symbolsPerWord*n)
	for _, w := range ws {
		for place, data := range w {
			out = appendSymbol(out, n, rate, place, data)
		}
	}
	return out
}

// Duration is how long text takes to be spoken.
func Duration(text string) time.Duration {
	return time.Duration(len(words(text))*symbolsPerWord) * time.Second / symbolsPerSecond
}

func appendSymbol(out []int16, n, rate, place int, data uint8) []int16 {
	low, high := tones(place, data)
	wl := 2 * math.Pi * frequency(low) / float64(rate)
	wh := 2 * math.Pi * frequency(high+tonesPerGroup) / float64(rate)
	ramp := rampSeconds * float64(rate)
	for i := range n {
		edge := math.Min(float64(i)+0.5, float64(n-i)-0.5)
		gain := 1.0
		if edge < ramp {
			gain = 0.5 - 0.5*math.Cos(math.Pi*edge/ramp)
		}
		t := float64(len(out)) / float64(rate)
		gain *= 1 - syllableDepth*(0.5-0.5*math.Cos(2*math.Pi*syllableHz*t))
		v := amplitude * gain * (math.Sin(wl*float64(i)) + math.Sin(wh*float64(i)))
		out = append(out, int16(math.Round(v)))
	}
	return out
}
