package store

import (
	"database/sql/driver"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// binID is an ID as BINARY(16); the zero ID is NULL.
type binID [16]byte

// Value implements driver.Valuer.
func (b binID) Value() (driver.Value, error) {
	if b == (binID{}) {
		return nil, nil
	}
	return b[:], nil
}

// Scan implements sql.Scanner.
func (b *binID) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*b = binID{}
		return nil
	case []byte:
		if len(v) == len(b) {
			copy(b[:], v)
			return nil
		}
	case string:
		if len(v) == len(b) {
			copy(b[:], v)
			return nil
		}
	}
	return fmt.Errorf("an ID of 16 bytes was expected, found %T", src)
}

// hash32 is BINARY(32).
type hash32 [32]byte

// Value implements driver.Valuer.
func (h hash32) Value() (driver.Value, error) { return h[:], nil }

// Scan implements sql.Scanner.
func (h *hash32) Scan(src any) error {
	if v, ok := src.([]byte); ok && len(v) == len(h) {
		copy(h[:], v)
		return nil
	}
	return fmt.Errorf("a fingerprint of 32 bytes was expected, found %T", src)
}

// instant is a UTC time in microseconds since 1970; 0 is "no time" and NULL. It travels as text of fixed width, which both
// databases compare as time.
type instant int64

const instantLayout = "2006-01-02 15:04:05.000000"

// at cuts to the microsecond, and to the years 1000 to 9999 that a DATETIME can hold.
func at(t time.Time) instant {
	switch year := t.Year(); {
	case t.IsZero():
		return 0
	case year < 1000:
		t = time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC)
	case year > 9998:
		t = time.Date(9998, 12, 31, 0, 0, 0, 0, time.UTC)
	}
	return instant(t.UnixMicro())
}

// Time gives back the time, in UTC; zero for none.
func (i instant) Time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(i)).UTC()
}

// Value implements driver.Valuer.
func (i instant) Value() (driver.Value, error) {
	if i == 0 {
		return nil, nil
	}
	return i.Time().Format(instantLayout), nil
}

// Scan implements sql.Scanner.
func (i *instant) Scan(src any) error {
	var text string
	switch v := src.(type) {
	case nil:
		*i = 0
		return nil
	case time.Time:
		*i = at(v)
		return nil
	case []byte:
		text = string(v)
	case string:
		text = v
	}
	t, err := time.ParseInLocation("2006-01-02 15:04:05.999999", text, time.UTC)
	if err != nil {
		return fmt.Errorf("a time was expected, found %T", src)
	}
	*i = at(t)
	return nil
}

// clip makes hostile text storable: valid UTF-8 without NUL, at most n characters.
func clip(s string, n int) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s
	}
	kept := 0
	for i := range s {
		if kept == n {
			return s[:i]
		}
		kept++
	}
	return s
}

// small cuts a number to what an INT holds.
func small(n int) int { return min(max(n, math.MinInt32), math.MaxInt32) }

func newID() (binID, error) {
	u, err := uuid.NewV7()
	return binID(u), err
}
