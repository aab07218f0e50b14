package dialogue

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/speech"
)

// Phase is where a conversation stands.
type Phase string

// Phases.
const (
	Disclosing   Phase = "disclosing"   // the notice has not yet been heard
	Talking      Phase = "talking"      // the script runs
	Voicemail    Phase = "voicemail"    // a machine; waiting for its beep or leaving the message
	Transferring Phase = "transferring" // waiting for a person to take over
	Ended        Phase = "ended"        // nothing more is decided
)

// State is everything that a conversation remembers. It is a plain value: it
// survives a JSON round trip exactly, and Next never changes what an older
// State shares with a newer one.
type State struct {
	Script   string          `json:"script"`
	Version  string          `json:"version"`
	Customer string          `json:"customer"`
	Language speech.Language `json:"language"`
	Segment  string          `json:"segment,omitempty"`
	Gender   string          `json:"gender,omitempty"` // m or f
	Voice    string          `json:"voice,omitempty"`  // what the customer wishes, where the script heeds it

	Phase     Phase  `json:"phase"`
	Node      string `json:"node,omitempty"`
	Main      string `json:"main,omitempty"` // the main line, to return to from an aside
	Disclosed bool   `json:"disclosed,omitempty"`
	Notices   int    `json:"notices,omitempty"` // times that the notice was begun

	// Saying are the IDs of the lines of the last Move that had any; Pending
	// says that they have not been Said yet, Guarded that they are protected.
	Saying  []string `json:"saying,omitempty"`
	Pending bool     `json:"pending,omitempty"`
	Guarded bool     `json:"guarded,omitempty"`

	Inputs  int  `json:"inputs,omitempty"`
	Turns   int  `json:"turns,omitempty"`    // times that the customer had the floor
	NoMatch int  `json:"no_match,omitempty"` // in a row, at this node
	Silence int  `json:"silence,omitempty"`  // in a row, at this node
	Deaf    bool `json:"deaf,omitempty"`
	// Held is an intent heard while the notice or a protected line was being
	// said; it is answered when that has been Said.
	Held string `json:"held,omitempty"`

	Visits     map[string]int    `json:"visits,omitempty"`     // node -> times entered
	Objections map[string]int    `json:"objections,omitempty"` // objection -> rounds used
	Slots      map[string]string `json:"slots,omitempty"`      // canonical values
	Vars       map[string]string `json:"vars,omitempty"`       // canonical values of declared variables
	Tags       []string          `json:"tags,omitempty"`
	Grade      string            `json:"grade,omitempty"`
	Failed     string            `json:"failed,omitempty"` // node to go to when a transfer fails
	Over       *Transfer         `json:"over,omitempty"`   // the transfer that is wanted
	History    []PastCall        `json:"history,omitempty"`
	// Composing: words are awaited from a language model; Composed counts its
	// turns at this node, Words are the last that were said.
	Composing bool     `json:"composing,omitempty"`
	Composed  int      `json:"composed,omitempty"`
	Words     string   `json:"words,omitempty"`
	Advised   []string `json:"advised,omitempty"`  // advice given, in order
	Unlocked  []string `json:"unlocked,omitempty"` // unlocks asked for
	End       *End     `json:"end,omitempty"`

	// At is the wall clock of the last decision, in Unix milliseconds; Zone
	// its offset in seconds. Relative dates in an answer are read from it.
	At   int64 `json:"at"`
	Zone int   `json:"zone,omitempty"`
}

// PastCall is an earlier conversation, as conditions read it.
type PastCall struct {
	At          int64                `json:"at"` // Unix seconds
	Script      string               `json:"script"`
	Disposition campaign.Disposition `json:"disposition"`
	Tags        []string             `json:"tags,omitempty"`
	Slots       map[string]string    `json:"slots,omitempty"`
}

const maxHistory = 20

