package dialogue

import (
	"strings"
	"unicode"
)

// LexiconFormat is the first line of every lexicon file.
const LexiconFormat = "ringmaster-lexicon/1"

// Tone is how hard a line presses. A script sets a ceiling by segment; what
// is above it is never said.
type Tone uint8

// Tones, gentlest first.
const (
	Soft Tone = iota
	Firm
	Strong
)

func (t Tone) String() string { return [...]string{"soft", "firm", "strong"}[min(t, Strong)] }

func tones() []string { return []string{"soft", "firm", "strong"} }

// Phrase is words that an industry must not use, or must not use lightly.
type Phrase struct {
	Text    string
	Why     string   // the rule behind it, for an author
	Instead string   // what to write
	Unless  []string // longer phrases in which it is permitted
	Tone    Tone     // of a tone phrase

	flat   []rune
	unless [][]rune
}

// Lexicon is what all scripts of an industry share: phrases that are never
// said, phrases that are too vague, words that press, terms that the
// recognizer should favour, and how ambiguous characters are read. It is
// immutable after NewLibrary.
type Lexicon struct {
	Name      string
	Hotwords  map[string]int    // 1 to 100
	Pronounce map[string]string // 重庆 -> chong2 qing4

	banned, vague, tone wordlist
	file                string
	src                 []byte
}

// Banned finds a phrase in text that is never said.
func (l *Lexicon) Banned(text string) (Phrase, bool) { return l.find(text, 0) }

// Vague finds a phrase in text that says too little.
func (l *Lexicon) Vague(text string) (Phrase, bool) { return l.find(text, 1) }

// Tone is the tone that the words of text have at least, and the phrase that
// gives it.
func (l *Lexicon) Tone(text string) (Tone, Phrase) {
	var best Phrase
	if l == nil {
		return Soft, best
	}
	l.tone.each(flat(text), func(p Phrase) bool {
		if p.Tone > best.Tone {
			best = p
		}
		return best.Tone < Strong
	})
	return best.Tone, best
}

func (l *Lexicon) find(text string, which int) (found Phrase, ok bool) {
	if l == nil {
		return found, false
	}
	list := l.banned
	if which == 1 {
		list = l.vague
	}
	list.each(flat(text), func(p Phrase) bool {
		found, ok = p, true
		return false
	})
	return found, ok
}

// wordlist are found by their first rune.
type wordlist map[rune][]Phrase

func (ps wordlist) add(p Phrase) wordlist {
	p.flat = flat(p.Text)
	if len(p.flat) == 0 {
		return ps
	}
	for _, u := range p.Unless {
		p.unless = append(p.unless, flat(u))
	}
	if ps == nil {
		ps = wordlist{}
	}
	ps[p.flat[0]] = append(ps[p.flat[0]], p)
	return ps
}

// each calls f for every phrase that stands in text, in the order of the
// text, until f returns false.
func (ps wordlist) each(text []rune, f func(Phrase) bool) {
	if len(ps) == 0 {
		return
	}
	for i, r := range text {
		for _, p := range ps[r] {
			if p.standsAt(text, i) && !f(p) {
				return
			}
		}
	}
}

func (p Phrase) standsAt(text []rune, i int) bool {
	end := i + len(p.flat)
	if !hasAt(text, p.flat, i) || joined(text, i) || joined(text, end) {
		return false
	}
	for _, u := range p.unless {
		for from := max(0, end-len(u)); from <= i; from++ {
			if hasAt(text, u, from) {
				return false
			}
		}
	}
	return true
}

func hasAt(text, what []rune, i int) bool {
	if i+len(what) > len(text) {
		return false
	}
	for k, r := range what {
		if text[i+k] != r {
			return false
		}
	}
	return true
}

// joined: the runes on both sides of i belong to one number or one word of
// letters, so that nothing begins or ends there: 88折 holds no 8折.
func joined(text []rune, i int) bool {
	if i <= 0 || i >= len(text) {
		return false
	}
	a, b := text[i-1], text[i]
	return numeral(a) && numeral(b) || latinLetter(a) && latinLetter(b)
}

