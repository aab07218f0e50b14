package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// Thresholds, by measurement on the shipped packs and the shared examples
// (TestThresholds prints the table; docs/script-check.md has it).
const (
	// minPhrases is how many keywords and examples an intent of the script's
	// own needs.
	minPhrases = 3
	// near is the similarity of two examples from which on they are the same
	// sentence to an understander.
	near = 0.6
)

// wish is one expected intent with its phrases and where they stand.
type wish struct {
	intent  string
	owner   string
	at      place
	phrases []phrase
}

type phrase struct {
	text    string
	flat    string
	keyword bool
}

// intents: what a node expects must be said in enough ways, and no two things
// that it expects may be said in the same.
func (c *checker) intents() {
	common := map[string]bool{}
	for _, i := range dialogue.CommonIntents() {
		common[i] = true
	}
	shared := c.sharedWishes()
	asked := map[string]bool{}
	few := map[string]bool{}
	j := newJudge()
	for i := range c.b.script.Nodes {
		n := &c.b.script.Nodes[i]
		if n.Engine || !n.Listens {
			continue
		}
		own := c.wishesOf(n)
		for _, w := range own {
			if n := distinct(w.phrases); !common[w.intent] && n > 0 && n < minPhrases {
				c.tooFew(i, w, n)
			}
		}
		c.compare(i, own, shared, j)
		c.apart(i, own, shared, j)
		c.ask(i, own, asked, j)
		c.askCommon(i, n, own)
	}
	for _, w := range shared {
		if n := distinct(w.phrases); !common[w.intent] && n > 0 && n < minPhrases && !few[w.intent] {
			few[w.intent] = true
			c.tooFew(-1, w, n)
		}
	}
}

func (c *checker) tooFew(node int, w wish, n int) {
	but := ""
	if all := len(w.phrases); all > n {
		but = fmt.Sprintf(" that are not the same (of %d)", all)
	}
	f := Finding{Rule: Intent, File: w.at.file, Line: w.at.line, Column: w.at.col, Reply: w.owner, Suggest: "write how customers really say it: short answers and whole sentences",
		Text: fmt.Sprintf("intent %q has %d keywords and examples%s; %d are the least with which it is understood", w.intent, n, but, minPhrases)}
	if node >= 0 && len(c.x.at[node]) > 0 {
		f.Node = c.m.nodes[node].id
		f.Path = append(c.m.pathOf(c.x.at[node][0]), Step{Who: "them", Text: "（" + w.intent + "，换一种说法）", Node: f.Node}, Step{Who: "note", Text: "not understood", Node: f.Node})
	}
	c.out.add(f, f.Text)
}

// distinct counts phrases up to minPhrases; those that an understander hears as
// the same sentence teach it no more than one of them.
func distinct(list []phrase) int {
	n := 0
	for i, p := range list {
		same := slices.ContainsFunc(list[:i], func(q phrase) bool {
			return p.flat != "" && (p.flat == q.flat || !p.keyword && !q.keyword && likeness(p.flat, q.flat) >= near)
		})
		if !same {
			n++
		}
		if n == minPhrases {
			break
		}
	}
	return n
}

func phrasesOf(keywords, examples []string) []phrase {
	var out []phrase
	for _, k := range keywords {
		if !strings.HasPrefix(k, "re:") {
			out = append(out, phrase{k, flat(k), true})
			continue
		}
		out = append(out, phrase{text: k, keyword: true}, phrase{text: k, keyword: true}, phrase{text: k, keyword: true}) // a pattern stands for many
	}
	for _, e := range examples {
		out = append(out, phrase{e, flat(e), false})
	}
	return out
}

func (c *checker) wishesOf(n *dialogue.NodeModel) []wish {
	var out []wish
	for _, r := range n.Replies {
		if len(r.Intents) > 0 && len(r.Keywords)+len(r.Examples) > 0 {
			out = append(out, wish{string(r.Intents[0]), r.ID, c.b.place(r.At), phrasesOf(r.Keywords, r.Examples)})
		}
	}
	return out
}

// sharedWishes are expected at every node: objections and globals.
func (c *checker) sharedWishes() []wish {
	var out []wish
	for i := range c.b.script.Objections {
		o := &c.b.script.Objections[i]
		if len(o.Keywords)+len(o.Examples) > 0 {
			out = append(out, wish{string(o.Intent), "objection." + o.Name, c.b.objectionAt(o), phrasesOf(o.Keywords, o.Examples)})
		}
	}
	for _, g := range c.b.script.Globals {
		if len(g.Keywords)+len(g.Examples) > 0 && c.b.written.Globals[string(g.Intents[0])] {
			out = append(out, wish{string(g.Intents[0]), g.ID, c.b.place(g.At), phrasesOf(g.Keywords, g.Examples)})
		}
	}
	return out
}

// compare the phrases of what is expected at a node with each other.
func (c *checker) compare(node int, own, shared []wish, j *judge) {
	for i, w := range own {
		for _, v := range own[i+1:] {
			c.alike(node, w, v, j)
		}
		for _, v := range shared {
			c.alike(node, w, v, j)
		}
	}
	if node == c.m.start || len(own) == 0 && len(c.x.at[node]) > 0 {
		for i, w := range shared {
			for _, v := range shared[i+1:] {
				c.alike(node, w, v, j)
			}
		}
	}
}

