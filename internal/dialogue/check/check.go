package check

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
	"ringmaster/internal/speech/voices"
)

// Options of a check.
type Options struct {
	// File names the script in places; empty: its ID.
	File string
	// Understander, when given, is asked to understand every example of every
	// expected intent at its node; nil: examples are compared with each other
	// only. It must be a local one: it is asked thousands of times.
	Understander nlu.Understander
	// Voices, when given, must have every voice that the script asks for.
	Voices *voices.Catalogue
}

// Run checks a compiled script. It never fails: what cannot be decided is a
// finding of its own (TooLarge).
func Run(sc *dialogue.Script, o Options) Report { return newChecker(sc, o).run() }

func newChecker(sc *dialogue.Script, o Options) *checker {
	if o.File == "" {
		o.File = sc.Info().ID + ".yaml"
	}
	b := build(sc, o.File)
	return &checker{b: b, m: b.m, script: sc, opts: o, next: sc.Next, said: map[*utter]*run{}, pairs: map[[2]*utter]bool{}}
}

func (c *checker) run() Report {
	c.explore()
	c.locked()
	c.noticeFirst()
	c.noticeWords()
	c.exits()
	c.bounds()
	c.reached()
	c.deadEnds()
	c.models()
	c.intents()
	c.voices()
	edges := 0
	for _, n := range c.m.nodes {
		edges += len(n.ways())
	}
	info := c.b.script.Info
	r := Report{Script: info.ID, Version: info.Version, File: c.opts.File, Findings: c.out.sorted(), Nodes: len(info.Nodes), Edges: edges, States: len(c.x.states)}
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	return r
}

// voices: who is to speak must be in the catalogue.
func (c *checker) voices() {
	for _, p := range c.script.CheckVoices(c.opts.File, c.opts.Voices) {
		c.find(Voice, place{p.File, p.Line, p.Column}, nil, nil, p.Suggest, "%s", p.Text)
	}
}

// checker holds what one check finds on the way.
type checker struct {
	b      *builder
	m      *machine
	script *dialogue.Script
	opts   Options
	next   func(dialogue.State, dialogue.Input, time.Time) (dialogue.State, dialogue.Move) // the engine
	x      *explorer
	out    collector
	said   map[*utter]*run    // where something is said first
	pairs  map[[2]*utter]bool // said one after the other

	unlocks map[string]*unlocking
}

// find adds a finding at a place; r, when given, is the decision in which it
// happens, f the facts under which it does.
func (c *checker) find(rule Rule, at place, r *run, f facts, suggest, format string, args ...any) {
	x := Finding{Rule: rule, File: at.file, Line: at.line, Column: at.col, Text: fmt.Sprintf(format, args...), Suggest: suggest}
	if x.File == "" {
		x.File = c.m.file
	}
	if x.Line == 0 {
		x.Line, x.Column = 1, 1
	}
	if r != nil {
		x.Path = c.m.pathTo(r)
		if r.node >= 0 {
			x.Node = c.m.nodes[r.node].id
		}
		if r.via != nil {
			x.Reply = r.via.id
		}
		if f != nil {
			x.Whom = c.m.whom(r, f)
		}
	}
	c.out.add(x, x.Text)
}

func (c *checker) explore() {
	c.x = explore(c.m, &listener{
		say: c.say, unset: c.unset, action: c.action, circle: c.circle,
		end: func(*run) {}, over: func(*run, target) {},
	})
	switch {
	case c.x.large:
		c.find(TooLarge, place{}, nil, nil, "split it into several scripts, or test fewer slots and tags in its conditions",
			"the script has more paths than can be explored (%d states of %d nodes): nothing is proven", len(c.x.states), len(c.m.nodes))
	case c.x.widened && c.out.refuses(Tone, Offer, Unset, Withheld):
		c.find(TooLarge, place{}, nil, nil, "test fewer slots and tags in conditions that lead back to the same nodes",
			"some node has more than %d combinations of what may be known there, which are judged together: the findings beside this one may be impossible", c.x.perNode)
	}
	root := &state{id: -1, node: -1, main: -1, f: c.m.tab.start(), known: c.m.tab.start()}
	r := &run{from: root, f: root.f, main: -1, node: -1}
	for _, u := range c.m.lines {
		c.say(r, u)
	}
	if c.m.voicemail != nil {
		c.say(r, c.m.voicemail)
	}
	for i, n := range c.m.nodes {
		if states := c.x.at[i]; len(states) > 0 {
			for _, u := range []*utter{n.again, n.keysSay} {
				for _, s := range states {
					c.say(&run{from: s, f: s.f, main: s.main, node: i}, u)
				}
			}
		}
	}
}

// refuses reports that something of these rules was found.
func (c *collector) refuses(rules ...Rule) bool {
	return slices.ContainsFunc(c.list, func(f Finding) bool { return slices.Contains(rules, f.Rule) })
}

