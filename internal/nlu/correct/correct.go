package correct

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Term is a phrase that is put right.
type Term struct {
	Text string
	// Weight is 1 to 100 as for hotwords. From 50 on the term is what is being
	// talked about: it is believed against common words, too.
	Weight int
	// Name is a person's name: short, like many words, and so believed least.
	Name bool
}

// Bounds of a dictionary and of what is looked at.
const (
	maxTerms = 2000
	maxUnits = 16   // of a term
	maxText  = 4096 // bytes of an utterance; longer ones are left alone
)

// Change is one replacement.
type Change struct {
	At       int // byte offset in the text before
	Was, Now string
	Cost     float64 // 0 is the same sound
}

// Dictionary puts the terms of one call right; immutable, safe for concurrent use.
type Dictionary struct {
	table   *Table
	terms   []term
	exact   map[string]int // lower-case text of a term, without spaces, to its place
	longest int            // runes of the longest exact text or protected word
	first   map[class][]int
	letter  map[rune][]int // terms by a first letter that is no syllable
	protect map[string]bool
}

type term struct {
	Term
	units []unit
}

// unit is a character, or a letter, of a term or a text.
type unit struct {
	r          rune // lower case
	start, end int  // bytes in the text
	readings   []syllable
	latin      bool
	numeral    bool // never changed
	alone      bool // a word by itself
	bar        bool // nothing is matched across it
}

// numerals are digits that are written as characters.
const numerals = "〇零一二三四五六七八九十百千万亿两幺廿卅壹贰叁肆伍陆柒捌玖拾佰仟点半几双倍"

// Dictionary of terms. protect are words that are right as they stand, such as
// a script's keywords: no correction takes one apart. Terms of a single unit,
// of nothing but numerals and of more than 16 units are left out, as is
// everything after the first 2,000.
func (t *Table) Dictionary(terms []Term, protect []string) *Dictionary {
	d := &Dictionary{table: t, exact: map[string]int{}, first: map[class][]int{}, letter: map[rune][]int{}, protect: map[string]bool{}, longest: 4}
	for _, x := range terms[:min(len(terms), maxTerms)] {
		d.add(x)
	}
	for _, w := range protect {
		if n := utf8.RuneCountInString(w); n >= 2 && n <= maxUnits {
			w = strings.ToLower(w)
			d.protect[w] = true
			d.longest = max(d.longest, n)
		}
	}
	return d
}

func (d *Dictionary) add(x Term) {
	us := d.table.units(x.Text)
	key := spell(us)
	sounds := 0
	for _, u := range us {
		if u.bar {
			return
		}
		if !u.numeral {
			sounds++
		}
	}
	if len(us) < 2 || len(us) > maxUnits || sounds < 2 {
		return
	}
	if i, ok := d.exact[key]; ok { // given twice: the greater weight counts
		d.terms[i].Weight = max(d.terms[i].Weight, x.Weight)
		return
	}
	at := len(d.terms)
	d.terms = append(d.terms, term{x, us})
	d.exact[key] = at
	d.longest = max(d.longest, len(us))
	seen := map[class]bool{}
	for _, y := range us[0].readings {
		if c := d.table.class(y); !seen[c] {
			seen[c] = true
			d.first[c] = append(d.first[c], at)
		}
	}
	if len(us[0].readings) == 0 {
		d.letter[us[0].r] = append(d.letter[us[0].r], at)
	}
}

func spell(us []unit) string {
	var b strings.Builder
	for _, u := range us {
		b.WriteRune(u.r)
	}
	return b.String()
}

