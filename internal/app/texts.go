package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/outbox"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
)

// A text message that a script asks for leaves the call as a wish in the outbox, written with the outcome. The outbox brings it to texts,
// which has it judged, counted and permitted like a call; what is allowed is told to the receivers as sms.send, for the operator's gateway
// or CRM to send, and what is not as sms.refused.
const (
	kindText    = "sms"
	textDesk    = "sms" // destination of wishes
	smsTrunk    = "sms" // under which a caller ID is registered for text messages
	eventSend   = "sms.send"
	eventRefuse = "sms.refused"
)

// wish is a text message that a script asked for. The number is looked up when it is judged.
type wish struct {
	event
	Template     string           `json:"template"`
	Person       uuid.UUID        `json:"person"`
	Task         uuid.UUID        `json:"task"`
	Purpose      campaign.Purpose `json:"purpose"`
	LegalBasis   string           `json:"legal_basis,omitempty"`
	Jurisdiction string           `json:"jurisdiction,omitempty"`
}

// wishes are the text messages of an outcome, each once however often the outcome is written.
func wishes(e event, a campaign.Attempt, o campaign.Outcome) []scheduler.Message {
	var out []scheduler.Message
	for _, template := range o.SMS {
		id := uuid.NewSHA1(a.ID, []byte("sms:"+template))
		body, err := json.Marshal(wish{
			event: event{Version: 1, At: e.At, Tenant: e.Tenant, TaskID: a.Contact.ID, CustomerID: e.CustomerID, ScriptID: e.ScriptID, Ref: e.Ref, AttemptID: &a.ID,
				Try: a.Try, ScriptVersion: a.Placed.ScriptVersion, Slots: o.Slots},
			Template: template, Person: a.Person.ID, Task: a.Task.ID, Purpose: a.Task.Purpose, LegalBasis: a.Task.LegalBasis, Jurisdiction: a.Task.Jurisdiction,
		})
		if err != nil { // strings and times
			continue
		}
		out = append(out, scheduler.Message{ID: id, Tenant: e.Tenant, Aggregate: "sms/" + a.Contact.ID.String(), Kind: kindText, Event: "sms.wish",
			Destination: textDesk, Body: body})
	}
	return out
}

// textStore is what texts needs of the store.
type textStore interface {
	Person(ctx context.Context, tenant, externalID string) (campaign.Person, error)
	Spend(ctx context.Context, id uuid.UUID, act compliance.Act, judge compliance.Judge, msgs []scheduler.Message, now time.Time) error
	Tell(ctx context.Context, tenant string, msgs []scheduler.Message) error
}

// texts stands before the webhooks and takes the wishes out.
type texts struct {
	outbox.Sender
	store  textStore
	rules  func() compliance.Rules
	caller phone.Number // that text messages are sent from; zero = none
	dests  []string
	log    *slog.Logger
}

// told is what the receivers hear about a text message.
type told struct {
	event
	Template string     `json:"template"`
	Rule     string     `json:"rule,omitempty"` // refused by
	Until    *time.Time `json:"until,omitempty"`
}

// Idempotent implements outbox.Sender.
func (t *texts) Idempotent(destination string) bool {
	return destination == textDesk || t.Sender.Idempotent(destination)
}

// Send implements outbox.Sender. A wish that the rules do not allow is buried with the verdict, and told.
func (t *texts) Send(ctx context.Context, d outbox.Delivery) (int, error) {
	if d.Kind != kindText {
		return t.Sender.Send(ctx, d)
	}
	var w wish
	if err := json.Unmarshal(d.Body, &w); err != nil {
		return 0, fmt.Errorf("%w: a wish for a text message cannot be read", outbox.ErrPermanent)
	}
	p, err := t.store.Person(ctx, d.Tenant, w.CustomerID)
	if err != nil {
		return 0, fmt.Errorf("person of a text message: %w", err)
	}
	act := t.act(d, w, p)
	rules := t.rules()
	act.Needs = rules.Needs(act)
	err = t.store.Spend(ctx, d.ID, act, rules.Judge(act), t.tell(d, w, eventSend, compliance.Verdict{}), time.Now())
	var no *scheduler.RefusedError
	if !errors.As(err, &no) {
		return 200, err
	}
	t.log.Info("text message is not sent", "template", w.Template, "attempt", w.AttemptID, "rule", no.Verdict.Rule, "reason", no.Verdict.Reason)
	if err := t.store.Tell(ctx, d.Tenant, t.tell(d, w, eventRefuse, no.Verdict)); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("%w: refused by %s: %s", outbox.ErrPermanent, no.Verdict.Rule, no.Verdict.Reason)
}

func (t *texts) act(d outbox.Delivery, w wish, p campaign.Person) compliance.Act {
	return compliance.Act{
		Channel: compliance.SMS, Path: compliance.PathSMS, Tenant: d.Tenant, Person: p.ID.String(), Contact: w.TaskID.String(), Task: w.Task.String(),
		Number: p.Number, Purpose: w.Purpose, LegalBasis: w.LegalBasis, Jurisdiction: w.Jurisdiction, CallerID: t.caller, Trunk: smsTrunk,
		Script: w.ScriptID, ScriptVersion: w.ScriptVersion, Lab: p.Number.IsLab(), DueAt: w.At, Try: w.Try,
	}
}

// tell makes one message to each receiver, with IDs of their own that stay the same.
func (t *texts) tell(d outbox.Delivery, w wish, what string, v compliance.Verdict) []scheduler.Message {
	e := told{event: w.event, Template: w.Template, Rule: v.Rule, Until: pointer(v.Until)}
	e.Event, e.Reason, e.Key = what, v.Reason, d.ID.String()
	body, err := json.Marshal(e)
	if err != nil { // strings and times
		return nil
	}
	var out []scheduler.Message
	for _, to := range t.dests {
		out = append(out, scheduler.Message{ID: uuid.NewSHA1(d.ID, []byte(what+"/"+to)), Tenant: d.Tenant, Aggregate: to + "/" + w.TaskID.String(),
			Kind: "webhook", Event: what, Destination: to, Body: body})
	}
	return out
}
