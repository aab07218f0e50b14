package keyword

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

const hanNum = `(?:[0-9]{1,4}|[零〇一二两三四五六七八九十]{1,3})`

var inHours = regexp.MustCompile(`(?:过)?(?:(半)个?(?:小时|钟头)|(` + hanNum + `)个?半?(?:小时|钟头)|(` + hanNum + `)分钟|(一刻钟))(?:以后|之后|后|再)|in (half an|an|a|\w+) (hours?|minutes?)`)

// span of a find in the text.
type found struct {
	from, to int
	ok       bool
}

func (f *found) widen(from, to int) {
	if !f.ok {
		*f = found{from, to, true}
		return
	}
	f.from, f.to = min(f.from, from), max(f.to, to)
}

// when reads a date, a time or both, relative to now, in now's zone. What is
// vague (晚点, 过会儿) or past is nothing, rather than a guess; only kind date
// takes the past, for 昨天.
func when(s, kind string, now time.Time) (string, int, int, bool) {
	if now.IsZero() || !timely(s) {
		return "", 0, 0, false
	}
	var at found
	if t, from, to, ok := after(s, now); ok && kind != "date" {
		at.widen(from, to)
		return t.Format(map[string]string{"time": "15:04", "datetime": "2006-01-02T15:04"}[kind]), at.from, at.to, true
	}
	day, dayAt := date(s, now)
	h, m, clockAt := clock(s, day, dayAt.ok, now)
	switch kind {
	case "date":
		if dayAt.ok {
			return day.Format("2006-01-02"), dayAt.from, dayAt.to, true
		}
	case "time":
		if clockAt.ok {
			return time.Date(2000, 1, 1, h, m, 0, 0, time.UTC).Format("15:04"), clockAt.from, clockAt.to, true
		}
	case "datetime":
		if !dayAt.ok && !clockAt.ok {
			return "", 0, 0, false
		}
		if !clockAt.ok {
			h, m = 10, 0
		}
		t := time.Date(day.Year(), day.Month(), day.Day(), h, m, 0, 0, now.Location())
		if !dayAt.ok && !t.After(now) {
			t = t.AddDate(0, 0, 1)
		}
		if !clockAt.ok && dayAt.ok && !t.After(now) && sameDay(t, now) {
			t = now.Add(2 * time.Hour).Truncate(time.Hour)
		}
		if !t.After(now) {
			return "", 0, 0, false
		}
		for _, f := range []found{dayAt, clockAt} {
			if f.ok {
				at.widen(f.from, f.to)
			}
		}
		return t.Format("2006-01-02T15:04"), at.from, at.to, true
	}
	return "", 0, 0, false
}

// timely: without one of these characters no time is named in Chinese.
func timely(s string) bool {
	return strings.ContainsAny(s, "0123456789天日月周号点时晚早午后夜末拜期钟晨朝昼") || strings.ContainsAny(s, "abcdefghijklmnopqrstuvwxyz")
}

func sameDay(a, b time.Time) bool { return a.YearDay() == b.YearDay() && a.Year() == b.Year() }

func small(s string) (int, bool) {
	if n, err := strconv.Atoi(s); err == nil {
		return n, true
	}
	if f, ok := parseNumber(s); ok {
		return int(f), true
	}
	if n := ordinal(s); n > 0 {
		return n, true
	}
	if f, _, _, ok := englishNumber(s); ok {
		return int(f), true
	}
	if s == "a couple of" || s == "couple" {
		return 2, true
	}
	return 0, false
}

// after: 半小时后, 两个小时以后, in 30 minutes.
func after(s string, now time.Time) (time.Time, int, int, bool) {
	m := inHours.FindStringSubmatchIndex(s)
	if m == nil {
		return now, 0, 0, false
	}
	g := func(i int) string {
		if m[2*i] < 0 {
			return ""
		}
		return s[m[2*i]:m[2*i+1]]
	}
	var d time.Duration
	switch {
	case g(1) != "":
		d = 30 * time.Minute
	case g(2) != "":
		n, ok := small(g(2))
		if !ok {
			return now, 0, 0, false
		}
		d = time.Duration(n) * time.Hour
		if strings.Contains(s[m[0]:m[1]], "半") {
			d += 30 * time.Minute
		}
	case g(3) != "":
		n, ok := small(g(3))
		if !ok {
			return now, 0, 0, false
		}
		d = time.Duration(n) * time.Minute
	case g(4) != "":
		d = 15 * time.Minute
	default:
		per := time.Hour
		if strings.HasPrefix(g(6), "minute") {
			per = time.Minute
		}
		switch w := g(5); w {
		case "half an":
			d = per / 2
		case "a", "an":
			d = per
		default:
			n, ok := small(w)
			if !ok {
				return now, 0, 0, false
			}
			d = time.Duration(n) * per
		}
	}
	if d <= 0 || d > 30*24*time.Hour {
		return now, 0, 0, false
	}
	return now.Add(d).Truncate(time.Minute), m[0], m[1], true
}
