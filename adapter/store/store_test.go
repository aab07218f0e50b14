package store

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"ringmaster/internal/lab/mariadb"
	"ringmaster/internal/scheduler/storetest"
)

var servers mariadb.Pool

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.Around(m)) }

// kinds of database that every test runs on.
const (
	onSQLite  = "sqlite"
	onMariaDB = "mariadb"
	onMySQL   = "mysql"
)

func kinds() []string { return []string{onSQLite, onMariaDB, onMySQL} }

// config is a new, empty database.
func config(t testing.TB, kind string) Config {
	t.Helper()
	c := Config{
		Dialect: SQLite, NumberKey: bytes.Repeat([]byte{1}, 32), Crypt: bytes.Repeat([]byte{2}, 32),
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	switch kind {
	case onSQLite:
		c.DSN = filepath.Join(t.TempDir(), "ringmaster.db")
	case onMariaDB:
		c.Dialect, c.DSN = MySQL, servers.Database(t, mariadb.MariaDB)
	case onMySQL:
		c.Dialect, c.DSN = MySQL, servers.Database(t, mariadb.MySQL)
	}
	return c
}

func openAt(t testing.TB, c Config) *Store {
	t.Helper()
	s, err := Open(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func openNew(t testing.TB, kind string) (*Store, Config) {
	t.Helper()
	c := config(t, kind)
	s := openAt(t, c)
	if _, err := s.Migrate(context.Background(), Latest); err != nil {
		t.Fatal(err)
	}
	return s, c
}

func stores(s *Store, c Config) storetest.Stores {
	return storetest.Stores{
		Scheduler: s, Outbox: s.Outbox(), API: s,
		Again: func(t *testing.T) storetest.Stores { return stores(openAt(t, c), c) },
	}
}

func TestContract(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) storetest.Stores { return stores(openNew(t, kind)) })
		})
	}
}
