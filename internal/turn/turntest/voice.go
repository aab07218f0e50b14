package turntest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strconv"
)

// Rate is the sample rate of every signal of this package, in samples per
// second.
const Rate = 8000

// Voice is one espeak-ng voice: a language (cmn, yue, en), a variant such as
// f3 or m2 (empty for the language's own), speed in words per minute and pitch
// from 0 to 99.
type Voice struct {
	Lang, Variant string
	Speed, Pitch  int
}

// String is the voice as espeak-ng names it.
func (v Voice) String() string {
	name := v.Lang
	if v.Variant != "" {
		name += "+" + v.Variant
	}
	return fmt.Sprintf("%s -s %d -p %d", name, v.Speed, v.Pitch)
}

// Speak lets the espeak-ng program at path say text and returns the sound,
// band-limited to telephony and trimmed of silence at both ends.
func Speak(ctx context.Context, path string, v Voice, text string) ([]float64, error) {
	name := v.Lang
	if v.Variant != "" {
		name += "+" + v.Variant
	}
	cmd := exec.CommandContext(ctx, path, "-v", name, "-s", strconv.Itoa(v.Speed), "-p", strconv.Itoa(v.Pitch), "--stdout", "--", text)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	wav, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("espeak-ng %s: %w: %s", v, err, errs.String())
	}
	x, rate, err := parseWAV(wav)
	if err != nil {
		return nil, fmt.Errorf("espeak-ng %s: %w", v, err)
	}
	return Trim(telephone(resample(x, rate, Rate))), nil
}

// parseWAV reads the streamed WAV that espeak-ng writes: 16-bit mono with a
// data length that may be unknown.
func parseWAV(b []byte) ([]float64, int, error) {
	at := bytes.Index(b, []byte("data"))
	if len(b) < 44 || string(b[:4]) != "RIFF" || at < 0 || len(b) < at+8 {
		return nil, 0, errors.New("not a WAV stream")
	}
	rate := int(binary.LittleEndian.Uint32(b[24:]))
	b = b[at+8:]
	x := make([]float64, len(b)/2)
	for i := range x {
		x[i] = float64(int16(binary.LittleEndian.Uint16(b[2*i:]))) / 32768
	}
	return x, rate, nil
}

// resample changes the rate by windowed-sinc interpolation (Hann, 16 zero
// crossings each side), which is far below the noise of G.711. The kernel
// repeats after to/gcd outputs and is computed once for each of those phases.
func resample(x []float64, from, to int) []float64 {
	if from == to || from <= 0 {
		return x
	}
	g := gcd(from, to)
	phases, step := to/g, from/g
	ratio := float64(from) / float64(to)
	cut := math.Min(1, 1/ratio)
	reach := int(16/cut) + 1
	half := float64(reach)
	kernel := make([][]float64, phases)
	for p := range kernel {
		kernel[p] = make([]float64, 2*reach)
		frac := float64(p*step%phases) / float64(phases)
		for k := range kernel[p] {
			d := float64(k-reach+1) - frac
			kernel[p][k] = cut * sinc(d*cut) * (0.5 + 0.5*math.Cos(math.Pi*math.Max(-1, math.Min(1, d/half))))
		}
	}
	y := make([]float64, len(x)*to/from)
	for i := range y {
		at := i*step/phases - reach + 1
		var sum float64
		for k, w := range kernel[i%phases] {
			if j := at + k; j >= 0 && j < len(x) {
				sum += x[j] * w
			}
		}
		y[i] = sum
	}
	return y
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// telephone removes what a telephone does not carry below 250 Hz (two
// second-order high-pass sections; the upper edge is the resampler's).
func telephone(x []float64) []float64 {
	for range 2 {
		x = highPass(x, 250)
	}
	return x
}

func highPass(x []float64, hz float64) []float64 {
	w := 2 * math.Pi * hz / Rate
	alpha := math.Sin(w) / math.Sqrt2
	c := math.Cos(w)
	a0 := 1 + alpha
	b0, b1 := (1+c)/2/a0, -(1+c)/a0
	a1, a2 := -2*c/a0, (1-alpha)/a0
	y := make([]float64, len(x))
	var x1, x2, y1, y2 float64
	for i, v := range x {
		o := b0*v + b1*x1 + b0*x2 - a1*y1 - a2*y2
		x2, x1, y2, y1 = x1, v, y1, o
		y[i] = o
	}
	return y
}

// Trim cuts everything before the first and after the last 10 ms that comes
// within 35 dB of the loudest 10 ms.
func Trim(x []float64) []float64 {
	first, last := edges(x, 35)
	return x[first:last]
}

// Edges are the first and the past-the-end sample of what is heard as speech:
// the first and last 10 ms whose level is within 15.9 dB of the active level,
// the margin by which ITU-T P.56 tells speech from its pauses.
func Edges(x []float64) (first, last int) {
	level := Level(x)
	first, last = -1, 0
	for i := 0; i+80 <= len(x); i += 80 {
		if RMS(x[i:i+80]) > level-15.9 {
			if first < 0 {
				first = i
			}
			last = i + 80
		}
	}
	return max(first, 0), last
}

func edges(x []float64, within float64) (first, last int) {
	peak := math.Inf(-1)
	for i := 0; i+80 <= len(x); i += 80 {
		peak = math.Max(peak, RMS(x[i:i+80]))
	}
	first, last = -1, 0
	for i := 0; i+80 <= len(x); i += 80 {
		if RMS(x[i:i+80]) > peak-within {
			if first < 0 {
				first = i
			}
			last = i + 80
		}
	}
	return max(first, 0), last
}

// RMS is the level of x in dBFS (full-scale square = 0).
func RMS(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	return 10 * math.Log10(sum/float64(max(len(x), 1))+1e-12)
}

// Level is the active speech level in dBFS: the mean power of the 20 ms pieces
// that come within 15.9 dB of that mean (P.56 method B, iterated).
func Level(x []float64) float64 {
	level := RMS(x)
	for range 8 {
		var sum, n float64
		for i := 0; i+160 <= len(x); i += 160 {
			if p := RMS(x[i : i+160]); p > level-15.9 {
				sum += math.Pow(10, p/10)
				n++
			}
		}
		if n == 0 {
			return level
		}
		level = 10 * math.Log10(sum/n+1e-12)
	}
	return level
}

// AtLevel is x scaled to an active level of dbfs.
func AtLevel(x []float64, dbfs float64) []float64 { return Gain(x, dbfs-Level(x)) }

// Gain is x amplified by db.
func Gain(x []float64, db float64) []float64 {
	g := math.Pow(10, db/20)
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v * g
	}
	return y
}
