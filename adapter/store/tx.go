package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"
)

// look reports, on a fresh connection and under the locks that the lost transaction held, whether it was committed.
type look func(tx *gorm.DB) (committed bool, err error)

// write runs fn in a transaction. Lock conflicts and lost connections before COMMIT are tried again, with jitter, while retryFor
// and ctx last: nothing was written then. When the answer to COMMIT is lost, seen decides; without seen, fn is run again, which its
// author promises to be harmless.
func (s *Store) write(ctx context.Context, seen look, fn func(tx *gorm.DB) error) error {
	stop := time.Now().Add(s.retryFor)
	pause := 2 * time.Millisecond
	unknown := false
	for {
		var err error
		if unknown && seen != nil {
			var committed bool
			if committed, err = s.ask(ctx, seen); err == nil {
				if committed {
					return nil
				}
				unknown = false
				continue
			}
		} else {
			err, unknown = s.once(ctx, fn)
			if err == nil {
				return nil
			}
		}
		s.count(err, unknown)
		if ctx.Err() != nil || time.Now().After(stop) || !(unknown || isConflict(err) || lostLink(err)) {
			return s.failed(ctx, err, unknown)
		}
		wait := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return s.failed(ctx, err, unknown)
		}
		pause = min(pause*2, s.sql.maxPause)
	}
}

// Stats counts what the store overcame or reported since Open.
type Stats struct {
	Conflicts uint64 // deadlocks, lock time-outs, busy files, lost races: tried again
	LostLinks uint64 // connections that broke before COMMIT was sent
	Unknown   uint64 // COMMITs whose answer was lost
}

type counters struct{ conflicts, lostLinks, unknown atomic.Uint64 }

// Stats may be read at any time.
func (s *Store) Stats() Stats {
	return Stats{Conflicts: s.counters.conflicts.Load(), LostLinks: s.counters.lostLinks.Load(), Unknown: s.counters.unknown.Load()}
}

func (s *Store) count(err error, unknown bool) {
	switch {
	case unknown:
		s.counters.unknown.Add(1)
	case isConflict(err):
		s.counters.conflicts.Add(1)
	case lostLink(err):
		s.counters.lostLinks.Add(1)
	}
}

func (s *Store) failed(ctx context.Context, err error, unknown bool) error {
	err = clean(err)
	if unknown {
		return fmt.Errorf("%w (%w)", ErrUnknownCommit, err)
	}
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w (%w)", err, cause)
	}
	return err
}

// once runs fn in one transaction; unknown says that COMMIT was sent and its answer is not known.
func (s *Store) once(ctx context.Context, fn func(tx *gorm.DB) error) (err error, unknown bool) {
	tx := s.w.WithContext(ctx).Begin()
	if tx.Error != nil {
		return tx.Error, false
	}
	done := false
	defer func() {
		if !done {
			tx.Rollback()
		}
	}()
	if err := fn(tx); err != nil {
		return err, false
	}
	if s.beforeCommit != nil {
		s.beforeCommit(tx)
	}
	done = true
	err = commit(ctx, tx)
	return err, err != nil && unknownCommit(err)
}

// commitGrace is how long COMMIT may outlive its context before its answer is given up.
const commitGrace = time.Second

// commit does not let a server that stalls hold its caller beyond ctx; the connection ends by its own time-out.
func commit(ctx context.Context, tx *gorm.DB) error {
	answer := make(chan error, 1)
	go func() { answer <- tx.Commit().Error }()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
	}
	grace := time.NewTimer(commitGrace)
	defer grace.Stop()
	select {
	case err := <-answer:
		return err
	case <-grace.C:
		return errNoAnswer
	}
}

// ask runs a look in a transaction of its own.
func (s *Store) ask(ctx context.Context, seen look) (committed bool, err error) {
	tx := s.w.WithContext(ctx).Begin()
	if tx.Error != nil {
		return false, tx.Error
	}
	defer tx.Rollback()
	return seen(tx)
}

// read is a handle for queries outside of a transaction.
func (s *Store) read(ctx context.Context) *gorm.DB { return s.r.WithContext(ctx) }

// locked makes the next query take row locks; SQLite has one writer and needs none.
func locked(tx *gorm.DB) *gorm.DB {
	return tx.Clauses(clause.Locking{Strength: clause.LockingStrengthUpdate})
}

// now is the database's clock, UTC.
func (s *Store) now(tx *gorm.DB) (time.Time, error) {
	var t instant
	err := tx.Raw(s.sql.now).Row().Scan(&t)
	return t.Time(), err
}

// exactly turns an update that met another number of rows than it was meant for into an error.
func exactly(n int64, res *gorm.DB, otherwise error) error {
	if res.Error != nil {
		return res.Error
	}
	if res.RowsAffected != n {
		return otherwise
	}
	return nil
}

func notFound(err error) bool { return errors.Is(err, gorm.ErrRecordNotFound) }
