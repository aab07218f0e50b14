package app

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/scheduler"
)

// event is the body of a webhook. It names no telephone number: customer_id
// and task_id are what a CRM joins by.
type event struct {
	Event         string               `json:"event"`
	Version       int                  `json:"version"`
	At            time.Time            `json:"at"`
	Tenant        string               `json:"tenant"`
	TaskID        uuid.UUID            `json:"task_id"`
	CustomerID    string               `json:"customer_id"`
	ScriptID      string               `json:"script_id"`
	Ref           string               `json:"ref,omitempty"`
	AttemptID     *uuid.UUID           `json:"attempt_id,omitempty"`
	Direction     string               `json:"direction,omitempty"` // in: they called us
	Try           int                  `json:"try,omitempty"`
	ScriptVersion string               `json:"script_version,omitempty"`
	Disposition   campaign.Disposition `json:"disposition,omitempty"`
	Reason        string               `json:"reason,omitempty"`
	AnsweredAt    *time.Time           `json:"answered_at,omitempty"`
	EndedAt       *time.Time           `json:"ended_at,omitempty"`
	TalkMS        int64                `json:"talk_ms,omitempty"`
	Grade         string               `json:"grade,omitempty"`
	Tags          []string             `json:"tags,omitempty"`
	Slots         map[string]string    `json:"slots,omitempty"`
	CallbackAt    *time.Time           `json:"callback_at,omitempty"`
	NextTry       *time.Time           `json:"next_try,omitempty"`
	Recordings    []uuid.UUID          `json:"recordings,omitempty"`
	OptOut        string               `json:"opt_out,omitempty"`
	Disclosure    *campaign.Disclosure `json:"disclosure,omitempty"`
	Turns         []campaign.Turn      `json:"turns,omitempty"`
	Unlock        string               `json:"unlock,omitempty"` // call.unlock: what
	Key           string               `json:"key,omitempty"`    // call.unlock: the same however often it is told
}

// messages builds what every configured receiver is told about an outcome: of
// a call, or (no disposition) of a contact that is not called.
func messages(tenant string, destinations []string) func(campaign.Attempt, campaign.Outcome) []scheduler.Message {
	return func(a campaign.Attempt, o campaign.Outcome) []scheduler.Message {
		if len(destinations) == 0 {
			return nil
		}
		e := event{Event: "call.finished", Version: 1, At: time.Now().UTC(), Tenant: tenant, TaskID: a.Contact.ID, CustomerID: a.Person.ExternalID,
			ScriptID: a.Task.Script, Ref: a.Contact.Ref, Reason: o.Reason}
		if o.Disposition == "" {
			e.Event = "task.not_called"
		} else {
			e.fill(a, o)
		}
		body, err := json.Marshal(e)
		if err != nil { // a struct of strings and times always marshals
			return nil
		}
		var out []scheduler.Message
		tell := func(event string, body []byte) {
			for _, d := range destinations {
				out = append(out, scheduler.Message{ID: uuid.Must(uuid.NewV7()), Tenant: tenant, Aggregate: d + "/" + a.Contact.ID.String(),
					Kind: "webhook", Event: event, Destination: d, Body: body})
			}
		}
		tell(e.Event, body)
		for _, what := range o.Unlocks {
			u := event{Event: "call.unlock", Version: 1, At: e.At, Tenant: tenant, TaskID: a.Contact.ID, CustomerID: a.Person.ExternalID, ScriptID: a.Task.Script,
				Ref: a.Contact.Ref, AttemptID: &a.ID, Try: a.Try, ScriptVersion: a.Placed.ScriptVersion, Unlock: what, Key: unlockKey(a.Contact.ID, what)}
			if body, err := json.Marshal(u); err == nil {
				tell(u.Event, body)
			}
		}
		return append(out, wishes(e, a, o)...)
	}
}

// unlockKey is the same for the same task and thing, whichever attempt it came
// from and however often it is delivered.
func unlockKey(task uuid.UUID, what string) string {
	return uuid.NewSHA1(task, []byte("unlock:"+what)).String()
}

func (e *event) fill(a campaign.Attempt, o campaign.Outcome) {
	if a.Inbound {
		e.Direction = "in"
	}
	e.AttemptID, e.Try, e.ScriptVersion, e.Disposition = &a.ID, a.Try, a.Placed.ScriptVersion, o.Disposition
	e.AnsweredAt, e.EndedAt, e.NextTry, e.CallbackAt = pointer(o.AnsweredAt), pointer(o.EndedAt), pointer(o.NextTry), pointer(o.CallbackAt)
	if o.Answered() {
		e.TalkMS = o.EndedAt.Sub(o.AnsweredAt).Milliseconds()
	}
	e.Grade, e.Tags, e.Slots, e.Disclosure, e.Turns = o.Grade, o.Tags, o.Slots, o.Disclosure, o.Turns
	for _, r := range o.Recordings {
		e.Recordings = append(e.Recordings, r.ID)
	}
	if o.OptOut != nil {
		e.OptOut = o.OptOut.Reason
	}
}

func pointer(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
