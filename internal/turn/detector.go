package turn

import "math"

// Detector turns microphone and reference samples into one judgement every
// 10 ms: is the caller speaking now? It is fed by one goroutine, allocates
// nothing and knows no clock but the sample position.
type Detector struct {
	mic       [fftSize]float32 // the last window at 8 kHz
	fill      int              // samples of the current hop that have arrived
	ref       [refLen]int16    // what we played, a ring
	refAt     int              // where the next reference sample goes
	pos       int64            // position, at 8 kHz, of the next sample
	blind     int              // hops whose window contains a gap
	sinceRef  int              // hops since our voice was last in the reference
	hopEnergy float32          // of the reference in this hop

	delay  delayEstimator
	echo   canceller
	locked bool
	base   int // hops by which the reference is delayed into the canceller
	micSum float32
	errSum float32

	xPow    [4][bands]float32 // band powers of the delayed reference, newest first
	echoRef [bands]float32    // what the residual echo is measured against
	leak    [bands]float32    // log2 of residual echo over echoRef
	leakAge float32
	model   [bands]float32 // what the canceller expects, held for some 100 ms
	trial   [3]float32     // powers over 40 ms: heard, left, expected
	moved   int            // hops for which the echo is taken to have moved
	guesses guesses
	fit     [bands]fit // of what the canceller leaves to the reference
	lambda  [bands]float32

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
	echoMargin = 1.5 // over what the echo is taken to be
	movedHops  = 80
	hold       = 0.97 // a hop, of what we played while the delay is unknown
	refLen     = 4096
	refSilence = 1e-6 // -60 dBFS
	coldHops   = 120  // of our voice, after which an echo would have been found
	echoSpan   = maxDelay + 16
	noiseFloor = 2.5e-7 // per band: about -54 dBFS in all
)

// Activity is the judgement of one hop of 10 ms.
type Activity struct {
	// Pos is the position of the hop's first sample, at the caller's rate.
	Pos int64
	// Speech is the vote; single votes mean little, see Taker.
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
func (d *Detector) analyse() Activity {
	t := shared
	var re, im [fftSize]float32
	var m, x, e, y spectrum
	near := d.sinceRef <= echoSpan
	for i, v := range d.mic {
		re[i] = v * t.window[i]
	}
	if near {
		d.window(&im, d.base)
	}
	t.transform(&re, &im)
	t.split(&re, &im, &m, &x)

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
	} else {
		err = mic
		e = m
	}
	d.residual(t, &x, &raw, &err, near)
	return d.judge(t, &e, &err)
}

// window puts the reference as it was back hops ago, windowed, into out.
func (d *Detector) window(out *[fftSize]float32, back int) {
	at := d.refAt - fftSize - back*hop
	for i := range out {
		out[i] = float32(d.ref[(at+i)&(refLen-1)]) * (1.0 / 32768) * shared.window[i]
	}
}

