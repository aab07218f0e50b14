package check

import (
	"fmt"
	"slices"
	"strings"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// everywhere gives every node that listens what can happen there: its own
// replies, then what every node understands.
func (b *builder) everywhere() {
	for i := range b.script.Nodes {
		n := &b.script.Nodes[i]
		if !n.Listens {
			continue
		}
		out := b.m.nodes[i]
		out.edges = append(out.edges, b.replies(n)...)
		out.edges = append(out.edges, b.keys(n)...)
		out.edges = append(out.edges, b.objections(n)...)
		out.edges = append(out.edges, b.globals(n)...)
		out.edges = append(out.edges, b.anything(n)...)
		out.edges = append(out.edges, b.composes(n)...)
		out.edges = append(out.edges, b.retries(n)...)
	}
	// What was heard while the notice was being said is answered after it.
	for _, e := range b.globals(&dialogue.NodeModel{}) {
		switch e.intent {
		case "busy", "callback", "wrong_person", "not_interested", "abuse":
			b.m.loose = append(b.m.loose, e)
		}
	}
}

// replies of a node that something heard triggers.
func (b *builder) replies(n *dialogue.NodeModel) []*edge {
	var out []*edge
	fills := b.slotsOf(n.Slots)
	for i := range n.Replies {
		r := &n.Replies[i]
		if len(r.Intents) == 0 && r.Slot == "" {
			continue
		}
		intents := r.Intents
		if len(intents) == 0 {
			intents = []nlu.Intent{""}
		}
		seen := map[string]bool{}
		for _, intent := range intents {
			not, never, key := b.before(n.Replies[:i], r, intent)
			if seen[key] {
				continue
			}
			seen[key] = true
			e := b.reply(r, n.ID, n.Engine, byIntent)
			e.intent, e.not, e.never, e.leads, e.fills = string(intent), not, never, true, fills
			if intent == "" || intent == "busy" || intent == "callback" {
				e.fills = b.later(fills)
			}
			e.them = b.words(r, intent)
			if r.Slot != "" {
				e.kind, e.hears = bySlot, b.slotsOf([]string{r.Slot})
				e.never = e.never || !slices.Contains(n.Slots, r.Slot)
			}
			out = append(out, e)
		}
	}
	return out
}

// before: replies that the same words would trigger first.
func (b *builder) before(earlier []dialogue.ReplyModel, r *dialogue.ReplyModel, intent nlu.Intent) (not []*cond, never bool, key string) {
	for i := range earlier {
		q := &earlier[i]
		heard := len(q.Intents) > 0 && q.Slot == "" && intent != "" && slices.Contains(q.Intents, intent) ||
			q.Slot != "" && q.Slot == r.Slot && (len(q.Intents) == 0 || intent != "" && slices.Contains(q.Intents, intent))
		if !heard {
			continue
		}
		if q.When == "" {
			return nil, true, "never"
		}
		if c := b.conds.of(q.When); c != nil {
			not = append(not, c)
			key += q.When + "\x00"
		}
	}
	return not, false, key
}

// later: a time to call back may be named whatever else is said.
func (b *builder) later(fills []int) []int {
	return append(slices.Clone(fills), b.slotsOf([]string{"callback_at"})...)
}

func (b *builder) slotsOf(names []string) []int {
	var out []int
	for _, name := range names {
		if i, ok := b.m.tab.find("slots." + name); ok {
			out = append(out, i)
		}
	}
	return out
}

// consumed: the node's own replies that would take the intent.
func (b *builder) consumed(n *dialogue.NodeModel, intent nlu.Intent) (not []*cond, never bool) {
	not, never, _ = b.before(n.Replies, &dialogue.ReplyModel{}, intent)
	return not, never
}

// anything: `any: true`.
func (b *builder) anything(n *dialogue.NodeModel) []*edge {
	var out []*edge
	var not []*cond
	never := false
	for i := range n.Replies {
		r := &n.Replies[i]
		if !r.Any {
			continue
		}
		e := b.reply(r, n.ID, n.Engine, byAnything)
		e.them, e.leads, e.fills, e.never = "（别的什么）", true, b.later(b.slotsOf(n.Slots)), never
		e.not = slices.Clone(not)
		if c := b.conds.of(r.When); c != nil {
			not = append(not, c)
		} else if r.When == "" {
			never = true
		}
		out = append(out, e)
	}
	return out
}

// composes: what a node's own replies do not answer goes to a language model.
// What it says cannot be known; what it may lead to can.
func (b *builder) composes(n *dialogue.NodeModel) []*edge {
	k := n.Compose
	if k == nil {
		return nil
	}
	at := b.place(k.Fallback.At)
	fills := b.later(b.slotsOf(n.Slots))
	out := []*edge{{id: n.ID + ".compose", kind: byAnything, author: true, counts: -1, them: "（别的什么，模型没有合用的话）", at: at, fills: fills, says: []*utter{b.utter(&k.Fallback, n.ID, n.Engine)}}}
	for _, i := range k.Intents {
		out = append(out, &edge{id: n.ID + ".compose." + string(i), kind: byAnything, author: true, leads: true, counts: -1, at: b.place(k.To[i].At), fills: fills,
			them: "（别的什么，模型听作 " + string(i) + "）", to: b.target(k.To[i])})
	}
	return append(out, &edge{id: n.ID + ".compose.then", kind: byAnything, author: true, leads: true, counts: -1, at: b.place(k.Then.At), fills: fills,
		them: "（别的什么，模型的轮数用完）", to: b.target(k.Then)})
}

func (b *builder) keys(n *dialogue.NodeModel) []*edge {
	var out []*edge
	own := map[string]bool{}
	for i := range n.Keys {
		own[keyOfReply(n.Keys[i].ID)] = true
		out = append(out, b.key(&n.Keys[i], n.ID, n.Engine))
	}
	for i := range b.script.Keys {
		if !own[keyOfReply(b.script.Keys[i].ID)] {
			out = append(out, b.key(&b.script.Keys[i], n.ID, false))
		}
	}
	return out
}

func keyOfReply(id string) string { return id[strings.LastIndexByte(id, '.')+1:] }

func (b *builder) key(r *dialogue.ReplyModel, node string, engine bool) *edge {
	e := b.reply(r, node, engine, byKey)
	e.them, e.leads = "（按"+keyOfReply(r.ID)+"）", true
	if len(r.Intents) > 0 {
		e.leads = false
		e.to = target{goal: toEnd, at: e.at}
		if r.Intents[0] == "human" {
			e.to = target{goal: toTransfer, failed: b.handover, at: e.at}
		}
	}
	return e
}

func (b *builder) objections(n *dialogue.NodeModel) []*edge {
	var out []*edge
	for i := range b.script.Objections {
		o := &b.script.Objections[i]
		not, never := b.consumed(n, o.Intent)
		id := "objection." + o.Name
		var rounds []*edge
		with := func(e *edge) {
			e.prior = rounds[:len(rounds):len(rounds)]
			if e.kind == byObjection {
				rounds = append(rounds, e)
			}
			e.intent, e.not, e.never, e.author = string(o.Intent), not, never, true
			e.them, e.fills, e.at = b.samples[o.Intent], b.slotsOf(n.Slots), b.objectionAt(o)
			out = append(out, e)
		}
		for k := range min(len(o.Rounds), o.Depth, b.m.limits.objections) {
			e := &edge{id: fmt.Sprint(id, ".", k+1), kind: byObjection, counts: -1, to: b.target(o.To), leads: o.To.Goal != "stay" && o.To.Goal != "repeat" && o.To.Goal != "return"}
			e.set, e.do = b.settings(o.Set), b.actions(o.Do, id, b.objectionAt(o))
			e.says = []*utter{b.utter(&o.Rounds[k], n.ID, false)}
			if v, ok := b.m.tab.find("objections"); ok {
				e.counts = v
			}
			with(e)
		}
		e := &edge{id: id + ".worn_out", kind: byWornOut, counts: -1, to: b.target(o.Worn)}
		if o.WornSay != nil {
			e.says = []*utter{b.utter(o.WornSay, n.ID, false)}
		}
		if e.to.goal == stay {
			e.to.goal = toEnd
		}
		with(e)
	}
	return out
}

func (b *builder) objectionAt(o *dialogue.ObjectionModel) place {
	for _, w := range b.written.Bounds {
		if w.What == "depth" && (w.Owner == o.Name) {
			return b.place(w.Owned)
		}
	}
	if len(o.Rounds) > 0 {
		return b.place(o.Rounds[0].At)
	}
	return place{}
}

func (b *builder) globals(n *dialogue.NodeModel) []*edge {
	var out []*edge
	for i := range b.script.Globals {
		r := &b.script.Globals[i]
		intent := r.Intents[0]
		not, never := b.consumed(n, intent)
		for j := range b.script.Objections {
			never = never || b.script.Objections[j].Intent == intent
		}
		e := b.reply(r, n.ID, !b.written.Globals[string(intent)], byGlobal)
		e.intent, e.not, e.never = string(intent), not, never
		e.them, e.fills = b.samples[intent], b.slotsOf(n.Slots)
		if intent == "busy" || intent == "callback" {
			e.fills = b.later(e.fills)
		}
		out = append(out, e)
	}
	human := &edge{id: "human", kind: byGlobal, intent: "human", counts: -1, them: "转人工", to: target{goal: toTransfer, failed: b.handover}}
	return append(out, human)
}

// retries: silence, and what is not understood.
func (b *builder) retries(n *dialogue.NodeModel) []*edge {
	var out []*edge
	always := slices.ContainsFunc(n.Replies, func(r dialogue.ReplyModel) bool { return r.Any && r.When == "" })
	always = always || n.Compose != nil
	keys := len(n.Keys) > 0 || len(b.script.Keys) > 0 || len(n.Slots) > 0
	for _, x := range []struct {
		r     *dialogue.RetryModel
		kind  edgeKind
		them  string
		name  string
		never bool
	}{
		{&n.Silence, bySilence, "（没有说话）", ".silence", false},
		{&n.NoMatch, byNoMatch, "（听不懂的话）", ".no_match", always && !keys},
	} {
		var rounds []*edge
		for k := range x.r.Limit {
			e := &edge{id: fmt.Sprint(n.ID, x.name, ".", k+1), kind: x.kind, author: !n.Engine, counts: -1, them: x.them, never: x.never, at: b.retryAt(n, x.r), prior: rounds[:k:k]}
			if k < len(x.r.Say) {
				e.says = []*utter{b.utter(&x.r.Say[k], n.ID, n.Engine)}
			}
			rounds = append(rounds, e)
		}
		out = append(out, rounds...)
		if x.r.Then.Goal != "stay" {
			out = append(out, &edge{id: n.ID + x.name + ".then", kind: x.kind, author: !n.Engine, counts: -1, them: x.them, never: x.never,
				at: b.retryAt(n, x.r), to: b.target(x.r.Then), leads: true, prior: rounds})
		}
	}
	return out
}

func (b *builder) retryAt(n *dialogue.NodeModel, r *dialogue.RetryModel) place {
	if n.Engine {
		return place{}
	}
	if r.Then.At.Line > 0 {
		return b.place(r.Then.At)
	}
	if len(r.Say) > 0 {
		return b.place(r.Say[0].At)
	}
	return b.place(n.At)
}

// words are something that a customer might say to trigger the reply.
func (b *builder) words(r *dialogue.ReplyModel, intent nlu.Intent) string {
	if w := sample(r.Keywords, r.Examples); w != "" {
		return w
	}
	if r.Slot != "" && intent == "" {
		if said := b.script.Spoken[r.Slot]; said != "" {
			return said
		}
		return "（说了" + r.Slot + "）"
	}
	return b.samples[intent]
}

// line is what a line of the engine, or the script's own instead of it, says.
func (b *builder) line(name string) string {
	for i := range b.script.Lines {
		if l := &b.script.Lines[i]; l.ID == "line."+name {
			return b.utter(l, "lines", !b.written.Lines[name]).words(b.m)
		}
	}
	return "（" + name + "）"
}

func sample(keywords, examples []string) string {
	for _, e := range append(slices.Clone(examples), keywords...) {
		if !strings.HasPrefix(e, "re:") {
			return e
		}
	}
	return ""
}

// samples are words for every intent: the script's own, else common ones.
func samples(m dialogue.Model) map[nlu.Intent]string {
	out := commonWords()
	put := func(i nlu.Intent, keywords, examples []string) {
		if out[i] == "" {
			out[i] = sample(keywords, examples)
		}
	}
	for _, n := range m.Nodes {
		for _, r := range n.Replies {
			for _, i := range r.Intents {
				put(i, r.Keywords, r.Examples)
			}
		}
	}
	for _, o := range m.Objections {
		put(o.Intent, o.Keywords, o.Examples)
	}
	for _, r := range m.Globals {
		put(r.Intents[0], r.Keywords, r.Examples)
	}
	return out
}

// commonWords are the words with which an intent that everybody knows is said
// most often.
func commonWords() map[nlu.Intent]string {
	return map[nlu.Intent]string{"affirm": "好的", "deny": "不用了", "unsure": "我想想", "busy": "我在忙", "callback": "晚点再打", "price_objection": "太贵了",
		"time_objection": "没时间", "not_interested": "没兴趣", "who_is_this": "你是谁", "are_you_ai": "你是机器人吗", "repeat": "再说一遍", "hold_on": "稍等",
		"wrong_person": "打错了", "already_done": "已经弄好了", "thanks": "谢谢", "goodbye": "再见", "greeting": "你好", "abuse": "（骂人）",
		"stop": "别打了", "complaint": "我要投诉", "human": "转人工"}
}
