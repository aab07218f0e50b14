package check

import (
	"strings"

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
		for _, i := range l.reads {
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

// keyOf is the key of the variable that a node reads, "" when it is none.
func keyOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.ChainNode:
		return keyOf(n.Node)
	case *ast.IdentifierNode:
		return n.Value
	case *ast.MemberNode:
		if of, ok := n.Node.(*ast.IdentifierNode); ok {
			if p, ok := n.Property.(*ast.StringNode); ok {
				return of.Value + "." + p.Value
			}
		}
	}
	return ""
}

// constant is the value of a literal.
func constant(n ast.Node) (any, bool) {
	switch n := n.(type) {
	case *ast.NilNode:
		return nil, true
	case *ast.StringNode:
		return n.Value, true
	case *ast.BoolNode:
		return n.Value, true
	case *ast.IntegerNode:
		return float64(n.Value), true
	case *ast.FloatNode:
		return n.Value, true
	case *ast.UnaryNode:
		if f, ok := constant(n.Node); ok && (n.Operator == "-" || n.Operator == "+") {
			if f, ok := f.(float64); ok {
				if n.Operator == "-" {
					f = -f
				}
				return f, true
			}
		}
	}
	return nil, false
}

// shape is a leaf that is looked into: a variable, an operator and constants.
type shape struct {
	key    string
	op     string // ==, !=, <, <=, >, >=, in, contains, startsWith, endsWith, true
	consts []any
}

// shapeOf recognises `x op constant`, `constant op x`, `x in [...]`, `"t" in
// tags`, `(x ?? constant) op constant` is not; a bare `x` is a bool.
func shapeOf(n ast.Node) (shape, bool) {
	b, ok := n.(*ast.BinaryNode)
	if !ok {
		if key := keyOf(n); key != "" {
			return shape{key: key, op: "true"}, true
		}
		return shape{}, false
	}
	left, right, op := b.Left, b.Right, b.Operator
	if op == "in" {
		return inShape(left, right)
	}
	if _, isConst := constant(left); isConst {
		left, right, op = right, left, flipped(op)
	}
	key := keyOf(left)
	v, isConst := constant(right)
	if key == "" || !isConst || op == "" {
		return shape{}, false
	}
	switch op {
	case "==", "!=", "<", "<=", ">", ">=", "contains", "startsWith", "endsWith":
		return shape{key: key, op: op, consts: []any{v}}, true
	}
	return shape{}, false
}

func inShape(left, right ast.Node) (shape, bool) {
	if keyOf(right) == "tags" {
		if s, ok := left.(*ast.StringNode); ok {
			return shape{key: "tag:" + s.Value, op: "true"}, true
		}
		return shape{}, false
	}
	key := keyOf(left)
	list, ok := right.(*ast.ArrayNode)
	if key == "" || !ok {
		return shape{}, false
	}
	s := shape{key: key, op: "in"}
	for _, e := range list.Nodes {
		v, ok := constant(e)
		if !ok {
			return shape{}, false
		}
		s.consts = append(s.consts, v)
	}
	return s, true
}

func flipped(op string) string {
	switch op {
	case "==", "!=":
		return op
	case "<":
		return ">"
	case "<=":
		return ">="
	case ">":
		return "<"
	case ">=":
		return "<="
	}
	return ""
}

// readsOf are the keys of all variables below a node.
func readsOf(n ast.Node) []string {
	v := &reader{}
	ast.Walk(&n, v)
	return v.keys
}

type reader struct{ keys []string }

func (r *reader) Visit(n *ast.Node) {
	if k := keyOf(*n); k != "" {
		r.keys = append(r.keys, k)
	}
}

// judge says what a leaf of this shape makes of one value: it holds, it does
// not, it cannot be evaluated, or (both) it cannot be told.
func (s shape) judge(x any) (yes, no, fails bool) {
	if _, ok := x.(other); ok {
		return s.judgeOther()
	}
	switch s.op {
	case "true":
		if x == nil {
			return false, false, true
		}
		b, ok := x.(bool)
		return b, ok && !b, !ok
	case "==":
		return x == s.consts[0], x != s.consts[0], false
	case "!=":
		return x != s.consts[0], x == s.consts[0], false
	case "in":
		for _, c := range s.consts {
			if x == c {
				return true, false, false
			}
		}
		return false, true, false
	}
	if x == nil || s.consts[0] == nil {
		return false, false, true
	}
	ok, known := ordered(s.op, x, s.consts[0])
	return ok || !known, !ok || !known, false
}

// judgeOther: a text that the script does not name.
func (s shape) judgeOther() (yes, no, fails bool) {
	switch s.op {
	case "==", "in":
		return false, true, false
	case "!=":
		return true, false, false
	}
	return true, true, false
}

func ordered(op string, x, c any) (holds, known bool) {
	switch x := x.(type) {
	case float64:
		if c, ok := c.(float64); ok {
			return compare(op, x < c, x == c)
		}
	case string:
		c, ok := c.(string)
		if !ok {
			return false, false
		}
		switch op {
		case "contains":
			return strings.Contains(x, c), true
		case "startsWith":
			return strings.HasPrefix(x, c), true
		case "endsWith":
			return strings.HasSuffix(x, c), true
		}
		return compare(op, x < c, x == c)
	}
	return false, false
}

func compare(op string, less, equal bool) (holds, known bool) {
	switch op {
	case "<":
		return less, true
	case "<=":
		return less || equal, true
	case ">":
		return !less && !equal, true
	case ">=":
		return !less, true
	}
	return false, false
}
