package store

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/scheduler"
)

// Inputs is the log of a call as far as it was written; whole is false when an
// input in the middle of it is missing.
func (s *Store) Inputs(ctx context.Context, tenant string, attempt uuid.UUID) (inputs []scheduler.InputRecord, whole bool, err error) {
	var events []eventRow
	if err := s.read(ctx).Where("tenant_id = ? AND attempt_id = ?", tenant, binID(attempt)).Order("seq").Find(&events).Error; err != nil {
		return nil, false, clean(err)
	}
	whole = true
	for i, e := range events {
		whole = whole && e.Seq == int64(i)
		inputs = append(inputs, scheduler.InputRecord{Seq: e.Seq, At: time.Duration(e.AtNS), Kind: e.Kind, Data: e.Input})
	}
	return inputs, whole, nil
}
