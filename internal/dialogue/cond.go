package dialogue

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/types"
	"github.com/expr-lang/expr/vm"
)

// cond is a compiled condition. What it may read is named in env; what it may
// call is a short list without anything that loops, except one level of
// any/all/none/one/count over the history (at most 20 entries).
type cond struct {
	src  string
	prog *vm.Program
}

const (
	maxCond      = 500 // characters
	maxCondNodes = 200
)

func condBuiltins() []string {
	return []string{"len", "lower", "upper", "trim", "hasPrefix", "hasSuffix", "int", "float", "string", "abs", "min", "max", "any", "all", "none", "one", "count"}
}

// env is the type of what a condition may read. Variables, slots and nodes are
// all known before the first condition is read, so it is built once.
func (c *compiler) env() types.Map {
	if c.types == nil {
		c.types = c.envTypes()
	}
	return c.types
}

// envOf adds the counts of those nodes that the condition names: a script of a
// thousand nodes would pay for all of them in each of its conditions.
func (c *compiler) envOf(src string) types.Map {
	env := maps.Clone(c.env())
	visits := types.Map{}
	for _, m := range visitsRef.FindAllStringSubmatch(src, -1) {
		if c.s.nodes[m[1]] != nil {
			visits[m[1]] = types.Int
		}
	}
	env["visits"] = visits
	return env
}

func (c *compiler) envTypes() types.Map {
	vars, slots := types.Map{}, types.Map{}
	for name, v := range c.s.vars {
		vars[name] = condType(v.typ)
	}
	for name, d := range c.s.slots {
		slots[name] = condType(slotType(d.spec.Kind))
	}
	past := types.Map{
		"script": types.String, "disposition": types.String, "days": types.Int,
		"tags": types.Array(types.String), "slots": types.Map{types.Extra: types.String},
	}
	return types.Map{
		"vars": vars, "slots": slots, "visits": types.Map{},
		"history": types.Array(past), "tags": types.Array(types.String),
		"segment": types.String, "language": types.String, "intent": types.String, "text": types.String,
		"digits": types.String, "hour": types.Int, "weekday": types.Int, "turns": types.Int, "objections": types.Int,
		"disposition": types.String,
	}
}

func condType(t varType) types.Type {
	switch t {
	case tNumber, tAmount, tPercent, tDiscount:
		return types.Float64
	case tBool:
		return types.Bool
	}
	return types.String
}

func (c *compiler) cond(v *val) *cond {
	if v.kind != kText && v.kind != kBool {
		c.add(v, "such as `slots.grade == \"grade9\"`", "a condition is a text, not %s", v.kind)
		return nil
	}
	src := strings.TrimSpace(v.text)
	if len(src) > maxCond || src == "" {
		c.add(v, "", "a condition has between 1 and %d characters", maxCond)
		return nil
	}
	if strings.Count(src, "(") > 30 || strings.Count(src, "[") > 30 || strings.Count(src, "!")+strings.Count(src, "not ") > 30 {
		c.add(v, "split it into several replies", "the condition is nested too deeply")
		return nil
	}
	guard := &condGuard{segments: c.segmentNames()}
	opts := []expr.Option{expr.Env(c.envOf(src)), expr.AsBool(), expr.MaxNodes(maxCondNodes), expr.DisableAllBuiltins(), expr.Patch(guard)}
	for _, b := range condBuiltins() {
		opts = append(opts, expr.EnableBuiltin(b))
	}
	prog, err := compileExpr(src, opts)
	if err == nil && guard.no != "" {
		err = fmt.Errorf("%s", guard.no)
	}
	if err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		c.add(v, c.condHint(first), "condition: %s", clip(first, 200))
		return nil
	}
	if strings.Contains(src, "history") {
		c.s.history = true
	}
	if strings.Contains(src, "visits") {
		c.s.visits = true
	}
	return &cond{src: src, prog: prog}
}

func compileExpr(src string, opts []expr.Option) (p *vm.Program, err error) {
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("not readable: %v", r)
		}
	}()
	return expr.Compile(src, opts...)
}

func (c *compiler) condHint(msg string) string {
	for _, lead := range []string{"unknown name ", "unknown field ", "has no field "} {
		if _, rest, ok := strings.Cut(msg, lead); ok {
			name, _, _ := strings.Cut(rest, " ")
			return didYouMean(strings.Trim(name, `"'()`), append(append(c.names(), c.order...), keysOf(c.env())...))
		}
	}
	return ""
}

// condGuard refuses what could run long: ranges, nested predicates, powers,
// variable declarations.
type condGuard struct {
	no       string
	segments []string // declared; nil: any
}

