package classify

import "context"

// Taken is a sentence that a machine which has not seen it takes for another
// label.
type Taken struct {
	Example int     // its place in the examples
	Label   string  // what it is taken for
	Margin  float64 // how much better that label fits than its own; the margin of a sentence that was learnt is about 1
	Like    int     // the sentence of that label which it is most like
	Alike   float64 // how like it, 0 to 1 (the cosine of the two)
}

// Apart tells which of a few labels cannot be told apart by their examples:
// every example is judged by a machine that has not seen it, and those that are
// taken for another label are given, in the order of the examples. It is the
// linear machine of a Model alone, which trains in a millisecond on the few
// dozen sentences that one question of a call waits for (k folds, label by
// label; 0: as many as the label with the most examples has, at most ten). The
// same examples give the same answer.
func Apart(ctx context.Context, examples []Example, k int) ([]Taken, error) {
	s, err := number(examples)
	if err != nil {
		return nil, err
	}
	if k < 2 {
		k = handsFor(s)
	}
	v := learn(s.texts, 1)
	xs := make([]sparse, len(s.texts))
	var sc scratch
	for i, t := range s.texts {
		xs[i] = v.vector(&sc, t).clone()
	}
	taken := make([]*Taken, len(s.texts))
	for _, held := range deal(s, min(k, len(s.texts))) {
		if err := heldOut(ctx, s, xs, held, len(v.idf), taken); err != nil {
			return nil, err
		}
	}
	var out []Taken
	for _, t := range taken {
		if t != nil {
			out = append(out, *t)
		}
	}
	return out, nil
}

// mostHands bounds how often the few sentences are learnt.
const mostHands = 10

func handsFor(s set) int {
	count, most := make([]int, len(s.labels)), 2
	for _, y := range s.ys {
		count[y]++
		most = max(most, count[y])
	}
	return min(most, mostHands)
}

// heldOut judges some sentences by a machine that learns the others.
func heldOut(ctx context.Context, s set, xs []sparse, held []int32, features int, taken []*Taken) error {
	out := make([]bool, len(xs))
	for _, i := range held {
		out[i] = true
	}
	var rest []sparse
	var ys []int32
	for i := range xs {
		if !out[i] {
			rest, ys = append(rest, xs[i]), append(ys, s.ys[i])
		}
	}
	l, err := trainSVM(ctx, rest, ys, len(s.labels), features, svmOptions{cost: 1, positive: 1, eps: 0.2, passes: 12, workers: 1})
	if err != nil {
		return err
	}
	scores := make([]float32, l.width)
	for _, i := range held {
		copy(scores, l.row(int32(features)))
		for j, f := range xs[i].idx {
			for k, w := range l.row(f) {
				scores[k] += xs[i].val[j] * w
			}
		}
		best := s.ys[i]
		for k := range s.labels {
			if scores[k] > scores[best] {
				best = int32(k)
			}
		}
		if best == s.ys[i] {
			continue
		}
		t := &Taken{Example: int(i), Label: s.labels[best], Margin: float64(scores[best] - scores[s.ys[i]]), Like: -1}
		top := float32(-1)
		for j, x := range xs {
			if s.ys[j] == best {
				if d := likeness(xs[i], x); d > top {
					t.Like, top = j, d
				}
			}
		}
		t.Alike = float64(top) / views
		taken[i] = t
	}
	return nil
}

// likeness is the product of two vectors.
//
//go:norace
func likeness(a, b sparse) float32 {
	at := make(map[int32]float32, len(a.idx))
	for i, f := range a.idx {
		at[f] = a.val[i]
	}
	var sum float32
	for i, f := range b.idx {
		sum += at[f] * b.val[i]
	}
	return sum
}
