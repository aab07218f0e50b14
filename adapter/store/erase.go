package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
)

// PersonFile implements api.Store.
func (s *Store) PersonFile(ctx context.Context, tenant string, person uuid.UUID) (api.PersonFile, error) {
	var f api.PersonFile
	db := s.read(ctx)
	var contacts []withScript
	if err := db.Raw(contactSQL+"c.tenant_id = ? AND c.person_id = ? ORDER BY c.id LIMIT 10000", tenant, binID(person)).Scan(&contacts).Error; err != nil {
		return f, clean(err)
	}
	for _, c := range contacts {
		f.Contacts = append(f.Contacts, c.contact())
		var attempts []attemptRow
		if err := db.Where("tenant_id = ? AND contact_id = ?", tenant, c.Row.ID).Order("id").Limit(1000).Find(&attempts).Error; err != nil {
			return f, clean(err)
		}
		for _, a := range attempts {
			v, err := s.view(ctx, a)
			if err != nil {
				return f, clean(err)
			}
			f.Attempts = append(f.Attempts, v)
		}
	}
	var err error
	if f.Consents, err = s.Consents(ctx, tenant, person); err != nil {
		return f, err
	}
	var p personRow
	if err := db.Where("tenant_id = ? AND id = ?", tenant, binID(person)).Take(&p).Error; err != nil {
		return f, clean(missing(err, "person"))
	}
	subjects := [][]byte{person[:]}
	var n numberRow
	if err := db.Where("tenant_id = ? AND id = ?", tenant, p.NumberID).Take(&n).Error; err == nil {
		subjects = append(subjects, n.HMAC[:])
	} else if !notFound(err) {
		return f, clean(err)
	}
	var rows []dncRow
	if err := db.Where("subject IN ? AND tenant_id = ?", subjects, tenant).Find(&rows).Error; err != nil {
		return f, clean(err)
	}
	f.DNC, err = s.entries(db, tenant, rows)
	return f, clean(err)
}

// ErasePerson implements api.Store. Name, number, variables, words and originals go; the calls' records stay under pseudonyms, and so
// does every entry of the do-not-call list, whose fingerprint still finds the number.
func (s *Store) ErasePerson(ctx context.Context, tenant string, person uuid.UUID, now time.Time) (api.Erased, error) {
	var out api.Erased
	err := s.write(ctx, nil, func(tx *gorm.DB) error { // run twice it does nothing the second time
		out = api.Erased{}
		var p personRow
		if err := locked(tx).Where("tenant_id = ? AND id = ?", tenant, binID(person)).Take(&p).Error; err != nil {
			return missing(err, "person")
		}
		// First the contacts, whose locks a claim or a placement holds: the attempts read after it are all that there are.
		res := tx.Model(&contactRow{}).Where("tenant_id = ? AND person_id = ? AND state IN ?", tenant, p.ID,
			[]string{string(campaign.Scheduled), string(campaign.Ready), string(campaign.Claimed), parked}).
			Updates(map[string]any{"state": string(campaign.Cancelled), "reason": "erased", "updated_at": at(now)})
		if res.Error != nil {
			return res.Error
		}
		out.Contacts = int(res.RowsAffected)
		var attempts []attemptRow
		if err := tx.Where("tenant_id = ? AND contact_id IN (SELECT id FROM task_contact WHERE tenant_id = ? AND person_id = ?)", tenant, tenant, p.ID).
			Find(&attempts).Error; err != nil {
			return err
		}
		for _, a := range attempts {
			if a.Live != nil || a.State == string(campaign.AttemptPlaced) { // a call that came in has no Live
				return fmt.Errorf("%w: a call is under way", api.ErrConflict)
			}
		}
		if err := forgetCalls(tx, tenant, attempts, now, &out); err != nil {
			return err
		}
		if err := forgetMessages(tx, tenant, p.ID, attempts, now); err != nil {
			return err
		}
		return forgetPerson(tx, p, now)
	})
	return out, err
}

// forgetCalls takes the words out of the records of calls and says which files are to go.
func forgetCalls(tx *gorm.DB, tenant string, attempts []attemptRow, now time.Time, out *api.Erased) error {
	for _, a := range attempts {
		if a.Outcome != nil {
			doc, err := wordless(*a.Outcome)
			if err != nil {
				return err
			}
			if err := tx.Model(&attemptRow{}).Where("tenant_id = ? AND id = ?", tenant, a.ID).Updates(map[string]any{"outcome": doc}).Error; err != nil {
				return err
			}
		}
		for _, q := range []struct{ sql string }{
			{"UPDATE turn SET said = '', planned = '' WHERE tenant_id = ? AND attempt_id = ?"},
			{"UPDATE ticket SET words = '' WHERE tenant_id = ? AND attempt_id = ?"},
			{"UPDATE dnc SET words = '' WHERE tenant_id = ? AND attempt_id = ?"},
			{"DELETE FROM call_event WHERE tenant_id = ? AND attempt_id = ?"},
		} {
			if err := tx.Exec(q.sql, tenant, a.ID).Error; err != nil {
				return err
			}
		}
		if err := forgetRecordings(tx, tenant, a.ID, now, out); err != nil {
			return err
		}
	}
	return nil
}

