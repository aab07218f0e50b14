package compliance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

var dayNames = map[string][]time.Weekday{
	"mon": {time.Monday}, "tue": {time.Tuesday}, "wed": {time.Wednesday}, "thu": {time.Thursday}, "fri": {time.Friday},
	"sat": {time.Saturday}, "sun": {time.Sunday},
	"weekdays": {time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday},
	"weekend":  {time.Saturday, time.Sunday},
	"every":    {time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday, time.Sunday},
}

func (h *hoursFile) rule(k *lawChecker, calendar bool) *HoursRule {
	k.source(h.Source, "hours")
	out := &HoursRule{Source: h.Source}
	var set [7]bool
	for name, list := range h.Days {
		at := "hours.days"
		if days, ok := dayNames[name]; ok || name == "holiday" || name == "makeup" {
			at += "." + name
			spans := k.spans(list, at)
			for _, d := range days {
				k.must(!set[d], at, "a day of the week stands twice")
				out.Days[d], set[d] = spans, true
			}
		} else {
			k.must(false, at, "every, weekdays, weekend, mon, tue, wed, thu, fri, sat, sun, holiday or makeup")
		}
	}
	for d, ok := range set {
		k.must(ok, "hours.days", fmt.Sprintf("%s is missing: write [] for a closed day", strings.ToLower(time.Weekday(d).String()[:3])))
	}
	holiday, hasHoliday := h.Days["holiday"]
	makeup, hasMakeup := h.Days["makeup"]
	k.must(calendar || !hasHoliday && !hasMakeup, "hours.days", "holiday and makeup need a calendar")
	if hasHoliday {
		out.Holiday, out.special = (&lawChecker{}).spans(holiday, ""), true
	}
	switch {
	case hasMakeup:
		out.Makeup = (&lawChecker{}).spans(makeup, "")
	case hasHoliday:
		out.Makeup = out.Days[time.Monday]
	}
	k.must(!hasMakeup || hasHoliday, "hours.days.makeup", "say with holiday: what holidays are")
	return out
}

// spans reads 08:00-12:00 and the like: in order, without overlap.
func (k *lawChecker) spans(list []string, at string) []Span {
	k.must(len(list) <= 8, at, "at most 8 spans a day")
	var out []Span
	for _, s := range list {
		from, to, found := strings.Cut(s, "-")
		f, ok1 := clockTime(from)
		t, ok2 := clockTime(to)
		if !found || !ok1 || !ok2 || f >= t {
			k.must(false, at, "a span is 08:00-22:00, from 00:00 to 24:00; one over midnight is written as two")
			continue
		}
		if n := len(out); n > 0 && f <= out[n-1].To {
			k.must(false, at, "spans must stand in order and not touch")
			continue
		}
		out = append(out, Span{f, t})
	}
	return out
}

func clockTime(s string) (int, bool) {
	if len(s) != 5 || s[2] != ':' {
		return 0, false
	}
	h, ok1 := digits(s[:2])
	m, ok2 := digits(s[3:])
	sec := h*3600 + m*60
	return sec, ok1 && ok2 && m < 60 && sec <= 86400
}

func digits(s string) (int, bool) {
	if s == "" || len(s) > 6 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// span is 15s, 90m, 24h or 7d.
func span(s string) (time.Duration, bool) {
	for _, u := range []struct {
		suffix string
		unit   time.Duration
	}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}} {
		if n, ok := strings.CutSuffix(s, u.suffix); ok {
			v, ok := digits(n)
			return time.Duration(v) * u.unit, ok && v <= 100000
		}
	}
	return 0, false
}

// term is 5y, 5mo or 30d; nothing is no term.
func term(s string) (Term, bool) {
	if s == "" {
		return Term{}, true
	}
	if n, ok := strings.CutSuffix(s, "y"); ok {
		v, ok := digits(n)
		return Term{Years: v}, ok && v >= 1 && v <= 100
	}
	if n, ok := strings.CutSuffix(s, "mo"); ok {
		v, ok := digits(n)
		return Term{Months: v}, ok && v >= 1 && v <= 1200
	}
	n, ok := strings.CutSuffix(s, "d")
	v, isNumber := digits(n)
	return Term{Days: v}, ok && isNumber && v >= 1 && v <= 36500
}

