package dialogue

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/nlu"
)

func (c *compiler) nodeNames(v *val) {
	if v.kind != kMap || len(v.keys) == 0 {
		c.add(v, "write `opening: {say: ...}`", "nodes are a mapping of name to node")
		return
	}
	for _, e := range v.keys {
		switch e.key.text {
		case "return", "repeat", "stay", "end", "disclosure", "line", "global", "objection", "key", "voicemail":
			c.add(e.key, "choose another name", "%q has a meaning of its own", e.key.text)
		}
		if id := c.name(e.key); id != "" {
			c.order = append(c.order, id)
			c.s.nodes[id] = &node{id: id, at: e.key}
			if !c.inBase {
				c.nodeAt = append(c.nodeAt, ref{e.key, id})
			}
		}
	}
}

func (c *compiler) nodesOf(v *val) {
	if v.kind != kMap {
		return
	}
	for _, e := range v.keys {
		if n := c.s.nodes[e.key.text]; n != nil {
			c.node(n, e.v)
		}
	}
}

func (c *compiler) node(n *node, v *val) {
	id := n.id
	n.noMatch.limit, n.silence.limit = c.s.limits.noMatch, c.s.limits.silence
	l := Listen{Silence: c.s.limits.silenceAfter, MaxSpeech: c.s.limits.maxSpeech}
	first := len(c.says)
	var voice *val
	var tone *val
	var to *reply
	direct := false
	c.object(v, "node "+id,
		opt("say", func(v *val) { n.say = c.say(v, id) }),
		opt("again", func(v *val) { n.again = c.say(v, id+".again") }),
		opt("voice", func(v *val) { voice = v }),
		opt("tone", func(v *val) { tone = v }),
		opt("advise", func(v *val) { c.adviseOf(n, v) }),
		opt("compose", func(v *val) { c.composeOf(n, v) }),
		opt("protected", func(v *val) { n.protected = c.bool(v) }),
		opt("aside", func(v *val) { n.aside = c.bool(v) }),
		opt("expecting", func(v *val) {
			n.expecting = Expecting(c.oneOf(v, "kind of answer", string(ExpectYesNo), string(ExpectChoice), string(ExpectOpen), string(ExpectDigits)))
		}),
		opt("slots", func(v *val) { n.slots = c.slotRefs(v) }),
		opt("set", func(v *val) { n.set = c.settings(v, id) }),
		opt("do", func(v *val) { n.do = c.actions(v, id) }),
		opt("expect", func(v *val) { n.replies = c.replies(v, id, replyNode) }),
		opt("skip", func(v *val) { n.skip = c.replies(v, id+".skip", replyRoute) }),
		opt("route", func(v *val) { n.route = c.replies(v, id+".route", replyRoute) }),
		opt("goto", func(v *val) { to = &reply{id: id + ".goto", to: c.gotoTarget(v)}; direct = true }),
		opt("end", func(v *val) { to = &reply{id: id + ".end", to: c.endTarget(v)} }),
		opt("transfer", func(v *val) {
			to = &reply{id: id + ".transfer", to: target{goal: toTransfer, at: v, over: c.handover(v)}}
		}),
		opt("no_match", func(v *val) { n.noMatch = c.retry(v, id+".no_match", n.noMatch.limit) }),
		opt("silence", func(v *val) { n.silence = c.retry(v, id+".silence", n.silence.limit) }),
		opt("silence_after", func(v *val) { l.Silence = c.duration(v, time.Second, time.Minute) }),
		opt("max_speech", func(v *val) { l.MaxSpeech = c.duration(v, time.Second, 2*time.Minute) }),
		opt("endpoint", func(v *val) { l.Endpoint = c.duration(v, 200*time.Millisecond, 5*time.Second) }),
		opt("min_barge_in", func(v *val) { l.MinBargeIn = c.duration(v, 50*time.Millisecond, 3*time.Second) }),
		opt("hotwords", func(v *val) { l.Hotwords = c.hotwords(v) }),
		opt("keys", func(v *val) { n.keys = c.keysOf(v, id+".key") }),
		opt("keys_say", func(v *val) { n.keysSay = c.say(v, id+".keys_say") }))
	if to != nil {
		n.route = append(n.route, to)
	}
	for _, s := range []*say{n.say, n.again, n.keysSay} {
		if s != nil {
			s.protected = n.protected
		}
	}
	wish := c.voice(voice, c.says[first:]...)
	for _, s := range c.says[first:] {
		s.voice = wish
	}
	c.toned(first, tone)
	n.listen = l
	c.nodeShape(n, v, direct)
}

