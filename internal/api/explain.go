package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// Member is a contact in a task with the person behind it.
type Member struct {
	Contact campaign.Contact
	Person  campaign.Person
}

// gateView is one gate: what it was judged by, its verdict, and when it would
// open.
type gateView struct {
	Gate     string            `json:"gate"`
	Decision string            `json:"decision"`
	Reason   string            `json:"reason,omitempty"`
	OpensAt  *time.Time        `json:"opens_at,omitempty"`
	Inputs   map[string]string `json:"inputs,omitempty"`
}

func viewGates(vs []compliance.Verdict) []gateView {
	gates := make([]gateView, 0, len(vs))
	for _, v := range vs {
		gates = append(gates, gateView{Gate: v.Rule, Decision: v.Decision.String(), Reason: v.Reason, OpensAt: stamp(v.Until), Inputs: v.Inputs})
	}
	return gates
}

// deciding is the first verdict that does not allow, or the last.
func deciding(vs []compliance.Verdict) compliance.Verdict {
	var v compliance.Verdict
	for _, v = range vs {
		if v.Decision != compliance.Allow {
			break
		}
	}
	return v
}

type explainView struct {
	CustomerID string     `json:"customer_id"`
	ScriptID   string     `json:"script_id"`
	TaskID     *uuid.UUID `json:"task_id,omitempty"` // of the call, when there is one
	At         time.Time  `json:"at"`
	Dialable   bool       `json:"dialable"`
	Decision   string     `json:"decision"`
	Gate       string     `json:"gate"`
	Reason     string     `json:"reason,omitempty"`
	OpensAt    *time.Time `json:"opens_at,omitempty"` // every gate at once, when that can be known
	Gates      []gateView `json:"gates"`
}

func (s *Server) explained(now time.Time, act compliance.Act, f compliance.Facts) explainView {
	vs := s.deps.Rules.Explain(now, act, f)
	d := deciding(vs)
	v := explainView{At: now, Dialable: d.Decision == compliance.Allow, Decision: d.Decision.String(), Gate: d.Rule, Reason: d.Reason, Gates: viewGates(vs)}
	if !v.Dialable {
		opens, _ := s.deps.Rules.Opens(now, act, f)
		v.OpensAt = stamp(opens)
	}
	return v
}

