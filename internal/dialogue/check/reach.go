package check

import (
	"fmt"
	"strings"

	"ringmaster/internal/dialogue"
)

// reached: what no path reaches is a mistake, or was forgotten.
func (c *checker) reached() {
	if c.x.large {
		return
	}
	entered := c.entered()
	for i, n := range c.m.nodes {
		if n.engine {
			continue
		}
		if !entered[i] {
			c.find(Unreachable, n.at, nil, nil, "lead a reply to it, or correct the conditions before it", "node %q is never reached: every way to it has a condition that cannot hold", n.id)
			continue
		}
		c.late(i, n)
		c.repliesOf(i, n)
		c.retriesOf(&c.b.script.Nodes[i])
	}
	c.objectionsReached()
	c.linesReached()
}

// entered nodes, those that do not listen too.
func (c *checker) entered() []bool {
	out := make([]bool, len(c.m.nodes))
	for i := range c.m.nodes {
		out[i] = len(c.x.at[i]) > 0 || c.x.entered[i]
	}
	return out
}

// late: the shortest way to the node takes more turns than the script allows.
func (c *checker) late(i int, n *node) {
	if len(c.x.at[i]) == 0 {
		return
	}
	first := c.x.at[i][0]
	for _, s := range c.x.at[i] {
		if s.depth < first.depth {
			first = s
		}
	}
	if first.depth > c.m.limits.turns {
		f := Finding{Rule: Unreachable, File: n.at.file, Line: n.at.line, Column: n.at.col, Node: n.id, Path: c.m.pathOf(first), Suggest: "raise `limits: {turns: ...}`, or shorten the way",
			Text: fmt.Sprintf("node %q is never reached: the shortest way takes %d turns, and the call ends after %d", n.id, first.depth, c.m.limits.turns)}
		c.out.add(f, f.Text)
	}
}

func (c *checker) repliesOf(i int, n *node) {
	taken, never, order := map[string]bool{}, map[string]bool{}, []*edge{}
	for _, e := range n.ways() {
		if !e.author || e.kind == byObjection || e.kind == byWornOut || e.kind == byGlobal || e.kind == bySilence || e.kind == byNoMatch || e.kind == byKey {
			continue
		}
		if _, ok := taken[e.id]; !ok {
			order = append(order, e)
			never[e.id] = true
		}
		taken[e.id] = taken[e.id] || e.taken
		never[e.id] = never[e.id] && e.never
	}
	for _, e := range order {
		if taken[e.id] {
			continue
		}
		switch {
		case e.kind == bySlot && len(e.hears) > 0 && e.never && !c.listensFor(i, e):
			c.find(Unreachable, e.at, nil, nil, "add the slot to `slots:` of the node", "reply %s is never taken: node %q does not listen for its slot", e.id, n.id)
		case never[e.id]:
			c.find(Unreachable, e.at, nil, nil, "remove it, or put it before the reply that takes the same", "reply %s is never taken: a reply before it takes the same", e.id)
		case e.when != nil:
			c.find(Unreachable, e.whenAt, nil, nil, "correct the condition", "%s is never taken: its condition %s cannot hold here", e.id, quoted(e.when.src))
		default:
			c.find(Unreachable, e.at, nil, nil, "remove it, or correct the conditions before it", "%s is never taken: what stands before it takes everything", e.id)
		}
	}
}

func (c *checker) listensFor(i int, e *edge) bool {
	for _, name := range c.b.script.Nodes[i].Slots {
		if k, ok := c.m.tab.find("slots." + name); ok && len(e.hears) > 0 && k == e.hears[0] {
			return true
		}
	}
	return false
}

// retriesOf: words for a third time where only two are allowed, and keys that
// answer nothing.
func (c *checker) retriesOf(n *dialogue.NodeModel) {
	for _, x := range []struct {
		r    *dialogue.RetryModel
		name string
	}{{&n.Silence, "silence"}, {&n.NoMatch, "no_match"}} {
		for k := x.r.Limit; k < len(x.r.Say); k++ {
			c.find(Unreachable, c.b.place(x.r.Say[k].At), nil, nil, fmt.Sprintf("raise the limit, which is %d", x.r.Limit), "line %d of %s at node %q is never said", k+1, x.name, n.ID)
		}
	}
	if n.KeysSay != nil && len(n.Keys) == 0 && len(c.b.script.Keys) == 0 && n.Expecting != dialogue.ExpectDigits {
		c.find(DeadEnd, c.b.place(n.KeysSay.At), nil, nil, "add `keys:`, or a slot that is typed", "node %q asks for keys when it cannot hear, but no key answers it", n.ID)
	}
}

