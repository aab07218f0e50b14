package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations
var migrations embed.FS

// Latest as the target of Migrate means the newest version that this program knows.
const Latest = -1

const versionTable = "schema_version"

// Migrate moves the schema up or down to target (Latest; 0 empties the database), under a lock of the database, so that several
// controllers may start at once. It returns the version reached.
func (s *Store) Migrate(ctx context.Context, target int64) (int64, error) {
	unlock, err := s.lockMigration(ctx)
	if err != nil {
		return 0, clean(err)
	}
	defer unlock()
	p, err := s.provider(true)
	if err != nil {
		return 0, err
	}
	newest := newestOf(p)
	if target == Latest {
		target = newest
	}
	if target < 0 || target > newest {
		return 0, fmt.Errorf("%w: there is no version %d (newest is %d)", ErrSchema, target, newest)
	}
	if target > 0 {
		_, err = p.UpTo(ctx, target)
	}
	if err == nil {
		_, err = p.DownTo(ctx, target)
	}
	if err != nil {
		return 0, fmt.Errorf("migration to version %d: %w", target, clean(err))
	}
	have, err := p.GetDBVersion(ctx)
	return have, clean(err)
}

// Version tells the schema's version and the newest one that this program knows.
func (s *Store) Version(ctx context.Context) (have, newest int64, err error) {
	p, err := s.provider(false)
	if err != nil {
		return 0, 0, err
	}
	have, err = p.GetDBVersion(ctx)
	return have, newestOf(p), clean(err)
}

// CheckSchema is ErrSchema unless the schema is this program's.
func (s *Store) CheckSchema(ctx context.Context) error {
	have, newest, err := s.Version(ctx)
	if err == nil && have != newest {
		err = fmt.Errorf("%w (it is at %d, this program needs %d)", ErrSchema, have, newest)
	}
	return err
}

func newestOf(p *goose.Provider) (v int64) {
	for _, m := range p.ListSources() {
		v = max(v, m.Version)
	}
	return v
}

func (s *Store) provider(locking bool) (*goose.Provider, error) {
	dir, kind := "migrations/mysql", goose.DialectMySQL
	if s.sql.name == SQLite {
		dir, kind = "migrations/sqlite", goose.DialectSQLite3
	}
	files, err := fs.Sub(migrations, dir)
	if err != nil {
		return nil, err
	}
	db, err := s.w.DB()
	if err != nil {
		return nil, err
	}
	opts := []goose.ProviderOption{goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log)}
	if locking && s.sql.name == MySQL {
		opts = append(opts, goose.WithSessionLocker(namedLock{}))
	}
	return goose.NewProvider(kind, db, files, opts...)
}

// namedLock is GET_LOCK of the database's own name on the connection that migrates; the server frees it when the connection ends.
type namedLock struct{}

var _ lock.SessionLocker = namedLock{}

const lockName = "CONCAT('ringmaster.', LEFT(SHA2(DATABASE(), 256), 48))"

// SessionLock implements lock.SessionLocker.
func (namedLock) SessionLock(ctx context.Context, conn *sql.Conn) error {
	for {
		var got sql.NullInt64
		if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK("+lockName+", 5)").Scan(&got); err != nil {
			return err
		}
		if got.Int64 == 1 {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("another controller is migrating: %w", err)
		}
	}
}

// SessionUnlock implements lock.SessionLocker.
func (namedLock) SessionUnlock(ctx context.Context, conn *sql.Conn) error {
	_, err := conn.ExecContext(ctx, "DO RELEASE_LOCK("+lockName+")")
	return err
}

// lockMigration is SQLite's lock between processes: an exclusive transaction on a second file, ended by the system when the process
// dies. MySQL's lock is namedLock.
func (s *Store) lockMigration(ctx context.Context) (unlock func(), err error) {
	if s.lockFile == "" {
		return func() {}, nil
	}
	q := url.Values{"_pragma": {"busy_timeout(500)"}, "_txlock": {"exclusive"}}
	db, err := sql.Open("sqlite", s.lockFile+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	for {
		tx, err := db.BeginTx(ctx, nil)
		if err == nil {
			return func() { _ = errors.Join(tx.Rollback(), db.Close()) }, nil
		}
		if !isConflict(err) {
			return nil, errors.Join(err, db.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("another controller is migrating: %w", ctx.Err()), db.Close())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
