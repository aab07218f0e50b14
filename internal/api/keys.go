package api

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

// usedEvery is how exactly the last use of a key is known.
const usedEvery = time.Minute

// NewKey is a new secret; only HashKey of it is kept.
func NewKey() (string, error) {
	secret := make([]byte, 24)
	if _, err := rand.Read(secret); err != nil {
		return "", err
	}
	return "rm_" + base64.RawURLEncoding.EncodeToString(secret), nil
}

// keyRequest is the body of POST /api/v1/keys.
type keyRequest struct {
	Name        string   `json:"name"`
	Role        Role     `json:"role"`
	Scopes      []string `json:"scopes"`
	ExpiresAt   string   `json:"expires_at"`
	AllowReveal bool     `json:"allow_reveal"`
}

type keyView struct {
	KeyID       uuid.UUID  `json:"key_id"`
	Name        string     `json:"name"`
	Role        Role       `json:"role,omitempty"`
	Scopes      []string   `json:"scopes,omitempty"`
	AllowReveal bool       `json:"allow_reveal,omitempty"`
	CreatedAt   time.Time  `json:"created_at"`
	CreatedBy   string     `json:"created_by,omitempty"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
	RevokedAt   *time.Time `json:"revoked_at,omitempty"`
	LastUsedAt  *time.Time `json:"last_used_at,omitempty"`
	Key         string     `json:"key,omitempty"` // of a new one, once
}

func viewKey(k APIKey) keyView {
	return keyView{KeyID: k.ID, Name: k.Name, Role: k.Role, Scopes: k.Scopes, AllowReveal: k.AllowReveal, CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy,
		ExpiresAt: stamp(k.ExpiresAt), RevokedAt: stamp(k.RevokedAt), LastUsedAt: stamp(k.LastUsedAt)}
}

func (s *Server) listKeys(c *gin.Context) {
	after, ok := s.afterParam(c, "a key_id")
	if !ok {
		return
	}
	limit, ok := s.limitParam(c)
	if !ok {
		return
	}
	list, err := s.deps.Store.APIKeys(c.Request.Context(), tenant(c), after, limit)
	if err != nil {
		s.fail(c, err)
		return
	}
	views := make([]keyView, 0, len(list))
	for _, k := range list {
		views = append(views, viewKey(k))
	}
	c.JSON(http.StatusOK, gin.H{"keys": views})
}

func (s *Server) createKey(c *gin.Context) {
	var req keyRequest
	if _, err := decode(c.Request, &req); err != nil {
		s.fail(c, err)
		return
	}
	now := s.deps.Now()
	k := APIKey{ID: uuid.Must(uuid.NewV7()), Tenant: tenant(c), Name: req.Name, Role: req.Role, Scopes: req.Scopes, AllowReveal: req.AllowReveal,
		CreatedAt: now, CreatedBy: entry(c).Actor}
	err := CheckKey(k)
	if err == nil && req.ExpiresAt != "" {
		if k.ExpiresAt, err = time.Parse(time.RFC3339, req.ExpiresAt); err != nil || !k.ExpiresAt.After(now) {
			err = badField("expires_at", "write a time ahead as 2026-01-02T15:04:05+08:00")
		}
	}
	if err == nil && !caller(c).Grants(k) {
		err = problem(http.StatusForbidden, "more than this key may do", "a key can only make keys that may do as much as itself or less")
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	secret, err := NewKey()
	if err != nil {
		s.fail(c, err)
		return
	}
	k.Hash = HashKey(secret)
	touched(c, "key", k.ID)
	entry(c).Detail.What = "role " + string(k.Role)
	if err := s.deps.Store.SaveAPIKey(c.Request.Context(), k); err != nil {
		s.fail(c, err)
		return
	}
	v := viewKey(k)
	v.Key = secret
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusCreated, v)
}

func (s *Server) revokeKey(c *gin.Context) {
	id, ok := s.idParam(c)
	if !ok {
		return
	}
	if err := s.deps.Store.RevokeAPIKey(c.Request.Context(), tenant(c), id, s.deps.Now()); err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

// afterParam is the ID after which a page begins.
func (s *Server) afterParam(c *gin.Context, what string) (after uuid.UUID, ok bool) {
	text := c.Query("after")
	if text == "" {
		return after, true
	}
	after, err := uuid.Parse(text)
	if err != nil {
		s.fail(c, badField("after", "must be "+what))
	}
	return after, err == nil
}
