package dialogue

import (
	"slices"
	"strings"
	"time"

	"ringmaster/internal/speech"
)

// template is one utterance: fixed text and placeholders, in turn.
type template struct {
	id    string
	parts []part
	// ahead: no placeholder at all, so it can be synthesized before anything
	// is known of a customer.
	ahead bool
	// dated: a placeholder depends on today.
	dated bool
	// sure: every placeholder is always known (required, default or ??).
	sure   bool
	unsure []string // those that may not be
	variant
	banned bool // its constant text holds a phrase that is never said
}

// part is fixed text when name is empty.
type part struct {
	text     string
	reading  string        // of the text, as pinyin
	pause    time.Duration // instead of a text
	name     string
	slot     bool
	offer    bool
	format   string
	fallback string
	hasElse  bool
}

// values is what a template may read.
type values struct {
	script      *Script
	segment     string
	vars, slots map[string]string
	gender      string
	lang        speech.Language
	now         time.Time
}

func (x values) get(p part) (string, bool) {
	switch {
	case p.slot:
		s, ok := x.slots[p.name]
		return s, ok
	case p.offer: // for its tiers only: for everybody else there is no such value
		o := x.script.offers[p.name]
		if o == nil || !o.allowed(x.script.tierOf(x.vars, x.segment)) {
			return "", false
		}
		return o.words(x.lang, x.script.info.Language), true
	}
	s, ok := x.vars[p.name]
	return s, ok
}

// constant is the text between the placeholders.
func (t *template) constant() string {
	if len(t.parts) == 1 {
		return t.parts[0].text
	}
	var b strings.Builder
	for _, p := range t.parts {
		b.WriteString(p.text)
		b.WriteString(p.fallback)
		if p.name != "" {
			b.WriteByte('_')
		}
	}
	return b.String()
}

// render gives the text; ok is false when a value is missing.
func (t *template) render(x values) (string, bool) {
	text, _, ok := t.spell(x)
	return text, ok
}

// spell gives the text and how places of it are read.
func (t *template) spell(x values) (string, []speech.Hint, bool) {
	if t.ahead && len(t.parts) == 1 && t.parts[0].reading == "" {
		return t.parts[0].text, nil, true
	}
	var b strings.Builder
	var hints []speech.Hint
	for _, p := range t.parts {
		if p.reading != "" || p.pause > 0 {
			hints = append(hints, speech.Hint{Start: b.Len(), End: b.Len() + len(p.text), Reading: p.reading, Pause: p.pause})
		}
		if p.name == "" {
			b.WriteString(p.text)
			continue
		}
		v, ok := x.get(p)
		switch {
		case ok && v != "":
			b.WriteString(spoken(p.format, v, x.lang, x.gender, x.now))
		case p.hasElse:
			b.WriteString(p.fallback)
		default:
			return "", nil, false
		}
	}
	return b.String(), hints, true
}

// parseTemplate reads "{{name|formatter ?? otherwise}}".
func (c *compiler) parseTemplate(v *val, id string) *template {
	t := &template{id: id, sure: true}
	s := v.text
	for s != "" {
		i := strings.Index(s, "{{")
		if i < 0 {
			t.parts = append(t.parts, part{text: s})
			break
		}
		if i > 0 {
			t.parts = append(t.parts, part{text: s[:i]})
		}
		j := strings.Index(s[i:], "}}")
		if j < 0 {
			c.add(v, "close it with }}", "%q opens a placeholder that never ends", clip(s[i:], 30))
			return t
		}
		if p, ok := c.placeholder(v, s[i+2:i+j]); ok {
			t.parts = append(t.parts, p)
			d := c.decl(p)
			switch {
			case p.name == "":
			case p.offer && !p.hasElse:
				t.offers = append(t.offers, p.name)
			default:
				if !p.hasElse && (d == nil || !d.required && d.def == "") {
					t.sure, t.unsure = false, append(t.unsure, p.name)
				}
			}
			t.dated = t.dated || relative(p.format)
		}
		s = s[i+j+2:]
	}
	for _, p := range t.parts {
		if i := strings.IndexAny(p.text, "{}｛｝"); i >= 0 {
			c.add(v, "write {{name}}, with two half-width brackets on either side", "%q holds a bracket, which would be read aloud", clip(p.text[i:], 30))
			break
		}
	}
	if strings.TrimSpace(v.text) == "" {
		c.add(v, "write what is to be said", "an empty line")
	}
	if len([]rune(v.text)) > 1000 {
		c.add(v, "split it into several nodes", "a line of more than 1000 characters; nobody listens that long")
	}
	t.ahead = !slices.ContainsFunc(t.parts, func(p part) bool { return p.name != "" }) && len(t.parts) > 0
	return t
}

