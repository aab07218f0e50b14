package compliance

import (
	"maps"
	"slices"
)

// Dialable is the key of Tally for contacts that nothing keeps from being dialled.
const Dialable = "dialable"

// Tally counts contacts by what keeps them from being dialled: each once, by
// the first gate that does not allow. The sum is the number of contacts.
type Tally map[string]int

// Add counts one contact by its verdicts in order, or by the one that decided.
// No verdict at all counts as a refusal.
func (t Tally) Add(vs ...Verdict) {
	if len(vs) == 0 {
		vs = []Verdict{none()}
	}
	for _, v := range vs {
		if v.Decision != Allow {
			t[v.Reason]++
			return
		}
	}
	t[Dialable]++
}

// Sum is how many contacts were counted.
func (t Tally) Sum() int {
	n := 0
	for _, c := range t {
		n += c
	}
	return n
}

// Reasons are the keys in order of their names.
func (t Tally) Reasons() []string { return slices.Sorted(maps.Keys(t)) }