// nodeShape refuses a node that neither listens nor leads on, or does both.
func (c *compiler) nodeShape(n *node, v *val, _ bool) {
	switch {
	case n.listens() && len(n.route) > 0:
		c.add(v, "move it into a reply, or into `no_match: {then: ...}`", "node %q waits for an answer, so its own goto, end, transfer or route is never reached", n.id)
	case !n.listens() && len(n.route) == 0:
		c.add(v, "add `expect:`, `goto:` or `end:`", "node %q leads nowhere", n.id)
	case !n.listens() && n.route[len(n.route)-1].when != nil:
		c.add(v, "add a last entry without `when:`", "node %q leads nowhere when none of its conditions holds", n.id)
	case n.compose != nil && slices.ContainsFunc(n.replies, func(r *reply) bool { return r.any && r.when == nil }):
		c.add(v, "remove `any: true`", "node %q takes any answer, so its compose is never reached", n.id)
	case n.listens() && n.say == nil:
		c.add(v, "add `say:`", "node %q waits for an answer to nothing", n.id)
	case len(n.slots) > 0 && !n.listens():
		c.add(v, "add `expect:` with `slot:`", "node %q wants to hear slots but does not listen", n.id)
	}
	for _, r := range n.skip {
		if r.when == nil {
			c.add(r.at, "add `when:`", "a skip without a condition makes node %q unreachable", n.id)
		}
	}
}

func (c *compiler) slotRefs(v *val) []string {
	var out []string
	for _, t := range c.texts(v) {
		if _, ok := c.s.slots[t.text]; !ok {
			c.add(t, didYouMean(t.text, keysOf(c.s.slots)), "unknown slot %q", clip(t.text, 40))
			continue
		}
		out = append(out, t.text)
	}
	return out
}

func (c *compiler) retry(v *val, id string, limit int) retry {
	r := retry{limit: limit}
	c.object(v, id,
		opt("limit", func(v *val) { r.limit = c.int(v, 0, 5) }),
		opt("say", func(v *val) {
			if v.kind == kList && len(v.list) > 0 { // one say a round
				for i, e := range v.list {
					r.say = append(r.say, c.say(e, id+"."+strconv.Itoa(i+1)))
				}
				return
			}
			r.say = append(r.say, c.say(v, id+".1"))
		}),
		opt("then", func(v *val) { r.then = c.thenTarget(v) }))
	return r
}

type replyKind uint8

const (
	replyNode   replyKind = iota // triggered by what was heard
	replyRoute                   // by a condition only
	replyKey                     // by a key
	replyGlobal                  // by its name
	replyBare                    // by nothing: what then
)

func (c *compiler) replies(v *val, id string, k replyKind) []*reply {
	if v.kind != kList || len(v.list) == 0 {
		c.add(v, "start each with a dash: `- intent: affirm`", "replies are a list")
		return nil
	}
	out := make([]*reply, 0, len(v.list))
	for i, e := range v.list {
		out = append(out, c.reply(e, id+"."+strconv.Itoa(i+1), k))
	}
	return out
}