// mark reads {{重庆|chong2 qing4}} and {{pause 300ms}}.
func (c *compiler) mark(v *val, s string) (p part, ok, mark bool) {
	s = strings.TrimSpace(s)
	if d, found := strings.CutPrefix(s, "pause "); found {
		pause, err := time.ParseDuration(strings.TrimSpace(d))
		if err != nil || pause < 50*time.Millisecond || pause > 3*time.Second {
			c.add(v, "write {{pause 300ms}}", "a pause lasts from 50ms to 3s")
			return p, false, true
		}
		return part{pause: pause}, true, true
	}
	word, reading, found := strings.Cut(s, "|")
	word = strings.TrimSpace(word)
	if !found || word == "" || strings.IndexFunc(word, func(r rune) bool { return r < 0x2e80 }) >= 0 {
		return p, false, false
	}
	reading, ok = c.pinyin(v, word, reading)
	return part{text: word, reading: reading}, ok, true
}

func (c *compiler) decl(p part) *variable {
	if p.slot || p.offer {
		return nil
	}
	return c.s.vars[p.name]
}

func (c *compiler) placeholder(v *val, s string) (part, bool) {
	if p, ok, mark := c.mark(v, s); mark {
		return p, ok
	}
	p := part{}
	if head, tail, ok := strings.Cut(s, "??"); ok {
		s, p.fallback, p.hasElse = head, strings.TrimSpace(tail), true
	}
	name, format, _ := strings.Cut(s, "|")
	p.name, p.format = strings.TrimSpace(name), strings.TrimSpace(format)
	var typ varType
	own := ""
	if d, ok := c.s.vars[p.name]; ok {
		typ, own = d.typ, d.format
	} else if d, ok := c.s.slots[p.name]; ok {
		p.slot, typ = true, slotType(d.spec.Kind)
	} else if id, ok := strings.CutPrefix(p.name, "offer."); ok {
		if c.s.offers[id] == nil {
			c.add(v, didYouMean(id, keysOf(c.s.offers)), "there is no offer %q", clip(id, 40))
			return p, false
		}
		p.name, p.offer, typ = id, true, tText
	} else {
		c.add(v, didYouMean(p.name, c.names()), "{{%s}} is neither a variable nor a slot", clip(p.name, 40))
		return p, false
	}
	switch {
	case p.format == "" && own != "":
		p.format = own
	case p.format == "":
		p.format = defaultFormat(typ)
	default:
		p.format = c.formatter(v, p.format, p.name, typ)
	}
	return p, p.format != ""
}

// formatter checks that there is such a formatter and that it takes the type;
// empty when not.
func (c *compiler) formatter(v *val, format, name string, typ varType) string {
	takes, ok := formatters()[format]
	switch {
	case !ok:
		c.add(v, didYouMean(format, keysOf(formatters())), "unknown formatter %q", clip(format, 40))
	case takes != nil && !has(takes, typ):
		c.add(v, "", "formatter %q does not take %s, which is a %s", format, name, typ)
	default:
		return format
	}
	return ""
}

func (c *compiler) names() []string {
	return append(keysOf(c.s.vars), keysOf(c.s.slots)...)
}

// slotType is the type in which a heard slot is kept.
func slotType(kind string) varType {
	switch kind {
	case "number", "age", "amount":
		if kind == "amount" {
			return tAmount
		}
		return tNumber
	case "digits", "order", "id_card", "bank_card", "code":
		return tDigits
	case "phone":
		return tPhone
	case "grade":
		return tGrade
	case "date":
		return tDate
	case "time":
		return tTime
	case "datetime":
		return tDateTime
	}
	return tText
}
