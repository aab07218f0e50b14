package dialogue

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/speech"
)

// formatters lists what may stand after the bar in {{name|formatter}}, with
// the types that each takes. The empty list takes any type.
func formatters() map[string][]varType {
	return map[string][]varType{
		"text":     nil,
		"name":     {tName, tText},
		"title":    {tName, tText},
		"number":   {tNumber, tAmount, tPercent, tDiscount},
		"amount":   {tAmount, tNumber},
		"percent":  {tPercent, tNumber},
		"discount": {tDiscount, tNumber},
		"date":     {tDate, tDateTime},
		"time":     {tTime, tDateTime},
		"datetime": {tDateTime},
		"day":      {tDate, tDateTime},
		"when":     {tDateTime},
		"digits":   {tDigits, tPhone, tText, tNumber},
		"phone":    {tPhone, tDigits},
		"last4":    {tDigits, tPhone, tText},
		"grade":    {tGrade},
	}
}

func defaultFormat(t varType) string {
	switch t {
	case tNumber, tAmount, tPercent, tDiscount, tDate, tTime, tDateTime, tDigits, tPhone, tGrade:
		return string(t)
	}
	return "text"
}

// relative reports that the formatter's result depends on today, so that it
// cannot be rendered days ahead.
func relative(format string) bool { return format == "day" || format == "when" }

// chinese reports that the language is written in Chinese characters.
func chinese(l speech.Language) bool { return l == "cmn" || l == "yue" || l == "hak" }

// spoken renders a canonical value for the ear. gender is m, f or empty.
func spoken(format, value string, lang speech.Language, gender string, now time.Time) string {
	zh := chinese(lang)
	switch format {
	case "title":
		return titled(value, gender, lang)
	case "amount":
		if zh {
			return value + "元"
		}
		return value + " yuan"
	case "percent":
		if zh {
			return "百分之" + value
		}
		return value + " percent"
	case "discount":
		return discount(value, lang)
	case "grade":
		return spokenGrade(value, lang)
	case "digits", "phone":
		return spokenDigits(value, lang)
	case "last4":
		if r := []rune(value); len(r) > 4 {
			value = string(r[len(r)-4:])
		}
		return spokenDigits(value, lang)
	case "date", "time", "datetime", "day", "when":
		return spokenTime(format, value, lang, now)
	}
	return value
}

// gradeOf is 0 for preschool, 1 to 12 else.
func gradeOf(s string) (int, bool) {
	if s == "preschool" {
		return 0, true
	}
	n, err := strconv.Atoi(strings.TrimPrefix(s, "grade"))
	return n, err == nil && strings.HasPrefix(s, "grade")
}

// spokenGrade: grade9 is 初三.
func spokenGrade(value string, lang speech.Language) string {
	n, ok := gradeOf(value)
	switch {
	case !ok || n < 0 || n > 12:
		return value
	case !chinese(lang):
		return strings.Replace(value, "grade", "grade ", 1)
	case n == 0:
		return "幼儿园"
	case n <= 6:
		return string([]rune("一二三四五六")[n-1]) + "年级"
	case n <= 9:
		return "初" + string([]rune("一二三")[n-7])
	}
	return "高" + string([]rune("一二三")[n-10])
}

// discount: 0.8 and 8 are both 8折, 0.85 and 8.5 are both 八五折, as it is said.
func discount(value string, lang speech.Language) string {
	f, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return value
	}
	if f < 1 {
		f *= 10
	}
	if !chinese(lang) {
		return strconv.FormatFloat(100-f*10, 'f', 0, 64) + " percent off"
	}
	s := strconv.FormatFloat(f, 'f', 1, 64)
	if whole, ok := strings.CutSuffix(s, ".0"); ok {
		return whole + "折"
	}
	var b strings.Builder
	for _, r := range s {
		if r >= '0' && r <= '9' {
			b.WriteRune([]rune("零一二三四五六七八九")[r-'0'])
		}
	}
	return b.String() + "折"
}

func enDigit(r rune) string {
	return [...]string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}[r-'0']
}

// spokenDigits says digits one by one, 1 as 幺 in Mandarin, in the groups in
// which a phone number is said (3-4-4 for a mobile, else fours).
func spokenDigits(s string, lang speech.Language) string {
	const cmn, yue = "零幺二三四五六七八九", "零一二三四五六七八九"
	digits := []rune(yue)
	if lang == "cmn" {
		digits = []rune(cmn)
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n > 0 && (len(s) == 11 && (n == 3 || n == 7) || len(s) != 11 && len(s) > 4 && n%4 == 0) {
			if chinese(lang) {
				b.WriteString("，")
			} else {
				b.WriteByte(',')
			}
		}
		switch {
		case r < '0' || r > '9':
			b.WriteRune(r)
		case chinese(lang):
			b.WriteRune(digits[r-'0'])
		default:
			if n > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(enDigit(r))
		}
		n++
	}
	return b.String()
}

