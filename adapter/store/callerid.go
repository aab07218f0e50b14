package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/api"
)

type callerIDRow struct {
	TenantID  string `gorm:"primaryKey"`
	ID        binID  `gorm:"primaryKey"`
	HMAC      hash32 `gorm:"column:hmac"`
	E164      []byte `gorm:"column:e164"`
	TrunkID   string
	Voice     bool
	SMS       bool `gorm:"column:sms"`
	Type      string
	Licence   string
	Region    string
	DailyCap  int
	State     string
	Note      string
	CreatedAt instant `gorm:"autoCreateTime:false"`
	UpdatedAt instant `gorm:"autoUpdateTime:false"`
}

func (callerIDRow) TableName() string { return "caller_id" }

func (s *Store) callerID(r callerIDRow) (api.CallerID, error) {
	n, err := s.keys.open(r.TenantID, r.E164)
	if err != nil {
		err = fmt.Errorf("caller ID %s: %w", uuid.UUID(r.ID), err)
	}
	return api.CallerID{
		ID: uuid.UUID(r.ID), Tenant: r.TenantID, Number: n, Trunk: r.TrunkID, Voice: r.Voice, SMS: r.SMS, Type: r.Type, Licence: r.Licence, Region: r.Region,
		DailyCap: r.DailyCap, State: r.State, Note: r.Note, CreatedAt: r.CreatedAt.Time(), UpdatedAt: r.UpdatedAt.Time(),
	}, err
}

// SaveCallerID implements api.Store.
func (s *Store) SaveCallerID(ctx context.Context, d api.CallerID, create bool) error {
	sealed, err := s.keys.seal(d.Tenant, d.Number)
	if err != nil {
		return err
	}
	row := callerIDRow{
		TenantID: d.Tenant, ID: binID(d.ID), HMAC: s.keys.fingerprint(d.Number), E164: sealed, TrunkID: clip(d.Trunk, 128), Voice: d.Voice, SMS: d.SMS, Type: clip(d.Type, 16),
		Licence: clip(d.Licence, 255), Region: clip(d.Region, 8), DailyCap: small(d.DailyCap), State: clip(d.State, 16), Note: clip(d.Note, 255),
		CreatedAt: at(orNow(d.CreatedAt)), UpdatedAt: at(orNow(d.UpdatedAt)),
	}
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		var same []callerIDRow
		if err := locked(tx).Where("tenant_id = ? AND trunk_id = ? AND hmac = ?", row.TenantID, row.TrunkID, row.HMAC).Find(&same).Error; err != nil {
			return err
		}
		if len(same) > 0 && same[0].ID != row.ID {
			return fmt.Errorf("%w: this trunk has this caller ID", api.ErrConflict)
		}
		if create {
			if len(same) > 0 {
				return nil // the same again, after a COMMIT whose answer was lost
			}
			err := tx.Create(&row).Error
			if isDuplicate(err) {
				err = errAgain
			}
			return err
		}
		res := tx.Model(&callerIDRow{}).Where("tenant_id = ? AND id = ?", row.TenantID, row.ID).Updates(map[string]any{
			"hmac": row.HMAC, "e164": row.E164, "trunk_id": row.TrunkID, "voice": row.Voice, "sms": row.SMS, "type": row.Type, "licence": row.Licence,
			"region": row.Region, "daily_cap": row.DailyCap, "state": row.State, "note": row.Note, "updated_at": row.UpdatedAt,
		})
		return exactly(1, res, fmt.Errorf("%w: caller ID", api.ErrNotFound))
	})
}

// CallerID implements api.Store.
func (s *Store) CallerID(ctx context.Context, tenant string, id uuid.UUID) (api.CallerID, error) {
	var row callerIDRow
	if err := s.read(ctx).Where("tenant_id = ? AND id = ?", tenant, binID(id)).Take(&row).Error; err != nil {
		return api.CallerID{}, clean(missing(err, "caller ID"))
	}
	return s.callerID(row)
}

// CallerIDs implements api.Store.
func (s *Store) CallerIDs(ctx context.Context, tenant string, after uuid.UUID, limit int) ([]api.CallerID, error) {
	var rows []callerIDRow
	if err := s.read(ctx).Where("tenant_id = ? AND id > ?", tenant, after[:]).Order("id").Limit(page(limit)).Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out := make([]api.CallerID, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = s.callerID(r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// DeleteCallerID implements api.Store. From its COMMIT on no Place passes with it.
func (s *Store) DeleteCallerID(ctx context.Context, tenant string, id uuid.UUID) error {
	gone := false
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		res := tx.Where("tenant_id = ? AND id = ?", tenant, binID(id)).Delete(&callerIDRow{})
		if res.Error == nil && res.RowsAffected == 0 && !gone {
			return fmt.Errorf("%w: caller ID", api.ErrNotFound)
		}
		gone = true
		return res.Error
	})
}
