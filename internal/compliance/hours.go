package compliance

import (
	"strings"
	"time"
)

// Hours requires that it is a calling hour now in every zone that the person
// may be in, under every jurisdiction that applies.
type Hours struct{ Set *Set }

func (Hours) name() string { return "calling_hours" }

func (r Hours) laws() *Set      { return r.Set }
func (r Hours) version() string { return r.Set.Version() }

// Check waits for the first instant at which every zone is open.
func (r Hours) Check(now time.Time, a Act, f Facts) Verdict { return check(r, now, a, f) }

func (r Hours) judge(now time.Time, a *Act, f *Facts) ruling {
	var rules [8]timetable
	tables, judged := rules[:0], false
	for _, j := range r.Set.of(a).parts {
		if j.Hours != nil {
			judged = true
			if !j.Hours.always() {
				tables = append(tables, timetable{j.Hours, j.calendar})
			}
		}
	}
	if !judged {
		return refused("no_hours")
	}
	if len(tables) == 0 {
		return allowed()
	}
	var buf [maxZones + 1]*time.Location
	zs, err := r.Set.zones.candidates(a, f, buf[:])
	if err != nil {
		ru := refused("zone_unknown")
		ru.err = err
		return ru
	}
	open := nextOpen(now, tables, zs)
	switch {
	case open.IsZero():
		return refused("zones_never_agree")
	case open.After(now):
		return waiting("outside_calling_hours", open)
	}
	return allowed()
}

func (r Hours) inputs(now time.Time, a *Act, f *Facts, ru ruling) map[string]string {
	law := r.Set.of(a)
	m := map[string]string{"jurisdiction": law.String()}
	if ru.err != nil {
		m["error"] = ru.err.Error()
		return m
	}
	var buf [maxZones + 1]*time.Location
	zs, err := r.Set.zones.candidates(a, f, buf[:])
	if err != nil {
		return m
	}
	var locals []string
	for _, z := range zs[:min(len(zs), 4)] {
		locals = append(locals, z.String()+" "+now.In(z).Format("Mon 15:04"))
	}
	m["local"] = strings.Join(locals, ", ")
	day := localDay(now, zs[0])
	for _, j := range law.parts {
		if j.Hours == nil {
			continue
		}
		spans, kind := timetable{j.Hours, j.calendar}.day(day)
		m["window."+j.Name] = kind + " " + spell(spans)
	}
	return m
}

func spell(spans []Span) string {
	if len(spans) == 0 {
		return "closed"
	}
	var out []string
	for _, s := range spans {
		out = append(out, s.String())
	}
	return strings.Join(out, " ")
}

// timetable is one jurisdiction's hours with its holidays.
type timetable struct {
	hours    *HoursRule
	calendar *Calendar
}

// day is what is open on a calendar day, and what sort of day it is. A day of
// a year that the calendar does not hold is judged as both weekday and holiday.
func (t timetable) day(day int64) ([]Span, string) {
	spans := t.hours.Days[weekday(day)]
	if t.calendar == nil || !t.hours.special {
		return spans, "weekday"
	}
	switch t.calendar.kind(day) {
	case dayHoliday:
		return t.hours.Holiday, "holiday"
	case dayMakeup:
		return t.hours.Makeup, "makeup"
	case dayUnknown:
		return intersect(spans, t.hours.Holiday), "year_unknown"
	}
	return spans, "weekday"
}

// intersect is what is open in both; both sorted and free of overlap.
func intersect(a, b []Span) []Span {
	var out []Span
	for _, x := range a {
		for _, y := range b {
			if s := (Span{max(x.From, y.From), min(x.To, y.To)}); s.From < s.To {
				out = append(out, s)
			}
		}
	}
	return out
}

// horizonDays is how far ahead an opening is looked for: the longest closure
// of any preset is nine days of holidays with the weekends about them.
const horizonDays = 16

// nextOpen is the first instant at or after now that every timetable has open
// in every zone; zero if there is none within horizonDays.
func nextOpen(now time.Time, tables []timetable, zs []*time.Location) time.Time {
	t, last := now, now.Add(horizonDays*24*time.Hour)
	for {
		moved := false
		for _, z := range zs {
			for _, tt := range tables {
				open := tt.next(t, z, last)
				if open.IsZero() {
					return open
				}
				if open.After(t) {
					t, moved = open, true
				}
			}
		}
		if !moved {
			return t
		}
	}
}

// next is the first instant at or after t that is open on one wall clock; zero
// if there is none before last.
func (tt timetable) next(t time.Time, z *time.Location, last time.Time) time.Time {
	for !t.After(last) {
		day, sec := wall(t, z)
		spans, _ := tt.day(day)
		step := 86400 - sec // to midnight
		for _, s := range spans {
			if sec >= int64(s.To) {
				continue
			}
			if sec >= int64(s.From) {
				return t
			}
			step = int64(s.From) - sec
			break
		}
		next := time.Unix(t.Unix()+step, 0)
		if end := changes(t, z); !end.IsZero() && !next.Before(end) { // the clock is set before
			next = end
		}
		t = next
	}
	return time.Time{}
}