// told reports that something of these rules was found at the place.
func (c *collector) told(at place, rules ...Rule) bool {
	return slices.ContainsFunc(c.list, func(f Finding) bool {
		return f.File == at.file && f.Line == at.line && f.Column == at.col && slices.Contains(rules, f.Rule)
	})
}

// say looks at something that is said in a decision.
func (c *checker) say(r *run, u *utter) {
	if u == nil {
		return
	}
	if c.said[u] == nil {
		keep := *r
		c.said[u] = &keep
	}
	if u.engine {
		return
	}
	for i := range c.m.langs {
		bit := mask(1) << i
		if r.f[c.m.lang]&bit == 0 {
			continue
		}
		c.wordingsFor(r, u, i, r.f.with(c.m.lang, bit))
	}
	for i := len(r.said) - 1; i >= 0; i-- {
		if p := r.said[i].u; p != nil {
			c.pair(r, p, u)
			break
		}
	}
}

// wordingsFor a language: which may be said to these customers, and who is
// left without any.
func (c *checker) wordingsFor(r *run, u *utter, lang int, f facts) {
	rest := []facts{f}
	var why need
	var at *variant
	for _, v := range u.langs[lang] {
		c.trapped(r, u, v, f)
		v.said = v.said || c.can(v, f)
		if len(rest) > 0 {
			var n need
			rest, n = c.without(v, rest)
			if len(rest) > 0 && (at == nil || rank(n.why) > rank(why.why)) {
				why, at = n, v
			}
		}
	}
	if len(rest) > 0 && at != nil {
		c.left(r, u, at, why, rest[0])
	}
}

// rank of reasons: the graver is told.
func rank(k needKind) int {
	switch k {
	case needOffer:
		return 4
	case needTone:
		return 3
	case needSet:
		return 2
	}
	return 1
}

// without gives the facts under which a wording cannot be said, with the
// gravest reason.
func (c *checker) without(v *variant, list []facts) ([]facts, need) {
	if len(v.needs) == 0 {
		return nil, need{}
	}
	var out []outcome
	var why need
	for _, pass := range list {
		pass := []facts{pass}
		for _, n := range v.needs {
			var next []facts
			for _, g := range pass {
				for _, o := range n.split(g) {
					if o.holds {
						next = append(next, o.f)
						continue
					}
					out = append(out, o)
					if rank(n.why) > rank(why.why) || why.what == "" {
						why = n
					}
				}
			}
			pass = next
		}
	}
	var rest []facts
	for _, o := range joined(out) {
		rest = append(rest, o.f)
	}
	return rest[:min(len(rest), maxOutcomes)], why
}

// can: some customer may hear the wording.
func (c *checker) can(v *variant, f facts) bool {
	pass := []facts{f}
	for _, n := range v.needs {
		var next []facts
		for _, g := range pass {
			for _, o := range n.split(g) {
				if o.holds {
					next = append(next, o.f)
				}
			}
		}
		pass = next
	}
	return len(pass) > 0
}

func (n need) split(f facts) []outcome {
	if n.cond != nil {
		return n.cond.split(f, nil)
	}
	var out []outcome
	if m := f[n.index] & n.ok; m != 0 {
		out = append(out, outcome{f: f.with(n.index, m), holds: true})
	}
	if m := f[n.index] &^ n.ok; m != 0 {
		out = append(out, outcome{f: f.with(n.index, m)})
	}
	return out
}

// left: some customers hear nothing, because no wording is for them.
func (c *checker) left(r *run, u *utter, v *variant, why need, f facts) {
	keep := *r
	if why.why == needTone || why.why == needOffer || why.why == needSet {
		keep.said = append(keep.said[:len(keep.said):len(keep.said)], said{u: u, node: r.node, v: v})
	}
	r = &keep
	switch why.why {
	case needTone:
		c.find(Tone, v.at, r, f, "write a gentler wording beside it, or lead this segment another way",
			"%s is said to customers whose ceiling is lower: the line is %s", quoted(clip(v.text, 60)), why.what)
	case needOffer:
		c.find(Offer, v.at, r, f, "write {{offer."+why.what+" ?? other words}}, or test the tier before it", "the offer %q is said to customers of another tier", why.what)
	case needSet:
		c.find(Unset, v.at, r, f, "write {{name ?? other words}}", "%s may be unset when %s is said", why.what, quoted(clip(v.text, 60)))
	default:
		if r.node >= 0 && c.m.nodes[r.node].listens && c.m.nodes[r.node].say == u {
			c.find(Withheld, u.at, r, f, "add a wording for everybody else", "node %q asks nothing of these customers: no wording is for them, and the call ends", c.m.nodes[r.node].id)
		}
	}
}

