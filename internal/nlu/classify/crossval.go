package classify

import (
	"context"
	"fmt"
)

// CrossValidate judges every example by a model that has not seen it (k folds,
// label by label; 0: five) and reports on all. Answers stand in the order of
// examples.
func CrossValidate(ctx context.Context, examples []Example, k int, o Options) (Report, []Answered, error) {
	s, err := number(examples)
	if err != nil {
		return Report{}, nil, err
	}
	if k < 2 {
		k = folds
	}
	parts := deal(s, min(k, len(examples)))
	answers := make([]Answered, len(examples))
	for i, held := range parts {
		out := make(map[int32]bool, len(held))
		for _, e := range held {
			out[e] = true
		}
		var rest []Example
		for j, e := range examples {
			if !out[int32(j)] {
				rest = append(rest, e)
			}
		}
		m, err := Train(ctx, rest, o)
		if err != nil {
			return Report{}, nil, fmt.Errorf("fold %d of %d: %w", i+1, len(parts), err)
		}
		for _, j := range held {
			p := m.Predict(examples[j].Text, 0)
			answers[j] = Answered{examples[j].Label, p.Label, p.Confidence, p.Known}
		}
	}
	return Summarise(answers, nil), answers, nil
}
