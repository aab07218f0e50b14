package check

import "fmt"

// Bounds of the exploration. A script that a person wrote stays far below.
const (
	maxHops   = 16      // nodes passed in one decision, as in the engine
	perNode   = 96      // states of one node that are told apart at most; more are joined
	perScript = 12_000  // states that are told apart before nodes get fewer
	maxStates = 20_000  // in all
	maxWork   = 1 << 20 // nodes entered
)

// state is a node at which the script listens, with what may be true there.
type state struct {
	id    int
	node  int
	main  int // the node to return to; -1: not needed
	f     facts
	known facts // what is known of the customer on this path, for people
	from  *state
	via   *edge
	said  []said
	depth int // times that the customer had the floor
	next  []link
	exits bool // an author's answer ends or transfers from here
}

// link is a way from one state to another.
type link struct {
	to    *state
	via   *edge
	said  []said
	on    bool // by a way that the author gives
	moved bool // a node was entered
}

// said is one thing said on the way.
type said struct {
	u    *utter // nil: a hand-over that did not connect
	node int
	v    *variant // the wording; nil: any
}

// run is a decision in the making.
type run struct {
	from *state
	via  *edge
	f    facts
	main int
	node int // where the conversation stands; -1 before the first node
	said []said
	hops int
	on   bool // by a way that the author gives
}

// explorer walks all paths, shortest first.
type explorer struct {
	m       *machine
	states  []*state
	at      [][]*state // by node
	queue   []*state
	work    int
	widened bool
	large   bool
	hear    *listener
	entered []bool // nodes that were said

	maxStates, perNode int
}

// listener is told what happens on the way.
type listener struct {
	say    func(r *run, u *utter)
	unset  func(r *run, at place, index int, f facts)
	action func(r *run, a action)
	circle func(r *run, n int)
	end    func(r *run)
	over   func(r *run, to target)
}

func explore(m *machine, h *listener) *explorer {
	x := &explorer{m: m, at: make([][]*state, len(m.nodes)), entered: make([]bool, len(m.nodes)), hear: h, maxStates: maxStates, perNode: min(perNode, max(6, perScript/max(1, len(m.nodes))))}
	if n := len(m.tab.vars); n > 100 {
		x.maxStates = max(2000, maxStates*100/n)
	}
	root := &state{id: -1, node: -1, main: -1, f: m.tab.start(), known: m.tab.start()}
	first := run{from: root, f: root.f, main: -1, node: -1, on: true}
	x.follow(first, target{goal: toNode, node: m.start})
	for _, e := range m.loose {
		x.take(root, e)
	}
	for len(x.queue) > 0 && !x.large {
		s := x.queue[0]
		x.queue = x.queue[1:]
		for _, e := range m.nodes[s.node].edges {
			x.take(s, e)
		}
	}
	return x
}

// take follows one edge from a state, under every combination of facts.
func (x *explorer) take(s *state, e *edge) {
	if e.never {
		return
	}
	f := s.f
	for _, i := range e.fills {
		v := x.m.tab.vars[i]
		f = f.with(i, f[i]|v.full()&^v.unset())
	}
	for _, i := range e.hears {
		v := x.m.tab.vars[i]
		f = f.with(i, v.full()&^v.unset())
	}
	f = x.intend(f, e)
	r := run{from: s, via: e, main: s.main, node: s.node, on: e.leads}
	if s.node >= 0 && !x.m.nodes[s.node].aside {
		r.main = s.node
	}
	list := []facts{f}
	for _, c := range e.not {
		var rest []facts
		for _, g := range list {
			for _, o := range c.split(g, nil) {
				if !o.holds {
					rest = append(rest, o.f)
				}
			}
		}
		list = rest
	}
	for _, g := range list {
		r.f = g
		for _, o := range x.test(&r, e.when, e.whenAt) {
			if o.holds {
				x.carry(r, o.f, e)
			}
		}
	}
}

// intend makes the intent known to the conditions of this decision.
func (x *explorer) intend(f facts, e *edge) facts {
	if x.m.intent < 0 {
		return f
	}
	v := x.m.tab.vars[x.m.intent]
	switch e.kind {
	case byIntent, byObjection, byWornOut, byGlobal:
		if m := v.of(e.intent); m != 0 {
			return f.with(x.m.intent, m)
		}
		return f.with(x.m.intent, v.of(other{}))
	case bySilence, byKey, byTransferFailed:
		return f.with(x.m.intent, v.of(""))
	}
	return f.with(x.m.intent, v.full())
}

func (x *explorer) test(r *run, c *cond, at place) []outcome {
	if c == nil {
		return []outcome{{f: r.f, holds: true}}
	}
	return c.split(r.f, func(i int, f facts) { x.hear.unset(r, at, i, f) })
}

// carry does what an edge says and goes where it leads.
func (x *explorer) carry(r run, f facts, e *edge) {
	e.taken = true
	r.f = f
	if e.counts >= 0 {
		r.f = x.count(r.f, e.counts)
	}
	x.apply(&r, e.set, e.do)
	for _, u := range e.says {
		x.utter(&r, u)
	}
	x.follow(r, e.to)
}

func (x *explorer) apply(r *run, set []setting, do []action) {
	for _, s := range set {
		r.f = r.f.with(s.slot, s.m)
	}
	for _, a := range do {
		x.hear.action(r, a)
		if a.tag >= 0 {
			v := x.m.tab.vars[a.tag]
			r.f = r.f.with(a.tag, v.of(true))
		}
	}
}

