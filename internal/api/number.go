package api

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// revealNumber shows a telephone number in full: to who may, for a reason, and
// never without a line on the audit log.
func (s *Server) revealNumber(c *gin.Context) {
	if _, err := because(c, c.Query("reason")); err != nil {
		s.fail(c, err)
		return
	}
	p, err := s.deps.Store.Person(c.Request.Context(), tenant(c), c.Param("customer_id"))
	if err != nil {
		s.fail(c, err)
		return
	}
	touched(c, "person", p.ID)
	c.Header("Cache-Control", "no-store")
	c.JSON(http.StatusOK, gin.H{"customer_id": p.ExternalID, "number": p.Number.Reveal()})
}
