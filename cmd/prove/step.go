package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// done is a step that was run.
type done struct {
	Name    string        `json:"name"`
	Command string        `json:"command"`
	Passed  bool          `json:"passed"`
	At      time.Time     `json:"at"`
	Took    time.Duration `json:"took"`
	Figures []string      `json:"figures"` // what its tests printed
}

// ledger of the steps of one commit.
type ledger struct {
	Commit  string `json:"commit"`
	Machine string `json:"machine"`
	Steps   []done `json:"steps"`
}

func (l *ledger) find(name, command string) *done {
	for i := range l.Steps {
		if l.Steps[i].Name == name && l.Steps[i].Command == command {
			return &l.Steps[i]
		}
	}
	return nil
}

func readLedger(dir, commit string) (l ledger, file string, err error) {
	file = filepath.Join(dir, "steps-"+commit+".json")
	l = ledger{Commit: commit, Machine: machine()}
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return l, file, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	return l, file, err
}

func writeJSON(file string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file) // an interruption leaves the old one whole
}

var name = regexp.MustCompile(`^[a-z0-9-]{1,40}$`)

// step runs a command unless it has passed for this commit. A tree with changes of its own is measured anew each time.
func step(ctx context.Context, dir, id string, command []string, out io.Writer) error {
	if !name.MatchString(id) {
		return fmt.Errorf("a step is named by a-z, 0-9 and -, not %q", id)
	}
	at := commit(ctx)
	l, file, err := readLedger(dir, at)
	if err != nil {
		return err
	}
	text := strings.Join(command, " ")
	if d := l.find(id, text); d != nil && d.Passed && !strings.HasSuffix(at, "+") {
		_, _ = fmt.Fprintf(out, "prove: %s has passed at %s (%s)\n", id, at, d.Took.Round(time.Second))
		return nil
	}
	_, _ = fmt.Fprintf(out, "prove: %s: %s\n", id, text)
	env := os.Environ()
	for len(command) > 0 && strings.Contains(command[0], "=") {
		env, command = append(env, command[0]), command[1:]
	}
	if len(command) == 0 {
		return fmt.Errorf("step %s has no command", id)
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // the Makefile's own
	cmd.Env, cmd.Stdout, cmd.Stderr = env, io.MultiWriter(out, &said), io.MultiWriter(out, &said)
	begun := time.Now()
	failure := cmd.Run()
	if ctx.Err() != nil {
		return fmt.Errorf("step %s was interrupted: run it again", id)
	}
	d := done{Name: id, Command: text, Passed: failure == nil, At: begun.UTC().Truncate(time.Second), Took: time.Since(begun), Figures: figures(said.String())}
	if err := os.WriteFile(filepath.Join(mkdir(dir), id+".log"), said.Bytes(), 0o644); err != nil {
		return err
	}
	if old := l.find(id, text); old != nil {
		*old = d
	} else {
		l.Steps = append(l.Steps, d)
	}
	if err := writeJSON(file, l); err != nil {
		return err
	}
	if failure != nil {
		return fmt.Errorf("step %s: %w", id, failure)
	}
	return nil
}

func mkdir(dir string) string {
	_ = os.MkdirAll(dir, 0o755) // the write that follows tells
	return dir
}

var printed = regexp.MustCompile(`^\s+\w+_test\.go:\d+: (.*)$`)

// figures are the lines that passing tests printed by t.Log, with the names of the tests.
func figures(said string) (out []string) {
	test, in := "", false
	for line := range strings.SplitSeq(said, "\n") {
		if _, rest, ok := strings.Cut(line, "=== RUN   "); ok {
			test = rest
		} else if _, rest, ok := strings.Cut(line, "=== NAME  "); ok {
			test = rest
		}
		m := printed.FindStringSubmatch(line)
		switch {
		case m != nil:
			in = true
			out = append(out, test+": "+m[1])
		case in && strings.HasPrefix(line, "        "):
			out = append(out, strings.TrimRight(line, " "))
		default:
			in = false
		}
		if len(out) > 400 { // a table is read, a log is not
			return append(out, "...")
		}
	}
	return out
}

// report writes the steps of this commit as a page.
func report(ctx context.Context, dir, to string) error {
	l, _, err := readLedger(dir, commit(ctx))
	if err != nil {
		return err
	}
	if len(l.Steps) == 0 {
		return fmt.Errorf("nothing has been proven at commit %s: run make prove", l.Commit)
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "# What `make prove` showed\n\nWritten by `make prove`. Commit %s; machine: %s.\n\n| step | result | took | at (UTC) |\n|---|---|---|---|\n", l.Commit, l.Machine)
	for _, d := range l.Steps {
		result := "passed"
		if !d.Passed {
			result = "**failed**"
		}
		_, _ = fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", d.Name, result, d.Took.Round(time.Second), d.At.Format("2006-01-02 15:04"))
	}
	for _, d := range l.Steps {
		if len(d.Figures) > 0 {
			_, _ = fmt.Fprintf(&b, "\n## %s\n\n`%s`\n\n```\n%s\n```\n", d.Name, d.Command, strings.Join(d.Figures, "\n"))
		}
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, []byte(b.String()), 0o644)
}
