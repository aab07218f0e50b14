package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"time"

	"github.com/pressly/goose/v3"
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
	p, err := s.provider()
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

// Version tells the schema's version and the newest one that this program knows. It writes nothing.
func (s *Store) Version(ctx context.Context) (have, newest int64, err error) {
	p, err := s.provider()
	if err != nil {
		return 0, 0, err
	}
	var there int64
	if err := s.read(ctx).Raw(s.sql.hasTable, versionTable).Row().Scan(&there); err != nil || there == 0 {
		return 0, newestOf(p), clean(err)
	}
	err = s.read(ctx).Raw("SELECT COALESCE(MAX(version_id), 0) FROM " + versionTable).Row().Scan(&have)
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

func (s *Store) provider() (*goose.Provider, error) {
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
	return goose.NewProvider(kind, db, files, goose.WithTableName(versionTable), goose.WithDisableGlobalRegistry(true), goose.WithSlog(s.log))
}

// lockMigration takes the lock before goose looks at anything: goose's own is taken only after it has made its table, which two
// controllers cannot do at once. The database or the system frees it when the process dies.
func (s *Store) lockMigration(ctx context.Context) (unlock func(), err error) {
	switch {
	case s.sql.name == MySQL:
		return s.lockByName(ctx)
	case s.lockFile == "": // in memory: nobody else can see it
		return func() {}, nil
	}
	return s.lockByFile(ctx)
}

// lockName is the lock's name on the server, which is one for each database of it.
const lockName = "CONCAT('ringmaster.', LEFT(SHA2(DATABASE(), 256), 48))"

// lockByName holds GET_LOCK on a connection of its own.
func (s *Store) lockByName(ctx context.Context) (unlock func(), err error) {
	db, err := s.w.DB()
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	for {
		var got sql.NullInt64
		if err := conn.QueryRowContext(ctx, "SELECT GET_LOCK("+lockName+", 2)").Scan(&got); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		if got.Int64 == 1 {
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, errors.Join(fmt.Errorf("another controller is migrating: %w", err), conn.Close())
		}
	}
	return func() {
		if _, err := conn.ExecContext(context.WithoutCancel(ctx), "DO RELEASE_LOCK("+lockName+")"); err != nil {
			s.log.Warn("migration lock could not be released; it ends with its connection", "err", clean(err))
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // out of the pool, and with it the lock
		}
		_ = conn.Close()
	}, nil
}

// lockByFile holds an exclusive transaction on a second file beside the database.
func (s *Store) lockByFile(ctx context.Context) (unlock func(), err error) {
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
