package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/campaign"
	"ringmaster/internal/scheduler"
)

// withheld begins the Incomplete of a recording that nobody may hear.
const withheld = "withheld: "

// noLabel is campaign.LabelNone in the column, whose default is unchecked.
const noLabel = "none"

// labelled takes over what a recording says of its notice and its silences.
func (r *recordingRow) labelled(k campaign.Recording) {
	r.Label, r.LabelDetail = clip(string(k.Label), 16), clip(k.LabelDetail, 1024)
	if r.Label == "" {
		r.Label = noLabel
	}
	if k.Withheld != "" {
		r.Path, r.SHA256, r.Incomplete = "", "", clip(withheld+k.Withheld, 255)
	}
	if len(k.Silenced) > 0 {
		if b, err := json.Marshal(k.Silenced); err == nil {
			s := string(b)
			r.Silenced = &s
		}
	}
}

// Unlabelled is a recording whose notice has not been looked for yet, with what
// its call says about it.
type Unlabelled struct {
	Recording  campaign.Recording
	Attempt    uuid.UUID
	Task       uuid.UUID
	Contact    uuid.UUID
	Script     string
	Disclosure *campaign.Disclosure // nil: the call has no evidence of one
	// Paths are all recordings of the call that can be read, in order.
	Paths []string
}

// Unlabelled lists recordings that wait to be examined, oldest first, after one
// of them (the zero ID: from the beginning).
func (s *Store) Unlabelled(ctx context.Context, tenant string, after uuid.UUID, limit int) ([]Unlabelled, error) {
	db := s.read(ctx)
	var rows []recordingRow
	if err := db.Where("tenant_id = ? AND label = ? AND id > ?", tenant, string(campaign.LabelUnchecked), after[:]).Order("id").
		Limit(page(limit)).Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out := make([]Unlabelled, 0, len(rows))
	for _, r := range rows {
		u := Unlabelled{Recording: r.recording(), Attempt: uuid.UUID(r.AttemptID)}
		var c cdrRow
		if err := db.Where("tenant_id = ? AND attempt_id = ?", tenant, r.AttemptID).Take(&c).Error; err != nil {
			return nil, clean(err)
		}
		u.Task, u.Contact, u.Script = uuid.UUID(c.TaskID), uuid.UUID(c.ContactID), c.ScriptID
		var d []disclosureRow
		if err := db.Where("tenant_id = ? AND attempt_id = ?", tenant, r.AttemptID).Find(&d).Error; err != nil {
			return nil, clean(err)
		}
		if len(d) > 0 {
			u.Disclosure = &campaign.Disclosure{Text: d[0].Said, Line: d[0].Line, Script: d[0].ScriptID, Version: d[0].Version,
				PlayedAt: d[0].PlayedAt.Time(), StartMS: d[0].StartMS, EndMS: d[0].EndMS, Complete: d[0].Complete}
		}
		if err := db.Model(&recordingRow{}).Where("tenant_id = ? AND attempt_id = ? AND path <> ''", tenant, r.AttemptID).Order("id").
			Pluck("path", &u.Paths).Error; err != nil {
			return nil, clean(err)
		}
		out = append(out, u)
	}
	return out, nil
}

// Verdict is what the examination of a recording leads to.
type Verdict struct {
	Label  campaign.Label
	Detail string
	// Pause is the task to be paused, with the reason; the zero ID: none.
	Pause    uuid.UUID
	Reason   string
	Messages []scheduler.Message
}

// SetLabel writes the verdict about a recording once: changed is false when it
// had one already, and then nothing else is done either.
func (s *Store) SetLabel(ctx context.Context, tenant string, recording uuid.UUID, v Verdict) (changed bool, err error) {
	err = s.write(ctx, nil, func(tx *gorm.DB) error {
		changed = false
		now := at(time.Now())
		res := tx.Model(&recordingRow{}).Where("tenant_id = ? AND id = ? AND label = ?", tenant, binID(recording), string(campaign.LabelUnchecked)).
			Updates(map[string]any{"label": string(v.Label), "label_detail": clip(v.Detail, 1024), "checked_at": now})
		if res.Error != nil || res.RowsAffected == 0 {
			return res.Error
		}
		changed = true
		if v.Pause != uuid.Nil {
			if err := tx.Model(&taskRow{}).Where("tenant_id = ? AND id = ? AND state = ?", tenant, binID(v.Pause), string(campaign.TaskRunning)).
				Updates(map[string]any{"state": string(campaign.TaskPaused), "paused_reason": clip(v.Reason, 255), "updated_at": now}).Error; err != nil {
				return fmt.Errorf("task could not be paused: %w", err)
			}
		}
		return s.enqueue(tx, tenant, v.Messages)
	})
	return changed, err
}
