package dialogue

import (
	"slices"
	"strings"

	"ringmaster/internal/speech"
)

// This file reads what a script may say to whom: segments, tones, offers,
// advice, unlocks. restricted.go holds to it while a call runs.

// segment is a group of customers; when tells who belongs to it.
type segment struct {
	name string
	rule bool // who fits when is put there; else it is for those who bring it
	when *cond
}

// offer is what only some tiers may hear of.
type offer struct {
	id    string
	at    *val
	langs map[speech.Language]string
	tiers []string
	also  []string
}

// advice is a piece of content for some customers.
type advice struct {
	id       string
	at       *val
	say      *say
	when     *cond
	excludes []string
}

// variant restricts one of the ways to say something.
type variant struct {
	segments []string
	when     *cond
	tone     Tone
	toneSet  bool
	offers   []string // without a fallback
}

// open: everybody may hear it, whatever is known of him.
func (v variant) open() bool { return len(v.segments) == 0 && v.when == nil && len(v.offers) == 0 }

type variantVal struct {
	text *val
	variant
}

// variants reads a line, or a list of lines; each is a text, or a mapping of
// text and who may hear it.
func (c *compiler) variants(v *val) []variantVal {
	list := []*val{v}
	if v.kind == kList {
		if list = v.list; len(list) == 0 {
			c.add(v, "", "an empty list")
		}
	}
	out := make([]variantVal, 0, len(list))
	for _, e := range list {
		switch {
		case e.kind == kText || e.kind == kNumber:
			out = append(out, variantVal{text: e})
		case e.kind == kMap:
			x := variantVal{}
			c.object(e, "variant",
				must("text", func(v *val) { c.text(v); x.text = v }),
				opt("tone", func(v *val) { x.tone, x.toneSet = c.tone(v), true }),
				opt("segments", func(v *val) { x.segments = c.segmentRefs(v) }),
				opt("when", func(v *val) { x.when = c.cond(v) }))
			if x.text != nil {
				out = append(out, x)
			}
		default:
			c.add(e, "quote it", "wanted a text, found %s", e.kind)
		}
	}
	return out
}

// toned gives the tone of a node, reply or objection to what it says, unless
// that has one of its own.
func (c *compiler) toned(first int, tone *val) {
	if tone == nil {
		return
	}
	t := c.tone(tone)
	for _, s := range c.says[first:] {
		if !s.toneSet {
			s.tone, s.toneSet = t, true
		}
	}
}

func (c *compiler) segmentNames() []string {
	out := make([]string, 0, len(c.s.segments))
	for _, g := range c.s.segments {
		out = append(out, g.name)
	}
	return out
}

func (c *compiler) segmentRefs(v *val) []string {
	var out []string
	for _, t := range c.texts(v) {
		c.segmentRef(t)
		out = append(out, t.text)
	}
	return out
}

func (c *compiler) segmentRef(v *val) {
	if names := c.segmentNames(); !has(names, v.text) {
		c.add(v, didYouMean(v.text, names), "segment %q is not declared under `segments:`", clip(v.text, 40))
	}
}

func (c *compiler) segmentsOf(v *val) {
	if v.kind != kList {
		c.add(v, "write `[early, late]`, or a list of `{name, when}`", "segments are a list")
		return
	}
	for _, e := range v.list {
		g := segment{}
		if e.kind == kText {
			g.name = c.name(e)
		} else {
			g.rule = true
			c.object(e, "segment",
				must("name", func(v *val) { g.name = c.name(v) }),
				opt("when", func(v *val) { g.when = c.cond(v) }))
		}
		if has(c.segmentNames(), g.name) {
			c.add(e, "join the two", "segment %q is declared twice", g.name)
		}
		c.s.segments = append(c.s.segments, g)
	}
}

func (c *compiler) toneOf(v *val) {
	s := c.s
	s.ceilings = map[string]Tone{}
	c.object(v, "tone",
		must("ceilings", func(v *val) {
			if v.kind != kMap {
				c.add(v, "write `{early: soft, late: firm}`", "ceilings are a mapping of segment to tone")
				return
			}
			for _, e := range v.keys {
				c.segmentRef(e.key)
				s.ceilings[e.key.text] = c.tone(e.v)
			}
		}),
		opt("otherwise", func(v *val) { s.ceiling = c.tone(v) }))
}

func (c *compiler) tierOf(v *val) {
	name := c.text(v)
	if _, ok := c.s.vars[name]; !ok {
		c.add(v, didYouMean(name, keysOf(c.s.vars)), "tier names the variable that holds the customer's tier; %q is none", clip(name, 40))
	}
	c.s.tier = name
}

func (c *compiler) offersOf(v *val) {
	if v.kind != kMap {
		c.add(v, "write `p8: {say: 八折券, tiers: [platinum]}`", "offers are a mapping")
		return
	}
	for _, e := range v.keys {
		o := &offer{id: c.name(e.key), at: e.key, langs: map[speech.Language]string{}}
		c.object(e.v, "offer "+o.id,
			must("say", func(v *val) { c.offerWords(o, v) }),
			must("tiers", func(v *val) { o.tiers = c.tiersOf(v) }),
			opt("also", func(v *val) {
				for _, t := range c.texts(v) {
					o.also = append(o.also, t.text)
				}
			}))
		c.s.offers[o.id] = o
		for _, lang := range languages() {
			if w := o.langs[speech.Language(lang)]; w != "" {
				c.s.offerWords = c.s.offerWords.add(Phrase{Text: w, Why: o.id})
			}
		}
		for _, w := range o.also {
			c.s.offerWords = c.s.offerWords.add(Phrase{Text: w, Why: o.id})
		}
	}
}

