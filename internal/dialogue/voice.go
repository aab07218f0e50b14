package dialogue

import (
	"slices"
	"strings"

	"ringmaster/internal/speech"
	"ringmaster/internal/speech/voices"
)

// voiced is the voice that is asked for by language; "" stands for any.
type voiced map[speech.Language]voices.Wish

func (v voiced) in(l speech.Language) voices.Wish {
	if w, ok := v[l]; ok {
		return w
	}
	return v[""]
}

// String is how the Model shows it, and fingerprints tell it apart.
func (v voiced) String() string {
	var out []string
	for _, l := range append([]string{""}, languages()...) {
		if w, ok := v[speech.Language(l)]; ok {
			out = append(out, strings.TrimPrefix(l+":"+w.String(), ":"))
		}
	}
	return strings.Join(out, " ")
}

// casting is who is to speak, as the script's `voices:` says.
type casting struct {
	script   voiced
	segments map[string]voiced
	contact  bool // a customer's own wish is heeded
	wishes   []wished
}

// wished is one place of the script that asks for a voice, and the languages
// in one of which, at least, it must be had.
type wished struct {
	at   *val
	wish voices.Wish
	one  []speech.Language
}

// Cast gives the same script with a catalogue: the Voice of a Line is then a
// name of it, or empty for the provider's default.
func (s *Script) Cast(c *voices.Catalogue) *Script {
	out := *s
	out.cast = c
	return &out
}

// asksFor are the wishes for a line, strongest first.
func (s *Script) asksFor(sy *say, st *State, l speech.Language) [4]voices.Ask {
	asks := [4]voices.Ask{{Level: voices.Contact}, {Level: voices.Node}, {Level: voices.Segment, Wish: s.voices.segments[st.Segment].in(l)}, {Level: voices.Script, Wish: s.voices.script.in(l)}}
	if st.Voice != "" {
		asks[0].Wish = voices.ParseWish(st.Voice)
	}
	if sy != nil {
		asks[1].Wish = sy.voice.in(l)
	}
	return asks
}

// voiceFor is who speaks a line: as the contact, the node, the segment or the
// script asks, else by the catalogue's defaults. Without a catalogue it is the
// first that the script asks for by name.
func (s *Script) voiceFor(sy *say, st *State, l speech.Language) string {
	asks := s.asksFor(sy, st, l)
	if !s.cast.Empty() {
		return s.cast.Pick(l, s.info.Industry, asks[:]...)
	}
	for _, a := range asks[1:] { // nobody would know whether the contact's exists
		if a.Wish.Name != "" {
			return a.Wish.Name
		}
	}
	return ""
}

// VoiceOf says why a line of a move that led to st is spoken by its voice.
func (s *Script) VoiceOf(st State, l Line) voices.Choice {
	var sy *say
	if ix := s.index[l.ID]; ix != nil {
		sy = ix.say
	} else if n := s.nodes[strings.TrimSuffix(l.ID, composeLine)]; n != nil {
		sy = n.say
	}
	asks := s.asksFor(sy, &st, l.Language)
	if !s.cast.Empty() {
		return s.cast.Choose(l.Language, s.info.Industry, asks[:]...)
	}
	for _, a := range asks[1:] {
		if a.Wish.Name != "" {
			return voices.Choice{Voice: a.Wish.Name, Level: a.Level, Reason: "the " + string(a.Level) + " asks for " + a.Wish.Name}
		}
	}
	return voices.Choice{Level: voices.Provider, Reason: "the provider's default: there is no catalogue of voices"}
}

// Speaks reports that a customer may be talked to in a language: the notice is
// written in it.
func (s *Script) Speaks(l speech.Language) bool { return has(s.info.Languages, l) }

// heeded is the voice that the customer wishes, by the variables voice,
// voice_gender and dialect, where the script heeds such wishes.
func (s *Script) heeded(c Customer) string {
	if !s.voices.contact {
		return ""
	}
	of := func(key string) string {
		text, err := plain(c.Vars[key])
		if err != nil {
			return ""
		}
		return clip(strings.TrimSpace(text), 64)
	}
	if name := of("voice"); name != "" {
		return voices.ParseWish(name).String()
	}
	w := voices.Wish{Dialect: strings.ToLower(of("dialect"))}
	switch genderOf(of("voice_gender")) {
	case "f":
		w.Gender = voices.Female
	case "m":
		w.Gender = voices.Male
	}
	return w.String()
}

