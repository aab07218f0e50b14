package store

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/campaign"
)

// maxClaim bounds the rows of one transaction.
const maxClaim = 1000

// key names a row of a tenant.
type key struct {
	tenant string
	id     binID
}

// byTenant groups IDs so that each query stays within one tenant's key range.
func byTenant(keys []key) map[string][]binID {
	out := map[string][]binID{}
	seen := map[key]bool{}
	for _, k := range keys {
		if !seen[k] {
			seen[k] = true
			out[k.tenant] = append(out[k.tenant], k.id)
		}
	}
	return out
}

// Promote implements scheduler.Store. Due contacts of tasks that do not run are parked out of the way, and come back when they do.
func (s *Store) Promote(ctx context.Context, now time.Time, n int) (int, error) {
	n = min(max(n, 0), maxClaim)
	var moved int
	var first contactRow
	done := func(tx *gorm.DB) (bool, error) {
		var c contactRow
		err := locked(tx).Where("tenant_id = ? AND id = ?", first.TenantID, first.ID).Take(&c).Error
		if notFound(err) { // nothing was promoted: doing it again is harmless
			return false, nil
		}
		return c.State != string(campaign.Scheduled), err
	}
	err := s.write(ctx, done, func(tx *gorm.DB) error {
		moved, first = 0, contactRow{}
		if err := s.unpark(tx, n); err != nil {
			return err
		}
		var due []contactRow
		q := "SELECT * FROM task_contact" + s.sql.dueIndex + " WHERE state = ? AND due_at <= ? ORDER BY due_at LIMIT ?" + s.sql.skipLocked
		if err := tx.Raw(q, string(campaign.Scheduled), at(now), n).Scan(&due).Error; err != nil {
			return err
		}
		tasks, err := loadTasks(tx, due)
		if err != nil {
			return err
		}
		stop, err := stops(tx)
		if err != nil {
			return err
		}
		running, held := split(due, tasks, stop)
		if err := park(tx, held, campaign.Scheduled); err != nil {
			return err
		}
		if moved = len(running); moved > 0 {
			first = running[0]
		}
		return move(tx, running, campaign.Scheduled, campaign.Ready)
	})
	return moved, err
}

// notStopped keeps tasks out, by the name t, whose tenant's stop button, or that of all, is pressed.
const notStopped = " AND NOT EXISTS (SELECT 1 FROM stop b WHERE b.tenant_id IN (t.tenant_id, '') AND b.released_at IS NULL)"

// halted are the tenants whose stop button is pressed; "" stands for all.
type halted map[string]bool

func stops(tx *gorm.DB) (halted, error) {
	var tenants []string
	if err := tx.Raw("SELECT tenant_id FROM stop WHERE released_at IS NULL").Scan(&tenants).Error; err != nil {
		return nil, err
	}
	out := halted{}
	for _, t := range tenants {
		out[t] = true
	}
	return out, nil
}

func (h halted) holds(tenant string) bool { return h[""] || h[tenant] }

