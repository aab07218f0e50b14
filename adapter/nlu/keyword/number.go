package keyword

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// digitOf is the digit that a character says when numbers are read out one by
// one: 幺 and 拐 as on the radio, formal characters as on a cheque.
func digitOf(r rune) (byte, bool) {
	switch r {
	case '0', '零', '〇', '洞':
		return '0', true
	case '1', '一', '幺', '妖', '壹':
		return '1', true
	case '2', '二', '两', '贰':
		return '2', true
	case '3', '三', '叁':
		return '3', true
	case '4', '四', '肆':
		return '4', true
	case '5', '五', '伍':
		return '5', true
	case '6', '六', '陆':
		return '6', true
	case '7', '七', '拐', '柒':
		return '7', true
	case '8', '八', '捌':
		return '8', true
	case '9', '九', '勾', '玖':
		return '9', true
	}
	return 0, false
}

var (
	digitFiller = regexp.MustCompile(`^(?:\||嗯|呃|额|那个|然后|空格|杠|横杠|转|-| )+`)
	digitWords  = regexp.MustCompile(`^(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)(?: |\||$)`)
	enDigit     = map[string]byte{"zero": '0', "oh": '0', "one": '1', "two": '2', "three": '3', "four": '4', "five": '5', "six": '6', "seven": '7', "eight": '8', "nine": '9'} //nolint:gochecknoglobals // a table, read only
	unit        = regexp.MustCompile(`^(?:十|百|千|万|亿|元|块|毛|岁|号楼|点|月|日|年|个|折|%|percent)`)
)

// digitBounds is how many digits each kind has.
func digitBounds(kind string) (lo, hi int) {
	switch kind {
	case "phone":
		return 7, 13
	case "id_card":
		return 15, 18
	case "bank_card":
		return 13, 19
	case "code":
		return 4, 8
	case "order":
		return 4, 32
	}
	return 1, 32
}

// digits reads a run of single digits, over fillers between them, and takes
// what was said after a correction. The longest run that fits the kind wins.
func digits(s, kind string) (value string, from, to int, ok bool) {
	lo, hi := digitBounds(kind)
	for _, run := range digitRuns(s, kind) {
		fits := len(run.value) >= lo && len(run.value) <= hi && (kind != "id_card" || len(run.value) == 15 || len(run.value) == 18)
		if !fits {
			continue
		}
		corrected := ok && correction.MatchString(s[to:run.from])
		if !ok || corrected || len(run.value) > len(value) {
			value, from, to, ok = run.value, run.from, run.to, true
		}
	}
	return value, from, to, ok
}

type digitRun struct {
	value    string
	from, to int
}

func digitRuns(s, kind string) []digitRun {
	var out []digitRun
	cur := digitRun{from: -1}
	flush := func() {
		if cur.from >= 0 {
			out = append(out, cur)
		}
		cur = digitRun{from: -1}
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		d, isD := digitOf(r)
		if w := digitWords.FindString(s[i:]); w != "" && (i == 0 || s[i-1] == ' ' || s[i-1] == '|') {
			word := strings.TrimRight(w, " |")
			d, isD, n = enDigit[word], true, len(word)
		}
		if isD && kind != "digits" && !isDigitByte(s[i]) && cur.from < 0 && unit.MatchString(s[i+n:]) {
			isD = false // 三点, 五个: an amount or a time begins here
		}
		if (r == 'x' || r == '叉') && kind == "id_card" && len(cur.value) == 17 {
			d, isD = 'X', true
		}
		if isD {
			if cur.from < 0 {
				cur.from = i
			}
			cur.value += string(d)
			i += n
			cur.to = i
			continue
		}
		if f := digitFiller.FindString(s[i:]); f != "" && cur.from >= 0 {
			i += len(f)
			continue
		}
		flush()
		i += n
	}
	flush()
	return out
}

func isDigitByte(b byte) bool { return b >= '0' && b <= '9' }

const numeral = `[0-9零〇一二两三四五六七八九十百千万亿]+(?:[.点][0-9零一二三四五六七八九]+)?(?:万|亿|千|百)?`

var (
	numeralRE = regexp.MustCompile(numeral + `半?`)
	amountRE  = regexp.MustCompile(`(` + numeral + `)(?:多)?(?:元|块钱|块|圆|蚊|人民币|yuan|rmb|dollars|bucks)(?:零?([1-9一二两三四五六七八九])(?:毛|角)|([0-9一二两三四五六七八九半]))?(?:零?([1-9一二两三四五六七八九])分?)?`)
	jiaoRE    = regexp.MustCompile(`([1-9一二两三四五六七八九])毛(?:([1-9一二两三四五六七八九])分?|钱|\||$)`)
	countedRE = regexp.MustCompile(`^(?:个|月|天|年|次|张|份|本|人|位|件|点|号|样|下|些|起|直|共)`)
	ageRE     = regexp.MustCompile(`(` + numeral + `)(?:岁|周岁|虚岁| ?years? old)`)
)

