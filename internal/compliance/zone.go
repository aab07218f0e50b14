package compliance

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrZone is a time zone that does not exist, or a contact of which none is
// known. Hours cannot be judged: the act is refused.
var ErrZone = errors.New("time zone is not known: set an IANA zone such as Asia/Shanghai on the contact")

// zones remembers zones that exist (there are some 600) and a bounded number
// of names that do not: loading one reads a file.
type zones struct {
	by     sync.Map // name to *time.Location, or to error
	misses atomic.Int32
}

const maxMisses = 1000

func (z *zones) load(name string) (*time.Location, error) {
	if known, ok := z.by.Load(name); ok {
		switch v := known.(type) {
		case *time.Location:
			return v, nil
		case error:
			return nil, v
		}
	}
	if name == "" || name == "Local" || len(name) > 64 {
		return nil, ErrZone
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		err = fmt.Errorf("%w: %s does not exist", ErrZone, clipped(name))
		if z.misses.Add(1) <= maxMisses {
			z.by.Store(name, err)
		}
		return nil, err
	}
	z.by.Store(name, l)
	return l, nil
}

// maxZones is more than any number has candidates for.
const maxZones = 64

// candidates are all zones that the person may be in: those of the number and
// the one set on the contact. A rule has to hold in all of them.
func (z *zones) candidates(a *Act, f *Facts, buf []*time.Location) ([]*time.Location, error) {
	out := buf[:0]
	for _, n := range a.numberZones() {
		l, err := z.load(n)
		if err != nil {
			return nil, err
		}
		out = append(out, l)
		if len(out) == maxZones {
			break
		}
	}
	if f.Zone != "" {
		l, err := z.load(f.Zone)
		if err != nil {
			return nil, err
		}
		known := false
		for _, o := range out {
			known = known || o == l
		}
		if !known {
			out = append(out, l)
		}
	}
	if len(out) == 0 {
		return nil, ErrZone
	}
	return out, nil
}

// wall is the reading of a wall clock: days since 1970-01-01 and seconds since
// midnight.
func wall(t time.Time, z *time.Location) (day, sec int64) {
	_, off := t.In(z).Zone()
	w := t.Unix() + int64(off)
	day = floorDiv(w, 86400)
	return day, w - day*86400
}

// changes is the instant after t at which the wall clock is set; zero = never.
func changes(t time.Time, z *time.Location) time.Time {
	_, end := t.In(z).ZoneBounds()
	return end
}

// localDay is the calendar day, as days since 1970-01-01.
func localDay(t time.Time, z *time.Location) int64 {
	day, _ := wall(t, z)
	return day
}

// dayEnds is the first instant after t at which the zone's calendar shows a
// later day. Where a clock change crosses midnight it is that change.
func dayEnds(t time.Time, z *time.Location) time.Time {
	day := localDay(t, z)
	for range 8 {
		_, sec := wall(t, z)
		end := changes(t, z)
		next := time.Unix(t.Unix()+86400-sec, 0)
		if end.IsZero() || next.Before(end) {
			return next
		}
		if t = end; localDay(end, z) > day {
			return end
		}
	}
	return t
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func weekday(day int64) time.Weekday { return time.Weekday(((day+4)%7 + 7) % 7) }
