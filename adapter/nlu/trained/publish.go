package trained

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/classify"
	"ringmaster/internal/nlu/opinion"
)

// Publication is what is known of a script version before it answers its first
// call.
type Publication struct {
	// Report is of the new version as a call hears it, by keywords and model: the
	// script's own sentences, the shared ones of intents that it waits for, and
	// shared ones that mean nothing to it. Every sentence is judged by a model
	// that had not seen it and by keywords and examples without it.
	Report classify.Report
	// Before is of the version before; its Examples is 0 when there was none.
	Before classify.Report
	// Model is of the new version's model alone, on all sentences that it knows.
	Model classify.Report
	// Worse are labels whose F1 fell by more than Tolerance (by twice as much for
	// those that only shared sentences teach: which of them fall into one fold
	// changes with every version), worst first.
	Worse []Fall
	// Lost are the script's own sentences that both versions hold with the same
	// label, that the version before got right and this one gets wrong.
	Lost []Loss
}

// Nothing stands in a Report for an abstention, and for the truth of sentences
// that mean nothing to a script.
const Nothing = "(nothing)"

// Tolerance is a fall of F1 that few examples bring about by chance.
const Tolerance = 0.05

// Fall of one label's F1.
type Fall struct {
	Label         string
	Before, After float64
}

// Loss of one sentence.
type Loss struct{ Text, Label, Answer string }

// Evaluate judges a version that is to be published, by all that it waits for
// (dialogue.Script.Expectations), beside the version before (nil: none). words
// is the understander of keywords. It takes as long as two trainings.
func Evaluate(ctx context.Context, words nlu.Understander, expect, before []nlu.Expectation, o classify.Options) (Publication, error) {
	var p Publication
	now, model, err := hear(ctx, words, expect, o)
	if err != nil {
		return p, err
	}
	p.Report, p.Model = classify.Summarise(now.answers, nil), model
	if before == nil {
		return p, nil
	}
	was, _, err := hear(ctx, words, before, o)
	if err != nil {
		return p, err
	}
	p.Before = classify.Summarise(was.answers, nil)
	p.compare(now, was)
	return p, nil
}

// judged are sentences and what a version made of them.
type judged struct {
	examples []classify.Example
	answers  []classify.Answered
	own      map[classify.Example]bool // not shared
}

// hear judges a version's sentences as a call would.
func hear(ctx context.Context, words nlu.Understander, expect []nlu.Expectation, o classify.Options) (judged, classify.Report, error) {
	out := judged{own: map[classify.Example]bool{}}
	own := Examples(expect)
	for _, e := range own {
		out.own[e] = true
	}
	all, err := withCommon(own)
	if err != nil {
		return out, classify.Report{}, err
	}
	model, guesses, err := classify.CrossValidate(ctx, all, 0, o)
	if err != nil {
		return out, model, err
	}
	merged := byIntent(expect)
	for i, e := range all {
		if e.Label != other && !slices.ContainsFunc(merged, func(x nlu.Expectation) bool { return string(x.Intent) == e.Label }) {
			continue // the script does not wait for it
		}
		q := nlu.Question{Said: e.Text, Expect: without(merged, e.Text)}
		a, err := words.Understand(ctx, q)
		if err != nil {
			return out, model, err
		}
		g := guesses[i]
		m := opinion.Model{Provider: Provider, Unknown: !g.Known || g.Answer == other, Candidates: []nlu.Candidate{{Intent: nlu.Intent(g.Answer), Confidence: g.Confidence}}}
		if m.Unknown {
			m.Candidates = nil
		}
		a = opinion.Merge(q, a, m)
		if e.Label == other {
			e.Label = Nothing
		}
		answer := classify.Answered{Truth: e.Label, Answer: string(a.Intent), Confidence: a.Confidence, Known: a.Intent != ""}
		if !answer.Known {
			answer.Answer = Nothing
		}
		out.examples, out.answers = append(out.examples, e), append(out.answers, answer)
	}
	return out, model, nil
}

// byIntent joins the expectations of all nodes.
func byIntent(expect []nlu.Expectation) []nlu.Expectation {
	var out []nlu.Expectation
	for _, e := range expect {
		i := slices.IndexFunc(out, func(x nlu.Expectation) bool { return x.Intent == e.Intent })
		if i < 0 {
			out, i = append(out, nlu.Expectation{Intent: e.Intent}), len(out)
		}
		out[i].Keywords = append(out[i].Keywords, e.Keywords...)
		out[i].Examples = append(out[i].Examples, e.Examples...)
	}
	return out
}

// without takes a sentence out of keywords and examples, so that it is not
// understood by itself.
func without(expect []nlu.Expectation, text string) []nlu.Expectation {
	is := func(s string) bool { return s == text }
	out := slices.Clone(expect)
	for i, e := range out {
		if slices.ContainsFunc(e.Keywords, is) || slices.ContainsFunc(e.Examples, is) {
			out[i].Keywords = slices.DeleteFunc(slices.Clone(e.Keywords), is)
			out[i].Examples = slices.DeleteFunc(slices.Clone(e.Examples), is)
		}
	}
	return out
}

func (p *Publication) compare(now, was judged) {
	f1, taught := map[string]float64{}, map[string]bool{}
	for e := range now.own {
		taught[e.Label] = true
	}
	for _, l := range p.Before.ByLabel {
		f1[l.Label] = l.F1
	}
	for _, l := range p.Report.ByLabel {
		limit := Tolerance
		if !taught[l.Label] {
			limit *= 2
		}
		if b, ok := f1[l.Label]; ok && l.F1 < b-limit && l.Support > 0 {
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
	for i, e := range was.examples {
		right[e] = was.answers[i].Answer == was.answers[i].Truth
	}
	for i, e := range now.examples {
		if right[e] && now.own[e] && now.answers[i].Answer != e.Label {
			p.Lost = append(p.Lost, Loss{e.Text, e.Label, now.answers[i].Answer})
		}
	}
}

// Print writes the evaluation for the author of a script.
func (p Publication) Print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	line := func(format string, a ...any) { _, _ = fmt.Fprintf(w, format, a...) }
	line("sentences\t%d\n", p.Report.Examples)
	line("macro F1 in a call\t%.3f", p.Report.MacroF1)
	if p.Before.Examples > 0 {
		line("\t(before: %.3f)", p.Before.MacroF1)
	}
	line("\naccuracy in a call\t%.3f\n", p.Report.Accuracy)
	line("macro F1 of the model alone\t%.3f\t(accuracy %.3f of %d sentences)\n", p.Model.MacroF1, p.Model.Accuracy, p.Model.Examples)
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
