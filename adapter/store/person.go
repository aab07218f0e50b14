package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/phone"
)

// SavePerson implements api.Store. ID and CreatedAt of one who exists are kept.
func (s *Store) SavePerson(ctx context.Context, p campaign.Person) (campaign.Person, bool, error) {
	if p.ExternalID == "" || len(p.ExternalID) > 255 {
		return p, false, fmt.Errorf("%w: an external ID has 1 to 255 bytes", api.ErrConflict)
	}
	vars, err := json.Marshal(p.Vars)
	if err != nil {
		return p, false, fmt.Errorf("variables of a person: %w", err)
	}
	if p.ID == uuid.Nil {
		id, err := newID()
		if err != nil {
			return p, false, err
		}
		p.ID = uuid.UUID(id)
	}
	var saved campaign.Person
	created := false
	made := func(tx *gorm.DB) (bool, error) {
		var rows []personRow
		err := locked(tx).Where("tenant_id = ? AND id = ?", p.Tenant, binID(p.ID)).Find(&rows).Error
		return created && len(rows) == 1, err
	}
	err = s.write(ctx, made, func(tx *gorm.DB) error {
		created = false
		number, err := s.saveNumber(tx, p.Tenant, p.Number)
		if err != nil {
			return err
		}
		row := personRow{
			TenantID: p.Tenant, ID: binID(p.ID), ExternalID: []byte(p.ExternalID), Name: clip(p.Name, 255), NumberID: number, Zone: clip(p.Zone, 64),
			Language: clip(string(p.Language), 16), Vars: string(vars), CreatedAt: at(orNow(p.CreatedAt)), UpdatedAt: at(time.Now()),
		}
		var old personRow
		switch err := locked(tx).Where("tenant_id = ? AND external_id = ?", p.Tenant, row.ExternalID).Take(&old).Error; {
		case notFound(err):
			if err := tx.Create(&row).Error; err != nil {
				if isDuplicate(err) {
					err = errAgain
				}
				return err
			}
			created = true
		case err != nil:
			return err
		default:
			row.ID, row.CreatedAt = old.ID, old.CreatedAt
			if err := exactly(1, tx.Model(&personRow{}).Where("tenant_id = ? AND id = ?", row.TenantID, row.ID).Updates(map[string]any{
				"name": row.Name, "number_id": row.NumberID, "zone": row.Zone, "language": row.Language, "vars": row.Vars, "updated_at": row.UpdatedAt,
			}), errAgain); err != nil {
				return err
			}
		}
		saved, err = row.person(p.Number)
		return err
	})
	return saved, created && err == nil, err
}

// saveNumber finds or makes the number's row.
func (s *Store) saveNumber(tx *gorm.DB, tenant string, n phone.Number) (binID, error) {
	if n.IsZero() {
		return binID{}, nil
	}
	fp := s.keys.fingerprint(n)
	var row numberRow
	err := tx.Where("tenant_id = ? AND hmac = ?", tenant, fp).Take(&row).Error
	if err == nil || !notFound(err) {
		return row.ID, err
	}
	sealed, err := s.keys.seal(tenant, n)
	if err != nil {
		return binID{}, err
	}
	id, err := newID()
	if err != nil {
		return binID{}, err
	}
	row = numberRow{
		TenantID: tenant, ID: id, HMAC: fp, E164: sealed, Type: n.Type(), Zone: clip(strings.Join(n.Zones(), ","), 255), Region: n.Region(), CreatedAt: at(time.Now()),
	}
	if err := tx.Create(&row).Error; err != nil {
		if isDuplicate(err) {
			err = errAgain
		}
		return binID{}, err
	}
	return id, nil
}

// Person implements api.Store.
func (s *Store) Person(ctx context.Context, tenant, externalID string) (campaign.Person, error) {
	var row personRow
	if err := s.read(ctx).Where("tenant_id = ? AND external_id = ?", tenant, []byte(externalID)).Take(&row).Error; err != nil {
		return campaign.Person{}, clean(missing(err, "customer is not known"))
	}
	people, err := s.withNumbers(s.read(ctx), []personRow{row})
	if err != nil {
		return campaign.Person{}, clean(err)
	}
	return people[0], nil
}

// People implements api.Store: in the byte order of external IDs.
func (s *Store) People(ctx context.Context, tenant, afterExternalID string, limit int) ([]campaign.Person, error) {
	var rows []personRow
	if err := s.read(ctx).Where("tenant_id = ? AND external_id > ?", tenant, []byte(afterExternalID)).Order("external_id").Limit(page(limit)).
		Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	people, err := s.withNumbers(s.read(ctx), rows)
	return people, clean(err)
}

func (s *Store) withNumbers(db *gorm.DB, rows []personRow) ([]campaign.Person, error) {
	var keys []key
	for _, r := range rows {
		if r.NumberID != (binID{}) {
			keys = append(keys, key{r.TenantID, r.NumberID})
		}
	}
	numbers := map[key]numberRow{}
	if err := collect(db, keys, numbers, func(r numberRow) key { return key{r.TenantID, r.ID} }); err != nil {
		return nil, err
	}
	out := make([]campaign.Person, len(rows))
	for i, r := range rows {
		n, err := s.keys.open(r.TenantID, numbers[key{r.TenantID, r.NumberID}].E164)
		if err != nil {
			return nil, fmt.Errorf("person %s: %w", uuid.UUID(r.ID), err)
		}
		if out[i], err = r.person(n); err != nil {
			return nil, err
		}
	}
	return out, nil
}