func (g *condGuard) Visit(n *ast.Node) {
	switch n := (*n).(type) {
	case *ast.BinaryNode:
		g.compared(n)
		switch n.Operator {
		case "..", "**", "^":
			g.no = fmt.Sprintf("operator %q is not offered", n.Operator)
		case "matches":
			g.no = "regular expressions are not offered in conditions; use keywords with re:"
		}
	case *ast.BuiltinNode: // the library's switch leaves those with a predicate on
		if !has(condBuiltins(), n.Name) {
			g.no = fmt.Sprintf("function %q is not offered", n.Name)
		}
	case *ast.IdentifierNode:
		if n.Value == "$env" {
			g.no = "a condition reads named values only"
		}
	case *ast.VariableDeclaratorNode, *ast.MapNode, *ast.SequenceNode:
		g.no = "only a plain condition is offered, without let, maps or semicolons"
	case *ast.PredicateNode:
		inner := &predicateFinder{}
		ast.Walk(&n.Node, inner)
		if inner.found {
			g.no = "any, all, none, one and count cannot be nested"
		}
	}
}

// compared refuses a segment that no customer can have.
func (g *condGuard) compared(n *ast.BinaryNode) {
	var consts []ast.Node
	for _, side := range [][2]ast.Node{{n.Left, n.Right}, {n.Right, n.Left}} {
		if id, ok := side[0].(*ast.IdentifierNode); !ok || id.Value != "segment" {
			continue
		}
		if list, ok := side[1].(*ast.ArrayNode); ok && n.Operator == "in" {
			consts = append(consts, list.Nodes...)
		} else if n.Operator == "==" || n.Operator == "!=" {
			consts = append(consts, side[1])
		}
	}
	for _, c := range consts {
		if s, ok := c.(*ast.StringNode); ok && len(g.segments) > 0 && s.Value != "" && !has(g.segments, s.Value) {
			g.no = fmt.Sprintf("segment %q is not declared under `segments:`", clip(s.Value, 40))
		}
	}
}

type predicateFinder struct{ found bool }

func (f *predicateFinder) Visit(n *ast.Node) {
	if _, ok := (*n).(*ast.PredicateNode); ok {
		f.found = true
	}
}

// holds evaluates a condition; none always holds.
func (t *turn) holds(c *cond) bool { return c == nil || c.holds(t.condEnv()) }

// holds evaluates; a value that is missing makes the condition false.
func (c *cond) holds(env map[string]any) (ok bool) {
	defer func() {
		if recover() != nil { // the library's own limits are panics in places
			ok = false
		}
	}()
	machine := vm.VM{MemoryBudget: 10_000}
	out, err := machine.Run(c.prog, env)
	if err != nil {
		return false
	}
	ok, _ = out.(bool)
	return ok
}

// condEnv builds what conditions read from the state.
func (t *turn) condEnv() map[string]any {
	if t.env != nil {
		return t.env
	}
	s, st := t.s, &t.st
	vars := make(map[string]any, len(st.Vars))
	for name, v := range st.Vars {
		if d, ok := s.vars[name]; ok {
			vars[name] = condValue(d.typ, v)
		}
	}
	slots := make(map[string]any, len(st.Slots))
	for name, v := range st.Slots {
		if d, ok := s.slots[name]; ok {
			slots[name] = condValue(slotType(d.spec.Kind), v)
		}
	}
	var visits map[string]any
	if s.visits { // every node has a count
		visits = make(map[string]any, len(s.nodes))
		for id := range s.nodes {
			visits[id] = st.Visits[id]
		}
	}
	history := make([]any, 0, len(st.History))
	for _, h := range st.History {
		past := make(map[string]any, len(h.Slots))
		for k, v := range h.Slots {
			past[k] = v
		}
		history = append(history, map[string]any{
			"script": h.Script, "disposition": string(h.Disposition), "tags": h.Tags, "slots": past,
			"days": int(t.now.Sub(time.Unix(h.At, 0)).Hours() / 24),
		})
	}
	objections := 0
	for _, n := range st.Objections {
		objections += n
	}
	t.env = map[string]any{
		"vars": vars, "slots": slots, "visits": visits, "history": history, "tags": st.Tags,
		"segment": st.Segment, "language": string(st.Language), "intent": string(t.in.Answer.Intent), "text": t.in.Text, "digits": t.in.Digits,
		"hour": t.now.Hour(), "weekday": int(t.now.Weekday()), "turns": st.Turns, "objections": objections,
		"disposition": t.disposition,
	}
	return t.env
}

func condValue(t varType, s string) any {
	switch condType(t) {
	case types.Float64:
		var f float64
		if _, err := fmt.Sscan(s, &f); err == nil {
			return f
		}
		return nil
	case types.Bool:
		return s == "true"
	}
	return s
}
