package dialogue

import (
	"strconv"
	"strings"
)

// number is a number in a text, and what it counts: 元, 折, %, or a unit of
// time; empty for anything else.
type number struct{ value, unit string }

// numbersIn are the numbers in a text in one form: Arabic or Chinese, 1280 and
// 一千二百八十 are the same. A lone 一 counts nothing unless a unit of money,
// share or time follows it.
func numbersIn(s string) []number {
	r := []rune(halfWidth(s))
	var out []number
	add := func(value string, i, j int) { out = append(out, number{value, unitOf(r, i, j)}) }
	for i := 0; i < len(r); {
		switch {
		case digit(r[i]):
			j := i
			for j < len(r) && (digit(r[j]) || (r[j] == '.' || r[j] == ',') && j+1 < len(r) && digit(r[j+1])) {
				j++
			}
			add(trimNumber(strings.ReplaceAll(string(r[i:j]), ",", "")), i, j)
			i = j
		case hanDigit(r[i]) >= 0 || hanUnit(r[i]) > 0:
			j := i
			for j < len(r) && (hanDigit(r[j]) >= 0 || hanUnit(r[j]) > 0 || r[j] == '点' && j+1 < len(r) && hanDigit(r[j+1]) >= 0 && j > i) {
				j++
			}
			if counts(r, i, j) {
				add(hanNumber(r[i:j]), i, j)
			}
			i = j
		default:
			i++
		}
	}
	low := strings.ToLower(s)
	for _, w := range strings.FieldsFunc(low, func(c rune) bool { return c < 'a' || c > 'z' }) {
		if n, ok := englishNumbers[w]; ok {
			out = append(out, number{value: n})
		}
	}
	return out
}

// unitOf is what the number r[i:j] counts.
func unitOf(r []rune, i, j int) string {
	if strings.HasSuffix(string(r[max(0, i-3):i]), "百分之") {
		return "%"
	}
	rest := strings.TrimLeft(string(r[j:min(len(r), j+8)]), " ")
	for _, u := range [][2]string{{"元", "元"}, {"块", "元"}, {"圆", "元"}, {"yuan", "元"}, {"rmb", "元"}, {"折", "折"}, {"%", "%"}, {"percent", "%"},
		{"分钟", "分钟"}, {"小时", "小时"}, {"天", "天"}, {"日", "日"}, {"号", "日"}, {"周", "周"}, {"个月", "月"}, {"月", "月"}, {"年", "年"}, {"岁", "岁"}, {"点", "点"}} {
		if strings.HasPrefix(strings.ToLower(rest), u[0]) {
			return u[1]
		}
	}
	return ""
}

//nolint:gochecknoglobals // a table, read only
var englishNumbers = map[string]string{"two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11",
	"twelve": "12", "fifteen": "15", "twenty": "20", "thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90",
	"hundred": "100", "thousand": "1000", "million": "1000000", "half": "half", "double": "double", "twice": "2", "dozen": "12"}

// counts: the run i..j of Chinese numerals is a number and no part of a word.
func counts(r []rune, i, j int) bool {
	run, next := string(r[i:j]), string(r[j:min(len(r), j+2)])
	switch {
	case run == "十" && strings.HasPrefix(next, "分") && next != "分钟", run == "千万" && (next == "" || !strings.ContainsAny(next[:3], "元块")),
		run == "万一", run == "一一", run == "三" && strings.HasPrefix(next, "思"):
		return false
	case j-i > 1:
		return true
	case hanUnit(r[i]) > 1 && r[i] != '十': // 百, 千, 万 alone
		return false
	case r[i] != '一':
		return true
	}
	return j < len(r) && strings.ContainsRune("元块折成倍年岁月%分", r[j])
}

func digit(r rune) bool { return r >= '0' && r <= '9' }

func halfWidth(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '！' && r <= '～' {
			return r - '！' + '!'
		}
		return r
	}, s)
}

func trimNumber(s string) string {
	if f, err := strconv.ParseFloat(s, 64); err == nil && len(s) < 15 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return s
}

func hanDigit(r rune) int {
	switch r {
	case '〇':
		return 0
	case '两':
		return 2
	case '幺':
		return 1
	}
	for i, c := range []rune("零一二三四五六七八九") {
		if c == r {
			return i
		}
	}
	return -1
}

func hanUnit(r rune) int {
	switch r {
	case '十':
		return 10
	case '百':
		return 100
	case '千':
		return 1000
	case '万':
		return 10_000
	case '亿':
		return 100_000_000
	}
	return 0
}

// hanNumber is the value of a run of Chinese numerals; digits that only follow
// each other (八五) are put together.
func hanNumber(r []rune) string {
	whole, rest, point := strings.Cut(string(r), "点")
	run := []rune(whole)
	units := false
	for _, c := range run {
		units = units || hanUnit(c) > 0
	}
	out := ""
	if !units {
		for _, c := range run {
			out += strconv.Itoa(max(0, hanDigit(c)))
		}
	} else {
		total, section, last, unit := 0, 0, 0, 1
		for _, c := range run {
			switch u := hanUnit(c); {
			case u >= 10_000:
				total += (section + last) * u
				section, last, unit = 0, 0, u
			case u > 0:
				section += max(last, 1) * u
				last, unit = 0, u
			case c == '零' || c == '〇':
				unit = 10
			default:
				last = hanDigit(c)
			}
		}
		if unit > 10 && last > 0 { // 一千二: the last digit is of the next lower unit
			last *= unit / 10
		}
		out = strconv.Itoa(total + section + last)
	}
	if point {
		out += "."
		for _, c := range rest {
			if d := hanDigit(c); d >= 0 {
				out += strconv.Itoa(d)
			}
		}
	}
	return trimNumber(out)
}
