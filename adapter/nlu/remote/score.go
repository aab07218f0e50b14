package remote

import (
	"math"
	"slices"

	"ringmaster/internal/nlu"
)

// Ranked checks scores and puts the best first; empty and score are the errors
// of an answer without any, and of one that is no probability.
func Ranked(cs []nlu.Candidate, empty, score error) ([]nlu.Candidate, error) {
	if len(cs) == 0 {
		return nil, empty
	}
	for _, c := range cs {
		if !(c.Confidence >= 0 && c.Confidence <= 1.0001) {
			return nil, score
		}
	}
	slices.SortStableFunc(cs, func(a, b nlu.Candidate) int {
		switch {
		case a.Confidence > b.Confidence:
			return -1
		case a.Confidence < b.Confidence:
			return 1
		}
		return 0
	})
	return cs, nil
}

// Temper divides the logarithms of scores by a temperature and scales them to
// the sum that they had; 0 and 1 leave them.
func Temper(cs []nlu.Candidate, temperature float64) {
	if temperature <= 0 || temperature == 1 {
		return
	}
	before, after := 0.0, 0.0
	for i, c := range cs {
		before += c.Confidence
		cs[i].Confidence = math.Pow(c.Confidence, 1/temperature)
		after += cs[i].Confidence
	}
	if after <= 0 {
		return
	}
	for i := range cs {
		cs[i].Confidence = min(1, cs[i].Confidence*min(before, 1)/after)
	}
}
