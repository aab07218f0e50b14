package label

import (
	"math"
	"time"
)

// The cue: dot, dash; dot, dot, in units as Morse code is timed (ITU-R M.1677-1:
// a dash is three dots, the gap within a letter one, between letters three).
// GB 45438-2025 asks for the rhythm short-long short-short and leaves the
// lengths open.
const (
	CueUnit = 100 * time.Millisecond
	cueHz   = 800
	cuePeak = 6000 // about -15 dBFS
)

// cueRhythm is on, off, on, ... in units.
var cueRhythm = [...]int{1, 1, 3, 3, 1, 1, 1}

// Cue is the rhythm cue at a sample rate: 1.1 s, and half a unit of silence on
// either side.
func Cue(rate int) []int16 {
	unit := int(CueUnit) * rate / int(time.Second)
	out := make([]int16, unit/2, 12*unit+unit)
	for i, n := range cueRhythm {
		if i%2 == 1 {
			out = append(out, make([]int16, n*unit)...)
			continue
		}
		out = append(out, beep(rate, n*unit)...)
	}
	return append(out, make([]int16, unit/2)...)
}

// beep is a tone with edges of 5 ms, so that it does not click.
func beep(rate, n int) []int16 {
	edge := rate / 200
	out := make([]int16, n)
	for i := range out {
		v := cuePeak * math.Sin(2*math.Pi*cueHz*float64(i)/float64(rate))
		if d := min(i, n-1-i); d < edge {
			v *= 0.5 - 0.5*math.Cos(math.Pi*float64(d)/float64(edge))
		}
		out[i] = int16(math.Round(v))
	}
	return out
}

// FindCue looks for the rhythm cue and returns where it begins. It goes by the
// rhythm: units of 50 to 250 ms, each beep and gap within a third of its length.
func FindCue(samples []int16, rate int) (at time.Duration, ok bool) {
	if rate < 8000 {
		return 0, false
	}
	const step = 5 * time.Millisecond
	on := toneFrames(samples, rate, int(step)*rate/int(time.Second))
	type stretch struct {
		on      bool
		from, n int
	}
	var runs []stretch
	for i, v := range on {
		if n := len(runs); n > 0 && runs[n-1].on == v {
			runs[n-1].n++
			continue
		}
		runs = append(runs, stretch{v, i, 1})
	}
	for i := range runs {
		if !runs[i].on || i+len(cueRhythm) > len(runs) {
			continue
		}
		total := 0
		for k := range cueRhythm {
			total += runs[i+k].n
		}
		unit := float64(total) / 11
		if d := time.Duration(unit * float64(step)); d < 50*time.Millisecond || d > 250*time.Millisecond {
			continue
		}
		fits := (i == 0 || float64(runs[i-1].n) >= 0.4*unit) && (i+len(cueRhythm) == len(runs) || float64(runs[i+len(cueRhythm)].n) >= 0.4*unit)
		for k, want := range cueRhythm {
			fits = fits && math.Abs(float64(runs[i+k].n)-float64(want)*unit) <= max(unit/3, 2)*math.Sqrt(float64(want))
		}
		if fits {
			return time.Duration(runs[i].from) * step, true
		}
	}
	return 0, false
}

// toneFrames says of each step whether it is the cue's tone: most of the power
// of 15 ms is at its frequency, and it is no echo of a louder one within 0.6 s.
// Single frames that differ from both neighbours are taken for theirs.
func toneFrames(samples []int16, rate, step int) []bool {
	window := 3 * step
	coeff := 2 * math.Cos(2*math.Pi*cueHz/float64(rate))
	n := len(samples) / step
	out, level := make([]bool, n), make([]float64, n)
	for i := range n {
		from := max(0, i*step-step)
		part := samples[from:min(len(samples), from+window)]
		var s1, s2, power float64
		for _, v := range part {
			x := float64(v)
			power += x * x
			s1, s2 = x+coeff*s1-s2, s1
		}
		goertzel := (s1*s1 + s2*s2 - coeff*s1*s2) * 2 / float64(len(part))
		if power > 100*100*float64(len(part))/2 && goertzel > 0.6*power {
			level[i] = goertzel
		}
	}
	const around = 120 // steps of 5 ms
	for i := range n {
		loudest := 0.0
		for j := max(0, i-around); j < min(n, i+around); j++ {
			loudest = max(loudest, level[j])
		}
		out[i] = level[i] > 0 && level[i] > 0.15*loudest
	}
	for i := 1; i+1 < n; i++ {
		if out[i-1] == out[i+1] {
			out[i] = out[i-1]
		}
	}
	return out
}
