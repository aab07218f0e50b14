package store

import (
	"context"
	"errors"
	"io/fs"
	"reflect"
	"regexp"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"gorm.io/gorm/schema"
)

func onAll(t *testing.T, test func(t *testing.T, kind string)) {
	for _, kind := range kinds() {
		t.Run(kind, func(t *testing.T) { test(t, kind) })
	}
}

// TestRow_T28_MigrationsGoBothWays walks the schema up, down one by one, and up again, and finds the same tables each time.
func TestRow_T28_MigrationsGoBothWays(t *testing.T) {
	onAll(t, func(t *testing.T, kind string) {
		ctx := t.Context()
		s := openAt(t, config(t, kind))
		if have, newest, err := s.Version(ctx); err != nil || have != 0 || newest < 4 {
			t.Fatalf("version %d of %d, %v", have, newest, err)
		}
		if err := s.CheckSchema(ctx); !errors.Is(err, ErrSchema) {
			t.Errorf("empty database: %v", err)
		}
		to := func(target int64) map[string][]string {
			t.Helper()
			have, err := s.Migrate(ctx, target)
			if err != nil {
				t.Fatalf("to %d: %v", target, err)
			}
			if target != Latest && have != target {
				t.Fatalf("version %d, want %d", have, target)
			}
			return shape(t, s)
		}
		full := to(Latest)
		if err := s.CheckSchema(ctx); err != nil {
			t.Error(err)
		}
		_, newest, err := s.Version(ctx)
		if err != nil {
			t.Fatal(err)
		}
		at := map[int64]map[string][]string{newest: full}
		for v := newest - 1; v >= 0; v-- {
			at[v] = to(v)
			if len(at[v]) >= len(at[v+1]) {
				t.Errorf("version %d has %d tables, %d has %d", v, len(at[v]), v+1, len(at[v+1]))
			}
		}
		if left := at[0]; len(left) != 1 {
			t.Errorf("version 0 leaves %v", left)
		}
		for v := int64(1); v <= newest; v++ {
			if got := to(v); !reflect.DeepEqual(got, at[v]) {
				t.Errorf("version %d differs the second time:\n%v\n%v", v, got, at[v])
			}
		}
		if _, err := s.Migrate(ctx, newest+1); !errors.Is(err, ErrSchema) {
			t.Errorf("a version that does not exist: %v", err)
		}
		seed(t, s, 1) // and it works
		claimOne(t, s)
	})
}

// shape is every table with its columns and indexes, in a form that does not depend on the database.
func shape(t *testing.T, s *Store) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, table := range tables(t, s) {
		out[table] = append(columns(t, s, table), indexes(t, s, table)...)
	}
	return out
}

func columns(t *testing.T, s *Store, table string) []string {
	t.Helper()
	q := "SELECT CONCAT(column_name, ' ', is_nullable) FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = ? ORDER BY ordinal_position"
	if s.sql.name == SQLite {
		q = `SELECT name || ' ' || CASE WHEN "notnull" THEN 'NO' ELSE 'YES' END FROM pragma_table_info(?) ORDER BY cid`
	}
	var out []string
	if err := s.w.Raw(q, table).Scan(&out).Error; err != nil {
		t.Fatal(err)
	}
	return out
}

// indexes but the primary key: name, unique, columns.
func indexes(t *testing.T, s *Store, table string) []string {
	t.Helper()
	q := "SELECT CONCAT(index_name, ' ', MIN(non_unique), ' ', GROUP_CONCAT(column_name ORDER BY seq_in_index)) FROM information_schema.statistics " +
		"WHERE table_schema = DATABASE() AND table_name = ? AND index_name <> 'PRIMARY' GROUP BY index_name"
	if s.sql.name == SQLite {
		q = `SELECT l.name || ' ' || (1 - l."unique") || ' ' || (SELECT group_concat(name, ',') FROM pragma_index_info(l.name)) ` +
			`FROM pragma_index_list(?) l WHERE l.origin = 'c'`
	}
	var out []string
	if err := s.w.Raw(q, table).Scan(&out).Error; err != nil {
		t.Fatal(err)
	}
	sort.Strings(out)
	return out
}

// TestSchemasAreTheSame compares the databases with each other, and the rows of the program with the tables.
func TestSchemasAreTheSame(t *testing.T) {
	lite, _ := openNew(t, onSQLite)
	want := shape(t, lite)
	delete(want, versionTable)
	rows := []any{
		numberRow{}, personRow{}, scriptRow{}, scriptVersionRow{}, taskRow{}, contactRow{}, dncRow{}, controllerRow{}, attemptRow{}, legRow{}, eventRow{},
		cdrRow{}, turnRow{}, disclosureRow{}, recordingRow{}, ticketRow{}, budgetRow{}, budgetEntryRow{}, outboxRow{}, idempotencyRow{}, apiKeyRow{},
		taskDayRow{}, callerUseRow{}, permitRow{}, blockRow{}, headRow{}, personKeyRow{},
		vaultRow{}, keyRingRow{}, releaseRow{}, inboundRow{},
	}
	for _, row := range rows {
		parsed, err := schema.Parse(row, &sync.Map{}, schema.NamingStrategy{})
		if err != nil {
			t.Fatal(err)
		}
		have := strings.Join(want[parsed.Table], "\n") + "\n"
		for _, column := range parsed.DBNames {
			if !strings.Contains(have, column+" NO\n") && !strings.Contains(have, column+" YES\n") {
				t.Errorf("table %s has no column %s", parsed.Table, column)
			}
		}
	}
	onServers(t, func(t *testing.T, kind string) {
		s, _ := openNew(t, kind)
		got := shape(t, s)
		delete(got, versionTable)
		for table := range want {
			if !reflect.DeepEqual(got[table], want[table]) {
				t.Errorf("%s:\n%s\n%v\nsqlite\n%v", table, kind, got[table], want[table])
			}
		}
		if len(got) != len(want) {
			t.Errorf("%d tables, SQLite has %d", len(got), len(want))
		}
	})
}