func (c *checker) alike(node int, w, v wish, j *judge) {
	if w.intent == v.intent {
		return
	}
	for _, p := range w.phrases {
		for _, q := range v.phrases {
			same := p.flat != "" && p.flat == q.flat
			if !same && (p.keyword || q.keyword || !j.may() || likeness(p.flat, q.flat) < near) {
				continue
			}
			how := "both are meant by " + quoted(q.text)
			if !same {
				how = quoted(p.text) + " and " + quoted(q.text) + " are the same to an understander"
			}
			j.told[[2]string{min(w.intent, v.intent), max(w.intent, v.intent)}] = true
			c.confused(node, v, q.text, fmt.Sprintf("intents %q (%s) and %q (%s) cannot be told apart: %s", w.intent, w.owner, v.intent, v.owner, how), "give the phrase to one of them")
			return
		}
	}
}

func (c *checker) confused(node int, w wish, words, text, suggest string) {
	f := Finding{Rule: Confusable, File: w.at.file, Line: w.at.line, Column: w.at.col, Reply: w.owner, Text: text, Suggest: suggest}
	if len(c.x.at[node]) > 0 {
		f.Node = c.m.nodes[node].id
		f.Path = append(c.m.pathOf(c.x.at[node][0]), Step{Who: "them", Text: words, Node: f.Node})
	}
	c.out.add(f, f.Text)
}

// maxAsked bounds how many phrases the understander is asked about.
const maxAsked = 20_000

// ask the understander what it makes of every phrase at its node: the words
// with which an intent is described must be understood as that intent.
func (c *checker) ask(node int, own []wish, asked map[string]bool, j *judge) {
	n := c.m.nodes[node]
	if c.opts.Understander == nil || len(c.x.at[node]) == 0 {
		return
	}
	heard := 0 // phrases that each question is compared with
	for _, w := range own {
		heard += len(w.phrases)
	}
	for _, w := range own {
		for _, p := range w.phrases {
			if p.flat == "" || len(asked) >= maxAsked || !j.mayAsk(heard) || asked[n.id+"\x00"+p.text] {
				continue
			}
			asked[n.id+"\x00"+p.text] = true
			if stop, _ := dialogue.FindStop(p.text, c.b.script.Info.Language); stop != dialogue.StopNone {
				continue // a finding of its own
			}
			a, ok := c.understood(n.id, p.text)
			if !ok || a.Intent == nlu.Intent(w.intent) || c.sameWay(node, w.intent, string(a.Intent)) {
				continue
			}
			c.confused(node, w, p.text, fmt.Sprintf("%s is given for intent %q (%s) and understood as %q with %.2f", quoted(p.text), w.intent, w.owner, a.Intent, a.Confidence), "write it otherwise, or give it to that intent")
		}
	}
}

// askCommon: where yes and no are expected, the commonest words for them must
// not be taken by a reply of the node's own.
func (c *checker) askCommon(node int, n *dialogue.NodeModel, own []wish) {
	if c.opts.Understander == nil || len(c.x.at[node]) == 0 || len(own) == 0 {
		return
	}
	for _, r := range n.Replies {
		for _, i := range r.Intents {
			words := commonWords()[i]
			if words == "" || strings.HasPrefix(words, "（") {
				continue
			}
			a, ok := c.understood(n.ID, words)
			if !ok || a.Intent == i || c.sameWay(node, string(i), string(a.Intent)) {
				continue
			}
			for _, w := range own {
				if w.intent == string(a.Intent) {
					c.confused(node, w, words, fmt.Sprintf("%s means %q, which node %q expects (%s), and is understood as %q (%s) with %.2f", quoted(words), i, n.ID, r.ID, a.Intent, w.owner, a.Confidence),
						"take that phrase out of it")
					break
				}
			}
		}
	}
}

// understood asks the understander as a call at the node would; ok is false
// when it does not claim anything.
func (c *checker) understood(node, words string) (nlu.Answer, bool) {
	st := dialogue.State{Script: c.b.script.Info.ID, Version: c.b.script.Info.Version, Language: c.b.script.Info.Language, Phase: dialogue.Talking, Node: node, Disclosed: true}
	q := c.script.Question(st, words)
	q.Now = time.Unix(1_790_000_000, 0).UTC()
	a, err := c.opts.Understander.Understand(context.Background(), q)
	return a, err == nil && a.Intent != "" && (a.Confidence == 0 || a.Confidence >= c.b.script.Limits.Confidence)
}

// sameWay: both intents lead to the same place without a difference that
// matters.
func (c *checker) sameWay(node int, a, b string) bool {
	var ea, eb *edge
	for _, e := range c.m.nodes[node].edges {
		if e.kind == byIntent && e.intent == a && ea == nil {
			ea = e
		}
		if e.kind == byIntent && e.intent == b && eb == nil {
			eb = e
		}
	}
	return ea != nil && eb != nil && ea.to.goal == eb.to.goal && ea.to.node == eb.to.node && len(ea.says) == len(eb.says) && len(ea.do) == len(eb.do)
}

// flat is a phrase without what an understander does not look at.
func flat(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPunct(r) || unicode.IsSpace(r) || unicode.IsSymbol(r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
}

// likeness of two sentences: twice the pairs of neighbouring characters that
// they share, over all (Dice).
func likeness(a, b string) float64 {
	x, y := pairsOf(a), pairsOf(b)
	if len(x)+len(y) == 0 {
		return 0
	}
	shared := 0
	for _, p := range x {
		if i := slices.Index(y, p); i >= 0 {
			shared++
			y[i] = ""
		}
	}
	return 2 * float64(shared) / float64(len(x)+len(y))
}

func pairsOf(s string) []string {
	r := []rune(s)
	var out []string
	for i := 0; i+1 < len(r) && i < 60; i++ {
		out = append(out, string(r[i:i+2]))
	}
	return out
}
