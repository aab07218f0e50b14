package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/phone"
)

// TestEveryConnectionIsSetUp holds several connections at once and asks each.
func TestEveryConnectionIsSetUp(t *testing.T) {
	onServers(t, func(t *testing.T, kind string) {
		c := config(t, kind)
		c.DSN += "&loc=Local&time_zone=%27%2B08%3A00%27&clientFoundRows=false&sql_mode=%27%27" // what we set cannot be overridden
		s := openAt(t, c)
		db, err := s.w.DB()
		if err != nil {
			t.Fatal(err)
		}
		isolation := "@@tx_isolation"
		if kind == onMySQL {
			isolation = "@@transaction_isolation"
		}
		var held []*sql.Conn
		defer func() {
			for _, c := range held {
				_ = c.Close()
			}
		}()
		for range 5 {
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, conn)
			var level, zone, mode, charset string
			var now time.Time
			row := conn.QueryRowContext(t.Context(), "SELECT "+isolation+", @@time_zone, @@sql_mode, @@character_set_connection, NOW(6)")
			if err := row.Scan(&level, &zone, &mode, &charset, &now); err != nil {
				t.Fatal(err)
			}
			if level != "READ-COMMITTED" || zone != "+00:00" || !strings.Contains(mode, "STRICT_TRANS_TABLES") || charset != "utf8mb4" {
				t.Errorf("isolation %s, zone %s, mode %s, charset %s", level, zone, mode, charset)
			}
			if d := time.Since(now).Abs(); d > time.Minute || now.Location() != time.UTC {
				t.Errorf("NOW() is %s off, in %s", d, now.Location())
			}
		}
	})
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	good := config(t, onSQLite)
	for name, tt := range map[string]struct {
		change func(*Config)
		want   error
	}{
		"dialect":      {func(c *Config) { c.Dialect = "oracle" }, ErrConfig},
		"short HMAC":   {func(c *Config) { c.NumberKey = c.NumberKey[:31] }, ErrConfig},
		"short key":    {func(c *Config) { c.Crypt = nil }, ErrConfig},
		"old key":      {func(c *Config) { c.OldCrypt = [][]byte{{1}} }, ErrConfig},
		"DSN":          {func(c *Config) { c.Dialect, c.DSN = MySQL, "secret-password@nowhere" }, ErrConfig},
		"no database":  {func(c *Config) { c.Dialect, c.DSN = MySQL, "u:secret-password@tcp(127.0.0.1:1)/" }, ErrConfig},
		"nobody there": {func(c *Config) { c.Dialect, c.DSN = MySQL, "u:secret-password@tcp(127.0.0.1:1)/x" }, ErrUnavailable},
		"no folder":    {func(c *Config) { c.DSN = filepath.Join(t.TempDir(), "no", "such", "x.db") }, ErrConfig},
		"options":      {func(c *Config) { c.DSN += "?_pragma=x" }, ErrConfig},
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			tt.change(&c)
			s, err := Open(t.Context(), c)
			if !errors.Is(err, tt.want) || s != nil {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret-password") {
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}

// TestNumbersAreNowhereInTheOpen looks for a number in the file, in the log of failing and slow statements, and in errors.
func TestNumbersAreNowhereInTheOpen(t *testing.T) {
	const digits = "13912345678"
	n, err := phone.Parse("+86"+digits, "CN")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) {
			c := config(t, kind)
			var log bytes.Buffer
			c.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
			c.Slow = time.Nanosecond // every statement is logged
			s := openAt(t, c)
			ctx := t.Context()
			if _, err := s.Migrate(ctx, Latest); err != nil {
				t.Fatal(err)
			}
			p := campaign.Person{Tenant: "acme", ExternalID: "c1", Name: "Zhang-Canary", Number: n}
			if _, _, err := s.SavePerson(ctx, p); err != nil {
				t.Fatal(err)
			}
			if err := s.OptOut(ctx, "acme", n, p.ID, "canary-words", time.Time{}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.EnsureTask(ctx, campaign.Task{Tenant: "acme", Script: "s", Standing: true}); err != nil {
				t.Fatal(err)
			}
			// Statements that fail: a table that is gone, a duplicate, a text in a numeric column.
			for _, q := range []string{"SELECT '" + digits + "' FROM nowhere WHERE x = ?", "INSERT INTO person (tenant_id, id) VALUES (?, '" + digits + "')"} {
				if err := s.w.WithContext(ctx).Exec(q, digits).Error; err == nil {
					t.Errorf("%s worked", q)
				} else if strings.Contains(clean(err).Error(), digits) {
					t.Errorf("the error quotes the statement: %v", clean(err))
				}
			}
			text := log.String()
			if !strings.Contains(text, "database statement was slow") {
				t.Fatal("nothing was logged: the test tests nothing")
			}
			ours := strings.ReplaceAll(text, "SELECT '"+digits, "") // literals that this test itself wrote into statements
			ours = strings.ReplaceAll(ours, "(?, '"+digits, "")
			for _, secret := range []string{digits, "Canary", "canary-words"} {
				if strings.Contains(ours, secret) {
					t.Errorf("the log tells %q", secret)
				}
			}
			for _, table := range tables(t, s) {
				if dump := dumpTable(t, s, table); bytes.Contains(dump, []byte(digits)) {
					t.Errorf("table %s holds the number", table)
				}
			}
			if kind == onSQLite {
				for _, name := range []string{c.DSN, c.DSN + "-wal"} {
					b, err := os.ReadFile(name)
					if err == nil && bytes.Contains(b, []byte(digits)) {
						t.Errorf("%s holds the number", filepath.Base(name))
					}
				}
				if info, err := os.Stat(c.DSN); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("file mode %v, %v", info.Mode(), err)
				}
			}
		})
	}
}

