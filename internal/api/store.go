package api

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

// Failures that handlers turn into 4xx.
var (
	ErrNotFound = errors.New("no such thing")
	ErrConflict = errors.New("it exists already, or is in another state")
	// ErrKeyReused: the Idempotency-Key was used before with another body.
	ErrKeyReused = errors.New("Idempotency-Key was used before with a different request")
)

// NewContact is a contact to be called, joined to its standing task.
type NewContact struct {
	ID         uuid.UUID // chosen by the handler
	Tenant     string
	CustomerID string
	Script     string
	DueAt      time.Time
	CallTime   string
	CallZone   string
	State      campaign.ContactState // scheduled, or expired with Reason
	Reason     string
	Priority   int
	Ref        string
	Path       string // campaign.Contact.Path: empty = task, manual
	// IdempotencyKey and RequestHash make a repeat return the first contact.
	IdempotencyKey string
	RequestHash    [32]byte
	Messages       []scheduler.Message
	CreatedAt      time.Time
}

// AttemptView is an attempt with what became of it.
type AttemptView struct {
	ID      uuid.UUID
	Contact uuid.UUID
	Try     int
	State   campaign.AttemptState
	Masked  string // number, masked
	PBX     string
	Version string // script version
	Reason  string // why it ended, or was given back
	Outcome *campaign.Outcome
	BornAt  time.Time
	Inbound bool // they called us
}

// APIKey is a credential: only its hash is stored.
type APIKey struct {
	ID        uuid.UUID
	Tenant    string
	Name      string
	Hash      [32]byte
	Role      Role      // its scopes, and
	Scopes    []string  // these besides
	ExpiresAt time.Time // zero = never
	CreatedAt time.Time
	CreatedBy string
	RevokedAt time.Time // zero = not
	// LastUsedAt is exact to a minute.
	LastUsedAt time.Time
	// AllowReveal adds numbers:reveal to what a role may.
	AllowReveal bool
}

// Store is what the REST API reads and writes.
type Store interface {
	// CreateContact stores the contact in the standing task of its script in
	// one transaction. created is false when the Idempotency-Key was seen with
	// the same RequestHash: the first contact is returned. ErrKeyReused for
	// another hash; ErrNotFound for an unknown customer.
	CreateContact(ctx context.Context, c NewContact) (contact campaign.Contact, created bool, err error)
	Contact(ctx context.Context, tenant string, id uuid.UUID) (campaign.Contact, error)
	// CancelContact: a contact that is not final becomes cancelled; one with a
	// live attempt keeps it (the caller hangs up) and is not tried again.
	CancelContact(ctx context.Context, tenant string, id uuid.UUID, now time.Time) (campaign.Contact, error)
	Contacts(ctx context.Context, tenant string, after uuid.UUID, limit int) ([]campaign.Contact, error)
	Attempts(ctx context.Context, tenant string, contact uuid.UUID) ([]AttemptView, error)
	Attempt(ctx context.Context, tenant string, id uuid.UUID) (AttemptView, error)
	Recording(ctx context.Context, tenant string, id uuid.UUID) (campaign.Recording, error)

	// SavePerson creates or updates by (tenant, external ID).
	SavePerson(ctx context.Context, p campaign.Person) (saved campaign.Person, created bool, err error)
	Person(ctx context.Context, tenant, externalID string) (campaign.Person, error)
	People(ctx context.Context, tenant, afterExternalID string, limit int) ([]campaign.Person, error)

	// EnsureTask finds or makes the standing task of a script.
	EnsureTask(ctx context.Context, t campaign.Task) (campaign.Task, error)
	SetTaskState(ctx context.Context, tenant string, id uuid.UUID, s campaign.TaskState) error

	OptOut(ctx context.Context, tenant string, n phone.Number, person uuid.UUID, reason string, until time.Time) error
	ScriptVersion(ctx context.Context, tenant, script string) (version string, source []byte, err error)
	// SaveScript imports a version from a file: one that is new comes into force, one that is known only while nobody has published or
	// rolled back by hand. ErrConflict for a version that has another content.
	SaveScript(ctx context.Context, tenant, script, version string, source []byte, by string) error

	Keys
	AuditLog
	DNCList
	ConsentRecords
	CallerIDRegistry
	StopButton
	DrainBook
	Explainer
	Persons
	ScriptVersions

	Ping(ctx context.Context) error
}

// Archive opens finished recordings.
type Archive interface {
	Open(path string) (io.ReadSeekCloser, error)
}
