package store

// Rows are what the tables hold; no other package sees them. Their columns are those of migrations/*.

type numberRow struct {
	TenantID  string `gorm:"primaryKey"`
	ID        binID  `gorm:"primaryKey"`
	HMAC      hash32 `gorm:"column:hmac"`
	E164      []byte `gorm:"column:e164"`
	Type      string
	Zone      string
	Region    string
	CreatedAt instant `gorm:"autoCreateTime:false"`
}

type personRow struct {
	TenantID   string `gorm:"primaryKey"`
	ID         binID  `gorm:"primaryKey"`
	ExternalID []byte
	Name       string
	NumberID   binID
	Zone       string
	Language   string
	Vars       string
	CreatedAt  instant `gorm:"autoCreateTime:false"`
	UpdatedAt  instant `gorm:"autoUpdateTime:false"`
}

type scriptRow struct {
	TenantID       string `gorm:"primaryKey"`
	ID             string `gorm:"primaryKey"`
	CurrentVersion string
	UpdatedAt      instant `gorm:"autoUpdateTime:false"`
}

type scriptVersionRow struct {
	TenantID  string `gorm:"primaryKey"`
	ScriptID  string `gorm:"primaryKey"`
	Version   string `gorm:"primaryKey"`
	SHA256    hash32 `gorm:"column:sha256"`
	Source    []byte
	CreatedBy string
	CreatedAt instant `gorm:"autoCreateTime:false"`
}

type taskRow struct {
	TenantID       string `gorm:"primaryKey"`
	ID             binID  `gorm:"primaryKey"`
	Name           string
	ScriptID       string
	StandingScript *string
	Purpose        string
	LegalBasis     string
	Jurisdiction   string
	State          string
	Parked         bool
	PausedReason   string
	Trunk          string
	CallerID       string
	Pool           string
	Concurrency    int
	CPS            float64 `gorm:"column:cps"`
	Retry          string
	CreatedAt      instant `gorm:"autoCreateTime:false"`
	UpdatedAt      instant `gorm:"autoUpdateTime:false"`
}

// contactRow's State has one value more than the domain's: parked, for "due, but its task does not run".
type contactRow struct {
	TenantID  string `gorm:"primaryKey"`
	ID        binID  `gorm:"primaryKey"`
	TaskID    binID
	PersonID  binID
	Pool      string
	State     string
	ClaimRank int
	DueAt     instant
	Reason    string
	CallTime  string
	CallZone  string
	Tries     int
	Ref       string
	Path      string
	AskedAt   instant
	CreatedAt instant `gorm:"autoCreateTime:false"`
	UpdatedAt instant `gorm:"autoUpdateTime:false"`
}

const parked = "parked"

type dncRow struct {
	TenantID  string `gorm:"primaryKey"`
	Layer     string `gorm:"primaryKey"`
	TaskID    []byte `gorm:"primaryKey"`
	Kind      string `gorm:"primaryKey"`
	Subject   []byte `gorm:"primaryKey"`
	Reason    string
	Words     string
	AttemptID binID
	ExpiresAt instant
	CreatedAt instant `gorm:"autoCreateTime:false"`
	UpdatedAt instant `gorm:"autoUpdateTime:false"`
	Source    string  // person, operator, import, regulator; empty = said in a call, or of the time before sources
	CreatedBy string
}

type controllerRow struct {
	ID           string `gorm:"primaryKey"`
	Epoch        int64
	HeartbeatAt  instant
	RegisteredAt instant
}

type attemptRow struct {
	TenantID      string `gorm:"primaryKey"`
	ID            binID  `gorm:"primaryKey"`
	TaskID        binID
	ContactID     binID
	PersonID      binID
	NumberID      binID
	Try           int
	State         string
	Live          *int
	Owner         string
	Epoch         int64
	DueAt         instant
	BornAt        instant
	PlacedAt      instant
	EndedAt       instant
	PBX           string `gorm:"column:pbx"`
	Trunk         string
	CallerID      []byte
	ScriptVersion string
	Permit        []byte
	Reason        string
	Outcome       *string
	Direction     string
}

// Directions of attempts.
const (
	outward = "out"
	inward  = "in"
)

