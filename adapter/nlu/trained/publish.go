package trained

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"ringmaster/internal/nlu/classify"
)

// Publication is what is known of a script version's model before it answers
// its first call.
type Publication struct {
	// Report is of the new version: every example judged by a model that had
	// not seen it.
	Report classify.Report
	// Before is of the version before; its Examples is 0 when there was none.
	Before classify.Report
	// Worse are labels whose F1 fell by more than Tolerance, worst first.
	Worse []Fall
	// Lost are sentences that both versions hold with the same label, that the
	// version before got right and this one gets wrong.
	Lost []Loss
}

// Tolerance is a fall of F1 that few examples bring about by chance.
const Tolerance = 0.05

// Fall of one label's F1.
type Fall struct {
	Label         string
	Before, After float64
}

// Loss of one sentence.
type Loss struct{ Text, Label, Answer string }

// Evaluate judges the examples of a version that is to be published, with the
// shared ones, beside those of the version before (nil: none). It takes as
// long as two trainings.
func Evaluate(ctx context.Context, own, before []classify.Example, o classify.Options) (Publication, error) {
	var p Publication
	all, err := withCommon(own)
	if err != nil {
		return p, err
	}
	report, answers, err := classify.CrossValidate(ctx, all, 0, o)
	if err != nil {
		return p, err
	}
	p.Report = report
	if len(before) == 0 {
		return p, nil
	}
	old, err := withCommon(before)
	if err != nil {
		return p, err
	}
	var was []classify.Answered
	if p.Before, was, err = classify.CrossValidate(ctx, old, 0, o); err != nil {
		return p, err
	}
	p.compare(all, answers, old, was)
	return p, nil
}

func (p *Publication) compare(all []classify.Example, answers []classify.Answered, old []classify.Example, was []classify.Answered) {
	f1 := map[string]float64{}
	for _, l := range p.Before.ByLabel {
		f1[l.Label] = l.F1
	}
	for _, l := range p.Report.ByLabel {
		if b, ok := f1[l.Label]; ok && l.F1 < b-Tolerance && l.Support > 0 {
			p.Worse = append(p.Worse, Fall{l.Label, b, l.F1})
		}
	}
	slices.SortStableFunc(p.Worse, func(a, b Fall) int {
		if a.Before-a.After > b.Before-b.After {
			return -1
		}
		return 1
	})
	right := map[classify.Example]bool{}
	for i, e := range old {
		right[e] = was[i].Answer == was[i].Truth
	}
	for i, e := range all {
		if right[e] && answers[i].Answer != e.Label {
			p.Lost = append(p.Lost, Loss{e.Text, e.Label, answers[i].Answer})
		}
	}
}

// Print writes the evaluation for the author of a script.
func (p Publication) Print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	line := func(format string, a ...any) { _, _ = fmt.Fprintf(w, format, a...) }
	line("examples\t%d\n", p.Report.Examples)
	line("macro F1, cross-validated\t%.3f", p.Report.MacroF1)
	if p.Before.Examples > 0 {
		line("\t(before: %.3f)", p.Before.MacroF1)
	}
	line("\naccuracy\t%.3f\t(rejecting: %.3f)\n", p.Report.Accuracy, p.Report.AccuracyRejecting)
	for _, c := range p.Report.Confusions[:min(len(p.Report.Confusions), 10)] {
		line("taken for another\t%s → %s\t%d times\n", c.Truth, c.Answer, c.Count)
	}
	for _, f := range p.Worse {
		line("worse than before\t%s\tF1 %.3f, was %.3f\n", f.Label, f.After, f.Before)
	}
	for _, l := range p.Lost[:min(len(p.Lost), 20)] {
		line("no longer understood\t%s\t%s, taken for %s\n", l.Text, l.Label, l.Answer)
	}
	return w.Flush()
}