// track measures the reference as it is now, estimates the delay and, when
// that is sure, points the canceller at it.
func (d *Detector) track(t *tables, mic, raw *[bands]float32) {
	playing := d.sinceRef < 4
	if playing {
		var re, im [fftSize]float32
		var now, none spectrum
		d.window(&re, 0)
		t.transform(&re, &im)
		t.split(&re, &im, &now, &none)
		t.powers(&now, raw)
	}
	delay, _, ok := d.delay.observe(t, mic, raw, playing)
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
func (d *Detector) reload(t *tables) {
	for i := range taps {
		var re, im [fftSize]float32
		var none spectrum
		d.window(&re, d.base+i+1)
		t.transform(&re, &im)
		t.split(&re, &im, &d.echo.x[(d.echo.head+i)%taps], &none)
	}
	d.echo.restart()
	d.fit = [bands]fit{}
	d.micSum, d.errSum = 0, 0
}

// check restarts a canceller that makes things worse.
func (d *Detector) check(t *tables, mic, err *[bands]float32, y *spectrum) {
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
		d.model[b] = max(model[b], 0.93*d.model[b])
	}
	d.moved = max(0, d.moved-1)
	d.trial[0] += 0.25 * (m - d.trial[0])
	d.trial[1] += 0.25 * (e - d.trial[1])
	d.trial[2] += 0.25 * (p - d.trial[2])
	// A caller on top of the echo leaves less than was heard. An echo that has
	// moved leaves more: itself, and the model of what it was.
	worked := d.micSum > 2.5*d.errSum || d.moved > 0
	if worked && d.trial[1] > d.trial[0] && d.trial[2] > 0.2*d.trial[0] && d.trial[2] > 1e-6 {
		if d.moved == 0 {
			d.echo.doubt()
			d.delay.heard = min(d.delay.heard, 40)
		}
		d.moved = movedHops
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

// residual learns how much echo the canceller leaves, per band, relative to
// what we played: a high quantile, so that peaks are covered too.
func (d *Detector) residual(t *tables, x *spectrum, raw, err *[bands]float32, near bool) {
	if !near {
		d.echoRef, d.lambda, d.guesses = [bands]float32{}, [bands]float32{}, guesses{}
		return
	}
	if d.locked {
		d.xPow[3], d.xPow[2], d.xPow[1] = d.xPow[2], d.xPow[1], d.xPow[0]
		t.powers(x, &d.xPow[0])
	}
	d.leakAge = min(d.leakAge+1, 400)
	step := max(0.25, 12/max(1, d.leakAge-maxDelay+10))
	if d.leakAge == 1 {
		for b := range d.leak {
			d.leak[b] = -4 // -12 dB
		}
	}
	share := float32(1)
	if !d.locked {
		share = d.guess(t, raw, err)
	}
	for b := range d.echoRef {
		if d.locked {
			d.echoRef[b] = max(d.xPow[1][b], d.xPow[2][b], d.xPow[3][b], 0.75*d.echoRef[b])
		} else {
			d.echoRef[b] = max(raw[b], hold*d.echoRef[b])
		}
		s := d.echoRef[b]
		if s > 1e-6 && d.blind == 0 {
			left := max(err[b]-1.5*d.noise[b], 1e-4*s)
			over := t.lg(left) - t.lg(s) - d.leak[b]
			switch {
			case over <= 0 && d.leakAge <= maxDelay: // the echo may still be on its way
			case over <= 0:
				d.leak[b] -= min(0.07*step, -over)
			case d.voting:
				d.leak[b] += min(0.04*step, over)
			default:
				d.leak[b] += min(0.15*step, over)
			}
			d.leak[b] = min(d.leak[b], -3)
		}
		f := &d.fit[b]
		if d.locked && d.blind == 0 && !d.voting {
			f.add(s, err[b])
		}
		bound := echoMargin * float32(math.Exp2(float64(d.leak[b]))) * s
		if d.locked {
			bound = min(bound, 2*d.echo.reach[b]+2.5*f.slope()*s)
		} else if d.leakAge > coldHops {
			bound = min(bound, d.noise[b])
		} else {
			bound *= share
		}
		if d.moved > 0 {
			bound = max(bound, 3*d.model[b])
		}
		d.lambda[b] = bound
	}
}

// guess finds, while the delay is unknown, the one delay that best explains
// what was heard lately as echo, and returns how loud our voice was then,
// relative to the peaks of the bands. Speech is what no single delay explains.
func (d *Detector) guess(t *tables, raw, err *[bands]float32) float32 {
	var now, heard, floor, peaks, gain float32
	for b, v := range raw {
		now += v
		heard += err[b]
		floor += max(d.noise[b], noiseFloor)
		s := max(v, hold*d.echoRef[b])
		peaks += s
		gain += echoMargin * float32(math.Exp2(float64(d.leak[b]))) * s
	}
	g := &d.guesses
	copy(g.loud[1:], g.loud[:len(g.loud)-1])
	g.loud[0] = max(now, 0.6*g.loud[1])
	if peaks <= 0 {
		return 1
	}
	gain /= peaks
	best := 0
	for lag := range g.over {
		bound := max(g.loud[lag], g.loud[lag+1], g.loud[max(0, lag-1)])
		over := max(0, min(10, t.db(heard/(floor+gain*bound)+1e-6)))
		g.over[lag] += 0.08 * (over - g.over[lag])
		if g.over[lag] < g.over[best] {
			best = lag
		}
	}
	return min(1, max(g.loud[best], g.loud[best+1], g.loud[max(0, best-1)])/peaks)
}

// guesses holds, newest first, how loud we were, and for each delay how far
// what was heard has exceeded what an echo of that delay could be, in dB.
type guesses struct {
	loud [maxDelay + 2]float32
	over [maxDelay + 1]float32
}

// fit is a running least-squares line of residual power on reference power.
type fit struct{ n, x, y, xx, xy float32 }

func (f *fit) add(x, y float32) {
	x, y = x*1e3, y*1e3
	f.n = min(f.n+1, 200)
	a := 1 / f.n
	f.x += a * (x - f.x)
	f.y += a * (y - f.y)
	f.xx += a * (x*x - f.xx)
	f.xy += a * (x*y - f.xy)
}

// slope is residual per reference, cautious while little is known.
func (f *fit) slope() float32 {
	v := f.xx - f.x*f.x
	s := float32(0.125)
	if v > 1e-9 && f.n > 10 {
		s = max(0, (f.xy-f.x*f.y)/v)
	}
	if f.n < 50 {
		s = max(s, 0.03)
	}
	return s
}
