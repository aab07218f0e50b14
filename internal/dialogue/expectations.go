package dialogue

import (
	"maps"
	"slices"
	"strings"

	"ringmaster/internal/nlu"
)

// Expectations are all replies that the script waits for at any node, with
// their keywords and examples: what a model of this version learns from. The
// order is the same for the same script. Slices are shared and must not be
// changed.
func (s *Script) Expectations() []nlu.Expectation {
	out := slices.Clone(s.expect)
	for _, id := range slices.Sorted(maps.Keys(s.nodes)) {
		for _, r := range s.nodes[id].replies {
			if r.expect != nil && r.expect.Intent != "" {
				out = append(out, *r.expect)
			}
		}
	}
	return out
}

// Hotwords are the phrases of the whole script, those of its nodes and the
// spoken forms of its choices included, each with its greatest weight.
func (s *Script) Hotwords() map[string]int {
	out := maps.Clone(s.info.Hotwords)
	if out == nil {
		out = map[string]int{}
	}
	for _, n := range s.nodes {
		for w, weight := range n.listen.Hotwords {
			out[w] = max(out[w], weight)
		}
	}
	return out
}

// Weights of what a customer may say of their own.
const (
	nameWeight  = 30
	valueWeight = 30
)

// CustomerHotwords are the customer's name, and their values of the variables
// that are names or that the script marks with `hotword: true`. name reports
// which are names of persons.
func (s *Script) CustomerHotwords(c Customer) (words map[string]int, name map[string]bool) {
	words, name = map[string]int{}, map[string]bool{}
	add := func(text string, weight int, person bool) {
		if n := len([]rune(text)); n >= 2 && n <= 16 {
			words[text], name[text] = weight, person
		}
	}
	for _, key := range sortedKeys(s.vars) {
		if v := s.vars[key]; v.hotword || v.typ == tName {
			if text, err := v.of(c); err == nil {
				add(text, valueWeight, v.typ == tName)
			}
		}
	}
	add(strings.TrimSpace(c.Name), nameWeight, true)
	return words, name
}
