package store

import (
	"context"
	"fmt"
	"time"

	"gorm.io/gorm"

	"ringmaster/internal/campaign"
	"ringmaster/internal/scheduler"
)

var _ scheduler.Store = (*Store)(nil)

// Register implements scheduler.Store. Run twice it gives a still higher epoch, which is harmless.
func (s *Store) Register(ctx context.Context, owner string) (epoch int64, err error) {
	if owner == "" || len(owner) > 128 {
		return 0, fmt.Errorf("%w: a controller's ID has 1 to 128 bytes", ErrConfig)
	}
	err = s.write(ctx, nil, func(tx *gorm.DB) error {
		now, err := s.now(tx)
		if err != nil {
			return err
		}
		var row controllerRow
		switch err := locked(tx).Where("id = ?", owner).Take(&row).Error; {
		case notFound(err):
			epoch = 1
			err = tx.Create(&controllerRow{ID: owner, Epoch: 1, HeartbeatAt: at(now), RegisteredAt: at(now)}).Error
			if isDuplicate(err) {
				return errAgain
			}
			return err
		case err != nil:
			return err
		}
		epoch = row.Epoch + 1
		return exactly(1, tx.Model(&controllerRow{}).Where("id = ? AND epoch = ?", owner, row.Epoch).
			Updates(map[string]any{"epoch": epoch, "heartbeat_at": at(now), "registered_at": at(now)}), errAgain)
	})
	return epoch, err
}

// Renew implements scheduler.Store.
func (s *Store) Renew(ctx context.Context, owner string, epoch int64) error {
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		now, err := s.now(tx)
		if err != nil {
			return err
		}
		return exactly(1, tx.Model(&controllerRow{}).Where("id = ? AND epoch = ?", owner, epoch).
			Updates(map[string]any{"heartbeat_at": at(now)}), scheduler.ErrFenced)
	})
}

// current is ErrFenced unless epoch is the newest one of owner.
func current(tx *gorm.DB, owner string, epoch int64) error {
	var row controllerRow
	switch err := tx.Where("id = ?", owner).Take(&row).Error; {
	case notFound(err):
		return notRegistered()
	case err != nil:
		return err
	}
	return newest(row.Epoch, epoch)
}

func notRegistered() error {
	return fmt.Errorf("%w (controller is not registered)", scheduler.ErrFenced)
}

func newest(have, epoch int64) error {
	if have != epoch {
		return fmt.Errorf("%w (epoch %d was followed by %d)", scheduler.ErrFenced, epoch, have)
	}
	return nil
}

// admitted is current and the stop buttons that are pressed, in one round trip: a claim for a single call is made of little else.
func admitted(tx *gorm.DB, owner string, epoch int64) (halted, error) {
	var rows []struct {
		TenantID string
		Epoch    *int64
	}
	q := "SELECT '' AS tenant_id, epoch FROM controller WHERE id = ? UNION ALL SELECT tenant_id, NULL FROM stop WHERE released_at IS NULL"
	if err := tx.Raw(q, owner).Scan(&rows).Error; err != nil {
		return nil, err
	}
	stop, known := halted{}, false
	for _, r := range rows {
		if r.Epoch == nil {
			stop[r.TenantID] = true
			continue
		}
		known = true
		if err := newest(*r.Epoch, epoch); err != nil {
			return nil, err
		}
	}
	if !known {
		return nil, notRegistered()
	}
	return stop, nil
}

// Orphans implements scheduler.Store. Heartbeats of dead controllers stay locked meanwhile: none comes back to life in between.
func (s *Store) Orphans(ctx context.Context, owner string, epoch int64, dead time.Duration, n int) ([]campaign.Attempt, error) {
	var out []campaign.Attempt
	var rows []attemptRow
	n = min(max(n, 0), maxClaim)
	mine := func(tx *gorm.DB) (bool, error) {
		if len(rows) == 0 {
			return true, nil
		}
		var got attemptRow
		err := locked(tx).Where("id = ?", rows[0].ID).Take(&got).Error
		return got.Owner == owner && got.Epoch == epoch, err
	}
	err := s.write(ctx, mine, func(tx *gorm.DB) error {
		out, rows = nil, nil
		if err := current(tx, owner, epoch); err != nil {
			return err
		}
		now, err := s.now(tx)
		if err != nil {
			return err
		}
		gone, err := deadOwners(tx, owner, now.Add(-dead))
		if err != nil {
			return err
		}
		q := locked(tx).Where("state IN ?", liveStates)
		if len(gone) == 0 {
			q = q.Where("owner = ? AND epoch < ?", owner, epoch)
		} else {
			q = q.Where("((owner = ? AND epoch < ?) OR owner IN ?)", owner, epoch, gone)
		}
		if err := q.Order("born_at, id").Limit(n).Find(&rows).Error; err != nil || len(rows) == 0 {
			return err
		}
		for i := range rows {
			res := tx.Model(&attemptRow{}).Where("tenant_id = ? AND id = ? AND owner = ? AND epoch = ? AND state IN ?",
				rows[i].TenantID, rows[i].ID, rows[i].Owner, rows[i].Epoch, liveStates).Updates(map[string]any{"owner": owner, "epoch": epoch})
			if err := exactly(1, res, errAgain); err != nil {
				return err
			}
			rows[i].Owner, rows[i].Epoch = owner, epoch
		}
		out, err = s.fill(tx, rows)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// deadOwners are the controllers with live attempts, but owner, whose last heartbeat is older than since; their rows are locked.
func deadOwners(tx *gorm.DB, owner string, since time.Time) ([]string, error) {
	var busy, gone []string
	if err := tx.Model(&attemptRow{}).Distinct("owner").Where("state IN ? AND owner <> ?", liveStates, owner).Pluck("owner", &busy).Error; err != nil || len(busy) == 0 {
		return nil, err
	}
	err := locked(tx).Model(&controllerRow{}).Where("id IN ? AND heartbeat_at < ?", busy, at(since)).Order("id").Pluck("id", &gone).Error
	return gone, err
}

// The states of an attempt that somebody still works on.
var liveStates = []string{string(campaign.AttemptClaimed), string(campaign.AttemptPlaced)}
