package api

import (
	"strings"

	"github.com/gin-gonic/gin"
)

// Routes are the routes that the server really has.
func (s *Server) Routes() gin.RoutesInfo { return s.engine.Routes() }

// RouteInfo is a route that the server has.
type RouteInfo = gin.RouteInfo

// Undeclared are the server's routes under /api/v1 that the table does not
// know with a scope, an action and what they touch.
func Undeclared(s *Server) (missing []string) {
	known := map[string]bool{}
	for _, r := range table() {
		known[r.method+" /api/v1"+r.path] = r.scope != "" && r.action != "" && r.touches != undeclared
	}
	for _, r := range s.engine.Routes() {
		if strings.HasPrefix(r.Path, "/api/") && !known[r.Method+" "+r.Path] {
			missing = append(missing, r.Method+" "+r.Path)
		}
	}
	return missing
}

// ServesUndeclared registers a route that declares nothing and says whether it
// is there.
func ServesUndeclared(d Deps) bool {
	s := New(d)
	before := len(s.engine.Routes())
	s.register(s.engine.Group("/api/v1"), []route{{method: "GET", path: "/forgotten", scope: TasksRead, action: "x.read", handler: h((*Server).getStop)}})
	return len(s.engine.Routes()) != before
}

// Touches reports a route that shows or changes something.
func Touches(name string) bool {
	for _, r := range table() {
		if r.method+" "+r.path == name {
			return r.touches != nothing
		}
	}
	return false
}
