package store

import (
	"context"
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
