package twin

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// Call is one ring on a twin.
type Call struct {
	callee.Call
	// Number is what was dialled; "agent:<name>" and "queue:<name>" for those.
	Number string
	Trunk  string
	// Variables are the channel variables that the controller set with the call.
	Variables map[string]string
	// Outcome is how it ended: answered_callee_hung_up, answered_caller_hung_up,
	// failed_<SIP status>, no_answer, cancelled; "" while it lasts.
	Outcome string

	live func() callee.Record // while it lasts
}

// Book keeps the calls of an exchange and counts its rings. It is guarded by
// the exchange's lock.
type Book struct {
	max        int
	calls      []*Call
	rung       map[RingKey]*ringBook
	twice      map[string]int // ids that rang more than once
	rungNumber map[string]int // by number: the choice of a mix

	rings, answered    int64
	outcomes           map[string]int64
	audible            time.Duration
	missing            int64 // 20 ms periods of a dead line
	bargeIns           int64
	bargeMax, bargeSum time.Duration
	firstSum           time.Duration
	firstCount         int64
}

// NewBook keeps the last calls, as many as keep.
func NewBook(keep int) *Book {
	return &Book{
		max: keep, rung: map[RingKey]*ringBook{}, twice: map[string]int{}, rungNumber: map[string]int{},
		outcomes: map[string]int64{},
	}
}

// Nth counts one more dialling of a number: the how-manieth it is.
func (b *Book) Nth(number string) int {
	b.rungNumber[number]++
	return b.rungNumber[number]
}

// Ring enters a call; live tells what its subscriber has noticed so far.
func (b *Book) Ring(c *Call, live func() callee.Record) {
	b.rings++
	c.live = live
	b.calls = append(b.calls, c)
	r := b.rung[c.key()]
	if r == nil && len(b.rung) < maxRingKeys {
		r = &ringBook{ids: map[string]int{}}
		b.rung[c.key()] = r
	}
	if r != nil {
		r.rings++
		if r.ids[c.ID]++; r.ids[c.ID] > 1 {
			b.twice[c.ID] = r.ids[c.ID]
		}
	}
	if len(b.calls) > 2*b.max {
		b.calls = slices.Clone(b.calls[len(b.calls)-b.max:])
	}
}

// Answer notes that a call was answered now.
func (b *Book) Answer(c *Call) {
	c.Answered = time.Now()
	b.answered++
}

// Settle closes a call.
func (b *Book) Settle(c *Call, outcome string, r callee.Record) {
	c.Ended, c.Outcome, c.Record, c.live = time.Now(), outcome, r, nil
	b.outcomes[outcome]++
	b.audible += r.Audible
	b.missing += int64(r.Missing)
	for _, i := range r.BargeIns {
		b.bargeIns++
		b.bargeSum += i.LastAudible - i.Onset
		b.bargeMax = max(b.bargeMax, i.LastAudible-i.Onset)
	}
	if r.FirstAudible >= 0 {
		b.firstCount++
		b.firstSum += r.FirstAudible
	}
}

// Calls are copies of the rings of a number so far, oldest first, as far as
// they are kept; "" is every number.
func (b *Book) Calls(number string) []Call {
	var out []Call
	for _, c := range b.calls {
		if number != "" && c.Number != number {
			continue
		}
		d := *c
		d.Call = c.Clone()
		d.Variables = maps.Clone(c.Variables)
		if c.live != nil {
			d.Record = c.live()
		}
		out = append(out, d)
	}
	return out
}

// Count fills in what the book knows.
func (b *Book) Count(s *Stats) {
	s.Rings, s.Answered, s.Outcomes = b.rings, b.answered, maps.Clone(b.outcomes)
	s.HeardMS, s.DeadFrames = b.audible.Milliseconds(), b.missing
	s.BargeIns, s.BargeMaxMS = b.bargeIns, b.bargeMax.Milliseconds()
	if b.bargeIns > 0 {
		s.BargeMeanMS = b.bargeSum.Milliseconds() / b.bargeIns
	}
	if b.firstCount > 0 {
		s.FirstMeanMS = b.firstSum.Milliseconds() / b.firstCount
	}
	s.RungTwice = maps.Clone(b.twice)
}

