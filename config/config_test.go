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
	t.Setenv("RINGMASTER_ESL_PASSWORD", "s3cret-of-esl")
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

// The FreeSWITCH of the example loads when its lines are no comments any more.
func TestExampleOfFreeSWITCHLoads(t *testing.T) {
	environment(t)
	file := filepath.Join(t.TempDir(), "two.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll("\n"+Example(), "\n#  ", "\n  ")), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	low, high, err := c.PBX[1].Media.Ports()
	nets, err2 := c.PBX[1].Media.Prefixes()
	if err != nil || err2 != nil || low != 30000 || high != 39999 || len(nets) != 1 || nets[0].String() != "127.0.0.1/32" || c.PBX[1].Queues[0].Callcenter != "support@default" {
		t.Fatalf("%+v %v %v", c.PBX[1], err, err2)
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
