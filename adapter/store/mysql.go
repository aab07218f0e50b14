package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/go-sql-driver/mysql"
	gormmysql "gorm.io/driver/mysql"
	"gorm.io/gorm"
)

func mysqlDialect() dialect {
	return dialect{
		name: MySQL, now: "SELECT UTC_TIMESTAMP(6)",
		hasTable:   "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
		claimIndex: " FORCE INDEX (contact_claim)", dueIndex: " FORCE INDEX (contact_due)", outboxDue: " FORCE INDEX (outbox_due)",
		attemptIndex: " FORCE INDEX (attempt_id)", forUpdate: " FOR UPDATE", skipLocked: " FOR UPDATE SKIP LOCKED", maxPause: 250 * time.Millisecond,
	}
}

func (s *Store) openMySQL(c Config) error {
	cfg, err := mysql.ParseDSN(c.DSN)
	if err != nil {
		return fmt.Errorf("%w: DSN must read user:password@tcp(host:port)/database", ErrConfig) // err may quote the DSN
	}
	if cfg.DBName == "" {
		return fmt.Errorf("%w: DSN names no database", ErrConfig)
	}
	cfg.ParseTime, cfg.Loc = true, time.UTC
	cfg.ClientFoundRows = true   // guarded updates count rows met, not rows changed
	cfg.InterpolateParams = true // one round trip a statement
	cfg.Logger = driverLog{c.Log}
	cfg.MultiStatements, cfg.AllowAllFiles = false, false
	cfg.Timeout = defaulted(cfg.Timeout, 5*time.Second)
	cfg.ReadTimeout = defaulted(cfg.ReadTimeout, 20*time.Second)
	cfg.WriteTimeout = defaulted(cfg.WriteTimeout, 20*time.Second)
	if err := cfg.Apply(mysql.Charset("utf8mb4", "utf8mb4_bin")); err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if cfg.Params == nil {
		cfg.Params = map[string]string{}
	}
	cfg.Params["time_zone"] = "'+00:00'"
	cfg.Params["sql_mode"] = "'STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION'"
	cfg.Params["innodb_lock_wait_timeout"] = "3"
	inner, err := mysql.NewConnector(cfg)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	db := sql.OpenDB(connector{inner})
	db.SetMaxOpenConns(max(c.MaxConns, 2)) // a migration holds one for its lock
	db.SetMaxIdleConns(c.MaxConns)
	db.SetConnMaxLifetime(5 * time.Minute)
	s.sql = mysqlDialect()
	// The version is not asked for: gorm would use RETURNING on MariaDB.
	s.w, err = gorm.Open(gormmysql.New(gormmysql.Config{Conn: db, SkipInitializeWithVersion: true}), gormConfig(c))
	if err != nil {
		return errors.Join(err, db.Close())
	}
	s.r = s.w
	return nil
}

// driverLog takes the driver's remarks on connections that broke; the store reports what comes of it.
type driverLog struct{ log *slog.Logger }

// Print implements mysql.Logger. The driver's remarks hold addresses and network errors, never statements.
func (l driverLog) Print(v ...any) { l.log.Debug("database connection", "err", fmt.Sprint(v...)) }

// connector makes connections that are READ COMMITTED and never go back to the pool with a transaction open.
type connector struct{ driver.Connector }

// Connect implements driver.Connector. The isolation is set by statement: the variable's name differs between MySQL
// (transaction_isolation) and MariaDB before 11.1 (tx_isolation).
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := inner.(driverConn)
	if !ok {
		return nil, errors.Join(errors.New("the driver's connections lack what the store needs"), inner.Close())
	}
	if _, err = conn.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", nil); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &settled{driverConn: conn}, nil
}

// driverConn is what the MySQL driver's connections do.
type driverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// settled is a connection that knows how a transaction ended. A COMMIT that waited too long for a metadata lock (a backup's) is answered
// with 1205 and leaves its transaction open: in the pool its connection would hold every lock until somebody took it, and BEGIN would
// then commit what its writer had given up.
type settled struct {
	driverConn
	bad bool // one goroutine at a time uses a connection
}

// BeginTx implements driver.ConnBeginTx.
func (c *settled) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	tx, err := c.driverConn.BeginTx(ctx, o)
	if err != nil {
		return nil, err
	}
	return settledTx{Tx: tx, conn: c}, nil
}

// IsValid implements driver.Validator.
func (c *settled) IsValid() bool { return !c.bad && c.driverConn.IsValid() }

type settledTx struct {
	driver.Tx
	conn *settled
}

// rollbackWait is how long a server may take to answer ROLLBACK before its connection is closed instead.
const rollbackWait = 3 * time.Second

// Commit implements driver.Tx.
func (t settledTx) Commit() error {
	err := t.Tx.Commit()
	if err == nil {
		return nil
	}
	if number, _ := code(err); number == myLockTimeout {
		ctx, cancel := context.WithTimeout(context.Background(), rollbackWait)
		defer cancel()
		if _, failed := t.conn.ExecContext(ctx, "ROLLBACK", nil); failed == nil {
			return fmt.Errorf("%w (%w)", errRolledBack, err)
		}
	}
	t.conn.bad = true
	return err
}

// Rollback implements driver.Tx.
func (t settledTx) Rollback() error {
	err := t.Tx.Rollback()
	if err != nil {
		t.conn.bad = true
	}
	return err
}
