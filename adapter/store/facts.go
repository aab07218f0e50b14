package store

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// subject is whom an act concerns, by the keys of the rows about it. Zero IDs are left out of every look-up.
type subject struct {
	tenant                string
	person, contact, task binID
	number                []byte // hmac; nil = none
}

// subjectOf reads an act's IDs.
func (s *Store) subjectOf(act compliance.Act) (subject, error) {
	sub := subject{tenant: act.Tenant}
	for _, f := range []struct {
		text string
		id   *binID
	}{{act.Person, &sub.person}, {act.Contact, &sub.contact}, {act.Task, &sub.task}} {
		if f.text == "" {
			continue
		}
		id, err := uuid.Parse(f.text)
		if err != nil {
			return sub, fmt.Errorf("an act's person, contact and task are UUIDs: %w", err)
		}
		*f.id = binID(id)
	}
	if !act.Number.IsZero() {
		fp := s.keys.fingerprint(act.Number)
		sub.number = fp[:]
	}
	return sub, nil
}

// Facts implements scheduler.Store.
func (s *Store) Facts(ctx context.Context, act compliance.Act, now time.Time) (compliance.Facts, error) {
	sub, err := s.subjectOf(act)
	if err != nil {
		return compliance.Facts{}, err
	}
	f, err := s.glance(s.read(ctx).Begin(), sub, act, now)
	return f, clean(err)
}

// glance reads facts in a transaction that writes nothing and is not committed.
func (s *Store) glance(tx *gorm.DB, sub subject, act compliance.Act, now time.Time) (compliance.Facts, error) {
	if tx.Error != nil {
		return compliance.Facts{}, tx.Error
	}
	defer tx.Rollback()
	f, _, err := s.facts(tx, sub, act, now, false)
	if err != nil {
		return f, err
	}
	return f, situation(tx, sub, &f)
}

// situation adds the states of contact and task.
func situation(tx *gorm.DB, sub subject, f *compliance.Facts) error {
	if sub.contact != (binID{}) {
		var c contactRow
		if err := tx.Where("tenant_id = ? AND id = ?", sub.tenant, sub.contact).Take(&c).Error; err != nil {
			return missing(err, "contact")
		}
		f.Contact = c.facts()
		f.Contact.Live = f.Contact.State == campaign.Claimed
	}
	return taskSituation(tx, sub, f)
}

// taskSituation adds the state of the task alone: a message may follow a contact that is done.
func taskSituation(tx *gorm.DB, sub subject, f *compliance.Facts) error {
	if sub.task != (binID{}) {
		var t taskRow
		if err := tx.Where("tenant_id = ? AND id = ?", sub.tenant, sub.task).Take(&t).Error; err != nil {
			return missing(err, "task")
		}
		var err error
		f.Task, err = t.facts()
		return err
	}
	return nil
}

func (r contactRow) facts() compliance.ContactFacts {
	c := r.contact("", "")
	return compliance.ContactFacts{State: c.State, Reason: c.Reason, DueAt: c.DueAt, Tries: c.Tries}
}

func (r taskRow) facts() (compliance.TaskFacts, error) {
	t, err := r.task()
	return compliance.TaskFacts{State: t.State, Reason: r.PausedReason, MaxTries: t.Retry.MaxTries}, err
}

// facts reads what rules judge by, but for the states of contact and task; caller is the registry's row of the caller ID, which is locked
// where its uses are counted and lock says so.
func (s *Store) facts(tx *gorm.DB, sub subject, act compliance.Act, now time.Time, lock bool) (f compliance.Facts, caller binID, err error) {
	if err = circumstances(tx, sub, &f); err != nil {
		return f, caller, err
	}
	if f.Blocks, err = blocks(tx, sub, now); err != nil {
		return f, caller, err
	}
	if f.Consents, err = consents(tx, sub); err != nil {
		return f, caller, err
	}
	if f.Spent, err = spent(tx, sub, now); err != nil {
		return f, caller, err
	}
	if f.CallerID, caller, err = s.registration(tx, sub.tenant, act, now, lock); err != nil {
		return f, caller, err
	}
	f.Answered, f.Abandoned, err = abandons(tx, sub, act, now)
	return f, caller, err
}

