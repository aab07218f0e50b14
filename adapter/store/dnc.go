package store

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/phone"
)

// Layers of the do-not-call list (row T3): the system's holds for every tenant.
const (
	layerSystem = "system"
	layerTenant = "tenant"
	layerTask   = "task"
)

const (
	kindNumber = "number"
	kindPerson = "person"
)

// blockedBy finds the first entry that is in force: by number, then by person; system, tenant, task.
func (s *Store) blockedBy(tx *gorm.DB, tenant string, person binID, number []byte, task binID) (string, error) {
	subjects := [][]byte{}
	if len(number) > 0 {
		subjects = append(subjects, number)
	}
	if person != (binID{}) {
		subjects = append(subjects, person[:])
	}
	if len(subjects) == 0 {
		return "", nil
	}
	var rows []dncRow
	if err := tx.Where("subject IN ? AND kind IN ? AND tenant_id IN ?", subjects, []string{kindNumber, kindPerson}, []string{tenant, ""}).
		Find(&rows).Error; err != nil || len(rows) == 0 {
		return "", err
	}
	now, err := s.now(tx)
	if err != nil {
		return "", err
	}
	best := ""
	rank := 1 << 8
	for _, r := range rows {
		wanted := (r.Layer == layerSystem && r.TenantID == "") || (r.Layer == layerTenant && r.TenantID == tenant) ||
			(r.Layer == layerTask && r.TenantID == tenant && task != (binID{}) && bytes.Equal(r.TaskID, task[:]))
		if !wanted || (r.ExpiresAt != 0 && r.ExpiresAt <= at(now)) {
			continue
		}
		n := map[string]int{layerSystem: 0, layerTenant: 1, layerTask: 2}[r.Layer] * 2
		if r.Kind == kindPerson {
			n++
		}
		if n < rank {
			rank, best = n, fmt.Sprintf("dnc_%s: %s", r.Layer, r.Reason)
		}
	}
	return best, nil
}

// OptOut implements api.Store. A zero until is forever; a longer ban is never shortened by a later, shorter one.
func (s *Store) OptOut(ctx context.Context, tenant string, n phone.Number, person uuid.UUID, reason string, until time.Time) error {
	entry := dncRow{TenantID: tenant, Layer: layerTenant, TaskID: []byte{}, Reason: clip(reason, 255), ExpiresAt: at(until)}
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
