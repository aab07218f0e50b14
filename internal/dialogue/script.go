package dialogue

import (
	"errors"
	"maps"
	"slices"
	"sort"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/voices"
)

// Format is the first line of every script: `format: ringmaster/1`.
const Format = "ringmaster/1"

// Info is what others need to know of a script.
type Info struct {
	ID, Title string
	Version   string // sha256 of the source, hex
	Industry  string
	Purpose   campaign.Purpose
	Language  speech.Language   // spoken when the customer's own is not offered
	Languages []speech.Language // in which the disclosure, at least, is written
	Voices    map[speech.Language]string
	Hotwords  map[string]int
	Variables []Variable // sorted by name
	Nodes     []string   // in the order of the file
	Replies   []string   // of the nodes, by their IDs: "opening.1" is the first of opening
	Duration  time.Duration
	Turns     int
	// Disclosure is the text of the notice in the script's language.
	Disclosure string
}

// Variable is one value of a customer that a script may say or test.
type Variable struct {
	Name     string
	Type     string
	Required bool
	Default  string
}

// Script is a compiled script: immutable, safe for concurrent use.
type Script struct {
	info       Info
	vars       map[string]*variable
	slots      map[string]*slotDecl
	disclosure *say
	nodes      map[string]*node
	order      []string // node names; the engine's first
	start      string
	globals    map[nlu.Intent]*reply
	objections map[nlu.Intent]*objection
	lines      map[string]*say // system lines, as the author worded them
	fixed      map[string]*say // system lines, as the engine words them
	keys       map[string]*reply
	handover   *handover
	voicemail  *say // nil: hang up
	grades     []gradeRule
	limits     limits
	minConf    float64
	index      map[string]*indexed // line ID -> its template
	expect     []nlu.Expectation   // objections and globals
	history    bool                // a condition reads the history
	visits     bool                // a condition reads visits

	written    Written // bounds, globals and lines that are the author's
	source     []byte  // with everything that it uses
	lexicon    *Lexicon
	segments   []segment
	ceilings   map[string]Tone // nil: no ceiling
	ceiling    Tone            // of segments that ceilings does not name
	tier       string          // the variable that holds the tier; empty = the segment
	offers     map[string]*offer
	advice     map[string]*advice
	unlocks    map[string]*cond
	restricts  bool      // not everything may be said to everybody
	offerWords wordlist  // Why is the offer
	readings   []reading // of the lexicon
	voices     casting
	cast       *voices.Catalogue // nil: voices are the provider's own names
}

type variable struct {
	name     string
	typ      varType
	required bool
	def      string
	values   []string
	format   string // how {{name}} is said; empty = by type
	hotword  bool   // the recognizer is to know the value
}

type slotDecl struct {
	spec nlu.SlotSpec
}

type limits struct {
	turns, objections, visits, noMatch, silence int
	duration, silenceAfter, maxSpeech           time.Duration
	callback                                    time.Duration
}

// say is one thing to be said: variants in several languages.
type say struct {
	id        string
	at        *val
	langs     map[speech.Language][]*template
	voice     voiced
	tone      Tone
	toneSet   bool
	protected bool
	notice    bool // the disclosure
	fixed     bool
}

// indexed finds a line again by its ID, to repeat or resume it.
type indexed struct {
	say  *say
	lang speech.Language
	t    *template
}

type node struct {
	id         string
	at         *val
	say, again *say
	protected  bool
	aside      bool
	expecting  Expecting
	replies    []*reply
	slots      []string
	noMatch    retry
	silence    retry
	keys       map[string]*reply
	keysSay    *say
	skip       []*reply // tested when the node is entered, before it speaks
	route      []*reply // where a node that does not listen goes on
	set        []setting
	do         []doing
	compose    *compose
	advise     []string // advice that is given here, in order
	advises    int      // at most so many
	listen     Listen
}

// listens reports that the node waits for the customer.
func (n *node) listens() bool { return len(n.replies) > 0 || len(n.keys) > 0 || n.compose != nil }

type retry struct {
	limit int
	say   []*say // 1st, 2nd, ... time; the last repeats
	then  target
}

// reply is one way on: what triggers it, what it does, where it leads.
type reply struct {
	id      string
	at      *val
	intents []nlu.Intent
	slot    string
	any     bool
	when    *cond
	set     []setting
	say     *say
	do      []doing
	to      target
	expect  *nlu.Expectation // own keywords and examples
}

type setting struct {
	name string
	t    *template
}

type doing struct {
	kind string
	t    *template
}

type goal uint8

const (
	toStay goal = iota
	toNode
	toReturn // back to the main line
	toRepeat
	toEnd
	toTransfer
)

type target struct {
	goal goal
	node string
	at   *val
	end  End
	over *handover // nil: the script's
}

type handover struct {
	agent, queue string
	timeout      time.Duration
	failed       target // what then, when it does not connect
}

type objection struct {
	name   string
	depth  int
	rounds []*say
	do     []doing
	set    []setting
	to     target // after a round; stay = the main line goes on listening
	worn   target // after depth rounds
	wornBy *say
}

type gradeRule struct {
	grade string
	when  *cond
}

// Info describes the script.
func (s *Script) Info() Info {
	i := s.info
	i.Voices, i.Hotwords = maps.Clone(i.Voices), maps.Clone(i.Hotwords)
	i.Languages, i.Variables, i.Nodes = slices.Clone(i.Languages), slices.Clone(i.Variables), slices.Clone(i.Nodes)
	i.Replies = slices.Clone(i.Replies)
	return i
}

// ReadsHistory: a condition reads the customer's earlier calls, so they should
// be given to Start.
func (s *Script) ReadsHistory() bool { return s.history }

// Missing names the required variables that the customer lacks or that cannot
// be said, each with the reason, sorted: "amount: no value".
func (s *Script) Missing(c Customer) []string {
	var out []string
	for _, name := range sortedKeys(s.vars) {
		v := s.vars[name]
		_, err := v.of(c)
		if err == nil || errors.Is(err, errEmpty) && !v.required {
			continue
		}
		if v.required {
			out = append(out, name+": "+err.Error())
		}
	}
	return out
}

// of is the customer's value in canonical form. A wrong value of an optional
// variable counts as none.
func (v *variable) of(c Customer) (string, error) {
	raw, ok := c.Vars[v.name]
	if !ok && v.typ == tName && v.name == "name" {
		raw = c.Name
	}
	s, err := canonical(v.typ, v.values, raw)
	if err == nil {
		return s, nil
	}
	if v.def != "" && (errors.Is(err, errEmpty) || !v.required) {
		return v.def, nil
	}
	return "", err
}

func keysOf[K ~string, V any](m map[K]V) []K {
	out := make([]K, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	out := keysOf(m)
	sort.Strings(out)
	return out
}

func has[T comparable](list []T, x T) bool { return slices.Contains(list, x) }
