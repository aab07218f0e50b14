package espeak

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"ringmaster/internal/speech"
)

// part is text for one voice.
type part struct{ voice, text string }

// prepare makes text safe and speakable: nothing in it can steer the program,
// numbers are rewritten where a voice misreads them, and scripts that the voice
// cannot read go to one that can. A voice that was asked for by name gets all
// of the text.
func prepare(text string, l speech.Language, voice string, named bool) ([]part, error) {
	text = spell(clean(text))
	if l == "cmn" || l == "yue" {
		text = chineseNumbers(text, l)
	}
	if !strings.ContainsFunc(text, pronounceable) {
		return nil, nil
	}
	if named {
		return []part{{voice, text}}, nil
	}
	if l == "hak" && strings.ContainsFunc(text, isHan) {
		return nil, fmt.Errorf("%w: espeak-ng reads Hakka in Latin letters with tone digits (ngi2 ho2), not in Chinese characters: use a recorded prompt or another provider", speech.ErrUnsupported)
	}
	return split(text, l, voice), nil
}

func isHan(r rune) bool    { return unicode.Is(unicode.Han, r) }
func isArabic(r rune) bool { return unicode.Is(unicode.Arabic, r) && unicode.IsLetter(r) }

func pronounceable(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsSymbol(r)
}

// split gives each run of characters to the voice that can read them.
func split(text string, l speech.Language, voice string) []part {
	of := func(r rune) string {
		switch {
		case isHan(r) && (l == "en" || l == "ug"):
			return "cmn-latn-pinyin"
		case isArabic(r) && l != "ug":
			return "ug"
		}
		return voice
	}
	var parts []part
	for _, r := range text {
		v := of(r)
		n := len(parts)
		switch {
		case n == 0:
			parts = append(parts, part{v, string(r)})
		case v != parts[n-1].voice && unicode.IsLetter(r):
			parts = append(parts, part{v, string(r)})
		default: // spaces, digits and punctuation stay with what they follow
			parts[n-1].text += string(r)
		}
	}
	spoken := parts[:0]
	for _, p := range parts {
		if strings.ContainsFunc(p.text, pronounceable) {
			spoken = append(spoken, p)
		}
	}
	return spoken
}

// clean takes out what is not text: control characters (0x01 starts a command,
// NUL ends the text), direction marks, and the [[ of phoneme input.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0xfeff, r == 0xfffd:
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	for strings.Contains(text, "[[") {
		text = strings.ReplaceAll(text, "[[", "[ [")
	}
	return strings.TrimSpace(text)
}

var (
	longDigits   = regexp.MustCompile(`(^|[^0-9.,])(0[0-9]+|[0-9]{9,})`)
	grouped      = regexp.MustCompile(`[0-9]{1,3}(,[0-9]{3})+`)
	percentage   = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)\s*[%％]`)
	negative     = regexp.MustCompile(`(^|[^0-9A-Za-z\-])-([0-9])`)
	decimalPoint = regexp.MustCompile(`([0-9])\.([0-9]+)`)
)

// spell writes spaces into runs of digits that are numbers of something (a
// telephone, an order) and not amounts.
func spell(text string) string {
	return longDigits.ReplaceAllStringFunc(text, func(run string) string {
		start := strings.IndexFunc(run, func(r rune) bool { return r >= '0' && r <= '9' })
		return run[:start] + strings.Join(strings.Split(run[start:], ""), " ")
	})
}

// chineseNumbers says in characters what both Chinese voices swallow or read in
// English: decimal points, minus signs, percentages.
func chineseNumbers(text string, l speech.Language) string {
	point, minus := "点", "负"
	if l == "yue" {
		point, minus = "點", "負"
	}
	text = grouped.ReplaceAllStringFunc(text, func(n string) string { return strings.ReplaceAll(n, ",", "") })
	text = negative.ReplaceAllString(text, "${1}"+minus+"${2}")
	text = percentage.ReplaceAllString(text, "百分之${1}")
	return decimalPoint.ReplaceAllStringFunc(text, func(n string) string {
		whole, fraction, _ := strings.Cut(n, ".")
		return whole + point + strings.Join(strings.Split(fraction, ""), " ")
	})
}
