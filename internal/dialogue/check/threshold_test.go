package check

import (
	"context"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/classify"
)

// sentences are the shared examples of common intents, by label.
func sentences(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../../../adapter/nlu/trained/common.tsv")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, l := range strings.Split(string(b), "\n") {
		label, text, ok := strings.Cut(l, "\t")
		switch label { // words of urgency are not understood by examples
		case "stop", "complaint", "human":
			continue
		}
		if ok {
			out[label] = append(out[label], text)
		}
	}
	return out
}

// asked is what the embedded understander makes of words when each label has
// the examples given; the labels are not the common ones, so that it knows
// nothing of them but these.
func asked(t *testing.T, u *keyword.Understander, examples map[string][]string, words string) string {
	t.Helper()
	q := nlu.Question{Said: words, Language: "cmn", Now: time.Unix(1_790_000_000, 0)}
	for _, l := range sortedKeys(examples) {
		q.Expect = append(q.Expect, nlu.Expectation{Intent: nlu.Intent("own_" + l), Examples: examples[l]})
	}
	a, err := u.Understand(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(string(a.Intent), "own_")
}

// Where the thresholds come from. minPhrases: how many sentences of an intent
// that were not written are understood, by how many were. near: how often a
// sentence is taken for another intent, by how like it the most similar
// sentence of another intent is.
func TestThresholds(t *testing.T) {
	t.Parallel()
	all := sentences(t)
	u := keyword.New()
	r := rand.New(rand.NewPCG(3, 3))
	recall := map[int]float64{}
	for _, k := range []int{1, 2, 3, 5, 10} {
		var some, rest []classify.Example
		for _, l := range sortedKeys(all) {
			for i, j := range r.Perm(len(all[l])) {
				e := classify.Example{Label: l, Text: all[l][j]}
				switch {
				case i < k:
					some = append(some, e)
				case i >= 10:
					rest = append(rest, e)
				}
			}
		}
		m, err := classify.Train(t.Context(), some, classify.Options{})
		if err != nil {
			t.Fatal(err)
		}
		rep := m.Evaluate(rest, nil, time.Now)
		recall[k] = rep.Accuracy
		t.Logf("%2d examples of each of %d intents: %.0f %% of %d other sentences understood by a trained model", k, len(all), 100*rep.Accuracy, rep.Examples)
	}
	if recall[minPhrases] < 1.5*recall[1] {
		t.Errorf("%d examples are hardly better than one: %v", minPhrases, recall)
	}
	var wrong, count [11]int
	for _, l := range sortedKeys(all) {
		for i, s := range all[l] {
			if i%3 > 0 {
				continue // every third will do
			}
			best := 0.0
			for _, other := range sortedKeys(all) {
				for _, x := range all[other] {
					if d := likeness(flat(s), flat(x)); other != l && d > best {
						best = d
					}
				}
			}
			left := map[string][]string{}
			for k, v := range all {
				left[k] = v
			}
			left[l] = append(append([]string(nil), all[l][:i]...), all[l][i+1:]...)
			bin := int(best * 10)
			count[bin]++
			if got := asked(t, u, left, s); got != "" && got != l {
				wrong[bin]++
			}
		}
	}
	for i, n := range count {
		if n > 0 {
			t.Logf("nearest sentence of another intent %.1f to %.1f alike: %d of %d taken for another intent", float64(i)/10, float64(i+1)/10, wrong[i], n)
		}
	}
	alike, confused := 0, 0
	for i := int(near * 10); i < len(count); i++ {
		alike, confused = alike+count[i], confused+wrong[i]
	}
	if alike == 0 || confused*2 < alike {
		t.Errorf("of sentences at least %.1f alike only %d of %d are confused", near, confused, alike)
	}
	least, intents := 99, 0
	for _, sc := range shipped(t) {
		c := newChecker(sc, Options{})
		c.x = explore(c.m, deaf())
		common := map[string]bool{}
		for i := range c.b.script.Nodes {
			for _, w := range c.wishesOf(&c.b.script.Nodes[i]) {
				if !common[w.intent] && !strings.Contains(strings.Join(commonNames(), " "), w.intent) {
					intents++
					least = min(least, len(w.phrases))
				}
			}
		}
	}
	t.Logf("shipped packs: %d own intents, at least %d phrases each", intents, least)
}

func commonNames() []string {
	var out []string
	for i := range commonWords() {
		out = append(out, string(i))
	}
	return out
}
