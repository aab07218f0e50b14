package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/scheduler"
)

var _ scheduler.Receiver = (*Store)(nil)

// LastCall is the last call that was placed to a number from the caller ID that it now calls; ok is false when there is none. A trunk whose
// calls show a number that is not ours to know is recognized by itself.
func (s *Store) LastCall(ctx context.Context, in scheduler.Arrival) (a campaign.Attempt, ok bool, err error) {
	if in.From.IsZero() {
		return a, false, nil
	}
	var rows []attemptRow
	db := s.read(ctx)
	if err := db.Raw("SELECT a.* FROM number n JOIN person p ON p.tenant_id = n.tenant_id AND p.number_id = n.id "+
		"JOIN task_contact c ON c.tenant_id = p.tenant_id AND c.person_id = p.id JOIN attempt a ON a.tenant_id = c.tenant_id AND a.contact_id = c.id "+
		"WHERE n.tenant_id = ? AND n.hmac = ? AND a.direction <> 'in' AND a.state IN ? ORDER BY a.placed_at DESC, a.id DESC LIMIT 50",
		in.Tenant, s.keys.fingerprint(in.From), []string{string(campaign.AttemptPlaced), string(campaign.AttemptFinished)}).Scan(&rows).Error; err != nil {
		return a, false, clean(err)
	}
	for _, r := range rows {
		shown, err := s.keys.open(in.Tenant, r.CallerID)
		if err != nil || shown != in.Called && (!shown.IsZero() || r.PBX != in.PBX || r.Trunk != in.Trunk) {
			continue
		}
		out, err := s.fill(db, []attemptRow{r})
		if err != nil {
			return a, false, clean(err)
		}
		return out[0], true, nil
	}
	return a, false, nil
}

// How a caller was known.
const (
	knownCalled   = "called"   // we had called them from the number that they call
	knownBefore   = "before"   // their number is a customer's, or called us before
	knownNobody   = "nobody"   //
	knownWithheld = "withheld" //
)

// strangers are people of whom nothing is known but that they called: their external IDs begin with this.
const strangers = "inbound:"

// Receive implements scheduler.Receiver. The attempt is placed from its birth, costs no budget and no try, and does not stand in the way
// of a call to the same contact.
func (s *Store) Receive(ctx context.Context, f campaign.Fence, in scheduler.Arrival, now time.Time) (campaign.Attempt, error) {
	var out campaign.Attempt
	there := func(tx *gorm.DB) (bool, error) {
		var rows []attemptRow
		err := tx.Where("id = ?", binID(f.Attempt)).Find(&rows).Error
		return len(rows) == 1, err
	}
	err := s.write(ctx, there, func(tx *gorm.DB) error {
		if err := current(tx, f.Owner, f.Epoch); err != nil {
			return err
		}
		number, err := s.saveNumber(tx, in.Tenant, in.From)
		if err != nil {
			return err
		}
		c, known, err := answering(tx, in, number, now)
		if err != nil {
			return err
		}
		called, err := s.keys.seal(in.Tenant, in.Called)
		if err != nil {
			return err
		}
		row := attemptRow{
			TenantID: in.Tenant, ID: binID(f.Attempt), TaskID: c.TaskID, ContactID: c.ID, PersonID: c.PersonID, NumberID: number, Try: c.Tries,
			State: string(campaign.AttemptPlaced), Owner: f.Owner, Epoch: f.Epoch, DueAt: at(now), BornAt: at(now), PlacedAt: at(now),
			PBX: in.PBX, Trunk: in.Trunk, CallerID: called, ScriptVersion: in.ScriptVersion, Direction: inward,
		}
		if err := tx.Create(&row).Error; err != nil {
			return err
		}
		if err := tx.Create(&inboundRow{TenantID: in.Tenant, AttemptID: row.ID, Leg: clip(in.Leg, 64), Known: known, CreatedAt: at(now)}).Error; err != nil {
			return err
		}
		filled, err := s.fill(tx, []attemptRow{row})
		if err != nil {
			return err
		}
		out = filled[0]
		return nil
	})
	return out, err
}

