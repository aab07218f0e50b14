package classify

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

// observation is what a model said of a sentence that it was not trained on.
type observation struct {
	margins []float32 // of the linear model, by label
	logs    []float32 // log-probabilities of the network
	truth   int32
	known   int // features that the model knows
}

// calibration turns scores into chances.
type calibration struct {
	linear, net float64    // weights of margins and log-probabilities before the softmax
	platt       [3]float64 // logistic: constant, log-odds of the softmax, score
	threshold   float64
}

// folds of cross-validation, and how many observations are enough.
const (
	folds  = 5
	enough = 3000

	// ratio is the weight of a margin beside a log-probability.
	ratio = 4
)

// split gives the examples that each fold holds out; not all folds when fewer
// tell enough.
func split(s set) [][]int32 {
	out := deal(s, folds)
	n := 1
	for n < folds && n*len(out[0]) < enough {
		n++
	}
	return out[:n]
}

// deal deals the examples of each label out to n hands, at random.
func deal(s set, n int) [][]int32 {
	rng := rand.New(rand.NewPCG(17, 17))
	order := make([]int32, len(s.texts))
	for i := range order {
		order[i] = int32(i)
	}
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	slices.SortStableFunc(order, func(a, b int32) int { return int(s.ys[a] - s.ys[b]) })
	out := make([][]int32, n)
	for i, e := range order {
		out[i%n] = append(out[i%n], e)
	}
	return out
}

// observe trains without some examples and judges those.
func observe(ctx context.Context, s set, held []int32) ([]observation, error) {
	out := make([]bool, len(s.texts))
	for _, i := range held {
		out[i] = true
	}
	rest := set{labels: s.labels}
	for i, t := range s.texts {
		if !out[i] {
			rest.texts, rest.ys = append(rest.texts, t), append(rest.ys, s.ys[i])
		}
	}
	if len(rest.texts) == 0 {
		return nil, nil
	}
	m, err := fit(ctx, rest)
	if err != nil {
		return nil, err
	}
	w := m.borrow()
	seen := make([]observation, 0, len(held))
	for _, i := range held {
		_, _, known := m.mix(w, s.texts[i])
		seen = append(seen, observation{slices.Clone(w.margins[:len(s.labels)]), slices.Clone(w.logs), s.ys[i], known})
	}
	return seen, nil
}

// calibrate fixes weights, confidence and threshold.
func calibrate(seen []observation, loss float64) calibration {
	c := calibration{linear: ratio, net: 1, threshold: math.Inf(-1), platt: [3]float64{0, 1, 0}}
	if len(seen) == 0 {
		return c
	}
	c.weigh(seen)
	var right []float64
	var xs [][2]float64
	var ys []bool
	for _, o := range seen {
		mixed := make([]float32, len(o.logs))
		best := c.mix(mixed, o.margins, o.logs)
		score, hit := float64(mixed[best]), int32(best) == o.truth
		softmax(mixed)
		xs, ys = append(xs, [2]float64{logOdds(float64(mixed[best])), score}), append(ys, hit)
		if hit {
			right = append(right, score)
		}
	}
	c.platt = platt(xs, ys)
	slices.Sort(right)
	if n := int(loss * float64(len(seen))); n < len(right) {
		c.threshold = right[n]
	}
	return c
}

// mix fills mixed and gives the best label.
//
//go:norace
func (c *calibration) mix(mixed, margins, logs []float32) (best int) {
	a, b := float32(c.linear), float32(c.net)
	margins, logs = margins[:len(mixed)], logs[:len(mixed)]
	for k := range mixed {
		mixed[k] = a*margins[k] + b*logs[k]
		if mixed[k] > mixed[best] {
			best = k
		}
	}
	return best
}

// weigh finds the temperature under which the held-out labels are most likely
// (Guo et al., ICML 2017). The ratio of the two weights stays: held-out
// sentences are so like the others that they overrate the network, which
// remembers, against the linear model, which carries over to new wordings and
// tells strangers better.
func (c *calibration) weigh(seen []observation) {
	seen = seen[:min(len(seen), enough)]
	mixed := make([]float32, len(seen[0].logs))
	scale := 1.0
	golden(&scale, 0.02, 20, func() float64 {
		sum := 0.0
		at := calibration{linear: ratio * scale, net: scale}
		for _, o := range seen {
			at.mix(mixed, o.margins, o.logs)
			sum += float64(logSum(mixed) - mixed[o.truth])
		}
		return sum
	})
	c.linear, c.net = ratio*scale, scale
}

// golden moves w to a minimum of cost between two bounds.
func golden(w *float64, from, to float64, cost func() float64) {
	const g = 0.6180339887
	at := func(x float64) float64 {
		*w = math.Exp(x)
		return cost()
	}
	lo, hi := math.Log(from), math.Log(to)
	a, b := hi-g*(hi-lo), lo+g*(hi-lo)
	fa, fb := at(a), at(b)
	for range 10 {
		if fa < fb {
			hi, b, fb = b, a, fa
			a = hi - g*(hi-lo)
			fa = at(a)
		} else {
			lo, a, fa = a, b, fb
			b = lo + g*(hi-lo)
			fb = at(b)
		}
	}
	*w = math.Exp((lo + hi) / 2)
}

func logOdds(p float64) float64 {
	p = min(max(p, 1e-6), 1-1e-6)
	return math.Log(p / (1 - p))
}

// platt fits a logistic curve (Platt 1999) to right and wrong by Newton's
// method, held near "the softmax is right" by a small ridge.
func platt(xs [][2]float64, ys []bool) [3]float64 {
	w := [3]float64{0, 1, 0}
	for range 25 {
		var g [3]float64
		var h [3][3]float64
		for i := range h {
			h[i][i] = 1
		}
		g[0], g[1], g[2] = w[0], w[1]-1, w[2]
		for i, x := range xs {
			f := [3]float64{1, x[0], x[1]}
			p := sigmoid(w[0] + w[1]*f[1] + w[2]*f[2])
			t := 0.0
			if ys[i] {
				t = 1
			}
			for a := range f {
				g[a] += (p - t) * f[a]
				for b := range f {
					h[a][b] += p * (1 - p) * f[a] * f[b]
				}
			}
		}
		d := solve3(h, g)
		for a := range w {
			w[a] -= d[a]
		}
	}
	if !(w[1] >= 0 && w[2] >= 0) || math.IsNaN(w[0]) || math.IsInf(w[0], 0) {
		return [3]float64{0, 1, 0}
	}
	return w
}

// solve3 solves h·x = g by elimination; h is positive definite.
func solve3(h [3][3]float64, g [3]float64) [3]float64 {
	for i := range 3 {
		for j := i + 1; j < 3; j++ {
			f := h[j][i] / h[i][i]
			for k := i; k < 3; k++ {
				h[j][k] -= f * h[i][k]
			}
			g[j] -= f * g[i]
		}
	}
	for i := 2; i >= 0; i-- {
		for k := i + 1; k < 3; k++ {
			g[i] -= h[i][k] * g[k]
		}
		g[i] /= h[i][i]
	}
	return g
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func (c calibration) confidence(p, score float64) float64 {
	return sigmoid(c.platt[0] + c.platt[1]*logOdds(p) + c.platt[2]*score)
}
