package check

import (
	"fmt"

	"ringmaster/internal/dialogue"
)

// bounds: every loop of the script has a bound that its text names. The engine
// has one for each in any case; but a number that nobody has written is one
// that nobody has decided, and a change of the default would change the
// script.
func (c *checker) bounds() {
	for _, b := range c.b.written.Bounds {
		if b.Written {
			continue
		}
		switch {
		case b.Owner != "" && b.What == "depth":
			c.unbounded(b, c.objectionLoop(b.Owner), fmt.Sprintf("objection %q may be raised again and again: nothing in the script says how often it is answered", b.Owner), "add `depth: 2`")
		case b.What == "compose":
			c.unbounded(b, c.modelLoop(b.Owner), fmt.Sprintf("node %q hands the turn to a language model again and again: nothing in the script says how often", b.Owner), "add `turns: 3`")
		case b.Owner != "":
			c.unbounded(b, c.retryLoop(b.Owner, b.What), fmt.Sprintf("node %q asks again and again: nothing in the script says how often", b.Owner), "add `limit: 2`")
		default:
			c.unboundedScript(b)
		}
	}
}

func (c *checker) unbounded(b dialogue.Bound, path []Step, text, suggest string) {
	at := c.b.place(b.At)
	f := Finding{Rule: Loop, File: at.file, Line: at.line, Column: at.col, Text: text, Suggest: suggest, Path: path}
	if b.What != "depth" {
		f.Node = b.Owner
	}
	c.out.add(f, f.Text)
}

func (c *checker) unboundedScript(b dialogue.Bound) {
	var path []Step
	var text, suggest string
	switch b.What {
	case "turns":
		text, suggest = "the customer may keep the conversation going for ever: nothing in the script bounds its turns", "add `turns: 30` to `limits:`"
		path = c.globalLoop("hold_on")
	case "visits":
		path, text = c.circleOf()
		suggest = "add `visits: 4` to `limits:`"
	case "objections":
		if len(c.b.script.Objections) == 0 {
			return
		}
		text, suggest = "objections may go on for ever: nothing in the script bounds how many are answered in all", "add `objections: 4` to `limits:`"
		path = c.objectionLoop(c.b.script.Objections[0].Name)
	case "no_match":
		text, suggest = "what is not understood is asked for again and again: nothing in the script says how often", "add `no_match: 2` to `limits:`"
		path = c.retryLoop("", b.What)
	case "silence":
		text, suggest = "silence is answered again and again: nothing in the script says how often", "add `silence: 2` to `limits:`"
		path = c.retryLoop("", b.What)
	}
	if len(path) > 0 {
		c.unbounded(b, path, text, suggest)
	}
}

// first state of an author's node; any when node is empty.
func (c *checker) first(node string) *state {
	for _, s := range c.x.states {
		if n := c.m.nodes[s.node]; n.id == node || node == "" && !n.engine {
			return s
		}
	}
	return nil
}

// round shows a loop: the path to a state, and twice what goes round.
func (c *checker) round(s *state, again ...Step) []Step {
	if s == nil {
		return nil
	}
	out := append(c.m.pathOf(s), again...)
	out = append(out, again...)
	return append(out, Step{Who: "note", Text: "and so on", Node: c.m.nodes[s.node].id})
}

func (c *checker) globalLoop(intent string) []Step {
	s := c.first("")
	if s == nil {
		return nil
	}
	for _, e := range c.m.nodes[s.node].edges {
		if e.kind == byGlobal && e.intent == intent && !e.never {
			return c.round(s, append([]Step{c.m.them(s, e)}, c.m.us(saidBy(e, s.node))...)...)
		}
	}
	return c.round(s, Step{Who: "them", Text: "稍等", Node: c.m.nodes[s.node].id})
}

func saidBy(e *edge, node int) []said {
	var out []said
	for _, u := range e.says {
		out = append(out, said{u: u, node: node})
	}
	return out
}

func (c *checker) objectionLoop(name string) []Step {
	for _, s := range c.x.states {
		for _, e := range c.m.nodes[s.node].edges {
			if e.kind == byObjection && e.id == "objection."+name+".1" && e.taken && !e.never && !c.m.nodes[s.node].engine {
				return c.round(s, append([]Step{c.m.them(s, e)}, c.m.us(saidBy(e, s.node))...)...)
			}
		}
	}
	return c.round(c.first(""))
}

func (c *checker) retryLoop(node, what string) []Step {
	s := c.first(node)
	if s == nil {
		return nil
	}
	n := c.m.nodes[s.node]
	them, asks := "（听不懂的话）", "no_match"
	if what == "silence" {
		them, asks = "（没有说话）", "silence"
	}
	again := []Step{{Who: "them", Text: them, Node: n.id}}
	said := false
	for _, e := range n.edges {
		if (e.kind == bySilence) == (what == "silence") && (e.kind == bySilence || e.kind == byNoMatch) && len(e.says) > 0 {
			again, said = append(again, c.m.us(saidBy(e, s.node))...), true
			break
		}
	}
	if !said {
		again = append(again, Step{Who: "us", Text: c.b.line(asks), Node: n.id})
	}
	return c.round(s, again...)
}

func (c *checker) modelLoop(node string) []Step {
	s := c.first(node)
	if s == nil {
		return nil
	}
	for _, e := range c.m.nodes[s.node].edges {
		if e.id == c.m.nodes[s.node].id+".compose" {
			return c.round(s, append([]Step{c.m.them(s, e)}, c.m.us(saidBy(e, s.node))...)...)
		}
	}
	return c.round(s)
}

// circleOf finds nodes that lead back to each other, and shows one round.
func (c *checker) circleOf() ([]Step, string) {
	for _, s := range c.x.states {
		if c.m.nodes[s.node].engine {
			continue
		}
		if way := c.back(s); way != nil {
			out := c.m.pathOf(s)
			for _, l := range way {
				out = append(out, c.m.exchange(l.from, l.via, l.said)...)
			}
			out = append(out, Step{Who: "note", Text: "and so on", Node: c.m.nodes[s.node].id})
			return out, fmt.Sprintf("node %q leads back to itself: nothing in the script bounds how often it is visited", c.m.nodes[s.node].id)
		}
	}
	return nil, ""
}

// hop is a link with the state that it leaves.
type hop struct {
	link
	from *state
}

// back is a shortest way from a state to its own node by what the author
// wrote, entering it anew; nil when there is none.
func (c *checker) back(s *state) []hop {
	type visit struct {
		via  hop
		prev int
	}
	seen := map[*state]bool{}
	trail := []visit{}
	queue := []int{}
	push := func(from *state, prev int) {
		for _, l := range from.next {
			if !l.moved || l.via == nil || !l.via.author || seen[l.to] && l.to.node != s.node {
				continue
			}
			seen[l.to] = true
			trail = append(trail, visit{hop{l, from}, prev})
			queue = append(queue, len(trail)-1)
		}
	}
	push(s, -1)
	for len(queue) > 0 && len(trail) < 20_000 {
		i := queue[0]
		queue = queue[1:]
		if trail[i].via.to.node == s.node {
			var out []hop
			for ; i >= 0; i = trail[i].prev {
				out = append([]hop{trail[i].via}, out...)
			}
			return out
		}
		push(trail[i].via.to, i)
	}
	return nil
}
