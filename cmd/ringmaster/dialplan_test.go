package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDialplanRender(t *testing.T) {
	for name, value := range map[string]string{
		"DSN": "u:p@tcp(127.0.0.1:3306)/ringmaster", "NUMBER_KEY": strings.Repeat("ab", 32), "CRYPT_KEY": strings.Repeat("cd", 32),
		"ARI_PASSWORD": "a-long-random-one", "WEBHOOK_SECRET": "0123456789abcdef",
	} {
		t.Setenv("RINGMASTER_"+name, value)
	}
	run := func(args ...string) error {
		cmd := dialplanCommand()
		cmd.SetOut(t.Output())
		cmd.SetErr(t.Output())
		cmd.SetArgs(append([]string{"render", "--config", "../../config/example.yaml"}, args...))
		return cmd.Execute()
	}
	dir := filepath.Join(t.TempDir(), "ringmaster")
	if err := run("--out", dir, "--pbx", "main"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(dir, "extensions.conf"))
	want, werr := os.ReadFile("../../dialplan/testdata/extensions.conf")
	if err != nil || werr != nil || !bytes.Equal(got, want) {
		t.Errorf("%v, %v:\n%s", err, werr, got)
	}
	if err := run(); err == nil || !strings.Contains(err.Error(), "out") {
		t.Errorf("without --out: %v", err)
	}
	if err := run("--out", dir, "--pbx", "other"); err == nil || !strings.Contains(err.Error(), "main") {
		t.Errorf("an exchange that is not there: %v", err)
	}
	t.Setenv("RINGMASTER_ARI_PASSWORD", "one;two")
	if err := run("--out", dir); err == nil || strings.Contains(err.Error(), "one;two") {
		t.Errorf("a password that cannot be written: %v", err)
	}
}
