package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringmaster/config"
	"ringmaster/internal/speech/voices"
)

// house writes the example configuration, with its secrets given.
func houseConfig(t *testing.T) string {
	t.Helper()
	t.Setenv("RINGMASTER_DSN", "u:p@tcp(127.0.0.1:3306)/x")
	for _, k := range []string{"RINGMASTER_NUMBER_KEY", "RINGMASTER_CRYPT_KEY"} {
		t.Setenv(k, strings.Repeat("1f", 32))
	}
	t.Setenv("RINGMASTER_ARI_PASSWORD", "secret")
	t.Setenv("RINGMASTER_WEBHOOK_SECRET", "0123456789abcdef")
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(config.Example()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func listed(t *testing.T, args ...string) string {
	t.Helper()
	cmd := voicesCommand()
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// The catalogue is listed as a table and as JSON; a script that asks for a
// voice that is not in it is refused with its place, and a chat says who speaks.
func TestVoicesAreListedCheckedAndShown(t *testing.T) {
	file := houseConfig(t)
	if out := listed(t, "--config", file); !strings.Contains(out, "NAME") || !strings.Contains(out, "xiaoan") || !strings.Contains(out, "cmn en") {
		t.Error(out)
	}
	var got []voices.Voice
	if err := json.Unmarshal([]byte(listed(t, "--config", file, "--json")), &got); err != nil || len(got) != 1 || got[0].Own != "alloy" {
		t.Errorf("%+v, %v", got, err)
	}
	if out := listed(t, "--config", file, "--language", "ug"); !strings.Contains(out, "no voices") {
		t.Error(out)
	}
	path := beside(t, declines)
	out, err := script(t, "/quit\n", "chat", "--understanding", "keyword", "--config", file, path)
	if err != nil || !strings.Contains(out, "voice xiaoan: the voice for cmn") {
		t.Errorf("%v %s", err, out)
	}
	src, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Replace(src, []byte("\nlanguage: cmn\n"), []byte("\nlanguage: cmn\nvoices: {cmn: xiaoen}\n"), 1)
	if err := os.WriteFile(path, bad, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err = script(t, "", "check", "--config", file, path); err == nil || !strings.Contains(out, `did you mean "xiaoan"?`) {
		t.Errorf("%v %s", err, out)
	}
	if out, err = script(t, "", "check", path); err != nil {
		t.Errorf("without a catalogue: %v %s", err, out)
	}
}
