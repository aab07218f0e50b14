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
		skipLocked: " FOR UPDATE SKIP LOCKED", maxPause: 250 * time.Millisecond,
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
	db := sql.OpenDB(readCommitted{inner})
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

// readCommitted sets the isolation of every connection by statement: the variable's name differs between MySQL (transaction_isolation) and
// MariaDB before 11.1 (tx_isolation).
type readCommitted struct{ driver.Connector }

// Connect implements driver.Connector.
func (c readCommitted) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if ex, ok := conn.(driver.ExecerContext); ok {
		_, err = ex.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED", nil)
	} else {
		err = errors.New("the driver cannot run a statement on a new connection")
	}
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}
