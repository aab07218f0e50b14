package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tables writes a training and a test table of three labels, and one of
// strangers.
func tables(t *testing.T) (train, test, oos string) {
	t.Helper()
	dir := t.TempDir()
	var a, b strings.Builder
	for i, v := range []string{"查一下", "看看", "告诉我", "我想知道", "请问"} {
		for j, o := range []string{"余额", "账户还有多少钱", "卡上剩多少"} {
			fmt.Fprintf([]*strings.Builder{&a, &b}[(i+j)%2], "balance\t%s%s\n", v, o)
		}
		for j, o := range []string{"卡丢了怎么办", "卡被偷了", "卡找不到了"} {
			fmt.Fprintf([]*strings.Builder{&a, &b}[(i+j)%2], "loss\t%s%s\n", v, o)
		}
		for j, o := range []string{"send money abroad", "transfer funds", "wire cash home"} {
			fmt.Fprintf([]*strings.Builder{&a, &b}[(i+j)%2], "transfer\tplease %s %d\n", o, i)
		}
	}
	write := func(name, s string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("train.tsv", a.String()), write("test.tsv", b.String()), write("oos.tsv", "oos\t明天下雪吗\noos\tжжж\noos\trecipe of soup\n")
}

func runNLU(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := nluCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestRow_S10_TheCommandMeasures(t *testing.T) {
	train, test, oos := tables(t)
	picture := filepath.Join(t.TempDir(), "c.svg")
	out, err := runNLU(t, "eval", "--train", train, "--test", test, "--oos", oos, "--json", "--confusion", picture)
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]any
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err, out)
	}
	for _, k := range []string{"accuracy", "accuracy_rejecting", "macro_f1", "oos_recall"} {
		if v, ok := r[k].(float64); !ok || v < 0 || v > 1 {
			t.Errorf("%s is %v", k, r[k])
		}
	}
	for _, k := range []string{"train_seconds", "us_per_utterance"} {
		if v, ok := r[k].(float64); !ok || v <= 0 {
			t.Errorf("%s is %v", k, r[k])
		}
	}
	if v, _ := r["accuracy"].(float64); v < 0.9 {
		t.Errorf("accuracy %v", v)
	}
	if b, err := os.ReadFile(picture); err != nil || !bytes.HasPrefix(b, []byte("<svg")) {
		t.Errorf("picture: %v %.20s", err, b)
	}
	picture = filepath.Join(t.TempDir(), "c.png")
	if out, err = runNLU(t, "eval", "--train", train, "--test", test, "--confusion", picture); err != nil || !strings.Contains(out, "macro F1") {
		t.Errorf("%v %s", err, out)
	}
	if b, err := os.ReadFile(picture); err != nil || !bytes.HasPrefix(b, []byte("\x89PNG")) {
		t.Errorf("picture: %v", err)
	}
}

func TestBadTablesAreRefusedByLine(t *testing.T) {
	train, test, _ := tables(t)
	write := func(s string) string {
		path := filepath.Join(t.TempDir(), "bad.tsv")
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for s, want := range map[string]string{"": "empty", "a\tb\nno tab": "line 2", "a\tb\nb\t\xff": "line 2", "a\tb\na\tc": "at least two labels", "a\t" + strings.Repeat("x", 1<<17): "line 1"} {
		path := write(s)
		_, err := runNLU(t, "eval", "--train", path, "--test", test)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%.20q: %v, want %s and the file", s, err, want)
		}
	}
	for _, args := range [][]string{{"eval"}, {"eval", "--train", train}, {"eval", "--train", train, "--test", "/nonexistent"}, {"eval", "--train", train, "--test", test, "--confusion", "c.gif"}} {
		if _, err := runNLU(t, args...); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}
