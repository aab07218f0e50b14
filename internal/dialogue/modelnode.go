package dialogue

import (
	"slices"
	"strings"

	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
)

func (s *Script) nodeModel(n *node) NodeModel {
	return NodeModel{ID: n.id, At: n.at.place(), Engine: n.id[0] == '_', Say: s.sayOf(n.say), Again: s.sayOf(n.again), KeysSay: s.sayOf(n.keysSay),
		Listens: n.listens(), Protected: n.protected, Aside: n.aside, Expecting: n.expecting, Slots: slices.Clone(n.slots),
		Skip: s.replyModels(n.skip), Route: s.replyModels(n.route), Replies: s.replyModels(n.replies), Keys: s.keyModels(n.keys),
		NoMatch: s.retryModel(n.noMatch), Silence: s.retryModel(n.silence), Set: setModels(n.set), Do: doModels(n.do),
		Compose: s.composeModel(n.compose), Advise: slices.Clone(n.advise), AdviseMax: n.advises, Voice: voiceOf(n), SilenceAfter: n.listen.Silence, Cut: n.listen.MaxSpeech}
}

func (s *Script) composeModel(k *compose) *ComposeModel {
	if k == nil {
		return nil
	}
	m := &ComposeModel{Offers: slices.Clone(k.offers), Turns: k.turns, Intents: slices.Clone(k.order), To: map[nlu.Intent]TargetModel{},
		Then: s.targetModel(k.then), Fallback: s.sayModel(k.fallback)}
	for _, f := range k.facts {
		m.Facts = append(m.Facts, s.variantModel(f, s.info.Language))
	}
	for i, to := range k.intents {
		m.To[i] = s.targetModel(to)
	}
	return m
}

func voiceOf(n *node) string {
	if n.say == nil {
		return ""
	}
	return n.say.voice.String()
}

func (s *Script) replyModels(list []*reply) []ReplyModel {
	var out []ReplyModel
	for _, r := range list {
		out = append(out, s.replyModel(r))
	}
	return out
}

func (s *Script) keyModels(m map[string]*reply) []ReplyModel {
	var out []ReplyModel
	for _, k := range sortedKeys(m) {
		out = append(out, s.replyModel(m[k]))
	}
	return out
}

func (s *Script) replyModel(r *reply) ReplyModel {
	m := ReplyModel{ID: r.id, At: r.at.place(), Intents: slices.Clone(r.intents), Slot: r.slot, Any: r.any, When: r.when.source(), Say: s.sayOf(r.say),
		Set: setModels(r.set), Do: doModels(r.do), To: s.targetModel(r.to)}
	if r.expect != nil {
		m.Keywords, m.Examples = slices.Clone(r.expect.Keywords), slices.Clone(r.expect.Examples)
	}
	return m
}

func (s *Script) objectionModel(i nlu.Intent, o *objection) ObjectionModel {
	m := ObjectionModel{Name: o.name, Intent: i, Depth: o.depth, Set: setModels(o.set), Do: doModels(o.do), To: s.targetModel(o.to), Worn: s.targetModel(o.worn), WornSay: s.sayOf(o.wornBy)}
	for _, r := range o.rounds {
		m.Rounds = append(m.Rounds, s.sayModel(r))
	}
	for _, e := range s.expect {
		if e.Intent == i {
			m.Keywords, m.Examples = slices.Clone(e.Keywords), slices.Clone(e.Examples)
		}
	}
	return m
}

func (s *Script) retryModel(r retry) RetryModel {
	m := RetryModel{Limit: r.limit, Then: s.targetModel(r.then)}
	for _, sy := range r.say {
		m.Say = append(m.Say, s.sayModel(sy))
	}
	return m
}

func (g goal) String() string {
	return [...]string{"stay", "node", "return", "repeat", "end", "transfer"}[g]
}

func (s *Script) targetModel(t target) TargetModel {
	m := TargetModel{Goal: t.goal.String(), Node: t.node, End: t.end, At: t.at.place()}
	if t.over != nil {
		m.Over = &Transfer{Agent: t.over.agent, Queue: t.over.queue, Timeout: t.over.timeout}
		failed := s.targetModel(t.over.failed)
		m.Failed = &failed
	}
	return m
}

func setModels(list []setting) []SetModel {
	var out []SetModel
	for _, x := range list {
		m := SetModel{Slot: x.name, Const: x.t.ahead}
		if x.t.ahead {
			m.Value = x.t.constant()
		}
		out = append(out, m)
	}
	return out
}

func doModels(list []doing) []DoModel {
	var out []DoModel
	for _, x := range list {
		out = append(out, DoModel{Kind: x.kind, Value: x.t.written()})
	}
	return out
}

func (s *Script) sayOf(sy *say) *SayModel {
	if sy == nil {
		return nil
	}
	m := s.sayModel(sy)
	return &m
}

func (s *Script) sayModel(sy *say) SayModel {
	m := SayModel{ID: sy.id, At: sy.at.place(), Protected: sy.protected}
	for _, l := range languages() {
		for _, t := range sy.langs[speech.Language(l)] {
			m.Variants = append(m.Variants, s.variantModel(t, speech.Language(l)))
		}
	}
	return m
}

func (s *Script) variantModel(t *template, lang speech.Language) VariantModel {
	v := VariantModel{ID: t.id, Language: lang, Text: t.written(), Tone: t.tone, Segments: slices.Clone(t.segments), When: t.when.source(),
		Offers: slices.Clone(t.offers), Banned: t.banned}
	for _, p := range t.parts {
		if p.name != "" && !p.offer && !p.hasElse && !has(v.Needs, p.name) {
			if d := s.vars[p.name]; p.slot || d != nil && !d.required && d.def == "" {
				v.Needs = append(v.Needs, p.name)
			}
		}
	}
	return v
}

// written is the template as an author reads it, without formatters.
func (t *template) written() string {
	var b strings.Builder
	for _, p := range t.parts {
		switch {
		case p.offer:
			b.WriteString("{{offer." + p.name + "}}")
		case p.name != "":
			b.WriteString("{{" + p.name + "}}")
		}
		b.WriteString(p.text)
	}
	return b.String()
}
