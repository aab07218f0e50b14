package trained

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/nlu/classify"
)

// A version whose author mixed up two intents is told so before it is
// published: which labels fell, and which sentences are no longer understood.
func TestRow_S10_EveryPublishIsMeasuredAgainstTheVersionBefore(t *testing.T) {
	before := wealth("").Expect
	worse := slices.Clone(before)
	for i, e := range before {
		if e.Intent != "price_objection" {
			continue
		}
		for k, s := range before[0].Examples { // said the same way, meant as another
			if k%2 == 0 {
				worse[i].Examples = append(worse[i].Examples, s+"啊", "嗯"+s)
			}
		}
	}
	p, err := Evaluate(context.Background(), keyword.New(), worse, before, classify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if p.Report.Examples <= p.Before.Examples || p.Before.MacroF1 < 0.4 || p.Report.MacroF1 >= p.Before.MacroF1 {
		t.Errorf("F1 %.3f of %d, before %.3f of %d", p.Report.MacroF1, p.Report.Examples, p.Before.MacroF1, p.Before.Examples)
	}
	if len(p.Worse) == 0 || p.Worse[0].Label != "consult" || len(p.Lost) == 0 {
		t.Errorf("worse: %v, lost: %v", p.Worse, p.Lost)
	}
	var b bytes.Buffer
	if err := p.Print(&b); err != nil || !strings.Contains(b.String(), "worse than before") || !strings.Contains(b.String(), fmt.Sprintf("%.3f", p.Report.MacroF1)) {
		t.Errorf("%v %s", err, b.String())
	}
	t.Logf("\n%s", b.String())
}

func TestCommonExamples(t *testing.T) {
	es, err := Common()
	if err != nil {
		t.Fatal(err)
	}
	count, seen := map[string]int{}, map[string]string{}
	for _, e := range es {
		count[e.Label]++
		if seen[e.Text] != "" {
			t.Errorf("%s stands under %s and %s", e.Text, seen[e.Text], e.Label)
		}
		seen[e.Text] = e.Label
	}
	for _, l := range strings.Fields("affirm deny unsure busy callback price_objection time_objection not_interested already_done who_is_this are_you_ai wrong_person repeat hold_on stop complaint human abuse voicemail thanks goodbye greeting _other") {
		if count[l] < 8 {
			t.Errorf("%s has %d examples", l, count[l])
		}
		delete(count, l)
	}
	if len(count) > 0 {
		t.Errorf("nobody knows %v", count)
	}
}
