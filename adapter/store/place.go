package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/scheduler"
)

// held locks an attempt and proves that f may write to it: the attempt is f's, f's epoch is the newest of its owner, and the state is
// one of want.
func held(tx *gorm.DB, f campaign.Fence, want ...campaign.AttemptState) (attemptRow, error) {
	var a attemptRow
	if err := locked(tx).Where("id = ?", binID(f.Attempt)).Take(&a).Error; err != nil && !notFound(err) {
		return a, err
	}
	var owner error
	if a.Owner == f.Owner && a.Epoch == f.Epoch {
		if owner = current(tx, f.Owner, f.Epoch); owner != nil && !errors.Is(owner, scheduler.ErrFenced) {
			return a, owner
		}
	}
	return a, allowedTo(f, a, owner, want...)
}

// allowedTo says why f may not write to an attempt: a is the zero row when there is none, owner what current says of f's owner.
func allowedTo(f campaign.Fence, a attemptRow, owner error, want ...campaign.AttemptState) error {
	switch {
	case a.ID == binID{}:
		return fmt.Errorf("%w (there is no attempt %s)", scheduler.ErrLate, f.Attempt)
	case a.Owner != f.Owner || a.Epoch != f.Epoch:
		return fmt.Errorf("%w (attempt %s)", scheduler.ErrFenced, f.Attempt)
	case owner != nil:
		return owner
	case !slices.Contains(want, campaign.AttemptState(a.State)):
		return fmt.Errorf("%w (attempt %s is %s)", scheduler.ErrLate, f.Attempt, a.State)
	}
	return nil
}

// became is the look of a transaction that ends with the attempt in a state, still under its fence.
func became(f campaign.Fence, s campaign.AttemptState) look {
	return func(tx *gorm.DB) (bool, error) {
		var a attemptRow
		err := locked(tx).Where("id = ?", binID(f.Attempt)).Take(&a).Error
		if notFound(err) {
			return false, nil
		}
		return a.State == string(s) && a.Owner == f.Owner && a.Epoch == f.Epoch, err
	}
}

// alter is a guarded update of a locked attempt.
func alter(tx *gorm.DB, a attemptRow, set map[string]any) error {
	return exactly(1, tx.Model(&attemptRow{}).Where("tenant_id = ? AND id = ? AND owner = ? AND epoch = ? AND state = ?",
		a.TenantID, a.ID, a.Owner, a.Epoch, a.State).Updates(set), errAgain)
}

// contactOf locks the contact of a locked attempt.
func contactOf(tx *gorm.DB, a attemptRow) (contactRow, error) {
	var c contactRow
	err := locked(tx).Where("tenant_id = ? AND id = ?", a.TenantID, a.ContactID).Take(&c).Error
	return c, err
}

// settle is a guarded update of a locked contact.
func settle(tx *gorm.DB, c contactRow, set map[string]any) error {
	set["updated_at"] = at(time.Now())
	return exactly(1, tx.Model(&contactRow{}).Where("tenant_id = ? AND id = ? AND state = ?", c.TenantID, c.ID, c.State).Updates(set), errAgain)
}

// Place implements scheduler.Store.
func (s *Store) Place(ctx context.Context, f campaign.Fence, p campaign.Placement, act compliance.Act, judge compliance.Judge, now time.Time) error {
	sub, err := s.subjectOf(act)
	if err != nil {
		return fmt.Errorf("%w: %w", scheduler.ErrForeignAct, err)
	}
	now = now.Truncate(time.Microsecond)
	return s.write(ctx, became(f, campaign.AttemptPlaced), func(tx *gorm.DB) error {
		a, err := held(tx, f, campaign.AttemptClaimed)
		if err != nil {
			return err
		}
		c, err := contactOf(tx, a)
		if err != nil {
			return err
		}
		t, err := mayStillBeCalled(tx, a, c, sub)
		if err != nil {
			return err
		}
		leaf, err := s.consume(tx, spending{
			id: a.ID, subject: sub, act: act, judge: judge, now: now, path: string(act.Path), purpose: t.Purpose, open: true,
			situation: func(f *compliance.Facts) (err error) {
				f.Contact = c.facts()
				f.Task, err = t.facts()
				return err
			},
		})
		if err != nil {
			return err
		}
		caller, err := s.keys.seal(a.TenantID, p.CallerID)
		if err != nil {
			return err
		}
		if err := alter(tx, a, map[string]any{
			"state": string(campaign.AttemptPlaced), "placed_at": at(now), "pbx": p.PBX, "trunk": p.Trunk, "caller_id": caller,
			"script_version": p.ScriptVersion, "permit": leaf[:],
		}); err != nil {
			return err
		}
		if err := tx.Create(&legRow{TenantID: a.TenantID, ID: a.ID, AttemptID: a.ID, Role: "callee", PBX: p.PBX, CreatedAt: at(now)}).Error; err != nil {
			return err
		}
		return settle(tx, c, map[string]any{"tries": a.Try})
	})
}