// Start begins a conversation: the notice, and nothing else. now is in the
// contact's zone; calendar words (今天) are read and said by it.
func (s *Script) Start(c Customer, now time.Time) (State, Move) {
	st := State{Script: s.info.ID, Version: s.info.Version, Customer: c.ID, Segment: c.Segment, Language: s.languageOf(c), Phase: Disclosing}
	for name, v := range s.vars {
		if value, err := v.of(c); err == nil {
			if st.Vars == nil {
				st.Vars = make(map[string]string, len(s.vars))
			}
			st.Vars[name] = value
		}
	}
	for _, key := range []string{"gender", "title", "sex"} {
		if text, err := plain(c.Vars[key]); err == nil && st.Gender == "" {
			st.Gender = genderOf(text)
		}
	}
	st.Voice = s.heeded(c)
	if s.history {
		for _, h := range c.History[:min(len(c.History), maxHistory)] {
			st.History = append(st.History, PastCall{At: h.At.Unix(), Script: h.Script, Disposition: h.Disposition,
				Tags: nonEmpty(slices.Clone(h.Tags)), Slots: nonEmptyMap(maps.Clone(h.Slots))})
		}
	}
	t := s.turn(st, Input{}, now)
	if missing := s.Missing(c); len(missing) > 0 {
		t.why("the customer lacks a required variable: " + missing[0])
		t.finish(End{Disposition: campaign.Failed, Reason: "missing_variable"})
		return t.done()
	}
	t.why("the notice comes first")
	var why string
	if t.st.Segment, why = t.segmentOf(c.Segment); why != "" {
		t.also(why)
	}
	t.env = nil
	t.notice()
	return t.done()
}

func nonEmpty(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	return s
}

func nonEmptyMap(m map[string]string) map[string]string {
	if len(m) == 0 {
		return nil
	}
	return m
}

// languageOf is the customer's language when the notice is written in it.
func (s *Script) languageOf(c Customer) speech.Language {
	if _, ok := s.disclosure.langs[c.Language]; ok {
		return c.Language
	}
	return s.info.Language
}

// turn is one decision in the making.
type turn struct {
	s           *Script
	st          State
	in          Input
	now         time.Time
	move        Move
	env         map[string]any
	heard       []string // slots filled by this input
	disposition string
	slotsOwned  bool
	visitsOwned bool
}

func (s *Script) turn(st State, in Input, now time.Time) *turn {
	st.At = now.UnixMilli()
	_, st.Zone = now.Zone()
	return &turn{s: s, st: st, in: in, now: now}
}

// done completes the Move: what is being said, and how to listen.
func (t *turn) done() (State, Move) {
	if len(t.move.Lines) > 0 {
		ids := make([]string, len(t.move.Lines))
		t.st.Guarded = false
		for i, l := range t.move.Lines {
			ids[i] = l.ID
			t.st.Guarded = t.st.Guarded || l.Protected
		}
		t.st.Saying, t.st.Pending = ids, true
	}
	t.move.Node = t.st.Node
	if t.st.Phase == Disclosing && t.move.Node == "" {
		t.move.Node = "disclosure"
	}
	t.move.Listen = t.s.listen(&t.st)
	return t.st, t.move
}

// why keeps the first reason given.
func (t *turn) why(reason string) {
	if t.move.Reason == "" {
		t.move.Reason = clip(reason, 200)
	}
}

// because adds the condition that turned the way.
func (t *turn) because(r *reply) {
	t.move.Reason = clip(strings.TrimPrefix(t.move.Reason+"; ", "; ")+r.id+" because "+r.when.src, 300)
}

func (t *turn) values(lang speech.Language) values {
	return t.s.values(&t.st, lang, t.now)
}

// system says a line of the engine, in the author's words once the notice has
// been heard and in our own before.
func (t *turn) system(name string, count int) {
	if t.st.Disclosed {
		t.say(t.s.lines[name], count)
		return
	}
	t.say(t.s.fixed[name], count)
}

func (t *turn) notice() {
	t.st.Notices++
	t.say(t.s.disclosure, 0)
}

