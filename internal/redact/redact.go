package redact

import (
	"strings"
	"unicode/utf8"
)

// Limits of the rules (docs/redact.md).
const (
	longRun   = 7  // a closed run of so many digits is masked
	openRun   = 4  // and an open one of so many at the end of a turn
	nearWords = 10 // tokens between a run and a number word
	gapTokens = 4  // fillers between digits of one run
	memory    = 24 // tokens of the other side that may ask for a number
	maxText   = 64 << 10
)

// Result is one recognition result or utterance of a side.
type Result struct {
	Call  string `json:"call"`
	Side  string `json:"side"`
	Text  string `json:"text"`
	Final bool   `json:"final"`
	// Slot says that a number is expected now: it is masked from its first
	// digit. "order" keeps order numbers.
	Slot string `json:"slot,omitempty"`
}

// Seen is what a sink may see of a Result.
type Seen struct {
	Call   string `json:"call"`
	Side   string `json:"side"`
	Text   string `json:"text"`
	Final  bool   `json:"final"`
	Masked []Mask `json:"masked,omitempty"`
	// Held: text from here on waits for what follows (partial results only).
	Held bool `json:"held,omitempty"`
	// Continues: the first mask goes on with a number that the side's last turn
	// ended in.
	Continues bool `json:"-"`
	// Open is the number that a final ends in, masked or not, in bytes of the
	// Result's text; zero when there is none.
	Open Span `json:"-"`
}

// Span is a stretch of a text in bytes.
type Span struct{ Start, End int }

// Mask is one number that was masked: a stretch of Seen.Text in bytes.
type Mask struct {
	Kind  string `json:"kind"` // id_card, bank_card, mobile, passport, code, number
	Start int    `json:"start"`
	End   int    `json:"end"`
	// Of is the same stretch in the Result's text, for who has word times.
	Of Span `json:"-"`
}

// Masker masks one call. Not safe for concurrent use.
type Masker struct {
	lex   *lexicon
	sides map[string]*side
	trail trail
}

// side is what is remembered of one side between its turns.
type side struct {
	open    int    // digits of a run that its last turn ended with
	digits  string // those digits
	fixing  bool   // it ended in a self-correction
	near    int    // tokens since its last number word; large = none
	asked   bool   // its last turn names a number: the other side may answer with one
	order   bool   // its last turn ended by announcing an order number
	scratch []token
}

// New makes a Masker. patterns are a tenant's own: words that announce a number
// (工号, 会员号), or regular expressions between slashes for what is masked
// wherever it stands; Check says whether they can be used.
func New(patterns ...string) *Masker {
	return &Masker{lex: newLexicon(patterns), sides: map[string]*side{}}
}

// Fork makes a Masker for another call with the same words.
func (m *Masker) Fork() *Masker { return &Masker{lex: m.lex, sides: map[string]*side{}} }

// Peek masks a result as if it came now, and remembers nothing of it.
func (m *Masker) Peek(r Result) Seen {
	c := &Masker{lex: m.lex, sides: make(map[string]*side, len(m.sides)), trail: m.trail}
	for name, s := range m.sides {
		now := *s
		now.scratch = nil
		c.sides[name] = &now
	}
	return c.See(r)
}

func (m *Masker) side(name string) *side {
	s := m.sides[name]
	if s == nil {
		s = &side{near: 1 << 20}
		m.sides[name] = s
	}
	return s
}

// run is a stretch of tokens that is one number.
type run struct {
	first, last int // token indices
	digits      string
	prefix      string // letters before it (passport)
	joined      int    // digits of earlier turns that it continues
	open        bool   // nothing has closed it
	exempt      bool   // an amount, a time, a place
	order       bool
	near        bool
	gathered    bool // with others it is a number
	carried     bool // the others stand in an earlier turn
	bare        bool // the turn holds nothing else
	weak        bool // a cardinal without a unit: no number unless among others
}

