package dialogue

import (
	"slices"
	"strings"

	"ringmaster/internal/campaign"
)

// ceilingOf is the strongest tone that a segment hears.
func (s *Script) ceilingOf(seg string) Tone {
	if s.ceilings == nil {
		return Strong
	}
	if t, ok := s.ceilings[seg]; ok {
		return t
	}
	return s.ceiling
}

// tierOf is the customer's tier.
func (s *Script) tierOf(vars map[string]string, seg string) string {
	if s.tier != "" {
		return vars[s.tier]
	}
	return seg
}

// segmentOf is the segment that the contact brings, when the script knows it;
// else the first whose condition holds.
func (t *turn) segmentOf(given string) (name, why string) {
	s := t.s
	if len(s.segments) == 0 || slices.ContainsFunc(s.segments, func(g segment) bool { return g.name == given }) {
		return given, ""
	}
	for _, g := range s.segments {
		if !g.rule || !t.holds(g.when) {
			continue
		}
		if g.when == nil {
			return g.name, "segment " + g.name
		}
		return g.name, "segment " + g.name + " because " + g.when.src
	}
	return "", ""
}

// permits reports that this customer may hear the text, which is v rendered.
func (t *turn) permits(sy *say, v *template, text string) bool {
	s := t.s
	if !s.restricts || sy.notice || sy.fixed {
		return true
	}
	ceiling := s.ceilingOf(t.st.Segment)
	switch {
	case v.tone > ceiling, v.banned:
		return false
	case len(v.segments) > 0 && !has(v.segments, t.st.Segment):
		return false
	case v.when != nil && !t.holds(v.when):
		return false
	}
	if v.ahead { // its words were looked through when the script was read
		return true
	}
	return s.permitsWords(t.st.Vars, t.st.Segment, text)
}

// permitsWords looks through words that were put together in this call.
func (s *Script) permitsWords(vars map[string]string, seg, text string) bool {
	if s.lexicon == nil && len(s.offers) == 0 {
		return true
	}
	words := flat(text)
	ok := true
	if l := s.lexicon; l != nil {
		ceiling := s.ceilingOf(seg)
		l.banned.each(words, func(Phrase) bool { ok = false; return false })
		if ceiling < Strong {
			l.tone.each(words, func(p Phrase) bool { ok = ok && p.Tone <= ceiling; return ok })
		}
	}
	tier := s.tierOf(vars, seg)
	s.offerWords.each(words, func(p Phrase) bool {
		ok = ok && (s.offers[p.Why].allowed(tier) || s.sameWords(p, tier))
		return ok
	})
	return ok
}

// sameWords: an offer that the tier may hear is called the same.
func (s *Script) sameWords(p Phrase, tier string) bool {
	return slices.ContainsFunc(s.offerWords[p.flat[0]], func(q Phrase) bool {
		return slices.Equal(p.flat, q.flat) && s.offers[q.Why].allowed(tier)
	})
}

// withheld ends a conversation at a question that this customer may not hear:
// a mistake of the script, which the check finds. Nothing is said instead.
func (t *turn) withheld(id string) {
	t.move.Reason = clip(strings.TrimPrefix(t.move.Reason+"; ", "; ")+"nothing of "+id+" may be said to this customer", 300)
	t.act(Action{Kind: "ticket", Value: "withheld", Data: map[string]string{"reason": id}})
	t.close("goodbye", campaign.Completed, "withheld")
}

// advise gives the advice of a node that is meant for this customer and does
// not contradict what was given before.
//
// It stands before the question of a node that listens, from line at on.
func (t *turn) advise(n *node, at int) {
	given := 0
	question := slices.Clone(t.move.Lines[at:])
	if n.listens() {
		t.move.Lines = t.move.Lines[:at:at]
		defer func() { t.move.Lines = append(t.move.Lines, question...) }()
	}
	for _, id := range n.advise {
		a := t.s.advice[id]
		if given >= n.advises || has(t.st.Advised, id) || !t.holds(a.when) {
			continue
		}
		if i := slices.IndexFunc(t.st.Advised, func(old string) bool { return has(a.excludes, old) }); i >= 0 {
			t.also("advice " + id + " suppressed: it contradicts " + t.st.Advised[i])
			continue
		}
		if !t.say(a.say, 0) {
			continue
		}
		given++
		t.st.Advised = append(slices.Clone(t.st.Advised), id)
		if a.when != nil {
			t.also("advice " + id + " because " + a.when.src)
		}
	}
}

// also adds to the reason of the move.
func (t *turn) also(why string) {
	t.move.Reason = clip(strings.TrimPrefix(t.move.Reason+"; ", "; ")+why, 300)
}

// unlock asks for an unlock: once in a conversation, and only when what must
// have been verified has been. Anything else asks for a person.
func (t *turn) unlock(what string) {
	w := t.s.unlocks[what]
	switch {
	case has(t.st.Unlocked, what):
		return
	case w == nil || !t.st.Disclosed || !t.holds(w):
		t.also("unlock " + what + " refused")
		t.act(Action{Kind: "ticket", Value: "unlock_refused", Data: map[string]string{"reason": what}})
		return
	}
	t.also("unlock " + what + " because " + w.src)
	t.st.Unlocked = append(slices.Clone(t.st.Unlocked), what)
	t.act(Action{Kind: "unlock", Value: what})
}
