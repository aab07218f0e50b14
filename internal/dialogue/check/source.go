package check

import (
	"errors"
	"strings"

	"ringmaster/internal/dialogue"
)

// Source compiles a script with what it may use and checks it. What the
// compiler refuses is reported in the same form, every mistake at once, with
// the rule Syntax.
func Source(lib *dialogue.Library, file string, src []byte, o Options) Report {
	o.File = file
	sc, err := lib.Compile(file, src)
	if err == nil {
		return Run(sc, o)
	}
	r := Report{File: file, Findings: FromProblems(file, err)}
	if path := withoutNotice(lib, file, src); path != nil {
		for i := range r.Findings {
			if strings.Contains(r.Findings[i].Text, `needs "disclosure"`) {
				r.Findings[i].Rule, r.Findings[i].Path = Disclosure, path
				r.Findings[i].Text += ": the first words would be of business"
			}
		}
	}
	return r
}

// FromProblems gives the compiler's problems the form of findings.
func FromProblems(file string, err error) []Finding {
	var ps dialogue.Problems
	if !errors.As(err, &ps) {
		return []Finding{{Rule: Syntax, File: file, Line: 1, Column: 1, Text: err.Error()}}
	}
	out := make([]Finding, 0, len(ps))
	for _, p := range ps {
		out = append(out, Finding{Rule: Syntax, File: p.File, Line: p.Line, Column: p.Column, Text: p.Text, Suggest: p.Suggest})
	}
	return out
}

// withoutNotice shows what a script would say first if it had no notice: the
// same script is read once more with a notice put at its end. nil when that
// does not make it readable, so that it lacks more than a notice.
func withoutNotice(lib *dialogue.Library, file string, src []byte) []Step {
	end := len(src)
	if i := strings.Index(string(src), "\n--- # ringmaster-bundle: "); i >= 0 {
		end = i
	}
	whole := string(src[:end]) + "\ndisclosure: {say: {cmn: 录音, yue: 录音, hak: 录音, ug: 录音, en: recorded}}\n" + string(src[end:])
	sc, err := lib.Compile(file, []byte(whole))
	if err != nil {
		return nil
	}
	b := build(sc, file)
	x := explore(b.m, deaf())
	if len(x.states) == 0 {
		return nil
	}
	steps := b.m.pathOf(x.states[0])
	steps[0] = Step{Who: "note", Text: "the call is answered; no notice is said"}
	return steps
}

// deaf listens to nothing.
func deaf() *listener {
	return &listener{say: func(*run, *utter) {}, unset: func(*run, place, int, facts) {}, action: func(*run, action) {},
		circle: func(*run, int) {}, end: func(*run) {}, over: func(*run, target) {}}
}
