package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
)

// EnsureTask implements api.Store: a standing task is found by its script, another by its ID. One that exists is returned as it is.
func (s *Store) EnsureTask(ctx context.Context, t campaign.Task) (campaign.Task, error) {
	if t.ID == uuid.Nil {
		id, err := newID()
		if err != nil {
			return t, err
		}
		t.ID = uuid.UUID(id)
	}
	t.CreatedAt = orNow(t.CreatedAt)
	t.State = defaulted(t.State, campaign.TaskRunning)
	t.Pool = defaulted(t.Pool, "default")
	row, err := taskToRow(t)
	if err != nil {
		return t, err
	}
	var out taskRow
	err = s.write(ctx, nil, func(tx *gorm.DB) error {
		q := tx.Where("tenant_id = ? AND id = ?", row.TenantID, row.ID)
		if t.Standing {
			q = tx.Where("tenant_id = ? AND standing_script = ?", row.TenantID, row.ScriptID)
		}
		out = taskRow{}
		err := q.Take(&out).Error
		if notFound(err) {
			out = row
			if err = tx.Create(&row).Error; isDuplicate(err) {
				return errAgain
			}
		}
		return err
	})
	if err != nil {
		return t, err
	}
	return out.task()
}

// SetTaskState implements api.Store.
func (s *Store) SetTaskState(ctx context.Context, tenant string, id uuid.UUID, state campaign.TaskState) error {
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		return exactly(1, tx.Model(&taskRow{}).Where("tenant_id = ? AND id = ?", tenant, binID(id)).
			Updates(map[string]any{"state": string(state), "updated_at": at(time.Now())}), fmt.Errorf("%w: task %s", api.ErrNotFound, id))
	})
}

// SaveScript implements api.Store. A version is written once and never changed; saving one that exists makes it the current one again.
func (s *Store) SaveScript(ctx context.Context, tenant, script, version string, source []byte, by string) error {
	sum := hash32(sha256.Sum256(source))
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		now := at(time.Now())
		var old []scriptVersionRow
		if err := tx.Where("tenant_id = ? AND script_id = ? AND version = ?", tenant, script, version).Find(&old).Error; err != nil {
			return err
		}
		if len(old) > 0 && old[0].SHA256 != sum {
			return fmt.Errorf("%w: version %q of script %q has another content", api.ErrConflict, version, script)
		}
		if len(old) == 0 {
			err := tx.Create(&scriptVersionRow{
				TenantID: tenant, ScriptID: script, Version: version, SHA256: sum, Source: orEmpty(source), CreatedBy: clip(by, 255), CreatedAt: now,
			}).Error
			if isDuplicate(err) {
				return errAgain
			}
			if err != nil {
				return err
			}
		}
		res := tx.Model(&scriptRow{}).Where("tenant_id = ? AND id = ?", tenant, script).Updates(map[string]any{"current_version": version, "updated_at": now})
		if res.Error != nil || res.RowsAffected == 1 {
			return res.Error
		}
		err := tx.Create(&scriptRow{TenantID: tenant, ID: script, CurrentVersion: version, UpdatedAt: now}).Error
		if isDuplicate(err) {
			return errAgain
		}
		return err
	})
}

// ScriptVersion implements api.Store: the current version.
func (s *Store) ScriptVersion(ctx context.Context, tenant, script string) (version string, source []byte, err error) {
	var rows []scriptVersionRow
	err = s.read(ctx).Raw("SELECT v.* FROM script s JOIN script_version v ON v.tenant_id = s.tenant_id AND v.script_id = s.id "+
		"AND v.version = s.current_version WHERE s.tenant_id = ? AND s.id = ?", tenant, script).Scan(&rows).Error
	if err != nil {
		return "", nil, clean(err)
	}
	if len(rows) == 0 {
		return "", nil, fmt.Errorf("%w: script is not known", api.ErrNotFound)
	}
	return rows[0].Version, rows[0].Source, nil
}
