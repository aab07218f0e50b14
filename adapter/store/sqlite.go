package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/glebarez/sqlite"
	"gorm.io/gorm"
)

func sqliteDialect() dialect {
	return dialect{
		name: SQLite, now: "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'",
		hasTable:   "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = ?",
		claimIndex: " INDEXED BY contact_claim", dueIndex: " INDEXED BY contact_due", outboxDue: " INDEXED BY outbox_due",
		attemptIndex: " INDEXED BY attempt_id",
		maxPause:     4 * time.Millisecond,
	}
}

// openSQLite makes one writer and several readers of a file in WAL mode; a database in memory has the one connection only.
func (s *Store) openSQLite(c Config) error {
	if c.DSN == "" || strings.Contains(c.DSN, "?") {
		return fmt.Errorf("%w: the DSN of SQLite is a file's path, without options", ErrConfig)
	}
	s.sql = sqliteDialect()
	// The first time-out is for several controllers that switch a new file to WAL at once. Later waits are our own, in short steps,
	// because SQLite's cannot be ended by a context.
	base := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(20)"}}
	base.Set("_txlock", "immediate")
	if c.DSN == ":memory:" {
		var err error
		s.w, err = sqlitePool(c, base, 1)
		s.r = s.w
		return err
	}
	s.lockFile = c.DSN + "-migrate"
	// Made here so that only its owner can read it, and so that a missing folder is told in the system's words.
	f, err := os.OpenFile(c.DSN, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("%w: database file: %w", ErrConfig, err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	if s.w, err = sqlitePool(c, base, 1); err != nil {
		return err
	}
	s.r, err = sqlitePool(c, url.Values{"_pragma": {"busy_timeout(5000)", "query_only(1)"}}, max(2, c.MaxConns/2))
	return err
}

func sqlitePool(c Config, q url.Values, conns int) (*gorm.DB, error) {
	db, err := sql.Open(sqlite.DriverName, c.DSN+"?"+q.Encode())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	db.SetConnMaxLifetime(0) // a database in memory lives as long as its connection
	g, err := gorm.Open(&sqlite.Dialector{Conn: db}, gormConfig(c))
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return g, nil
}