func dumpTable(t *testing.T, s *Store, table string) []byte {
	t.Helper()
	rows, err := s.w.Raw("SELECT * FROM " + table).Rows()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for rows.Next() {
		cells := make([]any, len(names))
		for i := range cells {
			cells[i] = new(sql.RawBytes)
		}
		if err := rows.Scan(cells...); err != nil {
			t.Fatal(err)
		}
		for _, c := range cells {
			out = append(out, *c.(*sql.RawBytes)...)
		}
	}
	return out
}

// TestKeysChange: a new key seals, the old one still opens, and without it the number is reported as unreadable, the contact blocked
// and the others called.
func TestKeysChange(t *testing.T) {
	old, c := openNew(t, onSQLite)
	seed(t, old, 2)
	ctx := t.Context()

	c2 := c
	c2.Crypt, c2.OldCrypt = bytes.Repeat([]byte{9}, 32), [][]byte{c.Crypt}
	both := openAt(t, c2)
	if p, err := both.Person(ctx, "acme", "c00000"); err != nil || p.Number.Dial() != "+8613900000000" {
		t.Errorf("with the old key: %v, %v", p.Number, err)
	}
	number, err := phone.Parse("+8613900000777", "CN")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := both.SavePerson(ctx, campaign.Person{Tenant: "acme", ExternalID: "c00001", Number: number}); err != nil {
		t.Fatal(err)
	}

	c2.OldCrypt = nil
	fresh := openAt(t, c2)
	if _, err := fresh.Person(ctx, "acme", "c00000"); !errors.Is(err, ErrSealed) {
		t.Errorf("without the old key: %v", err)
	}
	epoch, err := fresh.Register(ctx, "c1")
	if err != nil {
		t.Fatal(err)
	}
	as, err := fresh.Claim(ctx, "default", 10, campaign.Fence{Owner: "c1", Epoch: epoch})
	if err != nil || len(as) != 1 || as[0].Person.ExternalID != "c00001" {
		t.Fatalf("claimed %d, %v", len(as), err)
	}
	if n := count(t, fresh, "SELECT COUNT(*) FROM task_contact WHERE state = 'blocked' AND reason = 'number_unreadable'"); n != 1 {
		t.Errorf("%d contacts are blocked, want 1", n)
	}
}

