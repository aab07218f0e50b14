package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/api"
)

type stopRow struct {
	TenantID   string `gorm:"primaryKey"`
	ID         binID  `gorm:"primaryKey"`
	Reason     string
	PressedBy  string
	At         instant
	ReleasedBy string
	ReleasedAt instant
}

func (stopRow) TableName() string { return "stop" }

func (r stopRow) stop() api.Stop {
	return api.Stop{ID: uuid.UUID(r.ID), Tenant: r.TenantID, Reason: r.Reason, By: r.PressedBy, At: r.At.Time(), ReleasedBy: r.ReleasedBy, ReleasedAt: r.ReleasedAt.Time()}
}

// PressStop implements api.Store. From its COMMIT on no Place of any controller passes: each reads the button in its own transaction.
func (s *Store) PressStop(ctx context.Context, st api.Stop) (api.Stop, error) {
	row := stopRow{TenantID: st.Tenant, ID: binID(st.ID), Reason: clip(st.Reason, 255), PressedBy: clip(st.By, 255), At: at(orNow(st.At))}
	out := row
	err := s.write(ctx, nil, func(tx *gorm.DB) error {
		var old []stopRow
		if err := locked(tx).Where("tenant_id = ? AND released_at IS NULL", st.Tenant).Order("id").Find(&old).Error; err != nil {
			return err
		}
		if len(old) > 0 {
			out = old[0]
			return nil
		}
		out = row
		return tx.Create(&row).Error
	})
	return out.stop(), err
}

// ReleaseStop implements api.Store.
func (s *Store) ReleaseStop(ctx context.Context, tenant, by string, now time.Time) error {
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		res := tx.Model(&stopRow{}).Where("tenant_id = ? AND released_at IS NULL", tenant).
			Updates(map[string]any{"released_at": at(now), "released_by": clip(by, 255)})
		if res.Error == nil && res.RowsAffected == 0 {
			return missing(gorm.ErrRecordNotFound, "stop")
		}
		return res.Error
	})
}

// Stops implements api.Store.
func (s *Store) Stops(ctx context.Context, tenant string) ([]api.Stop, error) {
	var rows []stopRow
	if err := s.read(ctx).Where("tenant_id IN ? AND released_at IS NULL", []string{"", tenant}).Order("tenant_id, id").Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out := make([]api.Stop, len(rows))
	for i, r := range rows {
		out[i] = r.stop()
	}
	return out, nil
}
