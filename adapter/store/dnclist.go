package store

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/api"
	"ringmaster/internal/compliance"
)

// own reports the person's own refusal: what no source is known of was said in a call or by the person.
func (r dncRow) own() bool {
	return r.Source == "" || r.Source == api.SourcePerson || r.AttemptID != (binID{})
}

// AddDNC implements api.Store. The number of each entry is kept, sealed, so that the list can be given back.
func (s *Store) AddDNC(ctx context.Context, entries []api.DNCEntry) ([]bool, error) {
	added := make([]bool, len(entries))
	if len(entries) == 0 {
		return added, nil
	}
	err := s.write(ctx, nil, func(tx *gorm.DB) error {
		clear(added)
		now := at(time.Now())
		for i, e := range entries {
			row, err := s.listed(tx, e)
			if err != nil {
				return err
			}
			if added[i], err = list(tx, row, now); err != nil {
				return err
			}
		}
		return nil
	})
	return added, err
}

func (s *Store) listed(tx *gorm.DB, e api.DNCEntry) (dncRow, error) {
	r := dncRow{
		Source: clip(e.Source, 64), CreatedBy: clip(e.By, 255), Reason: clip(e.Reason, 255), ExpiresAt: at(e.Expires), CreatedAt: at(orNow(e.CreatedAt)), UpdatedAt: at(time.Now()),
	}
	s.locate(&r, e.DNCKey)
	if e.Number.IsZero() {
		return r, nil
	}
	_, err := s.saveNumber(tx, e.Tenant, e.Number)
	return r, err
}

// locate fills in an entry's key.
func (s *Store) locate(r *dncRow, k api.DNCKey) {
	r.TenantID, r.Layer, r.TaskID = k.Tenant, string(k.Layer), []byte{}
	if k.Task != uuid.Nil {
		r.TaskID = bytes.Clone(k.Task[:])
	}
	if k.Number.IsZero() {
		r.Kind, r.Subject = kindPerson, bytes.Clone(k.Person[:])
		return
	}
	fp := s.keys.fingerprint(k.Number)
	r.Kind, r.Subject = kindNumber, fp[:]
}

func at1(tx *gorm.DB, r dncRow) *gorm.DB {
	return tx.Where("subject = ? AND kind = ? AND tenant_id = ? AND layer = ? AND task_id = ?", r.Subject, r.Kind, r.TenantID, r.Layer, r.TaskID)
}

// list writes an entry or prolongs the one that stands; true when it is new or was over.
func list(tx *gorm.DB, r dncRow, now instant) (bool, error) {
	var old dncRow
	err := at1(locked(tx), r).Take(&old).Error
	if notFound(err) {
		if err = tx.Create(&r).Error; isDuplicate(err) {
			err = errAgain
		}
		return true, err
	}
	if err != nil {
		return false, err
	}
	over := old.ExpiresAt != 0 && old.ExpiresAt <= now
	set := map[string]any{"updated_at": now}
	switch {
	case over, r.Source == api.SourcePerson && !old.own():
		set["reason"], set["source"], set["created_by"] = r.Reason, r.Source, r.CreatedBy
		fallthrough
	default:
		set["expires_at"] = r.ExpiresAt
		if !over && (old.ExpiresAt == 0 || r.ExpiresAt != 0 && old.ExpiresAt > r.ExpiresAt) {
			set["expires_at"] = old.ExpiresAt
		}
	}
	return over, exactly(1, at1(tx.Model(&dncRow{}), r).Updates(set), errAgain)
}

// RemoveDNC implements api.Store.
func (s *Store) RemoveDNC(ctx context.Context, keys []api.DNCKey, own bool) error {
	removed := 0
	gone := func(tx *gorm.DB) (bool, error) {
		for _, k := range keys {
			var r dncRow
			s.locate(&r, k)
			var rows []dncRow
			if err := at1(locked(tx), r).Find(&rows).Error; err != nil || len(rows) > 0 {
				return false, err
			}
		}
		return removed > 0, nil
	}
	return s.write(ctx, gone, func(tx *gorm.DB) error {
		removed = 0
		for _, k := range keys {
			var r, old dncRow
			s.locate(&r, k)
			err := at1(locked(tx), r).Take(&old).Error
			if notFound(err) {
				continue
			}
			if err != nil {
				return err
			}
			if old.own() && !own {
				return api.ErrOwnRefusal
			}
			if err := exactly(1, at1(tx, r).Delete(&dncRow{}), errAgain); err != nil {
				return err
			}
			removed++
		}
		if removed == 0 {
			return fmt.Errorf("%w: no such entry", api.ErrNotFound)
		}
		return nil
	})
}

