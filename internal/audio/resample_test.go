package audio

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func sine(hz float64, rate, n int, amplitude float64) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return out
}

func TestResampleKeepsTonesInPlace(t *testing.T) {
	for _, c := range []struct{ from, to int }{
		{8000, 16000}, {16000, 8000}, {22050, 8000}, {22050, 16000}, {8000, 24000}, {24000, 8000}, {48000, 8000}, {44100, 8000}, {8000, 8000},
	} {
		nyquist := float64(min(c.from, c.to)) / 2
		for _, hz := range []float64{120, 440, 1000, 2000, 0.85 * nyquist} {
			out, err := Resample(sine(hz, c.from, c.from, 10000), c.from, c.to)
			if err != nil {
				t.Fatal(err)
			}
			if len(out) != c.to {
				t.Fatalf("%v: one second became %d samples", c, len(out))
			}
			// the same sine, sampled at the new rate, at the same times
			want := sine(hz, c.to, c.to, 10000)
			var errPower, power float64
			for i := c.to / 10; i < c.to*9/10; i++ {
				d := float64(out[i]) - float64(want[i])
				errPower += d * d
				power += float64(want[i]) * float64(want[i])
			}
			if snr := 10 * math.Log10(power/errPower); snr < 36 {
				t.Errorf("%d to %d, %.0f Hz: %.1f dB", c.from, c.to, hz, snr)
			}
		}
	}
}

func TestResampleRemovesWhatWouldFold(t *testing.T) {
	for _, c := range []struct {
		from, to int
		hz       float64
	}{{16000, 8000, 4800}, {16000, 8000, 7000}, {22050, 8000, 5000}, {48000, 8000, 15000}} {
		out, _ := Resample(sine(c.hz, c.from, c.from, 10000), c.from, c.to)
		var power float64
		for _, v := range out[c.to/10 : c.to*9/10] {
			power += float64(v) * float64(v)
		}
		if rms := math.Sqrt(power / float64(c.to*8/10)); rms > 10000/math.Sqrt2*1e-3 {
			t.Errorf("%d to %d: %.0f Hz comes through at RMS %.1f", c.from, c.to, c.hz, rms)
		}
	}
	// upwards: no image of 1 kHz at 7 kHz
	out, _ := Resample(sine(1000, 8000, 8000, 10000), 8000, 16000)
	var re, im float64
	for i, v := range out[1600:14400] {
		re += float64(v) * math.Cos(2*math.Pi*7000*float64(i)/16000)
		im += float64(v) * math.Sin(2*math.Pi*7000*float64(i)/16000)
	}
	if a := 2 * math.Hypot(re, im) / 12800; a > 10 {
		t.Errorf("image at 7 kHz: amplitude %.1f", a)
	}
}

func TestResampleInPieces(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	src := make([]int16, 10007)
	for i := range src {
		src[i] = int16(r.IntN(65536) - 32768) // clips, too
	}
	for _, c := range []struct{ from, to int }{{8000, 16000}, {22050, 8000}, {8000, 11025}} {
		whole, _ := Resample(src, c.from, c.to)
		s, _ := NewResampler(c.from, c.to)
		var got []int16
		for at := 0; at < len(src); {
			n := min(r.IntN(500), len(src)-at)
			before := len(got)
			got = s.Write(got, src[at:at+n])
			at += n
			if n > 2*s.Delay() && len(got) == before {
				t.Fatalf("%v: nothing came of %d samples", c, n)
			}
		}
		if got = s.Flush(got); !slices.Equal(got, whole) {
			t.Errorf("%v: pieces give %d samples, the whole %d, or others", c, len(got), len(whole))
		}
	}
}

func TestResampleLimits(t *testing.T) {
	for _, c := range []struct{ from, to int }{{0, 8000}, {8000, -1}, {8000, 7919}, {1 << 30, 8000}} {
		if _, err := NewResampler(c.from, c.to); !errors.Is(err, ErrRate) {
			t.Errorf("%v: %v", c, err)
		}
	}
	if out, err := Resample(nil, 8000, 16000); err != nil || len(out) != 0 {
		t.Errorf("nothing became %d samples, %v", len(out), err)
	}
	if out, err := Resample([]int16{5}, 16000, 8000); err != nil || len(out) != 1 {
		t.Errorf("one sample became %d, %v", len(out), err)
	}
}

func BenchmarkResample8kTo16k(b *testing.B) {
	src := sine(440, 8000, 160, 8000)
	r, _ := NewResampler(8000, 16000)
	var dst []int16
	n := 0
	for b.Loop() {
		dst = r.Write(dst[:0], src)
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/(float64(n)/50), "µs/audio-second")
}
