package turn

import (
	"math"

	"ringmaster/internal/turn/lanes"
)

// toneTracker finds steady tones: ringback, dial tone, busy, beeps, DTMF. One
// or two peaks hold nearly all the power and keep their frequencies to a few
// hertz, which no voice does for long.
type toneTracker struct {
	last  spectrum
	hz    [2]float32 // of the last hop, 0 for none
	level float32
	run   int // hops for which the tone has lasted

	// Two tones less than 125 Hz apart (dial tone, ringback) beat; for them the
	// centre and the level of the last hops are kept, newest at index narrow%.
	centre [beatHops]float32
	loud   [beatHops]float32
	narrow int // hops for which the power has kept within one peak
	close  int // hops for which two halves of that have agreed
}

const (
	toneHops   = 6    // until a run counts as a tone
	toneLevel  = 3e-5 // -45 dBFS
	tonePure   = 0.92 // share of the power that the peaks hold
	toneReach  = 4    // bins on either side that belong to a peak
	toneSteady = 1.5  // Hz between two hops
	toneLoud   = 0.8  // dB between two hops
	beatHops   = 10   // two halves of 50 ms, which holds two beats
)

// observe returns for how many hops a tone has lasted, 0 for none, and the
// frequencies of its stronger and its weaker component (0 for none).
func (t *toneTracker) observe(tab *tables, e *spectrum, level float32) (int, [2]float32) {
	none := [2]float32{}
	if level < toneLevel {
		t.run, t.hz, t.narrow, t.close = 0, [2]float32{}, 0, 0
		t.last = *e
		return 0, none
	}
	var p lanes.Values
	lanes.Power(e, &p)
	total := lanes.Sum(&p)
	k1 := peak(&p, 0, bins)
	share1 := around(&p, k1) / total
	k2, share2 := 0, float32(0)
	if share1 < tonePure {
		k2 = peak(&p, 0, k1-toneReach)
		if above := peak(&p, k1+toneReach+1, bins); k1 < toneReach+1 || above < bins && p[above] > p[k2] {
			k2 = above
		}
		share2 = around(&p, k2) / total
	}
	pure := share1+share2 > tonePure
	var hz [2]float32
	if pure {
		hz[0] = t.frequency(e, k1)
		if share2 > 0.02 {
			hz[1] = t.frequency(e, k2)
		}
	}
	jump := abs(tab.db(level/(t.level+1e-9) + 1e-9))
	pair := dtmf(hz)
	steady := pure && (jump < toneLoud || pair) && t.hz[0] != 0 && (same(hz, t.hz) || pair && dtmf(t.hz))
	t.last, t.level = *e, level
	if pure {
		t.hz = hz
	} else {
		t.hz = [2]float32{}
	}
	beating := t.beats(&p, k1, share1, tab.db(level))
	if !steady {
		t.run = 0
		if beating {
			return t.close, [2]float32{t.centre[t.narrow%beatHops], t.centre[t.narrow%beatHops]}
		}
		return 0, none
	}
	t.run++
	if t.run >= toneHops || pair && t.run >= 2 {
		return t.run, hz
	}
	if beating {
		return t.close, hz
	}
	return 0, none
}

// beats says that the power of the last 100 ms has kept within one narrow
// peak, with the same centre and level in both halves. A hummed voice drifts.
func (t *toneTracker) beats(p *lanes.Values, k int, share, level float32) bool {
	if share < tonePure {
		t.narrow, t.close = 0, 0
		return false
	}
	var sum, moment float32
	for i := max(0, k-toneReach); i < min(bins, k+toneReach+1); i++ {
		sum += p[i]
		moment += p[i] * float32(i+binLo)
	}
	t.narrow++
	at := t.narrow % beatHops
	t.centre[at], t.loud[at] = moment/sum*rate/fftSize, level
	if t.narrow < beatHops {
		return false
	}
	var dc, dl float32
	for i := range beatHops {
		j := (at + beatHops - i) % beatHops
		if i < beatHops/2 {
			dc, dl = dc+t.centre[j], dl+t.loud[j]
		} else {
			dc, dl = dc-t.centre[j], dl-t.loud[j]
		}
	}
	if abs(dc) > 2.5*beatHops/2 || abs(dl) > 0.6*beatHops/2 {
		t.close = 0
		return false
	}
	t.close = max(t.close+1, beatHops)
	return true
}

// peak is the highest of the bins from lo to hi, exclusive; lo if there is none.
func peak(p *lanes.Values, lo, hi int) int {
	at, top := lo, float32(-1)
	for k := lo; k < hi; k++ {
		if p[k] > top {
			at, top = k, p[k]
		}
	}
	return at
}

func around(p *lanes.Values, k int) (sum float32) {
	for _, v := range p[max(0, k-toneReach):min(bins, k+toneReach+1)] {
		sum += v
	}
	return sum
}

// frequency of the peak at bin k from its phase advance since the last hop.
func (t *toneTracker) frequency(e *spectrum, k int) float32 {
	a, b := e.At(k), t.last.At(k)
	re := real(a)*real(b) + imag(a)*imag(b)
	im := imag(a)*real(b) - real(a)*imag(b)
	turns := math.Atan2(float64(im), float64(re))/(2*math.Pi) - float64(k+binLo)*hop/fftSize
	turns -= math.Round(turns)
	return float32(float64(k+binLo)*rate/fftSize + turns*rate/hop)
}

// same says that two hops hold the same one or two tones, in either order.
func same(a, b [2]float32) bool {
	near := func(x, y float32) bool { return abs(x-y) < toneSteady }
	if a[1] == 0 || b[1] == 0 {
		return near(a[0], b[0])
	}
	return near(a[0], b[0]) && near(a[1], b[1]) || near(a[0], b[1]) && near(a[1], b[0])
}

// dtmf says that the pair is one of ITU-T Q.23, within 2 %.
func dtmf(hz [2]float32) bool {
	lo, hi := min(hz[0], hz[1]), max(hz[0], hz[1])
	on := func(f float32, grid [4]float32) bool {
		for _, g := range grid {
			if abs(f-g) < 0.02*g {
				return true
			}
		}
		return false
	}
	return on(lo, [4]float32{697, 770, 852, 941}) && on(hi, [4]float32{1209, 1336, 1477, 1633})
}

func abs(v float32) float32 { return max(v, -v) }
