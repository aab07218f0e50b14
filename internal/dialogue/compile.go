package dialogue

import (
	_ "embed"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/expr-lang/expr/types"

	"ringmaster/internal/campaign"
	"ringmaster/internal/speech"
)

//go:embed base.yaml
var baseYAML string //nolint:gochecknoglobals // an embedded file

// Compile reads a script. file is only used to name places. The error is of
// type Problems: every mistake at once, each with line, column and, where one
// is known, a suggestion.
func Compile(file string, src []byte) (*Script, error) { return (*Library)(nil).Compile(file, src) }

type compiler struct {
	*problems
	s      *Script
	order  []string // node names
	inBase bool
	refs   []ref // targets to be checked once every node is known
	nodeAt []ref // the author's nodes
	says   []*say
	sayAt  map[*say]*val

	lib      *Library
	alias    map[string]string    // name of a used part -> its first node
	used     map[string]*fragment // parts that the script takes in
	expanded int                  // values that parts have added
	types    types.Map            // what a condition may read
}

type ref struct {
	at   *val
	node string
}

type field struct {
	name     string
	required bool
	read     func(*val)
}

func opt(name string, read func(*val)) field  { return field{name, false, read} }
func must(name string, read func(*val)) field { return field{name, true, read} }

// object reads a mapping: its fields in the order given here, whatever the
// order of the file, and names every key that is none of them.
func (c *compiler) object(v *val, what string, fields ...field) {
	if v.kind != kMap {
		c.add(v, "", "%s is a mapping, not %s", what, v.kind)
		return
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	for _, e := range v.keys {
		if !has(names, e.key.text) {
			c.add(e.key, didYouMean(e.key.text, names), "unknown field %q in %s", clip(e.key.text, 40), what)
		}
	}
	for _, f := range fields {
		if x := v.get(f.name); x != nil && x.kind != kNull {
			f.read(x)
		} else if f.required {
			c.add(v, "add `"+f.name+":`", "%s needs %q", what, f.name)
		}
	}
}

func (v *val) get(name string) *val {
	for _, e := range v.keys {
		if e.key.text == name {
			return e.v
		}
	}
	return nil
}

func (c *compiler) text(v *val) string {
	if v.kind != kText && v.kind != kNumber && v.kind != kBool {
		c.add(v, "", "wanted a text, found %s", v.kind)
		return ""
	}
	return v.text
}

var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)

func (c *compiler) name(v *val) string {
	s := c.text(v)
	if s != "" && !namePattern.MatchString(s) || s == "" && v.kind == kText {
		c.add(v, "use letters, digits and _, such as price_objection", "%q is not a name", clip(s, 40))
		return ""
	}
	if strings.HasPrefix(s, "_") && !c.inBase {
		c.add(v, "remove the leading _", "names that start with _ belong to the engine")
	}
	return s
}

func (c *compiler) int(v *val, lo, hi int) int {
	n, err := strconv.Atoi(v.text)
	if v.kind != kNumber || err != nil || n < lo || n > hi {
		c.add(v, "", "wanted a whole number from %d to %d", lo, hi)
		return lo
	}
	return n
}

func (c *compiler) float(v *val, lo, hi float64) float64 {
	f, err := strconv.ParseFloat(v.text, 64)
	if v.kind != kNumber || err != nil || !(f >= lo && f <= hi) {
		c.add(v, "", "wanted a number from %g to %g", lo, hi)
		return lo
	}
	return f
}

func (c *compiler) bool(v *val) bool {
	if v.kind != kBool {
		c.add(v, "write true or false", "wanted true or false")
	}
	return v.text == "true"
}

func (c *compiler) duration(v *val, lo, hi time.Duration) time.Duration {
	d, err := time.ParseDuration(v.text)
	if v.kind != kText || err != nil || d < lo || d > hi {
		c.add(v, "write 6s, 800ms or 4m", "wanted a time from %s to %s", lo, hi)
		return lo
	}
	return d
}

func (c *compiler) oneOf(v *val, what string, known ...string) string {
	s := c.text(v)
	if !has(known, s) {
		c.add(v, didYouMean(s, known), "unknown %s %q", what, clip(s, 40))
		return known[0]
	}
	return s
}

// texts reads one text or a list of texts.
func (c *compiler) texts(v *val) []*val {
	switch v.kind {
	case kList:
		if len(v.list) == 0 {
			c.add(v, "", "an empty list")
		}
		out := make([]*val, 0, len(v.list))
		for _, e := range v.list {
			if e.kind == kText || e.kind == kNumber {
				out = append(out, e)
			} else {
				c.add(e, "quote it", "wanted a text, found %s", e.kind)
			}
		}
		return out
	case kText, kNumber:
		return []*val{v}
	}
	c.add(v, "", "wanted a text or a list of texts, found %s", v.kind)
	return nil
}

