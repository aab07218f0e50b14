package app

import (
	"context"
	"time"

	"github.com/google/uuid"

	"ringmaster/adapter/store"
	"ringmaster/internal/api"
)

// Keys are the API keys of a tenant, for the command line. What it does is on
// the audit log like what the API does.
type Keys struct {
	Store  *store.Store
	Tenant string
	By     string // "cli/<user>"
}

// Create makes a key and returns it; only its hash is kept. validity 0 is
// until revoked.
func (k *Keys) Create(ctx context.Context, name, role string, scopes []string, validity time.Duration, reveal bool) (string, error) {
	key := api.APIKey{Tenant: k.Tenant, Name: name, Role: api.Role(role), Scopes: scopes, AllowReveal: reveal, CreatedBy: k.By}
	if validity > 0 {
		key.ExpiresAt = time.Now().Add(validity)
	}
	if err := api.CheckKey(key); err != nil {
		return "", err
	}
	if err := k.audit(ctx, "key.create", "", name+" "+role); err != nil {
		return "", err
	}
	return CreateKey(ctx, k.Store, key)
}

// List is every key of the tenant, revoked ones too.
func (k *Keys) List(ctx context.Context) ([]api.APIKey, error) {
	var all []api.APIKey
	var after uuid.UUID
	for {
		page, err := k.Store.APIKeys(ctx, k.Tenant, after, 500)
		all = append(all, page...)
		if err != nil || len(page) < 500 {
			return all, err
		}
		after = page[len(page)-1].ID
	}
}

// Revoke ends a key now.
func (k *Keys) Revoke(ctx context.Context, id uuid.UUID) error {
	if err := k.audit(ctx, "key.revoke", "key/"+id.String(), ""); err != nil {
		return err
	}
	return k.Store.RevokeAPIKey(ctx, k.Tenant, id, time.Now())
}

func (k *Keys) audit(ctx context.Context, action, object, what string) error {
	id := uuid.Must(uuid.NewV7())
	return k.Store.SaveAudit(ctx, api.AuditEntry{ID: id, Tenant: k.Tenant, At: time.Now(), Actor: k.By, Action: action, Object: object, Request: id.String(),
		Detail: api.AuditDetail{Status: 200, What: what}})
}
