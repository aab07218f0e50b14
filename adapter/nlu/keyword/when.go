package keyword

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

const hanNum = `(?:[0-9]{1,4}|[零〇一二两三四五六七八九十]{1,3})`

var (
	dayWord  = regexp.MustCompile(`大后天|后天|後天|明天|明日|明早|明晚|今天|今日|今晚|今早|今夜|听日|听晚|听朝|后日|天光日|大前天|前天|昨天|昨日|day after tomorrow|tomorrow|today|tonight|yesterday`)
	weekDay  = regexp.MustCompile(`(下下个?|下个?|这个?|本|上个?)?(?:周|星期|礼拜)([一二三四五六日天末])`)
	weekEN   = regexp.MustCompile(`(next |this |on |last )?(monday|tuesday|wednesday|thursday|friday|saturday|sunday)`)
	inDays   = regexp.MustCompile(`(?:过)?(` + hanNum + `)天(?:以后|之后|后|再)|in (\w+) days?`)
	monthDay = regexp.MustCompile(`(?:(20[0-9]{2})年)?(下个?月|这个?月|本月|` + hanNum + `月)(` + hanNum + `)(?:号|日)|(?:^|[^0-9月])(` + hanNum + `)号(?:[^楼院线店码]|$)`)
	isoDate  = regexp.MustCompile(`(20[0-9]{2})/([0-9]{1,2})/([0-9]{1,2})`)
	monthEN  = regexp.MustCompile(`(january|february|march|april|may|june|july|august|september|october|november|december) ([0-9]{1,2})(?:st|nd|rd|th)?|([0-9]{1,2})(?:st|nd|rd|th)? (?:of )?(january|february|march|april|may|june|july|august|september|october|november|december)`)

	part    = regexp.MustCompile(`凌晨|清晨|早上|早晨|上午|中午|下午|午后|傍晚|晚上|夜里|夜晚|今晚|明晚|听晚|今早|明早|听朝|朝早|上昼|下昼|晏昼|morning|noon|afternoon|evening|tonight|night`)
	clockRE = regexp.MustCompile(`(` + hanNum + `)(?:点|时)(?:钟|整)?(?:(半)|(一刻)|(三刻)|零?(` + hanNum + `)分?)?|([0-9]{1,2}):([0-9]{2})`)
	// 一点 is also "a bit": 一点都不, 便宜一点.
	aBitBefore = regexp.MustCompile(`(?:有|差|早|晚|快|慢|便宜|大|小|多|少|好|贵|高|低|再)$`)
	aBitAfter  = regexp.MustCompile(`^一点(?:都|也|儿|不|没|点)`)
	clockEN    = regexp.MustCompile(`(?:at |after |around |by )?(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[0-9]{1,2})(?::([0-9]{2}))? ?(am|pm|oclock|a\|m|p\|m)|(?:half past|half) (one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)|(?:at|after) (one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[0-9]{1,2})(?::([0-9]{2}))?(?: |\||$)`)
	inHours    = regexp.MustCompile(`(?:过)?(?:(半)个?(?:小时|钟头)|(` + hanNum + `)个?半?(?:小时|钟头)|(` + hanNum + `)分钟|(一刻钟))(?:以后|之后|后|再)|in (half an|an|a|\w+) (hours?|minutes?)`)
)

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

// date is the day that is named; today when none is.
func date(s string, now time.Time) (time.Time, found) {
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	if m := isoDate.FindStringSubmatchIndex(s); m != nil {
		y, _ := small(s[m[2]:m[3]])
		mo, _ := small(s[m[4]:m[5]])
		d, _ := small(s[m[6]:m[7]])
		if t, ok := calendar(y, mo, d, now); ok {
			return t, found{m[0], m[1], true}
		}
	}
	if t, f := monthly(s, now); f.ok {
		return t, f
	}
	if m := inDays.FindStringSubmatchIndex(s); m != nil {
		i := 1
		if m[2] < 0 {
			i = 2
		}
		if n, ok := small(s[m[2*i]:m[2*i+1]]); ok && n > 0 && n <= 366 {
			return day.AddDate(0, 0, n), found{m[0], m[1], true}
		}
	}
	if t, f := weekly(s, day); f.ok {
		return t, f
	}
	if at := dayWord.FindStringIndex(s); at != nil {
		return day.AddDate(0, 0, dayOffset(s[at[0]:at[1]])), found{at[0], at[1], true}
	}
	return day, found{}
}

