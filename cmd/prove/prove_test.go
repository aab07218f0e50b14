package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What was proven is not proven again, what failed is, and the page tells both.
func TestStepsGoOnWhereTheyWere(t *testing.T) {
	dir := t.TempDir()
	l, file, err := readLedger(dir, "abc")
	if err != nil || l.Commit != "abc" || len(l.Steps) != 0 {
		t.Fatalf("%+v %v", l, err)
	}
	l.Steps = append(l.Steps, done{Name: "m2", Command: "go test", Passed: true, Took: time.Minute})
	if err := writeJSON(file, l); err != nil {
		t.Fatal(err)
	}
	if l, _, err = readLedger(dir, "abc"); err != nil || l.find("m2", "go test") == nil || l.find("m2", "go test -v") != nil || l.find("m3", "go test") != nil {
		t.Errorf("%+v %v", l, err)
	}
	if l, _, err = readLedger(dir, "def"); err != nil || len(l.Steps) != 0 {
		t.Errorf("another commit has proven nothing: %+v %v", l, err)
	}
	marks := filepath.Join(dir, "runs")
	for range 2 {
		var out bytes.Buffer
		if err := step(t.Context(), dir, "fails", []string{"WHERE=" + marks, "sh", "-c", `echo x >> "$WHERE"; exit 3`}, &out); err == nil {
			t.Fatal("a failure passed")
		}
	}
	if ran, err := os.ReadFile(marks); err != nil || strings.Count(string(ran), "x") != 2 {
		t.Errorf("what failed has to be run again: %q %v", ran, err)
	}
	for _, bad := range []string{"", "A", "../x", strings.Repeat("x", 41)} {
		if err := step(t.Context(), dir, bad, []string{"true"}, &bytes.Buffer{}); err == nil {
			t.Errorf("a step named %q", bad)
		}
	}
	page := filepath.Join(dir, "page", "prove.md")
	if err := report(t.Context(), dir, page); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(page); err != nil || !strings.Contains(string(text), "| fails | **failed** |") {
		t.Errorf("%s %v", text, err)
	}
}

func TestFiguresAreWhatTestsPrinted(t *testing.T) {
	got := figures("=== RUN   TestA\n    a_test.go:12: 5 calls\n        and a table\n    a_test.go:13: more\ntime=x level=INFO\n=== NAME  TestB/x\n    b_test.go:1: y\n--- PASS: TestA (0.00s)\nok  \tx\t1s\n")
	if want := []string{"TestA: 5 calls", "        and a table", "TestA: more", "TestB/x: y"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Nobody is left out: first those whose rate is unknown, then the fastest, and
// never one that is done or has found something.
func TestTheFastestTargetIsNext(t *testing.T) {
	slow, fast, fresh := &target{Name: "slow", Execs: 10, Took: time.Second}, &target{Name: "fast", Execs: 90, Took: time.Second}, &target{Name: "fresh"}
	all := []*target{slow, fast, fresh}
	for _, want := range []*target{fresh, fast, slow, nil} {
		got := next(all, 100)
		if got != want {
			t.Fatalf("%+v, want %+v", got, want)
		}
		if got != nil {
			got.Execs, got.Took = 100, time.Second
		}
	}
	slow.Execs, slow.Findings = 1, 1
	if next(all, 100) != nil {
		t.Error("what was found has to be mended first")
	}
	if text := fuzzTable(all, "abc", "m"); !strings.Contains(text, "3 targets, 201 executions") || strings.Count(text, "| open |") != 3 {
		t.Error(text)
	}
}

func TestTargetsAreFound(t *testing.T) {
	found, err := targets(t.Context(), []string{"ringmaster/internal/phone"})
	if err != nil || !slices.Contains(found, target{Package: "ringmaster/internal/phone", Name: "FuzzParse"}) {
		t.Errorf("%+v %v", found, err)
	}
}
