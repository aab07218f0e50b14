package dialogue

import (
	"maps"
	"slices"
	"time"

	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
)

// Model is a compiled script laid open, for those who check it, draw it or
// count it. It is a copy: changing it changes no script. Conditions are given
// as they were written; Holds evaluates one.
type Model struct {
	Info       Info
	Start      string
	Nodes      []NodeModel  // in the order of the file; the engine's own (_callback) first
	Globals    []ReplyModel // by intent
	Objections []ObjectionModel
	Keys       []ReplyModel // of the whole script; ID ends in the key
	Handover   *TargetModel
	Disclosure SayModel
	Voicemail  *SayModel
	Lines      []SayModel // system lines, as the author words them: "line.filler" ...
	Grades     []string   // conditions, "" = always
	Limits     LimitsModel
	Segments   []SegmentModel
	// Ceilings by segment; nil = no ceiling. Otherwise is that of all others.
	Ceilings  map[string]Tone
	Otherwise Tone
	Tier      string // variable; empty = the segment
	Offers    []OfferModel
	Advice    []AdviceModel
	Unlocks   map[string]string // what -> condition
	Variables []Variable
	Values    map[string][]string // of enum variables and enum slots
	Spoken    map[string]string   // enum slots: one thing that a customer may say for them
	Slots     []string            // declared, the engine's included
	Lexicon   *Lexicon            // nil = none; shared, not to be changed
}

// Place in a source file.
type Place struct {
	File         string // empty = the script's own
	Line, Column int
}

// NodeModel is one node.
type NodeModel struct {
	ID                string
	At                Place
	Engine            bool // the engine's own
	Say, Again        *SayModel
	KeysSay           *SayModel
	Listens           bool
	Protected, Aside  bool
	Expecting         Expecting
	Slots             []string // listened for
	Skip, Route       []ReplyModel
	Replies, Keys     []ReplyModel
	NoMatch, Silence  RetryModel
	Set               []SetModel
	Do                []DoModel
	Compose           *ComposeModel // hands the turn to a language model; nil = does not
	Advise            []string
	AdviseMax         int
	Voice             string
	SilenceAfter, Cut time.Duration // Listen.Silence, Listen.MaxSpeech
}

// ReplyModel is one way on: what triggers it, what it does, where it leads.
type ReplyModel struct {
	ID       string
	At       Place
	Intents  []nlu.Intent
	Slot     string
	Any      bool
	When     string // empty = always
	Say      *SayModel
	Set      []SetModel
	Do       []DoModel
	To       TargetModel
	Keywords []string
	Examples []string
}

// TargetModel is where something leads. Goal: stay, node, return, repeat, end,
// transfer.
type TargetModel struct {
	Goal   string
	Node   string
	End    End
	Over   *Transfer    // nil: the script's handover
	Failed *TargetModel // of a transfer of its own
	At     Place
}

// SayModel is something to be said.
type SayModel struct {
	ID        string
	At        Place
	Protected bool
	Variants  []VariantModel // by language, in the order of the file
}

// VariantModel is one wording.
type VariantModel struct {
	ID       string
	Language speech.Language
	Text     string // constant text; placeholders stand as {{name}}
	Tone     Tone   // its own, or what its words weigh
	Segments []string
	When     string
	Offers   []string // said without a fallback
	Needs    []string // variables and slots without a fallback or default
	Banned   bool
}

// SetModel is a slot that is set.
type SetModel struct {
	Slot  string
	Value string // constant text; empty when it is put together
	Const bool
}

// DoModel is an action.
type DoModel struct{ Kind, Value string }

// RetryModel is what happens when nothing is heard or understood.
type RetryModel struct {
	Limit int
	Say   []SayModel
	Then  TargetModel // goal stay: the engine ends
}

// ObjectionModel is an objection.
type ObjectionModel struct {
	Name     string
	Intent   nlu.Intent
	Depth    int
	Rounds   []SayModel
	Set      []SetModel
	Do       []DoModel
	To, Worn TargetModel // Worn with goal stay: a polite end
	WornSay  *SayModel
	Keywords []string
	Examples []string
}

// ComposeModel is what a language model may do at a node.
type ComposeModel struct {
	Facts    []VariantModel // what it may state
	Offers   []string
	Turns    int
	Intents  []nlu.Intent // in the order of the file
	To       map[nlu.Intent]TargetModel
	Then     TargetModel
	Fallback SayModel
}

