package store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance/ledger"
	"ringmaster/internal/lab/mariadb"
	"ringmaster/internal/scheduler"
	"ringmaster/internal/scheduler/storetest"
)

var servers mariadb.Pool

func TestMain(m *testing.M) { goleak.VerifyTestMain(servers.Around(m)) }

// kinds of database that every test runs on.
const (
	onSQLite  = "sqlite"
	onMariaDB = "mariadb"
	onMySQL   = "mysql"
	onMemory  = "memory"
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
	case onMemory:
		c.DSN = ":memory:"
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
	out := storetest.Stores{Scheduler: s, Outbox: s.Outbox(), API: s}
	out.Bulk = func(t *testing.T, contacts []api.NewContact) {
		t.Helper()
		fillLike(t, s, contacts)
	}
	out.Verify = func(t *testing.T, tenant string) (ledger.Report, error) {
		t.Helper()
		var b bytes.Buffer
		if _, err := s.ExportLedger(t.Context(), tenant, &b); err != nil {
			return ledger.Report{}, err
		}
		return ledger.Verify(&b, s.LedgerKey())
	}
	out.Inputs = func(t *testing.T, tenant string, attempt uuid.UUID) []scheduler.InputRecord {
		t.Helper()
		in, _, err := s.Inputs(t.Context(), tenant, attempt)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	if c.DSN != ":memory:" {
		out.Again = func(t *testing.T) storetest.Stores { return stores(openAt(t, c), c) }
	}
	return out
}

// checkpoint appends inputs of one call.
func checkpoint(ctx context.Context, s *Store, f campaign.Fence, seq int64, records []scheduler.InputRecord) error {
	refused, err := s.Checkpoint(ctx, []scheduler.Inputs{{Fence: f, Seq: seq, Records: records}})
	return errors.Join(err, errors.Join(refused...))
}

func TestContract(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) {
			s, c := openNew(t, kind) // one schema for all: making it takes longer than most guarantees
			storetest.Run(t, func(t *testing.T) storetest.Stores {
				wipe(t, s)
				return stores(s, c)
			})
		})
	}
}

// TestInMemory: one connection for everything neither loses the database nor waits for itself.
func TestInMemory(t *testing.T) {
	s, _ := openNew(t, onMemory)
	seed(t, s, 40)
	epoch, err := s.Register(t.Context(), "c1")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				if err := wholeCall(context.Background(), s, "c1", epoch); err != nil {
					t.Error(err)
				}
				if _, err := s.Contacts(context.Background(), "acme", uuid.Nil, 5); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := count(t, s, "SELECT COUNT(*) FROM cdr"); n != 40 {
		t.Errorf("%d calls, want 40", n)
	}
}

// wipe empties every table.
func wipe(t testing.TB, s *Store) {
	t.Helper()
	for _, table := range tables(t, s) {
		if table == versionTable {
			continue
		}
		if err := s.w.Exec("DELETE FROM " + table).Error; err != nil {
			t.Fatal(err)
		}
	}
}

func tables(t testing.TB, s *Store) []string {
	t.Helper()
	q := "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name"
	if s.sql.name == SQLite {
		q = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
	}
	var names []string
	if err := s.w.Raw(q).Scan(&names).Error; err != nil {
		t.Fatal(err)
	}
	return names
}

func newUUID(t testing.TB) uuid.UUID {
	t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// fillLike stores contacts without CreateContact's look-ups.
func fillLike(t testing.TB, s *Store, contacts []api.NewContact) {
	t.Helper()
	var people []personRow
	var tasks []taskRow
	if err := errors.Join(s.w.Find(&people).Error, s.w.Find(&tasks).Error); err != nil {
		t.Fatal(err)
	}
	byID, byScript := map[string]binID{}, map[string]taskRow{}
	for _, p := range people {
		byID[string(p.ExternalID)] = p.ID
	}
	for _, k := range tasks {
		byScript[k.ScriptID] = k
	}
	rows := make([]contactRow, len(contacts))
	for i, c := range contacts {
		k := byScript[c.Script]
		rows[i] = contactRow{
			TenantID: c.Tenant, ID: binID(c.ID), TaskID: k.ID, PersonID: byID[c.CustomerID], Pool: k.Pool, State: string(c.State), ClaimRank: -c.Priority,
			DueAt: at(c.DueAt), CreatedAt: at(c.CreatedAt), UpdatedAt: at(c.CreatedAt),
		}
	}
	if err := s.w.CreateInBatches(rows, 500).Error; err != nil {
		t.Fatal(err)
	}
}
