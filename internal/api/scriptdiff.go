package api

import (
	"maps"
	"slices"
	"strings"
)

// ScriptDiff is what two versions of a script do not have in common.
type ScriptDiff struct {
	ScriptID string       `json:"script_id"`
	From     string       `json:"from"` // version
	To       string       `json:"to"`
	Lines    []ScriptLine `json:"lines"`
	Nodes    PartsChanged `json:"nodes"`
	Replies  PartsChanged `json:"replies"`
}

// DiffScripts compares two versions of a script, whose outlines are was and is.
func DiffScripts(id string, from, to ScriptVersion, was, is ScriptOutline) ScriptDiff {
	return ScriptDiff{ScriptID: id, From: from.Version, To: to.Version, Lines: diffLines(string(from.Source), string(to.Source)),
		Nodes: diffParts(was.Nodes, is.Nodes), Replies: diffParts(was.Replies, is.Replies)}
}

// ScriptLine is a line that only one of two versions has. Op is "-" for the
// earlier one, "+" for the later one; Line counts from 1 in its own version.
type ScriptLine struct {
	Op   string `json:"op"`
	Line int    `json:"line"`
	Text string `json:"text"`
}

// maxEdits bounds the work on two versions that have little in common: beyond
// it what differs is given as taken out and put in.
const maxEdits = 500

// diffLines is a shortest list of lines to take out and to put in (E. W. Myers,
// An O(ND) Difference Algorithm and Its Variations, 1986), in the order of the
// text.
func diffLines(from, to string) []ScriptLine {
	a, b := lines(from), lines(to)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	a, b = a[head:len(a)-tail], b[head:len(b)-tail]
	out := []ScriptLine{}
	for _, e := range edits(a, b) {
		if e.from >= 0 {
			out = append(out, ScriptLine{"-", head + e.from + 1, a[e.from]})
		} else {
			out = append(out, ScriptLine{"+", head + e.to + 1, b[e.to]})
		}
	}
	return out
}

// lines of a text; an end without a line feed is no other line.
func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// edit is a line of a that goes (to < 0) or a line of b that comes (from < 0).
type edit struct{ from, to int }

func edits(a, b []string) []edit {
	furthest := map[int]int{1: 0}
	var trace []map[int]int
	for d := 0; d <= len(a)+len(b); d++ {
		if d > maxEdits {
			return replaced(a, b)
		}
		trace = append(trace, reach(furthest, d))
		for k := -d; k <= d; k += 2 {
			x := furthest[k-1] + 1
			if k == -d || k != d && furthest[k-1] < furthest[k+1] {
				x = furthest[k+1]
			}
			for x < len(a) && x-k < len(b) && a[x] == b[x-k] {
				x++
			}
			furthest[k] = x
			if x >= len(a) && x-k >= len(b) {
				return walkBack(trace, len(a), len(b))
			}
		}
	}
	return nil
}

// reach is what step d reads of the furthest points.
func reach(furthest map[int]int, d int) map[int]int {
	out := make(map[int]int, d+2)
	for k := -d - 1; k <= d+1; k++ {
		if x, ok := furthest[k]; ok {
			out[k] = x
		}
	}
	return out
}

func walkBack(trace []map[int]int, x, y int) []edit {
	var out []edit
	for d := len(trace) - 1; d > 0; d-- {
		v, k := trace[d], x-y
		before := k - 1
		if k == -d || k != d && v[k-1] < v[k+1] {
			before = k + 1
		}
		fromX := v[before]
		fromY := fromX - before
		if before == k+1 {
			out = append(out, edit{-1, fromY})
		} else {
			out = append(out, edit{fromX, -1})
		}
		x, y = fromX, fromY
	}
	slices.Reverse(out)
	return out
}

func replaced(a, b []string) []edit {
	var out []edit
	for i := range a {
		out = append(out, edit{i, -1})
	}
	for i := range b {
		out = append(out, edit{-1, i})
	}
	return out
}

// PartsChanged are the names that came, went or are not the same.
type PartsChanged struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	Changed []string `json:"changed"`
}

func diffParts(from, to map[string]string) PartsChanged {
	out := PartsChanged{[]string{}, []string{}, []string{}}
	for _, name := range slices.Sorted(maps.Keys(to)) {
		switch old, known := from[name]; {
		case !known:
			out.Added = append(out.Added, name)
		case old != to[name]:
			out.Changed = append(out.Changed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(from)) {
		if _, known := to[name]; !known {
			out.Removed = append(out.Removed, name)
		}
	}
	return out
}
