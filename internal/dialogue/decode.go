package dialogue

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/nlu"
)

func (c *compiler) hotwords(v *val) map[string]int {
	out := map[string]int{}
	switch v.kind {
	case kList:
		for _, e := range v.list {
			out[c.text(e)] = 10
		}
	case kMap:
		for _, e := range v.keys {
			out[e.key.text] = c.int(e.v, 1, 100)
		}
	default:
		c.add(v, "write `会员日: 20`", "hotwords are a mapping of phrase to weight (1 to 100), or a list")
	}
	return out
}

func (c *compiler) variables(v *val) {
	if v.kind != kMap {
		c.add(v, "write `name: {type: name}`", "variables are a mapping")
		return
	}
	for _, e := range v.keys {
		d := &variable{name: c.name(e.key), typ: tText}
		at := e.v
		var def *val
		if e.v.kind == kText { // short form: `amount: amount`
			d.typ = varType(c.oneOf(e.v, "type", varTypes()...))
		} else {
			c.object(e.v, "variable "+d.name,
				must("type", func(v *val) { d.typ = varType(c.oneOf(v, "type", varTypes()...)) }),
				opt("required", func(v *val) { d.required = c.bool(v) }),
				opt("hotword", func(v *val) { d.hotword = c.bool(v) }),
				opt("values", func(v *val) {
					for _, t := range c.texts(v) {
						d.values = append(d.values, t.text)
					}
				}),
				opt("format", func(v *val) { d.format = c.formatter(v, c.text(v), d.name, d.typ) }),
				opt("default", func(v *val) { def = v }))
		}
		if d.typ == tEnum && len(d.values) == 0 {
			c.add(at, "add `values: [a, b]`", "variable %q is an enum without values", d.name)
		}
		if def != nil {
			s, err := canonical(d.typ, d.values, def.text)
			if err != nil {
				c.add(def, "", "the default of %q: %v", d.name, err)
			}
			d.def = s
		}
		c.s.vars[d.name] = d
	}
}

func slotKinds() []string {
	return []string{"number", "digits", "amount", "date", "time", "datetime", "age", "grade", "yes_no", "name", "text", "order", "id_card", "bank_card", "phone", "code", "enum"}
}

func (c *compiler) slotDecls(v *val) {
	if v.kind != kMap {
		c.add(v, "write `grade: {kind: grade}`", "slots are a mapping")
		return
	}
	for _, e := range v.keys {
		d := &slotDecl{spec: nlu.SlotSpec{Name: c.name(e.key)}}
		if e.v.kind == kText {
			d.spec.Kind = c.oneOf(e.v, "kind of slot", slotKinds()...)
		} else {
			c.object(e.v, "slot "+d.spec.Name,
				must("kind", func(v *val) { d.spec.Kind = c.oneOf(v, "kind of slot", slotKinds()...) }),
				opt("values", func(v *val) { d.spec.Values = c.enumValues(v) }))
		}
		if d.spec.Kind == "enum" && len(d.spec.Values) == 0 {
			c.add(e.v, "add `values: {maths: [数学, 算术]}`", "slot %q is an enum without values", d.spec.Name)
		}
		if _, ok := c.s.vars[d.spec.Name]; ok {
			c.add(e.key, "give one of them another name", "%q is a variable and a slot", d.spec.Name)
		}
		c.s.slots[d.spec.Name] = d
	}
}

func (c *compiler) enumValues(v *val) map[string][]string {
	out := map[string][]string{}
	if v.kind != kMap {
		c.add(v, "write `{maths: [数学, 算术]}`", "values are a mapping of value to spoken forms")
		return out
	}
	for _, e := range v.keys {
		forms := []string{}
		for _, t := range c.texts(e.v) {
			forms = append(forms, t.text)
		}
		out[e.key.text] = forms
	}
	return out
}

