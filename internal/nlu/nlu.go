package nlu

import (
	"context"
	"errors"
	"time"

	"ringmaster/internal/speech"
)

// Failures of understanding, by name.
var (
	// ErrUnavailable: the provider could not be reached.
	ErrUnavailable = errors.New("understanding provider unavailable: the embedded one answers instead; check it with `ringmaster doctor`")
	// ErrTimeout: no answer in time.
	ErrTimeout = errors.New("understanding provider gave no answer in time: the embedded one answers instead")
	// ErrProtocol: an answer that is not the provider's protocol.
	ErrProtocol = errors.New("understanding provider broke its protocol")
)

// Intent is a stable ASCII name such as affirm, deny, busy, price_objection.
type Intent string

// Expectation is one reply that the current node waits for.
type Expectation struct {
	Intent Intent
	// Keywords match as substrings after normalisation; a keyword that starts
	// with "re:" is a regular expression (RE2).
	Keywords []string
	// Examples are whole sentences that mean this intent.
	Examples []string
}

// SlotSpec is one value that the current node wants to hear.
type SlotSpec struct {
	Name string
	// Kind: number, digits, amount, date, time, datetime, age, grade, yes_no,
	// name, text, order, id_card, bank_card, phone, code, or enum.
	Kind   string
	Values map[string][]string // enum: canonical value -> spoken forms
}

// Turn is one earlier exchange, already masked.
type Turn struct {
	Bot, Caller string
	Node        string
}

// Question is everything that may help to understand one thing said.
type Question struct {
	Tenant  string
	Script  string // script ID
	Version string // script version (sha256), selects the trained model
	Node    string
	Said    string
	// Masked is Said without persons' numbers: all that a provider outside may
	// see of it. Empty: nobody masked it, and Said holds nothing of a person.
	Masked   string
	Language speech.Language
	Expect   []Expectation
	Slots    []SlotSpec
	History  []Turn
	// Now is the wall clock in the caller's zone: relative dates (明天下午三点)
	// are resolved by it. Zero: they stay unheard rather than guessed.
	Now time.Time
}

// Candidate is an intent with its probability.
type Candidate struct {
	Intent     Intent
	Confidence float64 // calibrated, 0 to 1, one scale over all providers
}

// Slot is a value that was heard.
type Slot struct {
	Name       string
	Value      string // canonical form; dates ISO 8601, amounts decimal, digits 0-9X
	Text       string // the words it came from
	Start, End int    // byte offsets of Text in Said
}

// Answer is what was understood. Intent is empty when it abstains.
type Answer struct {
	Intent     Intent
	Confidence float64
	Candidates []Candidate // best first, at most 5
	Slots      []Slot
	Reason     string // one line for a script author: keyword, model, provider
	Provider   string
}

// Understander answers questions; safe for concurrent use. It abstains rather
// than guesses, and never changes state.
type Understander interface {
	Understand(ctx context.Context, q Question) (Answer, error)
}
