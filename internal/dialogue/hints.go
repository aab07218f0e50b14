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
