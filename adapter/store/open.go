package store

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gorm.io/gorm"
)

// Dialects that Open knows.
const (
	MySQL  = "mysql"  // MySQL 8.0+ and MariaDB 10.6+
	SQLite = "sqlite" // embedded: demo, tests, one controller
)

// Config says which database and with which keys.
type Config struct {
	Dialect string // MySQL or SQLite
	// DSN is user:password@tcp(host:3306)/database for MySQL (go-sql-driver's form; time, charset and isolation settings are set here
	// and cannot be overridden), a file's path or ":memory:" for SQLite.
	DSN       string
	NumberKey []byte   // 32 bytes: HMAC-SHA-256 key by which numbers are found; changing it makes every stored number unfindable
	Crypt     []byte   // 32 bytes: AES-256 key that numbers are sealed with
	OldCrypt  [][]byte // earlier keys, still able to open
	LedgerKey []byte   // 32 bytes: seed of the Ed25519 key that signs checkpoints; nil = one derived from NumberKey

	MaxConns int           // connections at most; 0 = 16
	RetryFor time.Duration // how long lock conflicts and lost connections are retried within one method; 0 = 5 s (SQLite: 15 s)
	Slow     time.Duration // statements above this are logged; 0 = 500 ms
	Log      *slog.Logger  // nil = slog.Default()
}

// Store is the database. Its methods may be called by any number of goroutines.
type Store struct {
	w, r     *gorm.DB // the same but for SQLite, which has one writer
	sql      dialect
	keys     *keyring
	log      *slog.Logger
	retryFor time.Duration
	lockFile string // SQLite: held while migrating
	counters counters
	signer   ed25519.PrivateKey
	seals    seals

	beforeCommit func(tx *gorm.DB) // tests: break things here
}

// dialect is what the databases say differently.
type dialect struct {
	name         string
	now          string // query for the clock, UTC
	hasTable     string // query that counts tables of a name
	claimIndex   string // index hint after a table's name
	dueIndex     string
	outboxDue    string
	attemptIndex string
	forUpdate    string
	skipLocked   string
	maxPause     time.Duration // between tries
}

// Open connects and pings; it does not migrate.
func Open(ctx context.Context, c Config) (*Store, error) {
	keys, err := newKeyring(c.NumberKey, c.Crypt, c.OldCrypt)
	if err != nil {
		return nil, err
	}
	signer, err := ledgerKey(c)
	if err != nil {
		return nil, err
	}
	c.MaxConns = defaulted(c.MaxConns, 16)
	if c.Dialect == SQLite { // its lock has no queue: who comes back often gets it
		c.RetryFor = defaulted(c.RetryFor, 15*time.Second)
	}
	c.RetryFor = defaulted(c.RetryFor, 5*time.Second)
	c.Slow = defaulted(c.Slow, 500*time.Millisecond)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	s := &Store{keys: keys, log: c.Log, retryFor: c.RetryFor, signer: signer}
	switch c.Dialect {
	case MySQL:
		err = s.openMySQL(c)
	case SQLite:
		err = s.openSQLite(c)
	default:
		err = fmt.Errorf("%w: dialect %q is neither %q nor %q", ErrConfig, c.Dialect, MySQL, SQLite)
	}
	if err == nil {
		err = s.Ping(ctx)
	}
	if err != nil {
		return nil, errors.Join(clean(err), s.Close())
	}
	return s, nil
}

func defaulted[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

func gormConfig(c Config) *gorm.Config {
	return &gorm.Config{
		SkipDefaultTransaction: true, DisableAutomaticPing: true, Logger: sqlLog{log: c.Log, slow: c.Slow},
		NowFunc: func() time.Time { return time.Now().UTC() },
	}
}

// Ping asks the database for a sign of life.
func (s *Store) Ping(ctx context.Context) error {
	db, err := s.w.DB()
	if err != nil {
		return err
	}
	if err := db.PingContext(ctx); err != nil {
		return fmt.Errorf("%w (%w)", ErrUnavailable, clean(err))
	}
	return nil
}

// Close closes every connection.
func (s *Store) Close() error {
	var errs []error
	var closed *sql.DB
	for _, g := range []*gorm.DB{s.w, s.r} {
		if g == nil {
			continue
		}
		db, err := g.DB()
		if err == nil && db != closed {
			err, closed = db.Close(), db
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
