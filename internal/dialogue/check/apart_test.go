package check

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// Where confusedShare comes from. Two intents of one meaning are made by
// dealing the phrases of an intent of the shipped packs out to two: those are to
// be refused. Any two intents that a node of a pack expects are different ones:
// none of those is.
func TestRow_M8_ApartThresholds(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	steps := []float64{0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5}
	different, same := make([]int, len(steps)), make([]int, len(steps))
	differents, sames, refused := 0, 0, 0
	count := func(m mixed, at []int) {
		for i, s := range steps {
			if m.both && m.taken >= confusedLeast && m.share() >= s {
				at[i]++
			}
		}
	}
	packs := shipped(t)
	for _, path := range sortedKeys(packs) {
		c := newChecker(packs[path], Options{})
		shared, done := c.sharedWishes(), map[string]bool{}
		for i := range c.b.script.Nodes {
			n := &c.b.script.Nodes[i]
			if n.Engine || !n.Listens {
				continue
			}
			all := append(c.wishesOf(n), shared...)
			pairs := newJudge().pairs(all)
			if again := newJudge().pairs(all); !reflect.DeepEqual(pairs, again) {
				t.Errorf("%s %s is judged otherwise the second time", path, n.ID)
			}
			differents += len(all) * (len(all) - 1) / 2
			for _, m := range pairs {
				count(m, different)
			}
			for k, w := range all {
				if len(w.phrases) < 8 || done[w.intent] {
					continue
				}
				done[w.intent] = true
				for range 3 {
					halves := dealt(r, all, k)
					m := newJudge().pairs(halves)[[2]string{w.intent, w.intent + "'"}]
					sames++
					count(m, same)
					if m.refuses() {
						refused++
					}
				}
			}
		}
	}
	for i, s := range steps {
		t.Logf("%2.0f %% of the phrases taken for the other intent: %d of %d pairs of different intents, %d of %d pairs of one meaning", 100*s, different[i], differents, same[i], sames)
		if s == confusedShare && different[i] > 0 {
			t.Errorf("%d pairs of the shipped packs would be refused", different[i])
		}
	}
	if 2*refused < sames {
		t.Errorf("only %d of %d pairs of one meaning are refused", refused, sames)
	}
}

// dealt gives the wishes with the phrases of the k-th dealt out to two intents.
func dealt(r *rand.Rand, all []wish, k int) []wish {
	w := all[k]
	out := append([]wish(nil), all...)
	one, other := w, w
	one.phrases, other.phrases, other.intent = nil, nil, w.intent+"'"
	for i, j := range r.Perm(len(w.phrases)) {
		if i%2 == 0 {
			one.phrases = append(one.phrases, w.phrases[j])
		} else {
			other.phrases = append(other.phrases, w.phrases[j])
		}
	}
	out[k] = one
	return append(out, other)
}

// What an author can send is bounded, and so is what is made of it.
func TestHugeSetsOfPhrasesAreNotLearnt(t *testing.T) {
	t.Parallel()
	var ws []wish
	for i := range 40 {
		w := wish{intent: fmt.Sprint("i", i)}
		for k := range 100 {
			s := fmt.Sprintf("第%d个意思的第%d句话", i, k)
			w.phrases = append(w.phrases, phrase{s, s, false})
		}
		ws = append(ws, w)
	}
	j := newJudge()
	if got := j.pairs(ws); len(got) > 0 || j.spent > 0 {
		t.Errorf("%d pairs, %d spent", len(got), j.spent)
	}
	if got := j.pairs(ws[:2]); j.spent == 0 || j.spent > maxApart {
		t.Errorf("%d pairs of the rest, %d spent", len(got), j.spent)
	}
	j.likened = maxLikened
	if j.may() {
		t.Error("sentences are compared without a bound")
	}
}