func (t *turn) act(a Action) { t.move.Actions = append(t.move.Actions, a) }

func (t *turn) slot(name, value, text string) {
	if !t.slotsOwned {
		t.st.Slots, t.slotsOwned = maps.Clone(t.st.Slots), true
		if t.st.Slots == nil {
			t.st.Slots = map[string]string{}
		}
	}
	t.st.Slots[name] = value
	t.env = nil
	a := Action{Kind: "slot", Value: value, Data: map[string]string{"name": name}}
	if text != "" {
		a.Data["text"] = text
	}
	t.act(a)
}

func (t *turn) set(list []setting) {
	for _, s := range list {
		if v, ok := s.t.render(t.values(t.st.Language)); ok {
			t.slot(s.name, v, "")
		}
	}
}

// do carries out the actions of a node or reply.
func (t *turn) do(list []doing) {
	for _, d := range list {
		v, ok := d.t.render(t.values(t.st.Language))
		if !ok {
			continue
		}
		switch d.kind {
		case "tag":
			t.tag(v)
		case "grade":
			t.st.Grade = v
			t.env = nil
		case "callback":
			t.act(Action{Kind: "callback", Value: v, At: t.callbackAt()})
		case "unlock":
			t.unlock(v)
		case "opt_out", "ticket":
			t.act(Action{Kind: d.kind, Value: v, Data: t.words()})
		default:
			t.act(Action{Kind: d.kind, Value: v})
		}
	}
}

func (t *turn) tag(v string) {
	if !has(t.st.Tags, v) {
		t.st.Tags = append(slices.Clone(t.st.Tags), v)
		t.env = nil
		t.act(Action{Kind: "tag", Value: v})
	}
}

func (t *turn) words() map[string]string {
	if t.in.Text == "" {
		return nil
	}
	return map[string]string{"words": clip(t.in.Text, 200)}
}

// callbackAt is the time that the customer named, or a while from now.
func (t *turn) callbackAt() time.Time {
	if s, ok := t.st.Slots["callback_at"]; ok {
		if at, err := time.ParseInLocation("2006-01-02T15:04", s, t.now.Location()); err == nil && at.After(t.now) {
			return at
		}
	}
	return t.now.Add(t.s.limits.callback)
}

// finish ends the conversation: the grade, and a goodbye when nothing else is
// said and somebody listens.
func (t *turn) finish(e End) {
	t.disposition, t.env = string(e.Disposition), nil
	if e.Disposition == campaign.OptedOut && !t.acted("opt_out") {
		t.act(Action{Kind: "opt_out", Value: "stop_word", Data: t.words()})
	}
	if t.st.Grade == "" && t.st.Disclosed {
		for _, g := range t.s.grades {
			if t.holds(g.when) {
				t.st.Grade = g.grade
				break
			}
		}
	}
	if t.st.Grade != "" {
		t.act(Action{Kind: "grade", Value: t.st.Grade})
	}
	if len(t.move.Lines) == 0 && e.Disposition != campaign.Failed && e.Disposition != campaign.Voicemail {
		t.system("goodbye", t.st.Turns)
	}
	t.st.Phase, t.st.End, t.st.Over, t.move.Transfer = Ended, &e, nil, nil
	t.move.End = &End{Disposition: e.Disposition, Reason: e.Reason}
}

func (t *turn) acted(kind string) bool {
	return slices.ContainsFunc(t.move.Actions, func(a Action) bool { return a.Kind == kind })
}

func (t *turn) visit(id string) int {
	if !t.visitsOwned {
		t.st.Visits, t.visitsOwned = maps.Clone(t.st.Visits), true
		if t.st.Visits == nil {
			t.st.Visits = map[string]int{}
		}
	}
	t.st.Visits[id]++
	t.env = nil
	return t.st.Visits[id]
}

func count(n int, what string) string { return what + " " + strconv.Itoa(n) }
