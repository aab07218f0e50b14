package call

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/redact"
)

// ErrNotWhole: a log of inputs from which the call cannot be told again.
var ErrNotWhole = errors.New("the call's log is not whole, so it cannot be replayed: it was written by an older version, cut short, or the call ended with its controller")

// Told is a call as its log has it.
type Told struct {
	Script   Script // the version that the call ran by
	Customer dialogue.Customer
	Zone     string // of the customer; empty = the machine's
	Limits   Limits
	Started  time.Time // campaign.Outcome.StartedAt
	Inputs   []Logged  // in the order in which the call took them
	Masker   *redact.Masker
}

// Heeded is what the dialogue was given, and when.
type Heeded struct {
	At time.Time // the customer's wall clock
	In dialogue.Input
}

// Retold is what came of a replay.
type Retold struct {
	Outcome campaign.Outcome // masked, without recordings
	// Opened is when the dialogue began; zero = it never did.
	Opened time.Time
	Heeded []Heeded
}

// Replay makes a call's decisions again from its log. The same script gives
// the same decisions, because they depend on nothing but the inputs; what the
// log has masked (numbers that were said, keys) is the one exception.
func Replay(t Told) (Retold, error) {
	if len(t.Inputs) == 0 || t.Inputs[0].Kind != InStart {
		return Retold{}, ErrNotWhole
	}
	var out Retold
	r := rules{customer: t.Customer, zone: zoneOf(t.Zone), limits: t.Limits, start: t.Started.Add(-t.Inputs[0].At)}
	r.script = listening{t.Script, &out}
	var s State
	for i, l := range t.Inputs {
		var in Input
		if err := json.Unmarshal(l.Data, &in); err != nil {
			return Retold{}, fmt.Errorf("%w: input %d: %w", ErrNotWhole, i, err)
		}
		if in.Kind != l.Kind || lacks(in) {
			return Retold{}, fmt.Errorf("%w: input %d says %q and lacks what belongs to it", ErrNotWhole, i, l.Kind)
		}
		s, _ = r.step(s, in)
	}
	if s.Phase != Over {
		return Retold{}, ErrNotWhole
	}
	out.Outcome = newMasks(t.Masker).outcome(s)
	return out, nil
}

// lacks reports an input without the part that its kind is read with.
func lacks(in Input) bool {
	switch in.Kind {
	case InHungup:
		return in.Hungup == nil
	case InSound:
		return in.Sound == nil
	case InHeard:
		return in.Result == nil
	case InLineStarted, InLineEnded:
		return in.Line == nil || in.Line.Index < 0
	}
	return false
}

// listening is a script that writes down what it is given.
type listening struct {
	Script
	into *Retold
}

func (l listening) Start(c dialogue.Customer, now time.Time) (dialogue.State, dialogue.Move) {
	l.into.Opened = now
	return l.Script.Start(c, now)
}

func (l listening) Next(st dialogue.State, in dialogue.Input, now time.Time) (dialogue.State, dialogue.Move) {
	l.into.Heeded = append(l.into.Heeded, Heeded{At: now, In: in})
	return l.Script.Next(st, in, now)
}

// Differs names the first decision in which two outcomes of one call differ;
// empty when there is none. What a store keeps elsewhere is not compared:
// recordings, unlocks, text messages.
func Differs(a, b campaign.Outcome) string {
	switch {
	case a.Disposition != b.Disposition || a.Reason != b.Reason:
		return fmt.Sprintf("disposition %s (%s), not %s (%s)", b.Disposition, b.Reason, a.Disposition, a.Reason)
	case a.Grade != b.Grade:
		return fmt.Sprintf("grade %q, not %q", b.Grade, a.Grade)
	case !slices.Equal(a.Tags, b.Tags):
		return fmt.Sprintf("tags %q, not %q", b.Tags, a.Tags)
	case len(a.Turns) != len(b.Turns):
		return fmt.Sprintf("%d turns, not %d", len(b.Turns), len(a.Turns))
	case (a.OptOut == nil) != (b.OptOut == nil):
		return "an opt-out in one of them"
	case len(a.Tickets) != len(b.Tickets):
		return fmt.Sprintf("%d tickets, not %d", len(b.Tickets), len(a.Tickets))
	case (a.Disclosure == nil) != (b.Disclosure == nil):
		return "the disclosure was heard in one of them"
	case a.CallbackAt.Unix() != b.CallbackAt.Unix():
		return "another time of the callback"
	}
	for i := range a.Turns {
		x, y := a.Turns[i], b.Turns[i]
		x.Confidence, y.Confidence = 0, 0 // a database may keep fewer digits
		if x != y {
			return fmt.Sprintf("turn %d at %s, not %s", i+1, b.Turns[i].Node, a.Turns[i].Node)
		}
	}
	if len(a.Slots) != len(b.Slots) {
		return "other slots"
	}
	for name, v := range a.Slots {
		if b.Slots[name] != v {
			return "another value of the slot " + name
		}
	}
	return ""
}
