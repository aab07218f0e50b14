package turntest

import (
	"math"
	"math/rand/v2"

	"ringmaster/internal/audio"
)

// Add mixes src into dst from sample at on; what falls outside is dropped.
func Add(dst, src []float64, at int) {
	for i, v := range src {
		if j := at + i; j >= 0 && j < len(dst) {
			dst[j] += v
		}
	}
}

// Noise is n samples of stationary noise at dbfs, falling 3 dB per octave as
// rooms and streets do.
func Noise(r *rand.Rand, n int, dbfs float64) []float64 {
	x := make([]float64, n)
	var state [7]float64
	for i := range x {
		var sum float64
		for j := range state {
			if i&(1<<j-1) == 0 {
				state[j] = r.NormFloat64()
			}
			sum += state[j]
		}
		x[i] = sum + r.NormFloat64()
	}
	x = telephone(x)
	return Gain(x, dbfs-RMS(x))
}

// Babble is n samples of several voices talking at once without a pause, at
// dbfs. Each voice repeats its sentences from a random place on.
func Babble(r *rand.Rand, n int, dbfs float64, voices [][]float64) []float64 {
	x := make([]float64, n)
	for _, v := range voices {
		v = Gain(v, -20-Level(v)+2*r.NormFloat64())
		at := -r.IntN(len(v))
		for at < n {
			Add(x, v, at)
			at += len(v) + r.IntN(Rate/4)
		}
	}
	return Gain(x, dbfs-RMS(x))
}

// Music is n samples of a small band at dbfs: chords with vibrato, an arpeggio
// and percussion, changing harmony every second or so.
func Music(r *rand.Rand, n int, dbfs float64) []float64 {
	x := make([]float64, n)
	scales := [][]int{{0, 4, 7}, {5, 9, 12}, {7, 11, 14}, {9, 12, 16}, {2, 5, 9}}
	beat := Rate * 60 / (80 + r.IntN(70))
	root := 48 + r.IntN(12)
	for bar := 0; bar < n; bar += 4 * beat {
		chord := scales[r.IntN(len(scales))]
		for _, p := range chord {
			Add(x, note(r, hertz(root+p), 4*beat, 0.15, 5), bar)
		}
		for step := range 8 {
			p := chord[r.IntN(len(chord))] + 12 + 12*r.IntN(2)
			Add(x, note(r, hertz(root+p), beat/2+beat/4, 0.2, 8), bar+step*beat/2)
		}
		for step := range 4 {
			Add(x, drum(r, step%2 == 1), bar+step*beat)
			Add(x, Gain(drum(r, true), -10), bar+step*beat+beat/2)
		}
	}
	x = telephone(x)
	return Gain(x, dbfs-RMS(x))
}

func hertz(midi int) float64 { return 440 * math.Pow(2, float64(midi-69)/12) }

func note(r *rand.Rand, hz float64, n int, amp, decay float64) []float64 {
	x := make([]float64, n)
	vibrato, depth := 5+r.Float64(), 0.004+0.006*r.Float64()
	var phase [6]float64
	for i := range x {
		t := float64(i) / Rate
		f := hz * (1 + depth*math.Sin(2*math.Pi*vibrato*t))
		env := amp * math.Exp(-decay*t/4) * math.Min(1, t/0.01) * math.Min(1, float64(n-i)/80)
		for h := range phase {
			if fh := f * float64(h+1); fh < 3600 {
				phase[h] += 2 * math.Pi * fh / Rate
				x[i] += env * math.Sin(phase[h]) / float64(h+1)
			}
		}
	}
	return x
}

func drum(r *rand.Rand, snare bool) []float64 {
	x := make([]float64, Rate/8)
	for i := range x {
		t := float64(i) / Rate
		if snare {
			x[i] = 0.5 * r.NormFloat64() * math.Exp(-30*t)
		} else {
			x[i] = 0.9 * math.Sin(2*math.Pi*(150*t-300*t*t)) * math.Exp(-18*t)
		}
	}
	return x
}

// Path is an acoustic echo path: a delay, a return level and a short tail like
// that of a handset or a small room.
type Path struct {
	delay int
	taps  []float64
}

// NewPath makes a path with the direct sound after delay samples, a tail of
// about 30 ms and a total power gain of db (negative).
func NewPath(r *rand.Rand, delay int, db float64) Path {
	taps := make([]float64, Rate*45/1000)
	taps[0] = 1
	var sum float64 = 1
	for range 40 {
		i := 1 + r.IntN(len(taps)-1)
		taps[i] += 0.35 * r.NormFloat64() * math.Exp(-float64(i)/(0.012*Rate))
	}
	for _, t := range taps[1:] {
		sum += t * t
	}
	g := math.Pow(10, db/20) / math.Sqrt(sum)
	for i := range taps {
		taps[i] *= g
	}
	return Path{delay, taps}
}

// Shift makes the path longer by n samples.
func (p *Path) Shift(n int) { p.delay += n }

// Apply is what comes back of x, in a slice of len(x).
func (p Path) Apply(x []float64) []float64 {
	y := make([]float64, len(x))
	for k, t := range p.taps {
		if t == 0 {
			continue
		}
		for i := p.delay + k; i < len(y); i++ {
			y[i] += t * x[i-p.delay-k]
		}
	}
	return y
}

// ToneAlphabet is n samples of the instrument that stands for speech in tests
// of the whole path: two tones between 300 and 3400 Hz that change every 20 to
// 30 ms.
func ToneAlphabet(r *rand.Rand, n int, dbfs float64) []float64 {
	x := make([]float64, n)
	for at := 0; at < n; {
		length := Rate/50 + r.IntN(Rate/100)
		f1, f2 := 300+1200*r.Float64(), 1600+1800*r.Float64()
		for i := at; i < min(n, at+length); i++ {
			t := float64(i) / Rate
			x[i] = math.Sin(2*math.Pi*f1*t) + math.Sin(2*math.Pi*f2*t)
		}
		at += length
	}
	return Gain(x, dbfs-RMS(x))
}

// Tone is n samples of steady sines of equal strength at dbfs.
func Tone(n int, dbfs float64, hz ...float64) []float64 {
	x := make([]float64, n)
	for i := range x {
		for _, f := range hz {
			x[i] += math.Sin(2 * math.Pi * f * float64(i) / Rate)
		}
	}
	return Gain(x, dbfs-RMS(x))
}

// Int16 is x as linear samples, clipped.
func Int16(x []float64) []int16 {
	y := make([]int16, len(x))
	for i, v := range x {
		y[i] = int16(math.Max(-32768, math.Min(32767, math.Round(v*32768))))
	}
	return y
}

// Float is linear samples as a signal.
func Float(x []int16) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v) / 32768
	}
	return y
}

// G711 is x after one trip through A-law.
func G711(x []int16) []int16 {
	wire, err := audio.Encode(nil, x, audio.ALaw)
	if err != nil {
		return nil
	}
	y, err := audio.Decode(make([]int16, 0, len(x)), wire, audio.ALaw)
	if err != nil {
		return nil
	}
	return y
}
