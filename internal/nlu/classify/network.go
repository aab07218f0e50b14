package classify

import (
	"context"
	"math"
	"math/rand/v2"
)

// network is one hidden layer over the same vectors.
type network struct {
	hidden int // padded
	labels int
	in     []float32 // a row a feature, of length hidden
	bias   []float32
	out    []float32 // a row a label, of length hidden
	shift  []float32 // by label
}

// netOptions: epochs over the examples, rate of learning (AdaGrad with one
// accumulator a row), share of hidden units left out, and the gradient of a
// label that is not worth a step.
type netOptions struct {
	hidden  int
	epochs  int
	rate    float64
	dropout float64
	ignore  float64
	seed    uint64
}

func (n *network) row(f int32) []float32 {
	return n.in[int(f)*n.hidden : (int(f)+1)*n.hidden]
}

// activate fills h with the hidden layer.
//
//go:norace
func (n *network) activate(x sparse, h []float32) {
	copy(h, n.bias)
	for i, f := range x.idx {
		add(x.val[i], n.row(f), h)
	}
	rectify(h)
}

//go:norace
func rectify(h []float32) {
	for i, v := range h {
		h[i] = max(v, 0)
	}
}

// logits gives one score a label.
//
//go:norace
func (n *network) logits(h, out []float32) {
	for k := range n.labels {
		out[k] = n.shift[k] + dot(n.out[k*n.hidden:(k+1)*n.hidden], h)
	}
}

// trainer is a network while it learns.
type trainer struct {
	*network
	o        netOptions
	rng      *rand.Rand
	sumIn    []float32 // squared gradients, by row
	sumOut   []float32
	sumShift []float32
	sumBias  []float32
	h, dh    []float32
	p        []float32
	keep     []float32
}

//go:norace
func newTrainer(features, labels int, o netOptions) *trainer {
	n := &network{hidden: padded(o.hidden), labels: labels}
	n.in = make([]float32, features*n.hidden)
	n.bias = make([]float32, n.hidden)
	n.out = make([]float32, labels*n.hidden)
	n.shift = make([]float32, labels)
	t := &trainer{network: n, o: o, rng: rand.New(rand.NewPCG(o.seed, 11)),
		sumIn: make([]float32, features), sumOut: make([]float32, labels), sumShift: make([]float32, labels), sumBias: make([]float32, n.hidden),
		h: make([]float32, n.hidden), dh: make([]float32, n.hidden), p: make([]float32, labels), keep: make([]float32, n.hidden)}
	for i := range n.in {
		n.in[i] = (t.rng.Float32()*2 - 1) * 0.25
	}
	limit := float32(math.Sqrt(6 / float64(n.hidden+labels)))
	for i := range n.out {
		n.out[i] = (t.rng.Float32()*2 - 1) * limit
	}
	return t
}

// trainNetwork learns from sentences; vector may leave tokens out, so it is
// asked anew in every epoch.
func trainNetwork(ctx context.Context, count int, vector func(i int) sparse, ys []int32, features, labels int, o netOptions) (*network, error) {
	t := newTrainer(features, labels, o)
	order := make([]int32, count)
	for i := range order {
		order[i] = int32(i)
	}
	steps, total := 0, o.epochs*count
	for range o.epochs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		t.rng.Shuffle(count, func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, i := range order {
			t.learn(vector(int(i)), ys[i], float32(o.rate)*(1-float32(steps)/float32(total)))
			steps++
		}
	}
	return t.network, nil
}

const tiny = 1e-8

// learn takes one step down the gradient of the cross-entropy.
//
//go:norace
func (t *trainer) learn(x sparse, y int32, rate float32) {
	t.activate(x, t.h)
	t.mask()
	t.logits(t.h, t.p)
	softmax(t.p)
	ignore := float32(t.o.ignore)
	clear(t.dh)
	hh := dot(t.h, t.h) / float32(t.hidden)
	for k := range t.labels {
		g := t.p[k]
		if int32(k) == y {
			g--
		}
		if g < ignore && g > -ignore {
			continue
		}
		row := t.out[k*t.hidden : (k+1)*t.hidden]
		add(g, row, t.dh)
		t.sumOut[k] += g * g * hh
		add(-rate*g*inverseRoot(t.sumOut[k]), t.h, row)
		t.sumShift[k] += g * g
		t.shift[k] -= rate * g * inverseRoot(t.sumShift[k])
	}
	for i := range t.dh {
		if t.h[i] <= 0 {
			t.dh[i] = 0
			continue
		}
		t.dh[i] *= t.keep[i]
	}
	dd := dot(t.dh, t.dh) / float32(t.hidden)
	if dd == 0 {
		return
	}
	for i, f := range x.idx {
		v := x.val[i]
		t.sumIn[f] += v * v * dd
		add(-rate*v*inverseRoot(t.sumIn[f]), t.dh, t.row(f))
	}
	for i, g := range t.dh {
		t.sumBias[i] += g * g
		t.bias[i] -= rate * g * inverseRoot(t.sumBias[i])
	}
}

//go:norace
func inverseRoot(v float32) float32 { return float32(1 / math.Sqrt(float64(v)+tiny)) }

// mask leaves hidden units out, and scales those that stay.
//
//go:norace
func (t *trainer) mask() {
	if t.o.dropout <= 0 {
		for i := range t.keep {
			t.keep[i] = 1
		}
		return
	}
	scale := float32(1 / (1 - t.o.dropout))
	cut := uint32(t.o.dropout * 256)
	var bits uint64
	for i := range t.h {
		if i%8 == 0 {
			bits = t.rng.Uint64()
		}
		t.keep[i] = scale
		if uint32(bits&255) < cut {
			t.keep[i] = 0
		}
		bits >>= 8
		t.h[i] *= t.keep[i]
	}
}

// softmax turns scores into probabilities.
//
//go:norace
func softmax(v []float32) {
	top := v[0]
	for _, s := range v {
		top = max(top, s)
	}
	var sum float32
	for i, s := range v {
		v[i] = float32(math.Exp(float64(s - top)))
		sum += v[i]
	}
	for i := range v {
		v[i] /= sum
	}
}
