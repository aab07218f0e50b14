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
		u := m.grow(toks, i, s.near+i <= nearWords || wordBefore(toks, i))
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
	out = readAsCardinals(toks, out)
	if len(out) == 1 && !out[0].exempt {
		out[0].bare = onlyBetween(toks[:out[0].first]) && onlyBetween(toks[out[0].last+1:])
	}
	m.gather(toks, out)
	return out
}

// grow takes digits and what may stand between them, from token i on.
// near says that a number has been named: letters may then be parts of a code.
func (m *Masker) grow(toks []token, i int, near bool) run {
	u := run{first: i, last: i, digits: toks[i].digits}
	if i > 0 && toks[i-1].kind == letter && toks[i-1].end == toks[i].start {
		u.prefix = toks[i-1].text
	}
	for j := i + 1; j < len(toks); j++ {
		next, ok := m.bridge(toks, u.last+1, len(u.digits), near)
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
func (m *Masker) bridge(toks []token, i, n int, near bool) (int, bool) {
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
			// 138.1234.5678 is written so; 3.5 is an amount.
			if j != i || j+1 >= len(toks) || toks[j+1].kind != digit || decimals(toks, j+1, j+1) {
				return 0, false
			}
		case letter:
			follows := j+1 < len(toks) && toks[j+1].kind == digit && toks[j+1].start == t.end
			if t.text == "x" && (n >= 14 || near && n >= 3 && !follows) {
				return j, true
			}
			if near && follows && t.start == toks[j-1].end { // A1B2C3
				continue
			}
			misheard++
		case other:
			misheard++
			sound = strings.Contains(homophones, t.text)
		case unit:
			// 个 of 三个八 was read with its digit; 期 right before a digit is a
			// misheard 七; any other unit ends a run.
			if t.text != "期" || j+1 >= len(toks) || toks[j+1].kind != digit {
				return 0, false
			}
			misheard, sound = misheard+1, true
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
		if misheard > 1 || misheard == 1 && n < 2 && !sound {
			return 0, false
		}
	}
	return 0, false
}

// homophones are what recognizers write for a spoken digit.
const homophones = "林零灵另玲铃医依衣伊以已而儿耳尔儿山散伞是四思死寺事我五无吴舞午物留刘流六陆其起期七妻吧把爸巴八就久酒旧九要腰药幺妖遥石实师量亮凉"

// countFrom counts the digits directly from token i on.
func countFrom(toks []token, i int) int {
	have := 0
	for ; i < len(toks) && toks[i].kind == digit; i++ {
		have += len(toks[i].digits)
	}
	return have
}

func digitsAfter(toks []token, i, n int) bool { return countFrom(toks, i) >= n }

// judge exempts amounts, times and places.
func (m *Masker) judge(toks []token, u *run) {
	n := len(u.digits)
	next := u.last + 1
	prev := u.first - 1
	switch {
	case next < len(toks) && toks[next].kind == scale && n < longRun: // 三千二, 5万
		u.exempt, u.open = true, false
	case prev >= 0 && toks[prev].kind == scale && n <= 2: // 一千二百三十四
		u.exempt = true
	case next < len(toks) && toks[next].kind == unit && n <= unitLimit(toks[next].text):
		u.exempt, u.open = true, next == len(toks)-1 // 三个 may become 三个八
	case decimals(toks, u.first, u.last): // 3.5, 1024.50
		u.exempt = true
	case prev >= 0 && toks[prev].kind == money && n <= 9:
		u.exempt = true
	case prev >= 0 && toks[prev].kind == month && n <= 6: // March 5, 2026
		u.exempt = true
	case prev >= 0 && n <= 4 && toks[prev].kind == unit && place(toks[prev].text): // 3号楼1502
		u.exempt = true
	case prev >= 0 && n <= 3 && toks[prev].text == "第":
		u.exempt = true
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
	case "元", "块", "塊", "块钱", "圆", "美元", "人民币", "yuan", "dollars", "刀", "兆":
		return 9
	case "年", "岁", "歲":
		return 4
	case "月", "日", "点", "點", "分", "秒", "时", "折", "刻":
		return 2
	case "期":
		return 3
	case "号", "號", "号楼", "號樓", "号院", "楼", "樓", "层", "栋", "棟", "幢", "单元", "室", "弄", "巷", "路", "街", "房", "房间":
		return 5
	}
	return 6
}

// place reports a unit of an address that a smaller one may follow.
func place(u string) bool {
	switch u {
	case "号楼", "號樓", "单元", "栋", "棟", "幢", "楼", "樓", "层", "弄", "号院":
		return true
	}
	return false
}

// decimals reports digits before or after a decimal point: at most nine before
// it, one or two after it, and no further point.
func decimals(toks []token, first, last int) bool {
	one := func(i int) bool { return i >= 0 && i < len(toks) && toks[i].kind == digit }
	pointAt := func(i int) bool { return i >= 0 && i < len(toks) && toks[i].kind == point }
	if first != last || toks[first].text == "" || toks[first].text[0] >= 0x80 {
		return false
	}
	whole, part := first, first+2
	if pointAt(first - 1) {
		whole, part = first-2, first
	}
	if !one(whole) || !pointAt(whole+1) || !one(part) || pointAt(part+1) && one(part+2) || pointAt(whole-1) && one(whole-2) {
		return false
	}
	return len(toks[whole].digits) <= 9 && len(toks[part].digits) <= 2 && (part+1 >= len(toks) || toks[part+1].kind != digit)
}

// wordBefore reports a number word shortly before token i.
func wordBefore(toks []token, i int) bool {
	for j := max(0, i-nearWords); j < i; j++ {
		if toks[j].kind == word {
			return true
		}
	}
	return false
}

// nearWord reports a number word within reach of the run.
func nearWord(toks []token, u run) bool {
	if wordBefore(toks, u.first) {
		return true
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
