package classify

import (
	"sort"
	"time"
)

// Report is how a model did on sentences that it was not trained on.
// Fractions are 0 to 1.
type Report struct {
	Examples          int     `json:"examples"`
	Accuracy          float64 `json:"accuracy"`           // without rejection
	AccuracyRejecting float64 `json:"accuracy_rejecting"` // a rejected sentence counts as wrong
	MacroF1           float64 `json:"macro_f1"`           // over the labels that occur as truth or answer
	CalibrationError  float64 `json:"calibration_error"`  // expected, ten equal bins (Naeini et al. 2015)
	OutOfScope        int     `json:"oos_examples"`
	OOSRecall         float64 `json:"oos_recall"` // share of out-of-scope sentences that are rejected
	// Confusions, most frequent first.
	Confusions []Confusion `json:"confusions,omitempty"`
	// ByLabel in the order of labels.
	ByLabel []LabelReport `json:"-"`
	Matrix  Matrix        `json:"-"`
	Elapsed time.Duration `json:"-"` // of all predictions, when a clock was given
}

// Confusion is a truth that was taken for something else.
type Confusion struct {
	Truth  string `json:"truth"`
	Answer string `json:"answer"`
	Count  int    `json:"count"`
}

// LabelReport is precision, recall and F1 of one label.
type LabelReport struct {
	Label                 string
	Precision, Recall, F1 float64
	Support               int
}

// Matrix counts truth by answer.
type Matrix struct {
	Labels []string
	Counts [][]int // [truth][answer]
}

// Answered is one judgement beside the truth.
type Answered struct {
	Truth, Answer string
	Confidence    float64
	Known         bool
}

// Summarise makes a report of judgements, and of those on sentences that
// belong to no label.
func Summarise(in, out []Answered) Report {
	r := Report{Examples: len(in), OutOfScope: len(out)}
	names := map[string]int{}
	for _, a := range in {
		names[a.Truth], names[a.Answer] = 0, 0
	}
	for l := range names {
		r.Matrix.Labels = append(r.Matrix.Labels, l)
	}
	sort.Strings(r.Matrix.Labels)
	for i, l := range r.Matrix.Labels {
		names[l] = i
		r.Matrix.Counts = append(r.Matrix.Counts, make([]int, len(names)))
	}
	right, kept := 0, 0
	for _, a := range in {
		r.Matrix.Counts[names[a.Truth]][names[a.Answer]]++
		if a.Truth == a.Answer {
			right++
			if a.Known {
				kept++
			}
		}
	}
	r.Accuracy, r.AccuracyRejecting = fraction(right, len(in)), fraction(kept, len(in))
	rejected := 0
	for _, a := range out {
		if !a.Known {
			rejected++
		}
	}
	r.OOSRecall = fraction(rejected, len(out))
	r.CalibrationError = calibrationError(in)
	r.byLabel()
	return r
}

func fraction(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func (r *Report) byLabel() {
	n := len(r.Matrix.Labels)
	for k, l := range r.Matrix.Labels {
		truth, answer := 0, 0
		for j := range n {
			truth += r.Matrix.Counts[k][j]
			answer += r.Matrix.Counts[j][k]
			if c := r.Matrix.Counts[k][j]; c > 0 && j != k {
				r.Confusions = append(r.Confusions, Confusion{l, r.Matrix.Labels[j], c})
			}
		}
		hit := r.Matrix.Counts[k][k]
		r.ByLabel = append(r.ByLabel, LabelReport{l, fraction(hit, answer), fraction(hit, truth), fraction(2*hit, truth+answer), truth})
		r.MacroF1 += fraction(2*hit, truth+answer) / float64(n)
	}
	sort.SliceStable(r.Confusions, func(i, j int) bool { return r.Confusions[i].Count > r.Confusions[j].Count })
}

// calibrationError compares confidence with what came true.
func calibrationError(in []Answered) float64 {
	const bins = 10
	var n, right [bins]int
	var sum [bins]float64
	for _, a := range in {
		b := min(int(a.Confidence*bins), bins-1)
		n[b]++
		sum[b] += a.Confidence
		if a.Truth == a.Answer {
			right[b]++
		}
	}
	e := 0.0
	for b := range bins {
		d := float64(right[b]) - sum[b]
		e += max(d, -d) / float64(max(len(in), 1))
	}
	return e
}

// Evaluate judges sentences with a model. now is asked before and after, and
// may be nil.
func (m *Model) Evaluate(in, out []Example, now func() time.Time) Report {
	if now == nil {
		now = func() time.Time { return time.Time{} }
	}
	judge := func(es []Example) []Answered {
		as := make([]Answered, len(es))
		for i, e := range es {
			p := m.Predict(e.Text, 0)
			as[i] = Answered{e.Label, p.Label, p.Confidence, p.Known}
		}
		return as
	}
	start := now()
	a, b := judge(in), judge(out)
	d := now().Sub(start)
	r := Summarise(a, b)
	r.Elapsed = d
	return r
}