func TestSealing(t *testing.T) {
	k, err := newKeyring(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), nil)
	if err != nil {
		t.Fatal(err)
	}
	n, err := phone.Parse("+8613800001111", "CN")
	if err != nil {
		t.Fatal(err)
	}
	short, _ := phone.Short("95511")
	lab, _ := phone.Lab("alice-1")
	for _, n := range []phone.Number{n, short, lab, {}} {
		sealed, err := k.seal("acme", n)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.open("acme", sealed); err != nil || got != n {
			t.Errorf("%v: opened %v, %v", n, got, err)
		}
	}
	a, _ := k.seal("acme", n)
	b, _ := k.seal("acme", n)
	if bytes.Equal(a, b) {
		t.Error("sealing twice gives the same bytes")
	}
	if _, err := k.open("other", a); !errors.Is(err, ErrSealed) {
		t.Errorf("another tenant: %v", err)
	}
	for i := range a {
		bad := bytes.Clone(a)
		bad[i] ^= 1
		if _, err := k.open("acme", bad); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d altered: %v", i, err)
		}
	}
	for i := range a {
		if _, err := k.open("acme", a[:i]); i > 0 && !errors.Is(err, ErrSealed) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	k, err := newKeyring(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), nil)
	if err != nil {
		f.Fatal(err)
	}
	lab, _ := phone.Lab("x")
	sealed, _ := k.seal("acme", lab)
	f.Add("acme", sealed)
	f.Add("", []byte{})
	f.Add("acme", []byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, tenant string, b []byte) {
		n, err := k.open(tenant, b)
		if err != nil && !errors.Is(err, ErrSealed) {
			t.Errorf("%v", err)
		}
		if err == nil && len(b) > 0 && (tenant != "acme" || n != lab) {
			t.Errorf("forged %v", n)
		}
	})
}

func FuzzClip(f *testing.F) {
	f.Add("a\x00\xff😀", 2)
	f.Fuzz(func(t *testing.T, s string, n int) {
		if n < 0 || n > 1000 {
			return
		}
		got := clip(s, n)
		if len([]rune(got)) > n || strings.ContainsRune(got, 0) || strings.ToValidUTF8(got, "") != got {
			t.Errorf("clip(%q, %d) = %q", s, n, got)
		}
	})
}

// TestSQLiteWaitsForAnotherWriter: the file is locked by another process (here: connection) for a while.
func TestSQLiteWaitsForAnotherWriter(t *testing.T) {
	s, c := openNew(t, onSQLite)
	seed(t, s, 1)
	other := openAt(t, c)
	tx := other.w.Begin()
	if tx.Error != nil {
		t.Fatal(tx.Error)
	}
	// A reader does not wait.
	if _, err := s.Person(t.Context(), "acme", "c00000"); err != nil {
		t.Error(err)
	}
	time.AfterFunc(300*time.Millisecond, func() { tx.Rollback() })
	began := time.Now()
	if _, _, err := s.CreateContact(t.Context(), api.NewContact{ID: newUUID(t), Tenant: "acme", CustomerID: "c00000", Script: "s"}); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d < 250*time.Millisecond {
		t.Errorf("did not wait: %s", d)
	}
}

// TestContextEndsSQLiteWait: the wait for another writer ends with the caller's context.
func TestContextEndsSQLiteWait(t *testing.T) {
	s, c := openNew(t, onSQLite)
	seed(t, s, 1)
	other := openAt(t, c)
	tx := other.w.Begin()
	if tx.Error != nil {
		t.Fatal(tx.Error)
	}
	defer tx.Rollback()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := s.Register(ctx, "c1")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	t.Logf("returned after %s", time.Since(began))
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("returned after %s", d)
	}
}

// TestOpenTellsTheOperator: the server's refusals come with what to do about them.
func TestOpenTellsTheOperator(t *testing.T) {
	onServers(t, func(t *testing.T, kind string) {
		good := config(t, kind)
		for name, tt := range map[string]struct {
			change func(*mysql.Config)
			hint   string
		}{
			"account":  {func(m *mysql.Config) { m.User, m.Passwd = "nobody", "secret-password" }, "check user, password"},
			"database": {func(m *mysql.Config) { m.DBName = "no_such_database" }, "create it"},
		} {
			m, err := mysql.ParseDSN(good.DSN)
			if err != nil {
				t.Fatal(err)
			}
			tt.change(m)
			c := good
			c.DSN = m.FormatDSN()
			_, err = Open(t.Context(), c)
			if err == nil || !strings.Contains(err.Error(), tt.hint) || strings.Contains(err.Error(), "secret-password") {
				t.Errorf("%s: %v", name, err)
			}
		}
		s := openAt(t, good) // not migrated
		if _, err := s.NextDue(t.Context()); err == nil || !strings.Contains(err.Error(), "run migrate") {
			t.Errorf("empty database: %v", err)
		}
	})
}
