package mariadb

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/internal/lab/env"
)

var servers Pool

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.Around(m)) }

func flavors(t *testing.T, test func(t *testing.T, f Flavor)) {
	for _, f := range []Flavor{MariaDB, MySQL} {
		t.Run(string(f), func(t *testing.T) { test(t, f) })
	}
}

func TestLife(t *testing.T) {
	flavors(t, func(t *testing.T, f Flavor) {
		env.Need(t, env.Part(f))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		s, err := Start(ctx, Options{Flavor: f})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.Stop(context.Background()) }()
		t.Logf("started in %s", time.Since(began))
		if err := s.CreateDatabase(ctx, "life"); err != nil {
			t.Fatal(err)
		}
		if err := s.CreateDatabase(ctx, "life"); err == nil {
			t.Error("a database was created twice")
		}
		if err := s.CreateDatabase(ctx, "a`; DROP DATABASE life"); !errors.Is(err, ErrName) {
			t.Errorf("bad name: %v", err)
		}
		db := connect(t, s.DSN("life"))
		query(t, db, "CREATE TABLE said (id INT PRIMARY KEY, words VARCHAR(40), at DATETIME(6)) ENGINE=InnoDB")
		query(t, db, "INSERT INTO said VALUES (1, '喂，你好 😀', '2026-01-02 03:04:05.678901')")

		var version string
		if err := db.QueryRow("SELECT VERSION()").Scan(&version); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(version, "MariaDB") != (f == MariaDB) {
			t.Errorf("%s says it is %s", f, version)
		}

		// A row that was acknowledged survives a crash.
		first := s.PID()
		s.Kill()
		if err := db.Ping(); err == nil {
			t.Error("a killed server answers")
		}
		for _, how := range []string{"after a crash", "in good order"} {
			if err := s.Restart(ctx); err != nil {
				t.Fatalf("restart %s: %v", how, err)
			}
			var words string
			var at time.Time
			if err := db.QueryRow("SELECT words, at FROM said").Scan(&words, &at); err != nil {
				t.Fatalf("%s: %v", how, err)
			}
			if words != "喂，你好 😀" || !at.Equal(time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)) {
				t.Errorf("%s: %q %s", how, words, at)
			}
		}
		last, dir := s.PID(), s.slot.Dir
		if last == first {
			t.Error("the same process after a restart")
		}
		if err := errors.Join(s.Stop(ctx), s.Stop(ctx)); err != nil {
			t.Error(err)
		}
		if err := s.Restart(ctx); err == nil {
			t.Error("restarted after Stop")
		}
		if err := syscall.Kill(last, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is left: %v", last, err)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("folder %s is left: %v", dir, err)
		}
	})
}

func TestPoolSharesOneServer(t *testing.T) {
	flavors(t, func(t *testing.T, f Flavor) {
		a, b := servers.Database(t, f), servers.Database(t, f)
		if a == b {
			t.Errorf("two tests share the database %s", a)
		}
		if s := servers.Server(t, f); s != servers.Server(t, f) {
			t.Error("two servers")
		}
		db := connect(t, a)
		query(t, db, "CREATE TABLE t (id INT PRIMARY KEY) ENGINE=InnoDB")
		// What the scheduler stands on: a claim skips rows that another claim holds.
		query(t, db, "INSERT INTO t VALUES (1), (2)")
		one, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = one.Rollback() }()
		var first, second int
		if err := one.QueryRow("SELECT id FROM t ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED").Scan(&first); err != nil {
			t.Fatal(err)
		}
		if err := db.QueryRow("SELECT id FROM t ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED").Scan(&second); err != nil {
			t.Fatal(err)
		}
		if first != 1 || second != 2 {
			t.Errorf("claimed %d and %d, want 1 and 2", first, second)
		}
	})
}

func TestStartTellsWhy(t *testing.T) {
	env.Need(t, env.MariaDB)
	if _, err := Start(t.Context(), Options{Flavor: "oracle"}); err == nil || !strings.Contains(err.Error(), "no such flavor") {
		t.Errorf("got %v", err)
	}
	_, err := Start(t.Context(), Options{Args: []string{"--no-such-option"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-option") {
		t.Errorf("the error does not hold what the server said: %v", err)
	}
}

func connect(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := open(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func query(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.Exec(statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}