// forgetMessages empties what was told of the person's contacts and calls, and ends what still waits: it would tell their name to somebody
// who is to forget it. An outbox line is named by a receiver and, after a slash, the contact (internal/app) or by an ID alone, so
// its last 36 bytes tell; SUBSTR and not LIKE, which finds no bytes on SQLite.
func forgetMessages(tx *gorm.DB, tenant string, person binID, attempts []attemptRow, now time.Time) error {
	var ids []binID
	if err := tx.Model(&contactRow{}).Where("tenant_id = ? AND person_id = ?", tenant, person).Pluck("id", &ids).Error; err != nil {
		return err
	}
	for _, a := range attempts {
		ids = append(ids, a.ID)
	}
	for some := range slices.Chunk(ids, 500) {
		lines := make([][]byte, len(some))
		for i, id := range some {
			lines[i] = []byte(uuid.UUID(id).String())
		}
		var msgs []binID // by their keys, so that no lock is taken on the way to them
		if err := tx.Model(&outboxRow{}).Where("tenant_id = ? AND SUBSTR(aggregate, -36) IN ?", tenant, lines).Pluck("id", &msgs).Error; err != nil {
			return err
		}
		for part := range slices.Chunk(msgs, 500) {
			if err := tx.Model(&outboxRow{}).Where("tenant_id = ? AND id IN ? AND state = ?", tenant, part, msgWaiting).
				Updates(map[string]any{"state": msgDead, "reason": "erased", "ended_at": at(now)}).Error; err != nil {
				return err
			}
			if err := tx.Model(&outboxRow{}).Where("tenant_id = ? AND id IN ?", tenant, part).Updates(map[string]any{"body": []byte("{}")}).Error; err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetRecordings leaves the hash of a file that goes: proof of what was deleted.
func forgetRecordings(tx *gorm.DB, tenant string, attempt binID, now time.Time, out *api.Erased) error {
	var rows []struct {
		ID        binID
		Path      string
		LegalHold bool
		KeepUntil instant
		VaultID   binID
	}
	if err := tx.Raw("SELECT id, path, legal_hold, keep_until, vault_id FROM recording WHERE tenant_id = ? AND attempt_id = ? AND path <> ''", tenant, attempt).
		Scan(&rows).Error; err != nil {
		return err
	}
	for _, r := range rows {
		e := api.ErasedRecording{ID: uuid.UUID(r.ID), Path: r.Path}
		switch {
		case r.LegalHold:
			e.Kept = "legal_hold"
		case r.KeepUntil > at(now):
			e.Kept = "retention"
		}
		out.Recordings = append(out.Recordings, e)
		if e.Kept != "" {
			continue
		}
		if err := tx.Exec("UPDATE recording SET path = '', incomplete = 'erased', vault_id = NULL WHERE tenant_id = ? AND id = ?", tenant, r.ID).Error; err != nil {
			return err
		}
		if r.VaultID != (binID{}) {
			if err := tx.Exec("DELETE FROM vault WHERE tenant_id = ? AND id = ?", tenant, r.VaultID).Error; err != nil {
				return err
			}
		}
	}
	return nil
}

// forgetPerson blanks the person's row, deletes a number that nobody else has, and the key of their commitments in the ledger.
func forgetPerson(tx *gorm.DB, p personRow, now time.Time) error {
	if err := tx.Model(&personRow{}).Where("tenant_id = ? AND id = ?", p.TenantID, p.ID).Updates(map[string]any{
		"external_id": []byte("erased:" + uuid.UUID(p.ID).String()), "name": "", "vars": "{}", "number_id": nil, "zone": "", "language": "", "updated_at": at(now),
	}).Error; err != nil {
		return err
	}
	for _, q := range []struct {
		sql  string
		args []any
	}{
		{"DELETE FROM number WHERE tenant_id = ? AND id = ? AND NOT EXISTS (SELECT 1 FROM person WHERE tenant_id = ? AND number_id = ?)",
			[]any{p.TenantID, p.NumberID, p.TenantID, p.NumberID}},
		{"UPDATE consent SET proof = '', number_hmac = NULL WHERE tenant_id = ? AND person_id = ?", []any{p.TenantID, p.ID}},
		{"UPDATE task_contact SET ref = '' WHERE tenant_id = ? AND person_id = ?", []any{p.TenantID, p.ID}},
		{"UPDATE ticket SET words = '' WHERE tenant_id = ? AND person_id = ?", []any{p.TenantID, p.ID}},
		{"UPDATE person_key SET sealed = NULL, erased_at = ? WHERE tenant_id = ? AND person_id = ? AND sealed IS NOT NULL", []any{at(now), p.TenantID, p.ID}},
	} {
		if err := tx.Exec(q.sql, q.args...).Error; err != nil {
			return err
		}
	}
	return nil
}

// wordless is an outcome without what was said in the call.
func wordless(doc string) (string, error) {
	o, err := outcomeFromDoc(doc)
	if err != nil {
		return "", err
	}
	o.Slots, o.Tags = nil, nil
	if o.OptOut != nil {
		o.OptOut.Words = ""
	}
	for i := range o.Tickets {
		o.Tickets[i].Words = ""
	}
	return outcomeToDoc(o)
}
