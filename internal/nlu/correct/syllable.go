package correct

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mozillazg/go-pinyin"
)

// syllable is one reading of a character: initial and final as small numbers,
// and the tone (1 to 5).
type syllable struct {
	initial, final, tone uint8
}

// class is what syllables that are mixed up have in common.
type class uint16

const (
	hanFirst    = 0x4e00
	hanLast     = 0x9fff
	maxReadings = 3
)

// Table knows how characters are read, and which words are common. Making one
// takes a few milliseconds; it is immutable and shared by all dictionaries.
type Table struct {
	readings [hanLast - hanFirst + 1][maxReadings]syllable
	parts    map[string]uint8 // initials and finals, numbered
	folded   map[syllable]class
	letters  map[rune][]syllable
	common   map[string]bool
	numerals map[rune]bool
	alone    map[rune]bool
}

// initials, those of two letters first.
var initials = [...]string{"zh", "ch", "sh", "b", "p", "m", "f", "d", "t", "n", "l", "g", "k", "h", "j", "q", "x", "r", "z", "c", "s", "y", "w"}

// NewTable reads the readings of all common characters.
func NewTable() *Table {
	t := &Table{parts: map[string]uint8{}, folded: map[syllable]class{}, letters: map[rune][]syllable{}, common: map[string]bool{}, numerals: map[rune]bool{}, alone: map[rune]bool{}}
	seen := map[string]syllable{} // by how the source spells it: qiàn
	for r := hanFirst; r <= hanLast; r++ {
		n := 0
		for s := range strings.SplitSeq(pinyin.PinyinDict[r], ",") {
			y, ok := seen[s]
			if !ok {
				y, _ = t.parse(toned(s))
				seen[s] = y
			}
			if y.final != 0 && n < maxReadings {
				t.readings[r-hanFirst][n] = y
				n++
			}
		}
	}
	// Letters by the syllable that Chinese speakers say, where it is one.
	for _, s := range strings.Fields("Aei1 Bbi4 Cxi1 Ddi4 Eyi4 Gji4 Iai4 Jjie4 Kkei1 Nen1 Oou1 Ppi1 Qqiu4 Rer2 Tti4 Uyou1 Vwei1 Ywai1") {
		if y, ok := t.parse(s[1:]); ok {
			t.letters[rune(s[0])] = []syllable{y}
		}
	}
	for _, w := range strings.Fields(commonWords) {
		t.common[w] = true
	}
	for _, r := range numerals {
		t.numerals[r] = true
	}
	for _, r := range alone {
		t.alone[r] = true
	}
	return t
}

// toned writes a syllable with its tone as a digit: qiàn is qian4.
func toned(s string) string {
	const marked, plain = "āáǎàēéěèīíǐìōóǒòūúǔùǖǘǚǜńňǹḿ", "aaaaeeeeiiiioooouuuuvvvvnnnm"
	var b strings.Builder
	tone := byte(0)
	for _, r := range s {
		if i := utf8.RuneCountInString(marked[:max(0, strings.IndexRune(marked, r))]); strings.ContainsRune(marked, r) {
			b.WriteByte(plain[i])
			tone = "1234"[i%4]
			if i >= 24 { // ń ň ǹ ḿ
				tone = "2342"[i-24]
			}
			continue
		}
		b.WriteRune(r)
	}
	if tone != 0 {
		b.WriteByte(tone)
	}
	return b.String()
}

// parse reads zhang1.
func (t *Table) parse(s string) (syllable, bool) {
	if s == "" {
		return syllable{}, false
	}
	y := syllable{tone: 5}
	if last := s[len(s)-1]; last >= '1' && last <= '4' {
		y.tone = last - '0'
		s = s[:len(s)-1]
	}
	initial := ""
	for _, i := range initials {
		if strings.HasPrefix(s, i) {
			initial = i
			break
		}
	}
	final := strings.ReplaceAll(s[len(initial):], "v", "ü")
	for _, r := range final {
		if !unicode.IsLetter(r) {
			return syllable{}, false
		}
	}
	if final == "" {
		return syllable{}, false
	}
	y.initial, y.final = t.number(initial), t.number("-"+final)
	if _, ok := t.folded[y.plain()]; !ok {
		fi, ff := fold(initial, final)
		t.folded[y.plain()] = class(t.number(fi))<<8 | class(t.number("-"+ff))
	}
	return y, true
}

func (t *Table) number(part string) uint8 {
	n, ok := t.parts[part]
	if !ok {
		n = uint8(len(t.parts) + 1) //nolint:gosec // some 70 initials and finals
		t.parts[part] = n
	}
	return n
}

// plain is the syllable without its tone.
func (y syllable) plain() syllable { return syllable{initial: y.initial, final: y.final} }

// fold gives syllables that are mixed up the same form.
func fold(initial, final string) (string, string) {
	switch initial {
	case "zh", "ch", "sh":
		initial = initial[:1]
	case "l":
		initial = "n"
	case "h": // before u it becomes f, and the u is lost: 花 fa, 灰 fei
		initial = "f"
		if to, ok := map[string]string{"ua": "a", "uan": "an", "uang": "ang", "ui": "ei", "un": "en", "uo": "o"}[final]; ok {
			final = to
		}
	}
	for _, n := range [...]string{"ang", "eng", "ing"} {
		if strings.HasSuffix(final, n) {
			final = strings.TrimSuffix(final, "g")
		}
	}
	return initial, final
}

// class of a syllable.
func (t *Table) class(y syllable) class { return t.folded[y.plain()] }

// of are the readings of a character, or of a letter as Chinese speakers name
// it where that is one syllable.
func (t *Table) of(r rune) []syllable {
	if r >= hanFirst && r <= hanLast {
		all := &t.readings[r-hanFirst]
		n := 0
		for n < len(all) && all[n].final != 0 {
			n++
		}
		return all[:n]
	}
	if y, ok := t.letters[unicode.ToUpper(r)]; ok {
		return y
	}
	return nil
}