func (f *calendarFile) calendar(k *lawChecker) Calendar {
	c := Calendar{Name: f.Name, Source: f.Source, special: map[int64]dayKind{}, titles: map[int64]string{}}
	k.must(f.Format == calendarFormat, "format", "must be "+calendarFormat)
	k.must(isName(f.Name, 32), "name", "1 to 32 letters, digits, dash and underscore")
	k.source(f.Source, "calendar")
	var ok1, ok2 bool
	c.from, ok1 = date(f.From)
	last, ok2 := date(f.To)
	c.to = last + 1
	k.must(ok1 && ok2 && c.from < c.to && c.to-c.from <= 366*20, "from", "from and to: the first and the last day that the calendar holds, at most 20 years")
	k.must(len(f.Holidays) <= 1000 && len(f.Makeup) <= 1000, "holidays", "at most 1000")
	for i, d := range f.Holidays {
		c.put(k, d, fmt.Sprintf("holidays[%d]", i), dayHoliday)
	}
	for i, d := range f.Makeup {
		c.put(k, d, fmt.Sprintf("makeup_workdays[%d]", i), dayMakeup)
	}
	return c
}

func (c *Calendar) put(k *lawChecker, d dayFile, at string, kind dayKind) {
	first, ok := date(d.Date)
	k.must(ok, at+".date", "a date such as 2026-02-17 (it may not exist)")
	last := first
	if d.Last != "" {
		var okLast bool
		last, okLast = date(d.Last)
		k.must(okLast && last >= first && last-first < 31, at+".last", "the last of at most 31 days")
		ok = ok && okLast
	}
	k.must(d.Name != "" && len(d.Name) <= 100, at+".name", "1 to 100 bytes")
	if !ok || last-first > 31 {
		return
	}
	for day := first; day <= last; day++ {
		k.must(day >= c.from && day < c.to, at+".date", "lies outside from and to")
		k.must(c.special[day] == dayOrdinary, at+".date", "stands twice")
		k.must(kind != dayMakeup || slices.Contains([]time.Weekday{time.Saturday, time.Sunday}, weekday(day)), at+".date", "a make-up workday is a Saturday or a Sunday")
		c.special[day], c.titles[day] = kind, d.Name
	}
}

func date(s string) (int64, bool) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil || t.Year() < 2000 || t.Year() > 2200 {
		return 0, false
	}
	return t.Unix() / 86400, true
}

// ParseCap reads a cap of the operator's own, such as the configuration has:
// per is day, life, or a span such as 24h or 7d.
func ParseCap(id, subject, per string, atMost int, counts string, channels []Channel) (Cap, error) {
	k := &lawChecker{}
	c := capFile{ID: id, Subject: subject, Per: per, AtMost: atMost, Counts: counts, Channels: channels}.rule(k, "cap", false)
	k.must(isName(id, 32), "cap.id", "1 to 32 letters, digits, dash and underscore")
	return c, k.err()
}

func (c capFile) rule(k *lawChecker, at string, sourced bool) Cap {
	out := Cap{ID: c.ID, Source: c.Source, Subject: c.Subject, Channels: c.Channels, Purposes: c.Purposes, Counts: c.Counts, AtMost: c.AtMost}
	if sourced {
		k.source(c.Source, at)
	}
	if out.Counts == "" {
		out.Counts = CountAll
	}
	k.must(c.Subject == SubjectPerson || c.Subject == SubjectNumber || c.Subject == SubjectContact, at+".subject", "person, number or contact")
	k.must(out.Counts == CountAll || out.Counts == CountAnswered || out.Counts == CountEffective, at+".counts", "all, answered or effective")
	k.must(c.AtMost >= 1 && c.AtMost <= 1000, at+".at_most", "1 to 1000")
	k.channels(c.Channels, at+".channels")
	k.purposes(c.Purposes, at+".purposes")
	switch c.Per {
	case "day":
		out.Day = true
	case "life":
		out.Life = true
		k.must(out.Counts == CountAll && len(c.Channels) == 0 && len(c.Purposes) == 0, at+".per", "life counts everything: without counts, channels and purposes")
	default:
		d, ok := span(c.Per)
		k.must(ok && d >= time.Minute && d <= Horizon, at+".per", "day (on the person's calendar), life, or a span such as 24h or 7d, at most 31d")
		out.Within = d
	}
	return out
}

func (k *lawChecker) purposes(ps []Purpose, key string) {
	for _, p := range ps {
		k.must(slices.Contains(purposes, p), key, "marketing, collections, service, fraud or health")
	}
}

func (k *lawChecker) channels(cs []Channel, key string) {
	for _, c := range cs {
		k.must(c == Voice || c == SMS, key, "voice or sms")
	}
}
