package classify

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

// observation is what a model said of a sentence that it was not trained on.
type observation struct {
	logits []float32 // mixed scores, by label
	best   int32
	truth  int32
	score  float64
}

// calibration turns scores into chances.
type calibration struct {
	scale     float64    // of the mixed scores before the softmax
	platt     [3]float64 // logistic: constant, log-odds of the softmax, score
	threshold float64
}

// folds of cross-validation, and how many observations are enough.
const (
	folds  = 5
	enough = 3000
)

// split gives the examples that each fold holds out, label by label; not all
// folds when fewer tell enough.
func split(s set) [][]int32 {
	rng := rand.New(rand.NewPCG(17, 17))
	order := make([]int32, len(s.texts))
	for i := range order {
		order[i] = int32(i)
	}
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	slices.SortStableFunc(order, func(a, b int32) int { return int(s.ys[a] - s.ys[b]) })
	out := make([][]int32, folds)
	for i, e := range order {
		out[i%folds] = append(out[i%folds], e)
	}
	n := 1
	for n < folds && n*len(out[0]) < enough {
		n++
	}
	return out[:n]
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
		best, score, _ := m.mix(w, s.texts[i])
		seen = append(seen, observation{slices.Clone(w.logits), int32(best), s.ys[i], score})
	}
	return seen, nil
}

// calibrate fixes scale, confidence and threshold.
func calibrate(seen []observation, loss float64) calibration {
	c := calibration{scale: 1, threshold: math.Inf(-1), platt: [3]float64{0, 1, 0}}
	if len(seen) == 0 {
		return c
	}
	c.scale = temperature(seen)
	var right []float64
	var xs [][2]float64
	var ys []bool
	for _, o := range seen {
		p := slices.Clone(o.logits)
		softmax(p, float32(c.scale))
		xs, ys = append(xs, [2]float64{logOdds(float64(p[o.best])), o.score}), append(ys, o.best == o.truth)
		if o.best == o.truth {
			right = append(right, o.score)
		}
	}
	c.platt = platt(xs, ys)
	slices.Sort(right)
	if n := int(loss * float64(len(seen))); n < len(right) {
		c.threshold = right[n]
	}
	return c
}

// temperature makes the held-out labels most likely (Guo et al., ICML 2017):
// golden-section search over the logarithm.
func temperature(seen []observation) float64 {
	cost := func(scale float64) float64 {
		sum := 0.0
		for _, o := range seen {
			v := make([]float32, len(o.logits))
			for k, l := range o.logits {
				v[k] = l * float32(scale)
			}
			sum += float64(logSum(v) - v[o.truth])
		}
		return sum
	}
	const g = 0.6180339887
	lo, hi := math.Log(0.05), math.Log(5)
	for range 14 {
		a, b := hi-g*(hi-lo), lo+g*(hi-lo)
		if cost(math.Exp(a)) < cost(math.Exp(b)) {
			hi = b
		} else {
			lo = a
		}
	}
	return math.Exp((lo + hi) / 2)
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
