package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"

	"ringmaster/internal/dialogue"
)

// conditions reads every condition of a script once and gives each variable
// the values that they tell apart.
type conditions struct {
	m      dialogue.Model
	kinds  map[string]string
	tab    *table
	bySrc  map[string]*cond
	consts map[string][]any
}

func readConditions(m dialogue.Model, kinds map[string]string) *conditions {
	c := &conditions{m: m, kinds: kinds, tab: newTable(), bySrc: map[string]*cond{}, consts: map[string][]any{}}
	eachCondition(m, c.collect)
	c.declare()
	for _, src := range sortedKeys(c.bySrc) {
		c.bind(c.bySrc[src])
	}
	return c
}

func (c *conditions) of(src string) *cond { return c.bySrc[src] }

func (c *conditions) collect(src string) {
	if src == "" || c.bySrc[src] != nil {
		return
	}
	p := parseCond(src)
	if p == nil {
		return
	}
	c.bySrc[src] = p
	eachLeaf(p.root, func(n ast.Node) {
		if s, ok := shapeOf(n); ok {
			for _, x := range s.consts {
				if x != nil && !slices.Contains(c.consts[s.key], x) {
					c.consts[s.key] = append(c.consts[s.key], x)
				}
			}
			if _, known := c.consts[s.key]; !known {
				c.consts[s.key] = nil
			}
		}
	})
}

// declare makes the variables that conditions and guards may read.
func (c *conditions) declare() {
	langs := make([]value, 0, len(c.m.Info.Languages))
	for _, l := range c.m.Info.Languages {
		langs = append(langs, value{string(l), string(l)})
	}
	c.tab.put(&variable{key: "language", values: langs})
	c.tab.put(&variable{key: "segment", values: c.segments()})
	for _, v := range c.m.Variables {
		unset := !v.Required && v.Default == ""
		c.tab.put(&variable{key: "vars." + v.Name, values: c.values("vars."+v.Name, v.Name, c.m.Values[v.Name], unset)})
	}
	sets := c.settings()
	for _, name := range c.m.Slots {
		key := "slots." + name
		for _, x := range sets[name] {
			if !slices.Contains(c.consts[key], x) {
				c.consts[key] = append(c.consts[key], x)
			}
		}
		known := c.m.Values[name]
		for _, x := range sets[name] { // what the script itself puts there is possible too
			if s, ok := x.(string); ok && len(known) > 0 && !slices.Contains(known, s) {
				known = append(slices.Clone(known), s)
			}
		}
		v := &variable{key: key, kind: ofSlot, values: c.values(key, name, known, true)}
		v.start = v.unset()
		c.tab.put(v)
	}
	for _, key := range sortedKeys(c.consts) {
		c.other(key)
	}
}

// other variables exist only when a condition reads them.
func (c *conditions) other(key string) {
	switch {
	case strings.HasPrefix(key, "tag:"):
		c.tab.put(&variable{key: key, kind: ofTag, values: []value{{false, "not given"}, {true, "given"}}, start: 1})
	case strings.HasPrefix(key, "visits."), key == "objections":
		top := 0.0
		for _, x := range c.consts[key] {
			if f, ok := x.(float64); ok && f > top {
				top = f
			}
		}
		v := &variable{key: key, kind: ofCount, start: 1}
		for i := range min(int(top)+2, maxValues) {
			v.values = append(v.values, value{float64(i), fmt.Sprint(i)})
		}
		c.tab.put(v)
	case key == "intent":
		v := &variable{key: key, kind: ofTurn, values: []value{{"", "none"}, {other{}, "another"}}}
		for _, x := range c.consts[key] {
			if s, ok := x.(string); ok && s != "" && len(v.values) < maxValues {
				v.values = append(v.values, value{s, s})
			}
		}
		c.tab.put(v)
	}
}

// settings are the constants that slots are set to.
func (c *conditions) settings() map[string][]any {
	out := map[string][]any{}
	put := func(list []dialogue.SetModel) {
		for _, s := range list {
			if x, ok := typed(c.kinds[s.Slot], s.Value); ok && s.Const {
				out[s.Slot] = append(out[s.Slot], x)
			}
		}
	}
	for _, n := range c.m.Nodes {
		put(n.Set)
		for _, list := range [][]dialogue.ReplyModel{n.Skip, n.Route, n.Replies, n.Keys} {
			for _, r := range list {
				put(r.Set)
			}
		}
	}
	for _, r := range append(slices.Clone(c.m.Globals), c.m.Keys...) {
		put(r.Set)
	}
	for _, o := range c.m.Objections {
		put(o.Set)
	}
	return out
}

// typed is a constant text as conditions see it.
func typed(kind, text string) (any, bool) {
	switch kind {
	case "number":
		var f float64
		if _, err := fmt.Sscan(text, &f); err != nil {
			return nil, false
		}
		return f, true
	case "bool":
		return text == "true", true
	}
	return text, true
}

func (c *conditions) segments() []value {
	var out []value
	always := false
	for _, g := range c.m.Segments {
		out = append(out, value{g.Name, g.Name})
		always = always || g.Rule && g.When == ""
	}
	if len(out) > 0 {
		if !always {
			out = append(out, value{"", "none of them"})
		}
		return out
	}
	out = append(out, value{"", "none"}, value{other{}, "anything else"})
	for _, x := range c.consts["segment"] {
		if s, ok := x.(string); ok && s != "" {
			out = append(out, value{s, s})
		}
	}
	for _, o := range c.m.Offers {
		for _, t := range o.Tiers {
			if c.m.Tier == "" && !slices.ContainsFunc(out, func(v value) bool { return v.v == any(t) }) {
				out = append(out, value{t, t})
			}
		}
	}
	return out[:min(len(out), maxValues)]
}

