package redact

// Limits of what belongs together although other words stand between.
const (
	gatherGap   = 10 // tokens between two groups of digits of one number
	gatherTurn  = 12 // tokens between them over turns, of either side
	groupDigits = 2  // digits of a group: 一 alone is part of many words
	trailSum    = 5  // with digits of earlier turns: so many in a row are never shown
)

// group reports a run that may be a part of a number.
func (u run) group() bool { return (!u.exempt || u.weak) && !u.order && len(u.digits) >= groupDigits }

// gap is how far behind each other two groups of one number may stand. A
// cardinal is only one when nothing stands between.
func gap(a, b run) int {
	if a.weak || b.weak {
		return 2
	}
	return gatherGap
}

// gather masks groups of digits with other words between them that are a
// number together, those of earlier turns counted.
func (m *Masker) gather(toks []token, runs []run) {
	for i := 0; i < len(runs); i++ {
		u := &runs[i]
		away := m.trail.ago + u.first
		reach := gatherTurn
		if u.weak || m.trail.weak {
			reach = gatherGap
		}
		carried := 0
		if m.trail.digits > 0 && away <= reach && !m.before(runs, i) {
			carried = m.trail.digits
		}
		soft := carried > 0 && u.exempt && u.last+1 < len(toks) && toks[u.last+1].text == "期" // a misheard 七 at the end
		if !u.group() && !soft && (carried == 0 || !u.bare) {
			continue
		}
		sum, last := len(u.digits), i
		for j := i + 1; j < len(runs); j++ {
			if runs[j].order || runs[j].first-runs[last].last-1 > gap(runs[last], runs[j]) {
				break
			}
			if runs[j].group() {
				sum, last = sum+len(runs[j].digits), j
			}
		}
		if last > i && sum >= longRun || carried > 0 && carried+sum >= trailSum {
			m.join(toks, runs, i, last)
			u.carried = carried > 0
		}
		i = last
	}
}

// join lets the runs i to last be one number. What is surely an amount or a
// time, or stands apart, is not of it.
func (m *Masker) join(toks []token, runs []run, i, last int) {
	for j := i; j <= last; j++ {
		u := &runs[j]
		if u.order || j > i && u.exempt && !u.weak && (u.first-runs[j-1].last > 3 || hardUnit(toks, *u)) {
			continue
		}
		u.exempt, u.weak, u.gathered = false, false, true
	}
}

// before reports a group in front of the i-th run: what it carries over is not
// for this one.
func (m *Masker) before(runs []run, i int) bool {
	for _, u := range runs[:i] {
		if u.group() {
			return true
		}
	}
	return false
}

// trail is the end of the conversation so far, of both sides: how many digits
// of a number it may be in the middle of, and how many tokens ago.
type trail struct {
	digits, ago int
	weak        bool // the last of them were a cardinal
}

// follow takes a final into the trail.
func (m *Masker) follow(toks []token, runs []run) {
	sum, last := 0, -1
	for i, u := range runs {
		if !u.group() && !u.gathered && !(u.joined > 0 && !u.exempt && !u.order) {
			continue
		}
		if last >= 0 && u.first-runs[last].last > gap(runs[last], u)+1 {
			sum = 0
		}
		sum, last = sum+len(u.digits), i
	}
	if last < 0 {
		m.trail.ago += len(toks)
		if n := len(runs); n > 0 && !runs[n-1].exempt && m.trail.ago-len(toks)+runs[0].first <= gatherTurn { // a digit of it alone
			m.trail.ago = len(toks) - 1 - runs[n-1].last
		}
		if m.trail.ago > gatherTurn {
			m.trail = trail{}
		}
		return
	}
	if m.trail.digits > 0 && m.trail.ago <= gatherTurn {
		sum += m.trail.digits
	}
	m.trail = trail{min(sum, 64), len(toks) - 1 - runs[last].last, runs[last].weak}
	if m.trail.ago > gatherTurn || m.trail.weak && m.trail.ago > 2 {
		m.trail = trail{}
	}
}

// spelled is a number said with 十 百 千: 一百三十八.
type spelled struct {
	first, last int
	digits      string
}

// rankOf is the power of ten of a scale below 万, else 0.
func rankOf(s string) int {
	switch s {
	case "十", "拾":
		return 1
	case "百", "佰":
		return 2
	case "千", "仟":
		return 3
	}
	return 0
}

