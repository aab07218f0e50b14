package dialogue

import (
	"maps"
	"slices"
	"strings"
	"time"

	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
)

// check finds what only the whole script shows: names that lead nowhere,
// nodes that nobody reaches, circles that never listen, lines that could
// lack a value or a language.
func (c *compiler) check() {
	ok := c.checkRefs()
	for _, s := range c.says {
		c.checkSay(s)
	}
	c.checkTransfers()
	if ok {
		c.checkReached()
		c.checkCircles()
	}
}

// missing names what the variants need and may lack.
func missing(variants []*template) string {
	var names []string
	for _, t := range variants {
		for _, name := range t.unsure {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return strings.Join(names, ", ")
}

// checkRefs finds names of nodes that are not there.
func (c *compiler) checkRefs() (ok bool) {
	ok = true
	for _, r := range c.refs {
		if c.s.nodes[r.node] == nil {
			c.add(r.at, didYouMean(r.node, c.ownNodes()), "there is no node %q", clip(r.node, 40))
			ok = false
		}
	}
	return ok
}

func (c *compiler) ownNodes() []string {
	return slices.DeleteFunc(slices.Clone(c.order), func(id string) bool { return id[0] == '_' })
}

func (c *compiler) checkSay(s *say) {
	at := c.sayAt[s]
	if s.fixed {
		return
	}
	own := c.s.info.Language
	if len(s.langs[own]) == 0 && len(s.langs) > 0 {
		c.add(at, "add `"+string(own)+":`", "%q lacks the language of the script", s.id)
	}
	for _, lang := range languages() {
		variants := s.langs[speech.Language(lang)]
		if len(variants) > 0 && !slices.ContainsFunc(variants, func(t *template) bool { return t.sure }) {
			c.add(at, "make it required, give it a default, write {{name ?? other words}}, or add a variant without it", "every variant of %q (%s) needs a value that may be missing: %s", s.id, lang, missing(variants))
		}
	}
	if s.notice {
		for lang, variants := range s.langs {
			for _, t := range variants {
				if !t.sure {
					c.add(at, "the notice is said in every call", "the disclosure (%s) needs a value that may be missing", lang)
				}
			}
		}
	}
}

// targets of a script, each with the node that it belongs to ("" = anywhere).
func (c *compiler) eachTarget(f func(from string, silent bool, to target)) {
	replies := func(from string, silent bool, list []*reply) {
		for _, r := range list {
			f(from, silent, r.to)
		}
	}
	s := c.s
	for _, id := range c.order {
		n := s.nodes[id]
		replies(id, false, n.replies)
		replies(id, true, n.skip)
		replies(id, true, n.route)
		for _, k := range sortedKeys(n.keys) {
			f(id, false, n.keys[k].to)
		}
		f(id, false, n.noMatch.then)
		f(id, false, n.silence.then)
		if n.compose != nil {
			f(id, false, n.compose.then)
			for _, i := range n.compose.order {
				f(id, false, n.compose.intents[i])
			}
		}
	}
	for _, k := range sortedKeys(s.keys) {
		f("", false, s.keys[k].to)
	}
	for _, i := range slices.Sorted(maps.Keys(s.globals)) {
		f("", false, s.globals[i].to)
	}
	for _, i := range slices.Sorted(maps.Keys(s.objections)) {
		f("", false, s.objections[i].to)
		f("", false, s.objections[i].worn)
	}
	if s.handover != nil {
		f("", false, s.handover.failed)
	}
}

func (c *compiler) checkTransfers() {
	c.eachTarget(func(_ string, _ bool, to target) {
		if to.goal == toTransfer && to.over == nil && c.s.handover == nil {
			c.add(to.at, "add `handover: {queue: ...}` to the script, or name a queue here", "a transfer without a place to transfer to")
		}
	})
}

func (c *compiler) checkReached() {
	edges := map[string][]string{}
	c.eachTarget(func(from string, _ bool, to target) {
		switch {
		case to.goal == toNode:
			edges[from] = append(edges[from], to.node)
		case to.goal == toTransfer && to.over != nil && to.over.failed.goal == toNode:
			edges[from] = append(edges[from], to.over.failed.node)
		}
	})
	reached := map[string]bool{}
	queue := append([]string{c.s.start}, edges[""]...)
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		if !reached[id] {
			reached[id] = true
			queue = append(queue, edges[id]...)
		}
	}
	for _, r := range c.nodeAt {
		if !reached[r.node] {
			c.add(r.at, "lead a reply to it, or remove it", "node %q is never reached", r.node)
		}
	}
}

// checkCircles refuses nodes that pass the turn on to each other without
// anybody listening.
func (c *compiler) checkCircles() {
	edges := map[string][]string{}
	c.eachTarget(func(from string, silent bool, to target) {
		if silent && to.goal == toNode {
			edges[from] = append(edges[from], to.node)
		}
	})
	const white, grey, black = 0, 1, 2
	colour := map[string]int{}
	var circle string
	var visit func(id string)
	visit = func(id string) {
		colour[id] = grey
		for _, next := range edges[id] {
			switch colour[next] {
			case white:
				visit(next)
			case grey:
				circle = next
			}
		}
		colour[id] = black
	}
	for _, id := range c.order {
		if colour[id] == white {
			visit(id)
		}
	}
	if circle == "" {
		return
	}
	for _, r := range c.nodeAt {
		if r.node == circle {
			c.add(r.at, "let one of them listen (`expect:`) or end", "node %q leads back to itself without anybody listening", circle)
			return
		}
	}
}

// finish precomputes what every decision needs.
func (c *compiler) finish() {
	s := c.s
	s.readings = readings(s.lexicon)
	if s.lexicon != nil { // the script's own weights go before the industry's
		hot := maps.Clone(s.lexicon.Hotwords)
		if hot == nil {
			hot = map[string]int{}
		}
		maps.Copy(hot, s.info.Hotwords)
		s.info.Hotwords = hot
	}
	for _, sy := range c.says {
		for lang, variants := range sy.langs {
			for _, t := range variants {
				s.index[t.id] = &indexed{say: sy, lang: lang, t: t}
			}
		}
	}
	for _, i := range slices.Sorted(maps.Keys(s.globals)) {
		e := nlu.Expectation{Intent: i}
		if r := s.globals[i]; r.expect != nil {
			e.Keywords, e.Examples = r.expect.Keywords, r.expect.Examples
		}
		s.expect = append(s.expect, e)
	}
	s.expect = append(s.expect, nlu.Expectation{Intent: "stop"}, nlu.Expectation{Intent: "complaint"}, nlu.Expectation{Intent: "human"})
	for _, n := range s.nodes {
		c.finishNode(n)
	}
	s.info.Turns, s.info.Duration = s.limits.turns, s.limits.duration
	s.info.Nodes, s.order = c.ownNodes(), slices.Clone(c.order)
	for _, id := range s.info.Nodes {
		for _, r := range s.nodes[id].replies {
			s.info.Replies = append(s.info.Replies, r.id)
		}
	}
	for _, l := range languages() {
		if _, ok := s.disclosure.langs[speech.Language(l)]; ok {
			s.info.Languages = append(s.info.Languages, speech.Language(l))
		}
	}
	if v := s.disclosure.langs[s.info.Language]; len(v) > 0 {
		for _, p := range v[0].parts {
			if p.name != "" {
				s.info.Disclosure += "{{" + p.name + "}}"
			}
			s.info.Disclosure += p.text
		}
	}
	for _, name := range sortedKeys(s.vars) {
		v := s.vars[name]
		s.info.Variables = append(s.info.Variables, Variable{Name: name, Type: string(v.typ), Required: v.required, Default: v.def})
	}
}

func (c *compiler) finishNode(n *node) {
	s, l := c.s, &n.listen
	seen := map[nlu.Intent]bool{}
	for _, r := range n.replies {
		for _, i := range r.intents {
			e := nlu.Expectation{Intent: i}
			if r.expect != nil {
				e.Keywords, e.Examples = r.expect.Keywords, r.expect.Examples
			}
			if !seen[i] || len(e.Keywords)+len(e.Examples) > 0 {
				l.Expect = append(l.Expect, e)
			}
			seen[i] = true
		}
	}
	for _, e := range s.expect {
		if !seen[e.Intent] {
			l.Expect = append(l.Expect, e)
		}
	}
	l.Expect = slices.Clip(l.Expect)
	hot := maps.Clone(s.info.Hotwords)
	if hot == nil {
		hot = map[string]int{}
	}
	maps.Copy(hot, l.Hotwords)
	typed := false
	for _, name := range n.slots {
		spec := s.slots[name].spec
		l.Slots = append(l.Slots, spec)
		typed = typed || keyed(spec.Kind)
		for _, forms := range spec.Values {
			for _, f := range forms {
				if len([]rune(f)) > 1 && hot[f] == 0 {
					hot[f] = 10
				}
			}
		}
	}
	if !has(n.slots, "callback_at") {
		l.Slots = append(l.Slots, s.slots["callback_at"].spec)
	}
	l.Hotwords = hot
	if n.expecting == "" {
		n.expecting = guessExpecting(n, typed)
	}
	l.Expecting = n.expecting
	switch {
	case typed:
		l.Keys = Keys{Max: 20, End: '#', Timeout: 3 * time.Second}
	case len(n.keys) > 0 || len(s.keys) > 0:
		l.Keys = Keys{Max: 1, Timeout: 3 * time.Second}
	}
}

func guessExpecting(n *node, typed bool) Expecting {
	if typed {
		return ExpectDigits
	}
	yesNo := len(n.slots) == 0
	for _, r := range n.replies {
		for _, i := range r.intents {
			yesNo = yesNo && (i == "affirm" || i == "deny" || i == "unsure" || i == "not_interested" || i == "busy")
		}
		yesNo = yesNo && !r.any
	}
	switch {
	case yesNo && len(n.replies) > 0:
		return ExpectYesNo
	case len(n.slots) > 0:
		return ExpectChoice
	}
	return ExpectOpen
}

// listen says how to listen in this state. Its slices and maps are shared and
// must not be changed.
func (s *Script) listen(st *State) Listen {
	if n := s.nodes[st.Node]; n != nil && (st.Phase == Talking || st.Phase == Transferring) {
		return n.listen
	}
	l := Listen{Expecting: ExpectOpen, Expect: s.expect, Silence: 15 * time.Second, MaxSpeech: s.limits.maxSpeech, Hotwords: s.info.Hotwords,
		Slots: []nlu.SlotSpec{s.slots["callback_at"].spec}}
	switch {
	case st.Phase == Ended:
		return Listen{}
	case st.Phase == Voicemail:
		l.Silence = 20 * time.Second
	case len(s.keys) > 0:
		l.Keys = Keys{Max: 1, Timeout: 3 * time.Second}
	}
	return l
}