// values of a variable or slot: those of its enum; or those that the script
// names, and one for all others.
func (c *conditions) values(key, name string, enum []string, unset bool) []value {
	var out []value
	if unset {
		out = append(out, value{nil, "unset"})
	}
	switch {
	case c.kinds[name] == "bool":
		return append(out, value{true, "true"}, value{false, "false"})
	case c.kinds[name] == "number":
		return append(out, numbers(c.consts[key])...)
	}
	named := slices.Clone(enum)
	for _, x := range c.consts[key] {
		if s, ok := x.(string); ok && !slices.Contains(named, s) {
			named = append(named, s)
		}
	}
	if key == "vars."+c.m.Tier && len(enum) == 0 {
		for _, o := range c.m.Offers {
			for _, t := range o.Tiers {
				if !slices.Contains(named, t) {
					named = append(named, t)
				}
			}
		}
	}
	open := len(enum) == 0 || len(named) > maxValues
	for _, s := range named[:min(len(named), maxValues-2)] {
		if len(enum) > 0 && !slices.Contains(enum, s) {
			continue // compared with what it can never be
		}
		out = append(out, value{s, s})
	}
	if open {
		out = append(out, value{other{}, "anything else"})
	}
	return out
}

// numbers: one for each stretch that the constants divide the line into.
func numbers(consts []any) []value {
	var at []float64
	for _, x := range consts {
		if f, ok := x.(float64); ok {
			at = append(at, f)
		}
	}
	slices.Sort(at)
	at = slices.Compact(at)
	if len(at) == 0 {
		return []value{{0.5, "a number"}}
	}
	at = at[:min(len(at), maxValues/2-2)]
	out := []value{{at[0] - 1, fmt.Sprint("less than ", at[0])}}
	for i, f := range at {
		out = append(out, value{f, fmt.Sprint(f)})
		if i+1 < len(at) {
			out = append(out, value{f + (at[i+1]-f)/2, fmt.Sprint("between ", f, " and ", at[i+1])})
		}
	}
	last := at[len(at)-1]
	return append(out, value{last + 1, fmt.Sprint("more than ", last)})
}

// bind resolves the leaves of a condition.
func (c *conditions) bind(p *cond) {
	p.tab = c.tab
	eachLeaf(p.root, func(n ast.Node) {
		if x, ok := constant(n); ok {
			if b, ok := x.(bool); ok {
				l := &leaf{index: -1, always: -1}
				if b {
					l.always = 1
				}
				p.leaves[n] = l
			}
			return
		}
		if s, ok := shapeOf(n); ok {
			if i, ok := c.tab.find(s.key); ok {
				p.leaves[n] = c.judge(s, i)
				return
			}
		}
		if l := c.opaque(n); l != nil {
			p.leaves[n] = l
		}
	})
}

func (c *conditions) judge(s shape, i int) *leaf {
	l := &leaf{index: i}
	named := len(s.consts) > 0 && !slices.Contains(s.consts, nil)
	blurred := c.blurred(s, c.tab.vars[i])
	for b, v := range c.tab.vars[i].values {
		yes, no, fails := s.judge(v.v)
		if _, text := v.v.(string); blurred && v.v != nil && !text {
			yes, no = true, true
		}
		bit := mask(1) << b
		if yes {
			l.yes |= bit
		}
		if no {
			l.no |= bit
		}
		if fails {
			l.fails |= bit
		}
		if v.v == nil && named && yes {
			l.differs |= bit
		}
		if v.v == nil && named && no {
			l.differN |= bit
		}
	}
	return l
}

// blurred: there were more constants than are told apart, and one of these is
// among the rest, so that it cannot be told on which side of it a value lies.
func (c *conditions) blurred(s shape, v *variable) bool {
	if len(c.consts[s.key]) < maxValues/2-2 {
		return false
	}
	return slices.ContainsFunc(s.consts, func(x any) bool { return x != nil && v.of(x) == 0 })
}

// opaque: a condition that is not looked into. When all it reads is known
// before the call it is one variable of its own.
func (c *conditions) opaque(n ast.Node) *leaf {
	l := &leaf{index: -1}
	fixed := true
	b, binary := n.(*ast.BinaryNode)
	compares := binary && (b.Operator == "==" || b.Operator == "!=" || b.Operator == "??" || b.Operator == "in")
	for _, key := range readsOf(n) {
		i, ok := c.tab.find(key)
		switch {
		case ok && c.tab.vars[i].unset() != 0 && !compares && !slices.Contains(l.reads, i):
			l.reads = append(l.reads, i)
			fixed = fixed && c.tab.vars[i].kind == ofCall
		case ok:
			fixed = fixed && c.tab.vars[i].kind == ofCall
		case key == "history" || key == "vars" || key == "slots" || key == "visits":
		default:
			fixed = false
		}
	}
	if compares && (b.Operator == "==" || b.Operator == "!=") {
		x, ok1 := c.tab.find(keyOf(b.Left))
		y, ok2 := c.tab.find(keyOf(b.Right))
		if ok1 && ok2 {
			l.both = []int{x, y}
		}
	}
	if fixed {
		l.index = c.tab.put(&variable{key: opaque + n.String(), values: []value{{true, "true"}, {false, "false"}}})
		l.yes, l.no = 1, 2
	}
	return l
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
