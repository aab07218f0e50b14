package check

import (
	"fmt"

	"ringmaster/internal/dialogue"
)

// models looks at what a language model is given at a node: whatever is in its
// facts it may say.
func (c *checker) models() {
	for i := range c.b.script.Nodes {
		n := &c.b.script.Nodes[i]
		if n.Compose == nil || len(c.x.at[i]) == 0 {
			continue
		}
		for _, f := range n.Compose.Facts {
			c.fact(i, n, f)
		}
		c.noBlank(i, n)
	}
}

func (c *checker) fact(node int, n *dialogue.NodeModel, f dialogue.VariantModel) {
	lex := c.b.script.Lexicon
	if w, ok := holds(f.Text, []string{"录音", "錄音", "recorded", "recording"}); ok {
		c.composes(node, n, Model, f.Text, "remove it: the notice is said by the engine, word for word", fmt.Sprintf("a fact for the language model speaks of the notice (%s): it is never left to a model", quoted(w)))
	}
	if p, ok := lex.Banned(f.Text); ok {
		c.composes(node, n, Banned, f.Text, instead(p), quoted(p.Text)+" is never said"+because(p.Why)+"; it stands in a fact for the language model")
	}
	if p, ok := lex.Vague(f.Text); ok {
		c.composes(node, n, Vague, f.Text, instead(p), quoted(p.Text)+" is too vague"+because(p.Why)+"; it stands in a fact for the language model")
	}
	if t, p := lex.Tone(f.Text); c.m.over(t) != 0 {
		c.composes(node, n, Tone, f.Text, "leave it out", fmt.Sprintf("%s in a fact for the language model is %s, which is over a segment's ceiling", quoted(p.Text), t))
	}
	for _, words := range c.b.offers(f.Text) {
		c.composes(node, n, Offer, f.Text, "name the offer under `offers:` of the node, so that only its tiers hear it", quoted(words)+" are the words of an offer; they stand in a fact for the language model")
	}
}

// noBlank: with no fact at all the model has nothing that it may say.
func (c *checker) noBlank(node int, n *dialogue.NodeModel) {
	if len(n.Compose.Facts) == 0 {
		c.composes(node, n, Model, "", "add `facts:`", fmt.Sprintf("node %q hands the turn to a language model without a single fact", n.ID))
	}
}

func (c *checker) composes(node int, n *dialogue.NodeModel, rule Rule, words, suggest, text string) {
	at := c.b.place(n.Compose.Fallback.At)
	for _, b := range c.b.written.Bounds {
		if b.What == "compose" && b.Owner == n.ID {
			at = c.b.place(b.Owned)
		}
	}
	f := Finding{Rule: rule, File: at.file, Line: at.line, Column: at.col, Node: n.ID, Text: text, Suggest: suggest}
	f.Path = append(c.m.pathOf(c.x.at[node][0]), Step{Who: "them", Text: "（别的什么）", Node: n.ID})
	if words != "" {
		f.Path = append(f.Path, Step{Who: "us", Text: "（模型）" + clip(words, 100), Node: n.ID})
	}
	c.out.add(f, f.Text)
}
