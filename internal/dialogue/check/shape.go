package check

import (
	"strings"

	"github.com/expr-lang/expr/ast"
)

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
