package tone

import (
	"hash/crc32"
	"strings"
	"unicode/utf8"
)

// The code: see the package comment.
const (
	symbolsPerWord = 8 // symbols in a codeword
	dataSymbols    = 5 // of which carry data; the rest repair
	paritySymbols  = symbolsPerWord - dataSymbols
	fieldSize      = 32 // GF(32), x^5+x^2+1
	tonesPerGroup  = 16
)

// field is GF(32) as logarithms: exp[i] = 2^i, doubled to save a modulo.
type field struct {
	exp [2 * (fieldSize - 1)]uint8
	log [fieldSize]uint8
}

var gf = newField()

func newField() *field {
	f := new(field)
	x := 1
	for i := range fieldSize - 1 {
		f.exp[i], f.exp[i+fieldSize-1] = uint8(x), uint8(x)
		f.log[x] = uint8(i)
		if x <<= 1; x >= fieldSize {
			x ^= 0x25
		}
	}
	return f
}

func (f *field) mul(a, b uint8) uint8 {
	if a == 0 || b == 0 {
		return 0
	}
	return f.exp[int(f.log[a])+int(f.log[b])]
}

func (f *field) div(a, b uint8) uint8 {
	if a == 0 {
		return 0
	}
	return f.exp[int(f.log[a])+fieldSize-1-int(f.log[b])]
}

// word is the data of one codeword, symbol by symbol.
type word [symbolsPerWord]uint8

func (w *word) syndromes() (s [paritySymbols]uint8) {
	for j := range s {
		for i, c := range w {
			s[j] ^= gf.mul(c, gf.exp[(i*(j+1))%(fieldSize-1)])
		}
	}
	return s
}

// solve finds what must be added at the places in at (three at most) to make
// every syndrome zero, and adds it; false when no such values exist.
func (w *word) solve(at []int) bool {
	var m [paritySymbols][paritySymbols + 1]uint8
	s := w.syndromes()
	for j := range m {
		for k, p := range at {
			m[j][k] = gf.exp[(p*(j+1))%(fieldSize-1)]
		}
		m[j][paritySymbols] = s[j]
	}
	for k := range at {
		pivot := k
		for pivot < paritySymbols && m[pivot][k] == 0 {
			pivot++
		}
		if pivot == paritySymbols {
			return false
		}
		m[k], m[pivot] = m[pivot], m[k]
		for j := range m {
			if j == k || m[j][k] == 0 {
				continue
			}
			q := gf.div(m[j][k], m[k][k])
			for c := range m[j] {
				m[j][c] ^= gf.mul(q, m[k][c])
			}
		}
	}
	for j := len(at); j < paritySymbols; j++ {
		if m[j][paritySymbols] != 0 {
			return false
		}
	}
	for k, p := range at {
		w[p] ^= gf.div(m[k][paritySymbols], m[k][k])
	}
	return true
}

// repair corrects w in place. erased are the places known to be wrong; one
// further error is found where the distance of the code allows it. It reports
// how many symbols it changed beyond the erased ones.
func (w *word) repair(erased []int) (errors int, ok bool) {
	if len(erased) > paritySymbols {
		return 0, false
	}
	if w.solve(erased) {
		return 0, true
	}
	if len(erased)+2 > paritySymbols {
		return 0, false
	}
	found, count := *w, 0
	for p := range w {
		try := *w
		if contains(erased, p) || !try.solve(append([]int{p}, erased...)) {
			continue
		}
		found, count = try, count+1
	}
	if count != 1 { // several explanations: none can be trusted
		return 0, false
	}
	*w = found
	return 1, true
}

func contains(list []int, v int) bool {
	for _, x := range list {
		if x == v {
			return true
		}
	}
	return false
}

// Kinds of codeword: the 2 highest of its 25 bits; the next bit alternates from
// word to word; 22 bits are left.
const (
	kindRune  = 0 // one code point
	kindASCII = 1 // three ASCII characters, 0 for none
	kindPair  = 2 // two code points below U+0800, 0 for none
	kindMark  = 3 // header or trailer

	markHeader  = 0
	markTrailer = 1
)

func pack(kind, odd int, payload uint32) word {
	bits := uint32(kind)<<23 | uint32(odd&1)<<22 | payload&(1<<22-1)
	var w word
	for i := range dataSymbols {
		w[i] = uint8(bits >> (5 * (dataSymbols - 1 - i)) & 31)
	}
	w.solve([]int{5, 6, 7})
	return w
}

func (w *word) unpack() (kind, odd int, payload uint32) {
	var bits uint32
	for i := range dataSymbols {
		bits = bits<<5 | uint32(w[i])
	}
	return int(bits >> 23), int(bits >> 22 & 1), bits & (1<<22 - 1)
}

// words is the code of text: header, text, trailer.
func words(text string) []word {
	text = strings.ToValidUTF8(text, "\uFFFD")
	crc := crc32.ChecksumIEEE([]byte(text))
	out := []word{{}}
	for len(text) > 0 {
		kind, payload, n := packText(text)
		out = append(out, pack(kind, len(out), payload))
		text = text[n:]
	}
	count := uint32(len(out)-1) & 0xff
	out[0] = pack(kindMark, 0, markHeader<<20|count<<12|crc&0xfff)
	return append(out, pack(kindMark, len(out), markTrailer<<20|crc>>12))
}

// packText takes as many characters as one codeword holds; n is their bytes.
func packText(text string) (kind int, payload uint32, n int) {
	if len(text) >= 3 && plain(text[0]) && plain(text[1]) && plain(text[2]) {
		return kindASCII, uint32(text[0])<<14 | uint32(text[1])<<7 | uint32(text[2]), 3
	}
	a, an := utf8.DecodeRuneInString(text)
	b, bn := utf8.DecodeRuneInString(text[an:])
	if a != 0 && a < 0x800 && b != 0 && b < 0x800 && bn > 0 {
		return kindPair, uint32(a)<<11 | uint32(b), an + bn
	}
	return kindRune, uint32(a), an
}

func plain(b byte) bool { return b != 0 && b < utf8.RuneSelf }

// runes is the text of a codeword of text; false when the word, though it is a
// valid codeword, was never made by words.
func runes(kind int, payload uint32) ([]rune, bool) {
	var all []rune
	switch kind {
	case kindRune:
		r := rune(payload)
		if payload > utf8.MaxRune || !utf8.ValidRune(r) {
			return nil, false
		}
		return []rune{r}, true
	case kindASCII:
		all = []rune{rune(payload >> 14 & 0x7f), rune(payload >> 7 & 0x7f), rune(payload & 0x7f)}
		if payload>>21 != 0 {
			return nil, false
		}
	case kindPair:
		all = []rune{rune(payload >> 11), rune(payload & 0x7ff)}
	}
	for _, r := range all {
		if r == 0 {
			return nil, false
		}
	}
	return all, len(all) > 0
}

// tones maps a symbol (its place in the codeword and its data) to a pair of
// tones, each 0 to 15. The term 7*place keeps repeated data from being a steady
// tone.
func tones(place int, data uint8) (low, high int) {
	low = (int(data&15) + 7*place) & 15
	high = int(data>>4)<<3 | (place-low)&7
	return low, high
}

func symbol(low, high int) (place int, data uint8) {
	place = (low + high) & 7
	return place, uint8((low-7*place)&15 | high>>3<<4)
}
