package api

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var zoneless = []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04"}

var errCallTime = errors.New("write it as 2023-10-01T14:00:00 (local to the contact) or with a zone, 2023-10-01T14:00:00+08:00")

// resolveCallTime reads a call_time. Without a zone it is local time in the
// contact's zone, or else the tenant's; zone is the one that was used. A local
// time that a daylight-saving change skips is an error; one that comes twice
// means the first.
func resolveCallTime(text string, zones ...string) (at time.Time, zone string, err error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, t.Format("-07:00"), nil
		}
	}
	var loc *time.Location
	for _, z := range zones {
		if z == "" || z == "Local" {
			continue
		}
		if loc, err = time.LoadLocation(z); err != nil {
			return time.Time{}, "", fmt.Errorf("time zone %q is not known", clip(z))
		}
		zone = z
		break
	}
	if loc == nil {
		loc, zone = time.UTC, "UTC"
	}
	for _, layout := range zoneless {
		wall, err := time.Parse(layout, text)
		if err != nil || !strings.HasPrefix(text, wall.Format(layout)) { // package time takes 9:00 for 09:00
			continue
		}
		if at, ok := local(wall, loc); ok {
			return at, zone, nil
		}
		return time.Time{}, "", fmt.Errorf("this local time does not exist in %s: clocks are put forward over it", zone)
	}
	return time.Time{}, "", errCallTime
}

// local is the first instant at which clocks in loc show wall; false if they
// never do. Which of two instants time.Date returns is not specified.
func local(wall time.Time, loc *time.Location) (time.Time, bool) {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), loc)
	shows := func(t time.Time) bool {
		return t.Day() == wall.Day() && t.Hour() == wall.Hour() && t.Minute() == wall.Minute() && t.Second() == wall.Second()
	}
	if start, _ := t.ZoneBounds(); !start.IsZero() {
		_, before := start.Add(-time.Nanosecond).Zone()
		if earlier := wall.Add(-time.Duration(before) * time.Second).In(loc); earlier.Before(t) && shows(earlier) {
			t = earlier
		}
	}
	return t, shows(t)
}