// trapped: words that must not be said, with values that are possible here.
func (c *checker) trapped(r *run, u *utter, v *variant, f facts) {
	if len(v.traps) == 0 {
		return
	}
	for _, t := range v.traps {
		g, possible := f, true
		for _, b := range t.when {
			m := g[b.index] & b.m
			possible = possible && m != 0
			g = g.with(b.index, m)
		}
		if possible && c.can(v, g) {
			keep := *r
			keep.said = append(keep.said[:len(keep.said):len(keep.said)], said{u: u, node: r.node, v: v})
			c.find(t.rule, v.at, &keep, g, t.suggest, "%s", t.text)
		}
	}
}

// pair: two lines said one after the other.
func (c *checker) pair(r *run, a, b *utter) {
	key := [2]*utter{a, b}
	if c.pairs[key] || len(c.pairs) > 200_000 {
		return
	}
	c.pairs[key] = true
	if c.b.script.Lexicon == nil && len(c.b.script.Offers) == 0 {
		return
	}
	for i := range c.m.langs {
		for _, x := range a.langs[i] {
			for _, y := range b.langs[i] {
				c.joined(r, b, x, y)
			}
		}
	}
}

func (c *checker) joined(r *run, u *utter, x, y *variant) {
	keep := *r
	keep.said = append(keep.said[:len(keep.said):len(keep.said)], said{u: u, node: r.node, v: y})
	if p, rule, ok := across(x, y, c.b.script.Lexicon); ok {
		c.find(rule, y.at, &keep, nil, instead(p), "%s comes about when %s is followed by %s", quoted(p.Text), quoted(tailOf(clip(x.text, 20))), quoted(clip(y.text, 20)))
	}
	if len(c.b.script.Offers) == 0 || len(x.words) == 0 || len(y.words) == 0 {
		return
	}
	for _, words := range c.b.offers(tailOf(x.words[0].text) + headOf(y.words[0].text)) {
		if not := c.b.notOffered(words) & r.f[c.b.tier]; not != 0 && !strings.Contains(x.text+"\n"+y.text, words) {
			c.find(Offer, y.at, &keep, r.f.with(c.b.tier, not), "write {{offer.…}}, so that only its tiers hear it", "%s are the words of an offer; they come about from two lines", quoted(words))
		}
	}
}

// unset: a condition tests what may be unset.
func (c *checker) unset(r *run, at place, i int, f facts) {
	v := c.m.tab.vars[i]
	suggest := "test `" + v.key + " != nil and` before it"
	if v.kind == ofCall {
		suggest += ", or give it a default"
	}
	c.find(Unset, at, r, f, suggest, "%s may be unset when it is tested here: the comparison then means nothing", v.key)
}

func (c *checker) action(r *run, a action) {
	if a.kind == "unlock" {
		c.unlock(r, a)
	}
	for _, n := range a.needs {
		for _, o := range n.split(r.f) {
			if !o.holds {
				c.find(Unset, a.at, r, o.f, "write {{"+n.what[strings.IndexByte(n.what, '.')+1:]+" ?? none}}", "%s may be unset when `%s` is done: the action is then left out", n.what, a.kind)
			}
		}
	}
}

// unlock: what can never be unlocked where it is asked for is a mistake.
func (c *checker) unlock(r *run, a action) {
	if c.unlocks == nil {
		c.unlocks = map[string]*unlocking{}
	}
	key := a.value + "\x00" + a.at.file + "\x00" + fmt.Sprint(a.at.line)
	u := c.unlocks[key]
	if u == nil {
		keep := *r
		u = &unlocking{a: a, r: &keep}
		c.unlocks[key] = u
	}
	for _, o := range a.cond.split(r.f, func(i int, f facts) { c.unset(r, a.at, i, f) }) {
		u.granted = u.granted || o.holds
	}
}

// unlocking is one place where something is unlocked.
type unlocking struct {
	a       action
	r       *run
	granted bool
}

func (c *checker) locked() {
	for _, key := range sortedKeys(c.unlocks) {
		if u := c.unlocks[key]; !u.granted {
			c.find(Unreachable, u.a.at, u.r, nil, "correct the condition, or lead here only who has been verified", "unlock %q is never granted here: its condition %s cannot hold", u.a.value, quoted(c.b.script.Unlocks[u.a.value]))
		}
	}
}

func (c *checker) circle(r *run, n int) {
	keep := *r
	for i, times := 0, 0; i < len(keep.said); i++ { // two rounds will do
		if s := keep.said[i]; s.u != nil && s.u == c.m.nodes[n].say {
			if times++; times == 2 {
				keep.said = keep.said[:i+1]
			}
		}
	}
	r = &keep
	c.find(Loop, c.m.nodes[n].at, r, nil, "let one of them listen (`expect:`) or end", "node %q is entered again and again without anybody being asked", c.m.nodes[n].id)
}
