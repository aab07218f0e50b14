package check

import (
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
)

// opaque begins the key of a condition that is not looked into: it may hold or
// not, but it does not change its mind when all it reads is known before the
// call.
const opaque = "?"

// cond is a condition as the checker reads it.
type cond struct {
	src  string
	root ast.Node
	// leaves by their node: what each says of one variable.
	leaves map[ast.Node]*leaf
	tab    *table
}

func (c *cond) unset(i int) mask { return c.tab.vars[i].unset() }

// leaf is a part of a condition without and, or, not.
type leaf struct {
	index   int   // of the variable; -1: none
	reads   []int // cannot be evaluated when one of them is unset
	both    []int // two that are compared with each other, and would be equal if both were unset
	yes, no mask  // values for which it may hold, may fail to hold
	fails   mask  // values for which it cannot be evaluated: the whole condition is false
	differs mask  // unset, and for that reason counted as different (!= or not ==)
	differN mask  // the same under a not
	always  int8  // a constant: 1 true, -1 false, 0 open
}

// outcome of a condition for some facts.
type outcome struct {
	f     facts
	holds bool
	fails bool // could not be evaluated
}

// unsetTest is told of a variable that is tested although it may be unset.
type unsetTest func(index int, f facts)

// parseCond reads a condition that the compiler has accepted. A nil result
// says that it cannot be looked into.
func parseCond(src string) (c *cond) {
	defer func() {
		if recover() != nil {
			c = nil
		}
	}()
	tree, err := parser.Parse(src)
	if err != nil {
		return nil
	}
	return &cond{src: src, root: tree.Node, leaves: map[ast.Node]*leaf{}}
}

// split gives the facts under which the condition holds and those under which
// it does not. The parts may overlap where it cannot be decided.
func (c *cond) split(f facts, told unsetTest) []outcome {
	if c == nil {
		return []outcome{{f: f, holds: true}}
	}
	out := c.eval(c.root, f, false, told)
	if len(out) == 1 {
		out[0].holds = out[0].holds && !out[0].fails
		return out
	}
	var yes, no []outcome
	for _, o := range out {
		if o.fails || !o.holds {
			no = append(no, outcome{f: o.f})
		} else {
			yes = append(yes, o)
		}
	}
	return append(joined(yes), joined(no)...)
}

// joined merges outcomes that are the same or of which one covers the other.
func joined(list []outcome) []outcome {
	var out []outcome
next:
	for _, o := range list {
		for i := range out {
			if out[i].f.covers(o.f) {
				continue next
			}
			if o.f.covers(out[i].f) {
				out[i] = o
				continue next
			}
		}
		out = append(out, o)
	}
	return out
}

const maxOutcomes = 64 // of one condition

func (c *cond) eval(n ast.Node, f facts, negated bool, told unsetTest) []outcome {
	switch n := n.(type) {
	case *ast.UnaryNode:
		if n.Operator == "not" || n.Operator == "!" {
			out := c.eval(n.Node, f, !negated, told)
			for i := range out {
				out[i].holds = !out[i].holds && !out[i].fails
			}
			return out
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "and", "&&":
			return c.then(n, f, negated, told, true)
		case "or", "||":
			return c.then(n, f, negated, told, false)
		}
	case *ast.ConditionalNode:
		var out []outcome
		for _, o := range c.eval(n.Cond, f, negated, told) {
			switch {
			case o.fails:
				out = append(out, o)
			case o.holds:
				out = append(out, c.eval(n.Exp1, o.f, negated, told)...)
			default:
				out = append(out, c.eval(n.Exp2, o.f, negated, told)...)
			}
		}
		return c.few(out, f)
	}
	return c.leaf(n, f, negated, told)
}

// then: and (go on while it holds), or (while it does not).
func (c *cond) then(n *ast.BinaryNode, f facts, negated bool, told unsetTest, while bool) []outcome {
	var out []outcome
	for _, o := range c.eval(n.Left, f, negated, told) {
		if o.fails || o.holds != while {
			out = append(out, o)
			continue
		}
		out = append(out, c.eval(n.Right, o.f, negated, told)...)
	}
	return c.few(out, f)
}

// few keeps the number of outcomes bounded: what is too much is not decided.
func (c *cond) few(out []outcome, f facts) []outcome {
	if len(out) <= maxOutcomes {
		return out
	}
	return []outcome{{f: f, holds: true}, {f: f}}
}

func (c *cond) leaf(n ast.Node, f facts, negated bool, told unsetTest) []outcome {
	l := c.leaves[n]
	if l == nil {
		return []outcome{{f: f, holds: true}, {f: f}}
	}
	for _, i := range l.reads {
		if told != nil && f[i]&c.unset(i) != 0 {
			told(i, f.with(i, f[i]&c.unset(i)))
		}
	}
	if len(l.both) == 2 && told != nil {
		if a, b := l.both[0], l.both[1]; f[a]&c.unset(a) != 0 && f[b]&c.unset(b) != 0 {
			told(a, f.with(a, f[a]&c.unset(a)).with(b, f[b]&c.unset(b)))
		}
	}
	switch {
	case l.always != 0:
		return []outcome{{f: f, holds: l.always > 0}}
	case l.index < 0:
		return []outcome{{f: f, holds: true}, {f: f}}
	}
	have := f[l.index]
	differs := l.differs
	if negated {
		differs = l.differN
	}
	if told != nil && have&(l.fails|differs) != 0 {
		told(l.index, f.with(l.index, have&(l.fails|differs)))
	}
	var out []outcome
	for _, part := range []struct {
		m            mask
		holds, fails bool
	}{{l.yes, true, false}, {l.no, false, false}, {l.fails, false, true}} {
		if m := have & part.m; m != 0 {
			out = append(out, outcome{f: f.with(l.index, m), holds: part.holds, fails: part.fails})
		}
	}
	return out
}

// reads adds the variables of the condition to into.
func (c *cond) reads(into map[int]bool) {
	if c == nil {
		return
	}
	for _, l := range c.leaves {
		if l.index >= 0 {
			into[l.index] = true
		}
		for _, i := range append(l.reads, l.both...) {
			into[i] = true
		}
	}
}

// each leaf of the condition.
func eachLeaf(n ast.Node, f func(ast.Node)) {
	switch x := n.(type) {
	case *ast.UnaryNode:
		if x.Operator == "not" || x.Operator == "!" {
			eachLeaf(x.Node, f)
			return
		}
	case *ast.BinaryNode:
		switch x.Operator {
		case "and", "&&", "or", "||":
			eachLeaf(x.Left, f)
			eachLeaf(x.Right, f)
			return
		}
	case *ast.ConditionalNode:
		eachLeaf(x.Cond, f)
		eachLeaf(x.Exp1, f)
		eachLeaf(x.Exp2, f)
		return
	}
	f(n)
}
