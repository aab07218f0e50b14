package api

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
)

// Stop is the stop button: while it is in force nothing new is dialled and no
// SMS is sent, by any controller.
type Stop struct {
	ID         uuid.UUID
	Tenant     string // empty = every tenant
	Reason     string
	By         string
	At         time.Time
	ReleasedBy string
	ReleasedAt time.Time // zero = in force
}

type stopRequest struct {
	Scope  string `json:"scope"`
	Reason string `json:"reason"`
	Hangup bool   `json:"hangup"`
}

type stopView struct {
	Scope  string    `json:"scope"`
	Reason string    `json:"reason"`
	By     string    `json:"by"`
	At     time.Time `json:"at"`
}

func viewStop(st Stop) stopView {
	v := stopView{Scope: "tenant", Reason: st.Reason, By: st.By, At: st.At}
	if st.Tenant == "" {
		v.Scope = "all"
	}
	return v
}

// whose is the tenant that a scope stands for; all tenants need a system key.
func whose(c *gin.Context, scope string) (string, error) {
	entry(c).Detail.What = "scope " + clip(scope)
	switch scope {
	case "tenant":
		return tenant(c), nil
	case "all":
		return "", requires(c, SystemStop)
	}
	return "", badField("scope", "must be tenant or all")
}

func (s *Server) pressStop(c *gin.Context) {
	var req stopRequest
	_, err := decode(c.Request, &req)
	var of string
	if err == nil {
		of, err = whose(c, req.Scope)
	}
	if err == nil {
		req.Reason, err = because(c, req.Reason)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	st, err := s.deps.Store.PressStop(c.Request.Context(), Stop{ID: uuid.Must(uuid.NewV7()), Tenant: of, Reason: req.Reason, By: entry(c).Actor, At: s.deps.Now()})
	if err != nil {
		s.fail(c, err)
		return
	}
	v := gin.H{"stop": viewStop(st)}
	if req.Hangup && s.deps.HangUp != nil {
		v["hung_up"] = s.deps.HangUp(of)
	}
	c.JSON(http.StatusCreated, v)
}

func (s *Server) releaseStop(c *gin.Context) {
	of, err := whose(c, c.DefaultQuery("scope", "tenant"))
	if err == nil {
		_, err = because(c, c.DefaultQuery("reason", "released"))
	}
	if err == nil {
		err = s.deps.Store.ReleaseStop(c.Request.Context(), of, entry(c).Actor, s.deps.Now())
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.deps.Wake()
	c.Status(http.StatusNoContent)
}

func (s *Server) getStop(c *gin.Context) {
	list, err := s.deps.Store.Stops(c.Request.Context(), tenant(c))
	if err != nil {
		s.fail(c, err)
		return
	}
	views := make([]stopView, 0, len(list))
	for _, st := range list {
		v := viewStop(st)
		if st.Tenant == "" && !caller(c).May(SystemStop) {
			v.By = "" // another tenant's key
		}
		views = append(views, v)
	}
	c.JSON(http.StatusOK, gin.H{"stopped": len(views) > 0, "stops": views})
}