// inboundRow is what a call that came in has beside its attempt.
type inboundRow struct {
	TenantID  string `gorm:"primaryKey"`
	AttemptID binID  `gorm:"primaryKey"`
	Leg       string
	Known     string
	CreatedAt instant `gorm:"autoCreateTime:false"`
}

type legRow struct {
	TenantID  string `gorm:"primaryKey"`
	ID        binID  `gorm:"primaryKey"`
	AttemptID binID
	Role      string
	PBX       string  `gorm:"column:pbx"`
	CreatedAt instant `gorm:"autoCreateTime:false"`
}

type eventRow struct {
	TenantID  string `gorm:"primaryKey"`
	AttemptID binID  `gorm:"primaryKey"`
	Seq       int64  `gorm:"primaryKey;autoIncrement:false"`
	AtNS      int64  `gorm:"column:at_ns"`
	Kind      string
	Input     []byte
}

type cdrRow struct {
	TenantID      string `gorm:"primaryKey"`
	AttemptID     binID  `gorm:"primaryKey"`
	TaskID        binID
	ContactID     binID
	PersonID      binID
	NumberID      binID
	Try           int
	ScriptID      string
	ScriptVersion string
	Purpose       string
	PBX           string `gorm:"column:pbx"`
	Trunk         string
	PlacedAt      instant
	StartedAt     instant
	RingingAt     instant
	AnsweredAt    instant
	EndedAt       instant
	TalkMS        int64 `gorm:"column:talk_ms"`
	Disposition   string
	Reason        string
	SIP           int `gorm:"column:sip"`
	Q850          int `gorm:"column:q850"`
	ReasonQ850    int `gorm:"column:reason_q850"`
	EndedBy       string
	Raw           string
	AMD           string `gorm:"column:amd"`
	Grade         string
	Disclosed     bool
	Direction     string
}

type turnRow struct {
	TenantID    string `gorm:"primaryKey"`
	AttemptID   binID  `gorm:"primaryKey"`
	Seq         int    `gorm:"primaryKey;autoIncrement:false"`
	Side        string
	Said        string
	Planned     string
	StartMS     int64 `gorm:"column:start_ms"`
	EndMS       int64 `gorm:"column:end_ms"`
	Node        string
	Intent      string
	Confidence  float64
	Interrupted bool
}

type disclosureRow struct {
	TenantID  string `gorm:"primaryKey"`
	AttemptID binID  `gorm:"primaryKey"`
	ScriptID  string
	Version   string
	Line      string
	Said      string
	PlayedAt  instant
	StartMS   int64 `gorm:"column:start_ms"`
	EndMS     int64 `gorm:"column:end_ms"`
	Complete  bool
}

type recordingRow struct {
	TenantID   string `gorm:"primaryKey"`
	ID         binID  `gorm:"primaryKey"`
	AttemptID  binID
	Path       string
	SHA256     string `gorm:"column:sha256"`
	Bytes      int64
	DurationNS int64 `gorm:"column:duration_ns"`
	Rate       int
	Channels   int
	Incomplete string
	Label      string
	// LabelDetail is what to look for, then what was found.
	LabelDetail string
	Silenced    *string // JSON; NULL = nothing
	CheckedAt   instant
	CreatedAt   instant `gorm:"autoCreateTime:false"`
}

type ticketRow struct {
	TenantID  string `gorm:"primaryKey"`
	ID        binID  `gorm:"primaryKey"`
	AttemptID binID
	PersonID  binID
	Kind      string
	Words     string
	State     string
	CreatedAt instant `gorm:"autoCreateTime:false"`
}

// budgetRow is the lock of what a person's or a number's acts are counted under; Subject is a person's id or a number's hmac.
type budgetRow struct {
	TenantID  string `gorm:"primaryKey"`
	Kind      string `gorm:"primaryKey"`
	Subject   []byte `gorm:"primaryKey"`
	Life      int
	UpdatedAt instant `gorm:"autoUpdateTime:false"`
}

// budgetEntryRow's EndedAt is zero while the call's outcome is not known.
type budgetEntryRow struct {
	TenantID   string `gorm:"primaryKey"`
	PersonID   binID  `gorm:"primaryKey"`
	RefID      binID  `gorm:"primaryKey"`
	Channel    string
	At         instant
	ReturnedAt instant
	NumberHMAC []byte `gorm:"column:number_hmac"`
	TaskID     binID
	ContactID  binID
	Path       string
	Purpose    string
	Answered   bool
	TalkedAt   instant
	EndedAt    instant
}

