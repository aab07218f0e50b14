package level

import (
	"math"
	"time"
)

const (
	kept    = 20 * time.Millisecond  // of silence at each end
	learn   = 2 * time.Second        // of audio from which an unknown voice is measured
	enough  = 700 * time.Millisecond // of audio that tells how loud a voice is
	longest = time.Second            // of silence that is held back while it may be the end
)

// stream levels one utterance while it arrives: gain, then the limiter, then
// the ends.
type stream struct {
	rate   int
	gain   float64       // 0 while it is not known
	hold   time.Duration // of silence that may be the end; 0 is without bound
	start  bool          // leave the silence at the start
	end    bool          // and at the end
	held   []int16       // waits for the gain
	look   []float64     // waits for the limiter's foresight
	sure   bool          // the gain was measured from enough sound to be remembered
	factor float64       // of the limiter at the last sample given out
	quiet  []int16       // silence that may be the end
	begun  bool          // sound was given out
	out    int64         // samples given out
	cut    int64         // samples left out at the start
}

func newStream(rate int, gain float64, hold time.Duration, start, end bool) *stream {
	return &stream{rate: rate, gain: gain, hold: hold, start: start, end: end, factor: 1}
}

func (s *stream) samples(d time.Duration) int { return int(d * time.Duration(s.rate) / time.Second) }

// write appends to dst what is ready of src.
func (s *stream) write(dst, src []int16) []int16 {
	if s.gain == 0 {
		s.held = append(s.held, src...)
		if len(s.held) < s.samples(learn) {
			return dst
		}
		return s.measured(dst)
	}
	return s.trim(dst, s.limit(src, false))
}

// measured finds the gain in what is held and lets it go.
func (s *stream) measured(dst []int16) []int16 {
	gain, ok := gainFor(s.held, s.rate)
	if !ok {
		gain = 1
	}
	s.gain, s.sure = gain, ok && len(s.held) >= s.samples(enough)
	held := s.held
	s.held = nil
	return s.trim(dst, s.limit(held, false))
}

// flush appends the rest.
func (s *stream) flush(dst []int16) []int16 {
	if s.gain == 0 {
		dst = s.measured(dst)
	}
	dst = s.trim(dst, s.limit(nil, true))
	n := len(s.quiet)
	if s.begun && !s.end { // audio without any sound has no ends: it stays
		n = min(n, s.samples(kept))
	}
	s.out += int64(n)
	return append(dst, s.quiet[:n]...)
}

// limit multiplies by the gain and keeps peaks below PeakLimit, as limiter does:
// 5 ms are seen ahead.
func (s *stream) limit(src []int16, last bool) []int16 {
	for _, v := range src {
		s.look = append(s.look, float64(v)*s.gain)
	}
	ready := len(s.look) - s.samples(5*time.Millisecond) - 1
	if last {
		ready = len(s.look)
	}
	if ready <= 0 {
		return nil
	}
	ceiling := Amplitude(PeakLimit)
	attack, release := 1/(0.005*float64(s.rate)), 1/(0.050*float64(s.rate))
	factors := make([]float64, len(s.look))
	next := 1.0
	for i := len(factors) - 1; i >= 0; i-- {
		factors[i] = min(1, next+attack)
		if v := math.Abs(s.look[i]); v > ceiling {
			factors[i] = min(factors[i], ceiling/v)
		}
		next = factors[i]
	}
	out := make([]int16, ready)
	for i := range out {
		s.factor = min(factors[i], s.factor+release)
		out[i] = int16(math.Round(s.look[i] * s.factor))
	}
	s.look = append(s.look[:0], s.look[ready:]...)
	return out
}

// trim holds silence back until it is known not to be an end.
func (s *stream) trim(dst, src []int16) []int16 {
	before := len(dst)
	threshold := int16(Amplitude(Silence))
	for _, v := range src {
		if v <= threshold && v >= -threshold {
			s.quiet = append(s.quiet, v)
			if s.begun && s.hold > 0 && len(s.quiet) > s.samples(s.hold) {
				dst = append(dst, s.quiet...)
				s.quiet = s.quiet[:0]
			}
			continue
		}
		from := 0
		if !s.begun && !s.start {
			from = max(0, len(s.quiet)-s.samples(kept))
			s.cut = int64(from)
		}
		dst = append(append(dst, s.quiet[from:]...), v)
		s.quiet, s.begun = s.quiet[:0], true
	}
	s.out += int64(len(dst) - before)
	return dst
}

// Whole levels a complete prompt; start and end leave the silence there. cut is
// how many samples were left out at the start.
func Whole(samples []int16, rate int, start, end bool) (levelled []int16, cut int64) {
	gain, ok := gainFor(samples, rate)
	if !ok {
		gain = 1
	}
	s := newStream(rate, gain, 0, start, end)
	levelled = s.write(make([]int16, 0, len(samples)), samples)
	return s.flush(levelled), s.cut
}
