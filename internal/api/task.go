package api

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// taskRequest is the body of POST /api/v1/call/task.
type taskRequest struct {
	CustomerID string `json:"customer_id"`
	ScriptID   string `json:"script_id"`
	CallTime   string `json:"call_time"`
	Priority   int    `json:"priority"`
	Ref        string `json:"ref"`
}

// taskView is a call task as the API shows it.
type taskView struct {
	TaskID           uuid.UUID             `json:"task_id"`
	State            campaign.ContactState `json:"state"`
	Reason           string                `json:"reason,omitempty"`
	CustomerID       string                `json:"customer_id,omitempty"`
	ScriptID         string                `json:"script_id"`
	CallTime         string                `json:"call_time"`
	CallTimeResolved string                `json:"call_time_resolved"`
	CallTimeZone     string                `json:"call_time_zone"`
	OpensAt          string                `json:"opens_at,omitempty"`
	Priority         int                   `json:"priority"`
	Tries            int                   `json:"tries"`
	Ref              string                `json:"ref,omitempty"`
	CreatedAt        time.Time             `json:"created_at"`
}

func viewTask(ct campaign.Contact) taskView {
	resolved := ct.DueAt
	if at, _, err := resolveCallTime(ct.CallTime, ct.CallZone); err == nil && ct.CallTime != "" {
		resolved = at // a retry moves DueAt, not what was asked for
	}
	if loc, err := time.LoadLocation(ct.CallZone); err == nil && ct.CallZone != "" {
		resolved = resolved.In(loc)
	} else if z, err := time.Parse("-07:00", ct.CallZone); err == nil {
		resolved = resolved.In(z.Location())
	}
	return taskView{TaskID: ct.ID, State: ct.State, Reason: ct.Reason, CustomerID: ct.Customer, ScriptID: ct.Script,
		CallTime: ct.CallTime, CallTimeResolved: resolved.Format(time.RFC3339), CallTimeZone: ct.CallZone,
		Priority: ct.Priority, Tries: ct.Tries, Ref: ct.Ref, CreatedAt: ct.CreatedAt}
}

func (s *Server) createTask(c *gin.Context) {
	var req taskRequest
	body, err := decode(c.Request, &req)
	if err != nil {
		s.fail(c, err)
		return
	}
	view, created, err := s.acceptTask(c, req, body)
	if err != nil {
		s.fail(c, err)
		return
	}
	if !created {
		c.Header("Idempotency-Replayed", "true")
		c.JSON(http.StatusOK, view)
		return
	}
	s.deps.Wake()
	c.Header("Location", "/api/v1/call/task/"+view.TaskID.String())
	c.JSON(http.StatusCreated, view)
}

func (s *Server) acceptTask(c *gin.Context, req taskRequest, body []byte) (taskView, bool, error) {
	ctx, now := c.Request.Context(), s.deps.Now()
	info, person, err := s.checkOrder(c, req)
	if err != nil {
		return taskView{}, false, err
	}
	n := NewContact{ID: uuid.Must(uuid.NewV7()), Tenant: tenant(c), CustomerID: req.CustomerID, Script: req.ScriptID,
		CallTime: req.CallTime, State: campaign.Scheduled, Priority: req.Priority, Ref: req.Ref,
		IdempotencyKey: c.GetHeader("Idempotency-Key"), RequestHash: sha256.Sum256(body), CreatedAt: now}
	opens, err := s.schedule(&n, person, info, now)
	if err != nil {
		return taskView{}, false, err
	}
	if _, err := s.deps.Store.EnsureTask(ctx, s.deps.Task(tenant(c), req.ScriptID, info.Purpose)); err != nil {
		return taskView{}, false, err
	}
	contact, created, err := s.deps.Store.CreateContact(ctx, n)
	if err == nil && created && n.State == campaign.Scheduled && s.deps.Accepted != nil {
		s.deps.Accepted(person, req.ScriptID)
	}
	touched(c, "call_task", contact.ID)
	view := viewTask(contact)
	if created && !opens.IsZero() {
		view.OpensAt = opens.Format(time.RFC3339)
	}
	return view, created, err
}

// checkOrder finds script and customer of an order and what is wrong with it.
func (s *Server) checkOrder(c *gin.Context, req taskRequest) (info ScriptInfo, person campaign.Person, err error) {
	ctx := c.Request.Context()
	if err := checkTask(req, c.GetHeader("Idempotency-Key")); err != nil {
		return info, person, err
	}
	info, ok, err := s.deps.Script(ctx, tenant(c), req.ScriptID)
	if err != nil {
		return info, person, err
	}
	if !ok {
		return info, person, badField("script_id", "no such script is published")
	}
	person, err = s.deps.Store.Person(ctx, tenant(c), req.CustomerID)
	if errors.Is(err, ErrNotFound) {
		return info, person, badField("customer_id", "no such contact: create it with POST /api/v1/contacts")
	} else if err != nil {
		return info, person, err
	}
	touched(c, "person", person.ID)
	missing := info.Missing(person)
	if len(missing) == 0 {
		return info, person, nil
	}
	fields := make([]FieldError, 0, len(missing))
	for _, m := range missing {
		name, why, _ := strings.Cut(m, ": ")
		fields = append(fields, FieldError{"variables." + name, "the script needs it: " + why})
	}
	return info, person, problem(http.StatusUnprocessableEntity, "contact lacks variables of the script", "set them with POST /api/v1/contacts", fields...)
}

