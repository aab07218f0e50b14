package store

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/vault"
)

// ErrReason: an original is read for a reason, and somebody answers for it.
var ErrReason = errors.New("store: reading an original needs a reason of 8 to 255 characters and the name of who reads it")

type vaultRow struct {
	TenantID  string `gorm:"primaryKey"`
	ID        binID  `gorm:"primaryKey"`
	Kind      string
	Ref       []byte
	Path      string
	KeyID     string
	Sealed    []byte
	CreatedAt instant `gorm:"autoCreateTime:false"`
	ExpiresAt instant
}

type keyRingRow struct {
	TenantID  string `gorm:"primaryKey"`
	ID        string `gorm:"primaryKey"`
	Wrapped   []byte
	CreatedAt instant `gorm:"autoCreateTime:false"`
	RetiredAt instant
}

func (vaultRow) TableName() string   { return "vault" }
func (keyRingRow) TableName() string { return "key_ring" }

// Original is a sealed original: what it is of, and where its body lies.
type Original struct {
	ID   uuid.UUID
	Kind string // recording
	Ref  string // what it is the original of: a recording's ID
	Path string // relative to the vault's folder
}

func ringContext(tenant string) string { return tenant + "\x00vault" }

// ringKey opens a key of the ring.
func (s *Store) ringKey(r keyRingRow) (vault.Key, error) {
	raw, err := s.keys.openBytes(ringContext(r.TenantID), r.Wrapped)
	if err != nil {
		return vault.Key{}, err
	}
	k, err := vault.NewKey(raw, r.RetiredAt != 0)
	if err == nil && k.ID != r.ID {
		err = fmt.Errorf("%w: a key of the ring has another's name", ErrSealed)
	}
	return k, err
}

// newRingKey makes a key and puts it into the ring.
func (s *Store) newRingKey(tx *gorm.DB, tenant string) (vault.Key, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return vault.Key{}, err
	}
	k, err := vault.NewKey(raw, false)
	if err != nil {
		return k, err
	}
	wrapped, err := s.keys.sealBytes(ringContext(tenant), raw)
	if err != nil {
		return k, err
	}
	return k, tx.Create(&keyRingRow{TenantID: tenant, ID: k.ID, Wrapped: wrapped, CreatedAt: at(time.Now())}).Error
}

// currentKey is the newest key that is not retired; the first use makes one.
func (s *Store) currentKey(tx *gorm.DB, tenant string) (vault.Key, error) {
	var rows []keyRingRow
	if err := locked(tx).Where("tenant_id = ? AND retired_at IS NULL", tenant).Order("created_at DESC, id").Limit(1).Find(&rows).Error; err != nil {
		return vault.Key{}, err
	}
	if len(rows) == 0 {
		return s.newRingKey(tx, tenant)
	}
	return s.ringKey(rows[0])
}

// PutOriginal keeps the data key of a sealed original, wrapped.
func (s *Store) PutOriginal(ctx context.Context, tenant string, o Original, d vault.DataKey) error {
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		k, err := s.currentKey(tx, tenant)
		if err != nil {
			return err
		}
		sealed, err := k.Wrap(d, tenant, o.ID.String())
		if err != nil {
			return err
		}
		row := vaultRow{TenantID: tenant, ID: binID(o.ID), Kind: clip(o.Kind, 32), Ref: []byte(o.Ref), Path: o.Path, KeyID: k.ID, Sealed: sealed, CreatedAt: at(time.Now())}
		if err := tx.Create(&row).Error; err != nil && !isDuplicate(err) {
			return err
		}
		return nil
	})
}

