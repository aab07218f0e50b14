package turn

import "math"

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
	p     [taps][bins]float32 // uncertainty of w
	psi   [bins]float32       // power of what is not echo
	reach [bands]float32      // expected power of the echo that is left
	ready bool                // x is filled and the filter runs
}

const (
	priorGain = 0.06   // -12 dB in power, before anything is known
	forget    = 0.9993 // of the path, per hop: it is relearnt in some 15 s
)

// restart forgets the path.
func (c *canceller) restart() {
	for t := range c.w {
		c.w[t] = spectrum{}
		for k := range c.p[t] {
			c.p[t][k] = priorGain
		}
	}
	c.psi = [bins]float32{}
	c.ready = true
}

// doubt makes the filter learn faster: the path seems to have changed.
func (c *canceller) doubt() {
	for t := range c.w {
		for k, w := range c.w[t] {
			c.p[t][k] += 0.5*(real(w)*real(w)+imag(w)*imag(w)) + 0.02*priorGain
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
	var reach [bins]float32
	for t := range taps {
		w, xs, p := &c.w[t], &c.x[(c.head+t)%taps], &c.p[t]
		for k := range y {
			wr, wi, xr, xi := real(w[k]), imag(w[k]), real(xs[k]), imag(xs[k])
			y[k] += complex(wr*xr-wi*xi, wr*xi+wi*xr)
			reach[k] += p[k] * (xr*xr + xi*xi)
		}
	}
	for b := range bands {
		var sum float32
		for _, v := range reach[shared.edge[b]:shared.edge[b+1]] {
			sum += v
		}
		c.reach[b] = sum
	}
	var gain spectrum // e / (expected error power)
	for k := range e {
		e[k] = m[k] - y[k]
		er, ei := real(e[k]), imag(e[k])
		c.psi[k] += 0.25 * (er*er + ei*ei - c.psi[k])
		g := 1 / (reach[k] + c.psi[k] + 1e-10)
		reach[k] = g
		gain[k] = complex(er*g, ei*g)
	}
	if adapt {
		c.adapt(&gain, &reach)
	}
}

func (c *canceller) adapt(gain *spectrum, inv *[bins]float32) {
	for t := range taps {
		w, xs, p := &c.w[t], &c.x[(c.head+t)%taps], &c.p[t]
		for k := range w {
			xr, xi, gr, gi := real(xs[k]), imag(xs[k]), real(gain[k]), imag(gain[k])
			pk := p[k]
			wr := real(w[k]) + pk*(xr*gr+xi*gi)
			wi := imag(w[k]) + pk*(xr*gi-xi*gr)
			w[k] = complex(wr, wi)
			pk -= 0.5 * pk * pk * (xr*xr + xi*xi) * inv[k]
			p[k] = max(forget*pk+(1-forget)*(wr*wr+wi*wi), 1e-9)
		}
	}
}

func fastInvSqrt(v float32) float32 { return float32(1 / math.Sqrt(float64(v))) }
