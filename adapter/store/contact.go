package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

var _ api.Store = (*Store)(nil)

// page bounds the rows of one answer.
func page(limit int) int {
	if limit <= 0 {
		return 100
	}
	return min(limit, 1000)
}

// CreateContact implements api.Store. The same ID or the same Idempotency-Key gives the contact that is there.
func (s *Store) CreateContact(ctx context.Context, c api.NewContact) (campaign.Contact, bool, error) {
	var out campaign.Contact
	created := false
	stored := func(tx *gorm.DB) (bool, error) {
		var rows []contactRow
		err := locked(tx).Where("tenant_id = ? AND id = ?", c.Tenant, binID(c.ID)).Find(&rows).Error
		return created && len(rows) == 1, err
	}
	err := s.write(ctx, stored, func(tx *gorm.DB) error {
		created = false
		id, first, err := s.keyed(tx, c)
		if err != nil {
			return err
		}
		if first {
			out, err = s.insertContact(tx, c)
			created = err == nil
			return err
		}
		out, err = contact(tx, c.Tenant, id)
		return err
	})
	return out, created && err == nil, err
}

// keyed takes the Idempotency-Key; a second one waits here for the first one's COMMIT. first is false when the contact id exists.
func (s *Store) keyed(tx *gorm.DB, c api.NewContact) (id binID, first bool, err error) {
	var same []contactRow
	if err := tx.Where("tenant_id = ? AND id = ?", c.Tenant, binID(c.ID)).Find(&same).Error; err != nil {
		return id, false, err
	}
	if len(same) > 0 {
		return binID(c.ID), false, nil
	}
	if c.IdempotencyKey == "" {
		return id, true, nil
	}
	if len(c.IdempotencyKey) > 255 {
		return id, false, fmt.Errorf("%w: Idempotency-Key is longer than 255 bytes", api.ErrConflict)
	}
	err = tx.Create(&idempotencyRow{
		TenantID: c.Tenant, IdemKey: []byte(c.IdempotencyKey), RequestHash: c.RequestHash, ContactID: binID(c.ID), CreatedAt: at(time.Now()),
	}).Error
	if err == nil {
		return id, true, nil
	}
	if !isDuplicate(err) {
		return id, false, err
	}
	var row idempotencyRow
	if err := tx.Where("tenant_id = ? AND idem_key = ?", c.Tenant, []byte(c.IdempotencyKey)).Take(&row).Error; err != nil {
		if notFound(err) {
			err = errAgain // the first one was rolled back
		}
		return id, false, err
	}
	if row.RequestHash != c.RequestHash {
		return id, false, api.ErrKeyReused
	}
	return row.ContactID, false, nil
}

func (s *Store) insertContact(tx *gorm.DB, c api.NewContact) (campaign.Contact, error) {
	var p personRow
	if err := tx.Where("tenant_id = ? AND external_id = ?", c.Tenant, []byte(c.CustomerID)).Take(&p).Error; err != nil {
		return campaign.Contact{}, missing(err, "customer is not known")
	}
	var t taskRow
	if err := tx.Where("tenant_id = ? AND standing_script = ?", c.Tenant, c.Script).Take(&t).Error; err != nil {
		return campaign.Contact{}, missing(err, "script has no standing task")
	}
	state := c.State
	if state == "" {
		state = campaign.Scheduled
	}
	row := contactRow{
		TenantID: c.Tenant, ID: binID(c.ID), TaskID: t.ID, PersonID: p.ID, Pool: t.Pool, State: string(state), ClaimRank: -c.Priority, DueAt: at(c.DueAt),
		Reason: clip(c.Reason, 255), CallTime: clip(c.CallTime, 64), CallZone: clip(c.CallZone, 64), Ref: clip(c.Ref, 256),
		Path: clip(defaulted(c.Path, string(compliance.PathTask)), 16), CreatedAt: at(orNow(c.CreatedAt)), UpdatedAt: at(time.Now()),
	}
	if row.DueAt == 0 {
		row.DueAt = row.CreatedAt
	}
	if err := tx.Create(&row).Error; err != nil {
		if isDuplicate(err) {
			err = errAgain
		}
		return campaign.Contact{}, err
	}
	return row.contact(t.ScriptID, c.CustomerID), s.enqueue(tx, c.Tenant, c.Messages)
}

func orNow(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}

func missing(err error, what string) error {
	if notFound(err) {
		return fmt.Errorf("%w: %s", api.ErrNotFound, what)
	}
	return err
}

// withScript is a contact with its task's script and its person's name in the CRM.
type withScript struct {
	Row      contactRow `gorm:"embedded"`
	Script   string
	Customer []byte
}

func (w withScript) contact() campaign.Contact { return w.Row.contact(w.Script, string(w.Customer)) }

const contactSQL = "SELECT c.*, t.script_id AS script, p.external_id AS customer FROM task_contact c JOIN task t ON t.tenant_id = c.tenant_id " +
	"AND t.id = c.task_id LEFT JOIN person p ON p.tenant_id = c.tenant_id AND p.id = c.person_id WHERE "

func contact(tx *gorm.DB, tenant string, id binID) (campaign.Contact, error) {
	var rows []withScript
	if err := tx.Raw(contactSQL+"c.tenant_id = ? AND c.id = ?", tenant, id).Scan(&rows).Error; err != nil {
		return campaign.Contact{}, clean(err)
	}
	if len(rows) == 0 {
		return campaign.Contact{}, fmt.Errorf("%w: contact %s", api.ErrNotFound, uuid.UUID(id))
	}
	return rows[0].contact(), nil
}