func (c *compiler) offerWords(o *offer, v *val) {
	one := func(lang string, v *val) {
		t := strings.TrimSpace(c.text(v))
		if strings.Contains(t, "{{") || len(flat(t)) == 0 {
			c.add(v, "write it out", "an offer is plain words, without placeholders")
		}
		o.langs[speech.Language(lang)] = t
	}
	if v.kind != kMap {
		one(string(c.s.info.Language), v)
		return
	}
	for _, e := range v.keys {
		if !has(languages(), e.key.text) {
			c.add(e.key, didYouMean(e.key.text, languages()), "unknown language %q", clip(e.key.text, 20))
			continue
		}
		one(e.key.text, e.v)
	}
}

// tiersOf: the values of the tier's variable, or segments.
func (c *compiler) tiersOf(v *val) []string {
	var known []string
	if d := c.s.vars[c.s.tier]; d != nil {
		known = d.values
	} else {
		known = c.segmentNames()
	}
	var out []string
	for _, t := range c.texts(v) {
		if len(known) > 0 && !has(known, t.text) {
			c.add(t, didYouMean(t.text, known), "there is no tier %q", clip(t.text, 40))
		}
		if len(known) == 0 && c.s.tier == "" {
			c.add(t, "add `tier: level` with the variable that holds it, or `segments:`", "nothing says who is of tier %q", clip(t.text, 40))
		}
		out = append(out, t.text)
	}
	return out
}

func (c *compiler) unlocksOf(v *val) {
	if v.kind != kMap {
		c.add(v, "write `account: {when: slots.answer == \"yes\"}`", "unlocks are a mapping")
		return
	}
	for _, e := range v.keys {
		c.object(e.v, "unlock "+e.key.text, must("when", func(v *val) {
			if w := c.cond(v); w != nil {
				if strings.TrimSpace(w.src) == "true" {
					c.add(v, "name what must have been verified", "an unlock without a condition unlocks for everybody")
				}
				c.s.unlocks[c.name(e.key)] = w
			}
		}))
	}
}

func (c *compiler) adviceOf(v *val) {
	if v.kind != kMap {
		c.add(v, "write `salt: {say: 少吃盐。, for: segment == \"hypertension\"}`", "advice is a mapping")
		return
	}
	var refs []*val
	for _, e := range v.keys {
		a := &advice{id: c.name(e.key), at: e.key}
		first := len(c.says)
		var tone *val
		c.object(e.v, "advice "+a.id,
			must("say", func(v *val) { a.say = c.say(v, "advice."+a.id) }),
			opt("for", func(v *val) { a.when = c.cond(v) }),
			opt("tone", func(v *val) { tone = v }),
			opt("excludes", func(v *val) {
				for _, t := range c.texts(v) {
					a.excludes = append(a.excludes, t.text)
					refs = append(refs, t)
				}
			}))
		c.toned(first, tone)
		c.s.advice[a.id] = a
	}
	for _, t := range refs {
		if c.s.advice[t.text] == nil {
			c.add(t, didYouMean(t.text, keysOf(c.s.advice)), "there is no advice %q", clip(t.text, 40))
		}
	}
	for _, id := range sortedKeys(c.s.advice) { // contradiction holds both ways
		for _, other := range c.s.advice[id].excludes {
			if o := c.s.advice[other]; o != nil && !has(o.excludes, id) {
				o.excludes = append(o.excludes, id)
			}
		}
	}
}

// adviseOf reads `advise:` of a node.
func (c *compiler) adviseOf(n *node, v *val) {
	items := v
	n.advises = 3
	if v.kind == kMap {
		items = nil
		c.object(v, "advise", must("items", func(v *val) { items = v }), opt("max", func(v *val) { n.advises = c.int(v, 1, 10) }))
	}
	if items == nil {
		return
	}
	for _, t := range c.texts(items) {
		if c.s.advice[t.text] == nil {
			c.add(t, didYouMean(t.text, keysOf(c.s.advice)), "there is no advice %q", clip(t.text, 40))
			continue
		}
		n.advise = append(n.advise, t.text)
	}
}

// finishRestrictions weighs what was written: the tone of every constant
// text, and offers that are said in other words than {{offer.x}}.
func (c *compiler) finishRestrictions() {
	s := c.s
	s.restricts = s.ceilings != nil || s.lexicon != nil || len(s.offers) > 0 || len(s.segments) > 0
	for _, sy := range c.says {
		for _, lang := range languages() {
			for _, t := range sy.langs[speech.Language(lang)] {
				if !t.toneSet {
					t.tone = sy.tone
				}
				s.restricts = s.restricts || !t.open()
				text := t.constant()
				if words, _ := s.lexicon.Tone(text); words > t.tone {
					t.tone = words
				}
				_, t.banned = s.lexicon.Banned(text)
				c.offersWritten(sy, text)
			}
		}
	}
}

// offersWritten refuses the words of an offer in the author's own text: there
// the engine could not know whom it is for.
func (c *compiler) offersWritten(sy *say, text string) {
	c.s.offerWords.each(flat(text), func(p Phrase) bool {
		c.add(c.sayAt[sy], "write {{offer."+p.Why+"}}, so that only its tiers hear it", "%q are the words of an offer", p.Text)
		return false
	})
}

func (o *offer) words(lang, script speech.Language) string {
	for _, l := range []speech.Language{lang, script, "cmn", "en"} {
		if w := o.langs[l]; w != "" {
			return w
		}
	}
	return ""
}

func (o *offer) allowed(tier string) bool { return tier != "" && slices.Contains(o.tiers, tier) }