func (c *compiler) reply(v *val, id string, k replyKind) *reply {
	r := &reply{id: id, at: v}
	var tone *val
	first := len(c.says)
	if v.kind == kText && k == replyBare { // `then: node`
		r.to = c.gotoTarget(v)
		return r
	}
	exp := nlu.Expectation{}
	ways := 0
	fields := []field{
		opt("say", func(v *val) { r.say = c.say(v, id) }),
		opt("tone", func(v *val) { tone = v }),
		opt("set", func(v *val) { r.set = c.settings(v, id) }),
		opt("do", func(v *val) { r.do = c.actions(v, id) }),
		opt("goto", func(v *val) { r.to = c.gotoTarget(v); ways++ }),
		opt("end", func(v *val) { r.to = c.endTarget(v); ways++ }),
		opt("transfer", func(v *val) { r.to = target{goal: toTransfer, at: v, over: c.handover(v)}; ways++ }),
	}
	if k != replyBare && k != replyKey {
		fields = append(fields, opt("when", func(v *val) { r.when = c.cond(v) }))
	}
	if k == replyNode || k == replyGlobal {
		fields = append(fields,
			opt("keywords", func(v *val) { exp.Keywords = c.keywords(v) }),
			opt("examples", func(v *val) { exp.Examples = c.examples(v) }))
	}
	if k == replyNode {
		fields = append(fields,
			opt("intent", func(v *val) {
				for _, t := range c.texts(v) {
					r.intents = append(r.intents, nlu.Intent(c.name(t)))
				}
			}),
			opt("slot", func(v *val) {
				if refs := c.slotRefs(v); len(refs) == 1 {
					r.slot = refs[0]
				}
			}),
			opt("any", func(v *val) { r.any = c.bool(v) }))
	}
	c.object(v, "a reply", fields...)
	c.toned(first, tone)
	if ways > 1 {
		c.add(v, "keep one", "a reply leads to one place: goto, end or transfer")
	}
	if k == replyRoute && ways == 0 {
		c.add(v, "add `goto:`", "this entry leads nowhere")
	}
	if k == replyNode {
		c.trigger(r, &exp, v)
	}
	if len(exp.Keywords)+len(exp.Examples) > 0 || len(r.intents) > 0 {
		r.expect = &exp
	}
	return r
}

// trigger completes what a node's reply reacts to.
func (c *compiler) trigger(r *reply, exp *nlu.Expectation, v *val) {
	if len(r.intents) == 0 && len(exp.Keywords)+len(exp.Examples) > 0 {
		r.intents = []nlu.Intent{nlu.Intent(strings.ReplaceAll(r.id, ".", "_"))}
	}
	if len(r.intents) == 0 && r.slot == "" && !r.any {
		c.add(v, "add `intent:`, `keywords:`, `slot:` or `any: true`", "nothing triggers this reply")
	}
	if len(r.intents) > 0 {
		exp.Intent = r.intents[0]
	}
	if len(r.intents) > 1 && len(exp.Keywords)+len(exp.Examples) > 0 {
		c.add(v, "give each intent a reply of its own", "keywords and examples belong to one intent")
	}
	for _, i := range r.intents {
		e := nlu.Expectation{Intent: i, Keywords: exp.Keywords, Examples: exp.Examples}
		_, global := c.s.globals[i]
		_, objection := c.s.objections[i]
		if !c.knownIntent(e) && !global && !objection {
			c.add(v, didYouMean(string(i), builtinIntents()), "intent %q has neither keywords nor examples and is not one that everybody knows", i)
		}
		if urgent(i) {
			c.add(v, "remove this reply; change the words under `lines:`", "%q is decided by the engine, so that it works at every node", i)
		}
	}
}

func (c *compiler) gotoTarget(v *val) target {
	s := c.text(v)
	switch s {
	case "return":
		return target{goal: toReturn, at: v}
	case "repeat":
		return target{goal: toRepeat, at: v}
	case "stay":
		return target{goal: toStay, at: v}
	}
	return target{goal: toNode, node: c.nodeRef(v), at: v}
}

// thenTarget: `then: node`, `then: {end: ...}` or `then: {transfer: ...}`.
func (c *compiler) thenTarget(v *val) target {
	if v.kind == kText {
		return c.gotoTarget(v)
	}
	t := target{at: v}
	c.object(v, "then",
		opt("goto", func(v *val) { t = c.gotoTarget(v) }),
		opt("end", func(v *val) { t = c.endTarget(v) }),
		opt("transfer", func(v *val) { t = target{goal: toTransfer, at: v, over: c.handover(v)} }))
	if t.goal == toStay {
		c.add(v, "write `then: node` or `then: {end: completed}`", "this leads nowhere")
	}
	return t
}

