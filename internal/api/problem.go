package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"
)

// Problem is an error answer (RFC 9457, application/problem+json).
type Problem struct {
	Type   string       `json:"type"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail,omitempty"`
	Errors []FieldError `json:"errors,omitempty"`
}

// FieldError names one field that is wrong. It never repeats the value: a
// value may be a telephone number.
type FieldError struct {
	Field  string `json:"field"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

func problem(status int, title, detail string, fields ...FieldError) *Problem {
	return &Problem{Type: "about:blank", Title: title, Status: status, Detail: detail, Errors: fields}
}

func badField(field, detail string) *Problem {
	return problem(http.StatusUnprocessableEntity, "a field is wrong", field+": "+detail, FieldError{field, detail})
}

// fail writes err as a problem; what is not one is ours and says nothing.
func (s *Server) fail(c *gin.Context, err error) {
	var p *Problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, ErrNotFound):
		p = problem(http.StatusNotFound, "not found", "no such thing, or it belongs to another tenant")
	case errors.Is(err, ErrKeyReused):
		p = problem(http.StatusUnprocessableEntity, "Idempotency-Key reused", ErrKeyReused.Error(), FieldError{"Idempotency-Key", "used before with a different request"})
	case errors.Is(err, ErrConflict):
		p = problem(http.StatusConflict, "conflict", ErrConflict.Error())
	default:
		s.deps.Log.Error("request failed", "route", c.FullPath(), "err", err)
		p = problem(http.StatusServiceUnavailable, "temporarily unavailable", "try again (with the same Idempotency-Key, if there was one), and see /readyz")
		c.Header("Retry-After", "2")
	}
	body, _ := json.Marshal(p)
	c.Abort()
	c.Data(p.Status, "application/problem+json", body)
}
