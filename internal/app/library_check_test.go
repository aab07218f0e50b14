package app

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringmaster/adapter/store"
	"ringmaster/config"
)

// A script that its check refuses is not published: every finding is logged
// with its conversation, and the version that was published before goes on.
func TestRow_M8_ImportRefusesAndTheOldVersionGoesOn(t *testing.T) {
	ctx := context.Background()
	var lines bytes.Buffer
	log := slog.New(slog.NewTextHandler(&lines, nil))
	st, err := store.Open(ctx, store.Config{Dialect: store.SQLite, DSN: filepath.Join(t.TempDir(), "ringmaster.db"), NumberKey: bytes.Repeat([]byte{1}, 32), Crypt: bytes.Repeat([]byte{2}, 32), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	if _, err := st.Migrate(ctx, store.Latest); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	src, err := os.ReadFile("testdata/scripts/e2e_001.yaml")
	if err != nil {
		t.Fatal(err)
	}
	published := func(text string) string {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, "e2e_001.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := newLibrary(ctx, st, "t1", config.Scripts{Dir: dir}, nil, log)
		if err != nil {
			t.Fatal(err)
		}
		sc, err := l.current(ctx, "t1", "e2e_001")
		if err != nil {
			t.Fatal(err)
		}
		return sc.Info().Version
	}
	first := published(string(src))
	if lines.Len() > 0 {
		t.Fatal(lines.String())
	}
	for name, bad := range map[string]string{
		"a notice that is none":    strings.Replace(string(src), "我是智能语音助手，本次通话将会录音。", "您好。", 1),
		"no key to stop":           strings.Replace(string(src), `  "9": stop`+"\n", "", 1),
		"a loop without its bound": strings.Replace(string(src), "turns: 40, ", "", 1),
	} {
		lines.Reset()
		if bad == string(src) {
			t.Fatalf("%s: the mistake cannot be made", name)
		}
		if v := published(bad); v != first {
			t.Errorf("%s: version %s is in force", name, v)
		}
		for _, want := range []string{"finding of the script's check", "us:", "e2e_001.yaml", "goes on"} {
			if !strings.Contains(lines.String(), want) {
				t.Errorf("%s: %q is not logged:\n%s", name, want, lines.String())
			}
		}
	}
	lines.Reset()
	if v := published(string(src) + "\n# a comment\n"); v == first || lines.Len() > 0 {
		t.Errorf("a version that passes is published: %s %s", v, lines.String())
	}
}
