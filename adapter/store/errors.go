package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	gosqlite "github.com/glebarez/go-sqlite"
	"github.com/go-sql-driver/mysql"
	"gorm.io/gorm"
	sqlitecode "modernc.org/sqlite/lib"
)

// Failures of the store by name.
var (
	// ErrUnknownCommit: the database's answer to COMMIT was lost and it could not be asked in time.
	ErrUnknownCommit = errors.New("the database's answer to COMMIT was lost: look whether it was written before trying again")
	// ErrUnavailable: the database could not be reached; nothing was written.
	ErrUnavailable = errors.New("database is unreachable; nothing was written: is it up, and are address and account right?")
	// ErrConfig is a Config that cannot work.
	ErrConfig = errors.New("store configuration is wrong")
	// ErrSchema: the database's schema is not the one that this program needs.
	ErrSchema = errors.New("database schema has another version than this program needs: run migrate")
	// ErrSealed: a stored number cannot be decrypted with the keys at hand.
	ErrSealed = errors.New("a stored number cannot be read with the configured keys: add the earlier key to the old keys")

	errNoAnswer   = errors.New("COMMIT was not answered in time")
	errRolledBack = errors.New("COMMIT was refused and the transaction rolled back")

	errAgain = errors.New("lost a race that a second try settles") // internal: retried by write
)

// MySQL error numbers (https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html); MariaDB's are the same.
const (
	myDuplicate    = 1062
	myLockTimeout  = 1205
	myDeadlock     = 1213
	myShutdown     = 1053
	myCommitFailed = 1180
	myInterrupted  = 1317
	myKilled       = 1927 // MariaDB: connection was killed
	myTooMany      = 1040
	myReadOnly     = 1290 // --read-only: a replica, or a fail-over that is not over
)

// dbError carries a database's error without its text, which may quote stored values.
type dbError struct {
	text string
	err  error
}

func (e *dbError) Error() string { return e.text }
func (e *dbError) Unwrap() error { return e.err }

// clean takes stored values out of an error's text and gives a lost connection its name.
func clean(err error) error {
	var my *mysql.MySQLError
	var lite *gosqlite.Error
	var done *dbError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &done):
		return err
	case errors.As(err, &my):
		return &dbError{text: fmt.Sprintf("database error %d (%s)%s", my.Number, string(my.SQLState[:]), hint(my.Number)), err: err}
	case errors.As(err, &lite):
		return &dbError{text: fmt.Sprintf("sqlite error %d", lite.Code()), err: err}
	case lostLink(err):
		return fmt.Errorf("%w (%w)", ErrUnavailable, err)
	}
	return err
}

// hint tells an operator what to do about the errors that are his.
func hint(number uint16) string {
	switch number {
	case 1044, 1045, 1698:
		return ": access denied, check user, password and the rights on the database"
	case 1049:
		return ": the database does not exist, create it"
	case 1142, 1227:
		return ": the account lacks a right on the tables"
	case 1146, 1054:
		return ": a table or column is missing, run migrate"
	case myTooMany:
		return ": the server has no connection left, raise max_connections or lower the controller's"
	case myReadOnly, 1836:
		return ": the server is read-only, is it a replica?"
	case 1406, 1264, 1366:
		return ": a value does not fit its column"
	case 1021, 1114, 3675:
		return ": the server's disk is full"
	}
	return ""
}

func code(err error) (number uint16, lite int) {
	var my *mysql.MySQLError
	var l *gosqlite.Error
	if errors.As(err, &my) {
		number = my.Number
	}
	if errors.As(err, &l) {
		lite = l.Code()
	}
	return number, lite
}

func isDuplicate(err error) bool {
	number, lite := code(err)
	return number == myDuplicate || lite == sqlitecode.SQLITE_CONSTRAINT_UNIQUE || lite == sqlitecode.SQLITE_CONSTRAINT_PRIMARYKEY ||
		errors.Is(err, gorm.ErrDuplicatedKey)
}

// isConflict reports a lock conflict: nothing was written and another try may succeed.
func isConflict(err error) bool {
	number, lite := code(err)
	switch number {
	case myLockTimeout, myDeadlock:
		return true
	}
	primary := lite & 0xff
	return primary == sqlitecode.SQLITE_BUSY || primary == sqlitecode.SQLITE_LOCKED || errors.Is(err, errAgain)
}

// lostLink reports that the connection broke.
func lostLink(err error) bool {
	var op *net.OpError
	switch number, _ := code(err); number {
	case myShutdown, myKilled, myTooMany, myReadOnly:
		return true
	}
	return errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op)
}

// unknownCommit reports that an error of COMMIT leaves open whether it happened.
func unknownCommit(err error) bool {
	number, lite := code(err)
	switch {
	case errors.Is(err, errNoAnswer):
		return true
	case lite != 0, errors.Is(err, driver.ErrBadConn), errors.Is(err, sql.ErrTxDone):
		return false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false // database/sql found ctx ended before it sent COMMIT
	case number == myShutdown, number == myCommitFailed, number == myInterrupted, number == myKilled:
		return true
	case errors.Is(err, errRolledBack):
		return false
	case number == myLockTimeout: // and its ROLLBACK was not answered
		return true
	}
	return number == 0
}