// units takes a text apart. Spaces between letters are left out, so that C T is
// CT; anywhere else a space bars.
func (t *Table) units(s string) []unit {
	out := make([]unit, 0, len(s)/2)
	for i, r := range s {
		n := utf8.RuneLen(r)
		if r == utf8.RuneError {
			n = 1
		}
		u := unit{r: unicode.ToLower(r), start: i, end: i + n, alone: t.alone[r]}
		switch {
		case r == ' ' || r == '\u3000':
			if len(out) > 0 && out[len(out)-1].latin {
				continue
			}
			u.bar = true
		case t.numerals[r] || unicode.IsDigit(r):
			u.numeral = true
			u.readings = t.of(r)
		case r < utf8.RuneSelf && unicode.IsLetter(r):
			u.latin = true
			u.readings = t.of(r)
		default:
			u.readings = t.of(r)
			u.bar = len(u.readings) == 0
		}
		out = append(out, u)
	}
	return out
}

// Correct gives the text with its terms put right, and what was changed.
func (d *Dictionary) Correct(text string) (string, []Change) {
	if len(d.terms) == 0 || len(text) > maxText {
		return text, nil
	}
	us := d.table.units(text)
	words := d.segment(us)
	var found []match
	for i := range us {
		found = d.at(found, us, words, i)
	}
	if len(found) == 0 {
		return text, nil
	}
	// The most certain first; where they overlap the longer of equals.
	slices.SortStableFunc(found, func(a, b match) int {
		switch sa, sb := a.room(), b.room(); {
		case sa > sb:
			return -1
		case sa < sb:
			return 1
		}
		return b.n - a.n
	})
	var taken []match
	for _, m := range found {
		if !slices.ContainsFunc(taken, func(o match) bool { return m.from < o.from+o.n && o.from < m.from+m.n }) {
			taken = append(taken, m)
		}
	}
	slices.SortFunc(taken, func(a, b match) int { return a.from - b.from })
	var b strings.Builder
	var changes []Change
	done := 0
	for _, m := range taken {
		start, end := us[m.from].start, us[m.from+m.n-1].end
		b.WriteString(text[done:start])
		b.WriteString(d.terms[m.term].Text)
		changes = append(changes, Change{At: start, Was: text[start:end], Now: d.terms[m.term].Text, Cost: m.cost})
		done = end
	}
	b.WriteString(text[done:])
	return b.String(), changes
}

// match is a stretch of text that may be a term.
type match struct {
	term, from, n int
	cost, limit   float64
}

// room is how far below the limit the match is, by its length.
func (m match) room() float64 { return (m.limit - m.cost) * float64(m.n) }

// at looks for terms that begin at a place.
func (d *Dictionary) at(found []match, us []unit, words []word, i int) []match {
	if us[i].bar || i > 0 && us[i].latin && us[i-1].latin && us[i-1].end == us[i].start {
		return found
	}
	var seen [maxReadings]class
	for k, y := range us[i].readings {
		c := d.table.class(y)
		if slices.Contains(seen[:k], c) {
			continue
		}
		seen[k] = c
		for _, t := range d.first[c] {
			if m, ok := d.match(us, words, i, t); ok {
				found = append(found, m)
			}
		}
	}
	for _, t := range d.letter[us[i].r] {
		if m, ok := d.match(us, words, i, t); ok {
			found = append(found, m)
		}
	}
	return found
}

// Costs of one unit, and what a common word in the way adds.
const (
	costTone    = 0.25 // another character of the same sound
	costSound   = 0.4  // and of another tone
	costMixed   = 0.8  // one pair that is mixed up
	costTwice   = 1.4  // initial and final mixed up
	costTones   = 0.1  // and of another tone, too
	againstWord = 1.0  // a common word stands there
	againstChar = 0.5  // a character stands there that is a word by itself
)

// alone are characters that are words by themselves: one that is misheard for
// a part of a term is rarer than one that is meant.
const alone = "了的有要我你他她它不去来好在就看给和也都是会没这那只能可过把被让得着吗呢吧啊呀哦嗯很太真再又还先后前上下里外到从对跟用想说问做买卖吃喝走住拿放开关打"

// limit is the greatest cost of a term. One of two units sounds like many other
// words: one unit of it must be right and the other the same sound to the tone,
// unless it is what is being talked about.
func (t *term) limit() float64 {
	n := float64(len(t.units))
	l := 0.5 * n
	switch len(t.units) {
	case 2:
		l = 0.3
	case 3:
		l = 1.3
	}
	switch {
	case t.Name && len(t.units) > 2:
		l = 0.7
	case t.Weight >= 50:
		l += 0.3
	}
	return l
}