// RingKey says what a call was for: the tag that the controller gave it (the
// variable RINGMASTER_TAG, or the header X-Tag), the number, and the try (the
// header X-Try), as far as they were given.
type RingKey struct {
	Tag    string `json:"tag,omitempty"`
	Number string `json:"number"`
	Try    string `json:"try,omitempty"`
}

// RingCount is how often that rang, and under how many channel ids.
type RingCount struct {
	RingKey
	Rings    int `json:"rings"`
	Channels int `json:"channels"`
}

// maxRingKeys bounds the books of rings; beyond it new keys are not counted.
const maxRingKeys = 200000

type ringBook struct {
	rings int
	ids   map[string]int
}

func (c *Call) key() RingKey {
	k := RingKey{Tag: c.Variables["RINGMASTER_TAG"], Number: c.Number, Try: c.Headers["X-Try"]}
	if k.Tag == "" {
		k.Tag = c.Headers["X-Tag"]
	}
	return k
}

// Rings counts every ring since the start, by what it was for.
func (b *Book) Rings() []RingCount {
	out := make([]RingCount, 0, len(b.rung))
	for k, r := range b.rung {
		out = append(out, RingCount{RingKey: k, Rings: r.rings, Channels: len(r.ids)})
	}
	slices.SortFunc(out, func(a, b RingCount) int {
		return strings.Compare(a.Tag+"\x00"+a.Number+"\x00"+a.Try, b.Tag+"\x00"+b.Number+"\x00"+b.Try)
	})
	return out
}

// Show is calls as JSON has them, without samples; never nil.
func Show(calls []Call) []CallJSON {
	out := make([]CallJSON, 0, len(calls))
	for _, c := range calls {
		out = append(out, c.json())
	}
	return out
}

// CallJSON is a call in /twin/calls: no samples.
type CallJSON struct {
	ID        string            `json:"id"`
	Number    string            `json:"number"`
	Trunk     string            `json:"trunk"`
	Rang      time.Time         `json:"rang"`
	Answered  *time.Time        `json:"answered,omitempty"`
	Ended     *time.Time        `json:"ended,omitempty"`
	Outcome   string            `json:"outcome,omitempty"`
	Cause     int               `json:"cause,omitempty"`
	Shown     string            `json:"shown_number"`
	ShownName string            `json:"shown_name,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Variables map[string]string `json:"variables,omitempty"`
	FirstMS   int64             `json:"first_audible_ms"`
	AudibleMS int64             `json:"audible_ms"`
	Missing   int               `json:"dead_line_frames"`
	Said      []string          `json:"said,omitempty"`
	BargeIns  []string          `json:"barge_ins,omitempty"`
	Digits    string            `json:"digits,omitempty"`
}

func (c *Call) json() CallJSON {
	j := CallJSON{
		ID: c.ID, Number: c.Number, Trunk: c.Trunk, Rang: c.Rang, Outcome: c.Outcome, Cause: c.Cause, Shown: c.ShownNumber,
		ShownName: c.ShownName, Headers: c.Headers, Variables: c.Variables, FirstMS: c.Record.FirstAudible.Milliseconds(),
		AudibleMS: c.Record.Audible.Milliseconds(), Missing: c.Record.Missing, Digits: c.Record.Digits,
	}
	if c.Record.FirstAudible < 0 {
		j.FirstMS = -1
	}
	if !c.Answered.IsZero() {
		j.Answered = &c.Answered
	}
	if !c.Ended.IsZero() {
		j.Ended = &c.Ended
	}
	for _, u := range c.Record.Said {
		j.Said = append(j.Said, fmt.Sprintf("%d-%d ms %s", u.Start.Milliseconds(), u.End.Milliseconds(), u.Text))
	}
	for _, b := range c.Record.BargeIns {
		j.BargeIns = append(j.BargeIns, fmt.Sprintf("at %d ms, heard on for %d ms", b.Onset.Milliseconds(), (b.LastAudible-b.Onset).Milliseconds()))
	}
	return j
}