func numeral(r rune) bool {
	return r >= '0' && r <= '9' || r == '.' || strings.ContainsRune("零一二三四五六七八九十百千", r)
}

func latinLetter(r rune) bool { return r < 0x2e80 && unicode.IsLetter(r) }

// flat brings written text to one form for comparing: half width, lower case,
// without punctuation and without spaces except between words of letters.
func flat(s string) []rune {
	out := make([]rune, 0, len(s)/2)
	gap := false
	for _, r := range s {
		if r >= '！' && r <= '～' {
			r -= '！' - '!'
		}
		point := r == '.' && len(out) > 0 && out[len(out)-1] >= '0' && out[len(out)-1] <= '9'
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '%' && !point {
			gap = true
			continue
		}
		if gap && len(out) > 0 && latinLetter(out[len(out)-1]) && latinLetter(r) {
			out = append(out, ' ')
		}
		gap = false
		out = append(out, simplified(unicode.ToLower(r)))
	}
	return out
}

// lexicon reads a lexicon file.
func (c *compiler) lexicon(root *val) *Lexicon {
	l := &Lexicon{}
	c.object(root, "the lexicon",
		must("format", func(v *val) { c.oneOf(v, "format", LexiconFormat) }),
		must("industry", func(v *val) { l.Name = c.name(v) }),
		opt("banned", func(v *val) { l.banned = c.phrases(v) }),
		opt("vague", func(v *val) { l.vague = c.phrases(v) }),
		opt("tones", func(v *val) {
			if v.kind != kMap {
				c.add(v, "write `firm: [逾期]`", "tones are a mapping of tone to phrases")
				return
			}
			for _, e := range v.keys {
				tone := c.tone(e.key)
				for _, t := range c.texts(e.v) {
					l.tone = l.tone.add(Phrase{Text: t.text, Tone: tone})
				}
			}
		}),
		opt("hotwords", func(v *val) { l.Hotwords = c.hotwords(v) }),
		opt("pronounce", func(v *val) { l.Pronounce = c.pronounce(v) }))
	return l
}

func (c *compiler) phrases(v *val) wordlist {
	var out wordlist
	if v.kind != kList {
		c.add(v, "start each with a dash", "phrases are a list")
		return nil
	}
	for _, e := range v.list {
		p := Phrase{}
		if e.kind == kText {
			p.Text = e.text
		} else {
			c.object(e, "phrase",
				must("phrase", func(v *val) { p.Text = c.text(v) }),
				opt("why", func(v *val) { p.Why = clip(c.text(v), 200) }),
				opt("instead", func(v *val) { p.Instead = clip(c.text(v), 200) }),
				opt("unless", func(v *val) {
					for _, t := range c.texts(v) {
						if !strings.Contains(string(flat(t.text)), string(flat(p.Text))) {
							c.add(t, "write a longer phrase that holds it", "%q does not hold %q", clip(t.text, 40), clip(p.Text, 40))
						}
						p.Unless = append(p.Unless, t.text)
					}
				}))
		}
		if len(flat(p.Text)) == 0 {
			c.add(e, "", "an empty phrase stands everywhere")
			continue
		}
		out = out.add(p)
	}
	return out
}

func (c *compiler) tone(v *val) Tone {
	switch c.oneOf(v, "tone", tones()...) {
	case "firm":
		return Firm
	case "strong":
		return Strong
	}
	return Soft
}

// resolveLexicon finds the lexicon: the one that is named, or that of the
// industry.
func (c *compiler) resolveLexicon(named *val) {
	name := c.s.info.Industry
	if named != nil {
		name = c.text(named)
	}
	if name == "none" {
		return
	}
	c.s.lexicon = c.lib.Lexicon(name)
	if c.s.lexicon == nil && named != nil {
		var known []string
		if c.lib != nil {
			known = keysOf(c.lib.lexicons)
		}
		c.add(named, didYouMean(name, known), "there is no lexicon %q", clip(name, 40))
	}
}
