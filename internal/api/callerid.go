package api

import (
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"ringmaster/internal/phone"
)

// CallerID is a registered number that may be shown on a trunk. It is the
// institution's own and no secret: shown in full to who may read the registry.
type CallerID struct {
	ID         uuid.UUID
	Tenant     string
	Number     phone.Number
	Trunk      string
	Voice, SMS bool
	Type       string // as the operator types it; empty = by its prefix
	Licence    string
	Region     string // ISO 3166-1; empty = any
	DailyCap   int    // 0 = no limit
	State      string // active, suspended
	Note       string
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// States of a caller ID.
const (
	CallerIDActive    = "active"
	CallerIDSuspended = "suspended"
)

type callerIDRequest struct {
	Number   string `json:"number"`
	Trunk    string `json:"trunk"`
	Voice    bool   `json:"voice"`
	SMS      bool   `json:"sms"`
	Type     string `json:"type"`
	Licence  string `json:"licence"`
	Region   string `json:"region"`
	DailyCap int    `json:"daily_cap"`
	State    string `json:"state"`
	Note     string `json:"note"`
}

type callerIDView struct {
	CallerID  uuid.UUID `json:"caller_id"`
	Number    string    `json:"number"`
	Trunk     string    `json:"trunk"`
	Voice     bool      `json:"voice"`
	SMS       bool      `json:"sms"`
	Type      string    `json:"type,omitempty"`
	Licence   string    `json:"licence,omitempty"`
	Region    string    `json:"region,omitempty"`
	DailyCap  int       `json:"daily_cap,omitempty"`
	State     string    `json:"state"`
	Note      string    `json:"note,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

func viewCallerID(d CallerID) callerIDView {
	return callerIDView{CallerID: d.ID, Number: d.Number.Reveal(), Trunk: d.Trunk, Voice: d.Voice, SMS: d.SMS, Type: d.Type, Licence: d.Licence, Region: d.Region,
		DailyCap: d.DailyCap, State: d.State, Note: d.Note, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt}
}

var (
	trunkName  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	regionCode = regexp.MustCompile(`^[A-Z]{2}$`)
	allDigits  = regexp.MustCompile(`^[0-9]{3,20}$`)
)

func (s *Server) callerIDOf(req callerIDRequest) (CallerID, error) {
	now := s.deps.Now()
	d := CallerID{ID: uuid.Must(uuid.NewV7()), Trunk: req.Trunk, Voice: req.Voice, SMS: req.SMS, Type: req.Type, Licence: req.Licence, Region: req.Region,
		DailyCap: req.DailyCap, State: req.State, Note: req.Note, CreatedAt: now, UpdatedAt: now}
	if d.State == "" {
		d.State = CallerIDActive
	}
	switch {
	case !trunkName.MatchString(req.Trunk):
		return d, badField("trunk", "must name a trunk: 1 to 64 of letters, digits and . _ -")
	case !req.Voice && !req.SMS:
		return d, badField("voice", "a caller ID carries voice, sms or both")
	case req.Type != "" && !code.MatchString(req.Type):
		return d, badField("type", "must be a code such as short, mobile, call_centre or enterprise")
	case len(req.Licence) > 200 || hasControl(req.Licence):
		return d, badField("licence", "must be at most 200 bytes")
	case req.Region != "" && !regionCode.MatchString(req.Region):
		return d, badField("region", "must be an ISO 3166-1 code such as CN")
	case req.DailyCap < 0 || req.DailyCap > 10_000_000:
		return d, badField("daily_cap", "must be 0 (no limit) to 10000000")
	case d.State != CallerIDActive && d.State != CallerIDSuspended:
		return d, badField("state", "must be active or suspended")
	case len(req.Note) > 200 || hasControl(req.Note):
		return d, badField("note", "must be at most 200 bytes")
	}
	var err error
	if d.Number, err = s.shown(req.Number); err != nil {
		return d, badField("number", "must be +<country><number>, or 3 to 20 digits of a short number")
	}
	return d, nil
}

// shown reads a caller ID: a number of its country, or else a short one such
// as 1069 and what follows, or 95xxx.
func (s *Server) shown(raw string) (phone.Number, error) {
	raw = strings.TrimSpace(raw)
	if strings.HasPrefix(raw, "+") {
		return phone.Parse(raw, s.deps.TenantRegion)
	}
	if allDigits.MatchString(raw) {
		return phone.Short(raw)
	}
	return phone.Parse(raw, s.deps.TenantRegion)
}

func (s *Server) createCallerID(c *gin.Context) {
	var req callerIDRequest
	_, err := decode(c.Request, &req)
	var d CallerID
	if err == nil {
		d, err = s.callerIDOf(req)
	}
	if err == nil {
		d.Tenant = tenant(c)
		touched(c, "caller_id", d.ID)
		err = s.deps.Store.SaveCallerID(c.Request.Context(), d, true)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Location", "/api/v1/caller-ids/"+d.ID.String())
	c.JSON(http.StatusCreated, viewCallerID(d))
}

func (s *Server) updateCallerID(c *gin.Context) {
	id, ok := s.idParam(c)
	if !ok {
		return
	}
	old, err := s.deps.Store.CallerID(c.Request.Context(), tenant(c), id)
	if err != nil { // first of all: whether it is ours
		s.fail(c, err)
		return
	}
	var req callerIDRequest
	var d CallerID
	if _, err = decode(c.Request, &req); err == nil {
		d, err = s.callerIDOf(req)
	}
	if err == nil {
		d.ID, d.Tenant, d.CreatedAt = id, tenant(c), old.CreatedAt
		entry(c).Detail.What = "state " + d.State
		err = s.deps.Store.SaveCallerID(c.Request.Context(), d, false)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, viewCallerID(d))
}

func (s *Server) getCallerID(c *gin.Context) {
	id, ok := s.idParam(c)
	if !ok {
		return
	}
	d, err := s.deps.Store.CallerID(c.Request.Context(), tenant(c), id)
	if err != nil {
		s.fail(c, err)
		return
	}
	c.JSON(http.StatusOK, viewCallerID(d))
}

func (s *Server) listCallerIDs(c *gin.Context) {
	after, ok := s.afterParam(c, "a caller_id")
	if !ok {
		return
	}
	limit, ok := s.limitParam(c)
	if !ok {
		return
	}
	list, err := s.deps.Store.CallerIDs(c.Request.Context(), tenant(c), after, limit)
	if err != nil {
		s.fail(c, err)
		return
	}
	views := make([]callerIDView, 0, len(list))
	for _, d := range list {
		views = append(views, viewCallerID(d))
	}
	c.JSON(http.StatusOK, gin.H{"caller_ids": views})
}

func (s *Server) deleteCallerID(c *gin.Context) {
	id, ok := s.idParam(c)
	if !ok {
		return
	}
	if err := s.deps.Store.DeleteCallerID(c.Request.Context(), tenant(c), id); err != nil {
		s.fail(c, err)
		return
	}
	c.Status(http.StatusNoContent)
}
