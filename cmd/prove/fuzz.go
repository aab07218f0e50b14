package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// target is a fuzz target and what it has had, over all sittings.
type target struct {
	Package  string        `json:"package"`
	Name     string        `json:"name"`
	Execs    int64         `json:"execs"`
	Took     time.Duration `json:"took"`
	Corpus   int           `json:"corpus"` // interesting inputs that are known
	Findings int           `json:"findings"`
	Last     string        `json:"last"` // commit of the last sitting
}

func (t *target) rate() float64 {
	if t.Took <= 0 {
		return 0
	}
	return float64(t.Execs) / t.Took.Seconds()
}

type fuzzOptions struct {
	execs      int64
	slice      time.Duration
	limit      time.Duration
	write, dir string
}

func fuzzing(ctx context.Context, args []string, out io.Writer) error {
	o := fuzzOptions{dir: folder}
	f := flag.NewFlagSet("prove fuzz", flag.ContinueOnError)
	f.SetOutput(out)
	f.Int64Var(&o.execs, "execs", 10_000_000, "executions of each target, over all sittings")
	f.DurationVar(&o.slice, "slice", time.Minute, "about how long one target runs before the state is kept")
	f.DurationVar(&o.limit, "limit", 0, "end this sitting after so long; 0: when all is done")
	f.StringVar(&o.write, "write", "", "file for the table")
	if err := f.Parse(args); err != nil {
		return err
	}
	packages := f.Args()
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	found, err := targets(ctx, packages)
	if err != nil {
		return err
	}
	file := filepath.Join(o.dir, "fuzz.json")
	all, err := readTargets(file, found)
	if err != nil {
		return err
	}
	at := commit(ctx) // an interruption ends what could ask for it
	err = o.run(ctx, all, file, at, out)
	if o.write != "" {
		err = errors.Join(err, os.MkdirAll(filepath.Dir(o.write), 0o755), os.WriteFile(o.write, []byte(fuzzTable(all, at, machine())), 0o644))
	}
	return err
}

// targets of the packages, by go test -list.
func targets(ctx context.Context, packages []string) ([]target, error) {
	list, err := exec.CommandContext(ctx, "go", append([]string{"list", "-f", "{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}} {{.Dir}}{{end}}"}, packages...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var out []target
	for line := range strings.SplitSeq(string(list), "\n") {
		pkg, dir, ok := strings.Cut(line, " ")
		if !ok {
			continue
		}
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			for _, m := range declared.FindAllSubmatch(text, -1) {
				out = append(out, target{Package: pkg, Name: string(m[1])})
			}
		}
	}
	return out, nil
}

var declared = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(\w+ \*testing\.F\)`)

func readTargets(file string, found []target) ([]*target, error) {
	var kept []target
	if text, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(text, &kept); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	var all []*target
	for _, t := range found {
		if i := slices.IndexFunc(kept, func(k target) bool { return k.Package == t.Package && k.Name == t.Name }); i >= 0 {
			t = kept[i]
		}
		all = append(all, &t)
	}
	return all, nil
}

// run gives each target a short first sitting, and then the fastest all of theirs.
func (o fuzzOptions) run(ctx context.Context, all []*target, file, at string, out io.Writer) error {
	begun := time.Now()
	var broken error
	for ctx.Err() == nil && (o.limit == 0 || time.Since(begun) < o.limit) {
		t := next(all, o.execs)
		if t == nil {
			break
		}
		amount := "10s" // its rate is not known yet
		if r := t.rate(); r > 0 {
			amount = strconv.FormatInt(min(max(1000, int64(r*o.slice.Seconds())), o.execs-t.Execs), 10) + "x"
		}
		err := t.sit(ctx, amount, out)
		t.Last = at
		broken = errors.Join(broken, err)
		if err := writeJSON(file, all); err != nil {
			return err
		}
		if err != nil && t.Findings > 2 {
			return broken
		}
	}
	return broken
}

func next(all []*target, execs int64) *target {
	var open []*target
	for _, t := range all {
		if t.Execs < execs && t.Findings == 0 {
			open = append(open, t)
		}
	}
	if len(open) == 0 {
		return nil
	}
	return slices.MaxFunc(open, func(a, b *target) int {
		if (a.Execs == 0) != (b.Execs == 0) { // nobody knows its rate yet
			return cmp.Compare(b.Execs, a.Execs)
		}
		return cmp.Compare(a.rate(), b.rate())
	})
}

var progress = regexp.MustCompile(`fuzz: elapsed: \S+, execs: (\d+) .*\(total: (\d+)\)`)

// sit runs a target for an amount of go test's -fuzztime, with one worker so that a machine that is used for other things stays usable.
func (t *target) sit(ctx context.Context, amount string, out io.Writer) error {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-fuzz", "^"+t.Name+"$", "-fuzztime", amount, "-fuzzminimizetime", "10x", "-parallel", "1", t.Package)
	cmd.Stdout, cmd.Stderr = &said, &said
	begun := time.Now()
	err := cmd.Run()
	took := time.Since(begun)
	var done int64
	for _, m := range progress.FindAllStringSubmatch(said.String(), -1) {
		done, _ = strconv.ParseInt(m[1], 10, 64)
		t.Corpus, _ = strconv.Atoi(m[2])
	}
	t.Execs, t.Took = t.Execs+done, t.Took+took
	_, _ = fmt.Fprintf(out, "fuzz: %-40s %-22s %10d executions, %6.0f a second\n", strings.TrimPrefix(t.Package, "ringmaster/"), t.Name, t.Execs, t.rate())
	if err == nil || ctx.Err() != nil {
		return nil //nolint:nilerr // an interruption is no finding
	}
	switch {
	case strings.Contains(said.String(), "Failing input written to"):
		t.Findings++
	case done > 0 && strings.Contains(said.String(), "context deadline exceeded"):
		return nil // go test's own: the end of -fuzztime met it at work (go.dev/issue/48591)
	}
	return fmt.Errorf("%s %s: %w\n%s", t.Package, t.Name, err, said.String())
}

// fuzzTable is the page of what was done.
func fuzzTable(all []*target, commit, machine string) string {
	rows := slices.Clone(all)
	slices.SortFunc(rows, func(a, b *target) int {
		return cmp.Or(cmp.Compare(a.Package, b.Package), cmp.Compare(a.Name, b.Name))
	})
	var b strings.Builder
	var total int64
	for _, t := range rows {
		total += t.Execs
	}
	_, _ = fmt.Fprintf(&b, "# Fuzzing: executions so far\n\nWritten by `make prove-fuzz` (it goes on where it was). Commit %s; machine: %s.\n%d targets, %d executions; \"open\" targets have had less than 10,000,000.\n\n", commit, machine, len(rows), total)
	_, _ = b.WriteString("| package | target | executions | a second | inputs known | findings open | |\n|---|---|---:|---:|---:|---:|---|\n")
	for _, t := range rows {
		state := "open"
		if t.Execs >= 10_000_000 {
			state = "done"
		}
		_, _ = fmt.Fprintf(&b, "| %s | %s | %d | %.0f | %d | %d | %s |\n", strings.TrimPrefix(t.Package, "ringmaster/"), t.Name, t.Execs, t.rate(), t.Corpus, t.Findings, state)
	}
	return b.String()
}