func (d *Dictionary) match(us []unit, words []word, i, at int) (match, bool) {
	t := &d.terms[at]
	m := match{term: at, from: i, n: len(t.units), limit: t.limit()}
	if i+m.n > len(us) {
		return m, false
	}
	window := us[i : i+m.n]
	against := 1.0
	if t.Weight >= 50 {
		against = 0.5
	}
	same := 0
	for k := range window {
		c, ok := d.cost(&t.units[k], &window[k])
		if c > 0 && window[k].alone {
			c += against * againstChar
		}
		if m.cost += c; !ok || m.cost > m.limit {
			return m, false
		}
		if c == 0 {
			same++
		}
	}
	last := window[m.n-1]
	if i+m.n < len(us) && last.latin && us[i+m.n].latin && last.end == us[i+m.n].start {
		return m, false // half a word of letters
	}
	if same == m.n { // the term itself: spaces between its letters are taken out
		return m, last.end-window[0].start > len(t.Text)
	}
	for _, w := range words {
		if w.from+w.n <= i || w.from >= i+m.n {
			continue
		}
		if w.firm || w.from < i || w.from+w.n > i+m.n {
			return m, false
		}
		for k := w.from; k < w.from+w.n; k++ {
			if us[k].r != t.units[k-i].r {
				m.cost += against * againstWord
				break
			}
		}
	}
	if m.n == 2 && t.Weight < 50 && !(ends(us, words, i) && begins(us, words, i+m.n)) {
		return m, false
	}
	return m, m.cost <= m.limit
}

// ends reports that a word may end before a place, begins that one may begin
// there: next to half a word nothing short is put right.
func ends(us []unit, words []word, i int) bool {
	return i == 0 || free(us[i-1]) || slices.ContainsFunc(words, func(w word) bool { return w.from+w.n == i })
}

func begins(us []unit, words []word, i int) bool {
	return i == len(us) || free(us[i]) || slices.ContainsFunc(words, func(w word) bool { return w.from == i })
}

func free(u unit) bool { return u.bar || u.numeral || u.alone }

// cost of reading b where the term has a.
func (d *Dictionary) cost(a, b *unit) (float64, bool) {
	switch {
	case a.r == b.r:
		return 0, true
	case a.numeral || b.numeral || b.bar:
		return 0, false
	}
	best, ok := 0.0, false
	for _, x := range a.readings {
		for _, y := range b.readings {
			c := costTone
			switch {
			case x == y || x.plain() == y.plain() && a.latin:
			case x.plain() == y.plain():
				c = costSound
			case d.table.class(x) != d.table.class(y):
				continue
			default:
				c = costMixed
				if x.initial != y.initial && x.final != y.final {
					c = costTwice
				}
				if x.tone != y.tone && !a.latin {
					c += costTones
				}
			}
			if !ok || c < best {
				best, ok = c, true
			}
		}
	}
	return best, ok
}

// word is a known word in a text, in units.
type word struct {
	from, n int
	firm    bool // a term or a protected word: it stays as it is
}

// segment finds terms, protected and common words, the longest first from left
// to right.
func (d *Dictionary) segment(us []unit) []word {
	var out []word
	all, at := spell(us), make([]int, 1, len(us)+1)
	for _, u := range us {
		at = append(at, at[len(at)-1]+max(1, utf8.RuneLen(u.r)))
	}
	for i := 0; i < len(us); {
		step := 1
		for n := min(d.longest, len(us)-i); n >= 2; n-- {
			text := all[at[i]:at[i+n]]
			if _, ok := d.exact[text]; ok || d.protect[text] {
				out, step = append(out, word{i, n, true}), n
				break
			}
			if n <= 4 && d.table.common[text] {
				out, step = append(out, word{i, n, false}), n
				break
			}
		}
		i += step
	}
	return out
}
