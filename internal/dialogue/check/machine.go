package check

import "ringmaster/internal/dialogue"

// place is where something stands in the source.
type place struct {
	file      string
	line, col int
}

// machine is a script as a transition system: what can happen at every node,
// under which conditions, what is said and where it leads.
type machine struct {
	tab   *table
	file  string
	nodes []*node
	start int // index into nodes
	langs []string
	own   string // the script's language

	lang, segment, intent int // variables; -1 when there is none

	ceilings []dialogue.Tone // by value of the segment

	notice    *utter
	voicemail *utter
	lines     []*utter // the engine's lines in the author's words
	loose     []*edge  // of no node: first answers before the first node, the keys of the script
	limits    bounds
}

// bounds are the numbers that end what could go round.
type bounds struct{ turns, objections, visits, noMatch, silence int }

type node struct {
	id      string
	at      place
	engine  bool // not of the author
	listens bool
	aside   bool
	say     *utter
	again   *utter
	keysSay *utter
	skip    []*edge
	route   []*edge
	edges   []*edge // what the customer may do here
	set     []setting
	do      []action
	advise  []advised
	visits  int // variable that counts them; -1

	live      []bool // variables that may still be read from here on
	needsMain bool   // something leads back to the main line from here
}

// advised is a piece of advice, for those whose condition holds.
type advised struct {
	u    *utter
	when *cond
	at   place
}

type edgeKind uint8

const (
	byIntent edgeKind = iota
	bySlot
	byAnything
	byKey
	byObjection
	byWornOut
	byGlobal
	bySilence
	byNoMatch
	byRoute // no input: skip, route, goto
	byTransferFailed
)

// edge is one way on.
type edge struct {
	id     string
	at     place
	kind   edgeKind
	author bool   // written in this script
	leads  bool   // counts as a way on that the author gives (for dead ends)
	them   string // what the customer says or does
	intent string
	when   *cond
	whenAt place
	not    []*cond // of replies that would be taken before it
	never  bool    // a reply before it takes everything
	fills  []int   // slots that may be heard with it
	hears  []int   // slots that are heard with it
	counts int     // variable that counts up with it; -1
	set    []setting
	do     []action
	says   []*utter
	prior  []*edge // what must have been said before: the earlier rounds
	to     target
	taken  bool
}

type setting struct {
	slot int
	m    mask
}

// action is a side effect whose value may lack something.
type action struct {
	kind  string
	value string
	at    place
	cond  *cond // of an unlock
	tag   int   // variable of a tag; -1
	needs []need
}

type goal uint8

const (
	stay goal = iota
	toNode
	toReturn
	toRepeat
	toEnd
	toTransfer
)

type target struct {
	goal   goal
	node   int
	at     place
	failed *target // of a transfer; nil: the engine promises a call back
}

// utter is one thing to be said.
type utter struct {
	id     string
	node   string
	at     place
	engine bool
	all    []*variant
	langs  [][]*variant // by index of machine.langs: what a customer of that language hears
}

// variant is one wording.
type variant struct {
	id    string
	at    place
	lang  string
	parts []piece
	text  string // as it is written
	tone  dialogue.Tone
	needs []need
	words []wording
	traps []trap
	said  bool
}

// trap is what must never be said, and would be if the values were such.
type trap struct {
	rule    Rule
	text    string // of the finding
	suggest string
	when    []bound
}

// bound: the variable has one of these values.
type bound struct {
	index int
	m     mask
}

// piece of a wording: fixed text, or a placeholder whose values may be known.
type piece struct {
	text   string
	name   string
	offer  bool
	values []string // every text that may stand there; nil: anything
	kinds  []any    // the values of the variable that give them
}

// need is something without which a wording cannot be said to a customer.
type need struct {
	why   needKind
	index int  // variable; -1 with cond
	ok    mask // values that permit it
	cond  *cond
	what  string // offer, tone or variable, for the finding
}

type needKind uint8

const (
	needSet     needKind = iota // a value that may be unset
	needOffer                   // an offer of some tiers only
	needTone                    // a tone under the segment's ceiling
	needSegment                 // segments: of the variant
	needCond                    // when: of the variant
)
