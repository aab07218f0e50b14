package turn

import "ringmaster/internal/turn/lanes"

// taps is how many hops of the echo path are modelled: two before the
// estimated delay (the windows overlap), the rest for its tail.
const (
	taps     = 8
	tapsLead = 2
)

// canceller models the echo path in each bin by a short complex filter over
// hops, adapted by a Kalman filter with diagonal covariance (Enzner and Vary,
// "Frequency-domain adaptive Kalman filter for acoustic echo control", 2006):
// the gain falls by itself while the caller speaks, because what the filter
// cannot explain counts as observation noise.
type canceller struct {
	x     [taps]spectrum // delayed reference, newest at head
	head  int
	w     [taps]spectrum
	p     [taps]lanes.Values // uncertainty of w
	psi   lanes.Values       // power of what is not echo
	reach [bands]float32     // expected power of the echo that is left
	ready bool               // x is filled and the filter runs
}

const priorGain = 0.06 // -12 dB in power, before anything is known; lanes.Adapt forgets the path in some 15 s

// restart forgets the path.
func (c *canceller) restart() {
	for t := range c.w {
		c.w[t] = spectrum{}
		for k := range bins {
			c.p[t][k] = priorGain
		}
	}
	c.psi = lanes.Values{}
	c.ready = true
}

// doubt makes the filter learn faster: the path seems to have changed.
func (c *canceller) doubt() {
	for t := range c.w {
		var power lanes.Values
		lanes.Power(&c.w[t], &power)
		for k := range bins {
			c.p[t][k] += 0.5*power[k] + 0.02*priorGain
		}
	}
}

// cancel writes into e what the delayed reference x does not explain of m,
// into y what it does, and adapts. x takes the place of the oldest hop.
func (c *canceller) cancel(m, x, e, y *spectrum, adapt bool) {
	c.head = (c.head + taps - 1) % taps
	c.x[c.head] = *x
	if !c.ready {
		*e, *y = *m, spectrum{}
		return
	}
	*y = spectrum{}
	var reach lanes.Values
	for t := range taps {
		lanes.Accumulate(&c.w[t], &c.x[(c.head+t)%taps], &c.p[t], y, &reach)
	}
	for b := range bands {
		var sum float32
		for _, v := range reach[shared.edge[b]:shared.edge[b+1]] {
			sum += v
		}
		c.reach[b] = sum
	}
	var gain spectrum // e / (expected error power)
	lanes.Innovate(m, y, &c.psi, &reach, e, &gain)
	if !adapt {
		return
	}
	for t := range taps {
		lanes.Adapt(&c.w[t], &c.x[(c.head+t)%taps], &c.p[t], &gain, &reach)
	}
}
