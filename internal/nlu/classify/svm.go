package classify

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
)

// linear holds one weight row a feature, one column a label, and the bias row
// at the end.
type linear struct {
	labels int
	width  int // labels, padded
	w      []float32
}

func (l *linear) row(f int32) []float32 {
	return l.w[int(f)*l.width : (int(f)+1)*l.width]
}

// svmOptions: cost is C of the primal problem, positive its factor for the
// examples of the label, eps the stopping tolerance.
type svmOptions struct {
	cost, positive float64
	eps            float64
	passes         int
	workers        int
}

// trainSVM trains one label against the rest, for each label.
func trainSVM(ctx context.Context, xs []sparse, ys []int32, labels, features int, o svmOptions) (*linear, error) {
	l := &linear{labels: labels, width: padded(labels)}
	l.w = make([]float32, (features+1)*l.width)
	norms := make([]float32, len(xs))
	for i, x := range xs {
		norms[i] = 1 // the bias
		for _, v := range x.val {
			norms[i] += v * v
		}
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range max(1, o.workers) {
		wg.Go(func() {
			d := newDual(xs, norms, features)
			for k := range next {
				d.solve(ys, int32(k), o)
				for f, w := range d.w {
					l.w[f*l.width+k] = w
				}
				l.w[features*l.width+k] += before
			}
		})
	}
	var err error
	for k := range labels {
		if err = ctx.Err(); err != nil {
			break
		}
		next <- k
	}
	close(next)
	wg.Wait()
	return l, err
}

// before is what every score begins with: a sentence that shares nothing with
// a label lies on the far side of the margin, so only its neighbours are work.
const before = -1

// shrink: an example this far outside the margin is set aside until all are
// looked at again.
const shrink = 0.05

// dual is the working memory of algorithm 3 of Hsieh et al. 2008, L2 loss.
type dual struct {
	xs    []sparse
	norms []float32
	w     []float32
	alpha []float32
	index []int32
	sign  []float32
}

func newDual(xs []sparse, norms []float32, features int) *dual {
	return &dual{xs: xs, norms: norms, w: make([]float32, features+1), alpha: make([]float32, len(xs)), index: make([]int32, len(xs)), sign: make([]float32, len(xs))}
}

// solve leaves the weights of label k in d.w, the bias last.
//
//go:norace
func (d *dual) solve(ys []int32, k int32, o svmOptions) {
	clear(d.w)
	clear(d.alpha)
	diagonal := [2]float32{float32(0.5 / o.cost), float32(0.5 / (o.cost * o.positive))}
	active := 0
	for i := range d.xs {
		d.index[i], d.sign[i] = int32(i), -1
		if ys[i] == k {
			d.sign[i] = 1
			d.index[i], d.index[active] = d.index[active], int32(i)
			active++
		}
	}
	rng := rand.New(rand.NewPCG(uint64(k)+1, 7))
	all := false // were all looked at in this pass?
	for pass := range o.passes {
		top, bottom := float32(math.Inf(-1)), float32(math.Inf(1))
		for s := 0; s < active; s++ {
			j := s + rng.IntN(active-s)
			d.index[s], d.index[j] = d.index[j], d.index[s]
			i := d.index[s]
			y := d.sign[i]
			extra := diagonal[0]
			if y > 0 {
				extra = diagonal[1]
			}
			g := y*d.margin(i) - 1 + d.alpha[i]*extra
			projected := g
			if d.alpha[i] == 0 {
				if g > shrink { // it will hardly come inside
					active--
					d.index[s], d.index[active] = d.index[active], d.index[s]
					s--
					continue
				}
				projected = min(g, 0)
			}
			top, bottom = max(top, projected), min(bottom, projected)
			if projected > 1e-9 || projected < -1e-9 {
				old := d.alpha[i]
				d.alpha[i] = max(old-g/(d.norms[i]+extra), 0)
				d.update(i, (d.alpha[i]-old)*y)
			}
		}
		switch {
		case pass == 1 || !all && float64(top-bottom) <= o.eps || pass == o.passes-2:
			active, all = len(d.xs), true
		case float64(top-bottom) <= o.eps && all:
			return
		default:
			all = false
		}
	}
}

//go:norace
func (d *dual) margin(i int32) float32 {
	x, w := d.xs[i], d.w
	val := x.val[:len(x.idx)]
	s := w[len(w)-1] + before
	for j, f := range x.idx {
		s += val[j] * w[f]
	}
	return s
}

//go:norace
func (d *dual) update(i int32, by float32) {
	x, w := d.xs[i], d.w
	val := x.val[:len(x.idx)]
	w[len(w)-1] += by
	for j, f := range x.idx {
		w[f] += by * val[j]
	}
}
