package dialogue

import (
	"maps"
	"slices"

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
