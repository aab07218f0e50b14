package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func environment(t *testing.T) {
	t.Helper()
	t.Setenv("RINGMASTER_DSN", "u:p@tcp(127.0.0.1:3306)/ringmaster")
	t.Setenv("RINGMASTER_NUMBER_KEY", strings.Repeat("ab", 32))
	t.Setenv("RINGMASTER_CRYPT_KEY", strings.Repeat("cd", 32))
	t.Setenv("RINGMASTER_ARI_PASSWORD", "s3cret-password")
	t.Setenv("RINGMASTER_WEBHOOK_SECRET", "0123456789abcdef")
}

func TestExampleLoads(t *testing.T) {
	environment(t)
	c, err := Load("example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if c.PBX[0].Trunks[0].Lines != 30 || c.PBX[0].Password.Reveal() != "s3cret-password" {
		t.Fatalf("%+v", c)
	}
}

// Every file of testdata is the example with one mistake; its first line says
// what the error must contain.
func TestZooOfBadFiles(t *testing.T) {
	environment(t)
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(data), "\n")
		want := strings.TrimSpace(strings.TrimPrefix(first, "# want:"))
		_, err = Load(f)
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: the error must say %q: %v", f, want, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: a secret is in the error", f)
		}
	}
}

func TestSecretIsNeverPrinted(t *testing.T) {
	s := NewSecret("hunter2-hunter2")
	js, _ := json.Marshal(map[string]any{"a": s, "b": struct{ S Secret }{s}})
	all := string(js) + fmt.Sprint(s) + fmt.Sprintf("%v %+v %#v %s %q %x %d", s, s, s, s, s, s, s) + fmt.Sprintf("%v", struct{ S Secret }{s})
	if strings.Contains(all, "hunter2") || strings.Contains(all, fmt.Sprintf("%x", "hunter2")) {
		t.Fatalf("a secret was printed: %s", all)
	}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from-file\nrest"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.UnmarshalText([]byte("file:" + file)); err != nil || s.Reveal() != "from-file" {
		t.Fatalf("%v", err)
	}
	if err := s.UnmarshalText([]byte("env:RINGMASTER_NOT_SET")); err == nil {
		t.Fatal("an unset variable was accepted")
	}
}

func FuzzParse(f *testing.F) {
	data, _ := os.ReadFile("example.yaml")
	f.Add(data)
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		if len(data) < 64<<10 {
			_, _ = Parse(data)
		}
	})
}