func endings() []string {
	return []string{string(campaign.Completed), string(campaign.OptedOut), string(campaign.Complaint), string(campaign.NotUnderstood), string(campaign.NoInput)}
}

func (c *compiler) endTarget(v *val) target {
	t := target{goal: toEnd, at: v, end: End{Disposition: campaign.Completed}}
	if v.kind == kText {
		t.end.Disposition = campaign.Disposition(c.oneOf(v, "disposition", endings()...))
		return t
	}
	if v.kind == kBool && v.text == "true" {
		return t
	}
	c.object(v, "end",
		opt("disposition", func(v *val) { t.end.Disposition = campaign.Disposition(c.oneOf(v, "disposition", endings()...)) }),
		opt("reason", func(v *val) { t.end.Reason = c.name(v) }))
	return t
}

func (c *compiler) settings(v *val, id string) []setting {
	if v.kind != kMap {
		c.add(v, "write `set: {signed: \"yes\"}`", "set is a mapping of slot to value")
		return nil
	}
	var out []setting
	for _, e := range v.keys {
		if _, ok := c.s.slots[e.key.text]; !ok {
			c.add(e.key, didYouMean(e.key.text, keysOf(c.s.slots)), "unknown slot %q", clip(e.key.text, 40))
			continue
		}
		c.text(e.v)
		t := c.parseTemplate(e.v, id+".set")
		if !t.sure {
			c.add(e.v, "add a fallback: {{name ?? none}}", "the value may be unknown when it is set")
		}
		out = append(out, setting{e.key.text, t})
	}
	return out
}

func actionKinds() []string {
	return []string{"tag", "opt_out", "ticket", "callback", "webhook", "sms", "grade", "unlock"}
}

// actions reads `do:`, a list of one-key mappings: `- tag: interested`.
func (c *compiler) actions(v *val, id string) []doing {
	if v.kind != kList {
		c.add(v, "write `do: [{tag: interested}]`", "do is a list of actions")
		return nil
	}
	var out []doing
	for _, e := range v.list {
		if e.kind != kMap || len(e.keys) != 1 {
			c.add(e, "write `- tag: interested`", "an action is one name and one value")
			continue
		}
		k := e.keys[0]
		if !has(actionKinds(), k.key.text) {
			c.add(k.key, didYouMean(k.key.text, actionKinds()), "unknown action %q", clip(k.key.text, 40))
			continue
		}
		c.text(k.v)
		t := c.parseTemplate(k.v, id+".do")
		if k.key.text == "grade" {
			c.oneOf(k.v, "grade", "A", "B", "C", "D", "E", "F")
		}
		if _, ok := c.s.unlocks[k.v.text]; k.key.text == "unlock" && !ok {
			c.add(k.v, didYouMean(k.v.text, keysOf(c.s.unlocks)), "unlock %q is not declared under `unlocks:` with its condition", clip(k.v.text, 40))
		}
		out = append(out, doing{k.key.text, t})
	}
	return out
}

// keysOf reads a DTMF map: `keys: {"1": node, "9": {end: completed}}`.
func (c *compiler) keysOf(v *val, id string) map[string]*reply {
	out := map[string]*reply{}
	if v.kind != kMap {
		c.add(v, "write `keys: {\"1\": node}`", "keys are a mapping of key to reply")
		return out
	}
	for _, e := range v.keys {
		k := e.key.text
		if len(k) != 1 || !strings.Contains("0123456789*#", k) {
			c.add(e.key, `write one of "0" to "9", "*" or "#", in quotes`, "%q is not a key of a phone", clip(k, 10))
			continue
		}
		if e.v.kind == kText && (e.v.text == "stop" || e.v.text == "human" || e.v.text == "complaint") {
			out[k] = &reply{id: id + "." + k, at: e.v, intents: []nlu.Intent{nlu.Intent(e.v.text)}}
			continue
		}
		if e.v.kind == kText {
			out[k] = &reply{id: id + "." + k, at: e.v, to: c.gotoTarget(e.v)}
			continue
		}
		out[k] = c.reply(e.v, id+"."+k, replyKey)
	}
	return out
}