// See masks a result. Only a final changes what is remembered.
func (m *Masker) See(r Result) Seen {
	if len(r.Text) > maxText {
		r.Text = r.Text[:maxText]
	}
	if !utf8.ValidString(r.Text) {
		r.Text = strings.ToValidUTF8(r.Text, "�")
	}
	s := m.side(r.Side)
	toks := m.lex.tokenize(r.Text, s.scratch[:0])
	s.scratch = toks
	asked := m.askedBy(r.Side) || r.Slot != "" && r.Slot != "order"
	runs := m.matched(r.Text, toks, m.runs(toks, s))
	if r.Slot == "order" {
		ordered(runs)
	}
	out := Seen{Call: r.Call, Side: r.Side, Final: r.Final}
	var b strings.Builder
	pos, cut := 0, len(r.Text)
	if n := len(toks); !r.Final && n > 0 && toks[n-1].kind == fixed { // it may go on
		cut, out.Held = toks[n-1].start, true
	}
	if n := len(toks); !r.Final && n > 0 && len(m.lex.patterns) > 0 {
		cut, out.Held = min(cut, toks[max(0, n-patternTail)].start), true
	}
	for _, u := range runs {
		if !r.Final && m.holds(u, toks) {
			cut, out.Held = min(cut, toks[u.first].start), true
			break
		}
		if toks[u.last].end > cut {
			cut = min(cut, toks[u.first].start)
			break
		}
		if !u.masked(asked, r.Slot) {
			continue
		}
		b.WriteString(r.Text[pos:toks[u.first].start])
		from := b.Len()
		for i := u.first; i <= u.last; i++ {
			stars(&b, r.Text, toks[i])
			if i < u.last {
				b.WriteString(r.Text[toks[i].end:toks[i+1].start])
			}
		}
		pos = toks[u.last].end
		out.Continues = out.Continues || u.joined > 0 || u.carried
		out.Masked = append(out.Masked, Mask{u.kind(), from, b.Len(), Span{toks[u.first].start, pos}})
	}
	if pos < cut {
		b.WriteString(r.Text[pos:cut])
	}
	out.Text = b.String()
	if r.Final {
		if n := len(runs); n > 0 && !runs[n-1].exempt && (runs[n-1].open || runs[n-1].group() && len(toks)-runs[n-1].last <= gatherTurn) {
			out.Open = Span{toks[runs[n-1].first].start, toks[runs[n-1].last].end}
		}
		m.follow(toks, runs)
		s.remember(toks, runs)
		m.forgetAsking(r.Side, runs)
	}
	return out
}

// ordered lets groups of digits be parts of the order number that is expected,
// unless they parse as a card or an ID together.
func ordered(runs []run) {
	all := ""
	for _, u := range runs {
		if u.gathered {
			all += u.digits
		}
	}
	if parsesAsPerson(all) {
		return
	}
	for i := range runs {
		runs[i].gathered = false
	}
}

// stars writes a token of a masked run: digits and misheard characters as
// stars, fillers as they are.
func stars(b *strings.Builder, text string, t token) {
	if t.kind == filler || t.kind == fix {
		b.WriteString(text[t.start:t.end])
		return
	}
	b.WriteString(strings.Repeat("*", utf8.RuneCountInString(text[t.start:t.end])))
}

// askedBy reports that the other side has just named a number.
func (m *Masker) askedBy(name string) bool {
	for n, s := range m.sides {
		if n != name && s.asked {
			return true
		}
	}
	return false
}

// forgetAsking ends a question once a turn with enough digits has answered it.
func (m *Masker) forgetAsking(name string, runs []run) {
	n := 0
	for _, u := range runs {
		if !u.exempt {
			n += len(u.digits)
		}
	}
	if n == 0 {
		return
	}
	for other, s := range m.sides {
		if other != name && n >= longRun {
			s.asked = false
		}
	}
}

// holds reports a run that must not yet be shown in a partial result.
func (m *Masker) holds(u run, toks []token) bool {
	if u.open {
		return true
	}
	if u.exempt {
		return false
	}
	// A short run may still turn out to be near a number word.
	return len(u.digits) < longRun && !u.near && len(toks)-1-u.last < nearWords
}

