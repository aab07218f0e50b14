package dialogue

import (
	"regexp"
	"strings"
)

// PartFormat is the first line of a part: nodes that scripts take in with
// `use:`.
const PartFormat = "ringmaster-part/1"

const maxUses = 4 // parts within parts

// fragment is a part as it was read, before it is used.
type fragment struct {
	id     string
	start  string
	params []entry // name and default; null = must be given
	root   *val
	nodes  map[string]bool
	file   string
	src    []byte
}

func (c *compiler) fragment(root *val) *fragment {
	f := &fragment{root: root, nodes: map[string]bool{}}
	raw := func(*val) {}
	c.object(root, "the part",
		must("format", func(v *val) { c.oneOf(v, "format", PartFormat) }),
		must("id", func(v *val) { f.id = c.name(v) }),
		opt("title", raw),
		opt("parameters", func(v *val) {
			if v.kind != kMap {
				c.add(v, "write `question: 您的出生年份`, or `question:` for one that must be given", "parameters are a mapping of name to default")
				return
			}
			for _, e := range v.keys {
				c.name(e.key)
				f.params = append(f.params, e)
			}
		}),
		must("start", func(v *val) { f.start = c.text(v) }),
		opt("variables", raw), opt("slots", raw), opt("hotwords", raw), opt("objections", raw), opt("advice", raw), opt("use", raw),
		must("nodes", func(v *val) {
			for _, e := range v.keys {
				f.nodes[c.name(e.key)] = true
			}
		}))
	return f
}

// expand writes the parts that a script uses into its tree: their nodes as
// name__node, everything else as it is.
func (c *compiler) expand(root *val) {
	c.alias, c.used = map[string]string{}, map[string]*fragment{}
	c.uses(root, root, "", nil)
}

func (c *compiler) uses(into, of *val, prefix string, within []string) {
	use := of.get("use")
	if use == nil || use.kind == kNull {
		return
	}
	if use.kind != kMap {
		c.add(use, "write `verify: {part: identity}`", "use is a mapping of name to part")
		return
	}
	for _, e := range use.keys {
		name := c.name(e.key)
		var id, with *val
		if e.v.kind == kText {
			id = e.v
		} else {
			c.object(e.v, "use "+name, must("part", func(v *val) { id = v }), opt("with", func(v *val) { with = v }))
		}
		if id == nil || name == "" {
			continue
		}
		c.use(into, e.key, prefix+name, c.text(id), with, within)
	}
}

func (c *compiler) use(into, at *val, prefix, id string, with *val, within []string) {
	var f *fragment
	if c.lib != nil {
		f = c.lib.parts[id]
	}
	switch {
	case f == nil:
		var known []string
		if c.lib != nil {
			known = keysOf(c.lib.parts)
		}
		c.add(at, didYouMean(id, known), "there is no part %q", clip(id, 40))
		return
	case has(within, id):
		c.add(at, "break the circle", "the part %q uses itself", id)
		return
	case len(within) >= maxUses:
		c.add(at, "write it out", "parts within parts within parts; at most %d deep", maxUses)
		return
	}
	args := c.arguments(f, at, with)
	inst := &instance{c: c, f: f, prefix: prefix + "__", args: args}
	tree := inst.copy(f.root, "")
	if c.expanded > maxValues {
		c.add(at, "use fewer parts", "more than %d values when all parts are written out", maxValues)
		return
	}
	c.used[id] = f
	c.alias[prefix] = prefix + "__" + f.start
	for _, section := range []string{"variables", "slots", "hotwords", "objections", "advice", "nodes"} {
		c.merge(into, tree, section, at)
	}
	c.uses(into, tree, prefix+"__", append(within, id))
}

// arguments are the values of the part's parameters.
func (c *compiler) arguments(f *fragment, at, with *val) map[string]*val {
	out := map[string]*val{}
	var names []string
	for _, p := range f.params {
		names = append(names, p.key.text)
		if p.v.kind != kNull {
			out[p.key.text] = p.v
		}
	}
	if with != nil {
		for _, e := range with.keys {
			if !has(names, e.key.text) {
				c.add(e.key, didYouMean(e.key.text, names), "the part %q has no parameter %q", f.id, clip(e.key.text, 40))
				continue
			}
			out[e.key.text] = e.v
		}
	}
	for _, n := range names {
		if out[n] == nil {
			c.add(at, "add `with: {"+n+": ...}`", "the part %q needs %q", f.id, n)
		}
	}
	return out
}

