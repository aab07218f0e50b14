package dialogue

import (
	"slices"
	"strings"

	"ringmaster/internal/speech"
)

// reading is a word whose characters are read in one way only.
type reading struct{ word, pinyin string }

func readings(l *Lexicon) []reading {
	if l == nil {
		return nil
	}
	var out []reading
	for _, w := range sortedKeys(l.Pronounce) {
		out = append(out, reading{w, l.Pronounce[w]})
	}
	slices.SortStableFunc(out, func(a, b reading) int { return len(b.word) - len(a.word) }) // the longest wins
	return out
}

// hints adds the readings of the lexicon to those that the author marked.
func (s *Script) hints(lang speech.Language, text string, own []speech.Hint) []speech.Hint {
	if len(s.readings) == 0 || lang != "cmn" {
		return own
	}
	out := own
	for _, r := range s.readings {
		for from := 0; ; {
			i := strings.Index(text[from:], r.word)
			if i < 0 {
				break
			}
			at := from + i
			from = at + len(r.word)
			if !slices.ContainsFunc(out, func(h speech.Hint) bool { return h.Start < from && at < h.End }) {
				out = append(out[:len(out):len(out)], speech.Hint{Start: at, End: from, Reading: r.pinyin})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b speech.Hint) int { return a.Start - b.Start })
	return out
}

// pronounce reads how words are read, syllable by syllable.
func (c *compiler) pronounce(v *val) map[string]string {
	out := map[string]string{}
	if v.kind != kMap {
		c.add(v, "write `重庆: chong2 qing4`", "pronounce is a mapping of word to pinyin")
		return out
	}
	for _, e := range v.keys {
		if p, ok := c.pinyin(e.v, e.key.text, c.text(e.v)); ok {
			out[e.key.text] = p
		}
	}
	return out
}

// pinyin checks one reading: a syllable with its tone for each character.
func (c *compiler) pinyin(at *val, word, reading string) (string, bool) {
	syllables := strings.Fields(strings.ToLower(reading))
	ok := len(syllables) == len([]rune(word)) && len(syllables) > 0
	for _, s := range syllables {
		ok = ok && len(s) >= 2 && len(s) <= 8 && s[len(s)-1] >= '1' && s[len(s)-1] <= '5' &&
			!strings.ContainsFunc(s[:len(s)-1], func(r rune) bool { return (r < 'a' || r > 'z') && r != 'ü' })
	}
	if !ok {
		c.add(at, "write `chong2 qing4`: a syllable with its tone, 1 to 5, for each character", "%q is no reading of %q", clip(reading, 40), clip(word, 40))
	}
	return strings.Join(syllables, " "), ok
}
