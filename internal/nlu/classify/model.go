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
// place of memory, and kept as integers of eight bits with a scale for each of
// the two parts: what matters is that more of it stays near the processor.
type table struct {
	labels, stride int // labels padded
	w              []int8
	scale          [][2]float32
	start          []float32 // where every sentence begins: the biases
}

func newTable(l *linear, nets []*network, features int) table {
	t := table{labels: l.width, stride: l.width, scale: make([][2]float32, features)}
	for _, n := range nets {
		t.stride += n.hidden
	}
	t.w = make([]int8, features*t.stride)
	buf := make([]float32, t.stride)
	for f := range int32(features) {
		at := copy(buf, l.row(f))
		for _, n := range nets {
			at += copy(buf[at:], n.row(f))
		}
		row := t.row(f)
		t.scale[f] = [2]float32{shrinkRow(row[:t.labels], buf), shrinkRow(row[t.labels:], buf[t.labels:])}
	}
	t.start = append(t.start, l.row(int32(features))...)
	for _, n := range nets {
		t.start = append(t.start, n.bias...)
	}
	return t
}

// shrinkRow rounds to 127 steps of the largest value, and gives the step.
func shrinkRow(to []int8, from []float32) float32 {
	var top float32
	for _, v := range from[:len(to)] {
		top = max(top, v, -v)
	}
	if top == 0 {
		return 0
	}
	step := top / 127
	for i := range to {
		to[i] = int8(math.Round(float64(from[i] / step)))
	}
	return step
}

func (t *table) row(f int32) []int8 {
	return t.w[int(f)*t.stride : (int(f)+1)*t.stride]
}

// sums adds up the rows of a sentence.
func (t *table) sums(x sparse, out []float32) {
	copy(out, t.start)
	a, b := out[:t.labels], out[t.labels:]
	for i, f := range x.idx {
		row, scale := t.row(f), t.scale[f]
		addSmall(x.val[i]*scale[0], row[:t.labels], a)
		addSmall(x.val[i]*scale[1], row[t.labels:], b)
	}
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
	softmax(w.mixed)
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
	m.table.sums(x, w.sums)
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
