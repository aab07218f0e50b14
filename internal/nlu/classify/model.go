package classify

import (
	"math"
	"sort"
	"sync"
)

// Model tells labels apart. It is safe for concurrent use.
type Model struct {
	labels []string
	vocab  *vocabulary
	table  table
	nets   []*network
	cal    calibration
	pool   sync.Pool
}

// Scored is a label with its probability, 0 to 1, if the sentence belongs to
// any of the labels.
type Scored struct {
	Label       string
	Probability float64
}

// Prediction is what a model makes of a sentence.
type Prediction struct {
	Label      string  // the most probable one, even when it is to be rejected
	Confidence float64 // calibrated chance that Label is right, 0 to 1
	Known      bool    // false: it looks like no label at all; abstain
	Score      float64 // what the threshold of rejection is compared with
	Ranked     []Scored
}

// table holds, for each feature, one row with all that it adds: the margins of
// the labels, then the hidden units of each network. One row is read at one
// place of memory. The last row is where every sentence begins: the biases.
type table struct {
	labels, stride int // labels padded
	w              []float32
}

func newTable(l *linear, nets []*network, features int) table {
	t := table{labels: l.width, stride: l.width}
	for _, n := range nets {
		t.stride += n.hidden
	}
	t.w = make([]float32, (features+1)*t.stride)
	for f := range features + 1 {
		row := t.row(int32(f))
		at := copy(row, l.row(int32(f)))
		for _, n := range nets {
			from := n.bias
			if f < features {
				from = n.row(int32(f))
			}
			at += copy(row[at:], from)
		}
	}
	return t
}

func (t *table) row(f int32) []float32 {
	return t.w[int(f)*t.stride : (int(f)+1)*t.stride]
}

// work is what one prediction needs.
type work struct {
	scratch
	sums, logits, logs, mixed []float32
	margins                   []float32 // the beginning of sums
}

func (m *Model) borrow() *work {
	if w, ok := m.pool.Get().(*work); ok {
		return w
	}
	n := len(m.labels)
	w := &work{sums: make([]float32, m.table.stride), logits: make([]float32, n), logs: make([]float32, n), mixed: make([]float32, n)}
	w.margins = w.sums[:n]
	return w
}

// Labels in the order of training; the caller leaves them alone.
func (m *Model) Labels() []string { return m.labels }

// Features is the size of the vocabulary.
func (m *Model) Features() int { return len(m.vocab.idf) }

// Threshold is the score under which a sentence is rejected.
func (m *Model) Threshold() float64 { return m.cal.threshold }

// Predict judges one sentence and ranks its best few labels (at most top).
func (m *Model) Predict(text string, top int) Prediction {
	w := m.borrow()
	defer m.pool.Put(w)
	best, score, known := m.mix(w, text)
	p := Prediction{Label: m.labels[best], Score: score}
	p.Known = known > 0 && score >= m.cal.threshold
	softmax(w.mixed, 1)
	p.Confidence = m.cal.confidence(float64(w.mixed[best]), score)
	if known == 0 {
		p.Confidence = 0
	}
	p.Ranked = m.rank(w.mixed, top)
	return p
}

// mix leaves the mixed scores in w and gives the best label, its score, and
// how many features of the sentence are known.
func (m *Model) mix(w *work, text string) (best int, score float64, known int) {
	x := m.vocab.vector(&w.scratch, text)
	copy(w.sums, m.table.w[len(m.table.w)-m.table.stride:])
	for i, f := range x.idx {
		add(x.val[i], m.table.row(f), w.sums)
	}
	clear(w.logs)
	hidden := w.sums[m.table.labels:]
	for _, n := range m.nets {
		h := hidden[:n.hidden]
		hidden = hidden[n.hidden:]
		rectify(h)
		n.logits(h, w.logits)
		norm := logSum(w.logits)
		for k, l := range w.logits {
			w.logs[k] += (l - norm) / float32(len(m.nets))
		}
	}
	best = m.cal.mix(w.mixed, w.margins, w.logs)
	return best, float64(w.mixed[best]), w.known[0] + w.known[1]
}

// logSum is the logarithm of the sum of exponentials.
//
//go:norace
func logSum(v []float32) float32 {
	top := v[0]
	for _, s := range v {
		top = max(top, s)
	}
	var sum float64
	for _, s := range v {
		if d := s - top; d > -20 {
			sum += math.Exp(float64(d))
		}
	}
	return top + float32(math.Log(sum))
}

func (m *Model) rank(p []float32, top int) []Scored {
	if top <= 0 {
		return nil
	}
	out := make([]Scored, 0, top+1)
	for k, v := range p {
		if len(out) == top && float64(v) <= out[top-1].Probability {
			continue
		}
		at := sort.Search(len(out), func(i int) bool { return out[i].Probability < float64(v) })
		out = append(out, Scored{})
		copy(out[at+1:], out[at:])
		out[at] = Scored{m.labels[k], float64(v)}
		out = out[:min(len(out), top)]
	}
	return out
}
