package trained

import (
	_ "embed"
	"strings"

	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/classify"
)

// common holds sentences for the intents that any call meets, in Mandarin,
// Cantonese and English, and sentences that have nothing to do with a call.
//
//go:embed common.tsv
var common string //nolint:gochecknoglobals // an embedded file

// other is the label of sentences that mean nothing to a script. It is never
// answered: a sentence that is most like these is one to abstain from.
const other = "_other"

// Common gives the shared examples.
func Common() ([]classify.Example, error) { return classify.ReadTSV(strings.NewReader(common)) }

// Examples are what a question's expectations teach: their example sentences,
// and keywords that are plain words.
func Examples(expect []nlu.Expectation) []classify.Example {
	var out []classify.Example
	for _, e := range expect {
		if e.Intent == "" || e.Intent == other {
			continue
		}
		for _, s := range e.Examples {
			out = append(out, classify.Example{Label: string(e.Intent), Text: s})
		}
		for _, k := range e.Keywords {
			if !strings.HasPrefix(k, "re:") {
				out = append(out, classify.Example{Label: string(e.Intent), Text: k})
			}
		}
	}
	return out
}

// withCommon adds the shared examples, except those whose very words the
// script gives another meaning.
func withCommon(own []classify.Example) ([]classify.Example, error) {
	shared, err := Common()
	if err != nil {
		return nil, err
	}
	taken := map[string]bool{}
	var out []classify.Example
	for _, e := range own {
		if key := e.Label + "\t" + e.Text; !taken[key] {
			taken[key], taken[e.Text] = true, true
			out = append(out, e)
		}
	}
	for _, e := range shared {
		if !taken[e.Text] {
			out = append(out, e)
		}
	}
	return out, nil
}
