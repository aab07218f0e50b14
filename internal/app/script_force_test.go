package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringmaster/adapter/store"
	"ringmaster/config"
	"ringmaster/internal/api"
)

// What one controller publishes or rolls back is what another one dials by with
// its next call: it asks the database, and keeps no answer.
func TestRow_S4_ARollbackIsInForceOnEveryControllerAtOnce(t *testing.T) {
	ctx := t.Context()
	dsn := filepath.Join(t.TempDir(), "ringmaster.db")
	var libraries []*library
	for range 2 {
		st, err := store.Open(ctx, store.Config{Dialect: store.SQLite, DSN: dsn, NumberKey: bytes.Repeat([]byte{1}, 32), Crypt: bytes.Repeat([]byte{2}, 32), Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		if _, err := st.Migrate(ctx, store.Latest); err != nil {
			t.Fatal(err)
		}
		l, err := newLibrary(ctx, st, "t1", config.Scripts{Dir: "testdata/scripts"}, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		libraries = append(libraries, l)
	}
	here, there := libraries[0], libraries[1]
	src, err := os.ReadFile("testdata/scripts/e2e_001.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for _, text := range []string{string(src), strings.Replace(string(src), "谢谢您，再见", "谢谢，祝您愉快，再见", 1)} {
		c, err := here.Check(ctx, []byte(text))
		if err != nil || len(c.Findings) > 0 {
			t.Fatalf("%v %s", err, c.Findings)
		}
		if _, _, err := here.store.SaveDraft(ctx, api.ScriptVersion{Tenant: "t1", Script: c.ID, Version: c.Version, Source: c.Source, By: "test"}); err != nil {
			t.Fatal(err)
		}
		versions = append(versions, c.Version)
	}
	var slowest time.Duration
	from := versions[0]
	for i := range 20 {
		to, action := versions[(i+1)%2], api.ScriptPublished
		if i%2 == 1 {
			action = api.ScriptRolledBack
		}
		if _, err := here.store.ReleaseScript(ctx, api.ScriptRelease{Tenant: "t1", Script: "e2e_001", Version: to, Action: action, By: "test", Note: "x", From: from}); err != nil {
			t.Fatal(err)
		}
		from = to
		committed := time.Now()
		sc, err := there.current(ctx, "t1", "e2e_001")
		if err != nil {
			t.Fatal(err)
		}
		slowest = max(slowest, time.Since(committed))
		if sc.Info().Version != to { // the very first question after the COMMIT
			t.Fatalf("after %s the other controller would dial with %s", action, sc.Info().Version)
		}
	}
	t.Logf("20 releases: in force on the other controller with its first question, at most %v after COMMIT", slowest)
}
