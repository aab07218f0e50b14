package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var tests = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)

// declaredIn are the tests and fuzz targets by folder.
func declaredIn(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && (name == ".local" || name == ".git" || name == "testdata" || name == "bin") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, "_test.go") && !strings.HasSuffix(path, "suite.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel("../..", filepath.Dir(path))
		for _, m := range tests.FindAllSubmatch(text, -1) {
			out[filepath.ToSlash(dir)] = append(out[filepath.ToSlash(dir)], string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The table of faults names tests that exist.
func TestFaultsAreTested(t *testing.T) {
	exists := map[string]bool{}
	for _, names := range declaredIn(t) {
		for _, n := range names {
			exists[n] = true
		}
	}
	page, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(page, -1)
	if len(named) < 50 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, m := range named {
		if !exists[string(m[1])] {
			t.Errorf("there is no %s", m[1])
		}
	}
}

// Every fuzz target is in the inventory, beside its package, and no other.
func TestTheInventoryOfFuzzTargetsIsWhole(t *testing.T) {
	page, err := os.ReadFile("../../docs/fuzz.md")
	if err != nil {
		t.Fatal(err)
	}
	declared := declaredIn(t)
	listed := map[string]bool{}
	for line := range strings.SplitSeq(string(page), "\n") {
		cells := strings.Split(line, "|")
		if len(cells) < 6 || !strings.Contains(cells[4], "Fuzz") {
			continue
		}
		for _, target := range strings.Split(strings.TrimSpace(cells[4]), ", ") {
			found := false
			for _, dir := range strings.Split(strings.TrimSpace(cells[3]), ", ") {
				for _, n := range declared[dir] {
					if n == target {
						found, listed[dir+" "+n] = true, true
					}
				}
			}
			if !found {
				t.Errorf("there is no %s in %s", target, strings.TrimSpace(cells[3]))
			}
		}
	}
	for dir, names := range declared {
		for _, n := range names {
			if strings.HasPrefix(n, "Fuzz") && !listed[dir+" "+n] {
				t.Errorf("docs/fuzz.md lacks %s of %s", n, dir)
			}
		}
	}
}
