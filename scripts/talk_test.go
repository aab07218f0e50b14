package scripts

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/check"
)

// talk is one conversation with a shipped script, understood by keywords.
type talk struct {
	t       testing.TB
	s       *dialogue.Script
	now     time.Time
	st      dialogue.State
	mv      dialogue.Move
	lines   []string // everything of ours, in order
	nodes   []string
	actions []string // "kind: value"
	inputs  int
}

func theTime() time.Time {
	return time.Date(2026, 10, 1, 14, 0, 0, 0, time.FixedZone("", 8*3600))
}

func pack(t testing.TB, path string) *dialogue.Script {
	t.Helper()
	s := compiled(t)[path]
	if s == nil {
		t.Fatalf("%s is not shipped", path)
	}
	return s
}

// call begins a conversation; the notice has been heard.
func call(t testing.TB, s *dialogue.Script, c dialogue.Customer) *talk {
	t.Helper()
	if missing := s.Missing(c); len(missing) > 0 {
		t.Fatalf("%s: %v", s.Info().ID, missing)
	}
	k := &talk{t: t, s: s, now: theTime()}
	k.st, k.mv = s.Start(c, k.now)
	k.took()
	k.give(dialogue.Input{Kind: dialogue.Said})
	return k
}

func (k *talk) took() {
	for _, l := range k.mv.Lines {
		k.lines = append(k.lines, l.Text)
	}
	if n := k.mv.Node; n != "" && (len(k.nodes) == 0 || k.nodes[len(k.nodes)-1] != n) {
		k.nodes = append(k.nodes, n)
	}
	for _, a := range k.mv.Actions {
		k.actions = append(k.actions, a.Kind+": "+a.Value)
	}
}

func (k *talk) give(in dialogue.Input) {
	k.inputs++
	at := k.now.Add(time.Duration(k.inputs) * time.Second)
	k.st, k.mv = k.s.Next(k.st, in, at)
	k.took()
}

// hear says the words as the customer, after all of ours has been said.
func (k *talk) hear(words ...string) *talk {
	k.t.Helper()
	for _, w := range words {
		k.give(dialogue.Input{Kind: dialogue.Said})
		q := k.s.Question(k.st, w)
		q.Now = k.now
		a, err := keyword.New().Understand(context.Background(), q)
		if err != nil {
			k.t.Fatal(err)
		}
		k.give(dialogue.Input{Kind: dialogue.Heard, Text: w, Answer: a})
	}
	return k
}

func (k *talk) did(action string) int {
	n := 0
	for _, a := range k.actions {
		if a == action {
			n++
		}
	}
	return n
}

func (k *talk) said(words string) bool {
	return slices.ContainsFunc(k.lines, func(l string) bool { return strings.Contains(l, words) })
}

func person(name string, vars map[string]any) dialogue.Customer {
	return dialogue.Customer{ID: "7", Name: name, Language: "cmn", Vars: vars}
}

// refused changes the source of a shipped script and gives what the check, or
// the compiler, finds.
func refused(t testing.TB, path string, change func(string) string) []check.Finding {
	t.Helper()
	src, err := fs.ReadFile(FS(), path)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(string(src))
	if changed == string(src) {
		t.Fatalf("%s: nothing was changed", path)
	}
	s, err := library(t).Compile(path, []byte(changed))
	if err != nil {
		return []check.Finding{{Rule: "compiler", Text: err.Error()}}
	}
	return check.Run(s, check.Options{File: path}).Findings
}
