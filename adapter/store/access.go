package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"gorm.io/gorm"

	"ringmaster/internal/api"
)

type apiKeyRow struct {
	TenantID    string `gorm:"primaryKey"`
	ID          binID  `gorm:"primaryKey"`
	Name        string
	Hash        hash32
	Scopes      string
	Role        string
	AllowReveal bool
	ExpiresAt   instant
	RevokedAt   instant
	LastUsedAt  instant
	CreatedAt   instant `gorm:"autoCreateTime:false"`
	CreatedBy   string
}

func (apiKeyRow) TableName() string { return "api_key" }

func (r apiKeyRow) key() (api.APIKey, error) {
	k := api.APIKey{
		ID: uuid.UUID(r.ID), Tenant: r.TenantID, Name: r.Name, Hash: r.Hash, Role: api.Role(r.Role), AllowReveal: r.AllowReveal, ExpiresAt: r.ExpiresAt.Time(),
		RevokedAt: r.RevokedAt.Time(), LastUsedAt: r.LastUsedAt.Time(), CreatedAt: r.CreatedAt.Time(), CreatedBy: r.CreatedBy,
	}
	if err := json.Unmarshal([]byte(r.Scopes), &k.Scopes); err != nil {
		return k, fmt.Errorf("scopes of API key %s: %w", k.ID, err)
	}
	return k, nil
}

// SaveAPIKey implements api.Store.
func (s *Store) SaveAPIKey(ctx context.Context, k api.APIKey) error {
	scopes, err := json.Marshal(k.Scopes)
	if err != nil {
		return err
	}
	if k.ID == uuid.Nil {
		id, err := newID()
		if err != nil {
			return err
		}
		k.ID = uuid.UUID(id)
	}
	row := apiKeyRow{
		TenantID: k.Tenant, ID: binID(k.ID), Name: clip(k.Name, 255), Hash: k.Hash, Scopes: string(scopes), Role: string(k.Role), AllowReveal: k.AllowReveal,
		ExpiresAt: at(k.ExpiresAt), CreatedAt: at(orNow(k.CreatedAt)), CreatedBy: clip(k.CreatedBy, 255),
	}
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		err := tx.Create(&row).Error
		if !isDuplicate(err) {
			return err
		}
		var old apiKeyRow
		if e := tx.Where("tenant_id = ? AND id = ? AND hash = ?", row.TenantID, row.ID, row.Hash).Take(&old).Error; e == nil {
			return nil // the same key again
		}
		return fmt.Errorf("%w: API key", api.ErrConflict)
	})
}

// APIKeyByHash implements api.Store.
func (s *Store) APIKeyByHash(ctx context.Context, hash [32]byte, now time.Time) (api.APIKey, error) {
	var row apiKeyRow
	if err := s.read(ctx).Where("hash = ? AND revoked_at IS NULL", hash32(hash)).Take(&row).Error; err != nil {
		return api.APIKey{}, clean(missing(err, "API key"))
	}
	if row.ExpiresAt != 0 && row.ExpiresAt <= at(now) {
		return api.APIKey{}, fmt.Errorf("%w: API key has expired", api.ErrNotFound)
	}
	return row.key()
}

// APIKeys implements api.Store.
func (s *Store) APIKeys(ctx context.Context, tenant string, after uuid.UUID, limit int) ([]api.APIKey, error) {
	var rows []apiKeyRow
	if err := s.read(ctx).Where("tenant_id = ? AND id > ?", tenant, after[:]).Order("id").Limit(page(limit)).Find(&rows).Error; err != nil {
		return nil, clean(err)
	}
	out := make([]api.APIKey, len(rows))
	for i, r := range rows {
		var err error
		if out[i], err = r.key(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// RevokeAPIKey implements api.Store.
func (s *Store) RevokeAPIKey(ctx context.Context, tenant string, id uuid.UUID, now time.Time) error {
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		var row apiKeyRow
		if err := locked(tx).Where("tenant_id = ? AND id = ?", tenant, binID(id)).Take(&row).Error; err != nil {
			return missing(err, "API key")
		}
		if row.RevokedAt != 0 {
			return nil
		}
		return exactly(1, tx.Model(&apiKeyRow{}).Where("tenant_id = ? AND id = ?", tenant, binID(id)).Updates(map[string]any{"revoked_at": at(now)}), errAgain)
	})
}

// TouchAPIKey implements api.Store.
func (s *Store) TouchAPIKey(ctx context.Context, tenant string, id uuid.UUID, now time.Time) error {
	return s.write(ctx, nil, func(tx *gorm.DB) error {
		return tx.Model(&apiKeyRow{}).Where("tenant_id = ? AND id = ?", tenant, binID(id)).Updates(map[string]any{"last_used_at": at(now)}).Error
	})
}
