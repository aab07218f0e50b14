package store

import (
	"bytes"
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

// Kinds of subjects, of the do-not-call list and of budgets.
const (
	kindNumber  = "number"
	kindPerson  = "person"
	kindContact = "contact" // of budgets only
)

// OptOut implements api.Store. A zero until is forever; a longer ban is never shortened by a later, shorter one.
func (s *Store) OptOut(ctx context.Context, tenant string, n phone.Number, person uuid.UUID, reason string, until time.Time) error {
	entry := dncRow{TenantID: tenant, Layer: string(compliance.LayerTenant), TaskID: []byte{}, Reason: clip(reason, 255), ExpiresAt: at(until)}
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		if !n.IsZero() {
			fp := s.keys.fingerprint(n)
			if err := ban(tx, entry, kindNumber, fp[:]); err != nil {
				return err
			}
		}
		if person == uuid.Nil {
			return nil
		}
		return ban(tx, entry, kindPerson, person[:])
	})
}

// ban writes one entry or prolongs the one that stands.
func ban(tx *gorm.DB, e dncRow, kind string, subject []byte) error {
	e.Kind, e.Subject = kind, bytes.Clone(subject)
	e.CreatedAt = at(time.Now())
	e.UpdatedAt = e.CreatedAt
	var old dncRow
	err := locked(tx).Where("subject = ? AND kind = ? AND tenant_id = ? AND layer = ? AND task_id = ?", e.Subject, e.Kind, e.TenantID, e.Layer, e.TaskID).
		Take(&old).Error
	if notFound(err) {
		if err = tx.Create(&e).Error; isDuplicate(err) {
			return errAgain
		}
		return err
	}
	if err != nil {
		return err
	}
	expires := e.ExpiresAt
	if old.ExpiresAt == 0 || (expires != 0 && old.ExpiresAt > expires) {
		expires = old.ExpiresAt
	}
	return exactly(1, tx.Model(&dncRow{}).Where("subject = ? AND kind = ? AND tenant_id = ? AND layer = ? AND task_id = ?",
		e.Subject, e.Kind, e.TenantID, e.Layer, e.TaskID).
		Updates(map[string]any{"expires_at": expires, "reason": e.Reason, "updated_at": e.UpdatedAt}), errAgain)
}
