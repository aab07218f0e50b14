package voices

import (
	"fmt"
	"slices"
	"strings"

	"ringmaster/internal/speech"
)

// Wish is a voice that is asked for: by its name, or by what it is like. A
// dialect is an accent in which the same texts are read (sichuan), or a language
// code, which fits the voices of that language.
type Wish struct {
	Name                      string // then the rest is empty
	Gender, Industry, Dialect string
}

// Any reports that nothing is asked for.
func (w Wish) Any() bool { return w == Wish{} }

// String is the name, or gender=female,industry=finance,dialect=sichuan.
func (w Wish) String() string {
	if w.Name != "" {
		return w.Name
	}
	var out []string
	for _, p := range [][2]string{{"gender", w.Gender}, {"industry", w.Industry}, {"dialect", w.Dialect}} {
		if p[1] != "" {
			out = append(out, p[0]+"="+p[1])
		}
	}
	return strings.Join(out, ",")
}

// ParseWish reads what String wrote. What is not of that form is a name.
func ParseWish(s string) Wish {
	var w Wish
	for part := range strings.SplitSeq(s, ",") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case ok && key == "gender" && value != "":
			w.Gender = value
		case ok && key == "industry" && value != "":
			w.Industry = value
		case ok && key == "dialect" && value != "":
			w.Dialect = value
		default:
			return Wish{Name: s}
		}
	}
	return w
}

// Level is who asks for a voice.
type Level string

// Levels, strongest first. Industry and Language are the catalogue's own
// defaults, Provider the provider's when the catalogue has no voice.
const (
	Contact  Level = "contact"
	Node     Level = "node"
	Segment  Level = "segment"
	Script   Level = "script"
	Industry Level = "industry"
	Language Level = "language"
	Provider Level = "provider"
)

// Ask is one wish with who asks.
type Ask struct {
	Level Level
	Wish  Wish
}

// Choice is the voice that speaks a line, and why. Voice is empty when the
// catalogue has none for the language.
type Choice struct {
	Voice  string
	Level  Level
	Reason string
}

// Choose takes the voice of a line in a language. asks stand strongest first. A
// wish that no voice fulfils in this language is passed over, and the reason
// says so.
func (c *Catalogue) Choose(l speech.Language, industry string, asks ...Ask) Choice {
	out, at := c.choose(l, industry, asks)
	var reason []string
	switch out.Level {
	case Industry:
		reason = append(reason, fmt.Sprintf("the voice of %s for %s", industry, l))
	case Language:
		reason = append(reason, fmt.Sprintf("the voice for %s", l))
	case Provider:
		reason = append(reason, fmt.Sprintf("no voice of the catalogue is meant for %s: the provider's default", l))
	default:
		reason = append(reason, fmt.Sprintf("the %s asks for %s", out.Level, asks[at].Wish))
	}
	for _, a := range asks[:at] {
		if !a.Wish.Any() {
			reason = append(reason, fmt.Sprintf("the %s's %s is passed over: %s", a.Level, a.Wish, c.Fulfils(a.Wish, l)))
		}
	}
	out.Reason = strings.Join(reason, "; ")
	return out
}

// Pick is the voice of Choose, without the reason.
func (c *Catalogue) Pick(l speech.Language, industry string, asks ...Ask) string {
	out, _ := c.choose(l, industry, asks)
	return out.Voice
}

// choose finds the voice; at is the place of the ask that has it, or the number
// of asks.
func (c *Catalogue) choose(l speech.Language, industry string, asks []Ask) (out Choice, at int) {
	for i, a := range asks {
		if a.Wish.Any() {
			continue
		}
		if v, fault := c.fulfil(a.Wish, l, industry); fault == fulfilled {
			return Choice{Voice: c.list[v].Name, Level: a.Level}, i
		}
	}
	if c == nil {
		return Choice{Level: Provider}, len(asks)
	}
	standard := -1
	for i := range c.list {
		v := &c.list[i]
		if !v.Speaks(l) || v.Dialect != "" {
			continue
		}
		if industry != "" && slices.Contains(v.Industries, industry) {
			return Choice{Voice: v.Name, Level: Industry}, len(asks)
		}
		if standard < 0 && len(v.Industries) == 0 {
			standard = i
		}
	}
	if standard >= 0 {
		return Choice{Voice: c.list[standard].Name, Level: Language}, len(asks)
	}
	return Choice{Level: Provider}, len(asks)
}

