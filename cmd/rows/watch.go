package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// watcher prints what go test would print without -json, and counts.
type watcher struct {
	out     io.Writer
	said    map[string][]string // by test: what it printed, until it is known to have passed
	skipped map[string]string   // test -> why
	open    map[string]bool     // packages that have begun and not ended
	passed  int
	failed  []string
	pkgs    int
	bad     bool
}

// watch returns false when something failed.
func watch(in io.Reader, out io.Writer) (bool, error) {
	began := time.Now()
	w := &watcher{out: out, said: map[string][]string{}, skipped: map[string]string{}, open: map[string]bool{}}
	err := events(in, w.event, func(line string) { w.print(line) })
	if err != nil {
		return false, err
	}
	for _, pkg := range slices.Sorted(maps.Keys(w.open)) {
		w.bad = true
		w.unended(pkg)
		w.print("FAIL\t" + pkg + "\tdid not end (killed by the time limit?)\n")
	}
	for _, test := range w.failed {
		w.print("failed: " + test + "\n")
	}
	w.print(fmt.Sprintf("tests: %d passed, %d failed, %d skipped, in %d packages and %s\n", w.passed, len(w.failed), len(w.skipped), w.pkgs,
		time.Since(began).Round(time.Second)))
	w.print(left(w.skipped))
	return !w.bad, nil
}

// onYours begins the reason of a test that is for a system of the reader's own
// and is run when it is named: it lacks nothing that could be installed here.
const onYours = "on yours: "

// left names what was skipped. Last comes what should have been run.
func left(skipped map[string]string) string {
	var names []string
	yours := map[string][]string{} // by reason
	for _, test := range slices.Sorted(maps.Keys(skipped)) {
		if why, ok := strings.CutPrefix(skipped[test], onYours); ok {
			yours[why] = append(yours[why], test)
			continue
		}
		names = append(names, test+" ("+skipped[test]+")")
	}
	var out strings.Builder
	for _, why := range slices.Sorted(maps.Keys(yours)) {
		fmt.Fprintf(&out, "only on a system of yours: %s (%s)\n", strings.Join(yours[why], ", "), why)
	}
	if len(names) == 0 {
		names = []string{"nothing"}
	}
	return out.String() + "could not be run: " + strings.Join(names, "; ") + "\n"
}

func (w *watcher) print(text string) { _, _ = io.WriteString(w.out, text) }

func (w *watcher) event(e event) {
	switch {
	case e.Action == "build-output":
		w.print(e.Output)
	case e.Action == "build-fail":
		w.bad = true
	case e.Package == "":
	case e.Test == "":
		w.pkg(e)
	default:
		w.test(e)
	}
}

func (w *watcher) pkg(e event) {
	switch e.Action {
	case "start":
		w.open[e.Package] = true
	case "output":
		// PASS stands above every "ok" line and says nothing more; packages without tests are of no interest here.
		if e.Output != "PASS\n" && !strings.Contains(e.Output, "[no test files]") {
			w.print(e.Output)
		}
	case "pass", "fail", "skip":
		if e.Action == "fail" {
			w.unended(e.Package)
		}
		delete(w.open, e.Package)
		if e.Action != "skip" {
			w.pkgs++
		}
		w.bad = w.bad || e.Action == "fail"
	}
}

// unended prints what those tests of a package said that never ended, because their process did.
func (w *watcher) unended(pkg string) {
	for _, test := range slices.Sorted(maps.Keys(w.said)) {
		if strings.HasPrefix(test, pkg+".") {
			w.print(strings.Join(w.said[test], ""))
			delete(w.said, test)
		}
	}
}

func (w *watcher) test(e event) {
	name := e.name()
	switch e.Action {
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") {
			w.said[name] = append(w.said[name], e.Output)
		}
	case "fail":
		w.failed = append(w.failed, name)
		w.bad = true
		w.print(strings.Join(w.said[name], ""))
		delete(w.said, name)
	case "skip":
		// A test whose subtests were skipped is not skipped itself, so this names each hole once.
		w.skipped[name] = reason(w.said[name])
		delete(w.said, name)
	case "pass":
		w.passed++
		delete(w.said, name)
	}
}

// reason is what the test said when it skipped: the text behind "file.go:12: ", without line breaks.
func reason(said []string) string {
	for _, line := range slices.Backward(said) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "--- SKIP") {
			continue
		}
		if _, text, ok := strings.Cut(line, ".go:"); ok {
			if _, text, ok := strings.Cut(text, ": "); ok {
				return text
			}
		}
		return line
	}
	return "no reason given"
}