func languages() []string { return []string{"cmn", "yue", "hak", "ug", "en"} }

func purposes() []string {
	return []string{string(campaign.Marketing), string(campaign.Collections), string(campaign.Service), string(campaign.Fraud), string(campaign.Health)}
}

// say reads `say:` in its shapes: a variant, a list of them, or either of them
// per language.
func (c *compiler) say(v *val, id string) *say {
	s := &say{id: id, at: v, langs: map[speech.Language][]*template{}, fixed: c.inBase}
	add := func(lang string, v *val) {
		if lang == "" {
			lang = "cmn"
		}
		for i, e := range c.variants(v) {
			line := id + "." + strconv.Itoa(i)
			if lang != string(c.s.info.Language) {
				line += "." + lang
			}
			t := c.parseTemplate(e.text, line)
			e.offers = t.offers
			t.variant = e.variant
			s.langs[speech.Language(lang)] = append(s.langs[speech.Language(lang)], t)
		}
	}
	if v.kind != kMap || v.get("text") != nil {
		add(string(c.s.info.Language), v)
	} else {
		for _, e := range v.keys {
			if !has(languages(), e.key.text) {
				c.add(e.key, didYouMean(e.key.text, languages()), "unknown language %q", clip(e.key.text, 20))
				continue
			}
			add(e.key.text, e.v)
		}
	}
	c.says = append(c.says, s)
	if c.sayAt == nil {
		c.sayAt = map[*say]*val{}
	}
	c.sayAt[s] = v
	return s
}

// base compiles the engine's own lines, globals and nodes.
func (c *compiler) base() {
	p := &problems{file: "base.yaml"}
	root := readYAML(p, []byte(baseYAML))
	if root == nil || len(p.list) > 0 {
		c.list = append(c.list, p.list...)
		return
	}
	own := c.problems
	c.problems, c.inBase = p, true
	c.s.info.Language = "cmn"
	c.object(root, "base",
		opt("slots", c.slotDecls),
		opt("lines", c.systemLines),
		opt("nodes", c.nodeNames),
		opt("globals", c.globalReplies),
		opt("nodes", c.nodesOf))
	c.problems, c.inBase, c.types = own, false, nil
	c.list = append(c.list, p.list...)
	for k, s := range c.s.lines {
		c.s.fixed[k] = s
	}
}

// nodeRef notes that a node is named here, to be looked up when all are known.
func (c *compiler) nodeRef(v *val) string {
	s := c.text(v)
	for range maxUses + 1 { // the name of a part stands for its first node
		to, ok := c.alias[s]
		if !ok {
			break
		}
		s = to
	}
	c.refs = append(c.refs, ref{v, s})
	return s
}

func (c *compiler) script(root *val) {
	s := c.s
	var lexicon *val
	c.object(root, "the script",
		must("format", func(v *val) { c.oneOf(v, "format", Format) }),
		must("id", func(v *val) { s.info.ID = c.name(v) }),
		must("title", func(v *val) { s.info.Title = clip(c.text(v), 200) }),
		opt("industry", func(v *val) { s.info.Industry = c.name(v) }),
		opt("lexicon", func(v *val) { lexicon = v }),
		must("purpose", func(v *val) { s.info.Purpose = campaign.Purpose(c.oneOf(v, "purpose", purposes()...)) }),
		must("language", func(v *val) { s.info.Language = speech.Language(c.oneOf(v, "language", languages()...)) }),
		opt("hotwords", func(v *val) { s.info.Hotwords = c.hotwords(v) }),
		opt("variables", c.variables),
		opt("slots", c.slotDecls),
		opt("use", func(*val) {}), // written out before
		opt("tier", c.tierOf),
		opt("limits", c.limitsOf),
		opt("confidence", func(v *val) { s.minConf = c.float(v, 0.05, 0.99) }),
		must("nodes", c.nodeNames),
		opt("segments", c.segmentsOf),
		opt("tone", c.toneOf),
		opt("voices", c.voices),
		opt("offers", c.offersOf),
		opt("unlocks", c.unlocksOf),
		opt("advice", c.adviceOf),
		must("start", func(v *val) { s.start = c.nodeRef(v) }),
		must("disclosure", c.disclosureOf),
		opt("handover", func(v *val) { s.handover = c.handover(v) }),
		opt("lines", c.systemLines),
		opt("globals", c.globalReplies),
		opt("objections", c.objectionsOf),
		opt("keys", func(v *val) { s.keys = c.keysOf(v, "key") }),
		opt("voicemail", c.voicemailOf),
		opt("grade", c.gradesOf),
		opt("nodes", c.nodesOf))
	c.resolveLexicon(lexicon)
}
