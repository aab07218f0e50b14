package api

import (
	"net/http"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
)

// Drain keeps new calls from an exchange or one of its trunks; calls that are
// under way go on. Every controller obeys it within about a second.
type Drain struct {
	PBX    string // configured name
	Trunk  string // empty = the whole exchange
	Reason string
	By     string
	At     time.Time
}

// Exchange is an exchange as this controller sees it.
type Exchange struct {
	Name    string     `json:"name"`
	Kind    string     `json:"kind"`
	Up      bool       `json:"up"`
	Reason  string     `json:"reason,omitempty"` // why it is not up
	Since   time.Time  `json:"since,omitzero"`   // of the present state
	Version string     `json:"version,omitempty"`
	Lines   int        `json:"lines,omitempty"` // 0 = what its trunks have
	Busy    int        `json:"busy"`
	Drained *Drained   `json:"drained,omitempty"`
	Trunks  []TrunkNow `json:"trunks"`
}

// TrunkNow is a trunk as this controller sees it.
type TrunkNow struct {
	Name    string    `json:"name"`
	Lines   int       `json:"lines"`
	Busy    int       `json:"busy"`
	CPS     float64   `json:"cps,omitempty"`
	Weight  float64   `json:"weight,omitempty"`
	Drained *Drained  `json:"drained,omitempty"`
	Resting time.Time `json:"resting_until,omitzero"` // most of its last set-ups failed on the way
	Shut    string    `json:"shut,omitempty"`         // why no new call takes it
}

// Drained says since when, by whom and why.
type Drained struct {
	Since  time.Time `json:"since"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// Fleet is what the API shows and tells of the exchanges.
type Fleet interface {
	Exchanges() []Exchange
	// Reload reads the drains again, before its regular time.
	Reload()
}

type drainRequest struct {
	Trunk  string `json:"trunk"`
	Reason string `json:"reason"`
}

func (s *Server) listExchanges(c *gin.Context) {
	list := s.deps.Fleet.Exchanges()
	if !caller(c).May(SystemFleet) { // whoever drained it may be another tenant's key
		for i := range list {
			hide(list[i].Drained)
			for j := range list[i].Trunks {
				hide(list[i].Trunks[j].Drained)
			}
		}
	}
	c.JSON(http.StatusOK, gin.H{"exchanges": list})
}

func hide(d *Drained) {
	if d != nil {
		d.By, d.Reason = "", ""
	}
}

// way is the exchange and trunk that a request names.
func (s *Server) way(c *gin.Context, trunk string) (Drain, error) {
	d := Drain{PBX: c.Param("name"), Trunk: trunk}
	list := s.deps.Fleet.Exchanges()
	i := slices.IndexFunc(list, func(e Exchange) bool { return e.Name == d.PBX })
	if i < 0 {
		return d, problem(http.StatusNotFound, "not found", "no exchange of that name is configured: GET /api/v1/exchanges lists them")
	}
	if trunk != "" && !slices.ContainsFunc(list[i].Trunks, func(t TrunkNow) bool { return t.Name == trunk }) {
		return d, badField("trunk", "is no trunk of this exchange: GET /api/v1/exchanges lists them")
	}
	entry(c).Detail.What = clip(d.PBX + " " + d.Trunk)
	return d, nil
}

func (s *Server) drain(c *gin.Context) {
	var req drainRequest
	_, err := decode(c.Request, &req)
	var d Drain
	if err == nil {
		d, err = s.way(c, req.Trunk)
	}
	if err == nil {
		d.Reason, err = because(c, req.Reason)
	}
	if err == nil {
		d.By, d.At = entry(c).Actor, s.deps.Now()
		err = s.deps.Store.SaveDrain(c.Request.Context(), d)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.deps.Fleet.Reload()
	c.JSON(http.StatusCreated, gin.H{"pbx": d.PBX, "trunk": d.Trunk, "drained": Drained{d.At, d.By, d.Reason}})
}

func (s *Server) endDrain(c *gin.Context) {
	d, err := s.way(c, c.Query("trunk"))
	if err == nil {
		_, err = because(c, c.DefaultQuery("reason", "back in service"))
	}
	if err == nil {
		err = s.deps.Store.EndDrain(c.Request.Context(), d.PBX, d.Trunk)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.deps.Fleet.Reload()
	s.deps.Wake()
	c.Status(http.StatusNoContent)
}
