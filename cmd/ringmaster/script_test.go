package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringmaster/internal/dialogue/check"
)

const zoo = "../../internal/dialogue/check/testdata/zoo"

// A folder: every script with the lexicon beside it, every finding with its
// place, what to do and its conversation; the status says that something was
// found.
func TestScriptCheck(t *testing.T) {
	var out, progress bytes.Buffer
	err := scriptCheck(&out, &progress, []string{zoo}, nil, false)
	if !errors.Is(err, errRefused) || !strings.Contains(err.Error(), "76 of 77 files") {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"good.yaml: passed (7 nodes", "30_banned_phrase.yaml:79:14: banned: “稳赚不赔”", "    them: 好的   — opening.1", "(write “说明日期”)"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String()[:2000])
		}
	}
	if !strings.Contains(progress.String(), "50 of 77 scripts checked") {
		t.Errorf("progress: %q", progress.String())
	}
	if err := scriptCheck(&out, &progress, []string{filepath.Join(zoo, "good.yaml")}, nil, false); err != nil {
		t.Error(err)
	}
}

func TestScriptCheckOtherInput(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var out bytes.Buffer
	if err := scriptCheck(&out, &out, []string{filepath.Join(dir, "none.yaml")}, nil, false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if err := scriptCheck(&out, &out, []string{dir}, nil, false); err == nil || !strings.Contains(err.Error(), "no script found") {
		t.Errorf("%v", err)
	}
	yml := write("short.yml", "format: ringmaster/1\n")
	if err := scriptCheck(&out, &out, []string{dir}, nil, false); err == nil || !strings.Contains(err.Error(), "rename it") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(yml); err != nil {
		t.Fatal(err)
	}
	broken := write("broken.yaml", "format: ringmaster/1\nid: [\n")
	large := write("large.yaml", strings.Repeat("#", maxScriptFile+1))
	good, err := os.ReadFile(filepath.Join(zoo, "good.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	i, j := bytes.Index(good, []byte("disclosure:")), bytes.Index(good, []byte("start:"))
	silent := write("silent.yaml", strings.Replace(string(good[:i])+string(good[j:]), "industry: zoo", "industry: none", 1))
	out.Reset()
	err = scriptCheck(&out, &bytes.Buffer{}, []string{broken, large, silent}, nil, true)
	var reports []check.Report
	if e := json.Unmarshal(out.Bytes(), &reports); e != nil || !errors.Is(err, errRefused) || len(reports) != 3 {
		t.Fatalf("%v %v\n%s", err, e, out.String())
	}
	for i, want := range []check.Rule{check.Syntax, check.Syntax, check.Disclosure} {
		if f := reports[i].Findings[0]; f.Rule != want || f.Line < 1 {
			t.Errorf("%s: %+v", reports[i].File, f)
		}
	}
	if p := reports[2].Findings[0].Path; len(p) < 2 || !strings.Contains(p[0].Text, "no notice") || p[1].Node != "opening" {
		t.Errorf("the conversation without a notice: %v", p)
	}
	out.Reset()
	write("lexicon.yaml", "format: ringmaster-lexicon/1\n")
	if err := scriptCheck(&out, &out, []string{filepath.Join(zoo, "good.yaml"), dir}, nil, false); !errors.Is(err, errRefused) || !strings.Contains(out.String(), "lexicon.yaml:1:1: syntax") {
		t.Errorf("a lexicon that cannot be read: %v\n%s", err, out.String())
	}
}

func TestScriptGraph(t *testing.T) {
	cmd := scriptGraphCommand()
	svg := filepath.Join(t.TempDir(), "flow.svg")
	var told bytes.Buffer
	cmd.SetErr(&told)
	cmd.SetArgs([]string{filepath.Join(zoo, "30_banned_phrase.yaml"), "-o", svg})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(svg)
	if err != nil || !strings.Contains(string(b), "<svg") || !strings.Contains(string(b), "ask_size") || strings.Count(string(b), `stroke="#d12f2f" stroke-width="3"`) < 4 {
		t.Errorf("%v: %d bytes, the path is not red", err, len(b))
	}
	if !strings.Contains(told.String(), "稳赚不赔") {
		t.Errorf("%s", told.String())
	}
}