// answering is the contact that a call which came in belongs to: the one that was called, or one without a time, which no scheduler dials.
func answering(tx *gorm.DB, in scheduler.Arrival, number binID, now time.Time) (c contactRow, known string, err error) {
	if in.Contact != uuid.Nil {
		err := locked(tx).Where("tenant_id = ? AND id = ?", in.Tenant, binID(in.Contact)).Take(&c).Error
		return c, knownCalled, missing(err, "contact")
	}
	p, known, err := stranger(tx, in.Tenant, number, now)
	if err != nil {
		return c, known, err
	}
	var t taskRow
	if err := tx.Where("tenant_id = ? AND id = ?", in.Tenant, binID(in.Task)).Take(&t).Error; err != nil {
		return c, known, missing(err, "task")
	}
	err = tx.Where("tenant_id = ? AND person_id = ? AND task_id = ?", in.Tenant, p.ID, t.ID).Order("id DESC").Take(&c).Error
	if !notFound(err) {
		return c, known, err
	}
	id, err := newID()
	if err != nil {
		return c, known, err
	}
	c = contactRow{
		TenantID: in.Tenant, ID: id, TaskID: t.ID, PersonID: p.ID, Pool: t.Pool, State: string(campaign.Done), DueAt: at(now), Reason: "inbound",
		Path: string(compliance.PathTask), CreatedAt: at(now), UpdatedAt: at(now),
	}
	return c, known, tx.Create(&c).Error
}

// stranger finds or makes the person behind a number that we did not call from there. A number that several customers share is none of theirs.
func stranger(tx *gorm.DB, tenant string, number binID, now time.Time) (p personRow, known string, err error) {
	var people []personRow
	name := strangers + "withheld"
	known = knownWithheld
	q := tx.Where("tenant_id = ? AND external_id = ?", tenant, []byte(name))
	if number != (binID{}) {
		known = knownNobody
		q = tx.Where("tenant_id = ? AND number_id = ?", tenant, number)
	}
	if err := q.Order("id").Limit(100).Find(&people).Error; err != nil {
		return p, known, err
	}
	for _, p := range people {
		if len(people) == 1 || strings.HasPrefix(string(p.ExternalID), strangers) {
			if known == knownNobody {
				known = knownBefore
			}
			return p, known, nil
		}
	}
	id, err := newID()
	if err != nil {
		return p, known, err
	}
	if number != (binID{}) {
		name = strangers + uuid.UUID(id).String()
	}
	p = personRow{TenantID: tenant, ID: id, ExternalID: []byte(name), NumberID: number, Vars: "{}", CreatedAt: at(now), UpdatedAt: at(now)}
	if err := tx.Create(&p).Error; isDuplicate(err) {
		return p, known, errAgain // another withheld number at the same moment
	} else if err != nil {
		return p, known, err
	}
	return p, known, nil
}

// Leg is the exchange's name of the leg of a call that came in.
func (s *Store) Leg(ctx context.Context, tenant string, attempt uuid.UUID) (string, error) {
	var r inboundRow
	err := s.read(ctx).Where("tenant_id = ? AND attempt_id = ?", tenant, binID(attempt)).Take(&r).Error
	return r.Leg, clean(missing(err, fmt.Sprintf("inbound call %s", attempt)))
}

// ByLeg is the attempt of a call that came in, by the exchange's name of its leg: the last one, should the name have come twice.
func (s *Store) ByLeg(ctx context.Context, tenant, leg string) (uuid.UUID, error) {
	var r inboundRow
	err := s.read(ctx).Where("tenant_id = ? AND leg = ?", tenant, leg).Order("created_at DESC").Take(&r).Error
	return uuid.UUID(r.AttemptID), clean(missing(err, "inbound call"))
}

// follow says what an outcome means for the contact's next call.
func follow(tx *gorm.DB, a attemptRow, c contactRow, o campaign.Outcome) error {
	if a.Direction != inward {
		return next(tx, c, o)
	}
	waits := c.State == string(campaign.Scheduled) || c.State == string(campaign.Ready) || c.State == parked
	switch {
	case waits && (o.OptOut != nil || o.Disposition == campaign.Completed || o.Disposition == campaign.Transferred):
		return settle(tx, c, map[string]any{"state": string(campaign.Done), "reason": "called_back"})
	case o.OptOut == nil && !o.CallbackAt.IsZero() && c.Tries > 0 && (waits || c.State == string(campaign.Done)):
		// They asked for it. Only who was dialled before is dialled again, and only past the gates.
		return settle(tx, c, map[string]any{"state": string(campaign.Scheduled), "due_at": at(o.CallbackAt), "path": string(compliance.PathCallback), "asked_at": at(o.CallbackAt)})
	}
	return nil
}