// circumstances are the person's zone, the stop buttons that are pressed and how many acts there ever were, in one round trip.
func circumstances(tx *gorm.DB, sub subject, f *compliance.Facts) error {
	parts := []string{"SELECT 'stop' AS what, reason AS words, CASE WHEN tenant_id = '' THEN 1 ELSE 0 END AS n FROM stop WHERE tenant_id IN (?, '') AND released_at IS NULL"}
	args := []any{sub.tenant}
	if sub.person != (binID{}) {
		parts = append(parts, "SELECT 'zone', zone, 0 FROM person WHERE tenant_id = ? AND id = ?")
		args = append(args, sub.tenant, sub.person)
	}
	for _, b := range sub.budgets() {
		parts = append(parts, "SELECT kind, '', life FROM budget WHERE tenant_id = ? AND kind = ? AND subject = ?")
		args = append(args, b.TenantID, b.Kind, b.Subject)
	}
	var rows []struct {
		What, Words string
		N           int
	}
	if err := tx.Raw(strings.Join(parts, " UNION ALL "), args...).Scan(&rows).Error; err != nil {
		return err
	}
	known := sub.person == (binID{})
	for _, r := range rows {
		switch r.What {
		case "zone":
			f.Zone, known = r.Words, true
		case kindPerson:
			f.LifePerson = r.N
		case kindNumber:
			f.LifeNumber = r.N
		case kindContact:
			f.LifeContact = r.N
		case "stop":
			if r.N == 1 {
				f.Stopped = "all: " + r.Words
			} else if f.Stopped == "" {
				f.Stopped = "tenant: " + r.Words
			}
		}
	}
	if !known {
		return missing(gorm.ErrRecordNotFound, "person")
	}
	return nil
}

// blocks are the do-not-call entries in force, system's before tenant's before task's.
func blocks(tx *gorm.DB, sub subject, now time.Time) ([]compliance.Block, error) {
	var subjects [][]byte
	if len(sub.number) > 0 {
		subjects = append(subjects, sub.number)
	}
	if sub.person != (binID{}) {
		subjects = append(subjects, sub.person[:])
	}
	if len(subjects) == 0 {
		return nil, nil
	}
	var rows []dncRow
	if err := tx.Where("subject IN ? AND kind IN ? AND tenant_id IN ?", subjects, []string{kindNumber, kindPerson}, []string{sub.tenant, ""}).
		Find(&rows).Error; err != nil {
		return nil, err
	}
	var out []compliance.Block
	for _, layer := range []compliance.Layer{compliance.LayerSystem, compliance.LayerTenant, compliance.LayerTask} {
		for _, kind := range []string{kindNumber, kindPerson} {
			for _, r := range rows {
				if r.Layer == string(layer) && r.Kind == kind && r.holds(sub) && (r.ExpiresAt == 0 || r.ExpiresAt > at(now)) {
					out = append(out, compliance.Block{Layer: layer, Kind: kind, Reason: r.Reason, Expires: r.ExpiresAt.Time()})
				}
			}
		}
	}
	return out, nil
}

// holds reports whether an entry of the list concerns these.
func (r dncRow) holds(sub subject) bool {
	if r.Layer == string(compliance.LayerSystem) {
		return r.TenantID == ""
	}
	return r.TenantID == sub.tenant && (r.Layer == string(compliance.LayerTenant) || sub.task != (binID{}) && bytes.Equal(r.TaskID, sub.task[:]))
}

// consents of the person: those for any number of hers and those for this one.
func consents(tx *gorm.DB, sub subject) ([]compliance.Consent, error) {
	if sub.person == (binID{}) {
		return nil, nil
	}
	var rows []struct {
		ID                                    binID
		NumberHMAC                            []byte `gorm:"column:number_hmac"`
		Purpose, Kind, Basis, Channel, Source string
		ObtainedAt, ExpiresAt, WithdrawnAt    instant
	}
	if err := tx.Raw("SELECT id, number_hmac, purpose, kind, basis, channel, source, obtained_at, expires_at, withdrawn_at FROM consent "+
		"WHERE tenant_id = ? AND person_id = ? ORDER BY obtained_at LIMIT 200", sub.tenant, sub.person).Scan(&rows).Error; err != nil {
		return nil, err
	}
	var out []compliance.Consent
	for _, r := range rows {
		if len(r.NumberHMAC) > 0 && !bytes.Equal(r.NumberHMAC, sub.number) {
			continue
		}
		out = append(out, compliance.Consent{ID: uuid.UUID(r.ID).String(), Basis: defaulted(r.Basis, r.Kind), Purpose: campaign.Purpose(r.Purpose),
			Channel: compliance.Channel(r.Channel), Source: r.Source, ObtainedAt: r.ObtainedAt.Time(), ExpiresAt: r.ExpiresAt.Time(),
			WithdrawnAt: r.WithdrawnAt.Time()})
	}
	return out, nil
}

const spentColumns = "SELECT person_id, channel, at, number_hmac, task_id, contact_id, path, purpose, answered, talked_at, ended_at FROM budget_entry "

