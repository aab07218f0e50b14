package correct

import (
	"context"

	"ringmaster/internal/speech"
)

// Recognizer gives a recognizer whose results are put right by d, partial ones
// too. Keep, when not nil, must agree to every change (it sees the whole text
// before and after); Corrected, when not nil, is told how many terms of a final
// result were put right. Other languages than Mandarin pass unchanged: the
// dictionary knows its sounds only. Word times stay those of what was heard.
func Recognizer(inner speech.Recognizer, d *Dictionary, keep func(before, after string) bool, corrected func(terms int)) speech.Recognizer {
	return &recognizer{inner, d, keep, corrected}
}

type recognizer struct {
	inner     speech.Recognizer
	d         *Dictionary
	keep      func(before, after string) bool
	corrected func(int)
}

// Recognize implements speech.Recognizer.
func (r *recognizer) Recognize(ctx context.Context, o speech.RecognizeOptions) (speech.Recognition, error) {
	rec, err := r.inner.Recognize(ctx, o)
	if err != nil || o.Language != "" && o.Language != "cmn" {
		return rec, err
	}
	return &recognition{Recognition: rec, r: r}, nil
}

type recognition struct {
	speech.Recognition
	r         *recognizer
	was, then string // the last partial result, and what it became
}

// Recv implements speech.Recognition.
func (s *recognition) Recv() (speech.Result, error) {
	res, err := s.Recognition.Recv()
	if err != nil || res.Text == "" {
		return res, err
	}
	if !res.Final && res.Text == s.was {
		res.Text = s.then
		return res, nil
	}
	before := res.Text
	after, changes := s.r.d.Correct(before)
	if len(changes) > 0 && s.r.keep != nil && !s.r.keep(before, after) {
		after, changes = before, nil
	}
	if res.Final && len(changes) > 0 && s.r.corrected != nil {
		s.r.corrected(len(changes))
	}
	res.Text, s.was, s.then = after, before, after
	return res, nil
}

// Bias implements speech.Biaser where the inner recognition does.
func (s *recognition) Bias(hotwords map[string]int) {
	if b, ok := s.Recognition.(speech.Biaser); ok {
		b.Bias(hotwords)
	}
}
