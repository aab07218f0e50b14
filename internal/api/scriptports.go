package api

import (
	"context"
	"encoding/json"
	"time"

	"ringmaster/internal/campaign"
)

// ScriptAction is how a version came into force.
type ScriptAction string

// Actions of a script's history.
const (
	ScriptPublished  ScriptAction = "publish"
	ScriptRolledBack ScriptAction = "rollback"
	ScriptImported   ScriptAction = "import" // from a file, at a controller's start
)

// ScriptVersion is one version of a script; it is never changed.
type ScriptVersion struct {
	Tenant, Script string
	Version        string // SHA-256 of the source, hex
	Source         []byte // YAML, with the lexicon and the parts that it uses
	By             string // who wrote it first: "key/<id>", "cli/<user>", "file", "shipped"
	At             time.Time
}

// ScriptRelease is a line of a script's history: a version that came into force.
type ScriptRelease struct {
	Tenant, Script string
	Seq            int64 // from 1, without a gap
	Version        string
	Action         ScriptAction
	By, Note       string
	At             time.Time
	Report         string // JSON: what the check explored
	// From is the version that is to be replaced, empty for none: when another is in
	// force by then, nothing is changed. It is not stored.
	From string
}

// ScriptSummary is a script in a list. Version is empty while nothing is in force.
type ScriptSummary struct {
	ID, Version string
	UpdatedAt   time.Time
}

// ScriptHistory is what became of a script, newest first. Versions lack their
// source.
type ScriptHistory struct {
	Current  string
	Versions []ScriptVersion
	Releases []ScriptRelease
}

// ScriptVersions is the store's side of script versions. A controller reads the
// version in force from the database for each call, so that a release is in
// force everywhere from its COMMIT on.
type ScriptVersions interface {
	// SaveDraft keeps a version that is not in force; one that exists is returned.
	// ErrConflict for the same version with another content.
	SaveDraft(ctx context.Context, v ScriptVersion) (saved ScriptVersion, created bool, err error)
	// ReleaseScript puts a version in force. ErrNotFound for one that does not
	// exist, ErrConflict when From is not what is in force, or for a rollback to a
	// version that never was. A version that is in force already stays so, and its
	// release is returned.
	ReleaseScript(ctx context.Context, r ScriptRelease) (ScriptRelease, error)
	// Scripts in the order of their IDs.
	Scripts(ctx context.Context, tenant, after string, limit int) ([]ScriptSummary, error)
	// ScriptHistory: ErrNotFound for no such script; limit bounds each list.
	ScriptHistory(ctx context.Context, tenant, script string, limit int) (ScriptHistory, error)
	StoredScript(ctx context.Context, tenant, script, version string) (ScriptVersion, error)
}

// CheckedScript is what was found out about a source.
type CheckedScript struct {
	ID, Version string
	Purpose     campaign.Purpose
	Source      []byte // as it is to be stored
	// Findings are why it is refused, each with its line, column and, from the
	// check, a conversation that leads there; empty = it may be published.
	Findings []json.RawMessage
	// Report says how much was explored (JSON).
	Report json.RawMessage
}

// ScriptOutline is a version by its parts: a fingerprint for each node and each
// reply, which does not change with the line it stands on.
type ScriptOutline struct {
	Purpose        campaign.Purpose
	Nodes, Replies map[string]string
}

// ScriptDesk compiles and checks scripts.
type ScriptDesk interface {
	// Check never fails for a bad script: that is a finding.
	Check(ctx context.Context, source []byte) (CheckedScript, error)
	// Outline of a stored version.
	Outline(ctx context.Context, id string, source []byte) (ScriptOutline, error)
	// Released hears that a version came into force by this controller, so that it
	// can learn it ahead of the first call; it does not block.
	Released(tenant, id string, source []byte)
}
