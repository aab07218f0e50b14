package dialogue

import (
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
	sure bool
}

// part is fixed text when name is empty.
type part struct {
	text     string
	name     string
	slot     bool
	format   string
	fallback string
	hasElse  bool
}

// values is what a template may read.
type values struct {
	vars, slots map[string]string
	gender      string
	lang        speech.Language
	now         time.Time
}

func (x values) get(p part) (string, bool) {
	if p.slot {
		s, ok := x.slots[p.name]
		return s, ok
	}
	s, ok := x.vars[p.name]
	return s, ok
}

// render gives the text; ok is false when a value is missing.
func (t *template) render(x values) (string, bool) {
	if t.ahead {
		return t.parts[0].text, true
	}
	var b strings.Builder
	for _, p := range t.parts {
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
			return "", false
		}
	}
	return b.String(), true
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
			t.sure = t.sure && (p.hasElse || d != nil && (d.required || d.def != ""))
			t.dated = t.dated || relative(p.format)
		}
		s = s[i+j+2:]
	}
	if strings.TrimSpace(v.text) == "" {
		c.add(v, "write what is to be said", "an empty line")
	}
	if len([]rune(v.text)) > 1000 {
		c.add(v, "split it into several nodes", "a line of more than 1000 characters; nobody listens that long")
	}
	t.ahead = len(t.parts) == 1 && t.parts[0].name == ""
	return t
}

func (c *compiler) decl(p part) *variable {
	if p.slot {
		return nil
	}
	return c.s.vars[p.name]
}

func (c *compiler) placeholder(v *val, s string) (part, bool) {
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
