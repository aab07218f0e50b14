package check

import (
	"context"
	"fmt"
	"strings"

	"ringmaster/internal/nlu/classify"
)

// Thresholds of what a classifier makes of a node's phrases, set where no pair
// of intents of the shipped packs is refused (TestApartThresholds prints the
// table; docs/script-check.md has it).
const (
	// confusedShare of the phrases of two intents, and confusedLeast of them, taken
	// for the other one of the two, some each way, refuse them.
	confusedShare = 0.25
	confusedLeast = 3
	// alikeLeast is how like a phrase of the other intent a phrase has to be, 0 to
	// 1, to count: what is like nothing is taken for anything.
	alikeLeast = 0.2
	// maxApart bounds the work on one script: the square of the phrases, over all
	// different sets; a million takes about two seconds. Beyond it phrases are
	// compared one by one only.
	maxApart = 1_000_000
	// maxLikened bounds how many pairs of sentences are compared.
	maxLikened = 1_000_000
	// maxHeard bounds with how many phrases those are compared that the
	// understander is asked about.
	maxHeard = 1_000_000
)

// mixed is how often two intents are taken for each other.
type mixed struct {
	all, taken int // phrases of both, and of them taken for the other
	both       bool
	here       [2]classify.Taken // one example each way, the likest
	phrases    []classify.Example
}

// share of the phrases that are taken for the other intent.
func (m mixed) share() float64 { return float64(m.taken) / float64(max(m.all, 1)) }

func (m mixed) refuses() bool {
	return m.both && m.taken >= confusedLeast && m.share() >= confusedShare
}

// judge asks a classifier which of a node's intents it takes for each other
// when it has not seen a phrase. Sets of phrases that were judged before are
// remembered.
type judge struct {
	known   map[string]map[[2]string]mixed
	spent   int
	likened int
	heard   int
	told    map[[2]string]bool // pairs that something was said of already
}

func newJudge() *judge {
	return &judge{known: map[string]map[[2]string]mixed{}, told: map[[2]string]bool{}}
}

// may reports that two more sentences may be compared.
func (j *judge) may() bool {
	j.likened++
	return j.likened <= maxLikened
}

// mayAsk reports that the understander may be asked once more at a node that
// waits for so many phrases.
func (j *judge) mayAsk(phrases int) bool {
	j.heard += phrases
	return j.heard <= maxHeard
}

// pairs gives every two intents of the wishes that are mixed up at all.
func (j *judge) pairs(wishes []wish) map[[2]string]mixed {
	var es []classify.Example
	var key strings.Builder
	count := map[string]int{}
	for _, w := range wishes {
		for _, p := range w.phrases {
			if p.flat == "" {
				continue // a pattern is no sentence
			}
			es = append(es, classify.Example{Label: w.intent, Text: p.text})
			count[w.intent]++
			key.WriteString(w.intent + "\x00" + p.text + "\x00")
		}
	}
	if done, ok := j.known[key.String()]; ok {
		return done
	}
	out := map[[2]string]mixed{}
	j.known[key.String()] = out
	cost := len(es) * len(es)
	if len(count) < 2 || j.spent+cost > maxApart {
		return out
	}
	j.spent += cost
	taken, err := classify.Apart(context.Background(), es, 0)
	if err != nil {
		return out // more than a classifier takes
	}
	for _, t := range taken {
		from := es[t.Example].Label
		if t.Alike < alikeLeast || t.Like < 0 {
			continue
		}
		pair, way := [2]string{from, t.Label}, 0
		if t.Label < from {
			pair, way = [2]string{t.Label, from}, 1
		}
		m, seen := out[pair]
		if !seen {
			m = mixed{all: count[from] + count[t.Label], phrases: es, here: [2]classify.Taken{{Example: -1}, {Example: -1}}}
		}
		m.taken++
		if m.here[way].Example < 0 || t.Alike > m.here[way].Alike {
			m.here[way] = t
		}
		m.both = m.here[0].Example >= 0 && m.here[1].Example >= 0
		out[pair] = m
	}
	return out
}

// apart refuses intents that are expected at a node and that a classifier
// takes for each other.
func (c *checker) apart(node int, own, shared []wish, j *judge) {
	if c.opts.Understander == nil || len(c.x.at[node]) == 0 {
		return
	}
	all := append(append([]wish(nil), own...), shared...)
	pairs := j.pairs(all)
	for _, pair := range sortedPairs(pairs) {
		m := pairs[pair]
		if !m.refuses() || j.told[pair] || c.sameWay(node, pair[0], pair[1]) {
			continue
		}
		j.told[pair] = true
		w, v := lastOf(all, pair)
		at := m.here[0] // a phrase of pair[0]
		if v.intent == pair[1] {
			at = m.here[1]
		}
		words, like := m.phrases[at.Example].Text, m.phrases[at.Like].Text
		other := m.here[0]
		if v.intent != pair[1] {
			other = m.here[1]
		}
		c.confused(node, v, words, fmt.Sprintf("intents %q (%s) and %q (%s) cannot be told apart: when a phrase had not been written, %d of their %d are taken for the other one, %s for %q because of %s, and %s for %q because of %s",
			w.intent, w.owner, v.intent, v.owner, m.taken, m.all, quoted(words), w.intent, quoted(like), quoted(m.phrases[other.Example].Text), v.intent, quoted(m.phrases[other.Like].Text)),
			"give each of them phrases that nobody would say for the other, or make one intent of the two")
	}
}

// lastOf gives the two wishes of a pair, the one that stands later in the file
// second.
func lastOf(all []wish, pair [2]string) (w, v wish) {
	found := map[string]wish{}
	for _, x := range all {
		if _, ok := found[x.intent]; !ok && len(x.phrases) > 0 {
			found[x.intent] = x
		}
	}
	w, v = found[pair[0]], found[pair[1]]
	if v.at.file == w.at.file && v.at.line < w.at.line {
		w, v = v, w
	}
	return w, v
}

func sortedPairs(m map[[2]string]mixed) [][2]string {
	names := map[string]bool{}
	for p := range m {
		names[p[0]+"\x00"+p[1]] = true
	}
	out := make([][2]string, 0, len(m))
	for _, k := range sortedKeys(names) {
		a, b, _ := strings.Cut(k, "\x00")
		out = append(out, [2]string{a, b})
	}
	return out
}
