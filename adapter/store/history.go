package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
)

// PastCall is a finished call to a person, as scripts read it: what was noted,
// not what was said. Slots are masked.
type PastCall struct {
	At          time.Time // its end
	Script      string
	Disposition campaign.Disposition
	Tags        []string
	Slots       map[string]string
}

// PastCalls are the last n finished calls to a person, newest first, whatever
// task they belonged to.
func (s *Store) PastCalls(ctx context.Context, tenant string, person uuid.UUID, n int) ([]PastCall, error) {
	var rows []struct {
		ScriptID string
		EndedAt  instant
		Outcome  *string
	}
	err := s.read(ctx).Table("task_contact AS contact").Select("cdr.script_id, cdr.ended_at, attempt.outcome").
		Joins("JOIN cdr ON cdr.tenant_id = contact.tenant_id AND cdr.contact_id = contact.id").
		Joins("JOIN attempt ON attempt.tenant_id = cdr.tenant_id AND attempt.id = cdr.attempt_id").
		Where("contact.tenant_id = ? AND contact.person_id = ?", tenant, binID(person)).
		Order("cdr.ended_at DESC, cdr.attempt_id DESC").Limit(n).Find(&rows).Error
	if err != nil {
		return nil, clean(err)
	}
	out := make([]PastCall, 0, len(rows))
	for _, r := range rows {
		p := PastCall{At: r.EndedAt.Time(), Script: r.ScriptID}
		if r.Outcome != nil {
			o, err := outcomeFromDoc(*r.Outcome)
			if err != nil {
				return nil, fmt.Errorf("outcome of an earlier call: %w", err)
			}
			p.Disposition, p.Tags, p.Slots = o.Disposition, o.Tags, o.Slots
		}
		out = append(out, p)
	}
	return out, nil
}