func (c *compiler) limitsOf(v *val) {
	l := &c.s.limits
	c.object(v, "limits",
		opt("turns", func(v *val) { l.turns = c.int(v, 2, 200) }),
		opt("duration", func(v *val) { l.duration = c.duration(v, 10*time.Second, time.Hour) }),
		opt("objections", func(v *val) { l.objections = c.int(v, 0, 20) }),
		opt("visits", func(v *val) { l.visits = c.int(v, 1, 50) }),
		opt("no_match", func(v *val) { l.noMatch = c.int(v, 0, 5) }),
		opt("silence", func(v *val) { l.silence = c.int(v, 0, 5) }),
		opt("silence_after", func(v *val) { l.silenceAfter = c.duration(v, time.Second, time.Minute) }),
		opt("max_speech", func(v *val) { l.maxSpeech = c.duration(v, time.Second, 2*time.Minute) }),
		opt("callback_after", func(v *val) { l.callback = c.duration(v, time.Minute, 30*24*time.Hour) }))
}

func (c *compiler) disclosureOf(v *val) {
	var s *say
	c.object(v, "disclosure",
		must("say", func(v *val) { s = c.say(v, "disclosure") }),
		opt("voice", func(v *val) {
			if s != nil {
				s.voice = c.voice(v, s)
			}
		}))
	if s != nil {
		s.protected, s.notice = true, true
		c.s.disclosure = s
	}
}

func (c *compiler) systemLines(v *val) {
	if v.kind != kMap {
		c.add(v, "", "lines are a mapping")
		return
	}
	for _, e := range v.keys {
		name := e.key.text
		if !c.inBase && c.s.fixed[name] == nil {
			c.add(e.key, didYouMean(name, keysOf(c.s.fixed)), "unknown line %q", clip(name, 40))
			continue
		}
		c.s.lines[name] = c.say(e.v, "line."+name)
	}
}

// urgent intents keep their meaning in every script: only their words may be
// changed, under `lines:`.
func urgent(i nlu.Intent) bool { return i == "stop" || i == "complaint" || i == "human" }

func (c *compiler) globalReplies(v *val) {
	if v.kind != kMap {
		c.add(v, "", "globals are a mapping of intent to reply")
		return
	}
	for _, e := range v.keys {
		i := nlu.Intent(c.name(e.key))
		if urgent(i) {
			c.add(e.key, "change its words under `lines: {"+string(i)+": ...}`", "%q is decided by the engine, so that it works in every script", i)
			continue
		}
		r := c.reply(e.v, "global."+string(i), replyGlobal)
		r.intents = []nlu.Intent{i}
		if r.expect != nil {
			r.expect.Intent = i
		}
		if r.say == nil && r.to.goal == toStay {
			c.add(e.v, "add `say:` or `goto:`", "the global reply %q says nothing and leads nowhere", i)
		}
		c.s.globals[i] = r
	}
}

func (c *compiler) handover(v *val) *handover {
	h := &handover{timeout: 20 * time.Second}
	if v.kind == kBool && v.text == "true" {
		return nil
	}
	c.object(v, "transfer",
		opt("agent", func(v *val) { h.agent = clip(c.text(v), 100) }),
		opt("queue", func(v *val) { h.queue = clip(c.text(v), 100) }),
		opt("timeout", func(v *val) { h.timeout = c.duration(v, 5*time.Second, 5*time.Minute) }),
		opt("failed", func(v *val) { h.failed = c.gotoTarget(v) }))
	if h.agent == "" && h.queue == "" {
		c.add(v, "add `queue: sales`", "a transfer needs an agent or a queue")
	}
	return h
}

func (c *compiler) voicemailOf(v *val) {
	if v.kind == kText {
		c.oneOf(v, "voicemail policy", "hang_up")
		return
	}
	c.object(v, "voicemail", must("say", func(v *val) { c.s.voicemail = c.say(v, "voicemail") }))
}

func (c *compiler) gradesOf(v *val) {
	if v.kind != kList {
		c.add(v, "write `- {grade: A, when: ...}`", "grades are a list")
		return
	}
	for _, e := range v.list {
		g := gradeRule{}
		c.object(e, "grade",
			must("grade", func(v *val) { g.grade = c.oneOf(v, "grade", "A", "B", "C", "D", "E", "F") }),
			opt("when", func(v *val) { g.when = c.cond(v) }))
		c.s.grades = append(c.s.grades, g)
	}
}

