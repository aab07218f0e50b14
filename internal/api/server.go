package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// Check is one thing that must be well for calls to be made.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Why  string `json:"why,omitempty"` // what to do
}

// ScriptInfo is what the API needs to know of a script.
type ScriptInfo struct {
	ID, Version string
	Purpose     campaign.Purpose
	// Missing names the variables that the person lacks.
	Missing func(p campaign.Person) []string
}

// Deps are what the API stands on.
type Deps struct {
	Store   Store
	Archive Archive
	Log     *slog.Logger
	// Script finds the published version; ok is false for an unknown one.
	Script func(ctx context.Context, tenant, id string) (info ScriptInfo, ok bool, err error)
	// Hours judges whether a person may be called at that time.
	Hours func(at time.Time, p campaign.Person, t campaign.Purpose) compliance.Verdict
	// TenantZone is where a call_time without a zone is read when the contact
	// has none; TenantRegion is where numbers without a country code belong.
	TenantZone, TenantRegion string
	// Lab allows extensions as numbers (a lab trunk is configured).
	Lab bool
	// Task is the template of a script's standing task.
	Task func(tenant, script string, purpose campaign.Purpose) campaign.Task
	// Accepted hears of a task that will be dialled, so that its prompts can be
	// made before its time; it does not block. Nil = nobody cares.
	Accepted func(p campaign.Person, script string)
	// Wake tells the scheduler; Cancel hangs up a contact's live call.
	Wake    func()
	Cancel  func(contact string) bool
	Ready   func(ctx context.Context) []Check
	Metrics http.Handler
	// Past is how late a call_time may be and still be dialled.
	Past time.Duration
	Now  func() time.Time
}

// Server is the REST API.
type Server struct {
	deps   Deps
	engine *gin.Engine
}

// New builds the API with all its routes.
func New(d Deps) *Server {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Past == 0 {
		d.Past = time.Minute
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	gin.SetMode(gin.ReleaseMode)
	s := &Server{deps: d, engine: gin.New()}
	s.engine.Use(s.recover)
	s.engine.HandleMethodNotAllowed = true
	s.engine.RedirectTrailingSlash = false // an API does not guess
	s.engine.NoRoute(func(c *gin.Context) { s.fail(c, problem(http.StatusNotFound, "no such route", "see /openapi.json")) })
	s.engine.NoMethod(func(c *gin.Context) {
		s.fail(c, problem(http.StatusMethodNotAllowed, "method not allowed", "see /openapi.json"))
	})
	s.routes()
	return s
}

// ServeHTTP serves the API.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

func (s *Server) routes() {
	s.engine.GET("/healthz", func(c *gin.Context) { c.JSON(http.StatusOK, gin.H{"ok": true}) })
	s.engine.GET("/readyz", s.readyz)
	s.engine.GET("/openapi.json", s.openapi)
	if s.deps.Metrics != nil {
		s.engine.GET("/metrics", gin.WrapH(s.deps.Metrics))
	}
	v1 := s.engine.Group("/api/v1")
	v1.POST("/call/task", s.may("tasks:write"), s.createTask)
	v1.GET("/call/task", s.may("tasks:read"), s.listTasks)
	v1.GET("/call/task/:id", s.may("tasks:read"), s.getTask)
	v1.DELETE("/call/task/:id", s.may("tasks:write"), s.deleteTask)
	v1.GET("/call/task/:id/attempts", s.may("tasks:read"), s.getAttempts)
	v1.GET("/attempts/:id", s.may("tasks:read"), s.getAttempt)
	v1.GET("/attempts/:id/transcript", s.may("tasks:read"), s.getTranscript)
	v1.GET("/recordings/:id", s.may("recordings:read"), s.getRecording)
	v1.POST("/contacts", s.may("contacts:write"), s.saveContact)
	v1.GET("/contacts", s.may("contacts:read"), s.listContacts)
	v1.GET("/contacts/:customer_id", s.may("contacts:read"), s.getContact)
	v1.POST("/opt-outs", s.may("contacts:write"), s.optOut)
}

// recover turns a fault of ours into a 500 that says nothing and a log line.
func (s *Server) recover(c *gin.Context) {
	defer func() {
		if r := recover(); r != nil {
			if err, ok := r.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(r) //nolint:forbidigo // net/http's own way to cut a response
			}
			s.deps.Log.Error("handler failed", "route", c.FullPath(), "err", r)
			s.fail(c, problem(http.StatusInternalServerError, "internal error", "it was logged"))
		}
	}()
	c.Next()
}

func (s *Server) readyz(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), 2*time.Second)
	defer cancel()
	checks := s.deps.Ready(ctx)
	status := http.StatusOK
	for _, ch := range checks {
		if !ch.OK {
			status = http.StatusServiceUnavailable
		}
	}
	c.JSON(status, gin.H{"ready": status == http.StatusOK, "checks": checks})
}

// HashKey is the stored form of an API key.
func HashKey(key string) [32]byte { return sha256.Sum256([]byte(key)) }

// may admits requests whose API key has the scope.
func (s *Server) may(scope string) gin.HandlerFunc {
	return func(c *gin.Context) {
		key := c.GetHeader("X-API-Key")
		if scheme, credentials, ok := strings.Cut(c.GetHeader("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
			key = strings.TrimSpace(credentials)
		}
		if key == "" || len(key) > 256 {
			c.Header("WWW-Authenticate", "Bearer")
			s.fail(c, problem(http.StatusUnauthorized, "no API key", "send Authorization: Bearer <key>; `ringmaster key create` makes one"))
			return
		}
		k, err := s.deps.Store.APIKeyByHash(c.Request.Context(), HashKey(key), s.deps.Now())
		if err != nil {
			if isNotFound(err) {
				c.Header("WWW-Authenticate", "Bearer")
				err = problem(http.StatusUnauthorized, "API key is not valid", "it is unknown, revoked or expired")
			}
			s.fail(c, err)
			return
		}
		for _, have := range k.Scopes {
			if have == scope || have == "*" {
				c.Set("tenant", k.Tenant)
				c.Next()
				return
			}
		}
		s.fail(c, problem(http.StatusForbidden, "scope missing", "this key lacks the scope "+scope))
	}
}

func tenant(c *gin.Context) string { return c.GetString("tenant") }
