package store

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"ringmaster/internal/compliance"
	"ringmaster/internal/compliance/ledger"
)

// ledgerKey is the key that signs checkpoints.
func ledgerKey(c Config) (ed25519.PrivateKey, error) {
	seed := c.LedgerKey
	if len(seed) == 0 {
		m := hmac.New(sha256.New, c.NumberKey)
		_, _ = m.Write([]byte("ringmaster ledger signing key 1"))
		seed = m.Sum(nil)
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("%w: the ledger key must have %d bytes", ErrConfig, ed25519.SeedSize)
	}
	return ed25519.NewKeyFromSeed(seed), nil
}

// LedgerKey is the public key that checkpoints of this installation are verified by.
func (s *Store) LedgerKey() ed25519.PublicKey {
	key, _ := s.signer.Public().(ed25519.PublicKey)
	return key
}

// permit writes the permit of an act that was allowed.
func (s *Store) permit(tx *gorm.DB, p spending, j compliance.Judgement) (ledger.Hash, error) {
	key, err := s.personKey(tx, p.subject.tenant, p.subject.person, p.now)
	if err != nil {
		return ledger.Hash{}, err
	}
	number := ""
	if !p.act.Number.IsZero() {
		number = p.act.Number.Reveal()
	}
	who := ledger.Commit(key, uuid.UUID(p.subject.person).String(), number, uuid.UUID(p.subject.contact).String())
	body, err := ledger.Body(compliance.Permit{ID: p.id, At: p.now, Act: p.act, Version: j.Version, Verdicts: j.Verdicts}, who)
	if err != nil {
		return ledger.Hash{}, err
	}
	leaf := ledger.Leaf(body)
	return leaf, tx.Create(&permitRow{TenantID: p.subject.tenant, ID: p.id, Kind: string(ledger.KindPermit), At: at(p.now), Body: body, Leaf: hash32(leaf)}).Error
}

// void writes that a permit was not used.
func (s *Store) void(tx *gorm.DB, a attemptRow, now time.Time, why string) error {
	body, err := ledger.Void(a.TenantID, uuid.UUID(a.ID), now, why)
	if err != nil {
		return err
	}
	return tx.Create(&permitRow{TenantID: a.TenantID, ID: a.ID, Kind: string(ledger.KindVoid), At: at(now), Body: body, Leaf: hash32(ledger.Leaf(body))}).Error
}

// personKeyContext is authenticated with a person's key, so that it opens in its own row only.
func personKeyContext(tenant string, person binID) string {
	return tenant + "\x00person key\x00" + string(person[:])
}

// personKey finds or makes the key of a person's commitments. The budget's lock keeps two from making one at once.
func (s *Store) personKey(tx *gorm.DB, tenant string, person binID, now time.Time) ([]byte, error) {
	var rows []personKeyRow
	if err := tx.Where("tenant_id = ? AND person_id = ?", tenant, person[:]).Find(&rows).Error; err != nil {
		return nil, err
	}
	if len(rows) == 1 && len(rows[0].Sealed) > 0 {
		return s.keys.openBytes(personKeyContext(tenant, person), rows[0].Sealed)
	}
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	sealed, err := s.keys.sealBytes(personKeyContext(tenant, person), key)
	if err != nil {
		return nil, err
	}
	return key, tx.Clauses(clause.OnConflict{
		Columns: []clause.Column{{Name: "tenant_id"}, {Name: "person_id"}}, DoUpdates: clause.AssignmentColumns([]string{"sealed"}),
	}).Create(&personKeyRow{TenantID: tenant, PersonID: person, Sealed: sealed, CreatedAt: at(now)}).Error
}

// PersonKey gives the key by which the permits of a person can be recognized, nil when there is none or it was erased.
func (s *Store) PersonKey(ctx context.Context, tenant string, person uuid.UUID) ([]byte, error) {
	var rows []personKeyRow
	if err := s.read(ctx).Where("tenant_id = ? AND person_id = ?", tenant, binID(person)).Find(&rows).Error; err != nil || len(rows) == 0 || len(rows[0].Sealed) == 0 {
		return nil, clean(err)
	}
	return s.keys.openBytes(personKeyContext(tenant, binID(person)), rows[0].Sealed)
}

// ErasePersonKey destroys a person's key: no permit can be tied to this person any more, and the chain stays as it is. It reports
// whether there was one.
func (s *Store) ErasePersonKey(ctx context.Context, tenant string, person uuid.UUID) (bool, error) {
	var erased bool
	err := s.write(ctx, nil, func(tx *gorm.DB) error {
		res := tx.Model(&personKeyRow{}).Where("tenant_id = ? AND person_id = ? AND sealed IS NOT NULL", tenant, binID(person)).
			Updates(map[string]any{"sealed": nil, "erased_at": at(time.Now())})
		erased = erased || res.RowsAffected > 0
		return res.Error
	})
	return erased && err == nil, err
}