func (x *explorer) utter(r *run, u *utter) {
	if u == nil {
		return
	}
	x.hear.say(r, u)
	r.said = append(r.said[:len(r.said):len(r.said)], said{u: u, node: r.node})
}

func (x *explorer) follow(r run, to target) {
	if x.work++; x.work > maxWork {
		x.large = true
	}
	if x.large {
		return
	}
	switch to.goal {
	case toNode:
		x.enter(r, to.node)
	case toReturn:
		n := r.main
		if n < 0 {
			n = x.m.start
		}
		x.enter(r, n)
	case toEnd:
		x.ended(&r)
	case toTransfer:
		x.transfer(r, to)
	default:
		x.arrive(r)
	}
}

func (x *explorer) ended(r *run) {
	if r.on {
		r.from.exits = true
	}
	x.hear.end(r)
}

// transfer: somebody takes over, or nobody does.
func (x *explorer) transfer(r run, to target) {
	x.hear.over(&r, to)
	if r.on {
		r.from.exits = true
	}
	if to.failed == nil {
		return
	}
	r.hops++
	if r.hops > maxHops {
		x.hear.circle(&r, r.node)
		return
	}
	r.said = append(r.said[:len(r.said):len(r.said)], said{node: r.node})
	x.follow(r, *to.failed)
}

// enter says a node and goes on until one listens.
func (x *explorer) enter(r run, id int) {
	if r.hops++; r.hops > maxHops {
		x.hear.circle(&r, id)
		return
	}
	n := x.m.nodes[id]
	for _, f := range x.choose(r, n.skip) {
		r := r
		r.f = f
		if n.visits >= 0 {
			r.f = x.count(r.f, n.visits)
		}
		r.node = id
		x.entered[id] = true
		if n.listens && !n.aside {
			r.main = id
		}
		x.apply(&r, n.set, n.do)
		x.utter(&r, n.say)
		x.advise(&r, n)
		if n.listens {
			x.arrive(r)
			continue
		}
		x.choose(r, n.route)
	}
}

// advise: each piece is for those whose condition holds. What it rules out for
// the pieces after it is not followed.
func (x *explorer) advise(r *run, n *node) {
	whole := r.f
	for _, a := range n.advise {
		for _, o := range x.test(r, a.when, a.at) {
			if o.holds {
				r.f = o.f
				x.hear.say(r, a.u)
				r.f = whole
			}
		}
		r.said = append(r.said[:len(r.said):len(r.said)], said{u: a.u, node: r.node})
	}
}

// choose takes the first entry that holds, and gives the facts under which
// none does.
func (x *explorer) choose(r run, list []*edge) []facts {
	rest := []facts{r.f}
	for _, e := range list {
		var left []outcome
		for _, f := range rest {
			r := r
			r.f = f
			for _, o := range x.test(&r, e.when, e.whenAt) {
				if o.holds {
					x.carry(r, o.f, e)
				} else {
					left = append(left, o)
				}
			}
		}
		rest = rest[:0:0]
		for _, o := range joined(left) {
			rest = append(rest, o.f)
		}
	}
	return rest
}

// count adds one; the last value stands for all above.
func (x *explorer) count(f facts, i int) facts {
	v := x.m.tab.vars[i]
	last := mask(1) << (len(v.values) - 1)
	return f.with(i, f[i]<<1&v.full()|f[i]&last)
}

// arrive: the script listens. A state that another one covers is none of its
// own.
func (x *explorer) arrive(r run) {
	if r.node < 0 {
		return
	}
	n := x.m.nodes[r.node]
	f := x.project(r.f, n)
	main := -1
	if n.needsMain && n.aside {
		main = r.main
	}
	for _, s := range x.at[r.node] {
		if s.main == main && s.f.covers(f) {
			x.link(&r, s)
			return
		}
	}
	if len(x.at[r.node]) >= x.perNode {
		x.widened = true
		for _, s := range x.at[r.node] {
			if s.main == main {
				f = f.join(s.f)
			}
		}
		x.drop(r.node, main)
	}
	if len(x.states) >= x.maxStates {
		x.large = true
		return
	}
	s := &state{id: len(x.states), node: r.node, main: main, f: f, from: r.from, via: r.via, said: r.said, depth: r.from.depth}
	if r.via != nil && r.via.kind != byTransferFailed {
		s.depth++
	}
	s.known = make(facts, len(f))
	for i := range f {
		s.known[i] = r.from.known[i]
		if x.m.tab.vars[i].kind == ofCall {
			if m := s.known[i] & r.f[i]; m != 0 {
				s.known[i] = m
			}
		}
	}
	x.states = append(x.states, s)
	x.at[r.node] = append(x.at[r.node], s)
	x.queue = append(x.queue, s)
	x.link(&r, s)
}

// drop forgets the states that a joined one covers; they stay in the list of
// all, because paths lead through them.
func (x *explorer) drop(node, main int) {
	var kept []*state
	for _, s := range x.at[node] {
		if s.main != main {
			kept = append(kept, s)
		}
	}
	x.at[node] = kept
}

func (x *explorer) link(r *run, to *state) {
	if r.from.id >= 0 {
		r.from.next = append(r.from.next, link{to: to, via: r.via, said: r.said, on: r.on, moved: r.hops > 0})
	}
}

// project forgets what nothing reads any more.
func (x *explorer) project(f facts, n *node) facts {
	out := make(facts, len(f))
	for i, v := range x.m.tab.vars {
		if n.live[i] && v.kind != ofTurn && v.kind != ofNobody {
			out[i] = f[i]
		} else {
			out[i] = v.full()
		}
	}
	return out
}

func (s *state) String() string { return fmt.Sprint("state ", s.id, " at node ", s.node) }