// spent are the acts of the person, and those of others at the same number, within the horizon. Two walks of an index each.
func spent(tx *gorm.DB, sub subject, now time.Time) ([]compliance.Spent, error) {
	since := at(now.Add(-compliance.Horizon))
	var rows []budgetEntryRow
	var parts []string
	var args []any
	if sub.person != (binID{}) {
		parts = append(parts, spentColumns+"WHERE tenant_id = ? AND person_id = ? AND at > ? AND returned_at IS NULL")
		args = append(args, sub.tenant, sub.person, since)
	}
	if len(sub.number) > 0 {
		parts = append(parts, spentColumns+"WHERE tenant_id = ? AND number_hmac = ? AND at > ? AND returned_at IS NULL AND person_id <> ?")
		args = append(args, sub.tenant, sub.number, since, sub.person[:])
	}
	if len(parts) == 0 {
		return nil, nil
	}
	q := parts[0]
	if len(parts) == 2 {
		q += " UNION ALL " + parts[1]
	}
	if err := tx.Raw(q, args...).Scan(&rows).Error; err != nil {
		return nil, err
	}
	out := make([]compliance.Spent, len(rows))
	for i, r := range rows {
		out[i] = compliance.Spent{
			At: r.At.Time(), Channel: compliance.Channel(r.Channel), Path: compliance.Path(r.Path), Purpose: campaign.Purpose(r.Purpose),
			SamePerson: sub.person != (binID{}) && r.PersonID == sub.person, SameNumber: len(sub.number) > 0 && bytes.Equal(r.NumberHMAC, sub.number),
			SameTask: sub.task != (binID{}) && r.TaskID == sub.task, SameContact: sub.contact != (binID{}) && r.ContactID == sub.contact,
			Open: r.EndedAt == 0, Answered: r.Answered, Talked: r.TalkedAt != 0, TalkedAt: r.TalkedAt.Time(),
		}
	}
	return out, nil
}

// registration is what the registry says of the caller ID on its trunk; nil when it is not there. used is over any 24 hours, by hours
// of the clock, so that no day of any zone has more than the cap.
func (s *Store) registration(tx *gorm.DB, tenant string, act compliance.Act, now time.Time, lock bool) (*compliance.Registration, binID, error) {
	if act.CallerID.IsZero() {
		return nil, binID{}, nil
	}
	var rows []struct {
		ID                                    binID
		Voice, SMS                            bool
		Type, Licence, TrunkID, Region, State string
		DailyCap                              int
	}
	fp := s.keys.fingerprint(act.CallerID)
	if err := tx.Raw("SELECT id, voice, sms, type, licence, trunk_id, region, state, daily_cap FROM caller_id WHERE tenant_id = ? AND trunk_id = ? AND hmac = ?",
		tenant, act.Trunk, fp).Scan(&rows).Error; err != nil || len(rows) == 0 {
		return nil, binID{}, err
	}
	r := rows[0]
	reg := &compliance.Registration{Voice: r.Voice, SMS: r.SMS, Type: r.Type, Licence: r.Licence, Trunk: r.TrunkID, Region: r.Region, State: r.State, DailyCap: r.DailyCap}
	if r.DailyCap <= 0 {
		return reg, r.ID, nil
	}
	if lock {
		if err := locked(tx.Table("caller_id").Select("id")).Where("tenant_id = ? AND id = ?", tenant, r.ID).Take(&struct{ ID binID }{}).Error; err != nil {
			return nil, binID{}, err
		}
	}
	var use []callerUseRow
	if err := tx.Where("tenant_id = ? AND caller_id = ? AND hour > ?", tenant, r.ID, hourOf(now)-24).Order("hour").Find(&use).Error; err != nil {
		return nil, binID{}, err
	}
	for _, u := range use {
		reg.UsedToday += u.Used
		if reg.Resets.IsZero() && u.Used > 0 {
			reg.Resets = time.Unix(int64(u.Hour+24)*3600, 0).UTC()
		}
	}
	return reg, r.ID, nil
}

func hourOf(t time.Time) int { return int(t.Unix() / 3600) }
func dayOf(t time.Time) int  { return int(t.Unix() / 86400) }

// abandons counts the task's calls that a person answered, and those abandoned, over whole days that cover what the act needs.
func abandons(tx *gorm.DB, sub subject, act compliance.Act, now time.Time) (answered, abandoned int, err error) {
	if sub.task == (binID{}) {
		return 0, 0, nil
	}
	span := defaulted(act.Needs.Abandon, 30*24*time.Hour)
	err = tx.Raw("SELECT COALESCE(SUM(answered), 0), COALESCE(SUM(abandoned), 0) FROM task_day WHERE tenant_id = ? AND task_id = ? AND day >= ?",
		sub.tenant, sub.task, dayOf(now.Add(-span))).Row().Scan(&answered, &abandoned)
	return answered, abandoned, err
}