func (c *compiler) objectionsOf(v *val) {
	if v.kind != kMap {
		c.add(v, "write `price: {intent: price_objection, say: [...]}`", "objections are a mapping")
		return
	}
	for _, e := range v.keys {
		o := &objection{name: c.name(e.key)}
		id := "objection." + o.name
		exp, first := nlu.Expectation{}, len(c.says)
		var tone *val
		c.object(e.v, "objection "+o.name,
			opt("tone", func(v *val) { tone = v }),
			must("intent", func(v *val) { exp.Intent = nlu.Intent(c.name(v)) }),
			opt("keywords", func(v *val) { exp.Keywords = c.keywords(v) }),
			opt("examples", func(v *val) { exp.Examples = c.examples(v) }),
			must("rounds", func(v *val) {
				if v.kind != kList || len(v.list) == 0 {
					c.add(v, "", "rounds are a list: what is said the first time, the second time ...")
					return
				}
				for i, r := range v.list {
					o.rounds = append(o.rounds, c.say(r, id+"."+strconv.Itoa(i+1)))
				}
			}),
			opt("set", func(v *val) { o.set = c.settings(v, id) }),
			opt("do", func(v *val) { o.do = c.actions(v, id) }),
			opt("depth", func(v *val) { o.depth = c.int(v, 1, 5) }),
			opt("goto", func(v *val) { o.to = c.gotoTarget(v) }),
			opt("worn_out", func(v *val) {
				r := c.reply(v, id+".worn_out", replyBare)
				o.worn, o.wornBy = r.to, r.say
			}))
		c.toned(first, tone)
		if o.depth == 0 {
			o.depth = len(o.rounds)
		}
		if _, ok := c.s.objections[exp.Intent]; ok {
			c.add(e.key, "join the two", "two objections answer the intent %q", exp.Intent)
		}
		if !c.knownIntent(exp) {
			c.add(e.v, didYouMean(string(exp.Intent), builtinIntents()), "intent %q has neither keywords nor examples and is not one that everybody knows", exp.Intent)
		}
		if exp.Intent != "" {
			c.s.objections[exp.Intent] = o
			c.s.expect = append(c.s.expect, exp)
		}
	}
}

// builtinIntents are understood without keywords by every understander.
func builtinIntents() []string {
	return []string{"affirm", "deny", "busy", "callback", "price_objection", "time_objection", "not_interested", "who_is_this", "are_you_ai", "repeat", "human", "stop", "complaint", "abuse", "wrong_person", "thanks", "goodbye", "greeting", "hold_on", "already_done", "unsure"}
}

func (c *compiler) knownIntent(e nlu.Expectation) bool {
	return e.Intent == "" || len(e.Keywords) > 0 || len(e.Examples) > 0 || has(builtinIntents(), string(e.Intent))
}

func (c *compiler) keywords(v *val) []string {
	var out []string
	for _, t := range c.texts(v) {
		if pat, ok := strings.CutPrefix(t.text, "re:"); ok {
			if _, err := regexp.Compile(pat); err != nil || len(pat) > 300 {
				c.add(t, "see https://github.com/google/re2/wiki/Syntax", "not a regular expression: %v", err)
			}
		}
		if strings.TrimSpace(t.text) == "" {
			c.add(t, "", "an empty keyword matches everything")
		}
		if !strings.HasPrefix(t.text, "re:") && strings.ContainsAny(t.text, "，、；【】") {
			c.add(t, "separate keywords by half-width commas and spaces: [改时间, 改天]", "the keyword %q holds a sign that nobody says", clip(t.text, 30))
		}
		out = append(out, t.text)
	}
	return out
}

func (c *compiler) examples(v *val) []string {
	var out []string
	for _, t := range c.texts(v) {
		out = append(out, t.text)
	}
	return out
}