// unpark brings back contacts of tasks that run again.
func (s *Store) unpark(tx *gorm.DB, n int) error {
	var tasks []taskRow
	if err := tx.Table("task AS t").Where("t.parked = ? AND t.state = ?"+notStopped, true, string(campaign.TaskRunning)).Limit(16).Find(&tasks).Error; err != nil {
		return err
	}
	for _, t := range tasks {
		var rows []contactRow
		q := "SELECT * FROM task_contact WHERE tenant_id = ? AND task_id = ? AND state = ? LIMIT ?" + s.sql.skipLocked
		if err := tx.Raw(q, t.TenantID, t.ID, parked, n).Scan(&rows).Error; err != nil {
			return err
		}
		if err := move(tx, rows, parked, campaign.Scheduled); err != nil {
			return err
		}
		if len(rows) == 0 {
			if err := clearFlag(tx, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// clearFlag takes the parked mark off a task that has none left. Under the task's lock nobody can park in between; what another
// transaction is about to bring back still counts, because it may fail.
func clearFlag(tx *gorm.DB, t taskRow) error {
	if err := locked(tx).Where("tenant_id = ? AND id = ?", t.TenantID, t.ID).Take(&taskRow{}).Error; err != nil {
		return err
	}
	var left int64
	if err := tx.Model(&contactRow{}).Where("tenant_id = ? AND task_id = ? AND state = ?", t.TenantID, t.ID, parked).Count(&left).Error; err != nil || left > 0 {
		return err
	}
	return tx.Model(&taskRow{}).Where("tenant_id = ? AND id = ?", t.TenantID, t.ID).Updates(map[string]any{"parked": false}).Error
}

func loadTasks(tx *gorm.DB, rows []contactRow) (map[key]taskRow, error) {
	keys := make([]key, len(rows))
	for i, r := range rows {
		keys[i] = key{r.TenantID, r.TaskID}
	}
	out := map[key]taskRow{}
	for tenant, ids := range byTenant(keys) {
		var got []taskRow
		if err := tx.Where("tenant_id = ? AND id IN ?", tenant, ids).Find(&got).Error; err != nil {
			return nil, err
		}
		for _, t := range got {
			out[key{t.TenantID, t.ID}] = t
		}
	}
	return out, nil
}

// split tells contacts of running tasks from those of halted ones and of tenants that are stopped.
func split(rows []contactRow, tasks map[key]taskRow, stop halted) (running, held []contactRow) {
	for _, r := range rows {
		if t, ok := tasks[key{r.TenantID, r.TaskID}]; ok && t.State == string(campaign.TaskRunning) && !stop.holds(r.TenantID) {
			running = append(running, r)
		} else {
			held = append(held, r)
		}
	}
	return running, held
}

// park takes contacts of halted tasks out of the claim's way and leaves a mark on their tasks.
func park(tx *gorm.DB, held []contactRow, from campaign.ContactState) error {
	if len(held) == 0 {
		return nil
	}
	if err := move(tx, held, from, parked); err != nil {
		return err
	}
	keys := make([]key, len(held))
	for i, r := range held {
		keys[i] = key{r.TenantID, r.TaskID}
	}
	for tenant, ids := range byTenant(keys) {
		if err := tx.Model(&taskRow{}).Where("tenant_id = ? AND id IN ?", tenant, ids).Updates(map[string]any{"parked": true}).Error; err != nil {
			return err
		}
	}
	return nil
}

// move changes the state of locked contacts, all or none.
func move(tx *gorm.DB, rows []contactRow, from, to campaign.ContactState) error {
	now := at(time.Now())
	keys := make([]key, len(rows))
	for i, r := range rows {
		keys[i] = key{r.TenantID, r.ID}
	}
	for tenant, ids := range byTenant(keys) {
		res := tx.Model(&contactRow{}).Where("tenant_id = ? AND id IN ? AND state = ?", tenant, ids, string(from)).
			Updates(map[string]any{"state": string(to), "updated_at": now})
		if err := exactly(int64(len(ids)), res, errAgain); err != nil {
			return err
		}
	}
	for i := range rows {
		rows[i].State, rows[i].UpdatedAt = string(to), now
	}
	return nil
}

// NextDue implements scheduler.Store: of contacts.
func (s *Store) NextDue(ctx context.Context) (time.Time, error) {
	var due instant
	err := s.read(ctx).Raw("SELECT MIN(due_at) FROM task_contact WHERE state = ?", string(campaign.Scheduled)).Row().Scan(&due)
	if err != nil {
		return time.Time{}, clean(err)
	}
	var back instant // parked contacts whose task runs again are due at once
	err = s.read(ctx).Raw("SELECT MIN(c.due_at) FROM task t JOIN task_contact c ON c.tenant_id = t.tenant_id AND c.task_id = t.id "+
		"WHERE t.parked = ? AND t.state = ? AND c.state = ?"+notStopped, true, string(campaign.TaskRunning), parked).Row().Scan(&back)
	if back != 0 && (due == 0 || back < due) {
		due = back
	}
	return due.Time(), clean(err)
}

// Claim implements scheduler.Store.
func (s *Store) Claim(ctx context.Context, pool string, n int, f campaign.Fence) ([]campaign.Attempt, error) {
	n = min(n, maxClaim)
	if n <= 0 {
		return nil, nil
	}
	var out []campaign.Attempt
	born := func(tx *gorm.DB) (bool, error) {
		if len(out) == 0 {
			return true, nil
		}
		// The contact's lock is held to the very end of the lost transaction; that of the new attempt goes while it is rolled back.
		var c []contactRow
		if err := locked(tx).Where("tenant_id = ? AND id = ?", out[0].Tenant, binID(out[0].Contact.ID)).Find(&c).Error; err != nil {
			return false, err
		}
		var rows []attemptRow
		err := tx.Where("id = ?", binID(out[0].ID)).Find(&rows).Error
		return len(rows) == 1, err
	}
	err := s.write(ctx, born, func(tx *gorm.DB) error {
		out = nil
		stop, err := admitted(tx, f.Owner, f.Epoch)
		if err != nil {
			return err
		}
		picked, tasks, err := s.pick(tx, pool, n, stop)
		if err != nil || len(picked) == 0 {
			return err
		}
		out, err = s.bear(tx, picked, tasks, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// pick locks up to n ready contacts in the order of the claim and marks them claimed; those of halted tasks are parked on the way.
func (s *Store) pick(tx *gorm.DB, pool string, n int, stop halted) (picked []contactRow, known map[key]taskRow, err error) {
	known = map[key]taskRow{}
	for round := 0; len(picked) < n && round < 16; round++ {
		var rows []contactRow
		if err := tx.Raw(s.claimSQL(), pool, string(campaign.Ready), n-len(picked)).Scan(&rows).Error; err != nil {
			return nil, nil, err
		}
		tasks, err := loadTasks(tx, rows)
		if err != nil {
			return nil, nil, err
		}
		maps.Copy(known, tasks)
		running, held := split(rows, tasks, stop)
		if err := move(tx, running, campaign.Ready, campaign.Claimed); err != nil {
			return nil, nil, err
		}
		picked = append(picked, running...)
		if len(held) == 0 {
			break
		}
		if err := park(tx, held, campaign.Ready); err != nil {
			return nil, nil, err
		}
	}
	return picked, known, nil
}

func (s *Store) claimSQL() string {
	return "SELECT * FROM task_contact" + s.sql.claimIndex + " WHERE pool = ? AND state = ? ORDER BY claim_rank, due_at LIMIT ?" + s.sql.skipLocked
}

// bear writes the attempts of claimed contacts. A contact that cannot become one (its person is gone, its number cannot be opened) is
// blocked with the reason, so that it does not stop the others.
func (s *Store) bear(tx *gorm.DB, contacts []contactRow, tasks map[key]taskRow, f campaign.Fence) ([]campaign.Attempt, error) {
	now := time.Now()
	rows := make([]attemptRow, 0, len(contacts))
	one := 1
	for _, c := range contacts {
		id, err := newID()
		if err != nil {
			return nil, err
		}
		rows = append(rows, attemptRow{
			TenantID: c.TenantID, ID: id, TaskID: c.TaskID, ContactID: c.ID, PersonID: c.PersonID, Try: c.Tries + 1,
			State: string(campaign.AttemptClaimed), Live: &one, Owner: f.Owner, Epoch: f.Epoch, DueAt: c.DueAt, BornAt: at(now), Direction: outward,
		})
	}
	ctx := newAround()
	ctx.tasks = tasks
	for _, c := range contacts {
		ctx.contacts[key{c.TenantID, c.ID}] = c
	}
	if err := ctx.addReachable(tx, rows); err != nil {
		return nil, err
	}
	out := make([]campaign.Attempt, 0, len(rows))
	kept := rows[:0]
	for _, r := range rows {
		r.NumberID = ctx.people[key{r.TenantID, r.PersonID}].NumberID
		a, err := s.assemble(r, ctx)
		if err == nil && a.Person.Number.IsZero() {
			err = fmt.Errorf("person %s has no number", a.Person.ID)
		}
		if err != nil {
			s.log.ErrorContext(tx.Statement.Context, "contact cannot be claimed and is blocked", "contact", uuid.UUID(r.ContactID), "err", err)
			res := tx.Model(&contactRow{}).Where("tenant_id = ? AND id = ? AND state = ?", r.TenantID, r.ContactID, string(campaign.Claimed)).
				Updates(map[string]any{"state": string(campaign.Blocked), "reason": "number_unreadable", "updated_at": at(now)})
			if err := exactly(1, res, errAgain); err != nil {
				return nil, err
			}
			continue
		}
		kept = append(kept, r)
		out = append(out, a)
	}
	if len(kept) == 0 {
		return nil, nil
	}
	return out, tx.CreateInBatches(kept, 200).Error
}
