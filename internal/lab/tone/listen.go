package tone

import "math"

// The listener turns samples into slots: one judgement every 5 ms of which
// symbol, if any, the last 15 ms hold.
const (
	baseRate    = 8000
	block       = baseRate / 200 // samples of a hop: 5 ms
	blocks      = 3              // hops in the window of a slot
	hops        = 4              // hops in a symbol
	wordHops    = hops * symbolsPerWord
	totalTones  = 2 * tonesPerGroup
	slotHistory = 512 // hops remembered: 2.56 s

	quietPower = 30 * 30 // mean square below which (-61 dBFS) nothing is analysed
	minPurity  = 0.5     // share of a window's power that its two tones must hold
	maxTwist   = 16      // power ratio of the two tones: 12 dB
)

// slot is what a window looked like.
type slot struct {
	place  int8
	data   uint8
	purity float32 // 0 to 1; below minPurity the slot is invalid
}

func (s slot) valid() bool { return s.purity >= minPurity }

func (s slot) is(place int) bool { return s.valid() && int(s.place) == place }

// bank is the constant part of the analysis, shared by all decoders: sines and
// cosines about the middle of a block, and the turn of each tone in one block.
type bank struct {
	cos, sin [totalTones][block / 2]float32
	re, im   [totalTones]float32
}

var tables = newBank()

func newBank() *bank {
	b := new(bank)
	for t := range totalTones {
		w := 2 * math.Pi * frequency(t) / baseRate
		for i := range block / 2 {
			b.cos[t][i] = float32(math.Cos(w * (float64(i) + 0.5)))
			b.sin[t][i] = float32(math.Sin(w * (float64(i) + 0.5)))
		}
		b.re[t], b.im[t] = float32(math.Cos(w*block)), float32(math.Sin(w*block))
	}
	return b
}

// spectrum of one block.
type spectrum struct {
	re, im [totalTones]float32
	power  float32 // sum of squares
	quiet  bool
}

func (s *spectrum) analyse(x *[block]float32) {
	var even, odd [block / 2]float32
	var power float32
	for i := range block / 2 {
		a, b := x[block/2+i], x[block/2-1-i]
		even[i], odd[i] = a+b, a-b
		power += a*a + b*b
	}
	s.power = power
	s.quiet = power < quietPower*block
	if s.quiet {
		return
	}
	for t := range totalTones {
		c, q := &tables.cos[t], &tables.sin[t]
		var re0, re1, im0, im1 float32
		for i := 0; i < block/2; i += 2 {
			re0 += even[i] * c[i]
			re1 += even[i+1] * c[i+1]
			im0 += odd[i] * q[i]
			im1 += odd[i+1] * q[i+1]
		}
		s.re[t], s.im[t] = re0+re1, -(im0 + im1)
	}
}

// listener is the streaming front end.
type listener struct {
	down    *decimator
	pending [block]float32
	fill    int
	recent  [blocks]spectrum
	hop     int64 // slots made so far; the newest is hop-1
	slots   [slotHistory]slot
}

// write analyses samples at the input rate and calls each for every new slot.
func (l *listener) write(samples []int16, each func()) {
	l.down.write(samples, func(v float32) {
		l.pending[l.fill] = v
		if l.fill++; l.fill == block {
			l.fill = 0
			l.recent[l.hop%blocks].analyse(&l.pending)
			l.slots[l.hop%slotHistory] = l.judge()
			l.hop++
			each()
		}
	})
}

// at is the slot of hop h; an invalid one for a hop that is not known.
func (l *listener) at(h int64) slot {
	if h < 0 || h >= l.hop || h < l.hop-slotHistory {
		return slot{}
	}
	return l.slots[h%slotHistory]
}

func (l *listener) judge() slot {
	old, mid, now := &l.recent[(l.hop+1)%blocks], &l.recent[(l.hop+2)%blocks], &l.recent[l.hop%blocks]
	total := old.power + mid.power + now.power
	if (old.quiet && mid.quiet) || (mid.quiet && now.quiet) || total == 0 {
		return slot{}
	}
	low, lowPower := l.strongest(0, old, mid, now)
	high, highPower := l.strongest(tonesPerGroup, old, mid, now)
	if lowPower > highPower*maxTwist || highPower > lowPower*maxTwist {
		return slot{}
	}
	place, data := symbol(low, high-tonesPerGroup)
	purity := 2 * (lowPower + highPower) / (blocks * block * total)
	return slot{place: int8(place), data: data, purity: purity}
}

func (l *listener) strongest(from int, old, mid, now *spectrum) (tone int, power float32) {
	for t := from; t < from+tonesPerGroup; t++ {
		c, s := tables.re[t], tables.im[t]
		re, im := float32(0), float32(0)
		if !old.quiet { // one block earlier: turned forward
			re += old.re[t]*c - old.im[t]*s
			im += old.im[t]*c + old.re[t]*s
		}
		if !mid.quiet {
			re += mid.re[t]
			im += mid.im[t]
		}
		if !now.quiet {
			re += now.re[t]*c + now.im[t]*s
			im += now.im[t]*c - now.re[t]*s
		}
		if p := re*re + im*im; p > power {
			tone, power = t, p
		}
	}
	if power == 0 {
		tone = from
	}
	return tone, power
}

// decimator brings a multiple of 8 kHz down to 8 kHz with a low-pass filter
// that keeps the tones and removes what would fold onto them.
type decimator struct {
	factor  int
	taps    []float32
	history []float32 // ring of len(taps)
	at      int
	phase   int
}

const tapsPerPhase = 20

func newDecimator(factor int) *decimator {
	d := &decimator{factor: factor}
	if factor == 1 {
		return d
	}
	n := tapsPerPhase*factor + 1
	d.taps, d.history = make([]float32, n), make([]float32, n)
	var sum float64
	coefficients := make([]float64, n)
	for i := range coefficients {
		x := float64(i-n/2) / float64(factor)
		c := 1.0
		if x != 0 {
			c = math.Sin(math.Pi*x) / (math.Pi * x)
		}
		coefficients[i] = c * (0.54 + 0.46*math.Cos(2*math.Pi*float64(i-n/2)/float64(n)))
		sum += coefficients[i]
	}
	for i, c := range coefficients {
		d.taps[i] = float32(c / sum)
	}
	return d
}

// delay of the filter in samples at 8 kHz.
func (d *decimator) delay() int64 {
	if d.factor == 1 {
		return 0
	}
	return tapsPerPhase / 2
}

func (d *decimator) write(samples []int16, each func(float32)) {
	if d.factor == 1 {
		for _, s := range samples {
			each(float32(s))
		}
		return
	}
	n := len(d.taps)
	for _, s := range samples {
		d.history[d.at] = float32(s)
		if d.at++; d.at == n {
			d.at = 0
		}
		if d.phase++; d.phase < d.factor {
			continue
		}
		d.phase = 0
		var sum float32
		split := n - d.at
		for i, h := range d.history[d.at:] {
			sum += h * d.taps[i]
		}
		for i, h := range d.history[:d.at] {
			sum += h * d.taps[split+i]
		}
		each(sum)
	}
}