// fault is why a wish cannot be fulfilled.
type fault uint8

const (
	fulfilled fault = iota
	unknown
	foreign // the voice does not speak the language
	nobody  // no voice is so
)

// Fulfils says why no voice fulfils a wish in a language; empty when one does.
func (c *Catalogue) Fulfils(w Wish, l speech.Language) string {
	switch _, why := c.fulfil(w, l, ""); why {
	case unknown:
		return "there is no such voice in the catalogue"
	case foreign:
		return fmt.Sprintf("it does not speak %s", l)
	case nobody:
		return fmt.Sprintf("no voice for %s is so", l)
	}
	return ""
}

// fulfil finds the voice of a wish: of those that fit, one that is meant for
// the industry, else one that is meant for all, else the first.
func (c *Catalogue) fulfil(w Wish, l speech.Language, industry string) (int, fault) {
	if w.Name != "" {
		i, ok := -1, false
		if c != nil {
			i, ok = c.named[w.Name]
		}
		switch {
		case !ok:
			return -1, unknown
		case !c.list[i].Speaks(l):
			return -1, foreign
		}
		return i, fulfilled
	}
	best, at := -1, 0
	if c == nil {
		return best, nobody
	}
	for i := range c.list {
		v := &c.list[i]
		if !v.Speaks(l) || w.Gender != "" && v.Gender != w.Gender || w.Industry != "" && !slices.Contains(v.Industries, w.Industry) || !w.accent(v, l) {
			continue
		}
		rank := 1
		switch {
		case industry != "" && slices.Contains(v.Industries, industry):
			rank = 3
		case len(v.Industries) == 0:
			rank = 2
		}
		if rank > at {
			best, at = i, rank
		}
	}
	if best < 0 {
		return best, nobody
	}
	return best, fulfilled
}

// accent reports that a voice reads a language as the wish wants it.
func (w Wish) accent(v *Voice, l speech.Language) bool {
	return v.Dialect == w.Dialect || v.Dialect == "" && w.Dialect == string(l)
}

// Substitute is the voice of another provider that is nearest to v in a
// language: of the same dialect and gender, of the same dialect, of the same
// gender, any. lost names what it does not share with v ("gender", "dialect");
// false when the provider has no voice for the language in the catalogue, and
// then its default, of which nothing is known, may speak.
func (c *Catalogue) Substitute(v Voice, l speech.Language, provider string) (s Voice, lost []string, ok bool) {
	best := -1
	for _, o := range c.List() {
		if o.Provider != provider || o.Name == v.Name || !o.Speaks(l) {
			continue
		}
		rank := 0
		if o.Dialect == v.Dialect {
			rank += 2
		}
		if o.Gender == v.Gender || v.Gender == "" {
			rank++
		}
		if rank > best {
			s, best, ok = o, rank, true
		}
	}
	if !ok {
		return Voice{}, v.unsure(), false
	}
	if s.Gender != v.Gender && v.Gender != "" {
		lost = append(lost, "gender")
	}
	if s.Dialect != v.Dialect {
		lost = append(lost, "dialect")
	}
	return s, lost, true
}

// unsure is what a provider's default may not share with v.
func (v Voice) unsure() (lost []string) {
	if v.Gender != "" {
		lost = append(lost, "gender")
	}
	if v.Dialect != "" {
		lost = append(lost, "dialect")
	}
	return lost
}