// spokenTime says a date or time the way people do.
func spokenTime(format, value string, lang speech.Language, now time.Time) string {
	t, err := time.Parse("2006-01-02T15:04", value)
	if err != nil {
		if t, err = time.Parse("2006-01-02", value); err != nil {
			if t, err = time.Parse("15:04", value); err != nil {
				return value
			}
		}
	}
	zh := chinese(lang)
	date, clock := enDate(t, now), t.Format("3:04 pm")
	if zh {
		date, clock = zhDate(t, now), zhClock(t)
	} else if t.Minute() == 0 {
		clock = t.Format("3 pm")
	}
	if relative(format) {
		if d := day(t, now, lang); d != "" {
			date = d
		}
	}
	switch format {
	case "date", "day":
		return date
	case "time":
		return clock
	}
	if zh {
		return date + clock
	}
	return date + " at " + clock
}

// zhDate names the year only when it is neither this year nor within the next
// half year, as people do. A zero now never names it.
func zhDate(t, now time.Time) string {
	s := fmt.Sprintf("%d月%d日", t.Month(), t.Day())
	if otherYear(t, now) {
		return fmt.Sprintf("%d年%s", t.Year(), s)
	}
	return s
}

func enDate(t, now time.Time) string {
	if otherYear(t, now) {
		return t.Format("January 2, 2006")
	}
	return t.Format("January 2")
}

func otherYear(t, now time.Time) bool {
	if now.IsZero() || t.Year() == now.Year() {
		return false
	}
	d := daysBetween(now, t)
	return d > 183 || d < -183
}

// zhClock: 14:00 is 下午2点, 14:30 下午2点半, 14:05 下午2点零5分.
func zhClock(t time.Time) string {
	h := t.Hour()
	part := "晚上"
	switch {
	case h < 5:
		part = "凌晨"
	case h < 8:
		part = "早上"
	case h < 12:
		part = "上午"
	case h == 12:
		part = "中午"
	case h < 18:
		part = "下午"
	}
	if h > 12 {
		h -= 12
	}
	switch m := t.Minute(); {
	case m == 0:
		return fmt.Sprintf("%s%d点", part, h)
	case m == 30:
		return fmt.Sprintf("%s%d点半", part, h)
	case m < 10:
		return fmt.Sprintf("%s%d点零%d分", part, h, m)
	default:
		return fmt.Sprintf("%s%d点%d分", part, h, m)
	}
}

// day names a day near today, empty when it is not near.
func day(t, now time.Time, lang speech.Language) string {
	if now.IsZero() {
		return ""
	}
	n := daysBetween(now, t)
	if n < 0 || n > 2 {
		return ""
	}
	switch lang {
	case "cmn":
		return [...]string{"今天", "明天", "后天"}[n]
	case "yue":
		return [...]string{"今日", "听日", "后日"}[n]
	case "hak":
		return [...]string{"今日", "天光日", "后日"}[n]
	case "en":
		return [...]string{"today", "tomorrow", ""}[n]
	}
	return ""
}

// daysBetween counts calendar days between two wall clocks.
func daysBetween(a, b time.Time) int {
	y, m, d := a.Date()
	from := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	y, m, d = b.Date()
	return int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Sub(from).Hours()) / 24
}

// titled: 张三 and a gender give 张先生 or 张女士; without a gender the whole
// name is said, which is never wrong.
func titled(name, gender string, lang speech.Language) string {
	if gender == "" {
		return name
	}
	if !chinese(lang) {
		title := "Mr. "
		if gender == "f" {
			title = "Ms. "
		}
		if hanOnly(name) {
			return name
		}
		words := strings.Fields(name)
		return title + words[len(words)-1]
	}
	title := "先生"
	switch {
	case gender == "f" && lang == "yue":
		title = "小姐"
	case gender == "f":
		title = "女士"
	}
	for _, t := range []string{"先生", "女士", "小姐", "老师", "医生", "经理"} {
		if strings.HasSuffix(name, t) {
			return name
		}
	}
	if !hanOnly(name) {
		return name + title
	}
	return surname(name) + title
}

// compound surnames that are still common.
const compound = "欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 慕容 令狐 宇文 长孙 司徒 司空 夏侯 轩辕 端木 百里 南宫 独孤 呼延 澹台 申屠 太史 闻人 钟离 歐陽 司馬 諸葛 東方"

func surname(name string) string {
	r := []rune(name)
	if len(r) >= 3 && strings.Contains(" "+compound+" ", " "+string(r[:2])+" ") {
		return string(r[:2])
	}
	if len(r) == 0 {
		return name
	}
	return string(r[:1])
}

func hanOnly(s string) bool {
	for _, r := range s {
		if r < 0x3400 || r > 0x9fff {
			return false
		}
	}
	return s != ""
}

// genderOf reads the usual ways to write a gender or a form of address.
func genderOf(s string) string {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "m", "male", "man", "mr", "mr.", "男", "男性", "先生", "1":
		return "m"
	case "f", "female", "woman", "ms", "ms.", "mrs", "mrs.", "女", "女性", "女士", "小姐", "0", "2":
		return "f"
	}
	return ""
}
