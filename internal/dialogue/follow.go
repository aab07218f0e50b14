package dialogue

import "ringmaster/internal/campaign"

// take does what a reply says and goes where it leads.
func (t *turn) take(r *reply) {
	t.move.Reply = r.id
	t.set(r.set)
	t.do(r.do)
	t.say(r.say, t.st.Turns)
	t.follow(r.to)
}

// follow goes on from node to node until one listens or the call ends.
func (t *turn) follow(to target) {
	for range maxHops {
		switch to.goal {
		case toNode:
			to = t.enter(to.node)
		case toReturn:
			node := t.st.Main
			if t.s.nodes[node] == nil {
				node = t.s.start
			}
			to = target{goal: toNode, node: node}
		case toRepeat:
			t.again()
			return
		case toEnd:
			t.finish(to.end)
			return
		case toTransfer:
			t.human(to.over)
			return
		default:
			return
		}
	}
	t.why("the script goes round in a circle")
	t.close("goodbye", campaign.Failed, "script_loop")
}

// enter says a node and gives where it leads at once; stay = it listens.
func (t *turn) enter(id string) target {
	n := t.s.nodes[id]
	if n == nil { // a state of another version
		return target{goal: toEnd, end: End{Disposition: campaign.Failed, Reason: "script_changed"}}
	}
	for _, r := range n.skip {
		if t.holds(r.when) {
			t.because(r)
			t.set(r.set)
			t.do(r.do)
			t.say(r.say, t.st.Turns)
			return r.to
		}
	}
	t.st.Node, t.st.NoMatch, t.st.Silence, t.st.Composed = id, 0, 0, 0
	visits := t.visit(id)
	if visits > t.s.limits.visits {
		return target{goal: toEnd, end: End{Disposition: campaign.Completed, Reason: "loop"}}
	}
	if n.listens() && !n.aside {
		t.st.Main = id
	}
	t.set(n.set)
	t.do(n.do)
	if n.listens() && t.st.Deaf {
		return t.hard(n)
	}
	lines := len(t.move.Lines)
	if !(visits > 1 && n.again != nil && t.say(n.again, visits)) && !t.say(n.say, visits-1) && n.listens() {
		t.withheld(id)
		return target{}
	}
	if len(n.advise) > 0 {
		t.advise(n, lines)
	}
	if n.listens() {
		return target{}
	}
	for _, r := range n.route {
		if t.holds(r.when) {
			if r.when != nil {
				t.because(r)
			}
			t.set(r.set)
			t.do(r.do)
			t.say(r.say, visits-1)
			return r.to
		}
	}
	return target{goal: toEnd, end: End{Disposition: campaign.Failed, Reason: "no_route"}}
}