// merge adds a section of the part to the script's. The same declaration
// twice is one; two different ones of a name are a mistake.
func (c *compiler) merge(into, from *val, section string, at *val) {
	add := from.get(section)
	if add == nil || add.kind == kNull {
		return
	}
	to := into.get(section)
	if to == nil {
		to = &val{file: add.file, line: add.line, col: add.col, kind: add.kind}
		into.keys = append(into.keys, entry{&val{kind: kText, text: section, file: add.file, line: add.line, col: add.col}, to})
	}
	if to.kind == kList && add.kind == kList {
		to.list = append(to.list, add.list...)
		return
	}
	if to.kind != kMap || add.kind != kMap {
		c.add(at, "write both as a mapping", "%q of the part and of the script cannot be joined", section)
		return
	}
	for _, e := range add.keys {
		switch old := to.get(e.key.text); {
		case old == nil:
			to.keys = append(to.keys, e)
		case !same(old, e.v):
			c.add(at, "give one of them another name", "%q of the part and of the script differ in %s", e.key.text, section)
		}
	}
}

func same(a, b *val) bool {
	if a.kind != b.kind || a.text != b.text || len(a.list) != len(b.list) || len(a.keys) != len(b.keys) {
		return false
	}
	for i := range a.list {
		if !same(a.list[i], b.list[i]) {
			return false
		}
	}
	for i := range a.keys {
		if a.keys[i].key.text != b.keys[i].key.text || !same(a.keys[i].v, b.keys[i].v) {
			return false
		}
	}
	return true
}

// instance is one use of a part.
type instance struct {
	c      *compiler
	f      *fragment
	prefix string
	args   map[string]*val
}

var (
	argument  = regexp.MustCompile(`\$\(([A-Za-z_][A-Za-z0-9_]*)\)`)
	visitsRef = regexp.MustCompile(`\bvisits\.([A-Za-z_][A-Za-z0-9_]*)`)
)

// copy writes the tree anew: the part's own nodes under their new names,
// arguments in place of $(name). key is the name under which v stands.
func (in *instance) copy(v *val, key string) *val {
	in.c.expanded++
	out := *v
	out.file = in.f.file
	switch v.kind {
	case kText:
		return in.text(&out, key)
	case kList:
		out.list = make([]*val, 0, len(v.list))
		for _, e := range v.list {
			if in.c.expanded <= maxValues {
				out.list = append(out.list, in.copy(e, key))
			}
		}
	case kMap:
		out.keys = make([]entry, 0, len(v.keys))
		for _, e := range v.keys {
			if in.c.expanded > maxValues {
				break
			}
			k := *e.key
			k.file = in.f.file
			inner := k.text
			switch {
			case v == in.f.root && k.text == "parameters":
				continue
			case v == in.f.root.get("nodes"):
				k.text = in.prefix + k.text
			case key == "keys":
				inner = "goto"
			}
			out.keys = append(out.keys, entry{&k, in.copy(e.v, inner)})
		}
	}
	return &out
}

func (in *instance) text(v *val, key string) *val {
	switch key {
	case "goto", "then", "failed", "worn_out", "start":
		if in.f.nodes[v.text] {
			v.text = in.prefix + v.text
			return v
		}
		if use := in.f.root.get("use"); use != nil && use.get(v.text) != nil {
			v.text = in.prefix + v.text
			return v
		}
	case "when", "for":
		v.text = visitsRef.ReplaceAllStringFunc(v.text, func(s string) string {
			if name := strings.TrimPrefix(s, "visits."); in.f.nodes[name] {
				return "visits." + in.prefix + name
			}
			return s
		})
	}
	if m := argument.FindStringSubmatch(v.text); m != nil && m[0] == v.text {
		if a := in.args[m[1]]; a != nil {
			return in.given(a)
		}
	}
	v.text = argument.ReplaceAllStringFunc(v.text, func(s string) string {
		name := s[2 : len(s)-1]
		a := in.args[name]
		switch {
		case a == nil:
			if !in.declared(name) {
				in.c.add(v, "declare it under `parameters:`", "%s is no parameter of the part %q", clip(s, 40), in.f.id)
			}
			return ""
		case a.kind == kList || a.kind == kMap:
			in.c.add(a, "", "%q stands within a text and must be one", name)
			return ""
		}
		return a.text
	})
	return v
}

func (in *instance) declared(name string) bool {
	for _, p := range in.f.params {
		if p.key.text == name {
			return true
		}
	}
	return false
}

// given counts what an argument adds to the tree.
func (in *instance) given(a *val) *val {
	in.c.expanded += a.size()
	return a
}

func (v *val) size() int {
	n := 1
	for _, e := range v.list {
		n += e.size()
	}
	for _, e := range v.keys {
		n += e.v.size()
	}
	return n
}
