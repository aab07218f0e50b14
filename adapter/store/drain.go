package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"ringmaster/internal/api"
)

type drainRow struct {
	PBX    string `gorm:"primaryKey;column:pbx"`
	Trunk  string `gorm:"primaryKey"`
	Reason string
	ByKey  string
	At     instant
}

func (drainRow) TableName() string { return "drain" }

// SaveDrain implements api.Store: one that is in force already keeps its
// beginning and gets the new reason.
func (s *Store) SaveDrain(ctx context.Context, d api.Drain) error {
	row := drainRow{PBX: d.PBX, Trunk: d.Trunk, Reason: clip(d.Reason, 255), ByKey: clip(d.By, 255), At: at(orNow(d.At))}
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "pbx"}, {Name: "trunk"}}, DoUpdates: clause.AssignmentColumns([]string{"reason", "by_key"})}).Create(&row).Error
	})
}

// EndDrain implements api.Store.
func (s *Store) EndDrain(ctx context.Context, pbx, trunk string) error {
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		res := tx.Where("pbx = ? AND trunk = ?", pbx, trunk).Delete(&drainRow{})
		if res.Error == nil && res.RowsAffected == 0 {
			return missing(gorm.ErrRecordNotFound, "drain")
		}
		return res.Error
	})
}

// Drains implements api.Store.
func (s *Store) Drains(ctx context.Context) ([]api.Drain, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var rows []drainRow
	if err := s.read(ctx).Order("pbx, trunk").Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out := make([]api.Drain, len(rows))
	for i, r := range rows {
		out[i] = api.Drain{PBX: r.PBX, Trunk: r.Trunk, Reason: r.Reason, By: r.ByKey, At: r.At.Time()}
	}
	return out, nil
}
