package classify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// Example is a sentence of a known label.
type Example struct{ Label, Text string }

// What cannot be trained.
var (
	ErrTooFew  = errors.New("too few examples: give sentences of at least two labels")
	ErrTooMany = errors.New("too many examples or labels")
)

// Bounds of a training set.
const (
	MaxExamples = 200_000
	MaxLabels   = 2_000
)

// Options of training. The zero value is the one that everything was measured
// with.
type Options struct {
	// Workers is how many goroutines train; 0: as many as processors.
	Workers int
	// Loss is the share of in-scope sentences that rejection may cost, judged
	// on the training examples alone; 0: 0.008.
	Loss float64
}

// The settings of both learners, found by holding out a fifth of the training
// examples of three sets; see docs/nlu.md.
const (
	minDF      = 2
	netSteps   = 150_000 // examples shown in all, within the bounds of epochs
	minEpochs  = 4
	maxEpochs  = 40
	netCount   = 2
	netHidden  = 128
	netRate    = 0.04
	netDropout = 0.3
	netTokens  = 0.1
)

func (o Options) filled() Options {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Loss <= 0 {
		o.Loss = 0.008
	}
	return o
}

// set is examples with their labels numbered.
type set struct {
	texts  []string
	ys     []int32
	labels []string
}

func number(examples []Example) (set, error) {
	s := set{}
	if len(examples) > MaxExamples {
		return s, fmt.Errorf("%w: %d examples, the limit is %d", ErrTooMany, len(examples), MaxExamples)
	}
	for _, e := range examples {
		s.labels = append(s.labels, e.Label)
	}
	slices.Sort(s.labels)
	s.labels = slices.Compact(s.labels)
	if len(s.labels) < 2 {
		return s, ErrTooFew
	}
	if len(s.labels) > MaxLabels {
		return s, fmt.Errorf("%w: %d labels, the limit is %d", ErrTooMany, len(s.labels), MaxLabels)
	}
	for _, e := range examples {
		k, _ := slices.BinarySearch(s.labels, e.Label)
		s.texts, s.ys = append(s.texts, e.Text), append(s.ys, int32(k))
	}
	return s, nil
}

// Train learns from examples. The same examples in the same order give the
// same model on the same kind of processor. It returns early with the error
// of ctx.
func Train(ctx context.Context, examples []Example, o Options) (*Model, error) {
	s, err := number(examples)
	if err != nil {
		return nil, err
	}
	o = o.filled()
	var m *Model
	var seen []observation
	folds := split(s)
	jobs := []func() error{func() (err error) { m, err = fit(ctx, s); return err }}
	results := make([][]observation, len(folds))
	for i, held := range folds {
		jobs = append(jobs, func() (err error) { results[i], err = observe(ctx, s, held); return err })
	}
	if err := inParallel(o.Workers, jobs); err != nil {
		return nil, err
	}
	for _, r := range results {
		seen = append(seen, r...)
	}
	m.cal = calibrate(seen, o.Loss)
	return m, nil
}

func inParallel(workers int, jobs []func() error) error {
	errs := make([]error, len(jobs))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, len(jobs)) {
		wg.Go(func() {
			for i := range next {
				errs[i] = jobs[i]()
			}
		})
	}
	for i := range jobs {
		next <- i
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}

// fit trains the learners, without calibration.
func fit(ctx context.Context, s set) (*Model, error) {
	m := &Model{labels: s.labels, vocab: learn(s.texts, minDF), cal: calibration{linear: ratio, net: 1}}
	var sc scratch
	xs := make([]sparse, len(s.texts))
	for i, t := range s.texts {
		xs[i] = m.vocab.vector(&sc, t).clone()
	}
	features, labels := m.Features(), len(s.labels)
	l, err := trainSVM(ctx, xs, s.ys, labels, features, svmOptions{cost: 1, positive: 1, eps: 0.2, passes: 12, workers: 1})
	if err != nil {
		return nil, err
	}
	for i := range netCount {
		rng := rand.New(rand.NewPCG(5, uint64(i)))
		sc = scratch{reader: reader{drop: func() bool { return rng.Float64() < netTokens }}}
		o := netOptions{hidden: netHidden, epochs: min(max(netSteps/len(s.texts), minEpochs), maxEpochs), rate: netRate, dropout: netDropout, ignore: 0.001, seed: uint64(i + 1)}
		n, err := trainNetwork(ctx, len(s.texts), func(i int) sparse { return m.vocab.vector(&sc, s.texts[i]) }, s.ys, features, labels, o)
		if err != nil {
			return nil, err
		}
		m.nets = append(m.nets, n)
	}
	m.table = newTable(l, m.nets, features)
	for _, n := range m.nets {
		n.in = nil // it stands in the table
	}
	return m, nil
}
