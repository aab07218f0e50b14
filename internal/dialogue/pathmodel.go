package dialogue

import (
	"maps"
	"slices"
	"sort"
)

// This file lays open what only a prover of paths needs: wordings in their
// parts with their places, what actions may lack, and which bounds of loops
// the author has written.

// Wording is one wording of a script.
type Wording struct {
	At    Place
	Parts []Piece
}

// Piece of a wording: fixed text, or a placeholder when Name is set.
type Piece struct {
	Text  string // fixed, or the words for when the value is unknown
	Name  string
	Slot  bool
	Offer bool
	Else  bool // Text is said when the value is unknown
}

// Wordings are all wordings by the ID of their line.
func (s *Script) Wordings() map[string]Wording {
	out := make(map[string]Wording, len(s.index))
	for id, ix := range s.index {
		w := Wording{At: variantAt(ix)}
		for _, p := range ix.t.parts {
			x := Piece{Text: p.text, Name: p.name, Slot: p.slot, Offer: p.offer, Else: p.hasElse}
			if p.name != "" {
				x.Text = p.fallback
			}
			w.Parts = append(w.Parts, x)
		}
		out[id] = w
	}
	return out
}

// variantAt is the place of one of the wordings of a say.
func variantAt(ix *indexed) Place {
	v := ix.say.at
	if v == nil {
		return Place{}
	}
	if v.kind == kMap && v.get("text") == nil {
		if of := v.get(string(ix.lang)); of != nil {
			v = of
		}
	}
	if v.kind == kList {
		for i, t := range ix.say.langs[ix.lang] {
			if t == ix.t && i < len(v.list) {
				v = v.list[i]
				break
			}
		}
	}
	if x := v.get("text"); v.kind == kMap && x != nil {
		v = x
	}
	return v.place()
}

// Lacking are the variables and slots without which an action is left out, by
// the ID of the node, reply or objection that it belongs to.
func (s *Script) Lacking() map[string][]string {
	out := map[string][]string{}
	put := func(id string, list []doing) {
		for _, d := range list {
			for _, p := range d.t.parts {
				if v := s.vars[p.name]; p.name == "" || p.offer || p.hasElse || v != nil && (v.required || v.def != "") {
					continue
				}
				if !has(out[id], p.name) {
					out[id] = append(out[id], p.name)
				}
			}
		}
	}
	each := func(list ...*reply) {
		for _, r := range list {
			put(r.id, r.do)
		}
	}
	for _, id := range s.order {
		n := s.nodes[id]
		put(id, n.do)
		each(n.replies...)
		each(n.skip...)
		each(n.route...)
		for _, r := range n.keys {
			each(r)
		}
	}
	for _, r := range s.globals {
		each(r)
	}
	for _, r := range s.keys {
		each(r)
	}
	for _, o := range s.objections {
		put("objection."+o.name, o.do)
	}
	return out
}

// Kinds are the types of variables and the kinds of slots, by name: what a
// condition compares them as ("number", "bool" or "text").
func (s *Script) Kinds() map[string]string {
	out := make(map[string]string, len(s.vars)+len(s.slots))
	put := func(name string, t varType) {
		switch t {
		case tNumber, tAmount, tPercent, tDiscount:
			out[name] = "number"
		case tBool:
			out[name] = "bool"
		default:
			out[name] = "text"
		}
	}
	for name, v := range s.vars {
		put(name, v.typ)
	}
	for name, d := range s.slots {
		put(name, slotType(d.spec.Kind))
	}
	return out
}

// Bound is the number that ends a loop: a field of `limits:`, the `limit:` of
// a node's no_match or silence, the `turns:` of its compose, the `depth:` of an
// objection. The engine has a
// default for each; Written says that the author has one of his own.
type Bound struct {
	What    string // turns, visits, objections, no_match, silence, depth, compose
	Owner   string // node or objection; empty: the script
	At      Place  // of the number, or of where it would stand
	Owned   Place  // of what it bounds
	Written bool
}

// Written is what the author's text holds, as opposed to what the engine adds.
type Written struct {
	Bounds  []Bound // of the script first, then by place
	Globals map[string]bool
	Lines   map[string]bool
}

// Written is what the author has written, parts that he uses included.
func (s *Script) Written() Written {
	return Written{Bounds: slices.Clone(s.written.Bounds), Globals: maps.Clone(s.written.Globals), Lines: maps.Clone(s.written.Lines)}
}

// writtenIn reads it from the tree of a script whose parts have been written
// out.
func writtenIn(root *val) Written {
	w := Written{Globals: map[string]bool{}, Lines: map[string]bool{}}
	for section, into := range map[string]map[string]bool{"globals": w.Globals, "lines": w.Lines} {
		if v := root.get(section); v != nil {
			for _, e := range v.keys {
				into[e.key.text] = true
			}
		}
	}
	limits := root.get("limits")
	at := root.place()
	if limits != nil && limits.kind == kMap {
		at = limits.place()
	}
	for _, what := range []string{"turns", "visits", "objections", "no_match", "silence"} {
		b := Bound{What: what, At: at}
		if limits != nil {
			if v := limits.get(what); v != nil && v.kind != kNull {
				b.At, b.Written = v.place(), true
			}
		}
		w.Bounds = append(w.Bounds, b)
	}
	own := boundsBelow(root)
	sort.SliceStable(own, func(i, j int) bool {
		a, b := own[i].At, own[j].At
		return a.File < b.File || a.File == b.File && a.Line < b.Line
	})
	w.Bounds = append(w.Bounds, own...)
	return w
}

func boundsBelow(root *val) []Bound {
	var out []Bound
	put := func(what, owner, field string, v *val) {
		if v == nil || v.kind != kMap {
			return
		}
		b := Bound{What: what, Owner: owner, At: v.place(), Owned: v.place()}
		if x := v.get(field); x != nil && x.kind != kNull {
			b.At, b.Written = x.place(), true
		}
		out = append(out, b)
	}
	if nodes := root.get("nodes"); nodes != nil {
		for _, e := range nodes.keys {
			put("no_match", e.key.text, "limit", e.v.get("no_match"))
			put("silence", e.key.text, "limit", e.v.get("silence"))
			put("compose", e.key.text, "turns", e.v.get("compose"))
		}
	}
	if objections := root.get("objections"); objections != nil {
		for _, e := range objections.keys {
			put("depth", e.key.text, "depth", e.v)
		}
	}
	return out
}

// OfferWords are the words of offers that stand in a text.
func (s *Script) OfferWords(text string) []string {
	var out []string
	s.offerWords.each(flat(text), func(p Phrase) bool {
		if !has(out, p.Text) {
			out = append(out, p.Text)
		}
		return len(out) < 8
	})
	return out
}

// CommonIntents are understood without keywords by every understander.
func CommonIntents() []string { return builtinIntents() }