// mayStillBeCalled looks again at the contact and its task, and that the act is the attempt's own.
func mayStillBeCalled(tx *gorm.DB, a attemptRow, c contactRow, sub subject) (taskRow, error) {
	var t taskRow
	if c.State != string(campaign.Claimed) {
		return t, fmt.Errorf("%w (contact is %s)", scheduler.ErrWithdrawn, c.State)
	}
	if err := tx.Where("tenant_id = ? AND id = ?", a.TenantID, a.TaskID).Take(&t).Error; err != nil {
		return t, err
	}
	if t.State != string(campaign.TaskRunning) {
		return t, fmt.Errorf("%w (task is %s)", scheduler.ErrHalted, t.State)
	}
	var hmac []hash32
	if err := tx.Model(&numberRow{}).Where("tenant_id = ? AND id = ?", a.TenantID, a.NumberID).Pluck("hmac", &hmac).Error; err != nil {
		return t, err
	}
	same := len(hmac) == 1 && bytes.Equal(hmac[0][:], sub.number)
	if !same || sub.tenant != a.TenantID || sub.person != a.PersonID || sub.contact != a.ContactID || sub.task != a.TaskID {
		return t, fmt.Errorf("%w (attempt %s)", scheduler.ErrForeignAct, uuid.UUID(a.ID))
	}
	return t, nil
}

// Unplace implements scheduler.Store.
func (s *Store) Unplace(ctx context.Context, f campaign.Fence, due time.Time, why string) error {
	return s.write(ctx, became(f, campaign.AttemptPostponed), func(tx *gorm.DB) error {
		a, err := held(tx, f, campaign.AttemptPlaced)
		if err != nil {
			return err
		}
		if err := giveBack(tx, a, due, why); err != nil {
			return err
		}
		return s.refund(tx, a, why)
	})
}

// Postpone implements scheduler.Store.
func (s *Store) Postpone(ctx context.Context, f campaign.Fence, due time.Time, why string) error {
	return s.write(ctx, became(f, campaign.AttemptPostponed), func(tx *gorm.DB) error {
		a, err := held(tx, f, campaign.AttemptClaimed)
		if err != nil {
			return err
		}
		return giveBack(tx, a, due, why)
	})
}

// giveBack ends an attempt uncalled; its contact is due again with the same try number, unless it was cancelled meanwhile.
func giveBack(tx *gorm.DB, a attemptRow, due time.Time, why string) error {
	c, err := contactOf(tx, a)
	if err != nil {
		return err
	}
	if err := alter(tx, a, closing(campaign.AttemptPostponed, why)); err != nil {
		return err
	}
	set := map[string]any{"tries": a.Try - 1}
	if c.State == string(campaign.Claimed) {
		set["state"], set["due_at"], set["reason"] = string(campaign.Scheduled), at(due), clip(why, 255)
	}
	return settle(tx, c, set)
}

func closing(s campaign.AttemptState, why string) map[string]any {
	return map[string]any{"state": string(s), "live": nil, "ended_at": at(time.Now()), "reason": clip(why, 255)}
}

// Refuse implements scheduler.Store. A contact that was cancelled meanwhile stays so, and messages about another end are not sent.
func (s *Store) Refuse(ctx context.Context, f campaign.Fence, state campaign.ContactState, why string, msgs []scheduler.Message) error {
	if state != campaign.Expired && state != campaign.Blocked && state != campaign.Cancelled {
		return fmt.Errorf("%w (a contact cannot be refused into %q)", scheduler.ErrLate, state)
	}
	return s.write(ctx, became(f, campaign.AttemptPostponed), func(tx *gorm.DB) error {
		a, err := held(tx, f, campaign.AttemptClaimed)
		if err != nil {
			return err
		}
		c, err := contactOf(tx, a)
		if err != nil {
			return err
		}
		if err := alter(tx, a, closing(campaign.AttemptPostponed, why)); err != nil {
			return err
		}
		if c.State == string(campaign.Claimed) {
			if err := settle(tx, c, map[string]any{"state": string(state), "reason": clip(why, 255)}); err != nil {
				return err
			}
		} else if c.State != string(state) {
			return nil
		}
		return s.enqueue(tx, a.TenantID, msgs)
	})
}