// Contact implements api.Store.
func (s *Store) Contact(ctx context.Context, tenant string, id uuid.UUID) (campaign.Contact, error) {
	return contact(s.read(ctx), tenant, binID(id))
}

// Contacts implements api.Store: in the order of their IDs, which is that of their making.
func (s *Store) Contacts(ctx context.Context, tenant string, after uuid.UUID, limit int) ([]campaign.Contact, error) {
	var rows []withScript
	if err := s.read(ctx).Raw(contactSQL+"c.tenant_id = ? AND c.id > ? ORDER BY c.id LIMIT ?", tenant, after[:], page(limit)).Scan(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out := make([]campaign.Contact, len(rows))
	for i, r := range rows {
		out[i] = r.contact()
	}
	return out, nil
}

// CancelContact implements api.Store. Cancelling twice is the same as once; a contact with another end is ErrConflict.
func (s *Store) CancelContact(ctx context.Context, tenant string, id uuid.UUID, now time.Time) (campaign.Contact, error) {
	var out campaign.Contact
	err := s.write(ctx, nil, func(tx *gorm.DB) error {
		var c contactRow
		if err := locked(tx).Where("tenant_id = ? AND id = ?", tenant, binID(id)).Take(&c).Error; err != nil {
			return missing(err, "contact")
		}
		state := campaign.ContactState(c.State)
		if state.Final() && state != campaign.Cancelled {
			return fmt.Errorf("%w: contact is %s already", api.ErrConflict, state)
		}
		if state != campaign.Cancelled {
			if err := exactly(1, tx.Model(&contactRow{}).Where("tenant_id = ? AND id = ? AND state = ?", c.TenantID, c.ID, c.State).
				Updates(map[string]any{"state": string(campaign.Cancelled), "reason": string(campaign.Cancelled), "updated_at": at(now)}), errAgain); err != nil {
				return err
			}
		}
		var err error
		out, err = contact(tx, tenant, binID(id))
		return err
	})
	return out, err
}

// Attempts implements api.Store: in the order of their births.
func (s *Store) Attempts(ctx context.Context, tenant string, contact uuid.UUID) ([]api.AttemptView, error) {
	var rows []attemptRow
	if err := s.read(ctx).Where("tenant_id = ? AND contact_id = ?", tenant, binID(contact)).Order("id").Limit(1000).Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out := make([]api.AttemptView, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = s.view(ctx, r); err != nil {
			return nil, clean(err)
		}
	}
	return out, nil
}

// Attempt implements api.Store.
func (s *Store) Attempt(ctx context.Context, tenant string, id uuid.UUID) (api.AttemptView, error) {
	var row attemptRow
	if err := s.read(ctx).Where("tenant_id = ? AND id = ?", tenant, binID(id)).Take(&row).Error; err != nil {
		return api.AttemptView{}, clean(missing(err, "attempt"))
	}
	v, err := s.view(ctx, row)
	return v, clean(err)
}

func (s *Store) view(ctx context.Context, r attemptRow) (api.AttemptView, error) {
	v := api.AttemptView{
		ID: uuid.UUID(r.ID), Contact: uuid.UUID(r.ContactID), Try: r.Try, State: campaign.AttemptState(r.State), PBX: r.PBX,
		Version: r.ScriptVersion, Reason: r.Reason, BornAt: r.BornAt.Time(), Inbound: r.Direction == inward,
	}
	db := s.read(ctx)
	var n numberRow
	switch err := db.Where("tenant_id = ? AND id = ?", r.TenantID, r.NumberID).Take(&n).Error; {
	case err == nil:
		number, sealed := s.keys.open(r.TenantID, n.E164)
		if sealed != nil {
			s.log.ErrorContext(ctx, "number of an attempt cannot be read", "attempt", v.ID, "err", sealed)
		}
		v.Masked = number.Masked()
	case !notFound(err):
		return v, err
	}
	if r.Outcome == nil {
		return v, nil
	}
	o, err := outcomeFromDoc(*r.Outcome)
	if err != nil {
		return v, fmt.Errorf("outcome of attempt %s: %w", v.ID, err)
	}
	var turns []turnRow
	if err := db.Where("tenant_id = ? AND attempt_id = ?", r.TenantID, r.ID).Order("seq").Find(&turns).Error; err != nil {
		return v, err
	}
	for _, t := range turns {
		o.Turns = append(o.Turns, t.turn())
	}
	var recordings []recordingRow
	if err := db.Where("tenant_id = ? AND attempt_id = ?", r.TenantID, r.ID).Order("id").Find(&recordings).Error; err != nil {
		return v, err
	}
	for _, k := range recordings {
		o.Recordings = append(o.Recordings, k.recording())
	}
	v.Outcome = &o
	return v, nil
}

// Recording implements api.Store.
func (s *Store) Recording(ctx context.Context, tenant string, id uuid.UUID) (campaign.Recording, error) {
	var row recordingRow
	if err := s.read(ctx).Where("tenant_id = ? AND id = ?", tenant, binID(id)).Take(&row).Error; err != nil {
		return campaign.Recording{}, clean(missing(err, "recording"))
	}
	return row.recording(), nil
}
