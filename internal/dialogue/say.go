package dialogue

import (
	"hash/fnv"
	"time"

	"ringmaster/internal/speech"
)

// values is what a template may read in this state.
func (s *Script) values(st *State, lang speech.Language, now time.Time) values {
	return values{script: s, segment: st.Segment, vars: st.Vars, slots: st.Slots, gender: st.Gender, lang: lang, now: now}
}

// say appends one line: the language by the customer; of the variants those
// that are for some only (a value which may be missing and is there, a
// segment, an offer) before those that can always be said; among these the
// strongest tone that the customer may hear; among these by a hash of
// customer, version and place, moving on with count. What the customer may not
// hear is not said; false when nothing is left, or there was nothing to say.
func (t *turn) say(sy *say, count int) bool {
	if sy == nil {
		return false
	}
	lang, variants := sy.in(t.st.Language, t.s.info.Language)
	start := pick(t.st.Customer, t.st.Version, sy.id, count, len(variants))
	for _, general := range []bool{false, true} {
		var best *template
		var line Line
		for i := range variants {
			v := variants[(start+i)%len(variants)]
			if (v.sure && v.open()) != general || best != nil && v.tone <= best.tone {
				continue
			}
			if text, hints, ok := v.spell(t.values(lang)); ok && t.permits(sy, v, text) {
				best, line = v, t.s.line(&t.st, sy, v, lang, text, hints)
			}
		}
		if best != nil {
			t.move.Lines = append(t.move.Lines, line)
			return true
		}
	}
	return false
}

func (s *Script) line(st *State, sy *say, v *template, lang speech.Language, text string, hints []speech.Hint) Line {
	return Line{ID: v.id, Text: text, Hints: s.hints(lang, text, hints), Language: lang, Voice: s.voiceFor(sy, st, lang), Protected: sy.protected, Disclosure: sy.notice, Fixed: sy.fixed}
}

// in chooses the language: the customer's, the script's, Mandarin, any.
func (sy *say) in(want, script speech.Language) (speech.Language, []*template) {
	for _, l := range []speech.Language{want, script, "cmn", "en"} {
		if v := sy.langs[l]; len(v) > 0 {
			return l, v
		}
	}
	for _, l := range languages() {
		if v := sy.langs[speech.Language(l)]; len(v) > 0 {
			return speech.Language(l), v
		}
	}
	return script, nil
}

// pick chooses a variant: the first by a hash, the next ones in turn, so that
// nobody hears the same words twice in a row.
func pick(customer, version, id string, count, n int) int {
	if n <= 1 {
		return 0
	}
	h := fnv.New32a()
	h.Write([]byte(customer + "\x00" + version + "\x00" + id)) //nolint:errcheck // a hash never fails
	return int((uint64(h.Sum32()) + uint64(count)) % uint64(n))
}
