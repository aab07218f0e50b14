package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/compliance"
)

// Kind of a record.
type Kind string

// Kinds of records.
const (
	KindPermit Kind = "permit" // an act was judged and allowed
	KindVoid   Kind = "void"   // what was allowed was provably not done; the permit stands and counts no longer
)

// Hash is SHA-256; its text is hexadecimal.
type Hash [sha256.Size]byte

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("a hash has %d hexadecimal digits, not %d", hex.EncodedLen(len(h)), len(b))
	}
	_, err := hex.Decode(h[:], b)
	return err
}

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Subject are the keyed commitments that stand for a person in the ledger.
type Subject struct {
	Person, Number, Contact Hash
}

// Commit makes commitments under a person's own key (HMAC-SHA-256, RFC 2104). Whoever holds the key can show whom a permit was for;
// once the key is erased nobody can, and the chain still holds. number is in its revealing form.
func Commit(key []byte, person, number, contact string) Subject {
	one := func(what, value string) (h Hash) {
		m := hmac.New(sha256.New, key)
		_, _ = m.Write([]byte("ringmaster ledger " + what + "\x00" + value))
		m.Sum(h[:0])
		return h
	}
	return Subject{Person: one("person", person), Number: one("number", number), Contact: one("contact", contact)}
}

// permit is the canonical body: these fields in this order, maps sorted by key, no white space, times in UTC.
type permit struct {
	Kind          Kind      `json:"kind"`
	ID            uuid.UUID `json:"id"`
	Tenant        string    `json:"tenant"`
	At            time.Time `json:"at"`
	Channel       string    `json:"channel"`
	Path          string    `json:"path"`
	Person        Hash      `json:"person"`
	Number        Hash      `json:"number"`
	Contact       Hash      `json:"contact"`
	Task          string    `json:"task,omitempty"`
	Purpose       string    `json:"purpose"`
	Basis         string    `json:"basis,omitempty"`
	Jurisdiction  string    `json:"jurisdiction,omitempty"`
	CallerID      string    `json:"caller_id,omitempty"`
	Trunk         string    `json:"trunk,omitempty"`
	Script        string    `json:"script,omitempty"`
	ScriptVersion string    `json:"script_version,omitempty"`
	Lab           bool      `json:"lab,omitempty"`
	DueAt         time.Time `json:"due_at"`
	Try           int       `json:"try"`
	Rules         string    `json:"rules"`
	Verdicts      []verdict `json:"verdicts"`
}

type verdict struct {
	Rule     string            `json:"rule"`
	Decision string            `json:"decision"`
	Inputs   map[string]string `json:"inputs,omitempty"`
}

// Body is the canonical form of a permit. Times are cut to the microsecond, as databases keep them.
func Body(p compliance.Permit, who Subject) ([]byte, error) {
	a := p.Act
	doc := permit{
		Kind: KindPermit, ID: p.ID, Tenant: a.Tenant, At: micro(p.At), Channel: string(a.Channel), Path: string(a.Path),
		Person: who.Person, Number: who.Number, Contact: who.Contact, Task: a.Task, Purpose: string(a.Purpose), Basis: a.LegalBasis,
		Jurisdiction: a.Jurisdiction, Trunk: a.Trunk, Script: a.Script, ScriptVersion: a.ScriptVersion, Lab: a.Lab, DueAt: micro(a.DueAt), Try: a.Try,
		Rules: p.Version, Verdicts: make([]verdict, len(p.Verdicts)),
	}
	if !a.CallerID.IsZero() {
		doc.CallerID = a.CallerID.Masked()
	}
	for i, v := range p.Verdicts {
		doc.Verdicts[i] = verdict{Rule: v.Rule, Decision: v.Decision.String(), Inputs: v.Inputs}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("a permit cannot be written: %w", err)
	}
	return b, nil
}

type void struct {
	Kind   Kind      `json:"kind"`
	ID     uuid.UUID `json:"id"`
	Tenant string    `json:"tenant"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Void is the canonical body of the record that a permit was not used. reason is a code; what stands behind a colon is left out, for
// it is some exchange's or provider's own text.
func Void(tenant string, id uuid.UUID, at time.Time, reason string) ([]byte, error) {
	b, err := json.Marshal(void{Kind: KindVoid, ID: id, Tenant: tenant, At: micro(at), Reason: code(reason)})
	if err != nil {
		return nil, fmt.Errorf("the voiding of a permit cannot be written: %w", err)
	}
	return b, nil
}

// code keeps the stable part of a reason: letters, digits and underscores before anything else, at most 64.
func code(reason string) string {
	for i, r := range reason {
		if i >= 64 || (r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')) {
			return reason[:i]
		}
	}
	return reason
}

func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
