package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"
)

// Role of an API key: a set of scopes with a name that people understand.
type Role string

// Roles. What each may do, route by route, is docs/access.md, which a test
// holds to the code.
const (
	RoleAdmin           Role = "admin"
	RoleCampaignManager Role = "campaign_manager"
	RoleScriptAuthor    Role = "script_author"
	RoleAgent           Role = "agent"
	RoleAuditor         Role = "auditor"
)

// Scopes of a key. One that begins with "system:" reaches beyond the key's
// tenant and is held by no role.
const (
	TasksRead      = "tasks:read"
	TasksWrite     = "tasks:write"
	ContactsRead   = "contacts:read"
	ContactsWrite  = "contacts:write"
	RecordingsRead = "recordings:read"
	NumbersReveal  = "numbers:reveal"
	CallsManual    = "calls:manual"
	DNCRead        = "dnc:read"
	DNCWrite       = "dnc:write"
	DNCAdmin       = "dnc:admin" // takes back what a person asked for
	ConsentsRead   = "consents:read"
	ConsentsWrite  = "consents:write"
	CallerIDsRead  = "caller_ids:read"
	CallerIDsWrite = "caller_ids:write"
	StopRead       = "stop:read"
	StopWrite      = "stop:write"
	ScriptsRead    = "scripts:read"
	ScriptsWrite   = "scripts:write"
	ScriptsPublish = "scripts:publish"
	PersonsExport  = "persons:export"
	PersonsErase   = "persons:erase"
	AuditRead      = "audit:read"
	KeysRead       = "keys:read"
	KeysWrite      = "keys:write"
	ExchangesRead  = "exchanges:read"

	SystemDNC   = "system:dnc"
	SystemStop  = "system:stop"
	SystemFleet = "system:fleet" // exchanges and trunks serve every tenant

	everything       = "*"
	everythingSystem = "system:*"
)

// Roles are all roles, in the order of docs/access.md.
func Roles() []Role {
	return []Role{RoleAdmin, RoleCampaignManager, RoleScriptAuthor, RoleAgent, RoleAuditor}
}

// Scopes are all scopes that a tenant's key may have.
func Scopes() []string {
	return []string{TasksRead, TasksWrite, ContactsRead, ContactsWrite, RecordingsRead, NumbersReveal, CallsManual, DNCRead, DNCWrite, DNCAdmin,
		ConsentsRead, ConsentsWrite, CallerIDsRead, CallerIDsWrite, StopRead, StopWrite, ScriptsRead, ScriptsWrite, ScriptsPublish,
		PersonsExport, PersonsErase, AuditRead, KeysRead, KeysWrite, ExchangesRead}
}

// Scopes of the role; none for a role that does not exist.
func (r Role) Scopes() []string {
	switch r {
	case RoleAdmin:
		return []string{everything}
	case RoleCampaignManager:
		return []string{TasksRead, TasksWrite, ContactsRead, ContactsWrite, RecordingsRead, CallsManual, DNCRead, DNCWrite,
			ConsentsRead, ConsentsWrite, CallerIDsRead, StopRead, StopWrite, ScriptsRead, ExchangesRead}
	case RoleScriptAuthor:
		return []string{ScriptsRead, ScriptsWrite}
	case RoleAgent:
		return []string{TasksRead, ContactsRead, CallsManual, DNCWrite, ConsentsWrite, StopRead}
	case RoleAuditor:
		return []string{TasksRead, ContactsRead, RecordingsRead, DNCRead, ConsentsRead, CallerIDsRead, StopRead, ScriptsRead, AuditRead, KeysRead, ExchangesRead}
	}
	return nil
}

// Known reports a role that exists; the empty one does not.
func (r Role) Known() bool { return slices.Contains(Roles(), r) }

// May reports that the key has the scope: by its role, by its own scopes, or
// numbers:reveal by its flag.
func (k APIKey) May(scope string) bool {
	if scope == NumbersReveal && k.AllowReveal {
		return true
	}
	return covers(k.Role.Scopes(), scope) || covers(k.Scopes, scope)
}

// covers: "*" is everything within the tenant, "x:*" every scope of x.
func covers(have []string, scope string) bool {
	area, _, _ := strings.Cut(scope, ":")
	for _, h := range have {
		if h == scope || h == area+":*" || h == everything && area != "system" {
			return true
		}
	}
	return false
}