// OpenOriginal gives the data key and place of an original to somebody who says
// why. The audit row is written in the same transaction: no row, no key.
func (s *Store) OpenOriginal(ctx context.Context, tenant, kind, ref, actor, reason string) (o Original, d vault.DataKey, err error) {
	if n := len([]rune(strings.TrimSpace(reason))); n < 8 || n > 255 || actor == "" {
		return o, d, ErrReason
	}
	err = s.write(ctx, nil, func(tx *gorm.DB) error {
		var v vaultRow
		if err := tx.Where("tenant_id = ? AND kind = ? AND ref = ?", tenant, kind, []byte(ref)).Take(&v).Error; err != nil {
			return missing(err, "original")
		}
		var r keyRingRow
		if err := tx.Where("tenant_id = ? AND id = ?", tenant, v.KeyID).Take(&r).Error; err != nil {
			return missing(err, "vault key")
		}
		k, err := s.ringKey(r)
		if err != nil {
			return err
		}
		o = Original{ID: uuid.UUID(v.ID), Kind: v.Kind, Ref: string(v.Ref), Path: v.Path}
		if d, err = k.Unwrap(v.Sealed, tenant, o.ID.String()); err != nil {
			return err
		}
		id, err := newID()
		if err != nil {
			return err
		}
		return tx.Exec("INSERT INTO audit (tenant_id, id, at, actor, action, object, detail, reason, request_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
			tenant, id, at(time.Now()), clip(actor, 255), "vault.read", clip(kind+"/"+ref, 255), "{}", clip(reason, 255), "").Error
	})
	if err != nil {
		return Original{}, vault.DataKey{}, clean(err)
	}
	return o, d, nil
}

// RotateVault makes a new key of the ring and wraps every data key of a tenant
// anew with it; the bodies stay as they are. Earlier keys are retired, and
// removed once nothing is wrapped with them. It may be interrupted and repeated.
func (s *Store) RotateVault(ctx context.Context, tenant string) (wrapped int, err error) {
	var k vault.Key
	err = s.write(ctx, nil, func(tx *gorm.DB) (err error) {
		now := at(time.Now())
		if err := tx.Model(&keyRingRow{}).Where("tenant_id = ? AND retired_at IS NULL", tenant).Updates(map[string]any{"retired_at": now}).Error; err != nil {
			return err
		}
		k, err = s.newRingKey(tx, tenant)
		return err
	})
	if err != nil {
		return 0, err
	}
	for {
		n := 0
		err := s.write(ctx, nil, func(tx *gorm.DB) error {
			n = 0
			var rows []vaultRow
			if err := locked(tx).Where("tenant_id = ? AND key_id <> ?", tenant, k.ID).Order("id").Limit(100).Find(&rows).Error; err != nil {
				return err
			}
			for _, v := range rows {
				if err := s.rewrap(tx, k, v); err != nil {
					return err
				}
			}
			n = len(rows)
			return nil
		})
		if err != nil {
			return wrapped, clean(err)
		}
		if wrapped += n; n == 0 {
			break
		}
	}
	return wrapped, s.write(ctx, nil, func(tx *gorm.DB) error {
		return tx.Where("tenant_id = ? AND retired_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM vault v WHERE v.tenant_id = key_ring.tenant_id AND v.key_id = key_ring.id)", tenant).
			Delete(&keyRingRow{}).Error
	})
}

func (s *Store) rewrap(tx *gorm.DB, k vault.Key, v vaultRow) error {
	var r keyRingRow
	if err := tx.Where("tenant_id = ? AND id = ?", v.TenantID, v.KeyID).Take(&r).Error; err != nil {
		return missing(err, "vault key")
	}
	old, err := s.ringKey(r)
	if err != nil {
		return err
	}
	id := uuid.UUID(v.ID).String()
	d, err := old.Unwrap(v.Sealed, v.TenantID, id)
	if err != nil {
		return err
	}
	sealed, err := k.Wrap(d, v.TenantID, id)
	if err != nil {
		return err
	}
	return exactly(1, tx.Model(&vaultRow{}).Where("tenant_id = ? AND id = ? AND key_id = ?", v.TenantID, v.ID, v.KeyID).
		Updates(map[string]any{"key_id": k.ID, "sealed": sealed}), errAgain)
}
