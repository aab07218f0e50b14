package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
)

// row is a line of the list: an ID such as S11, and what stands behind it.
type row struct{ id, about string }

var (
	idForm   = regexp.MustCompile(`^[A-Z]+[0-9]+[a-z]?$`)
	testForm = regexp.MustCompile(`^TestRow_([A-Z]+[0-9]+[a-z]?)_`)
)

// readRows reads a list: one ID a line, anything after it explains it, # begins a remark.
func readRows(path string) ([]row, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []row
	var errs []error
	seen := map[string]bool{}
	for i, line := range strings.Split(string(b), "\n") {
		line, _, _ = strings.Cut(line, "#")
		id, about, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case id == "":
		case !idForm.MatchString(id):
			errs = append(errs, fmt.Errorf("%s:%d: %q is not the ID of a row (like S11)", path, i+1, id))
		case seen[id]:
			errs = append(errs, fmt.Errorf("%s:%d: row %s stands there twice", path, i+1, id))
		default:
			seen[id] = true
			list = append(list, row{id, strings.TrimSpace(about)})
		}
	}
	return list, errors.Join(errs...)
}

// table prints row, test and result, and returns false unless every row has a test and every test passed.
func table(list []row, in io.Reader, out io.Writer) (bool, error) {
	type result struct {
		test, result string
		seconds      float64
	}
	results := map[string][]result{} // by row
	broken := false
	err := events(in, func(e event) {
		switch {
		case e.Action == "build-output":
			_, _ = io.WriteString(out, e.Output)
		case e.Action == "build-fail", e.Test == "" && e.Action == "fail":
			broken = true
		}
		m := testForm.FindStringSubmatch(e.Test)
		if m == nil || strings.Contains(e.Test, "/") {
			return
		}
		tests := results[m[1]]
		i := slices.IndexFunc(tests, func(r result) bool { return r.test == e.name() })
		switch e.Action {
		case "run":
			// A test that never ends keeps this result.
			results[m[1]] = append(tests, result{test: e.name(), result: "DID NOT END"})
		case "pass", "fail", "skip":
			if i >= 0 {
				tests[i].result, tests[i].seconds = map[string]string{"pass": "pass", "fail": "FAIL", "skip": "NOT RUN"}[e.Action], e.Elapsed
			}
		}
	}, func(line string) { _, _ = io.WriteString(out, line) })
	if err != nil {
		return false, err
	}
	ok := !broken
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "row\ttest\tresult\tseconds")
	for _, r := range list {
		tests := results[r.id]
		delete(results, r.id)
		if len(tests) == 0 {
			ok = false
			_, _ = fmt.Fprintf(w, "%s\tno test named TestRow_%s_...\tFAIL\t\n", r.id, r.id)
		}
		for _, t := range tests {
			ok = ok && t.result == "pass"
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\n", r.id, strings.TrimPrefix(t.test, "ringmaster/"), t.result, t.seconds)
		}
	}
	var more []string
	for id := range results {
		more = append(more, id)
	}
	slices.Sort(more)
	for _, id := range more {
		for _, t := range results[id] {
			ok = ok && t.result == "pass"
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s (not in the list)\t%.1f\n", id, strings.TrimPrefix(t.test, "ringmaster/"), t.result, t.seconds)
		}
	}
	if err := w.Flush(); err != nil {
		return false, err
	}
	_, err = fmt.Fprintf(out, "rows: %d listed, %s\n", len(list), map[bool]string{true: "all proven", false: "NOT all proven"}[ok])
	return ok, err
}
