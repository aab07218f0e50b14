package api

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// What is taken out and put in turns the one text into the other, for any two.
func TestDiffTurnsOneTextIntoTheOther(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // a test's own
	text := func(n int) string {
		var b strings.Builder
		for range r.IntN(n) {
			fmt.Fprintf(&b, "%d\n", r.IntN(4))
		}
		return b.String()
	}
	for range 2000 {
		a, b := text(12), text(12)
		if got := applied(a, diffLines(a, b)); got != b {
			t.Fatalf("%q to %q gives %q: %v", a, b, got, diffLines(a, b))
		}
	}
	if d := diffLines("a\nb\nc\n", "a\nc\nd\n"); fmt.Sprint(d) != "[{- 2 b} {+ 3 d}]" {
		t.Errorf("%v", d)
	}
	var x, y strings.Builder
	for i := range 10_000 { // nothing in common: bounded
		fmt.Fprintf(&x, "x%d\n", i)
		fmt.Fprintf(&y, "y%d\n", i)
	}
	if d := diffLines(x.String(), y.String()); len(d) != 20_000 {
		t.Errorf("%d lines", len(d))
	}
}

func applied(a string, d []ScriptLine) string {
	out, gone := lines(a), map[int]bool{}
	for _, e := range d {
		if e.Op == "-" {
			gone[e.Line-1] = true
		}
	}
	var kept []string
	for i, l := range out {
		if !gone[i] {
			kept = append(kept, l)
		}
	}
	for _, e := range d { // in the order of the new text: each finds its place
		if e.Op == "+" {
			if e.Line-1 > len(kept) {
				return "out of range"
			}
			kept = slices.Insert(kept, e.Line-1, e.Text)
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return strings.Join(kept, "\n") + "\n"
}
