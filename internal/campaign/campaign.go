package campaign

import (
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/phone"
	"ringmaster/internal/speech"
)

// Purpose decides which law applies to a call.
type Purpose string

// Purposes.
const (
	Marketing   Purpose = "marketing"
	Collections Purpose = "collections"
	Service     Purpose = "service"
	Fraud       Purpose = "fraud"
	Health      Purpose = "health"
)

// Task (任务) is a script, an audience, a schedule and a pacing. A single POST
// joins the standing task of its script.
type Task struct {
	ID           uuid.UUID
	Tenant       string
	Name         string
	Script       string // script ID; a version is chosen at Place
	Purpose      Purpose
	LegalBasis   string
	Jurisdiction string // CN, US, UK, EU, lab; empty = strictest
	Standing     bool
	State        TaskState
	Trunk        string
	CallerID     string
	Pool         string // claims are made per pool
	Concurrency  int    // live calls at most; 0 = no limit of its own
	CPS          float64
	Retry        RetryPolicy
	CreatedAt    time.Time
}

// TaskState of a task.
type TaskState string

// States of a task.
const (
	TaskRunning TaskState = "running"
	TaskPaused  TaskState = "paused"
	TaskDone    TaskState = "done"
)

// Person is a customer of a tenant.
type Person struct {
	ID         uuid.UUID
	Tenant     string
	ExternalID string // the CRM's customer_id
	Name       string
	Number     phone.Number
	Zone       string // IANA; empty = from the number
	Language   speech.Language
	Vars       map[string]any // what scripts may say: plan, amount, appointment ...
	CreatedAt  time.Time
}

// Contact is a person in a task: the thing that is due, tried and done.
type Contact struct {
	ID       uuid.UUID
	Tenant   string
	Task     uuid.UUID
	Person   uuid.UUID
	Script   string
	Customer string // the person's ExternalID
	State    ContactState
	Reason   string // why it is in this state: a code of the catalogue
	DueAt    time.Time
	CallTime string // as the client wrote it, kept as text
	CallZone string // the zone that resolved it
	Priority int
	Tries    int
	// Path is how the next try came about: callback, manual; empty = by its task.
	Path string
	// AskedAt is the moment that the person asked to be called back at; zero = none.
	AskedAt time.Time
	// Ref is the client's own words echoed in webhooks, at most 256 bytes.
	Ref       string
	CreatedAt time.Time
	UpdatedAt time.Time
}

// ContactState of a contact in a task.
type ContactState string

// States of a contact in a task. Scheduled waits for its time, Ready may be
// claimed, Claimed has a live attempt; the others are final.
const (
	Scheduled ContactState = "scheduled"
	Ready     ContactState = "ready"
	Claimed   ContactState = "claimed"
	Done      ContactState = "done"
	Expired   ContactState = "expired"   // its time had passed, or the window never opened
	Blocked   ContactState = "blocked"   // a rule forbids it for good (DNC, no consent)
	Cancelled ContactState = "cancelled" // by DELETE
)

// Final reports that nothing more will happen to the contact.
func (s ContactState) Final() bool {
	return s == Done || s == Expired || s == Blocked || s == Cancelled
}

// AttemptState of an attempt. Placed is the point of no return.
type AttemptState string

// States of an attempt.
const (
	AttemptClaimed   AttemptState = "claimed"
	AttemptPlaced    AttemptState = "placed"
	AttemptFinished  AttemptState = "finished"
	AttemptPostponed AttemptState = "postponed" // given back before it was placed
)

// Fence identifies who may write to an attempt: a controller that lost its
// lease can write nothing.
type Fence struct {
	Attempt uuid.UUID
	Owner   string // controller ID
	Epoch   int64
}

// Attempt is one try to reach a contact. Its ID is a UUIDv7 and is also the
// leg's ID on the exchange.
type Attempt struct {
	ID       uuid.UUID
	Tenant   string
	Task     Task
	Contact  Contact
	Person   Person
	Try      int // 1, 2, ...
	State    AttemptState
	Fence    Fence
	Placed   Placement // zero until placed
	PlacedAt time.Time
	DueAt    time.Time
	BornAt   time.Time
	// Zone is the zone that calling hours are judged in; empty = unknown.
	Zone string
	// Inbound: they called us. No rule was asked and no try is used.
	Inbound bool
}

// Placement is what Place writes before the exchange hears of the call.
type Placement struct {
	PBX           string
	Trunk         string
	CallerID      phone.Number
	ScriptVersion string
	Permit        []byte // hash of the permit, when a ledger is kept
}

// Side of a conversation.
type Side string

