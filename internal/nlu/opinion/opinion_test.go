package opinion

import (
	"math"
	"testing"

	"ringmaster/internal/nlu"
)

func question(intents ...nlu.Intent) nlu.Question {
	var q nlu.Question
	for _, i := range intents {
		q.Expect = append(q.Expect, nlu.Expectation{Intent: i})
	}
	return q
}

func words(i nlu.Intent, c float64) nlu.Answer {
	if i == "" {
		return nlu.Answer{Provider: "keyword"}
	}
	return nlu.Answer{Intent: i, Confidence: c, Candidates: []nlu.Candidate{{Intent: i, Confidence: c}}, Reason: "keyword", Provider: "keyword"}
}

func TestMerge(t *testing.T) {
	q := question("affirm", "deny", "stop", "consult")
	for name, c := range map[string]struct {
		words  nlu.Answer
		model  []nlu.Candidate
		want   nlu.Intent
		lo, hi float64
	}{
		"both silent":                    {words("", 0), nil, "", 0, 0},
		"only words":                     {words("affirm", 0.8), nil, "affirm", 0.79, 0.81},
		"only the model":                 {words("", 0), []nlu.Candidate{{Intent: "consult", Confidence: 0.8}}, "consult", 0.79, 0.81},
		"agreement is surer than either": {words("consult", 0.7), []nlu.Candidate{{Intent: "consult", Confidence: 0.8}}, "consult", 0.93, 0.95},
		"a sure model beats weak words":  {words("affirm", 0.6), []nlu.Candidate{{Intent: "consult", Confidence: 0.95}}, "consult", 0.6, 0.95},
		"firm words beat a sure model":   {words("deny", 0.94), []nlu.Candidate{{Intent: "affirm", Confidence: 0.7}}, "deny", 0.7, 0.95},
		"urgency beats any model":        {words("stop", 0.98), []nlu.Candidate{{Intent: "affirm", Confidence: 1}}, "stop", 0.9, 1},
		"weak words against a stranger":  {words("affirm", 0.6), []nlu.Candidate{{Intent: "weather", Confidence: 0.95}}, "", 0, 0},
		"an unsure model abstains":       {words("", 0), []nlu.Candidate{{Intent: "consult", Confidence: 0.4}}, "", 0, 0},
		"not a number":                   {words("affirm", 0.8), []nlu.Candidate{{Intent: "deny", Confidence: math.NaN()}}, "affirm", 0.79, 0.81},
		"more than certain":              {words("", 0), []nlu.Candidate{{Intent: "deny", Confidence: 7}}, "deny", 1, 1},
	} {
		a := Merge(q, c.words, Model{Provider: "m", Reason: "model", Candidates: c.model})
		if a.Intent != c.want || a.Confidence < c.lo || a.Confidence > c.hi {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

func TestAnUnknownSentenceAddsNothing(t *testing.T) {
	a := Merge(question("affirm"), words("", 0), Model{Unknown: true, Candidates: []nlu.Candidate{{Intent: "affirm", Confidence: 1}}})
	if a.Intent != "" {
		t.Errorf("%+v", a)
	}
}

func FuzzMerge(f *testing.F) {
	f.Add(0.5, 0.5, 0.5)
	f.Add(0.9, 1.0, -3.0)
	f.Fuzz(func(t *testing.T, w, m, n float64) {
		a := Merge(question("affirm", "deny"), words("affirm", w), Model{Candidates: []nlu.Candidate{{Intent: "affirm", Confidence: n}, {Intent: "deny", Confidence: m}}})
		if !(a.Confidence >= 0 && a.Confidence <= 1) || (a.Intent == "") != (a.Confidence == 0) {
			t.Fatalf("%+v", a)
		}
		for i, c := range a.Candidates {
			if !(c.Confidence >= 0 && c.Confidence <= 1) || i > 0 && c.Confidence > a.Candidates[i-1].Confidence {
				t.Fatalf("%+v", a)
			}
		}
	})
}