func dayOffset(w string) int {
	switch w {
	case "大后天":
		return 3
	case "后天", "後天", "后日", "day after tomorrow":
		return 2
	case "明天", "明日", "明早", "明晚", "听日", "听晚", "听朝", "天光日", "tomorrow":
		return 1
	case "昨天", "昨日", "yesterday":
		return -1
	case "前天":
		return -2
	case "大前天":
		return -3
	}
	return 0
}

// weekly: 周三 is the next Wednesday from today on, 下周三 that of next week
// (weeks begin on Monday), 周末 the Saturday.
func weekly(s string, day time.Time) (time.Time, found) {
	today := (int(day.Weekday()) + 6) % 7 // Monday = 0
	if m := weekDay.FindStringSubmatchIndex(s); m != nil {
		want := map[string]int{"一": 0, "二": 1, "三": 2, "四": 3, "五": 4, "六": 5, "日": 6, "天": 6, "末": 5}[s[m[4]:m[5]]]
		lead := ""
		if m[2] >= 0 {
			lead = strings.TrimSuffix(s[m[2]:m[3]], "个")
		}
		n := want - today
		switch lead {
		case "下下":
			n += 14
		case "下":
			n += 7
		case "上":
			n -= 7
		case "":
			if n < 0 {
				n += 7
			}
		}
		return day.AddDate(0, 0, n), found{m[0], m[1], true}
	}
	if m := weekEN.FindStringSubmatchIndex(s); m != nil {
		names := "monday tuesday wednesday thursday friday saturday sunday"
		want := strings.Count(names[:strings.Index(names, s[m[4]:m[5]])], " ")
		n := want - today
		lead := ""
		if m[2] >= 0 {
			lead = strings.TrimSpace(s[m[2]:m[3]])
		}
		switch lead {
		case "next":
			n += 7
		case "last":
			n -= 7
		default:
			if n < 0 {
				n += 7
			}
		}
		return day.AddDate(0, 0, n), found{m[0], m[1], true}
	}
	return day, found{}
}

// monthly: 12月3号, 下个月5号, 3号 (the next one), December 3rd.
func monthly(s string, now time.Time) (time.Time, found) {
	if m := monthDay.FindStringSubmatchIndex(s); m != nil {
		year, month := 0, 0
		var dayText string
		from, to := m[0], m[1]
		if m[8] >= 0 {
			dayText, from, to = s[m[8]:m[9]], m[8], m[9]+len("号")
		} else {
			dayText = s[m[6]:m[7]]
			switch name := s[m[4]:m[5]]; {
			case strings.HasPrefix(name, "下"):
				next := time.Date(now.Year(), now.Month()+1, 1, 0, 0, 0, 0, time.UTC)
				year, month = next.Year(), int(next.Month())
			case strings.HasPrefix(name, "这") || name == "本月":
				year, month = now.Year(), int(now.Month())
			default:
				if month, _ = small(strings.TrimSuffix(name, "月")); month > 12 {
					month = -1
				}
			}
			if m[2] >= 0 {
				year, _ = small(s[m[2]:m[3]])
			}
		}
		d, ok := small(dayText)
		if ok && month == 0 { // 3号
			t, fits := calendar(now.Year(), int(now.Month()), d, now)
			if !fits || t.Before(now.AddDate(0, 0, -1)) {
				t, fits = calendar(now.Year(), int(now.Month())+1, d, now)
			}
			return t, found{from, to, fits}
		}
		if ok {
			t, fits := yearly(year, month, d, now)
			return t, found{from, to, fits}
		}
	}
	if m := monthEN.FindStringSubmatchIndex(s); m != nil {
		i, j := 1, 2
		if m[2] < 0 {
			i, j = 4, 3
		}
		month, err := time.Parse("January", strings.ToUpper(s[m[2*i]:m[2*i]+1])+s[m[2*i]+1:m[2*i+1]])
		d, _ := small(s[m[2*j]:m[2*j+1]])
		if err == nil {
			t, fits := yearly(0, int(month.Month()), d, now)
			return t, found{m[0], m[1], fits}
		}
	}
	return now, found{}
}

