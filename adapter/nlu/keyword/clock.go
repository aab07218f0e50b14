package keyword

import (
	"regexp"
	"strings"
	"time"
)

var (
	part    = regexp.MustCompile(`凌晨|清晨|早上|早晨|上午|中午|下午|午后|傍晚|晚上|夜里|夜晚|今晚|明晚|听晚|今早|明早|听朝|朝早|上昼|下昼|晏昼|morning|noon|afternoon|evening|tonight|night`)
	clockRE = regexp.MustCompile(`(` + hanNum + `)(?:点|时)(?:钟|整)?(?:(半)|(一刻)|(三刻)|零?(` + hanNum + `)分?)?|([0-9]{1,2}):([0-9]{2})`)
	// 一点 is also "a bit": 一点都不, 便宜一点.
	aBitBefore = regexp.MustCompile(`(?:有|差|早|晚|快|慢|便宜|大|小|多|少|好|贵|高|低|再)$`)
	aBitAfter  = regexp.MustCompile(`^一点(?:都|也|儿|不|没|点)`)
	clockEN    = regexp.MustCompile(`(?:at |after |around |by )?(one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[0-9]{1,2})(?::([0-9]{2}))? ?(am|pm|oclock|a\|m|p\|m)|(?:half past|half) (one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)|(?:at|after) (one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|[0-9]{1,2})(?::([0-9]{2}))?(?: |\||$)`)
)

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