// voices reads `voices:` of the script.
func (c *compiler) voices(v *val) {
	s := c.s
	if v.kind != kMap {
		c.add(v, "write `{cmn: name-of-voice}`", "voices are given per language")
		return
	}
	rest := &val{kind: kMap, file: v.file, line: v.line, col: v.col}
	for _, e := range v.keys {
		switch e.key.text {
		case "contact":
			s.voices.contact = c.bool(e.v)
		case "segments":
			s.voices.segments = map[string]voiced{}
			if e.v.kind != kMap {
				c.add(e.v, "write `{late: name-of-voice}`", "the voices of segments are a mapping")
				continue
			}
			for _, g := range e.v.keys {
				c.segmentRef(g.key)
				s.voices.segments[g.key.text] = c.voice(g.v)
			}
		default:
			rest.keys = append(rest.keys, e)
		}
	}
	s.voices.script = c.byLanguage(rest, []string{"contact", "segments"})
	for l, w := range s.voices.script {
		if s.info.Voices == nil {
			s.info.Voices = map[speech.Language]string{}
		}
		s.info.Voices[l] = w.String()
	}
}

// byLanguage reads a mapping of language to voice.
func (c *compiler) byLanguage(v *val, beside []string) voiced {
	out := voiced{}
	for _, e := range v.keys {
		if !has(languages(), e.key.text) {
			c.add(e.key, didYouMean(e.key.text, append(languages(), beside...)), "unknown language %q", clip(e.key.text, 20))
			continue
		}
		l := speech.Language(e.key.text)
		out[l] = c.wish(e.v)
		c.s.voices.wishes = append(c.s.voices.wishes, wished{at: e.v, wish: out[l], one: []speech.Language{l}})
	}
	return out
}

// voice reads a voice where it may be said for all languages of what is said
// there: a name, what it is like, or either of them per language.
func (c *compiler) voice(v *val, of ...*say) voiced {
	if v == nil {
		return nil
	}
	if v.kind == kMap && len(v.keys) > 0 && slices.ContainsFunc(v.keys, func(e entry) bool { return has(languages(), e.key.text) }) {
		return c.byLanguage(v, nil)
	}
	w := c.wish(v)
	x := wished{at: v, wish: w}
	for _, s := range of {
		if s != nil {
			x.one = append(x.one, keysOf(s.langs)...)
		}
	}
	if len(x.one) == 0 {
		x.one = []speech.Language{c.s.info.Language}
	}
	slices.Sort(x.one)
	x.one = slices.Compact(x.one)
	c.s.voices.wishes = append(c.s.voices.wishes, x)
	return voiced{"": w}
}

// wish reads one voice: its name, or what it is like.
func (c *compiler) wish(v *val) voices.Wish {
	if v.kind != kMap {
		name := clip(c.text(v), 100)
		if name == "" {
			c.add(v, "write the name of a voice, or `{gender: female}`", "a voice without a name")
		}
		if voices.ParseWish(name).Name != name {
			c.add(v, "write a mapping, such as `{gender: female}`", "%q is not the name of a voice", name)
		}
		return voices.Wish{Name: name}
	}
	var w voices.Wish
	c.object(v, "voice",
		opt("gender", func(v *val) { w.Gender = c.oneOf(v, "gender", voices.Female, voices.Male) }),
		opt("industry", func(v *val) { w.Industry = c.name(v) }),
		opt("dialect", func(v *val) { w.Dialect = c.name(v) }))
	if w.Any() {
		c.add(v, "write `{gender: female}`, `{industry: finance}` or `{dialect: sichuan}`", "a voice that is like nothing")
	}
	return w
}

// CheckVoices holds what the script asks for against a catalogue: every voice
// that it names must be there and speak what it is to say.
func (s *Script) CheckVoices(file string, c *voices.Catalogue) Problems {
	p := &problems{file: file}
	if c.Empty() {
		return nil
	}
	for _, x := range s.voices.wishes {
		why := ""
		if !slices.ContainsFunc(x.one, func(l speech.Language) bool { why = c.Fulfils(x.wish, l); return why == "" }) {
			known := c.Names(x.one[0])
			suggest := "the catalogue has no voice for " + string(x.one[0]) + ": add one under speech.voices"
			if len(known) > 0 {
				suggest = didYouMean(x.wish.Name, known)
			}
			p.add(x.at, suggest, "voice %q: %s", clip(x.wish.String(), 60), why)
		}
	}
	err, _ := p.err().(Problems) //nolint:errorlint // it is made here
	return err
}
