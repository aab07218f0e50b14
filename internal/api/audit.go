package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

// AuditEntry is one line of the audit log: who did or saw what, when and why.
// It names persons and things by their IDs alone, so that it may outlive them.
type AuditEntry struct {
	ID     uuid.UUID // UUIDv7: in the order of time
	Tenant string
	At     time.Time
	Actor  string // "key/<id>", "cli/<user>"
	Action string // contact.read, number.reveal, dnc.remove ...
	Object string // "person/<id>", "call_task/<id>" ...; empty = none or many
	Reason string
	// Request is the X-Request-Id of the answer.
	Request string
	Detail  AuditDetail
}

// AuditDetail is what else is known. Status 0 is a change that was begun and
// whose end is not known: it may have happened.
type AuditDetail struct {
	Route   string   `json:"route,omitempty"`
	Name    string   `json:"name,omitempty"` // of the key
	Role    Role     `json:"role,omitempty"`
	Status  int      `json:"status"`
	Objects []string `json:"objects,omitempty"` // of a list: whom it showed
	Rows    int      `json:"rows,omitempty"`    // of a stream or an import
	What    string   `json:"what,omitempty"`    // of the change: which layer, which state
}

// AuditQuery narrows the audit log; zero fields do not.
type AuditQuery struct {
	From, To              time.Time // [From, To)
	Action, Object, Actor string
}

// auditTime bounds what a request may wait for its line on the audit log.
const auditTime = 5 * time.Second

// errUnlogged: nothing may be shown or done that is not on the audit log.
var errUnlogged = errors.New("the audit log cannot be written, and nothing is shown or done without it")

// begin is the entry of a request.
func (s *Server) begin(c *gin.Context, r route) *AuditEntry {
	k := caller(c)
	e := &AuditEntry{ID: uuid.Must(uuid.NewV7()), Tenant: k.Tenant, At: s.deps.Now(), Actor: "key/" + k.ID.String(), Action: r.action,
		Detail: AuditDetail{Route: r.method + " " + c.FullPath(), Name: k.Name, Role: k.Role}}
	e.Request = e.ID.String()
	if id, err := uuid.Parse(c.Param("id")); err == nil {
		e.Object = kindOf(r.path) + "/" + id.String()
	}
	c.Header("X-Request-Id", e.Request)
	c.Set("audit", e)
	return e
}

// kindOf is what the ID in a path stands for.
func kindOf(path string) string {
	head, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/:")
	return strings.TrimSuffix(strings.NewReplacer("/", "_", "-", "_").Replace(head), "s")
}

// audited writes the line of the audit log: for a change before the handler
// runs, completed before the answer is sent; for data before its first byte
// leaves. Without a line there is no change and no data.
func (s *Server) audited(r route) gin.HandlerFunc {
	return func(c *gin.Context) {
		e := s.begin(c, r)
		if r.touches == nothing {
			c.Next()
			return
		}
		if r.touches == changes {
			if err := s.log(c, e); err != nil {
				s.fail(c, err)
				return
			}
		}
		w := &auditWriter{ResponseWriter: c.Writer}
		w.before = func(status int) error {
			e.Detail.Status, w.rows = status, e.Detail.Rows
			err := s.log(c, e)
			if err != nil && r.touches == changes { // it is on the log as begun
				s.deps.Log.Error("a change was made and its end is not on the audit log", "audit", e.ID, "status", status, "err", err)
				return nil
			}
			return err
		}
		c.Writer = w
		defer func() { // also of an answer that was cut
			if rows := e.Detail.Rows; w.begun && !w.refused && w.rows != rows {
				if err := s.log(c, e); err != nil {
					s.deps.Log.Warn("the rows of an answer are not on the audit log", "audit", e.ID, "rows", rows, "err", err)
				}
			}
		}()
		c.Next()
		w.WriteHeaderNow()
	}
}

// log writes an entry even when the client has gone.
func (s *Server) log(c *gin.Context, e *AuditEntry) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), auditTime)
	defer cancel()
	if err := s.deps.Store.SaveAudit(ctx, *e); err != nil {
		return errors.Join(errUnlogged, err)
	}
	return nil
}

// auditWriter holds back the answer until its line is on the audit log, and
// gives another one when it cannot be.
type auditWriter struct {
	gin.ResponseWriter
	before  func(status int) error
	begun   bool
	refused bool
	rows    int
}

func (w *auditWriter) ready() bool {
	if w.begun {
		return !w.refused
	}
	w.begun = true
	if err := w.before(w.Status()); err == nil {
		return true
	}
	w.refused = true
	for name := range w.Header() {
		if name != "X-Request-Id" {
			w.Header().Del(name)
		}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Retry-After", "2")
	body, _ := json.Marshal(problem(http.StatusServiceUnavailable, "temporarily unavailable", errUnlogged.Error()))
	w.ResponseWriter.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.ResponseWriter.Write(body)
	return false
}

// Write implements http.ResponseWriter.
func (w *auditWriter) Write(b []byte) (int, error) {
	if !w.ready() {
		return 0, errUnlogged
	}
	return w.ResponseWriter.Write(b)
}

// WriteString implements io.StringWriter.
func (w *auditWriter) WriteString(t string) (int, error) { return w.Write([]byte(t)) }

// WriteHeaderNow implements gin.ResponseWriter.
func (w *auditWriter) WriteHeaderNow() {
	if w.ready() {
		w.ResponseWriter.WriteHeaderNow()
	}
}

// Flush implements http.Flusher.
func (w *auditWriter) Flush() {
	if w.ready() {
		w.ResponseWriter.Flush()
	}
}

// entry is the request's line on the audit log.
func entry(c *gin.Context) *AuditEntry {
	if e, ok := c.Get("audit"); ok {
		if e, ok := e.(*AuditEntry); ok {
			return e
		}
	}
	return &AuditEntry{}
}

// touched names what the request shows or changes; the first is its object.
func touched(c *gin.Context, kind string, ids ...uuid.UUID) {
	e := entry(c)
	for _, id := range ids {
		name := kind + "/" + id.String()
		switch {
		case id == uuid.Nil || name == e.Object || slices.Contains(e.Detail.Objects, name):
		case e.Object == "" && len(ids) == 1:
			e.Object = name
		default:
			e.Detail.Objects = append(e.Detail.Objects, name)
		}
	}
}

// because checks a reason that a person gives and notes it, without anything
// that may be a telephone number.
func because(c *gin.Context, reason string) (string, error) {
	if reason == "" || len(reason) > 200 || hasControl(reason) {
		return "", badField("reason", "must be 1 to 200 bytes without control characters: it stands in the audit log")
	}
	reason = digits.ReplaceAllString(reason, "****")
	entry(c).Reason = reason
	return reason, nil
}
