package check

import (
	"slices"
	"strings"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// builder makes the machine of a script.
type builder struct {
	m        *machine
	script   dialogue.Model
	conds    *conditions
	wordings map[string]dialogue.Wording
	lacking  map[string][]string
	written  dialogue.Written
	byID     map[string]int
	handover *target
	tier     int
	utters   map[string]*utter
	order    []*utter
	offers   func(text string) []string // words of offers in a text
	samples  map[nlu.Intent]string
}

func build(sc *dialogue.Script, file string) *builder {
	model := sc.Model()
	b := &builder{script: model, utters: map[string]*utter{}, offers: sc.OfferWords, wordings: sc.Wordings(), lacking: sc.Lacking(), written: sc.Written(), byID: map[string]int{}, samples: samples(model)}
	b.conds = readConditions(model, sc.Kinds())
	tab := b.conds.tab
	m := &machine{tab: tab, file: file, own: string(model.Info.Language), lang: 0, segment: 1, intent: -1,
		limits: bounds{model.Limits.Turns, model.Limits.Objections, model.Limits.Visits, model.Limits.NoMatch, model.Limits.Silence}}
	b.m = m
	if i, ok := tab.find("intent"); ok {
		m.intent = i
	}
	for _, l := range model.Info.Languages {
		m.langs = append(m.langs, string(l))
	}
	for _, v := range tab.vars[m.segment].values {
		m.ceilings = append(m.ceilings, b.ceiling(v.v))
	}
	b.tier = m.segment
	if i, ok := tab.find("vars." + model.Tier); ok && model.Tier != "" {
		b.tier = i
	}
	for i, n := range model.Nodes {
		b.byID[n.ID] = i
	}
	m.start = b.byID[model.Start]
	m.notice = b.utter(&model.Disclosure, "disclosure", false)
	m.voicemail = b.utter(model.Voicemail, "voicemail", false)
	for i := range model.Lines {
		l := &model.Lines[i]
		if b.written.Lines[strings.TrimPrefix(l.ID, "line.")] {
			m.lines = append(m.lines, b.utter(l, "lines", false))
		}
	}
	if model.Handover != nil {
		b.handover = b.failed(model.Handover.Failed)
	}
	for i := range model.Nodes {
		m.nodes = append(m.nodes, b.node(&model.Nodes[i]))
	}
	b.everywhere()
	m.liveness()
	return b
}

func (b *builder) ceiling(segment any) dialogue.Tone {
	if b.script.Ceilings == nil {
		return dialogue.Strong
	}
	name, _ := segment.(string)
	if t, ok := b.script.Ceilings[name]; ok {
		return t
	}
	return b.script.Otherwise
}

func (b *builder) place(p dialogue.Place) place {
	if p.File == "" {
		p.File = b.m.file
	}
	return place{p.File, p.Line, p.Column}
}

func (b *builder) node(n *dialogue.NodeModel) *node {
	out := &node{id: n.ID, engine: n.Engine, listens: n.Listens, aside: n.Aside, visits: -1}
	if !n.Engine {
		out.at = b.place(n.At)
	}
	if i, ok := b.m.tab.find("visits." + n.ID); ok {
		out.visits = i
	}
	out.say, out.again, out.keysSay = b.utter(n.Say, n.ID, n.Engine), b.utter(n.Again, n.ID, n.Engine), b.utter(n.KeysSay, n.ID, n.Engine)
	out.set = b.settings(n.Set)
	out.do = b.actions(n.Do, n.ID, out.at)
	out.skip, out.route = b.routes(n.Skip, n), b.routes(n.Route, n)
	for _, id := range n.Advise {
		for i := range b.script.Advice {
			if a := &b.script.Advice[i]; a.ID == id {
				out.advise = append(out.advise, advised{b.utter(&a.Say, n.ID, false), b.conds.of(a.For), b.place(a.At)})
			}
		}
	}
	return out
}

func (b *builder) routes(list []dialogue.ReplyModel, n *dialogue.NodeModel) []*edge {
	var out []*edge
	for i := range list {
		e := b.reply(&list[i], n.ID, n.Engine, byRoute)
		e.leads = true
		out = append(out, e)
	}
	return out
}

// reply is what all ways on have in common.
func (b *builder) reply(r *dialogue.ReplyModel, node string, engine bool, k edgeKind) *edge {
	e := &edge{id: r.ID, kind: k, author: !engine, counts: -1}
	if !engine {
		e.at = b.place(r.At)
	}
	e.when, e.whenAt = b.conds.of(r.When), e.at
	e.set = b.settings(r.Set)
	e.do = b.actions(r.Do, r.ID, e.at)
	if r.Say != nil {
		e.says = []*utter{b.utter(r.Say, node, engine)}
	}
	e.to = b.target(r.To)
	return e
}

func (b *builder) settings(list []dialogue.SetModel) []setting {
	var out []setting
	for _, s := range list {
		i, ok := b.m.tab.find("slots." + s.Slot)
		if !ok {
			continue
		}
		v := b.m.tab.vars[i]
		x := v.full() &^ v.unset()
		if value, ok := typed(b.conds.kinds[s.Slot], s.Value); ok && s.Const && v.of(value) != 0 {
			x = v.of(value)
		}
		out = append(out, setting{i, x})
	}
	return out
}

func (b *builder) actions(list []dialogue.DoModel, owner string, at place) []action {
	var out []action
	for _, d := range list {
		a := action{kind: d.Kind, value: d.Value, at: at, tag: -1}
		if d.Kind == "unlock" {
			a.cond = b.conds.of(b.script.Unlocks[d.Value])
		}
		if d.Kind == "tag" {
			if i, ok := b.m.tab.find("tag:" + d.Value); ok {
				a.tag = i
			}
		}
		for _, name := range b.lacking[owner] {
			if strings.Contains(d.Value, "{{"+name+"}}") {
				a.needs = append(a.needs, b.set(name))
			}
		}
		out = append(out, a)
	}
	return out
}

// set needs a variable or slot to have a value.
func (b *builder) set(name string) need {
	for _, key := range []string{"vars." + name, "slots." + name} {
		if i, ok := b.m.tab.find(key); ok {
			v := b.m.tab.vars[i]
			return need{why: needSet, index: i, ok: v.full() &^ v.unset(), what: key}
		}
	}
	return need{why: needSet, index: b.m.lang, ok: b.m.tab.vars[b.m.lang].full()}
}

func (b *builder) target(t dialogue.TargetModel) target {
	out := target{at: b.place(t.At)}
	switch t.Goal {
	case "node":
		out.goal, out.node = toNode, b.byID[t.Node]
	case "return":
		out.goal = toReturn
	case "repeat":
		out.goal = toRepeat
	case "end":
		out.goal = toEnd
	case "transfer":
		out.goal, out.failed = toTransfer, b.handover
		if t.Over != nil {
			out.failed = b.failed(t.Failed)
		}
	}
	return out
}

// failed is where a hand-over that does not connect goes on; nil: the engine
// promises a call back.
func (b *builder) failed(t *dialogue.TargetModel) *target {
	if t == nil || t.Goal != "node" {
		return nil
	}
	return &target{goal: toNode, node: b.byID[t.Node], at: b.place(t.At)}
}

// utter reads something to be said: by language what a customer of that
// language hears.
func (b *builder) utter(s *dialogue.SayModel, node string, engine bool) *utter {
	if s == nil {
		return nil
	}
	if u := b.utters[s.ID]; u != nil {
		return u
	}
	u := &utter{id: s.ID, node: node, engine: engine, langs: make([][]*variant, len(b.m.langs))}
	if !engine {
		u.at = b.place(s.At)
	}
	by := map[string][]*variant{}
	for i := range s.Variants {
		v := b.variant(&s.Variants[i], engine || s.ID == "disclosure")
		by[v.lang] = append(by[v.lang], v)
		u.all = append(u.all, v)
	}
	for i, lang := range b.m.langs {
		for _, l := range []string{lang, b.m.own, "cmn", "en", "yue", "hak", "ug"} {
			if len(by[l]) > 0 {
				u.langs[i] = by[l]
				break
			}
		}
	}
	b.utters[s.ID] = u
	b.order = append(b.order, u)
	return u
}

func (b *builder) variant(x *dialogue.VariantModel, free bool) *variant {
	w := b.wordings[x.ID]
	v := &variant{id: x.ID, at: b.place(w.At), lang: string(x.Language), text: x.Text, tone: x.Tone}
	for _, p := range w.Parts {
		v.parts = append(v.parts, b.piece(p))
	}
	for _, name := range x.Needs {
		v.needs = append(v.needs, b.set(name))
	}
	if !free {
		b.restrict(v, x)
		v.words = b.m.wordings(v)
		v.traps = append(b.m.trapsOf(v, b.script.Lexicon), b.offersIn(v)...)
	}
	return v
}

// restrict: who may hear a wording.
func (b *builder) restrict(v *variant, x *dialogue.VariantModel) {
	segment := b.m.tab.vars[b.m.segment]
	if len(x.Segments) > 0 {
		var ok mask
		for _, s := range x.Segments {
			ok |= segment.of(s)
		}
		v.needs = append(v.needs, need{why: needSegment, index: b.m.segment, ok: ok, what: strings.Join(x.Segments, ", ")})
	}
	if c := b.conds.of(x.When); c != nil {
		v.needs = append(v.needs, need{why: needCond, index: -1, cond: c, what: x.When})
	}
	if over := b.m.over(v.tone); over != 0 {
		v.needs = append(v.needs, need{why: needTone, index: b.m.segment, ok: segment.full() &^ over, what: v.tone.String()})
	}
	for _, id := range x.Offers {
		v.needs = append(v.needs, need{why: needOffer, index: b.tier, ok: b.tiersOf(id), what: id})
	}
}

func (b *builder) tiersOf(offer string) mask {
	var ok mask
	for _, o := range b.script.Offers {
		if o.ID == offer {
			for _, t := range o.Tiers {
				ok |= b.m.tab.vars[b.tier].of(t)
			}
		}
	}
	return ok
}

// piece of a wording, with the texts that may stand there where they are
// known.
func (b *builder) piece(p dialogue.Piece) piece {
	out := piece{text: p.Text, name: p.Name}
	switch {
	case p.Name == "":
		return out
	case p.Offer:
		out.offer = true
		return out
	}
	if p.Else && p.Text != "" {
		out.values, out.kinds = append(out.values, p.Text), append(out.kinds, nil)
	}
	if p.Slot || b.conds.kinds[p.Name] != "text" {
		return out
	}
	for _, v := range b.script.Values[p.Name] {
		out.values, out.kinds = append(out.values, v), append(out.kinds, any(v))
	}
	for _, v := range b.script.Variables {
		if v.Name == p.Name && v.Default != "" && !slices.Contains(out.values, v.Default) {
			out.values, out.kinds = append(out.values, v.Default), append(out.kinds, nil)
		}
	}
	return out
}

// offersIn: with these values the line speaks of an offer, and not by its
// placeholder.
func (b *builder) offersIn(v *variant) []trap {
	var out []trap
	for _, w := range v.words {
		if len(w.when) == 0 {
			continue // the compiler refuses those
		}
		for _, words := range b.offers(w.text) {
			if not := b.notOffered(words); not != 0 {
				out = append(out, trap{rule: Offer, text: quoted(words) + " are the words of an offer; they come about in " + quoted(clip(w.text, 60)),
					suggest: "write {{offer.…}}, so that only its tiers hear it", when: append(w.when[:len(w.when):len(w.when)], bound{b.tier, not})})
			}
		}
	}
	return out
}

// notOffered are the tiers that may not hear these words.
func (b *builder) notOffered(words string) mask {
	var ok mask
	for _, o := range b.script.Offers {
		if slices.Contains(o.Words, words) {
			ok |= b.tiersOf(o.ID)
		}
	}
	return b.m.tab.vars[b.tier].full() &^ ok
}