// taskDayRow's Day counts from 1970 in UTC.
type taskDayRow struct {
	TenantID  string `gorm:"primaryKey"`
	TaskID    binID  `gorm:"primaryKey"`
	Day       int    `gorm:"primaryKey;autoIncrement:false"`
	Answered  int
	Abandoned int
}

// callerUseRow's Hour counts from 1970.
type callerUseRow struct {
	TenantID string `gorm:"primaryKey"`
	CallerID binID  `gorm:"primaryKey"`
	Hour     int    `gorm:"primaryKey;autoIncrement:false"`
	Used     int
}

// permitRow is a record of the ledger; BlockSeq and Pos are nil until it is sealed.
type permitRow struct {
	TenantID string `gorm:"primaryKey"`
	ID       binID  `gorm:"primaryKey"`
	Kind     string `gorm:"primaryKey"`
	At       instant
	Body     []byte
	Leaf     hash32
	BlockSeq *int64
	Pos      *int
}

type blockRow struct {
	TenantID  string `gorm:"primaryKey"`
	Seq       int64  `gorm:"primaryKey;autoIncrement:false"`
	Prev      hash32
	Root      hash32
	Records   int
	At        instant
	Hash      hash32
	KeyID     string
	Signature []byte
}

type headRow struct {
	TenantID  string `gorm:"primaryKey"`
	Seq       int64
	Hash      hash32
	UpdatedAt instant `gorm:"autoUpdateTime:false"`
}

// personKeyRow's Sealed is nil once the key was erased.
type personKeyRow struct {
	TenantID  string `gorm:"primaryKey"`
	PersonID  binID  `gorm:"primaryKey"`
	Sealed    []byte
	CreatedAt instant `gorm:"autoCreateTime:false"`
	ErasedAt  instant
}

type outboxRow struct {
	TenantID    string `gorm:"primaryKey"`
	ID          binID  `gorm:"primaryKey"`
	Aggregate   []byte
	Seq         int64
	Kind        string
	Event       string
	Destination string
	Body        []byte
	State       string
	Tries       int
	DueAt       instant
	Owner       string
	Status      int
	Reason      string
	CreatedAt   instant `gorm:"autoCreateTime:false"`
	EndedAt     instant
}

type idempotencyRow struct {
	TenantID    string `gorm:"primaryKey"`
	IdemKey     []byte `gorm:"primaryKey"`
	RequestHash hash32
	ContactID   binID
	CreatedAt   instant `gorm:"autoCreateTime:false"`
}

func (numberRow) TableName() string        { return "number" }
func (personRow) TableName() string        { return "person" }
func (scriptRow) TableName() string        { return "script" }
func (scriptVersionRow) TableName() string { return "script_version" }
func (taskRow) TableName() string          { return "task" }
func (contactRow) TableName() string       { return "task_contact" }
func (dncRow) TableName() string           { return "dnc" }
func (controllerRow) TableName() string    { return "controller" }
func (attemptRow) TableName() string       { return "attempt" }
func (legRow) TableName() string           { return "leg" }
func (inboundRow) TableName() string       { return "inbound" }
func (eventRow) TableName() string         { return "call_event" }
func (cdrRow) TableName() string           { return "cdr" }
func (turnRow) TableName() string          { return "turn" }
func (disclosureRow) TableName() string    { return "disclosure" }
func (recordingRow) TableName() string     { return "recording" }
func (ticketRow) TableName() string        { return "ticket" }
func (budgetRow) TableName() string        { return "budget" }
func (budgetEntryRow) TableName() string   { return "budget_entry" }
func (taskDayRow) TableName() string       { return "task_day" }
func (callerUseRow) TableName() string     { return "caller_use" }
func (permitRow) TableName() string        { return "permit" }
func (blockRow) TableName() string         { return "ledger_block" }
func (headRow) TableName() string          { return "ledger_head" }
func (personKeyRow) TableName() string     { return "person_key" }
func (outboxRow) TableName() string        { return "outbox" }
func (idempotencyRow) TableName() string   { return "idempotency" }
