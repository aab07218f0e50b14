package dialogue

import (
	"slices"
	"strings"
	"time"

	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
)

// compose is a node that may hand the turn to a language model: what its own
// replies do not answer. The model sees the task and the facts; what it says
// is judged (guard.go) before a word of it is heard.
type compose struct {
	task     string
	facts    []*template
	offers   []string
	intents  map[nlu.Intent]target
	order    []nlu.Intent // of the file
	turns    int
	tokens   int
	chars    int
	timeout  time.Duration
	fallback *say
	then     target
}

// Compose asks for the words of this turn from a language model. The answer
// comes back as Input{Composed}; until then nothing is said by this Move.
type Compose struct {
	Prompt  nlu.Prompt
	Timeout time.Duration // then Input{Composed} without a Draft
}

func (c *compiler) composeOf(n *node, v *val) {
	k := &compose{intents: map[nlu.Intent]target{}, turns: 3, tokens: 200, chars: 80, timeout: 2500 * time.Millisecond}
	id := n.id + ".compose"
	c.object(v, "compose",
		must("task", func(v *val) { k.task = clip(c.text(v), 500) }),
		must("facts", func(v *val) {
			for i, t := range c.texts(v) {
				if i == 50 {
					c.add(t, "split the node", "more than 50 facts; no model keeps them apart")
				}
				k.facts = append(k.facts, c.parseTemplate(t, id+".fact"))
			}
		}),
		opt("offers", func(v *val) {
			for _, t := range c.texts(v) {
				if c.s.offers[t.text] == nil {
					c.add(t, didYouMean(t.text, keysOf(c.s.offers)), "there is no offer %q", clip(t.text, 40))
				}
				k.offers = append(k.offers, t.text)
			}
		}),
		opt("intents", func(v *val) { c.composeIntents(k, v) }),
		opt("turns", func(v *val) { k.turns = c.int(v, 1, 10) }),
		opt("tokens", func(v *val) { k.tokens = c.int(v, 20, 1000) }),
		opt("characters", func(v *val) { k.chars = c.int(v, 10, 300) }),
		opt("timeout", func(v *val) { k.timeout = c.duration(v, 500*time.Millisecond, 3*time.Second) }),
		must("fallback", func(v *val) { k.fallback = c.say(v, id+".fallback") }),
		must("then", func(v *val) { k.then = c.thenTarget(v) }))
	n.compose = k
}

func (c *compiler) composeIntents(k *compose, v *val) {
	if v.kind != kMap {
		c.add(v, "write `sign_up: confirm`", "intents are a mapping of intent to node")
		return
	}
	for _, e := range v.keys {
		i := nlu.Intent(c.name(e.key))
		if urgent(i) {
			c.add(e.key, "remove it", "%q is decided by the engine, not by a model", i)
		}
		k.intents[i] = c.thenTarget(e.v)
		k.order = append(k.order, i)
	}
}

// hand gives the turn to a language model; false when the node has none.
func (t *turn) hand() bool {
	n := t.s.nodes[t.st.Node]
	if n == nil || n.compose == nil || t.in.Text == "" {
		return false
	}
	k := n.compose
	if t.st.Composed >= k.turns {
		t.why("the model has had its turns")
		t.follow(k.then)
		return true
	}
	t.st.Composed++
	t.st.Composing = true
	t.st.NoMatch = 0
	t.why(count(t.st.Composed, "the turn goes to a language model, turn"))
	p := nlu.Prompt{Script: t.s.info.ID, Version: t.s.info.Version, Node: n.id, Language: t.st.Language, Task: k.task, Intents: slices.Clone(k.order),
		Said: clip(t.in.Text, 500), MaxChars: k.chars, MaxTokens: k.tokens}
	p.Facts, p.Offers = t.groundsOf(k)
	t.move.Compose = &Compose{Prompt: p, Timeout: k.timeout}
	return true
}

// groundsOf are the facts and the offers that this customer may hear of.
func (t *turn) groundsOf(k *compose) (facts, offers []string) {
	for _, f := range k.facts {
		text, ok := f.render(t.values(t.st.Language))
		if ok && t.s.permitsWords(t.st.Vars, t.st.Segment, text) {
			facts = append(facts, text)
		}
	}
	tier := t.s.tierOf(t.st.Vars, t.st.Segment)
	for _, id := range k.offers {
		if o := t.s.offers[id]; o.allowed(tier) {
			offers = append(offers, o.words(t.st.Language, t.s.info.Language))
		}
	}
	return facts, offers
}

// Outcomes of a composed turn, in Move.Composed; a refusal is "refused: why".
const (
	ComposedSaid   = "said"
	ComposedFailed = "failed" // no answer, or none in its form
)

// composed takes what the model proposes, or that it proposes nothing.
func (t *turn) composed(waiting bool) {
	n := t.s.nodes[t.st.Node]
	if !waiting || n == nil || n.compose == nil || t.st.Phase != Talking {
		t.why("the model's words come too late")
		return
	}
	k := n.compose
	if t.in.Draft == nil {
		t.spare(n, ComposedFailed, "the model gave nothing: "+t.in.Reason)
		return
	}
	d := *t.in.Draft
	facts, offers := t.groundsOf(k)
	text, refused := t.judge(k, d, facts, offers)
	if refused != "" {
		t.spare(n, "refused: "+refused, "the model's words are refused: "+refused)
		return
	}
	t.why("the model's words are in order")
	t.move.Composed = ComposedSaid
	t.st.Words = text
	t.move.Lines = append(t.move.Lines, t.composedLine(n))
	switch to, ok := k.intents[d.Intent]; {
	case ok:
		t.also("intent " + string(d.Intent))
		t.follow(to)
	case d.Done:
		t.follow(k.then)
	}
}

func (t *turn) composedLine(n *node) Line {
	lang := t.st.Language
	return Line{ID: n.id + composeLine, Text: t.st.Words, Hints: t.s.hints(lang, t.st.Words, nil), Language: lang, Voice: t.s.voiceFor(n.say, &t.st, lang)}
}

const composeLine = ".compose"

// spare says the author's words in place of the model's.
func (t *turn) spare(n *node, code, why string) {
	t.why(why)
	t.move.Composed = code
	if !t.say(n.compose.fallback, t.st.Composed-1) {
		t.system("no_match", t.st.Composed-1)
	}
	if t.st.Composed >= n.compose.turns {
		t.follow(n.compose.then)
	}
}

// tidy brings a model's words to one line of plain text.
func tidy(s string) string { return strings.Join(strings.Fields(s), " ") }

func spokenIn(lang speech.Language, r rune) bool {
	switch lang {
	case "en":
		return r < 0x250
	case "ug":
		return r >= 0x600 && r < 0x780
	}
	return r >= 0x3400 && r <= 0x9fff
}
