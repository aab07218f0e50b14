package api

import "github.com/gin-gonic/gin"

// Routes are the routes that the server really has.
func (s *Server) Routes() gin.RoutesInfo { return s.engine.Routes() }

// RouteInfo is a route that the server has.
type RouteInfo = gin.RouteInfo
