package store

import (
	"context"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

type consentRow struct {
	TenantID    string `gorm:"primaryKey"`
	ID          binID  `gorm:"primaryKey"`
	PersonID    binID
	NumberHMAC  []byte `gorm:"column:number_hmac"` // nil = whatever number the person has
	Purpose     string
	Kind        string
	Basis       string
	Channel     string
	Source      string
	Proof       string
	Evidence    []byte // SHA-256 of the proof
	ObtainedAt  instant
	ExpiresAt   instant
	WithdrawnAt instant
	CreatedAt   instant `gorm:"autoCreateTime:false"`
	CreatedBy   string
}

func (consentRow) TableName() string { return "consent" }

func (r consentRow) record() api.ConsentRecord {
	c := api.ConsentRecord{
		ID: uuid.UUID(r.ID), Tenant: r.TenantID, Person: uuid.UUID(r.PersonID), Proof: r.Proof, By: r.CreatedBy, CreatedAt: r.CreatedAt.Time(),
		Consent: compliance.Consent{
			ID: uuid.UUID(r.ID).String(), Basis: defaulted(r.Basis, r.Kind), Purpose: campaign.Purpose(r.Purpose), Channel: compliance.Channel(r.Channel), Source: r.Source,
			ObtainedAt: r.ObtainedAt.Time(), ExpiresAt: r.ExpiresAt.Time(), WithdrawnAt: r.WithdrawnAt.Time(),
		},
	}
	if len(r.Evidence) == len(c.Evidence) {
		c.Evidence = [32]byte(r.Evidence)
	}
	return c
}

// SaveConsent implements api.Store. A record is written once; its only change is its withdrawal.
func (s *Store) SaveConsent(ctx context.Context, c api.ConsentRecord) error {
	row := consentRow{
		TenantID: c.Tenant, ID: binID(c.ID), PersonID: binID(c.Person), Purpose: string(c.Purpose), Kind: clip(c.Basis, 32), Basis: clip(c.Basis, 32),
		Channel: string(c.Channel), Source: clip(c.Source, 255), Proof: clip(c.Proof, 1000), ObtainedAt: at(orNow(c.ObtainedAt)), ExpiresAt: at(c.ExpiresAt),
		WithdrawnAt: at(c.WithdrawnAt), CreatedAt: at(orNow(c.CreatedAt)), CreatedBy: clip(c.By, 255),
	}
	if c.Evidence != ([32]byte{}) {
		row.Evidence = c.Evidence[:]
	}
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		if err := tx.Create(&row).Error; err != nil && !isDuplicate(err) { // the same record again
			return err
		}
		return nil
	})
}

// Consents implements api.Store: in the order of their IDs.
func (s *Store) Consents(ctx context.Context, tenant string, person uuid.UUID) ([]api.ConsentRecord, error) {
	var rows []consentRow
	if err := s.read(ctx).Where("tenant_id = ? AND person_id = ?", tenant, binID(person)).Order("id").Limit(1000).Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out := make([]api.ConsentRecord, len(rows))
	for i, r := range rows {
		out[i] = r.record()
	}
	return out, nil
}

// WithdrawConsent implements api.Store.
func (s *Store) WithdrawConsent(ctx context.Context, tenant string, id uuid.UUID, now time.Time) error {
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		var row consentRow
		if err := locked(tx).Where("tenant_id = ? AND id = ?", tenant, binID(id)).Take(&row).Error; err != nil {
			return missing(err, "consent")
		}
		if row.WithdrawnAt != 0 {
			return nil
		}
		return exactly(1, tx.Model(&consentRow{}).Where("tenant_id = ? AND id = ?", tenant, binID(id)).Updates(map[string]any{"withdrawn_at": at(now)}), errAgain)
	})
}