// atParam is the instant that is asked about: now, or ?at=.
func (s *Server) atParam(c *gin.Context) (time.Time, error) {
	text := c.Query("at")
	if text == "" {
		return s.deps.Now(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, badField("at", "write it as 2026-01-02T15:04:05+08:00")
	}
	return at, nil
}

// explainContact says why a contact is or is not dialled at an instant. ?task=
// is the task_id of a call, or a task or script, of which the contact's latest
// call is meant; without one the question is whether a call could be ordered.
func (s *Server) explainContact(c *gin.Context) {
	ctx := c.Request.Context()
	at, err := s.atParam(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	p, err := s.deps.Store.Person(ctx, tenant(c), c.Param("customer_id"))
	if err != nil {
		s.fail(c, err)
		return
	}
	touched(c, "person", p.ID)
	m, t, err := s.memberOf(c, p, c.Query("task"))
	if err != nil {
		s.fail(c, err)
		return
	}
	act := s.deps.Act(t, m)
	facts, err := s.deps.Store.FactsOf(ctx, []compliance.Act{act}, at)
	if err != nil {
		s.fail(c, err)
		return
	}
	v := s.explained(at, act, facts[0])
	v.CustomerID, v.ScriptID = p.ExternalID, t.Script
	if m.Contact.ID != uuid.Nil {
		v.TaskID = &m.Contact.ID
	}
	c.JSON(http.StatusOK, v)
}

func (s *Server) memberOf(c *gin.Context, p campaign.Person, task string) (Member, campaign.Task, error) {
	ctx := c.Request.Context()
	if task == "" || len(task) > 64 {
		return Member{}, campaign.Task{}, badField("task", "give a task_id, or a script_id")
	}
	if id, err := uuid.Parse(task); err == nil {
		ct, err := s.deps.Store.Contact(ctx, tenant(c), id)
		if err == nil && ct.Person == p.ID {
			t, err := s.deps.Store.Task(ctx, tenant(c), ct.Task, "")
			return Member{Contact: ct, Person: p}, t, err
		} else if err != nil && !isNotFound(err) {
			return Member{}, campaign.Task{}, err
		}
	}
	t, err := s.campaignOf(c, task)
	if isNotFound(err) {
		return Member{}, t, badField("task", "no such task")
	} else if err != nil {
		return Member{}, t, err
	}
	m, err := s.deps.Store.MemberOf(ctx, tenant(c), t.ID, p.ID)
	if isNotFound(err) {
		return Member{Person: p}, t, nil
	}
	return m, t, err
}

// campaignOf finds a task by its ID, or the standing task of a script.
func (s *Server) campaignOf(c *gin.Context, text string) (campaign.Task, error) {
	if text == "" || len(text) > 64 {
		return campaign.Task{}, ErrNotFound
	}
	id, err := uuid.Parse(text)
	if err != nil {
		return s.deps.Store.Task(c.Request.Context(), tenant(c), uuid.Nil, text)
	}
	return s.deps.Store.Task(c.Request.Context(), tenant(c), id, "")
}

// explainTask counts the contacts of a task by the reason why they are not
// dialled.
func (s *Server) explainTask(c *gin.Context) {
	at, err := s.atParam(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	t, err := s.campaignOf(c, c.Param("id"))
	if err != nil {
		s.fail(c, err)
		return
	}
	tally := compliance.Tally{}
	var after uuid.UUID
	for {
		page, err := s.deps.Store.Members(c.Request.Context(), tenant(c), t.ID, after, pageRows)
		if err == nil {
			err = s.tally(c, at, t, page, tally)
		}
		if err != nil {
			s.fail(c, err)
			return
		}
		if len(page) < pageRows {
			break
		}
		after = page[len(page)-1].Contact.ID
	}
	reasons := map[string]int{}
	for _, r := range tally.Reasons() {
		if r != compliance.Dialable {
			reasons[r] = tally[r]
		}
	}
	c.JSON(http.StatusOK, gin.H{"task_id": t.ID, "script_id": t.Script, "at": at, "contacts": tally.Sum(), "dialable": tally[compliance.Dialable], "reasons": reasons})
}

// tally judges a page with facts that are read for all of it at once.
func (s *Server) tally(c *gin.Context, at time.Time, t campaign.Task, page []Member, sum compliance.Tally) error {
	if len(page) == 0 {
		return nil
	}
	acts := make([]compliance.Act, len(page))
	for i, m := range page {
		acts[i] = s.deps.Act(t, m)
	}
	facts, err := s.deps.Store.FactsOf(c.Request.Context(), acts, at)
	if err != nil {
		return err
	}
	for i := range page {
		sum.Add(s.deps.Rules.Check(at, acts[i], facts[i]))
	}
	return nil
}

type campaignView struct {
	TaskID    uuid.UUID          `json:"task_id"`
	Name      string             `json:"name"`
	ScriptID  string             `json:"script_id"`
	Purpose   campaign.Purpose   `json:"purpose"`
	State     campaign.TaskState `json:"state"`
	Standing  bool               `json:"standing"`
	CreatedAt time.Time          `json:"created_at"`
}

func (s *Server) listCampaigns(c *gin.Context) {
	after, ok := s.afterParam(c, "a task_id")
	if !ok {
		return
	}
	limit, ok := s.limitParam(c)
	if !ok {
		return
	}
	list, err := s.deps.Store.Tasks(c.Request.Context(), tenant(c), after, limit)
	if err != nil {
		s.fail(c, err)
		return
	}
	views := make([]campaignView, 0, len(list))
	for _, t := range list {
		views = append(views, campaignView{TaskID: t.ID, Name: t.Name, ScriptID: t.Script, Purpose: t.Purpose, State: t.State, Standing: t.Standing, CreatedAt: t.CreatedAt})
	}
	c.JSON(http.StatusOK, gin.H{"tasks": views})
}