// cardinalAt reads one; ok is false when there is none at token i.
func cardinalAt(toks []token, i int) (c spelled, ok bool) {
	value, before, scales := 0, 4, 0
	j := i
	for j < len(toks) {
		if toks[j].kind == digit && toks[j].digits == "0" && scales > 0 && j+1 < len(toks) && toks[j+1].kind == digit {
			j++ // 一千零三
			continue
		}
		if toks[j].kind == scale && j == i && rankOf(toks[j].text) == 1 { // 十八
			value, before, scales, j = 10, 1, 1, j+1
			continue
		}
		if toks[j].kind != digit || len(toks[j].digits) != 1 {
			break
		}
		d := int(toks[j].digits[0] - '0')
		if j+1 < len(toks) && toks[j+1].kind == scale {
			r := rankOf(toks[j+1].text)
			if r == 0 || r >= before {
				break
			}
			pow := 1
			for range r {
				pow *= 10
			}
			value, before, scales, j = value+d*pow, r, scales+1, j+2
			continue
		}
		if scales > 0 && before > 0 {
			if before > 1 && toks[j-1].kind == scale { // 三千五
				pow := 1
				for range before - 1 {
					pow *= 10
				}
				d *= pow
			}
			value, j = value+d, j+1
		}
		break
	}
	if scales == 0 {
		return c, false
	}
	for v := value; v > 0; v /= 10 {
		c.digits = string(rune('0'+v%10)) + c.digits
	}
	c.first, c.last = i, j-1
	return c, true
}

// partAt reads a part of a number at token i: a cardinal, or plain digits up to
// one that begins a cardinal.
func partAt(toks []token, i int) (p spelled, isCardinal, ok bool) {
	if p, ok = cardinalAt(toks, i); ok {
		return p, true, true
	}
	p.first = i
	for ; i < len(toks) && toks[i].kind == digit && (i+1 >= len(toks) || toks[i+1].kind != scale); i++ {
		p.digits += toks[i].digits
	}
	p.last = i - 1
	return p, false, p.digits != ""
}

// readAsCardinals finds numbers that are read in groups as cardinals (一百三十八,
// 一千二百三十四, 五千六百七十八: several parts with nothing between that make seven
// digits or more, or one right behind the name of a number) and lets them be
// runs.
func readAsCardinals(toks []token, runs []run) []run {
	var out []run
	for i := 0; i < len(toks); i++ {
		p, any, ok := partAt(toks, i)
		if !ok {
			continue
		}
		u := run{first: p.first, last: p.last, digits: p.digits}
		n := 1
		for {
			next := u.last + 1
			if next < len(toks) && toks[next].kind == filler {
				next++
			}
			more, c, ok := partAt(toks, next)
			if !ok {
				break
			}
			u.last, u.digits, n, any = more.last, u.digits+more.digits, n+1, any || c
		}
		i = u.last
		next := u.last + 1
		if !any || next < len(toks) && (toks[next].kind == unit || toks[next].kind == point || toks[next].kind == scale && (n < 2 || rankOf(toks[next].text) == 0)) {
			continue
		}
		switch {
		case named(toks, u.first) && len(u.digits) >= 3, n >= 2 && len(u.digits) >= longRun:
			u.open, u.gathered = onlyBetween(toks[next:]), true
		case len(u.digits) >= 3:
			u.exempt, u.weak, u.open = true, true, onlyBetween(toks[next:])
		default:
			continue
		}
		out = append(out, u)
	}
	if len(out) == 0 {
		return runs
	}
	return merge(runs, out)
}

// named reports the name of a number within three tokens before token i.
func named(toks []token, i int) bool {
	for j := max(0, i-3); j < i; j++ {
		if toks[j].kind == word && (len(toks[j].text) >= 6) {
			for _, end := range []string{"号", "碼", "號", "码"} {
				if len(toks[j].text) >= len(end) && toks[j].text[len(toks[j].text)-len(end):] == end {
					return true
				}
			}
		}
	}
	return false
}

// merge puts better runs over those that they overlap.
func merge(runs, better []run) []run {
	var out []run
	for _, u := range runs {
		for len(better) > 0 && better[0].last < u.first {
			out, better = append(out, better[0]), better[1:]
		}
		if len(better) > 0 && u.last >= better[0].first {
			if b := &better[0]; !u.exempt && len(u.digits) >= longRun { // 十 within it is a misheard 四
				b.first, b.last = min(b.first, u.first), max(b.last, u.last)
				b.exempt, b.weak, b.gathered = false, false, true
			}
			continue
		}
		if n := len(out); n > 0 && u.first <= out[n-1].last {
			continue
		}
		out = append(out, u)
	}
	return apart(append(out, better...))
}

// apart unites runs that overlap.
func apart(runs []run) []run {
	out := runs[:0]
	for _, u := range runs {
		if n := len(out); n > 0 && u.first <= out[n-1].last {
			p := &out[n-1]
			p.last = max(p.last, u.last)
			if !u.exempt && p.exempt {
				p.exempt, p.weak, p.gathered, p.digits = false, false, u.gathered, u.digits
			}
			continue
		}
		out = append(out, u)
	}
	return out
}
