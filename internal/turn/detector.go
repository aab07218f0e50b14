package turn

import "ringmaster/internal/turn/lanes"

// detector turns microphone and reference samples into one judgement every
// 10 ms: is the caller speaking now? It is fed by one goroutine, allocates
// nothing and knows no clock but the sample position.
type detector struct {
	mic       [fftSize]int16 // the last window at 8 kHz
	fill      int            // samples of the current hop that have arrived
	ref       [refLen]int16  // what we played, a ring
	refAt     int            // where the next reference sample goes
	pos       int64          // position, at 8 kHz, of the next sample
	blind     int            // hops whose window contains a gap
	sinceRef  int            // hops since our voice was last in the reference
	hopEnergy int64          // of the reference in this hop, sum of squares

	delay  delayEstimator
	echo   canceller
	locked bool
	base   int // hops by which the reference is delayed into the canceller
	micSum float32
	errSum float32

	left  residual
	trial [3]float32 // powers over 40 ms: heard, left by the canceller, expected by it

	noise    [bands]float32
	noiseAge float32
	recent   float32 // level over the last 60 ms or so
	usual    float32 // evidence while nobody speaks
	voting   bool
	voice    float32 // share of voiced hops among the latest votes
	taken    bool    // set by the Taker: somebody is speaking

	tone toneTracker
}

const (
	refLen     = 4096
	refSilence = 1074 // mean square of samples: -60 dBFS
	echoSpan   = maxDelay + 16
	movedHops  = 80
	noiseFloor = 2.5e-7 // per band: about -54 dBFS in all
)

// activity is the judgement of one hop of 10 ms.
type activity struct {
	// Pos is the position of the hop's first sample, at the caller's rate.
	Pos int64
	// Speech is the vote; single votes mean little, see Taker.enough.
	Speech bool
	// Voiced says that the hop has the periodicity of a voice or of tones.
	Voiced bool
	// Narrow says that nearly all power lies within 250 Hz.
	Narrow bool
	// Tone is the number of hops for which a steady tone has lasted, 0 for
	// none, and Hz the frequencies of its one or two components.
	Tone int
	Hz   [2]float32
	// Evidence is the excess over noise and echo, in dB, and Bar what it has
	// to exceed for a vote.
	Evidence, Bar float32
	// Level of what is not echo, in dBFS.
	Level float32
}

// analyse judges the hop that has just been completed.
func (d *detector) analyse() activity {
	t := shared
	var block lanes.Block
	var m, x, e, y spectrum
	near := d.sinceRef <= echoSpan
	lanes.Window(&block.Re, &t.window, &d.mic)
	if near {
		d.window(&block.Im, d.base)
	}
	lanes.Transform(&block)
	if near {
		t.split(&block, &m, &x)
	} else {
		t.pick(&block, &m)
	}

	var mic, err, raw [bands]float32
	t.powers(&m, &mic)
	if near {
		d.track(t, &mic, &raw)
		d.echo.cancel(&m, &x, &e, &y, d.blind == 0)
		t.powers(&e, &err)
		d.check(t, &mic, &err, &y)
		for b := range err {
			err[b] = min(err[b], mic[b])
		}
		d.measure(t, &x, &raw, &err)
	} else {
		err, e = mic, m
		d.left.silent()
	}
	return d.judge(t, &e, &err)
}

// window puts the reference as it was back hops ago, windowed, into out.
func (d *detector) window(out *[fftSize]float32, back int) {
	at := (d.refAt - fftSize - back*hop) & (refLen - 1)
	if at+fftSize <= refLen {
		lanes.Window(out, &shared.window, (*[fftSize]int16)(d.ref[at:]))
		return
	}
	var in [fftSize]int16
	n := copy(in[:], d.ref[at:])
	copy(in[n:], d.ref[:])
	lanes.Window(out, &shared.window, &in)
}

// track measures the reference as it is now, estimates the delay and, when
// that is sure, points the canceller at it.
func (d *detector) track(t *tables, mic, raw *[bands]float32) {
	playing := d.sinceRef < 4
	if playing {
		var block lanes.Block
		var now spectrum
		d.window(&block.Re, 0)
		lanes.Transform(&block)
		t.pick(&block, &now)
		t.powers(&now, raw)
	}
	delay, ok := d.delay.observe(t, mic, raw, playing)
	if !ok || d.blind > 0 {
		return
	}
	off := delay - tapsLead - d.base
	if d.locked && (off >= -1 && off <= 2 || d.micSum > 4*d.errSum) {
		return
	}
	d.locked, d.base = true, max(0, delay-tapsLead)
	d.reload(t)
}

// reload fills the canceller's reference for a new delay and restarts it.
func (d *detector) reload(t *tables) {
	for i := range taps {
		var block lanes.Block
		d.window(&block.Re, d.base+i+1)
		lanes.Transform(&block)
		t.pick(&block, &d.echo.x[(d.echo.head+i)%taps])
	}
	d.echo.restart()
	d.left.fit = [bands]fit{}
	d.micSum, d.errSum = 0, 0
}

// check notices an echo that has moved, and restarts a canceller that makes
// things worse.
func (d *detector) check(t *tables, mic, err *[bands]float32, y *spectrum) {
	if !d.echo.ready {
		return
	}
	var model [bands]float32
	t.powers(y, &model)
	var m, e, p float32
	for b := range mic {
		m += mic[b]
		e += err[b]
		p += model[b]
		d.left.model[b] = max(model[b], 0.93*d.left.model[b])
	}
	d.left.moved = max(0, d.left.moved-1)
	d.trial[0] += 0.25 * (m - d.trial[0])
	d.trial[1] += 0.25 * (e - d.trial[1])
	d.trial[2] += 0.25 * (p - d.trial[2])
	// A caller on top of the echo leaves less than was heard. An echo that has
	// moved leaves more: itself, and the model of what it was.
	worked := d.micSum > 2.5*d.errSum || d.left.moved > 0
	if worked && d.trial[1] > d.trial[0] && d.trial[2] > 0.2*d.trial[0] && d.trial[2] > 1e-6 {
		if d.left.moved == 0 {
			d.echo.doubt()
			d.delay.heard = min(d.delay.heard, 40)
		}
		d.left.moved = movedHops
	}
	if d.sinceRef > 4 {
		return
	}
	d.micSum += 0.02 * (m - d.micSum)
	d.errSum += 0.02 * (e - d.errSum)
	if d.errSum > 1.5*d.micSum && d.errSum > 1e-6 {
		d.echo.restart()
		d.errSum = d.micSum
	}
}
