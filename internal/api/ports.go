package api

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// Keys is the store's side of API keys.
type Keys interface {
	// SaveAPIKey: ErrConflict for a hash that another key has.
	SaveAPIKey(ctx context.Context, k APIKey) error
	// APIKeyByHash: ErrNotFound for an unknown, revoked or expired key.
	APIKeyByHash(ctx context.Context, hash [32]byte, now time.Time) (APIKey, error)
	// APIKeys of a tenant, revoked ones too, in the order of their IDs.
	APIKeys(ctx context.Context, tenant string, after uuid.UUID, limit int) ([]APIKey, error)
	// RevokeAPIKey: a revoked key stays revoked; ErrNotFound for none of the tenant.
	RevokeAPIKey(ctx context.Context, tenant string, id uuid.UUID, now time.Time) error
	TouchAPIKey(ctx context.Context, tenant string, id uuid.UUID, now time.Time) error
}

// AuditLog is the store's side of the audit log.
type AuditLog interface {
	// SaveAudit writes an entry, or completes the one of the same ID.
	SaveAudit(ctx context.Context, e AuditEntry) error
	// AuditPage is the next page after an ID, in the order of IDs.
	AuditPage(ctx context.Context, tenant string, q AuditQuery, after uuid.UUID, limit int) ([]AuditEntry, error)
}

// DNCList is the store's side of the do-not-call list.
type DNCList interface {
	// AddDNC writes the entries in one transaction and reports, for each,
	// whether it is new (or was over). One that stands is prolonged, never
	// shortened, and a person's own refusal stays theirs.
	AddDNC(ctx context.Context, entries []DNCEntry) (added []bool, err error)
	// RemoveDNC takes entries back, all or none: ErrNotFound when none of them is
	// there, ErrOwnRefusal for a person's own unless own.
	RemoveDNC(ctx context.Context, keys []DNCKey, own bool) error
	// DNC lists a tenant's entries, or the system's, in the order of their making.
	DNC(ctx context.Context, tenant string, q DNCQuery) ([]DNCEntry, error)
}

// ConsentRecords is the store's side of consent records.
type ConsentRecords interface {
	SaveConsent(ctx context.Context, r ConsentRecord) error
	Consents(ctx context.Context, tenant string, person uuid.UUID) ([]ConsentRecord, error)
	// WithdrawConsent: the first withdrawal's time stays.
	WithdrawConsent(ctx context.Context, tenant string, id uuid.UUID, now time.Time) error
}

// CallerIDRegistry is the registry of the numbers that may be shown.
type CallerIDRegistry interface {
	// SaveCallerID creates, or updates one that exists. ErrConflict when the
	// trunk has that number already, ErrNotFound when there is none to update.
	SaveCallerID(ctx context.Context, d CallerID, create bool) error
	CallerID(ctx context.Context, tenant string, id uuid.UUID) (CallerID, error)
	CallerIDs(ctx context.Context, tenant string, after uuid.UUID, limit int) ([]CallerID, error)
	DeleteCallerID(ctx context.Context, tenant string, id uuid.UUID) error
}

// StopButton stops a tenant, or every tenant by the empty name.
type StopButton interface {
	// PressStop: one that is pressed already stays, and is returned.
	PressStop(ctx context.Context, st Stop) (Stop, error)
	// ReleaseStop: ErrNotFound when nothing is pressed.
	ReleaseStop(ctx context.Context, tenant, by string, now time.Time) error
	// Stops in force for a tenant, that of all tenants first.
	Stops(ctx context.Context, tenant string) ([]Stop, error)
}

// DrainBook keeps which exchanges and trunks take no new calls.
type DrainBook interface {
	// SaveDrain: one that is in force already keeps its beginning.
	SaveDrain(ctx context.Context, d Drain) error
	// EndDrain: ErrNotFound when it is not drained.
	EndDrain(ctx context.Context, pbx, trunk string) error
	Drains(ctx context.Context) ([]Drain, error)
}

// Explainer reads what Explain judges by.
type Explainer interface {
	// Task by its ID, or the standing task of a script.
	Task(ctx context.Context, tenant string, id uuid.UUID, script string) (campaign.Task, error)
	Tasks(ctx context.Context, tenant string, after uuid.UUID, limit int) ([]campaign.Task, error)
	// Members of a task in the order of their IDs.
	Members(ctx context.Context, tenant string, task, after uuid.UUID, limit int) ([]Member, error)
	// MemberOf is the person's latest contact in a task.
	MemberOf(ctx context.Context, tenant string, task, person uuid.UUID) (Member, error)
	// FactsOf reads for many acts of one tenant and task what scheduler.Store's
	// Facts reads for one, in a number of queries that does not grow with them.
	FactsOf(ctx context.Context, acts []compliance.Act, now time.Time) ([]compliance.Facts, error)
}

// Persons answers a person's own rights: what is known of them, and that it be
// forgotten.
type Persons interface {
	PersonFile(ctx context.Context, tenant string, person uuid.UUID) (PersonFile, error)
	// ErasePerson forgets a person. ErrConflict while a call to them is under way.
	ErasePerson(ctx context.Context, tenant string, person uuid.UUID, now time.Time) (Erased, error)
}
