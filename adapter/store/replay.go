package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/campaign"
	"ringmaster/internal/scheduler"
)

// StoredCall is a call that was answered, with what is needed to tell it again.
type StoredCall struct {
	Attempt campaign.Attempt // with the person and the script version as placed
	Outcome campaign.Outcome // with its turns
	Inputs  []scheduler.InputRecord
}

// LastCalls are the last n answered calls of a script, newest first. A person
// who was erased, or whose record cannot be read, is left out.
func (s *Store) LastCalls(ctx context.Context, tenant, script string, n int) ([]StoredCall, error) {
	var rows []attemptRow
	db := s.read(ctx)
	err := db.Table("attempt").Select("attempt.*").
		Joins("JOIN cdr ON cdr.tenant_id = attempt.tenant_id AND cdr.attempt_id = attempt.id").
		Where("attempt.tenant_id = ? AND cdr.script_id = ? AND cdr.answered_at > 0 AND attempt.outcome IS NOT NULL", tenant, script).
		Order("cdr.ended_at DESC, attempt.id DESC").Limit(n).Find(&rows).Error
	if err != nil {
		return nil, clean(err)
	}
	out := make([]StoredCall, 0, len(rows))
	for len(rows) > 0 { // bounded queries: the ID lists are as long as a page
		some := rows[:min(len(rows), 200)]
		rows = rows[len(some):]
		around, err := gather(db, some)
		if err != nil {
			return nil, clean(err)
		}
		for _, r := range some {
			a, err := s.assemble(r, around)
			if err != nil || r.Outcome == nil {
				continue
			}
			c := StoredCall{Attempt: a}
			if c.Outcome, err = outcomeFromDoc(*r.Outcome); err != nil {
				return nil, fmt.Errorf("outcome of a call: %w", err)
			}
			if err := told(db, &c, r); err != nil {
				return nil, clean(err)
			}
			out = append(out, c)
		}
	}
	return out, nil
}

func told(db *gorm.DB, c *StoredCall, r attemptRow) error {
	var turns []turnRow
	if err := db.Where("tenant_id = ? AND attempt_id = ?", r.TenantID, r.ID).Order("seq").Find(&turns).Error; err != nil {
		return err
	}
	for _, t := range turns {
		c.Outcome.Turns = append(c.Outcome.Turns, t.turn())
	}
	var events []eventRow
	if err := db.Where("tenant_id = ? AND attempt_id = ?", r.TenantID, r.ID).Order("seq").Find(&events).Error; err != nil {
		return err
	}
	for i, e := range events {
		if e.Seq != int64(i) { // one is missing: what follows it would be told wrongly
			break
		}
		c.Inputs = append(c.Inputs, scheduler.InputRecord{Seq: e.Seq, At: time.Duration(e.AtNS), Kind: e.Kind, Data: e.Input})
	}
	return nil
}

// CallsBefore are the calls to a person that had ended before an instant.
func (s *Store) CallsBefore(ctx context.Context, tenant string, person uuid.UUID, before time.Time, n int) ([]PastCall, error) {
	all, err := s.PastCalls(ctx, tenant, person, 10*n)
	if err != nil {
		return nil, err
	}
	out := make([]PastCall, 0, n)
	for _, c := range all {
		if c.At.Before(before) && len(out) < n {
			out = append(out, c)
		}
	}
	return out, nil
}
