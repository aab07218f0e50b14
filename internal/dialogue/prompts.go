package dialogue

import (
	"maps"
	"slices"
	"time"

	"ringmaster/internal/speech"
)

// Prompts are the lines that can be synthesized before the call: all variants
// that this customer may hear and that need no slot, none that speaks of
// today. With a zero Customer: the lines without variables, in every language
// that the script is offered in. The order is stable and no text comes twice.
func (s *Script) Prompts(c Customer) []Line { return s.PromptsAt(c, time.Time{}) }

// PromptsAt also renders what depends on the day of the call (明天上午10点).
func (s *Script) PromptsAt(c Customer, day time.Time) []Line {
	zero := c.ID == "" && c.Name == "" && len(c.Vars) == 0 && c.Language == ""
	st := State{Customer: c.ID, Language: s.languageOf(c)}
	if !zero {
		st, _ = s.Start(c, day)
	}
	type key struct{ text, voice, lang string }
	seen := map[key]bool{}
	var out []Line
	for _, ix := range s.indexes() {
		if !s.mayHear(ix, st.Language, zero) || ix.t.dated && day.IsZero() {
			continue
		}
		text, hints, ok := ix.t.spell(values{script: s, segment: st.Segment, vars: st.Vars, gender: st.Gender, lang: ix.lang, now: day})
		if !ok || !zero && !s.everSaid(&st, ix, text) || zero && !ix.t.ahead || s.bySlot(ix.t) {
			continue
		}
		l := s.line(&st, ix.say, ix.t, ix.lang, text, hints)
		k := key{l.Text, l.Voice, string(l.Language)}
		if !seen[k] {
			seen[k] = true
			out = append(out, l)
		}
	}
	return out
}

// indexes are all lines in a stable order: those of the script, and the engine's
// own that the script words otherwise, because before the notice has been heard
// the engine's are said.
func (s *Script) indexes() []*indexed {
	var out []*indexed
	for _, id := range slices.Sorted(maps.Keys(s.index)) {
		out = append(out, s.index[id])
	}
	for _, name := range slices.Sorted(maps.Keys(s.fixed)) {
		sy := s.fixed[name]
		if s.lines[name] == sy {
			continue
		}
		for _, lang := range slices.Sorted(maps.Keys(sy.langs)) {
			for _, t := range sy.langs[lang] {
				out = append(out, &indexed{say: sy, lang: lang, t: t})
			}
		}
	}
	return out
}

// everSaid: this customer may hear the line at some time of the call.
func (s *Script) everSaid(st *State, ix *indexed, text string) bool {
	if !s.restricts || ix.say.notice || ix.say.fixed {
		return true
	}
	return ix.t.tone <= s.ceilingOf(st.Segment) && !ix.t.banned && (len(ix.t.segments) == 0 || has(ix.t.segments, st.Segment)) &&
		s.permitsWords(st.Vars, st.Segment, text)
}

// mayHear: the line is in the language that its say would be said in.
func (s *Script) mayHear(ix *indexed, want speech.Language, zero bool) bool {
	if zero {
		return slices.ContainsFunc(s.info.Languages, func(l speech.Language) bool {
			got, _ := ix.say.in(l, s.info.Language)
			return got == ix.lang
		})
	}
	got, _ := ix.say.in(want, s.info.Language)
	return got == ix.lang
}

func (s *Script) bySlot(t *template) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.slot })
}
