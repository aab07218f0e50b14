package dialogue

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// ErrScript is what every refused script is (errors.Is).
var ErrScript = errors.New("script refused: correct the places named and load it again")

// Problem is one mistake in a script, with its place and, where one is
// known, what was probably meant.
type Problem struct {
	File    string `json:"file"`
	Line    int    `json:"line"`   // from 1
	Column  int    `json:"column"` // from 1, in characters
	Text    string `json:"text"`
	Suggest string `json:"suggest,omitempty"`
}

func (p Problem) String() string {
	s := fmt.Sprintf("%s:%d:%d: %s", p.File, p.Line, p.Column, p.Text)
	if p.Suggest != "" {
		s += " (" + p.Suggest + ")"
	}
	return s
}

// Problems are all mistakes of a script, in the order of the file. It is the
// error type of Compile.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, 0, len(p))
	for _, q := range p {
		lines = append(lines, q.String())
	}
	return strings.Join(lines, "\n")
}

// Is reports that every Problems is an ErrScript.
func (p Problems) Is(target error) bool { return target == ErrScript }

// maxProblems bounds what one broken file can say.
const maxProblems = 100

type problems struct {
	file string
	list Problems
	over int
}

func (p *problems) add(v *val, suggest, format string, args ...any) {
	if len(p.list) >= maxProblems {
		p.over++
		return
	}
	file, line, col := p.file, 1, 1
	if v != nil {
		line, col = v.line, v.col
		if v.file != "" {
			file = v.file
		}
	}
	p.list = append(p.list, Problem{File: file, Line: line, Column: col, Text: clip(fmt.Sprintf(format, args...), 400), Suggest: suggest})
}

func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	sort.SliceStable(p.list, func(i, j int) bool {
		a, b := p.list[i], p.list[j]
		return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column
	})
	if p.over > 0 {
		last := p.list[len(p.list)-1]
		last.Text, last.Suggest = fmt.Sprintf("and %d more", p.over), ""
		p.list = append(p.list, last)
	}
	return p.list
}

// didYouMean suggests the nearest of the known names, or lists them when they
// are few.
func didYouMean(got string, known []string) string {
	best, at := "", 1+max(1, len(got)/3)
	sorted := append([]string(nil), known...)
	sort.Strings(sorted)
	sorted = slices.Compact(sorted)
	if len(got) <= 64 {
		for _, k := range sorted {
			if d := distance(got, k); d < at {
				best, at = k, d
			}
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	if len(sorted) == 0 {
		return ""
	}
	if len(sorted) > 40 {
		return "known: " + strings.Join(sorted[:40], ", ") + ", ..."
	}
	return "known: " + strings.Join(sorted, ", ")
}

// distance is the optimal string alignment distance (insert, delete, replace,
// swap of neighbours).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	prev2, prev, cur := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(x); i++ {
		cur[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(y)]
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + "..."
}
