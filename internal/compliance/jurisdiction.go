package compliance

import (
	"fmt"
	"time"

	"ringmaster/internal/campaign"
)

// Jurisdiction is one file of rules: a law, a standard or a contract, as
// figures with their sources.
type Jurisdiction struct {
	Name     string // CN, CN-collections, ...
	Title    string
	Regions  []string           // ISO 3166-1 regions of numbers that it governs; "*" = all that no other file names
	Lab      bool               // it governs lab extensions
	Extends  string             // what it adds to: the rules of both hold
	Purposes []campaign.Purpose // acts of the extended jurisdiction that it governs; none = only tasks that name it
	Draft    bool               // not in force: applies where the operator says so, or a task names it
	Calendar string             // of its holidays

	Hours     *HoursRule
	Caps      []Cap
	CoolDowns []CoolDownRule
	Consents  []Demand
	Abandon   *AbandonRule
	Ring      *RingRule
	Disclose  []DisclosureRule
	Retain    []RetentionRule
	CallerIDs []NumberRange
	digest    [32]byte
	calendar  *Calendar
}

// HoursRule is when people may be called or written to, on their own clocks.
type HoursRule struct {
	Source  string
	Days    [7][]Span // by time.Weekday
	Holiday []Span    // in place of the weekday's, on a holiday of the calendar
	Makeup  []Span    // in place of the weekday's, on a make-up workday (调休)
	special bool      // Holiday or Makeup differ from ordinary days
}

// Span is part of a day on the wall clock, seconds since midnight, [From, To).
type Span struct{ From, To int }

// String is 08:00-22:00.
func (s Span) String() string {
	return fmt.Sprintf("%02d:%02d-%02d:%02d", s.From/3600, s.From/60%60, s.To/3600, s.To/60%60)
}

func (h *HoursRule) always() bool {
	for _, d := range h.Days {
		if len(d) != 1 || d[0] != (Span{0, 86400}) {
			return false
		}
	}
	return !h.special
}

// Demand is a legal basis that an act needs.
type Demand struct {
	ID       string
	Source   string
	Channels []Channel          // none = all
	Purposes []campaign.Purpose // none = all
	Accept   []string           // see Bases
	// Record demands proof: a consent record. Otherwise the basis that the task
	// states is enough.
	Record bool
}

// RingRule is how long it must ring before we give up.
type RingRule struct {
	AtLeast time.Duration
	Source  string
}

// DisclosureRule is something that must be said.
type DisclosureRule struct {
	What   string   // ai, recording, identity, emotion, opt_out
	Forms  []string // spoken, rhythm
	When   string   // start
	Source string
}

// NumberRange types caller IDs by their first digits.
type NumberRange struct {
	Prefix  string
	Type    string // sms_port, call_centre, enterprise, ...
	Voice   bool   // may be shown on calls without being registered for voice
	SMS     bool
	Licence bool // its holder needs a licence, which the registry names
	Source  string
}
