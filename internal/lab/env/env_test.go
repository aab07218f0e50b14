package env

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// spy stands for a test and keeps what Need did to it.
type spy struct{ failed, skipped string }

func (s *spy) Helper()                      {}
func (s *spy) Name() string                 { return "TestSpy" }
func (s *spy) Logf(string, ...any)          {}
func (s *spy) Fatalf(f string, args ...any) { s.failed = fmt.Sprintf(f, args...) }
func (s *spy) Skipf(f string, args ...any)  { s.skipped = fmt.Sprintf(f, args...) }

func TestNeed(t *testing.T) {
	tests := []struct {
		name, mode   string
		part         Part
		givenUp      bool
		fails, skips string
	}{
		{name: "missing and not full skips", part: Asterisk, skips: "run setup/asterisk.sh"},
		{name: "missing and full fails", mode: "full", part: Asterisk, fails: "run setup/asterisk.sh"},
		{name: "optional not tried and full fails", mode: "full", part: MySQL, fails: "run setup/mysql.sh"},
		{name: "optional given up and full skips", mode: "full", part: MySQL, givenUp: true, skips: "sid has none"},
		{name: "a needed part cannot be given up", mode: "full", part: Asterisk, givenUp: true, fails: "run setup/asterisk.sh"},
		{name: "unknown part", mode: "full", part: "nosuch", fails: "nobody knows"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			local := t.TempDir()
			t.Setenv("RINGMASTER_LOCAL", local)
			t.Setenv("RINGMASTER_TEST_ENV", tt.mode)
			if tt.givenUp {
				write(t, filepath.Join(local, "stamps", string(tt.part)+".missing"), "sid has\nnone\n")
			}
			var s spy
			Need(&s, tt.part)
			if !match(s.failed, tt.fails) || !match(s.skipped, tt.skips) {
				t.Errorf("failed %q, skipped %q; want %q, %q", s.failed, s.skipped, tt.fails, tt.skips)
			}
		})
	}
}

func TestNeedIsContentWithWhatIsThere(t *testing.T) {
	local := t.TempDir()
	t.Setenv("RINGMASTER_LOCAL", local)
	t.Setenv("RINGMASTER_TEST_ENV", "full")
	write(t, filepath.Join(local, "stamps", "asterisk"), "Asterisk 22.99\nrecipe 1\n")
	write(t, filepath.Join(local, "asterisk-root", "usr", "sbin", "asterisk"), "x")
	var s spy
	Need(&s, Asterisk)
	if s.failed != "" || s.skipped != "" {
		t.Errorf("failed %q, skipped %q", s.failed, s.skipped)
	}
	if got := Version(Asterisk); got != "Asterisk 22.99" {
		t.Errorf("version %q", got)
	}
	path, err := Find(Asterisk)
	if err != nil || path != filepath.Join(local, "asterisk-root") {
		t.Errorf("Find: %q, %v", path, err)
	}
}

func TestFindNamesTheScript(t *testing.T) {
	t.Setenv("RINGMASTER_LOCAL", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	for _, p := range []Part{Asterisk, MariaDB, MySQL, Espeak, Sox, SIPp, Baresip, XMLLint} {
		_, err := Find(p)
		if !errors.Is(err, ErrMissing) && !errors.Is(err, nil) {
			t.Errorf("%s: %v is not ErrMissing", p, err)
		}
		w, _ := table(p)
		if err != nil && !strings.Contains(err.Error(), w.script) {
			t.Errorf("%s: %q does not name %s", p, err, w.script)
		}
		root, rerr := ModuleRoot()
		if rerr != nil {
			t.Fatal(rerr)
		}
		if _, err := os.Stat(filepath.Join(root, w.script)); err != nil {
			t.Errorf("%s is installed by %s, which does not exist", p, w.script)
		}
	}
}

func TestModuleRootOutside(t *testing.T) {
	t.Chdir("/") // the folder for temporary files may lie in somebody's module
	if _, err := ModuleRoot(); !errors.Is(err, ErrNoModule) {
		t.Errorf("got %v, want ErrNoModule", err)
	}
}

func match(got, want string) bool {
	if want == "" {
		return got == ""
	}
	return strings.Contains(got, want)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