// yearly takes the coming one when no year is named.
func yearly(year, month, day int, now time.Time) (time.Time, bool) {
	if year != 0 {
		return calendar(year, month, day, now)
	}
	t, ok := calendar(now.Year(), month, day, now)
	if !ok || t.Before(now.AddDate(0, 0, -1)) {
		return calendar(now.Year()+1, month, day, now)
	}
	return t, true
}

func calendar(y, m, d int, now time.Time) (time.Time, bool) {
	if m == 13 {
		y, m = y+1, 1
	}
	if m < 1 || m > 12 || d < 1 || d > 31 {
		return now, false
	}
	t := time.Date(y, time.Month(m), d, 0, 0, 0, 0, now.Location())
	return t, t.Day() == d
}

// clock is the time of day. Without a part of the day, hours 1 to 6 are in
// the afternoon (nobody asks to be called at three in the night), 7 to 11 in
// the morning unless that has passed today.
func clock(s string, day time.Time, dated bool, now time.Time) (h, m int, at found) {
	half := ""
	if p := part.FindStringIndex(s); p != nil {
		half = s[p[0]:p[1]]
		at.widen(p[0], p[1])
	}
	h, m, f := clockFigures(s)
	if !f.ok {
		h, m, f = clockEnglish(s)
		if f.ok && h >= 100 { // am or pm was said
			h -= 100
			at.widen(f.from, f.to)
			return h, m, at
		}
	}
	if !f.ok {
		if !at.ok {
			return 0, 0, at
		}
		return defaultHour(half), 0, at
	}
	at.widen(f.from, f.to)
	if h > 24 || m > 59 {
		return 0, 0, found{}
	}
	switch half {
	case "下午", "午后", "傍晚", "晚上", "夜里", "夜晚", "今晚", "明晚", "听晚", "下昼", "晏昼", "afternoon", "evening", "tonight", "night":
		if h < 12 && !(h == 0) {
			h += 12
		}
	case "中午", "noon":
		if h < 3 {
			h += 12
		}
	case "":
		passed := (!dated || sameDay(day, now)) && (h < now.Hour() || h == now.Hour() && m <= now.Minute())
		if h >= 1 && h <= 6 || h >= 7 && h <= 11 && passed && h+12 > now.Hour() && h+12 <= 21 {
			h += 12
		}
	}
	return h % 24, m, at
}

func clockFigures(s string) (h, m int, f found) {
	g := clockRE.FindStringSubmatchIndex(s)
	if g == nil || aBitBefore.MatchString(s[:g[0]]) && strings.HasPrefix(s[g[0]:], "一点") || aBitAfter.MatchString(s[g[0]:]) {
		return 0, 0, f
	}
	part := func(i int) string {
		if g[2*i] < 0 {
			return ""
		}
		return s[g[2*i]:g[2*i+1]]
	}
	if part(6) != "" {
		h, _ = small(part(6))
		m, _ = small(part(7))
		return h, m, found{g[0], g[1], true}
	}
	h, ok := small(part(1))
	switch {
	case part(2) != "":
		m = 30
	case part(3) != "":
		m = 15
	case part(4) != "":
		m = 45
	case part(5) != "":
		m, _ = small(part(5))
	}
	return h, m, found{g[0], g[1], ok}
}

// clockEnglish adds 100 to the hour when am or pm was said.
func clockEnglish(s string) (h, m int, f found) {
	g := clockEN.FindStringSubmatchIndex(s)
	if g == nil {
		return 0, 0, f
	}
	part := func(i int) string {
		if g[2*i] < 0 {
			return ""
		}
		return s[g[2*i]:g[2*i+1]]
	}
	f = found{g[0], g[1], true}
	switch {
	case part(1) != "":
		h, _ = small(part(1))
		m, _ = small(part(2))
		switch part(3)[0] {
		case 'p':
			return 100 + h%12 + 12, m, f
		case 'a':
			return 100 + h%12, m, f
		}
	case part(4) != "":
		h, _ = small(part(4))
		m = 30
	default:
		h, _ = small(part(5))
		m, _ = small(part(6))
	}
	return h, m, f
}

func defaultHour(half string) int {
	switch half {
	case "凌晨", "清晨":
		return 6
	case "早上", "早晨", "上午", "今早", "明早", "听朝", "朝早", "上昼", "morning":
		return 10
	case "中午", "noon":
		return 12
	case "下午", "午后", "下昼", "晏昼", "afternoon":
		return 15
	case "傍晚":
		return 18
	}
	return 19
}
