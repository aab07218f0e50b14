// Package opinion puts what two understanders think of the same words on one
// probability scale. It is pure.
package opinion

import (
	"slices"

	"ringmaster/internal/nlu"
)

// Sure is the confidence under which nothing is claimed.
const Sure = 0.5

// Grave is the probability from which a model alone may claim a stop, a
// complaint or the wish for a human, which end or hand over a call.
const Grave = 0.85

// firm is a keyword that stands on its own: no model takes it back.
const firm = 0.9

// Model is what a trained model or a provider thinks.
type Model struct {
	Provider string
	Reason   string
	// Candidates with calibrated probabilities, best first. An intent that the
	// question does not expect is evidence that nothing expected was said.
	Candidates []nlu.Candidate
	// Unknown: the words look like nothing that the model knows.
	Unknown bool
}

// Merge judges by both. words is the answer of keywords and examples, whose
// slots are kept. Where both name an intent the chance that both err is the
// product of theirs; where they differ each is discounted by the other, less so
// when the model only says that it is none of these; a firm keyword stands
// whatever the model says; and what is then under Sure is an abstention.
func Merge(q nlu.Question, words nlu.Answer, m Model) nlu.Answer {
	expected := func(i nlu.Intent) bool {
		return len(q.Expect) == 0 || slices.ContainsFunc(q.Expect, func(e nlu.Expectation) bool { return e.Intent == i })
	}
	conf := map[nlu.Intent]float64{}
	heard, guessed := map[nlu.Intent]float64{}, map[nlu.Intent]float64{}
	for _, c := range words.Candidates {
		heard[c.Intent] = max(heard[c.Intent], clamp(c.Confidence))
	}
	if words.Intent != "" {
		heard[words.Intent] = max(heard[words.Intent], clamp(words.Confidence))
	}
	stranger := 0.0 // the chance of something that nobody waits for here
	for _, c := range m.Candidates {
		switch p := clamp(c.Confidence); {
		case m.Unknown:
		case expected(c.Intent):
			guessed[c.Intent] = max(guessed[c.Intent], p)
		default:
			stranger = max(stranger, p)
		}
	}
	rest := func(of map[nlu.Intent]float64, but nlu.Intent) float64 {
		top := 0.0
		for i, c := range of {
			if i != but {
				top = max(top, c)
			}
		}
		return top
	}
	for i := range union(heard, guessed) {
		k, p := heard[i], guessed[i]
		agree := 1 - (1-k)*(1-p)
		against := max(rest(guessed, i), 0.6*stranger)
		if k >= firm {
			against = 0
		}
		if other := rest(heard, i); k < other {
			against = max(against, other)
		}
		if k == 0 && p < Grave && urgent(i) {
			agree = min(agree, Sure-0.01) // 别打折 is no 别打: words of urgency have a table of their own
		}
		conf[i] = agree * (1 - 0.5*against*(1-min(k, p)))
	}
	a := nlu.Answer{Slots: words.Slots, Provider: m.Provider}
	for i, c := range conf {
		a.Candidates = append(a.Candidates, nlu.Candidate{Intent: i, Confidence: c})
	}
	slices.SortFunc(a.Candidates, func(x, y nlu.Candidate) int {
		switch {
		case x.Confidence != y.Confidence && x.Confidence > y.Confidence, x.Confidence == y.Confidence && x.Intent < y.Intent:
			return -1
		}
		return 1
	})
	// What keywords put first by kind (a word of urgency, a thing said before a
	// courtesy) stays first unless the model is clearly surer of another.
	if w := words.Intent; w != "" && len(a.Candidates) > 0 && a.Candidates[0].Intent != w && (urgent(w) || guessed[a.Candidates[0].Intent] < 0.8) {
		lift(a.Candidates, w)
	}
	a.Candidates = a.Candidates[:min(len(a.Candidates), 5)]
	if len(a.Candidates) == 0 || a.Candidates[0].Confidence < Sure {
		a.Reason = "neither words nor model are sure"
		return a
	}
	a.Intent, a.Confidence = a.Candidates[0].Intent, a.Candidates[0].Confidence
	switch k, p := heard[a.Intent], guessed[a.Intent]; {
	case p == 0 || k >= p:
		a.Reason = words.Reason
	default:
		a.Reason = m.Reason
	}
	return a
}

func urgent(i nlu.Intent) bool { return i == "stop" || i == "complaint" || i == "human" }

// lift moves an intent to the front, at no less than the best confidence.
func lift(cs []nlu.Candidate, i nlu.Intent) {
	at := slices.IndexFunc(cs, func(c nlu.Candidate) bool { return c.Intent == i })
	if at <= 0 {
		return
	}
	c := cs[at]
	c.Confidence = cs[0].Confidence
	copy(cs[1:at+1], cs[:at])
	cs[0] = c
}

func union(a, b map[nlu.Intent]float64) map[nlu.Intent]bool {
	out := map[nlu.Intent]bool{}
	for i := range a {
		out[i] = true
	}
	for i := range b {
		out[i] = true
	}
	delete(out, "")
	return out
}

// clamp holds a foreign number to a probability; what is none counts nothing.
func clamp(p float64) float64 {
	if !(p > 0) {
		return 0
	}
	return min(p, 1)
}