// dncCursor is where a page of the list ended: in the order of its entries.
type dncCursor struct {
	At      instant
	Layer   string
	Kind    string
	Subject []byte
	Task    []byte
}

func (c dncCursor) String() string {
	b, _ := json.Marshal(c)
	return base64.RawURLEncoding.EncodeToString(b)
}

// DNC implements api.Store: the tenant's layers unless the system's is asked for.
func (s *Store) DNC(ctx context.Context, tenant string, q api.DNCQuery) ([]api.DNCEntry, error) {
	db := s.read(ctx)
	if q.Layer == compliance.LayerSystem {
		tenant = ""
	}
	db = db.Where("tenant_id = ?", tenant)
	if q.Layer != "" {
		db = db.Where("layer = ?", string(q.Layer))
	}
	if q.Task != uuid.Nil {
		db = db.Where("task_id = ?", q.Task[:])
	}
	if q.After != "" {
		var c dncCursor
		raw, err := base64.RawURLEncoding.DecodeString(q.After)
		if err == nil {
			err = json.Unmarshal(raw, &c)
		}
		if err != nil || c.Subject == nil {
			return nil, fmt.Errorf("%w: the page that this continues is not known", api.ErrNotFound)
		}
		db = db.Where("layer > ? OR layer = ? AND (created_at > ? OR created_at = ? AND (kind > ? OR kind = ? AND (subject > ? OR subject = ? AND task_id > ?)))",
			c.Layer, c.Layer, c.At, c.At, c.Kind, c.Kind, c.Subject, c.Subject, orEmpty(c.Task))
	}
	var rows []dncRow
	if err := db.Order("layer, created_at, kind, subject, task_id").Limit(page(q.Limit)).Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out, err := s.entries(s.read(ctx), tenant, rows)
	return out, clean(err)
}

// entries finds numbers and customers of a page, each kind in one query.
func (s *Store) entries(db *gorm.DB, tenant string, rows []dncRow) ([]api.DNCEntry, error) {
	var hmacs, ids [][]byte
	for _, r := range rows {
		if r.Kind == kindNumber {
			hmacs = append(hmacs, r.Subject)
		} else {
			ids = append(ids, r.Subject)
		}
	}
	var numbers []numberRow
	var people []personRow
	if len(hmacs) > 0 {
		if err := db.Where("tenant_id = ? AND hmac IN ?", tenant, hmacs).Find(&numbers).Error; err != nil {
			return nil, err
		}
	}
	if len(ids) > 0 {
		if err := db.Where("tenant_id = ? AND id IN ?", tenant, ids).Find(&people).Error; err != nil {
			return nil, err
		}
	}
	sealed, customer := map[hash32][]byte{}, map[binID]string{}
	for _, n := range numbers {
		sealed[n.HMAC] = n.E164
	}
	for _, p := range people {
		customer[p.ID] = string(p.ExternalID)
	}
	out := make([]api.DNCEntry, len(rows))
	for i, r := range rows {
		e := api.DNCEntry{
			DNCKey: api.DNCKey{Tenant: r.TenantID, Layer: compliance.Layer(r.Layer)}, Reason: r.Reason, Source: r.Source, By: r.CreatedBy, Expires: r.ExpiresAt.Time(),
			CreatedAt: r.CreatedAt.Time(), Cursor: dncCursor{r.CreatedAt, r.Layer, r.Kind, r.Subject, r.TaskID}.String(),
		}
		if r.own() {
			e.Source = api.SourcePerson
		}
		if len(r.TaskID) == len(e.Task) {
			e.Task = uuid.UUID(r.TaskID)
		}
		if r.Kind == kindPerson && len(r.Subject) == len(e.Person) {
			e.Person = uuid.UUID(r.Subject)
			e.Customer = customer[binID(r.Subject)]
		} else if len(r.Subject) == len(hash32{}) {
			e.Fingerprint = hex.EncodeToString(r.Subject[:8])
			n, err := s.keys.open(tenant, sealed[hash32(r.Subject)])
			if err != nil {
				return nil, err
			}
			e.Number = n
		}
		out[i] = e
	}
	return out, nil
}
