package store

import (
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/glebarez/sqlite"
	"gorm.io/gorm"
)

func sqliteDialect() dialect {
	return dialect{
		name: SQLite, now: "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now') || '000'",
		claimIndex: " INDEXED BY contact_claim", dueIndex: " INDEXED BY contact_due", outboxDue: " INDEXED BY outbox_due",
	}
}

// openSQLite makes one writer and several readers of a file in WAL mode; a database in memory has the one connection only.
func (s *Store) openSQLite(c Config) error {
	if c.DSN == "" || strings.Contains(c.DSN, "?") {
		return fmt.Errorf("%w: the DSN of SQLite is a file's path, without options", ErrConfig)
	}
	s.sql = sqliteDialect()
	memory := c.DSN == ":memory:"
	base := url.Values{"_pragma": {"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)"}}
	base.Set("_txlock", "immediate")
	var err error
	if s.w, err = sqlitePool(c, base, 1); err != nil {
		return err
	}
	if memory {
		s.r = s.w
		return nil
	}
	s.lockFile = c.DSN + "-migrate"
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
