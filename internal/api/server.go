package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net/http"
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
	// Desk compiles and checks scripts that are drafted and published. Nil = it
	// answers that it cannot.
	Desk ScriptDesk
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
	Wake   func()
	Cancel func(contact string) bool
	// HangUp ends the live calls of a tenant on this controller (empty = of all)
	// and says how many. Nil = it cannot.
	HangUp func(tenant string) int
	// Fleet are the exchanges.
	Fleet Fleet
	// Rules are those that Place judges by, and Act what would be judged for a
	// contact in a task: both for Explain.
	Rules   compliance.Rules
	Act     func(t campaign.Task, m Member) compliance.Act
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
	s.register(s.engine.Group("/api/v1"), table())
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