func (c *checker) objectionsReached() {
	taken := map[string]bool{}
	for _, n := range c.m.nodes {
		for _, e := range n.edges {
			taken[e.id] = taken[e.id] || e.taken
		}
	}
	for i := range c.b.script.Objections {
		o := &c.b.script.Objections[i]
		id := "objection." + o.Name
		if !taken[id+".1"] && c.m.limits.objections > 0 && o.Depth > 0 {
			c.find(Unreachable, c.b.objectionAt(o), nil, nil, "let some node leave the intent to it", "objection %q is never answered: every node takes the intent %q itself", o.Name, string(o.Intent))
			continue
		}
		for k := min(o.Depth, c.m.limits.objections); k < len(o.Rounds); k++ {
			c.find(Unreachable, c.b.place(o.Rounds[k].At), nil, nil, fmt.Sprintf("raise its depth, which is %d, or `limits: {objections: ...}`, which is %d", o.Depth, c.m.limits.objections),
				"round %d of objection %q is never said", k+1, o.Name)
		}
	}
}

// linesReached: wordings that are in a language nobody is spoken to in, or for
// customers who never come there.
func (c *checker) linesReached() {
	offered := map[string]bool{}
	for _, l := range c.m.langs {
		offered[l] = true
	}
	for _, u := range c.b.order {
		if u.engine {
			continue
		}
		silent := map[string]bool{}
		for _, v := range u.all {
			switch {
			case u == c.m.notice:
			case !offered[v.lang] && !silent[v.lang] && c.hasOwn(u):
				silent[v.lang] = true
				c.find(Unreachable, v.at, nil, nil, "write the disclosure in "+v.lang+" too, or remove the line", "%s is never said: no customer is spoken to in %s, because the disclosure is not written in it", v.id, v.lang)
			case !v.said && c.said[u] != nil && offered[v.lang] && !c.out.told(v.at, Tone, Offer, Unset):
				c.find(Unreachable, v.at, nil, nil, "correct its segments, condition or offer", "%s is never said: no customer who comes here may hear it", v.id)
			}
		}
	}
}

func (c *checker) hasOwn(u *utter) bool {
	for _, v := range u.all {
		if v.lang == c.m.own {
			return true
		}
	}
	return false
}

// deadEnds: nodes from which nothing that the customer answers leads to an
// end or to a person; only the engine's limits get him out.
func (c *checker) deadEnds() {
	if c.x.large {
		return
	}
	good := make([]bool, len(c.x.states))
	pred := make([][]int, len(c.x.states))
	var queue []int
	for _, s := range c.x.states {
		for _, l := range s.next {
			if l.on {
				pred[l.to.id] = append(pred[l.to.id], s.id)
			}
		}
		if s.exits {
			good[s.id] = true
			queue = append(queue, s.id)
		}
	}
	for len(queue) > 0 {
		i := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, j := range pred[i] {
			if !good[j] {
				good[j] = true
				queue = append(queue, j)
			}
		}
	}
	told := make([]bool, len(c.x.states))
	for _, s := range c.x.states {
		n := c.m.nodes[s.node]
		if good[s.id] || n.engine || told[s.id] {
			continue
		}
		c.beyond(s, told)
		f := Finding{Rule: DeadEnd, File: n.at.file, Line: n.at.line, Column: n.at.col, Node: n.id, Path: c.m.pathOf(s), Whom: c.m.tab.whom(s.known, c.m.own),
			Suggest: "lead one of its answers on to an `end:` or a `transfer:`",
			Text:    fmt.Sprintf("from node %q no answer leads to an end: %s", n.id, c.answers(n))}
		c.out.add(f, f.Text)
	}
}

// beyond marks what is reached from a dead end: it is part of it.
func (c *checker) beyond(s *state, told []bool) {
	queue := []*state{s}
	told[s.id] = true
	for len(queue) > 0 {
		s, queue = queue[0], queue[1:]
		for _, same := range c.x.at[s.node] {
			told[same.id] = true
		}
		for _, l := range s.next {
			if l.on && !told[l.to.id] {
				told[l.to.id] = true
				queue = append(queue, l.to)
			}
		}
	}
}

// answers of a node, and where they lead.
func (c *checker) answers(n *node) string {
	var out []string
	for _, e := range n.edges {
		if !e.leads || len(out) >= 4 {
			continue
		}
		to := [...]string{"stays", "", "returns", "repeats", "ends", "transfers"}[e.to.goal]
		if e.to.goal == toNode {
			to = "leads to " + c.m.nodes[e.to.node].id
		}
		out = append(out, e.id+" "+to)
	}
	return strings.Join(out, ", ")
}
