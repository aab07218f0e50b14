package api

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// manualRequest is the body of POST /api/v1/call/manual.
type manualRequest struct {
	CustomerID string `json:"customer_id"`
	ScriptID   string `json:"script_id"`
	Ref        string `json:"ref"`
}

// manualCall orders a call to one contact now. It is judged at once, so that
// the operator reads why not; and again, like every call, before it is placed.
func (s *Server) manualCall(c *gin.Context) {
	var req manualRequest
	body, err := decode(c.Request, &req)
	var n NewContact
	var person campaign.Person
	if err == nil {
		n, person, err = s.manual(c, req, body)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	ctx, now := c.Request.Context(), n.CreatedAt
	info, _, err := s.deps.Script(ctx, n.Tenant, n.Script)
	if err != nil {
		s.fail(c, err)
		return
	}
	t, err := s.deps.Store.EnsureTask(ctx, s.deps.Task(n.Tenant, n.Script, info.Purpose))
	if err != nil {
		s.fail(c, err)
		return
	}
	act := s.deps.Act(t, Member{Person: person, Contact: campaign.Contact{Path: string(compliance.PathManual), DueAt: now}})
	facts, err := s.deps.Store.FactsOf(ctx, []compliance.Act{act}, now)
	if err != nil {
		s.fail(c, err)
		return
	}
	if v := s.explained(now, act, facts[0]); !v.Dialable {
		v.CustomerID, v.ScriptID = person.ExternalID, n.Script
		entry(c).Detail.What = "refused: " + v.Reason
		s.refuseManual(c, v)
		return
	}
	contact, created, err := s.deps.Store.CreateContact(ctx, n)
	if err != nil {
		s.fail(c, err)
		return
	}
	touched(c, "call_task", contact.ID)
	if !created {
		c.Header("Idempotency-Replayed", "true")
		c.JSON(http.StatusOK, viewTask(contact))
		return
	}
	s.deps.Wake()
	c.Header("Location", "/api/v1/call/task/"+contact.ID.String())
	c.JSON(http.StatusCreated, viewTask(contact))
}

// manual checks the order like that of any call.
func (s *Server) manual(c *gin.Context, req manualRequest, body []byte) (NewContact, campaign.Person, error) {
	order := taskRequest{CustomerID: req.CustomerID, ScriptID: req.ScriptID, Ref: req.Ref, Priority: 100}
	info, person, err := s.checkOrder(c, order)
	now := s.deps.Now()
	n := NewContact{ID: uuid.Must(uuid.NewV7()), Tenant: tenant(c), CustomerID: req.CustomerID, Script: info.ID, State: campaign.Scheduled, Priority: order.Priority,
		Ref: req.Ref, DueAt: now, Path: string(compliance.PathManual), IdempotencyKey: c.GetHeader("Idempotency-Key"), RequestHash: sha256.Sum256(body), CreatedAt: now}
	if n.CallZone = person.Zone; n.CallZone == "" {
		n.CallZone = s.deps.TenantZone
	}
	return n, person, err
}

// refuseManual answers with the gates (RFC 9457 lets a problem have members of
// its own).
func (s *Server) refuseManual(c *gin.Context, v explainView) {
	detail := v.Reason
	if v.OpensAt != nil {
		detail += "; it would be allowed from " + v.OpensAt.Format("2006-01-02T15:04:05Z07:00")
	}
	out, _ := json.Marshal(struct {
		*Problem
		Explain explainView `json:"explain"`
	}{problem(http.StatusConflict, "this call is not allowed now", detail), v})
	c.Abort()
	c.Data(http.StatusConflict, "application/problem+json", out)
}