// Grants reports that whoever holds k may hand out other: nobody makes a key
// that may do more than their own.
func (k APIKey) Grants(other APIKey) bool {
	wanted := append(other.Role.Scopes(), other.Scopes...)
	if other.AllowReveal {
		wanted = append(wanted, NumbersReveal)
	}
	for _, w := range wanted {
		if w == everything {
			if !covers(k.Role.Scopes(), everything) && !covers(k.Scopes, everything) {
				return false
			}
			continue
		}
		if !k.May(w) {
			return false
		}
	}
	return true
}

// knownScope admits what CreateKey may store.
func knownScope(s string) bool {
	if s == everything || s == everythingSystem || s == SystemDNC || s == SystemStop || s == SystemFleet {
		return true
	}
	if area, ok := strings.CutSuffix(s, ":*"); ok {
		return slices.ContainsFunc(Scopes(), func(k string) bool { return strings.HasPrefix(k, area+":") })
	}
	return slices.Contains(Scopes(), s)
}

// CheckKey says what is wrong with a key that somebody wants to make.
func CheckKey(k APIKey) error {
	switch {
	case k.Name == "" || len(k.Name) > 100 || clip(k.Name) != k.Name:
		return badField("name", "must be 1 to 64 printable bytes without a telephone number: it stands in the audit log")
	case k.Role != "" && !k.Role.Known():
		return badField("role", "must be admin, campaign_manager, script_author, agent or auditor")
	case k.Role == "" && len(k.Scopes) == 0:
		return badField("role", "give a role, scopes or both")
	case len(k.Scopes) > 50:
		return badField("scopes", "must be at most 50")
	}
	for _, s := range k.Scopes {
		if !knownScope(s) {
			return badField("scopes", "one of them is not a scope: see docs/access.md")
		}
	}
	return nil
}

// admit lets requests pass whose API key has the route's scope. A refusal of a
// valid key is on the audit log.
func (s *Server) admit(r route) gin.HandlerFunc {
	return func(c *gin.Context) {
		k, err := s.keyOf(c)
		if err != nil {
			s.fail(c, err)
			return
		}
		c.Set("key", k)
		c.Set("tenant", k.Tenant)
		if k.May(r.scope) {
			s.used(c, k)
			c.Next()
			return
		}
		err = problem(http.StatusForbidden, "scope missing", "this key lacks the scope "+r.scope)
		e := s.begin(c, r)
		e.Detail.Status = http.StatusForbidden
		if werr := s.deps.Store.SaveAudit(c.Request.Context(), *e); werr != nil {
			err = werr
		}
		s.fail(c, err)
	}
}

func (s *Server) keyOf(c *gin.Context) (APIKey, error) {
	key := c.GetHeader("X-API-Key")
	if scheme, credentials, ok := strings.Cut(c.GetHeader("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		key = strings.TrimSpace(credentials)
	}
	if key == "" || len(key) > 256 {
		c.Header("WWW-Authenticate", "Bearer")
		return APIKey{}, problem(http.StatusUnauthorized, "no API key", "send Authorization: Bearer <key>; `ringmaster key create` makes one")
	}
	k, err := s.deps.Store.APIKeyByHash(c.Request.Context(), HashKey(key), s.deps.Now())
	if err != nil && isNotFound(err) {
		c.Header("WWW-Authenticate", "Bearer")
		err = problem(http.StatusUnauthorized, "API key is not valid", "it is unknown, revoked or expired")
	}
	return k, err
}

// used notes when a key was last of use, at most once a minute a key.
func (s *Server) used(c *gin.Context, k APIKey) {
	now := s.deps.Now()
	if now.Sub(k.LastUsedAt) < usedEvery {
		return
	}
	if err := s.deps.Store.TouchAPIKey(c.Request.Context(), k.Tenant, k.ID, now); err != nil {
		s.deps.Log.Warn("the use of an API key could not be noted", "key", k.ID, "err", err)
	}
}

func tenant(c *gin.Context) string { return c.GetString("tenant") }

// caller is the key that the request was made with.
func caller(c *gin.Context) APIKey {
	k, _ := c.Get("key")
	key, _ := k.(APIKey)
	return key
}

// requires refuses unless the caller has a further scope, for what depends on
// the body.
func requires(c *gin.Context, scope string) error {
	if caller(c).May(scope) {
		return nil
	}
	return problem(http.StatusForbidden, "scope missing", "this key lacks the scope "+scope)
}
