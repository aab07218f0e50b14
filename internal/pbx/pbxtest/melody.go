package pbxtest

import (
	"fmt"
	"slices"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

// frameSamples is 20 ms at callee.Rate.
const frameSamples = callee.FrameSamples

// share is how much of the audible frames is a tone of hz, 0 to 1.
func share(samples []int16, hz float64) float64 {
	sum, n := 0.0, 0
	for at := 0; at+frameSamples <= len(samples); at += frameSamples {
		if f := samples[at : at+frameSamples]; callee.Audible(f) {
			sum += callee.Power(f, hz)
			n++
		}
	}
	if n == 0 {
		return 0
	}
	return sum / float64(n)
}

// melody is a text of tones, 120 ms each, whose order shows loss, repetition
// and disorder.
func melody() (notes []float64, samples []int16) {
	for _, hz := range []float64{600, 1500, 900, 2100, 1200, 750, 1800, 1050} {
		notes = append(notes, hz)
		samples = append(samples, callee.Tone(hz, 120*ms, 9000)...)
	}
	return notes, samples
}

// sings checks that samples hold the melody once, whole and in order; slack is
// how many 20 ms frames may be missing or too many.
func sings(samples []int16, slack int) error {
	notes, whole := melody()
	var got []float64
	frames := 0
	for at := 0; at+frameSamples/2 <= len(samples); at += frameSamples / 2 {
		f := samples[at:min(at+frameSamples, len(samples))]
		if !callee.Audible(f) {
			continue
		}
		frames++
		best, power := 0.0, 0.0
		for _, hz := range notes {
			if p := callee.Power(f, hz); p > power {
				best, power = hz, p
			}
		}
		if power > 0.7 && (len(got) == 0 || got[len(got)-1] != best) {
			got = append(got, best)
		}
	}
	if !slices.Equal(got, notes) {
		return fmt.Errorf("heard the notes %v, want %v", got, notes)
	}
	if want := len(whole) / (frameSamples / 2); frames < want-2*slack-4 || frames > want+2*slack+4 {
		return fmt.Errorf("heard %d half frames, want %d", frames, want)
	}
	return nil
}

// at turns samples at callee.Rate into those of a format.
func at(f audio.Format, samples []int16) []int16 {
	if f.Rate == callee.Rate {
		return samples
	}
	up, _ := callee.Upsample(nil, samples, 0)
	return up
}

// listen reads the callee for so long, as samples at callee.Rate.
func (s *stage) listen(m pbx.Media, d time.Duration) []int16 {
	s.Helper()
	var heard []int16
	var f audio.Frame
	for want := int(m.Format().Samples(d)); want > 0; want -= len(f.Samples) {
		if err := m.ReadFrame(&f); err != nil {
			s.Fatalf("read: %v after %d samples", err, len(heard))
		}
		if m.Format().Rate == callee.Rate {
			heard = append(heard, f.Samples...)
		} else {
			heard = callee.Downsample(heard, f.Samples)
		}
	}
	return heard
}

// write hands sound over and fails the test if it is not taken.
func (s *stage) write(m pbx.Media, samples []int16) {
	s.Helper()
	if err := m.WriteFrame(audio.Frame{Samples: at(m.Format(), samples)}); err != nil {
		s.Fatalf("write: %v", err)
	}
}