// number is the first numeral in the text.
func number(s string) (string, int, int, bool) {
	for _, at := range numeralRE.FindAllStringIndex(s, 8) {
		if f, ok := parseNumber(s[at[0]:at[1]]); ok {
			return format(f), at[0], at[1], true
		}
	}
	if f, from, to, ok := englishNumber(s); ok {
		return format(f), from, to, true
	}
	return "", 0, 0, false
}

func format(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// amount is money: 两千块, 三十五块五, 1024.50元; a bare numeral of ten or more
// counts too.
func amount(s string) (string, int, int, bool) {
	if m := amountRE.FindStringSubmatchIndex(s); m != nil {
		if f, ok := parseNumber(s[m[2]:m[3]]); ok {
			end := m[1]
			if m[6] >= 0 && countedRE.MatchString(s[m[7]:]) { // 两千块一个月
				end = m[6]
				m[6], m[8] = -1, -1
			}
			for i, scale := range []float64{0.1, 0.1, 0.01} {
				if j := 4 + 2*i; m[j] >= 0 {
					f += digitValue(s[m[j]:m[j+1]]) * scale
				}
			}
			return money(f), m[0], end, true
		}
	}
	if m := jiaoRE.FindStringSubmatchIndex(s); m != nil { // 五毛
		f := digitValue(s[m[2]:m[3]]) * 0.1
		if m[4] >= 0 {
			f += digitValue(s[m[4]:m[5]]) * 0.01
		}
		return money(f), m[0], len(strings.TrimRight(s[:m[1]], "|")), true
	}
	for _, at := range numeralRE.FindAllStringIndex(s, 8) {
		if f, ok := parseNumber(s[at[0]:at[1]]); ok && f >= 10 && !strings.HasPrefix(s[at[1]:], "点") && !strings.HasPrefix(s[at[1]:], "号") && !strings.HasPrefix(s[at[1]:], "月") {
			return money(f), at[0], at[1], true
		}
	}
	if f, from, to, ok := englishNumber(s); ok {
		return money(f), from, to, true
	}
	return "", 0, 0, false
}

func money(f float64) string { return strings.TrimSuffix(strconv.FormatFloat(f, 'f', 2, 64), ".00") }

func digitValue(s string) float64 {
	if s == "半" {
		return 5
	}
	r, _ := utf8.DecodeRuneInString(s)
	d, _ := digitOf(r)
	return float64(d - '0')
}

// age is 1 to 120, with 岁 or alone.
func age(s string) (string, int, int, bool) {
	at, value := []int(nil), ""
	if m := ageRE.FindStringSubmatchIndex(s); m != nil {
		at, value = m[:2], s[m[2]:m[3]]
	} else if one := numeralRE.FindStringIndex(s); one != nil && len(s) <= 24 {
		at, value = one, s[one[0]:one[1]]
	}
	if at != nil {
		if f, ok := parseNumber(strings.TrimSuffix(value, "半")); ok && f >= 1 && f <= 120 && f == float64(int(f)) {
			return format(f), at[0], at[1], true
		}
	}
	if f, from, to, ok := englishNumber(s); ok && f >= 1 && f <= 120 {
		return format(f), from, to, true
	}
	return "", 0, 0, false
}

// parseNumber reads 1024.5, 三千五 (3500), 一万二 (12000), 两百零三, 1.5万, 十二点五.
func parseNumber(s string) (float64, bool) {
	half := strings.HasSuffix(s, "半")
	s = strings.TrimSuffix(s, "半")
	whole, frac, point := strings.Cut(s, "点")
	if !point {
		whole, frac, point = strings.Cut(s, ".")
	}
	scale := 1.0
	if point {
		for _, u := range []struct {
			name string
			by   float64
		}{{"亿", 1e8}, {"万", 1e4}, {"千", 1e3}, {"百", 100}} {
			if rest, ok := strings.CutSuffix(frac, u.name); ok {
				frac, scale = rest, u.by
			}
		}
	}
	f, ok := parseWhole(whole)
	if !ok {
		return 0, false
	}
	place := 0.1
	for _, r := range frac {
		d, isD := digitOf(r)
		if !isD {
			return 0, false
		}
		f += float64(d-'0') * place
		place /= 10
	}
	f *= scale
	if half {
		f += 0.5
	}
	return float64(int64(f*1e6+0.5)) / 1e6, f < 1e12
}

// parseWhole reads an integer in figures, in characters, or in both (3万5).
func parseWhole(s string) (float64, bool) {
	if s == "" || utf8.RuneCountInString(s) > 24 {
		return 0, false
	}
	total, section, digit := 0.0, 0.0, -1.0
	last, zero := 0.0, false
	figures := true
	for _, r := range s {
		if d, ok := digitOf(r); ok {
			v := float64(d - '0')
			switch {
			case digit < 0:
				digit = v
			case figures:
				digit = digit*10 + v
			default:
				return 0, false // 三五: digits, not a number
			}
			figures = isDigit(r) || r == '零' || r == '〇'
			zero = zero || v == 0 && !isDigit(r)
			continue
		}
		by := map[rune]float64{'十': 10, '百': 100, '千': 1000, '万': 1e4, '亿': 1e8}[r]
		if by == 0 {
			return 0, false
		}
		v := max(digit, 0)
		if digit < 0 && by == 10 {
			v = 1 // 十二
		}
		if by >= 1e4 {
			if by == 1e8 {
				total = (total + section + v) * by
			} else {
				total += (section + v) * by
			}
			section = 0
		} else {
			section += v * by
		}
		digit, last, figures, zero = -1, by, true, false
	}
	if digit >= 0 {
		if last >= 100 && !zero && digit < 10 {
			digit *= last / 10 // 三千五 is 3500
		}
		section += digit
	}
	return total + section, true
}

var (
	//nolint:gochecknoglobals // a table, read only
	enTens = map[string]float64{"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18, "nineteen": 19,
		"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
	enWords = regexp.MustCompile(`(?:(?:^|[ |])(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|and|a))+`)
)

// englishNumber reads "two hundred and five".
func englishNumber(s string) (f float64, from, to int, ok bool) {
	for _, at := range enWords.FindAllStringIndex(s, 8) {
		total, cur, seen := 0.0, 0.0, false
		for _, w := range strings.FieldsFunc(s[at[0]:at[1]], func(r rune) bool { return r == ' ' || r == '|' }) {
			switch {
			case w == "hundred":
				cur, seen = max(cur, 1)*100, true
			case w == "thousand" || w == "million":
				by := map[string]float64{"thousand": 1e3, "million": 1e6}[w]
				total, cur, seen = total+max(cur, 1)*by, 0, true
			case enTens[w] != 0:
				cur, seen = cur+enTens[w], true
			case enDigit[w] != 0:
				cur, seen = cur+float64(enDigit[w]-'0'), true
			}
		}
		if seen && (at[1] == len(s) || s[at[1]] == ' ' || s[at[1]] == '|') {
			return total + cur, at[0], at[1], true
		}
	}
	return 0, 0, 0, false
}

var (
	gradeHan = regexp.MustCompile(`(小学|初中|高中)?([一二三四五六七八九1-9])年级|(小|初|高)([一二三四五六123456])|(幼儿园|学前班|大班|中班|小班)`)
	gradeEN  = regexp.MustCompile(`(?:grade|year) (one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|1[0-2]|[1-9])|(first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|1[0-2]th|[4-9]th|1st|2nd|3rd) grade|(kindergarten|preschool)`)
)

// grade is grade1 to grade12 or preschool: 初三 and 九年级 are both grade9.
func grade(s string) (string, int, int, bool) {
	if m := gradeHan.FindStringSubmatchIndex(s); m != nil {
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return s[m[2*i]:m[2*i+1]]
		}
		if part(5) != "" {
			return "preschool", m[0], m[1], true
		}
		year, school := part(2)+part(4), part(1)+part(3)
		n := int(digitValue(year))
		base := map[string]int{"": 0, "小学": 0, "小": 0, "初中": 6, "初": 6, "高中": 9, "高": 9}[school]
		top := map[string]int{"": 9, "小学": 6, "小": 6, "初中": 3, "初": 3, "高中": 3, "高": 3}[school]
		if n >= 1 && n <= top {
			return "grade" + strconv.Itoa(base+n), m[0], m[1], true
		}
	}
	if m := gradeEN.FindStringSubmatchIndex(s); m != nil {
		for i := 1; i <= 3; i++ {
			if m[2*i] < 0 {
				continue
			}
			if i == 3 {
				return "preschool", m[0], m[1], true
			}
			if n := ordinal(s[m[2*i]:m[2*i+1]]); n > 0 {
				return "grade" + strconv.Itoa(n), m[0], m[1], true
			}
		}
	}
	return "", 0, 0, false
}

func ordinal(w string) int {
	names := []string{"", "one first 1 1st", "two second 2 2nd", "three third 3 3rd", "four fourth 4 4th", "five fifth 5 5th", "six sixth 6 6th", "seven seventh 7 7th", "eight eighth 8 8th",
		"nine ninth 9 9th", "ten tenth 10 10th", "eleven eleventh 11 11th", "twelve twelfth 12 12th"}
	for n, forms := range names {
		for _, f := range strings.Fields(forms) {
			if f == w {
				return n
			}
		}
	}
	return 0
}
