package keyword

import (
	"regexp"
	"strings"
	"time"
)

var (
	dayWord  = regexp.MustCompile(`大后天|后天|後天|明天|明日|明早|明晚|今天|今日|今晚|今早|今夜|听日|听晚|听朝|后日|天光日|大前天|前天|昨天|昨日|day after tomorrow|tomorrow|today|tonight|yesterday`)
	weekDay  = regexp.MustCompile(`(下下个?|下个?|这个?|本|上个?)?(?:周|星期|礼拜)([一二三四五六日天末])`)
	weekEN   = regexp.MustCompile(`(next |this |on |last )?(monday|tuesday|wednesday|thursday|friday|saturday|sunday)`)
	inDays   = regexp.MustCompile(`(?:过)?(` + hanNum + `)天(?:以后|之后|后|再)|in (\w+) days?`)
	monthDay = regexp.MustCompile(`(?:(20[0-9]{2})年)?(下个?月|这个?月|本月|` + hanNum + `月)(` + hanNum + `)(?:号|日)|(?:^|[^0-9月])(` + hanNum + `)号(?:[^楼院线店码]|$)`)
	isoDate  = regexp.MustCompile(`(20[0-9]{2})/([0-9]{1,2})/([0-9]{1,2})`)
	monthEN  = regexp.MustCompile(`(january|february|march|april|may|june|july|august|september|october|november|december) ([0-9]{1,2})(?:st|nd|rd|th)?|([0-9]{1,2})(?:st|nd|rd|th)? (?:of )?(january|february|march|april|may|june|july|august|september|october|november|december)`)
)

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
