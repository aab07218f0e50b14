package classify

import (
	"context"
	"math"
	"strings"
	"testing"
)

// bayes is what one would write in an afternoon: naive Bayes over a bag of
// words (of characters in Chinese), with add-one smoothing. It stands here to
// be compared with.
type bayes struct {
	labels []string
	prior  []float64
	words  []map[string]float64
	total  []float64
	seen   map[string]bool
}

func bag(s string) []string {
	var out []string
	for _, w := range strings.Fields(strings.ToLower(s)) {
		if w[0] < 0x80 {
			out = append(out, w)
			continue
		}
		out = append(out, strings.Split(w, "")...)
	}
	return out
}

func trainBayes(es []Example) *bayes {
	b := &bayes{seen: map[string]bool{}}
	ids := map[string]int{}
	for _, e := range es {
		k, ok := ids[e.Label]
		if !ok {
			k = len(ids)
			ids[e.Label] = k
			b.labels, b.prior, b.total = append(b.labels, e.Label), append(b.prior, 0), append(b.total, 0)
			b.words = append(b.words, map[string]float64{})
		}
		b.prior[k]++
		for _, w := range bag(e.Text) {
			b.words[k][w]++
			b.total[k]++
			b.seen[w] = true
		}
	}
	return b
}

func (b *bayes) predict(s string) string {
	best, at := math.Inf(-1), 0
	words := bag(s)
	for k := range b.labels {
		p := math.Log(b.prior[k])
		for _, w := range words {
			p += math.Log((b.words[k][w] + 1) / (b.total[k] + float64(len(b.seen))))
		}
		if p > best {
			best, at = p, k
		}
	}
	return b.labels[at]
}

func BenchmarkPredict(b *testing.B) {
	m := train(b, 1000)
	test := requests(200, 2)
	b.Run("trained", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m.Predict(test[i%len(test)].Text, 5)
		}
	})
	nb := trainBayes(requests(1000, 1))
	b.Run("naive-bayes", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			nb.predict(test[i%len(test)].Text)
		}
	})
}

func BenchmarkTrain(b *testing.B) {
	es := requests(1000, 1)
	b.Run("trained", func(b *testing.B) {
		for b.Loop() {
			if _, err := Train(context.Background(), es, Options{Workers: 1}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("naive-bayes", func(b *testing.B) {
		for b.Loop() {
			trainBayes(es)
		}
	})
}

// The comparison that the benchmarks go with: better on sentences that were
// not seen.
func TestBetterThanNaiveBayes(t *testing.T) {
	few, test := requests(60, 1), requests(400, 2)
	m, err := Train(context.Background(), few, Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	nb, right := trainBayes(few), 0
	for _, e := range test {
		if nb.predict(e.Text) == e.Label {
			right++
		}
	}
	r := m.Evaluate(test, nil, nil)
	t.Logf("five sentences a label: %.3f, naive Bayes %.3f", r.Accuracy, float64(right)/float64(len(test)))
	if r.Accuracy <= float64(right)/float64(len(test)) {
		t.Errorf("%.3f, naive Bayes %.3f", r.Accuracy, float64(right)/float64(len(test)))
	}
}
