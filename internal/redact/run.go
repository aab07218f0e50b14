package redact

import "strings"

// runs finds the numbers of a turn.
func (m *Masker) runs(toks []token, s *side) []run {
	var out []run
	for i := 0; i < len(toks); {
		if toks[i].kind != digit {
			i++
			continue
		}
		u := m.grow(toks, i)
		m.judge(toks, &u)
		if len(out) == 0 && s.open > 0 && onlyBetween(toks[:u.first]) {
			u.joined = s.open
			if u.joined+len(u.digits) >= openRun && !hardUnit(toks, u) {
				u.exempt = false
			}
		}
		u.near = nearWord(toks, u) || s.near+u.first <= nearWords
		u.order = afterOrder(toks, u, s)
		out = append(out, u)
		i = u.last + 1
	}
	return out
}

// grow takes digits and what may stand between them, from token i on.
func (m *Masker) grow(toks []token, i int) run {
	u := run{first: i, last: i, digits: toks[i].digits}
	if i > 0 && toks[i-1].kind == letter && toks[i-1].end == toks[i].start {
		u.prefix = toks[i-1].text
	}
	if writtenDate(toks, i) {
		u.digits, u.last = toks[i].digits+toks[i+1].digits+toks[i+2].digits, i+2
		u.open = onlyBetween(toks[u.last+1:])
		return u
	}
	for j := i + 1; j < len(toks); j++ {
		next, ok := m.bridge(toks, u.last+1, len(u.digits))
		if !ok {
			break
		}
		if toks[next].kind == letter { // X closes a resident ID
			u.last = next
			break
		}
		u.last = next
		u.digits += toks[next].digits
		j = next
	}
	u.open = onlyBetween(toks[u.last+1:])
	return u
}

// bridge looks from token i on for the digit that goes on with a run of n
// digits: behind fillers, self-corrections, or one misheard character.
func (m *Masker) bridge(toks []token, i, n int) (int, bool) {
	misheard, sound := 0, false
	for j := i; j < len(toks) && j-i < gapTokens+2; j++ {
		switch t := toks[j]; t.kind {
		case digit:
			if misheard > 0 && !sound && n+countFrom(toks, j) < 6 {
				return 0, false
			}
			return j, true
		case filler, fix:
		case end:
			return 0, false
		case point:
			// 10:30 and 3.5 are times and amounts: no bridge; a pause dot is.
			return 0, false
		case letter:
			if t.text == "x" && (n == 17 || n >= 14) {
				return j, true
			}
			misheard++
		case other:
			misheard++
			sound = strings.Contains(homophones, t.text)
		case unit:
			// 个 of 三个八 was read with its digit; any other unit ends a run
			// unless it is a homophone within a long one (十 for 四 is a scale).
			return 0, false
		case scale:
			// 十 within many digits is a misheard 四: digits on both sides.
			if n >= 3 && digitsAfter(toks, j+1, 3) {
				misheard++
				continue
			}
			return 0, false
		default:
			return 0, false
		}
		if misheard > 1 || misheard == 1 && n < 2 {
			return 0, false
		}
	}
	return 0, false
}

// homophones are what recognizers write for a spoken digit.
const homophones = "林零灵另玲医依衣伊以已而耳尔儿山散伞是四思死寺事我五无吴舞午物留刘流六陆其起期七妻吧把爸巴八就久酒旧九要腰药幺妖遥石实师量亮凉"

// countFrom counts the digits directly from token i on.
func countFrom(toks []token, i int) int {
	have := 0
	for ; i < len(toks) && toks[i].kind == digit; i++ {
		have += len(toks[i].digits)
	}
	return have
}

func digitsAfter(toks []token, i, n int) bool { return countFrom(toks, i) >= n }

// writtenDate reports 2026-03-05 at token i.
func writtenDate(toks []token, i int) bool {
	if i+2 >= len(toks) || toks[i+1].kind != digit || toks[i+2].kind != digit {
		return false
	}
	y, m, d := toks[i], toks[i+1], toks[i+2]
	return len(y.text) == 4 && (strings.HasPrefix(y.text, "19") || strings.HasPrefix(y.text, "20")) &&
		m.start == y.end+1 && d.start == m.end+1 && len(m.text) <= 2 && len(d.text) <= 2 && m.text[0] < 0x80 && d.text[0] < 0x80 &&
		small(m.digits, 12) && small(d.digits, 31)
}

// judge exempts amounts, times and places.
func (m *Masker) judge(toks []token, u *run) {
	n := len(u.digits)
	next := u.last + 1
	prev := u.first - 1
	switch {
	case next < len(toks) && toks[next].kind == scale && n < longRun: // 三千二, 5万
		u.exempt = true
	case prev >= 0 && toks[prev].kind == scale && n <= 2: // 一千二百三十四
		u.exempt = true
	case next < len(toks) && toks[next].kind == unit && n <= unitLimit(toks[next].text):
		u.exempt = true
	case next < len(toks) && toks[next].kind == point && next+1 < len(toks) && toks[next+1].kind == digit && n <= 6:
		u.exempt = true // 3.5, 10:30
	case prev >= 1 && toks[prev].kind == point && toks[prev-1].kind == digit && n <= 4:
		u.exempt = true
	case prev >= 0 && (toks[prev].text == "¥" || toks[prev].text == "￥" || toks[prev].text == "$") && n <= 9:
		u.exempt = true
	case writtenDate(toks, u.first) && u.last == u.first+2:
		u.exempt = true
	}
	if u.exempt {
		u.open = false
	}
}

// hardUnit reports a run that is an amount or a time however it began.
func hardUnit(toks []token, u run) bool {
	next := u.last + 1
	return next < len(toks) && (toks[next].kind == unit && strings.Contains("元块月年点分", toks[next].text) || toks[next].kind == scale)
}

// unitLimit is how many digits can stand before a unit.
func unitLimit(u string) int {
	switch u {
	case "年":
		return 4
	case "月", "日", "点", "點", "分", "秒", "时", "岁", "歲", "折", "刻":
		return 2
	case "号", "號", "号楼", "號樓", "号院", "楼", "樓", "层", "栋", "棟", "幢", "单元", "室", "弄", "巷", "路", "街", "房", "房间":
		return 5
	case "个", "個", "位", "名", "人", "次", "天", "周":
		return 6
	}
	return 9
}

// small reports a number of one or two digits from 1 to limit.
func small(d string, limit int) bool {
	n := 0
	for i := range len(d) {
		n = n*10 + int(d[i]-'0')
	}
	return n >= 1 && n <= limit
}

// nearWord reports a number word within reach of the run.
func nearWord(toks []token, u run) bool {
	for i := max(0, u.first-nearWords); i < u.first; i++ {
		if toks[i].kind == word {
			return true
		}
	}
	for i := u.last + 1; i < len(toks) && i <= u.last+nearWords; i++ {
		if toks[i].kind == word {
			return true
		}
	}
	return false
}

// afterOrder reports a run that was announced as an order number.
func afterOrder(toks []token, u run, s *side) bool {
	for i := max(0, u.first-4); i < u.first; i++ {
		if toks[i].kind == order {
			return true
		}
	}
	return u.first <= 2 && s.order
}
