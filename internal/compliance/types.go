package compliance

import (
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/phone"
)

// Channel of an act.
type Channel string

// Channels.
const (
	Voice Channel = "voice"
	SMS   Channel = "sms"
)

// Purpose of an act: campaign's.
type Purpose = campaign.Purpose

// Path is how an act came about. Every path obeys the same rules; only what
// was promised to a person for a certain moment differs (rule Late).
type Path string

// Paths.
const (
	PathTask     Path = "task"     // first try of a contact in a task
	PathRetry    Path = "retry"    // a further try
	PathCallback Path = "callback" // the person asked to be called back
	PathManual   Path = "manual"   // an operator pressed the button
	PathSMS      Path = "sms"
)

// Act is what somebody wants to do to a person.
type Act struct {
	Channel       Channel
	Path          Path
	Tenant        string
	Person        string // ID
	Contact       string // ID of the contact in the task; empty = none
	Task          string // ID; empty = none
	Number        phone.Number
	Purpose       campaign.Purpose
	LegalBasis    string // as the task states it: consent, contract, request, ...
	Jurisdiction  string // as the task says; empty = by the number's region
	CallerID      phone.Number
	Trunk         string
	Script        string
	ScriptVersion string
	Lab           bool      // over a trunk marked lab to a lab extension: stands for no person
	DueAt         time.Time // the moment that was asked for
	Try           int       // 1, 2, ...
	Needs         Needs     // what the store is to count for it (Rules.Needs); zero = 30 days

	known *known // what follows from the above, computed once: see look
}

// Facts are what is known at that moment, read in one transaction under the
// lock of the person's and the number's budget row.
type Facts struct {
	Zone     string    // the contact's zone; empty = by number
	Stopped  string    // the stop button in force: "all" or "tenant", then ": " and its reason; empty = none
	Blocks   []Block   // do-not-call entries of this number and this person, expired ones may be among them
	Consents []Consent // of this person, withdrawn and expired ones among them
	// Spent are the acts of this person or of this number within Horizon.
	Spent []Spent
	// Acts of all time, those in Spent among them.
	LifePerson, LifeNumber, LifeContact int
	CallerID                            *Registration // nil = not registered for that trunk
	// Calls of the task within the last Needs.Abandon: answered by a person, and of
	// these abandoned (nobody spoke within the time that the law gives).
	Answered, Abandoned int
	Contact             ContactFacts
	Task                TaskFacts
}

// Horizon is how far back Facts.Spent reaches. No rule may look further back
// within Spent: a jurisdiction file that does so does not load.
const Horizon = 31 * 24 * time.Hour

// Layer of a do-not-call list.
type Layer string

// Layers of the do-not-call list.
const (
	LayerSystem Layer = "system" // all tenants: regulators' lists, emergency
	LayerTenant Layer = "tenant"
	LayerTask   Layer = "task"
)

// Block is an entry of a do-not-call list.
type Block struct {
	Layer   Layer
	Kind    string    // number, person
	Reason  string    // code: stop_word, complaint, regulator, ...
	Expires time.Time // zero = never
}

// Consent is a recorded consent or request of a person.
type Consent struct {
	ID          string
	Basis       string           // explicit, written, request, implied, ...: see Bases
	Purpose     campaign.Purpose // empty = all purposes
	Channel     Channel          // empty = all channels
	Source      string           // where the proof lies: web form, paper, recording; never shown raw
	ObtainedAt  time.Time
	ExpiresAt   time.Time // zero = never
	WithdrawnAt time.Time // zero = not
}

// Spent is an act that was done to this person or this number.
type Spent struct {
	At          time.Time
	Channel     Channel
	Path        Path
	Purpose     campaign.Purpose
	SamePerson  bool
	SameNumber  bool
	SameTask    bool
	SameContact bool
	Open        bool      // a call whose outcome is not known yet: counts as the worst
	Answered    bool      // by a person
	Talked      bool      // there was a conversation
	TalkedAt    time.Time // when it ended; zero = At
}

// Registration is what the caller ID registry knows of a number on a trunk.
type Registration struct {
	Voice, SMS bool
	Type       string // as the operator typed it; empty = by the number's prefix
	Licence    string
	Trunk      string
	Region     string // ISO 3166-1; empty = any
	State      string // active, suspended
	DailyCap   int    // 0 = no limit
	UsedToday  int
	Resets     time.Time // when UsedToday becomes 0
}

// ContactFacts are the contact's state, for Explain and M1's sums.
type ContactFacts struct {
	State  campaign.ContactState // empty = not asked
	Reason string
	DueAt  time.Time
	Tries  int
	// Live says that an attempt is under way, other than the act that is judged.
	Live bool
}

// TaskFacts are the task's state.
type TaskFacts struct {
	State    campaign.TaskState // empty = not asked
	Reason   string             // why it is paused
	MaxTries int                // 0 = no limit of its own
	// OpensAt and ClosesAt bound the task; zero = no bound.
	OpensAt, ClosesAt time.Time
}

// Decision of a verdict. The zero Decision refuses.
type Decision int

// Decisions.
const (
	Refuse Decision = iota // for good
	Wait                   // until Verdict.Until
	Allow
)

// String is the decision's stable code.
func (d Decision) String() string {
	switch d {
	case Allow:
		return "allow"
	case Wait:
		return "wait"
	}
	return "refuse"
}

// Verdict of a rule. The zero Verdict refuses.
type Verdict struct {
	Decision Decision
	Rule     string
	Reason   string            // stable code; empty when allowed
	Inputs   map[string]string // what it was judged by: masked, no name, no ID
	// Until is the first instant at which this rule would allow what it now
	// asks to wait for, all else being equal; zero = not known.
	Until time.Time
}

// Judgement is what Place is given: the deciding verdict, and all that were asked.
type Judgement struct {
	Verdict
	Verdicts []Verdict // in order, up to the deciding one
	Version  string    // of the rules: changes when any figure of theirs does
}

// Judge judges one act by the facts of its moment. It is pure and may be
// called under locks.
type Judge func(now time.Time, f Facts) Judgement

// Permit is what must be on disk before anything leaves: what was judged, by
// which rules, on which inputs. The store turns IDs into keyed commitments.
type Permit struct {
	ID       [16]byte // the attempt's, or the act's
	At       time.Time
	Act      Act
	Version  string
	Verdicts []Verdict
}

// Needs are the spans over which the store counts for an act.
type Needs struct {
	Abandon time.Duration // of Facts.Answered and Facts.Abandoned
}
