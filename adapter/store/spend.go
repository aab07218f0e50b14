package store

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/compliance/ledger"
	"ringmaster/internal/scheduler"
)

// spending is one act on its way through the rules: everything that leaves goes through consume.
type spending struct {
	id      binID
	subject subject
	act     compliance.Act
	judge   compliance.Judge
	now     time.Time // to the microsecond
	path    string
	purpose string
	open    bool // its outcome is not known yet
	// situation adds the states of contact and task to the facts.
	situation func(*compliance.Facts) error
	// done, if any, is asked under the locks whether all this was done before.
	done func(tx *gorm.DB) (bool, error)
}

// errDone rolls back what turns out to be done already.
var errDone = errors.New("done already")

// budgets are the rows under which an act is counted, in the order in which everybody locks them.
func (sub subject) budgets() []budgetRow {
	var out []budgetRow
	if sub.contact != (binID{}) {
		out = append(out, budgetRow{TenantID: sub.tenant, Kind: kindContact, Subject: sub.contact[:]})
	}
	if len(sub.number) > 0 {
		out = append(out, budgetRow{TenantID: sub.tenant, Kind: kindNumber, Subject: sub.number})
	}
	if sub.person != (binID{}) {
		out = append(out, budgetRow{TenantID: sub.tenant, Kind: kindPerson, Subject: sub.person[:]})
	}
	return out
}

// lockBudgets locks the rows of contact, number and person, makes those that are missing, and counts one act in each; a judge that does
// not allow rolls that back.
func lockBudgets(tx *gorm.DB, sub subject, now time.Time) error {
	rows := sub.budgets()
	for i := range rows {
		rows[i].Life, rows[i].UpdatedAt = 1, at(now)
	}
	if len(rows) == 0 {
		return nil
	}
	return tx.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "tenant_id"}, {Name: "kind"}, {Name: "subject"}},
		DoUpdates: clause.Assignments(map[string]any{"life": gorm.Expr("budget.life + 1"), "updated_at": at(now)}),
	}).Create(&rows).Error
}

// consume is the one gate of everything that leaves: under the locks of contact, number and person it reads the facts, asks the judge,
// and when that allows writes the budget entry and the permit. It returns the permit's leaf.
func (s *Store) consume(tx *gorm.DB, p spending) (ledger.Hash, error) {
	var none ledger.Hash
	if err := lockBudgets(tx, p.subject, p.now); err != nil {
		return none, err
	}
	if p.done != nil {
		done, err := p.done(tx)
		if err == nil && done {
			err = errDone
		}
		if err != nil {
			return none, err
		}
	}
	f, caller, err := s.facts(tx, p.subject, p.act, p.now, true)
	if err != nil {
		return none, err
	}
	for _, life := range []*int{&f.LifePerson, &f.LifeNumber, &f.LifeContact} {
		*life = max(0, *life-1) // lockBudgets has counted this act
	}
	if err := p.situation(&f); err != nil {
		return none, err
	}
	j := p.judge(p.now, f)
	if j.Decision != compliance.Allow {
		return none, &scheduler.RefusedError{Verdict: j.Verdict}
	}
	entry := budgetEntryRow{
		TenantID: p.subject.tenant, PersonID: p.subject.person, RefID: p.id, Channel: string(p.act.Channel), At: at(p.now), NumberHMAC: p.subject.number,
		TaskID: p.subject.task, ContactID: p.subject.contact, Path: p.path, Purpose: p.purpose,
	}
	if !p.open {
		entry.EndedAt = at(p.now)
	}
	if err := tx.Create(&entry).Error; err != nil {
		return none, err
	}
	if f.CallerID != nil && f.CallerID.DailyCap > 0 {
		if err := useCaller(tx, p.subject.tenant, caller, p.now); err != nil {
			return none, err
		}
	}
	return s.permit(tx, p, j)
}

// useCaller counts a use of a caller ID that has a daily cap, under the lock of its row.
func useCaller(tx *gorm.DB, tenant string, caller binID, when time.Time) error {
	return tx.Clauses(clause.OnConflict{
		Columns:   []clause.Column{{Name: "tenant_id"}, {Name: "caller_id"}, {Name: "hour"}},
		DoUpdates: clause.Assignments(map[string]any{"used": gorm.Expr("caller_use.used + 1")}),
	}).Create(&callerUseRow{TenantID: tenant, CallerID: caller, Hour: hourOf(when), Used: 1}).Error
}

