package classify

import "context"

// CrossValidate judges every example by a model that has not seen it (k folds,
// label by label; 0: five) and reports on all. Confidence and threshold are
// those that the folds give together, as in Train. Answers stand in the order
// of examples.
func CrossValidate(ctx context.Context, examples []Example, k int, o Options) (Report, []Answered, error) {
	s, err := number(examples)
	if err != nil {
		return Report{}, nil, err
	}
	o = o.filled()
	if k < 2 {
		k = folds
	}
	parts := deal(s, min(k, len(examples)))
	results, err := observeAll(ctx, s, parts, o.Workers)
	if err != nil {
		return Report{}, nil, err
	}
	var seen []observation
	for _, r := range results {
		seen = append(seen, r...)
	}
	c := calibrate(seen, o.Loss)
	answers := make([]Answered, len(examples))
	mixed := make([]float32, len(s.labels))
	for i, held := range parts {
		for j, e := range held[:len(results[i])] {
			ob := results[i][j]
			best := c.mix(mixed, ob.margins, ob.logs)
			score := float64(mixed[best])
			softmax(mixed)
			answers[e] = Answered{examples[e].Label, s.labels[best], c.confidence(float64(mixed[best]), score), ob.known > 0 && score >= c.threshold}
		}
	}
	return Summarise(answers, nil), answers, nil
}

func observeAll(ctx context.Context, s set, parts [][]int32, workers int) ([][]observation, error) {
	results := make([][]observation, len(parts))
	jobs := make([]func() error, len(parts))
	for i, held := range parts {
		jobs[i] = func() (err error) { results[i], err = observe(ctx, s, held); return err }
	}
	return results, inParallel(workers, jobs)
}
