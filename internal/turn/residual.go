package turn

// residual is what is known of the echo that the canceller leaves, per band:
// that has to be exceeded before anything counts as the caller.
type residual struct {
	xPow    [4][bands]float32 // band powers of the delayed reference, newest first
	ref     [bands]float32    // of what we played, held: the residual is measured against it
	leak    [bands]float32    // log2 of a high quantile of residual over ref
	age     float32           // hops with our voice in them
	guesses guesses
	fit     [bands]fit     // of what the canceller leaves to the reference
	model   [bands]float32 // what the canceller expects, held for some 100 ms
	moved   int            // hops for which the echo is taken to have moved
	lambda  [bands]float32 // the result: echo that may be left, power
}

const (
	firstLeak  = -4   // log2: -12 dB, until something is known
	worstLeak  = -3   // log2: -9 dB
	hold       = 0.97 // a hop, of what we played while the delay is unknown
	fall       = 0.75 // a hop, when it is known: a short room
	coldHops   = 120  // of our voice, after which an echo would have been found
	echoMargin = 1.5  // over what the echo is taken to be
)

// silent forgets what belongs to one utterance.
func (r *residual) silent() {
	r.ref, r.lambda, r.guesses = [bands]float32{}, [bands]float32{}, guesses{}
}

// cold says that an echo may exist whose delay is not known yet.
func (d *detector) cold() bool { return !d.locked && d.left.age <= coldHops }

// measure updates the residual by one hop: x is the delayed reference, raw the
// band powers of the reference as it is now, err those of what the canceller
// left.
func (d *detector) measure(t *tables, x *spectrum, raw, err *[bands]float32) {
	r := &d.left
	if d.locked {
		r.xPow[3], r.xPow[2], r.xPow[1] = r.xPow[2], r.xPow[1], r.xPow[0]
		t.powers(x, &r.xPow[0])
	}
	r.age = min(r.age+1, 400)
	if r.age == 1 {
		for b := range r.leak {
			r.leak[b] = firstLeak
		}
	}
	share := float32(1)
	if !d.locked {
		share = d.guess(t, raw, err)
	}
	for b := range r.ref {
		if d.locked {
			r.ref[b] = max(r.xPow[1][b], r.xPow[2][b], r.xPow[3][b], fall*r.ref[b])
		} else {
			r.ref[b] = max(raw[b], hold*r.ref[b])
		}
		if d.blind == 0 {
			d.learnLeak(t, b, err[b])
		}
		r.lambda[b] = d.bound(b, share)
	}
}

// learnLeak adapts what is known of the residual in band b, slowly while
// somebody seems to speak.
func (d *detector) learnLeak(t *tables, b int, err float32) {
	r := &d.left
	s := r.ref[b]
	if d.locked && !d.voting {
		r.fit[b].add(s, err)
	}
	if s < 1e-6 {
		return
	}
	step := max(0.25, 12/max(1, r.age-maxDelay+10))
	over := t.lg(max(err-1.5*d.noise[b], 1e-4*s)) - t.lg(s) - r.leak[b]
	switch {
	case over <= 0 && r.age <= maxDelay: // the echo may still be on its way
	case over <= 0:
		r.leak[b] -= min(0.07*step, -over)
	case d.voting:
		r.leak[b] += min(0.04*step, over)
	default:
		r.leak[b] += min(0.15*step, over)
	}
	r.leak[b] = min(r.leak[b], worstLeak)
}

// bound is the echo that may be left in band b. With a filter at work it is
// the filter's own uncertainty and the measured rest; without one it is the
// leak, or, when no echo has been found in the time that it takes to find one,
// no more than the noise.
func (d *detector) bound(b int, share float32) float32 {
	r := &d.left
	s := r.ref[b]
	bound := echoMargin * exp2(r.leak[b]) * s
	switch {
	case d.locked:
		bound = min(bound, 2*d.echo.reach[b]+2.5*r.fit[b].slope()*s)
	case d.cold():
		bound *= share
	default:
		bound = min(bound, d.noise[b])
	}
	if r.moved > 0 {
		bound = max(bound, 3*r.model[b])
	}
	return bound
}

// guess finds, while the delay is unknown, the one delay that best explains
// what was heard lately as echo, and returns how loud our voice was then,
// relative to the peaks of the bands. Speech is what no single delay explains.
func (d *detector) guess(t *tables, raw, err *[bands]float32) float32 {
	var now, heard, floor, peaks, gain float32
	for b, v := range raw {
		now += v
		heard += err[b]
		floor += max(d.noise[b], noiseFloor)
		s := max(v, hold*d.left.ref[b])
		peaks += s
		gain += echoMargin * exp2(d.left.leak[b]) * s
	}
	g := &d.left.guesses
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
