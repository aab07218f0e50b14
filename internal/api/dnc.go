package api

import (
	"errors"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

// Sources of a do-not-call entry. Of the person's own, only an admin takes one
// back.
const (
	SourcePerson    = "person"    // said so, in a call or otherwise
	SourceOperator  = "operator"  // somebody decided
	SourceImport    = "import"    // came in a list
	SourceRegulator = "regulator" // an authority's list
)

// DNCKey finds an entry of the do-not-call list.
type DNCKey struct {
	Tenant string // empty in the system's layer
	Layer  compliance.Layer
	Task   uuid.UUID    // of the task's layer
	Number phone.Number // one of Number and Person
	Person uuid.UUID
}

// DNCEntry is an entry of the do-not-call list.
type DNCEntry struct {
	DNCKey
	Reason    string
	Source    string
	By        string
	Expires   time.Time // zero = never
	CreatedAt time.Time
	Customer  string // of a person's entry, when read
	Cursor    string // of a page, when read
	// Fingerprint tells entries apart whose number is not known any more.
	Fingerprint string
}

// Own reports the person's own refusal.
func (e DNCEntry) Own() bool { return e.Source == SourcePerson }

// DNCQuery narrows a list; zero fields do not.
type DNCQuery struct {
	Layer compliance.Layer
	Task  uuid.UUID
	After string
	Limit int
}

// ErrOwnRefusal: what the person asked for is not taken back by who may not.
var ErrOwnRefusal = errors.New("the person asked for this: only an admin may take it back")

type dncRequest struct {
	CustomerID string `json:"customer_id"`
	Phone      string `json:"phone"`
	Layer      string `json:"layer"`
	TaskID     string `json:"task_id"`
	Reason     string `json:"reason"`
	Source     string `json:"source"`
	Until      string `json:"until"`
}

type dncView struct {
	Layer      compliance.Layer `json:"layer"`
	Kind       string           `json:"kind"`
	Phone      string           `json:"phone,omitempty"`
	CustomerID string           `json:"customer_id,omitempty"`
	TaskID     *uuid.UUID       `json:"task_id,omitempty"`
	Reason     string           `json:"reason"`
	Source     string           `json:"source,omitempty"`
	By         string           `json:"by,omitempty"`
	Until      *time.Time       `json:"until,omitempty"`
	CreatedAt  time.Time        `json:"created_at"`
	// Fingerprint is there when the number itself is not known any more.
	Fingerprint string `json:"fingerprint,omitempty"`
}

func viewDNC(e DNCEntry, full bool) dncView {
	v := dncView{Layer: e.Layer, Kind: "number", CustomerID: e.Customer, Reason: e.Reason, Source: e.Source, By: e.By, Until: stamp(e.Expires), CreatedAt: e.CreatedAt}
	if e.Person != uuid.Nil {
		v.Kind = "person"
	}
	if e.Task != uuid.Nil {
		v.TaskID = &e.Task
	}
	switch {
	case e.Number.IsZero():
		v.Fingerprint = e.Fingerprint
	case full:
		v.Phone = e.Number.Reveal()
	default:
		v.Phone = e.Number.Masked()
	}
	return v
}

// dncKeys reads whom and where: a customer stands for the person and for the
// number that they have now.
func (s *Server) dncKeys(c *gin.Context, layer, task, customer, number string) ([]DNCKey, error) {
	base, err := s.dncLayer(c, layer, task)
	if err != nil {
		return nil, err
	}
	var keys []DNCKey
	if customer != "" {
		p, err := s.deps.Store.Person(c.Request.Context(), tenant(c), customer)
		if isNotFound(err) {
			return nil, badField("customer_id", "no such contact")
		} else if err != nil {
			return nil, err
		}
		touched(c, "person", p.ID)
		if base.Tenant != "" { // a person belongs to one tenant, a number to the world
			k := base
			k.Person = p.ID
			keys = append(keys, k)
		}
		if number == "" && !p.Number.IsZero() {
			k := base
			k.Number = p.Number
			keys = append(keys, k)
		}
	}
	if number != "" {
		k := base
		if k.Number, err = s.number(number); err != nil {
			return nil, badField("phone", err.Error())
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil, badField("customer_id", "give customer_id, phone or both")
	}
	return keys, nil
}

// dncLayer reads the layer: the tenant's when none is named. The system's
// needs a system key.
func (s *Server) dncLayer(c *gin.Context, layer, task string) (DNCKey, error) {
	k := DNCKey{Tenant: tenant(c), Layer: compliance.Layer(layer)}
	entry(c).Detail.What = "layer " + clip(layer)
	if task != "" && k.Layer != compliance.LayerTask {
		return k, badField("task_id", "belongs to the layer task alone")
	}
	switch k.Layer {
	case "":
		k.Layer = compliance.LayerTenant
		entry(c).Detail.What = "layer tenant"
	case compliance.LayerTenant:
	case compliance.LayerSystem:
		k.Tenant = ""
		return k, requires(c, SystemDNC)
	case compliance.LayerTask:
		t, err := s.campaignOf(c, task)
		if isNotFound(err) {
			return k, badField("task_id", "no such task")
		}
		k.Task = t.ID
		return k, err
	default:
		return k, badField("layer", "must be system, tenant or task")
	}
	return k, nil
}

func (s *Server) addDNC(c *gin.Context) {
	var req dncRequest
	_, err := decode(c.Request, &req)
	var entries []DNCEntry
	if err == nil {
		entries, err = s.dncEntries(c, req)
	}
	if err == nil {
		_, err = s.deps.Store.AddDNC(c.Request.Context(), entries)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

func (s *Server) dncEntries(c *gin.Context, req dncRequest) ([]DNCEntry, error) {
	e := DNCEntry{Source: req.Source, By: entry(c).Actor, CreatedAt: s.deps.Now()}
	switch req.Source {
	case "":
		e.Source = SourceOperator
	case SourcePerson, SourceOperator, SourceRegulator:
	default:
		return nil, badField("source", "must be person, operator or regulator")
	}
	var err error
	if e.Reason, err = because(c, req.Reason); err != nil {
		return nil, err
	}
	if e.Expires, err = s.until(req.Until); err != nil {
		return nil, err
	}
	keys, err := s.dncKeys(c, req.Layer, req.TaskID, req.CustomerID, req.Phone)
	if err != nil {
		return nil, err
	}
	entries := make([]DNCEntry, 0, len(keys))
	for _, k := range keys {
		e.DNCKey = k
		entries = append(entries, e)
	}
	return entries, nil
}

// until reads when an entry ends; empty is never.
func (s *Server) until(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.Parse(time.DateOnly, text)
	}
	switch {
	case err != nil:
		return at, badField("until", "write it as 2026-01-02T15:04:05+08:00 or 2026-01-02")
	case !at.After(s.deps.Now()):
		return at, badField("until", "has passed")
	}
	return at, nil
}

func (s *Server) removeDNC(c *gin.Context) {
	var req dncRequest
	_, err := decode(c.Request, &req)
	if err == nil {
		_, err = because(c, req.Reason)
	}
	var keys []DNCKey
	if err == nil {
		keys, err = s.dncKeys(c, req.Layer, req.TaskID, req.CustomerID, req.Phone)
	}
	if err == nil {
		err = s.deps.Store.RemoveDNC(c.Request.Context(), keys, caller(c).May(DNCAdmin))
	}
	if errors.Is(err, ErrOwnRefusal) {
		err = problem(http.StatusForbidden, "a person's own refusal", ErrOwnRefusal.Error())
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}

func (s *Server) dncQuery(c *gin.Context) (DNCQuery, error) {
	q := DNCQuery{Layer: compliance.Layer(c.Query("layer")), After: c.Query("after")}
	switch q.Layer {
	case "", compliance.LayerSystem, compliance.LayerTenant, compliance.LayerTask:
	default:
		return q, badField("layer", "must be system, tenant or task")
	}
	if q.Layer == compliance.LayerSystem {
		if err := requires(c, SystemDNC); err != nil {
			return q, err
		}
	}
	if t := c.Query("task_id"); t != "" {
		task, err := s.campaignOf(c, t)
		if err != nil {
			return q, err
		}
		q.Layer, q.Task = compliance.LayerTask, task.ID
	}
	return q, nil
}

func (s *Server) listDNC(c *gin.Context) {
	q, err := s.dncQuery(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	limit, ok := s.limitParam(c)
	if !ok {
		return
	}
	q.Limit = limit
	list, err := s.deps.Store.DNC(c.Request.Context(), tenant(c), q)
	if err != nil {
		s.fail(c, err)
		return
	}
	views, next := make([]dncView, 0, len(list)), ""
	for _, e := range list {
		views = append(views, viewDNC(e, false))
		next = e.Cursor
		touched(c, "person", e.Person)
	}
	if len(list) < limit {
		next = ""
	}
	c.JSON(http.StatusOK, gin.H{"entries": views, "next": next})
}

// exportDNC streams a list; numbers in full are for who may, with a reason.
func (s *Server) exportDNC(c *gin.Context) {
	q, err := s.dncQuery(c)
	full := c.Query("full") == "true"
	if err == nil && full {
		if err = requires(c, NumbersReveal); err == nil {
			_, err = because(c, c.Query("reason"))
		}
	}
	var out *rows
	if err == nil {
		q.Limit = pageRows
		out, err = s.stream(c, "dnc", "phone", "customer_id", "layer", "task_id", "reason", "source", "until", "created_at", "fingerprint")
	}
	var page []DNCEntry
	if err == nil {
		page, err = s.deps.Store.DNC(c.Request.Context(), tenant(c), q)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	if full {
		entry(c).Detail.What = "numbers in full"
	}
	err = out.begin()
	for err == nil {
		for _, e := range page {
			if err = out.row(viewDNC(e, full), dncCells(viewDNC(e, full))...); err != nil {
				break
			}
			q.After = e.Cursor
		}
		if err == nil {
			err = out.page()
		}
		if err != nil || len(page) < pageRows {
			break
		}
		page, err = s.deps.Store.DNC(c.Request.Context(), tenant(c), q)
	}
	if err != nil {
		s.cut(c, err)
	}
}

func dncCells(v dncView) []string {
	task, until := "", ""
	if v.TaskID != nil {
		task = v.TaskID.String()
	}
	if v.Until != nil {
		until = v.Until.Format(time.RFC3339)
	}
	return []string{v.Phone, v.CustomerID, string(v.Layer), task, v.Reason, v.Source, until, v.CreatedAt.Format(time.RFC3339), v.Fingerprint}
}