// unuseCaller takes a use back.
func (s *Store) unuseCaller(tx *gorm.DB, a attemptRow) error {
	number, err := s.keys.open(a.TenantID, a.CallerID)
	if err != nil {
		return err
	}
	reg, caller, err := s.registration(tx, a.TenantID, compliance.Act{CallerID: number, Trunk: a.Trunk}, a.PlacedAt.Time(), true)
	if err != nil || reg == nil || reg.DailyCap <= 0 {
		return err
	}
	return tx.Model(&callerUseRow{}).Where("tenant_id = ? AND caller_id = ? AND hour = ? AND used > 0", a.TenantID, caller, hourOf(a.PlacedAt.Time())).
		Updates(map[string]any{"used": gorm.Expr("used - 1")}).Error
}

// Spend implements scheduler.Store. An id that was spent already is done: nothing is judged or written again. That is asked under the
// locks, where nobody can be about to write it.
func (s *Store) Spend(ctx context.Context, id uuid.UUID, act compliance.Act, judge compliance.Judge, msgs []scheduler.Message, now time.Time) error {
	sub, err := s.subjectOf(act)
	if err != nil {
		return err
	}
	now = now.Truncate(time.Microsecond)
	spent := func(tx *gorm.DB) (bool, error) {
		var n int64
		err := tx.Model(&permitRow{}).Where("tenant_id = ? AND id = ? AND kind = ?", act.Tenant, binID(id), string(ledger.KindPermit)).Count(&n).Error
		return n > 0, err
	}
	seen := func(tx *gorm.DB) (bool, error) { // behind the locks of the lost transaction
		if err := lockBudgets(tx, sub, now); err != nil {
			return false, err
		}
		return spent(tx)
	}
	err = s.write(ctx, seen, func(tx *gorm.DB) error {
		_, err := s.consume(tx, spending{
			id: binID(id), subject: sub, act: act, judge: judge, now: now, path: string(act.Path), purpose: string(act.Purpose), done: spent,
			situation: func(f *compliance.Facts) error { return taskSituation(tx, sub, f) },
		})
		if err != nil {
			return err
		}
		return s.enqueue(tx, act.Tenant, msgs)
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

// Tell queues messages for the outbox; one whose ID is there already is not told twice.
func (s *Store) Tell(ctx context.Context, tenant string, msgs []scheduler.Message) error {
	return s.write(ctx, nil, func(tx *gorm.DB) error { return s.enqueue(tx, tenant, msgs) })
}

// refund takes back what a placed attempt consumed and writes into the ledger that its permit was not used.
func (s *Store) refund(tx *gorm.DB, a attemptRow, why string) error {
	var e budgetEntryRow
	if err := tx.Where("tenant_id = ? AND person_id = ? AND ref_id = ?", a.TenantID, a.PersonID, a.ID).Take(&e).Error; err != nil {
		return err
	}
	sub := subject{tenant: a.TenantID, person: a.PersonID, contact: e.ContactID, number: e.NumberHMAC}
	for _, b := range sub.budgets() { // in the order of lockBudgets
		if err := tx.Model(&budgetRow{}).Where("tenant_id = ? AND kind = ? AND subject = ? AND life > 0", b.TenantID, b.Kind, b.Subject).
			Updates(map[string]any{"life": gorm.Expr("life - 1")}).Error; err != nil {
			return err
		}
	}
	now := time.Now()
	res := tx.Model(&budgetEntryRow{}).Where("tenant_id = ? AND person_id = ? AND ref_id = ? AND returned_at IS NULL", a.TenantID, a.PersonID, a.ID).
		Updates(map[string]any{"returned_at": at(now)})
	if err := exactly(1, res, errAgain); err != nil {
		return err
	}
	if err := s.unuseCaller(tx, a); err != nil {
		return err
	}
	if len(a.Permit) == 0 { // placed before there was a ledger
		return nil
	}
	return s.void(tx, a, now, why)
}

// account notes in the budget what the call was: whether a person answered, and whether there was a conversation.
func account(tx *gorm.DB, a attemptRow, o campaign.Outcome) error {
	if a.Direction == inward { // it cost no budget, and no caller of ours let anybody wait
		return nil
	}
	end := ended(o)
	set := map[string]any{"ended_at": at(end), "answered": o.ByPerson()}
	if o.Talked() {
		set["talked_at"] = at(end)
	}
	if err := tx.Model(&budgetEntryRow{}).Where("tenant_id = ? AND person_id = ? AND ref_id = ?", a.TenantID, a.PersonID, a.ID).
		Updates(set).Error; err != nil || !o.ByPerson() {
		return err
	}
	day := taskDayRow{TenantID: a.TenantID, TaskID: a.TaskID, Day: dayOf(end), Answered: 1}
	if o.Abandoned() {
		day.Abandoned = 1
	}
	return tx.Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "tenant_id"}, {Name: "task_id"}, {Name: "day"}},
		DoUpdates: clause.Assignments(map[string]any{
			"answered": gorm.Expr("task_day.answered + 1"), "abandoned": gorm.Expr("task_day.abandoned + ?", day.Abandoned),
		}),
	}).Create(&day).Error
}
