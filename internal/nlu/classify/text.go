package classify

import (
	"unicode"
	"unicode/utf8"
)

// maxRunes is how much of a sentence is read. The longest thing that a
// recognizer gives as one utterance is far below it.
const maxRunes = 600

// token is a word, one Chinese character, a number or a sign.
type token struct {
	from, to int // in reader.runes
	hash     uint64
	han      bool // stands without spaces: n-grams go across
}

// reader turns sentences into the hashes of their features. It keeps its
// buffers, so each goroutine has its own.
type reader struct {
	runes  []rune
	tokens []token
	out    [views][]uint64
	drop   func() bool // training only: whether to leave a token out
}

const (
	offset64 = 14695981039346656037
	prime64  = 1099511628211
)

//go:norace
func step(h, x uint64) uint64 {
	h ^= x
	h *= prime64
	return h ^ h>>29
}

// finish spreads the bits, so that a table may take the low ones.
//
//go:norace
func finish(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	return h ^ h>>33
}

// alone: written without spaces between words.
func alone(r rune) bool {
	return r >= 0x2E80 && (r <= 0x9FFF || r >= 0xF900 && r <= 0xFAFF || r >= 0x20000 && r <= 0x3FFFF)
}

//go:norace
func fold(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	case r >= 0xFF01 && r <= 0xFF5E: // full width
		return fold(r - 0xFEE0)
	case r == 0x3000:
		return ' '
	case r == 0x2019 || r == 0x2018:
		return '\''
	}
	return unicode.ToLower(r)
}

type class uint8

const (
	space class = iota
	sign
	letter
	digit
	single
)

//go:norace
func classOf(r rune) class {
	switch {
	case r < utf8.RuneSelf:
		switch {
		case 'a' <= r && r <= 'z':
			return letter
		case '0' <= r && r <= '9':
			return digit
		case r <= ' ' || r == 0x7f:
			return space
		}
		return sign
	case r >= 0x3000 && r <= 0x303F || r == utf8.RuneError:
		return sign
	case alone(r):
		return single
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return letter
	case unicode.IsDigit(r):
		return digit
	case unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
		return space
	}
	return sign
}

// tokenise fills runes and tokens.
//
//go:norace
func (rd *reader) tokenise(s string) {
	rd.runes, rd.tokens = rd.runes[:0], rd.tokens[:0]
	last := space
	for _, r := range s {
		if len(rd.runes) >= maxRunes {
			break
		}
		r = fold(r)
		c := classOf(r)
		at := len(rd.runes)
		rd.runes = append(rd.runes, r)
		if r == '\'' && last == letter {
			c = letter // don't
		}
		switch {
		case c == space:
		case c == last && (c == letter || c == digit):
			rd.tokens[len(rd.tokens)-1].to = at + 1
		default:
			rd.tokens = append(rd.tokens, token{from: at, to: at + 1, han: c == single})
		}
		last = c
	}
	if rd.drop != nil {
		kept := rd.tokens[:0]
		for _, t := range rd.tokens {
			if !rd.drop() {
				kept = append(kept, t)
			}
		}
		rd.tokens = kept
	}
	for i := range rd.tokens {
		t := &rd.tokens[i]
		h := uint64(offset64)
		for _, r := range rd.runes[t.from:t.to] {
			h = step(h, uint64(r))
		}
		t.hash = h
	}
}
