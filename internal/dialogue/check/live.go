package check

// liveness finds, for every node, which variables may still be read from it
// on, and whether something may lead back to the main line. What is not read
// any more is forgotten, so that it does not multiply states.
func (m *machine) liveness() {
	n, v := len(m.nodes), len(m.tab.vars)
	succ := make([][]int, n)
	returns := make([]bool, n)
	var mains []int
	for i, x := range m.nodes {
		if x.listens && !x.aside || i == m.start {
			mains = append(mains, i)
		}
	}
	for i, x := range m.nodes {
		x.live = make([]bool, v)
		reads := map[int]bool{}
		x.entryReads(reads)
		for _, e := range x.ways() {
			e.readsInto(reads)
			for t := &e.to; t != nil; t = t.failed {
				switch t.goal {
				case toNode:
					succ[i] = append(succ[i], t.node)
				case toReturn:
					returns[i] = true
				}
			}
		}
		for k := range reads {
			x.live[k] = true
		}
	}
	for i := range m.nodes {
		if returns[i] {
			succ[i] = append(succ[i], mains...)
		}
		m.nodes[i].needsMain = returns[i]
	}
	m.spread(succ)
}

// spread passes what is read on against the arrows until nothing changes.
func (m *machine) spread(succ [][]int) {
	pred := make([][]int, len(m.nodes))
	for i, list := range succ {
		for _, j := range list {
			pred[j] = append(pred[j], i)
		}
	}
	queue := make([]int, 0, len(m.nodes))
	waits := make([]bool, len(m.nodes))
	for i := range m.nodes {
		queue, waits[i] = append(queue, i), true
	}
	for len(queue) > 0 {
		j := queue[len(queue)-1]
		queue, waits[j] = queue[:len(queue)-1], false
		from := m.nodes[j]
		for _, i := range pred[j] {
			to, changed := m.nodes[i], false
			for k, l := range from.live {
				if l && !to.live[k] {
					to.live[k], changed = true, true
				}
			}
			if from.needsMain && !to.needsMain && !(from.listens && !from.aside) {
				to.needsMain, changed = true, true
			}
			if changed && !waits[i] {
				queue, waits[i] = append(queue, i), true
			}
		}
	}
}

// ways are all edges of a node.
func (n *node) ways() []*edge {
	out := make([]*edge, 0, len(n.skip)+len(n.route)+len(n.edges))
	out = append(out, n.skip...)
	out = append(out, n.route...)
	return append(out, n.edges...)
}

func (n *node) entryReads(into map[int]bool) {
	n.say.readsInto(into)
	n.again.readsInto(into)
	n.keysSay.readsInto(into)
	for _, a := range n.advise {
		a.u.readsInto(into)
		a.when.reads(into)
	}
	for _, a := range n.do {
		a.readsInto(into)
	}
	if n.visits >= 0 {
		into[n.visits] = true
	}
}

func (e *edge) readsInto(into map[int]bool) {
	e.when.reads(into)
	for _, c := range e.not {
		c.reads(into)
	}
	for _, u := range e.says {
		u.readsInto(into)
	}
	for _, a := range e.do {
		a.readsInto(into)
	}
	if e.counts >= 0 {
		into[e.counts] = true
	}
}

func (a action) readsInto(into map[int]bool) {
	a.cond.reads(into)
	for _, n := range a.needs {
		into[n.index] = true
	}
}

func (u *utter) readsInto(into map[int]bool) {
	if u == nil {
		return
	}
	for _, v := range u.all {
		for _, n := range v.needs {
			if n.cond != nil {
				n.cond.reads(into)
				continue
			}
			into[n.index] = true
		}
		for _, t := range v.traps {
			for _, b := range t.when {
				into[b.index] = true
			}
		}
	}
}
