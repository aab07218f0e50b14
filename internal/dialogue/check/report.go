package check

import (
	"errors"
	"fmt"
	"sort"
	"strings"
)

// ErrRefused is what every refused script is (errors.Is).
var ErrRefused = errors.New("script refused by its check: correct the places named and check it again")

// Rule names what a finding is about; it is stable and may be filtered by.
type Rule string

// Rules, in the order in which a report lists findings of the same place.
const (
	Syntax      Rule = "syntax"      // the compiler's own: the script cannot be read
	Disclosure  Rule = "disclosure"  // business before the notice, or a notice that is none
	Exit        Rule = "exit"        // no way to stop, to complain or to reach a person
	Loop        Rule = "loop"        // it may go round without a bound of its own
	Unset       Rule = "unset"       // a value is said, tested or sent although it may be unset
	Banned      Rule = "banned"      // a phrase that is never said
	Vague       Rule = "vague"       // a phrase that says too little
	Tone        Rule = "tone"        // a line over its segment's ceiling
	Offer       Rule = "offer"       // an offer outside the customer's tier
	Withheld    Rule = "withheld"    // a question with no wording for some customer
	Unreachable Rule = "unreachable" // a node, reply or line that no path reaches
	DeadEnd     Rule = "dead_end"    // a node from which no answer leads to an end
	Transfer    Rule = "transfer"    // a hand-over that does not say what follows when it fails
	Model       Rule = "model"       // a node that hands the turn to a language model without its guards
	Intent      Rule = "intent"      // too few examples
	Confusable  Rule = "confusable"  // two intents of one node that cannot be told apart
	Voice       Rule = "voice"       // a voice that the catalogue does not have, or that does not speak the language
	TooLarge    Rule = "too_large"   // more paths than can be explored: nothing is proven
)

// Finding is one reason to refuse a script, with a path that leads there.
type Finding struct {
	Rule    Rule   `json:"rule"`
	File    string `json:"file"`
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // from 1, in characters
	Node    string `json:"node,omitempty"`
	Reply   string `json:"reply,omitempty"`
	Text    string `json:"text"`
	Suggest string `json:"suggest,omitempty"`
	// Whom is for whom it happens: "segment is early"; empty = for everybody.
	Whom string `json:"whom,omitempty"`
	// Path is a shortest conversation at whose end it happens.
	Path []Step `json:"path,omitempty"`
}

// Step of a counter-example: what is said, by whom, where in the script.
type Step struct {
	Who    string `json:"who"` // us, them, or note
	Text   string `json:"text"`
	Node   string `json:"node,omitempty"`
	Reply  string `json:"reply,omitempty"`
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

func (f Finding) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s: %s", f.File, f.Line, f.Column, f.Rule, f.Text)
	if f.Whom != "" {
		s += " [" + f.Whom + "]"
	}
	if f.Suggest != "" {
		s += " (" + f.Suggest + ")"
	}
	return s
}

// Explain is the finding with its path, one step a line.
func (f Finding) Explain() string {
	var b strings.Builder
	b.WriteString(f.String())
	for _, s := range f.Path {
		b.WriteString("\n    " + s.String())
	}
	return b.String()
}

func (s Step) String() string {
	out := fmt.Sprintf("%-5s %s", s.Who+":", s.Text)
	if s.Who == "note" {
		out = "      (" + s.Text + ")"
	}
	var at []string
	if s.Reply != "" {
		at = append(at, s.Reply)
	} else if s.Node != "" {
		at = append(at, s.Node)
	}
	if s.Line > 0 {
		at = append(at, fmt.Sprintf("%s:%d", s.File, s.Line))
	}
	if len(at) > 0 {
		out += "   — " + strings.Join(at, ", ")
	}
	return out
}

// Report is the result of checking one script.
type Report struct {
	Script   string    `json:"script,omitempty"` // its ID
	Version  string    `json:"version,omitempty"`
	File     string    `json:"file,omitempty"`
	Findings []Finding `json:"findings"`
	// Nodes, States and Edges say how much was explored.
	Nodes  int `json:"nodes"`
	States int `json:"states"`
	Edges  int `json:"edges"`
}

// OK reports that nothing was found.
func (r Report) OK() bool { return len(r.Findings) == 0 }

// Err is nil, or an error of kind ErrRefused that holds every finding.
func (r Report) Err() error {
	if r.OK() {
		return nil
	}
	return &RefusedError{Report: r}
}

// RefusedError is a refused script with its findings.
type RefusedError struct{ Report Report }

func (e *RefusedError) Error() string {
	lines := make([]string, 0, len(e.Report.Findings))
	for _, f := range e.Report.Findings {
		lines = append(lines, f.String())
	}
	return strings.Join(lines, "\n")
}

// Is reports that every RefusedError is an ErrRefused.
func (e *RefusedError) Is(target error) bool { return target == ErrRefused }

// maxFindings bounds what one script can say.
const maxFindings = 200

// collect keeps the first finding of its kind at its place.
type collector struct {
	seen map[string]bool
	list []Finding
}

func (c *collector) add(f Finding, detail string) {
	key := fmt.Sprint(f.Rule, f.File, f.Line, ":", f.Column, detail)
	if c.seen[key] || len(c.list) >= maxFindings {
		return
	}
	if c.seen == nil {
		c.seen = map[string]bool{}
	}
	c.seen[key] = true
	c.list = append(c.list, f)
}

func (c *collector) sorted() []Finding {
	sort.SliceStable(c.list, func(i, j int) bool {
		a, b := c.list[i], c.list[j]
		switch {
		case a.File != b.File:
			return a.File < b.File
		case a.Line != b.Line:
			return a.Line < b.Line
		case a.Column != b.Column:
			return a.Column < b.Column
		case a.Rule != b.Rule:
			return a.Rule < b.Rule
		}
		return a.Text < b.Text
	})
	return c.list
}
