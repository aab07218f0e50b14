package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"ringmaster/internal/api"
)

type auditRow struct {
	TenantID  string `gorm:"primaryKey"`
	ID        binID  `gorm:"primaryKey"`
	At        instant
	Actor     string
	Action    string
	Object    string
	Detail    string
	Reason    string
	RequestID string
}

func (auditRow) TableName() string { return "audit" }

// SaveAudit implements api.Store.
func (s *Store) SaveAudit(ctx context.Context, e api.AuditEntry) error {
	detail, err := json.Marshal(e.Detail)
	if err != nil {
		return err
	}
	row := auditRow{
		TenantID: e.Tenant, ID: binID(e.ID), At: at(e.At), Actor: clip(e.Actor, 255), Action: clip(e.Action, 64), Object: clip(e.Object, 255), Detail: string(detail),
		Reason: clip(e.Reason, 255), RequestID: clip(e.Request, 64),
	}
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{
			Columns: []clause.Column{{Name: "tenant_id"}, {Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"object", "detail", "reason"}),
		}).Create(&row).Error
	})
}

// AuditPage implements api.Store.
func (s *Store) AuditPage(ctx context.Context, tenant string, q api.AuditQuery, after uuid.UUID, limit int) ([]api.AuditEntry, error) {
	if !q.From.IsZero() { // IDs are in the order of time: what is long before is not walked over
		if first := firstID(q.From.Add(-time.Hour)); string(first[:]) > string(after[:]) {
			after = first
		}
	}
	db := s.read(ctx).Where("tenant_id = ? AND id > ?", tenant, after[:])
	if !q.From.IsZero() {
		db = db.Where("at >= ?", at(q.From))
	}
	if !q.To.IsZero() {
		db = db.Where("at < ?", at(q.To))
	}
	for column, v := range map[string]string{"action": q.Action, "object": q.Object, "actor": q.Actor} {
		if v != "" {
			db = db.Where(column+" = ?", v)
		}
	}
	var rows []auditRow
	if err := db.Order("id").Limit(page(limit)).Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out := make([]api.AuditEntry, len(rows))
	for i, r := range rows {
		out[i] = api.AuditEntry{ID: uuid.UUID(r.ID), Tenant: r.TenantID, At: r.At.Time(), Actor: r.Actor, Action: r.Action, Object: r.Object, Reason: r.Reason, Request: r.RequestID}
		if err := json.Unmarshal([]byte(r.Detail), &out[i].Detail); err != nil {
			return nil, fmt.Errorf("detail of audit entry %s: %w", out[i].ID, err)
		}
	}
	return out, nil
}

// firstID is the smallest UUIDv7 of a moment (RFC 9562 section 5.7).
func firstID(t time.Time) (id uuid.UUID) {
	ms := uint64(max(0, t.UnixMilli()))
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}