// TestEveryKeyBeginsWithTheTenant holds the rule of the schema. The exceptions are looked up by what is unique everywhere, or belong
// to no tenant.
func TestEveryKeyBeginsWithTheTenant(t *testing.T) {
	except := map[string]string{
		"controller": "belongs to the installation", "drain": "belongs to the installation", "dnc": "looked up by subject over system and tenant at once",
	}
	s, _ := openNew(t, onSQLite)
	for _, table := range tables(t, s) {
		if table == versionTable || except[table] != "" {
			continue
		}
		var first string
		if err := s.w.Raw("SELECT name FROM pragma_table_info(?) WHERE pk = 1", table).Row().Scan(&first); err != nil {
			t.Fatal(err)
		}
		if first != "tenant_id" {
			t.Errorf("%s: primary key begins with %s", table, first)
		}
	}
}

// TestMigrationsTogether starts six controllers at once on an empty database.
func TestMigrationsTogether(t *testing.T) {
	onAll(t, func(t *testing.T, kind string) {
		c := config(t, kind)
		var wg sync.WaitGroup
		for i := range 6 {
			s := openAt(t, c)
			wg.Go(func() {
				if have, err := s.Migrate(context.Background(), Latest); err != nil || have < 4 {
					t.Errorf("controller %d: version %d, %v", i, have, err)
				}
			})
		}
		wg.Wait()
		s := openAt(t, c)
		_, newest, err := s.Version(t.Context())
		if n := count(t, s, "SELECT COUNT(*) FROM "+versionTable+" WHERE version_id > 0"); err != nil || newest < 5 || int64(n) != newest {
			t.Errorf("%d migrations are noted, want %d (%v)", n, newest, err)
		}
	})
}

// TestMigrationAfterACrash: MySQL has no transaction around CREATE and ALTER TABLE, so a migration that died half-way runs again. SQLite
// has one.
func TestMigrationAfterACrash(t *testing.T) {
	onServers(t, func(t *testing.T, kind string) {
		ctx := t.Context()
		s := openAt(t, config(t, kind))
		if _, err := s.Migrate(ctx, Latest); err != nil {
			t.Fatal(err)
		}
		want := shape(t, s)
		for _, q := range []string{"DROP TABLE leg", "DROP TABLE budget", "DROP TABLE vault", "ALTER TABLE audit DROP KEY audit_object, DROP KEY audit_actor, DROP COLUMN reason, DROP COLUMN request_id", "DELETE FROM " + versionTable + " WHERE version_id >= 2"} {
			if err := s.w.Exec(q).Error; err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Migrate(ctx, Latest); err != nil {
			t.Fatal(err)
		}
		if got := shape(t, s); !reflect.DeepEqual(got, want) {
			t.Errorf("got %v\nwant %v", got, want)
		}
	})
}

// TestNoSQLOfOneServer looks for words that one of the servers lacks.
func TestNoSQLOfOneServer(t *testing.T) {
	bad := regexp.MustCompile(`(?i)\b(RETURNING|utf8mb4_0900|uca1400|IF NOT EXISTS INDEX|ADD COLUMN IF|JSON|UUID|INET6|SEQUENCE|VISIBLE|FOR SHARE|OF a|LATERAL)\b`)
	files, err := fs.Glob(migrations, "migrations/mysql/*.sql")
	if err != nil || len(files) < 3 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		b, err := migrations.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if found := bad.FindAllString(string(b), -1); found != nil {
			t.Errorf("%s: %v", f, found)
		}
		if up, down := strings.Count(string(b), "CREATE TABLE IF NOT EXISTS"), strings.Count(string(b), "DROP TABLE IF EXISTS"); up != down || up == 0 {
			t.Errorf("%s creates %d tables and drops %d", f, up, down)
		}
	}
}

// TestMigrationWaitsForTheOther: the lock is held by another controller, for longer than this one has time.
func TestMigrationWaitsForTheOther(t *testing.T) {
	onAll(t, func(t *testing.T, kind string) {
		c := config(t, kind)
		first, second := openAt(t, c), openAt(t, c)
		release, err := first.lockMigration(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if have, err := second.Migrate(ctx, Latest); err == nil {
			t.Errorf("migrated to %d under another controller's lock", have)
		}
		if n := len(tables(t, second)); n > 0 {
			t.Errorf("%d tables were made", n)
		}
		release()
		if have, err := second.Migrate(t.Context(), Latest); err != nil || have < 4 {
			t.Errorf("then: %d, %v", have, err)
		}
	})
}