func checkTask(req taskRequest, key string) error {
	switch {
	case req.CustomerID == "" || len(req.CustomerID) > 64:
		return badField("customer_id", "must be 1 to 64 bytes")
	case req.ScriptID == "" || len(req.ScriptID) > 64:
		return badField("script_id", "must be 1 to 64 bytes")
	case len(req.CallTime) > 64:
		return badField("call_time", errCallTime.Error())
	case len(req.Ref) > 256:
		return badField("ref", "must be at most 256 bytes")
	case req.Priority < 0 || req.Priority > 100:
		return badField("priority", "must be 0 to 100")
	case len(key) > 128 || strings.ContainsFunc(key, func(r rune) bool { return r < 0x20 || r > 0x7e }):
		return badField("Idempotency-Key", "must be at most 128 bytes of printable ASCII")
	case strings.ContainsFunc(req.Ref, unicode.IsControl):
		return badField("ref", "must not have control characters")
	}
	return nil
}

// schedule resolves the call_time and gives what cannot be dialled then its
// named outcome, so that nobody is called at a time that was not asked for.
func (s *Server) schedule(n *NewContact, p campaign.Person, info ScriptInfo, now time.Time) (opens time.Time, err error) {
	zone := p.Zone
	if zones := p.Number.Zones(); zone == "" && len(zones) == 1 {
		zone = zones[0]
	}
	if n.CallTime == "" {
		n.DueAt, n.CallZone = now, zone
		if zone == "" {
			n.CallZone = s.deps.TenantZone
		}
	} else if n.DueAt, n.CallZone, err = resolveCallTime(n.CallTime, zone, s.deps.TenantZone); err != nil {
		return opens, badField("call_time", err.Error())
	}
	if n.DueAt.Year() < 2000 {
		return opens, badField("call_time", "lies in an earlier century")
	}
	if n.DueAt.After(now.AddDate(2, 0, 0)) {
		return opens, badField("call_time", "lies more than two years ahead")
	}
	if n.DueAt.Before(now.Add(-s.deps.Past)) {
		n.State, n.Reason = campaign.Expired, "call_time_passed"
		return opens, nil
	}
	v := s.deps.Hours(n.DueAt, p, info.Purpose)
	if v.Decision != compliance.Allow {
		n.State, n.Reason = campaign.Expired, v.Reason
		return v.Until, nil
	}
	return opens, nil
}

func (s *Server) getTask(c *gin.Context) {
	id, ok := s.idParam(c)
	if !ok {
		return
	}
	ct, err := s.deps.Store.Contact(c.Request.Context(), tenant(c), id)
	if err != nil {
		s.fail(c, err)
		return
	}
	touched(c, "person", ct.Person)
	c.JSON(http.StatusOK, viewTask(ct))
}

func (s *Server) listTasks(c *gin.Context) {
	limit, ok := s.limitParam(c)
	if !ok {
		return
	}
	var after uuid.UUID
	if a := c.Query("after"); a != "" {
		var err error
		if after, err = uuid.Parse(a); err != nil {
			s.fail(c, badField("after", "must be a task_id"))
			return
		}
	}
	list, err := s.deps.Store.Contacts(c.Request.Context(), tenant(c), after, limit)
	if err != nil {
		s.fail(c, err)
		return
	}
	views := make([]taskView, 0, len(list))
	for _, ct := range list {
		touched(c, "person", ct.Person)
		views = append(views, viewTask(ct))
	}
	c.JSON(http.StatusOK, gin.H{"tasks": views})
}

func (s *Server) deleteTask(c *gin.Context) {
	id, ok := s.idParam(c)
	if !ok {
		return
	}
	ct, err := s.deps.Store.CancelContact(c.Request.Context(), tenant(c), id, s.deps.Now())
	if err != nil {
		s.fail(c, err)
		return
	}
	s.deps.Cancel(id.String())
	c.JSON(http.StatusOK, viewTask(ct))
}

func (s *Server) idParam(c *gin.Context) (uuid.UUID, bool) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil || len(c.Param("id")) != 36 {
		s.fail(c, problem(http.StatusNotFound, "not found", "the ID in the path is not a UUID", FieldError{"id", "must be a UUID"}))
		return id, false
	}
	return id, true
}

func (s *Server) limitParam(c *gin.Context) (int, bool) {
	text := c.DefaultQuery("limit", "50")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 500 {
		s.fail(c, badField("limit", "must be 1 to 500"))
		return 0, false
	}
	return n, true
}

func isNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