// Sides.
const (
	Us   Side = "us"
	Them Side = "them"
)

// Turn is one thing said, masked. Times are milliseconds since the answer on
// the media clock.
type Turn struct {
	Seq         int     `json:"seq"`
	Side        Side    `json:"side"`
	Text        string  `json:"text"`
	StartMS     int64   `json:"start_ms"`
	EndMS       int64   `json:"end_ms"`
	Node        string  `json:"node,omitempty"`
	Intent      string  `json:"intent,omitempty"`
	Confidence  float64 `json:"confidence,omitempty"`
	Interrupted bool    `json:"interrupted,omitempty"` // Text is what was really heard
	Planned     string  `json:"planned,omitempty"`     // the whole utterance, when interrupted
}

// Disclosure is the evidence that the recording-and-AI notice was heard.
type Disclosure struct {
	Text     string    `json:"text"`
	Line     string    `json:"line"` // utterance ID within the script version
	Script   string    `json:"script"`
	Version  string    `json:"version"`
	PlayedAt time.Time `json:"played_at"` // when its last sample had been played
	StartMS  int64     `json:"start_ms"`
	EndMS    int64     `json:"end_ms"`
	Complete bool      `json:"complete"`
}

// Recording is a finished recording.
type Recording struct {
	ID         uuid.UUID     `json:"id"`
	Path       string        `json:"path"` // relative to the archive's root
	SHA256     string        `json:"sha256"`
	Bytes      int64         `json:"bytes"`
	Duration   time.Duration `json:"duration_ns"`
	Rate       int           `json:"rate"`
	Channels   int           `json:"channels"` // 2: left = them, right = us
	Incomplete string        `json:"incomplete,omitempty"`
	// Silenced is what was made silent in it before anybody could hear it.
	Silenced []Silence `json:"silenced,omitempty"`
	// Withheld says why nobody may hear it; Path is then empty.
	Withheld string `json:"withheld,omitempty"`
	// Label is what the examination of the recorded audio found (row M13).
	Label Label `json:"label,omitempty"`
	// LabelDetail is what to look for while Label is LabelUnchecked (a document
	// of internal/label), and what was found afterwards.
	LabelDetail string `json:"label_detail,omitempty"`
}

// Silence is a stretch of a recording without sound, in milliseconds from its
// beginning. An empty Leg means both.
type Silence struct {
	FromMS int64 `json:"from_ms"`
	ToMS   int64 `json:"to_ms"`
	Leg    Side  `json:"leg,omitempty"`
}

// Label is the verdict about the AI notice in a recording.
type Label string

// Verdicts.
const (
	LabelNone      Label = ""          // nothing was to be found in it: nobody answered, or it holds no notice by design
	LabelUnchecked Label = "unchecked" // not examined yet
	LabelProven    Label = "proven"    // the notice is in the recorded audio
	LabelMissing   Label = "missing"   // it is not: the task is paused
)

// OptOut is a number to be blocked because its owner said so.
type OptOut struct {
	Reason string // stop_word, complaint, dtmf
	Words  string // masked
}

// Outcome is the one end of one attempt.
type Outcome struct {
	Disposition Disposition
	Reason      string // code, with detail after ": "
	// Raw codes, immutable (row T34).
	SIP        int
	Q850       int
	ReasonQ850 int
	By         string
	Raw        string

	StartedAt  time.Time
	RingingAt  time.Time // zero if never
	AnsweredAt time.Time // zero if never
	EndedAt    time.Time

	AMD        string // human, voicemail, ivr, unavailable, uncertain or empty
	Turns      []Turn
	Slots      map[string]string
	Tags       []string
	Grade      string // 意向等级 A-F
	Disclosure *Disclosure
	Recordings []Recording
	OptOut     *OptOut
	Tickets    []Ticket
	// Unlocks are what the script verified and asks to be unlocked, each once.
	// They leave in the transaction that writes the outcome, or never.
	Unlocks []string
	// SMS are the templates of text messages that the script asks for, each once.
	SMS        []string
	CallbackAt time.Time // the contact asked for it; zero = no
	// NextTry is when the contact is due again; zero = this was the last.
	NextTry time.Time
	// NeverSent is set when the exchange provably did nothing for this attempt:
	// the placement is taken back and the try is not used.
	NeverSent string
	// Degraded names providers that failed during the call.
	Degraded []string
}

// Ticket is something for people to look at, such as a complaint.
type Ticket struct {
	Kind  string // complaint, human_wanted, provider_failure
	Words string // masked
}

// Answered reports that somebody or something took the call.
func (o Outcome) Answered() bool { return !o.AnsweredAt.IsZero() }