// masked applies the rules to a run.
func (u run) masked(asked bool, slot string) bool {
	n := len(u.digits) + u.joined
	switch {
	case u.exempt:
		return false
	case (u.order || slot == "order") && !u.gathered:
		return len(u.digits) >= longRun && parsesAsPerson(u.digits)
	case n >= longRun, u.gathered, u.near && n >= 3, u.joined > 0 && n >= openRun, u.open && n >= openRun:
		return true
	case slot != "":
		return true
	case asked, u.near && u.bare:
		return n >= 3 || u.bare
	}
	return u.prefix != "" && len(u.digits) >= longRun
}

// kind names what the digits look like. A checksum is not asked.
func (u run) kind() string {
	d := u.digits
	switch {
	case u.prefix != "" && len(d) == 8 && u.prefix != "x":
		return "passport"
	case looksLikeID(d):
		return "id_card"
	case looksLikeCard(d):
		return "bank_card"
	case len(d) == 11 && d[0] == '1' && d[1] >= '3':
		return "mobile"
	case len(d) >= 3 && len(d) <= 8:
		return "code"
	}
	return "number"
}

// looksLikeID goes by region and birth date (GB 11643), not by the check digit.
func looksLikeID(d string) bool {
	switch len(d) {
	case 17, 18:
		return region(d) && (d[6:8] == "19" || d[6:8] == "20") && date(d[10:14])
	case 15:
		return region(d) && date(d[8:12])
	}
	return false
}

func region(d string) bool { return d[0] >= '1' && d[0] <= '8' && d[1] <= '7' }

// date reports MMDD.
func date(d string) bool {
	m, day := int(d[0]-'0')*10+int(d[1]-'0'), int(d[2]-'0')*10+int(d[3]-'0')
	return m >= 1 && m <= 12 && day >= 1 && day <= 31
}

func looksLikeCard(d string) bool {
	switch {
	case strings.HasPrefix(d, "62"):
		return len(d) >= 16 && len(d) <= 19
	case d != "" && d[0] == '4':
		return len(d) == 13 || len(d) == 16 || len(d) == 19
	case d != "" && d[0] == '5':
		return len(d) == 16
	case strings.HasPrefix(d, "34"), strings.HasPrefix(d, "37"):
		return len(d) == 15
	}
	return false
}

// parsesAsPerson is an "order number" that is a person's number after all. Only
// here, where masking is the exception, may a checksum decide, and only for the
// brands whose first digit says little.
func parsesAsPerson(d string) bool {
	return looksLikeID(d) || strings.HasPrefix(d, "62") && looksLikeCard(d) || looksLikeCard(d) && luhn(d)
}

// luhn is the check of ISO/IEC 7812-1, annex B.
func luhn(d string) bool {
	sum := 0
	for i := range len(d) {
		v := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// remember keeps what the next turn of the side needs.
func (s *side) remember(toks []token, runs []run) {
	carried, digits := s.open, s.digits
	s.open, s.digits, s.fixing = 0, "", false
	if n := len(runs); n > 0 && runs[n-1].open && !runs[n-1].exempt {
		u := runs[n-1]
		s.open, s.digits = u.joined+len(u.digits), u.digits
	} else if onlyBetween(toks) { // a turn of fillers leaves the run open
		s.open, s.digits = carried, digits
	}
	if s.open > 64 {
		s.open = 64
	}
	said := false
	s.order = false
	near := s.near
	for i, t := range toks {
		near++
		switch t.kind {
		case word:
			near = 0
			said = true
		case order:
			s.order = i >= len(toks)-3
		}
	}
	s.near = min(near, 1<<20)
	if len(toks) > 0 {
		s.asked = said && len(toks) <= 4*memory
	}
}

// onlyBetween reports a turn that holds nothing but what may stand between
// digits.
func onlyBetween(toks []token) bool {
	for _, t := range toks {
		if t.kind != filler && t.kind != fix && t.kind != end && t.kind != point {
			return false
		}
	}
	return true
}