// LimitsModel are the script's limits.
type LimitsModel struct {
	Turns, Objections, Visits, NoMatch, Silence int
	Duration, SilenceAfter, MaxSpeech           time.Duration
	Confidence                                  float64
}

// SegmentModel is a declared segment. Rule: a customer whose When holds is put
// there; else it is for those who bring its name.
type SegmentModel struct {
	Name string
	Rule bool
	When string
}

// OfferModel is an offer.
type OfferModel struct {
	ID    string
	At    Place
	Tiers []string
	Words []string // in every language, and what else is guarded
}

// AdviceModel is a piece of advice.
type AdviceModel struct {
	ID       string
	At       Place
	For      string
	Excludes []string
	Say      SayModel
}

// Model lays the script open.
func (s *Script) Model() Model {
	m := Model{Info: s.Info(), Start: s.start, Disclosure: s.sayModel(s.disclosure), Variables: s.Info().Variables, Values: map[string][]string{}, Spoken: map[string]string{},
		Ceilings: maps.Clone(s.ceilings), Otherwise: s.ceiling, Tier: s.tier, Unlocks: map[string]string{}, Slots: sortedKeys(s.slots), Lexicon: s.lexicon,
		Limits: LimitsModel{Turns: s.limits.turns, Objections: s.limits.objections, Visits: s.limits.visits, NoMatch: s.limits.noMatch, Silence: s.limits.silence,
			Duration: s.limits.duration, SilenceAfter: s.limits.silenceAfter, MaxSpeech: s.limits.maxSpeech, Confidence: s.minConf}}
	if s.voicemail != nil {
		v := s.sayModel(s.voicemail)
		m.Voicemail = &v
	}
	if s.handover != nil {
		t := s.targetModel(target{goal: toTransfer, over: s.handover})
		m.Handover = &t
	}
	for _, id := range s.order {
		m.Nodes = append(m.Nodes, s.nodeModel(s.nodes[id]))
	}
	for _, i := range slices.Sorted(maps.Keys(s.globals)) {
		r := s.replyModel(s.globals[i])
		r.Intents = []nlu.Intent{i}
		m.Globals = append(m.Globals, r)
	}
	for _, i := range slices.Sorted(maps.Keys(s.objections)) {
		m.Objections = append(m.Objections, s.objectionModel(i, s.objections[i]))
	}
	for _, k := range sortedKeys(s.keys) {
		m.Keys = append(m.Keys, s.replyModel(s.keys[k]))
	}
	for _, k := range sortedKeys(s.lines) {
		m.Lines = append(m.Lines, s.sayModel(s.lines[k]))
	}
	for _, g := range s.grades {
		m.Grades = append(m.Grades, g.when.source())
	}
	s.modelRestrictions(&m)
	return m
}

func (s *Script) modelRestrictions(m *Model) {
	for _, g := range s.segments {
		m.Segments = append(m.Segments, SegmentModel{g.name, g.rule, g.when.source()})
	}
	for _, id := range sortedKeys(s.offers) {
		o := s.offers[id]
		words := slices.Clone(o.also)
		for _, l := range slices.Sorted(maps.Keys(o.langs)) {
			words = append(words, o.langs[l])
		}
		m.Offers = append(m.Offers, OfferModel{ID: id, At: o.at.place(), Tiers: slices.Clone(o.tiers), Words: words})
	}
	for _, id := range sortedKeys(s.advice) {
		a := s.advice[id]
		m.Advice = append(m.Advice, AdviceModel{ID: id, At: a.at.place(), For: a.when.source(), Excludes: slices.Clone(a.excludes), Say: s.sayModel(a.say)})
	}
	for k, w := range s.unlocks {
		m.Unlocks[k] = w.source()
	}
	for k, v := range s.vars {
		if len(v.values) > 0 {
			m.Values[k] = slices.Clone(v.values)
		}
	}
	for k, d := range s.slots {
		if len(d.spec.Values) > 0 {
			m.Values[k] = sortedKeys(d.spec.Values)
			if forms := d.spec.Values[m.Values[k][0]]; len(forms) > 0 {
				m.Spoken[k] = forms[0]
			}
		}
	}
}

func (v *val) place() Place {
	if v == nil {
		return Place{}
	}
	return Place{v.file, v.line, v.col}
}

func (c *cond) source() string {
	if c == nil {
		return ""
	}
	return c.src
}
