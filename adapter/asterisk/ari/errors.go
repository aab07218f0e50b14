package ari

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"ringmaster/internal/pbx"
)

var (
	// ErrReplaced ends Run: another process took our application name.
	ErrReplaced = errors.New("another controller connected with our ARI application name: this one has stopped; give every controller its own id")
	// ErrHostile is foreign JSON beyond our bounds.
	ErrHostile = errors.New("exchange sent JSON beyond the bounds of size or depth; is the URL really that of an Asterisk?")
	// ErrConfig is a Config that cannot work.
	ErrConfig = errors.New("bad ARI configuration")
)

// Error is an answer of Asterisk that says no. It unwraps to pbx.ErrRefused.
type Error struct {
	Op     string // what was asked, such as "originate"
	Status int    // HTTP status
	// Text is Asterisk's own words ("message" or "error" of the body), at most
	// 200 bytes, without control characters.
	Text string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("asterisk refused to %s: HTTP %d %s", e.Op, e.Status, http.StatusText(e.Status))
	if e.Text != "" {
		s += ": " + e.Text
	}
	switch e.Status {
	case http.StatusUnauthorized:
		s += " (check user and password against ari.conf)"
	case http.StatusForbidden:
		s += " (the ari.conf user has read_only = yes)"
	}
	return s
}

// Unwrap makes every answer of no a pbx.ErrRefused.
func (e *Error) Unwrap() error { return pbx.ErrRefused }

// Status is the HTTP status of an *Error inside err, 0 if there is none.
func Status(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// clean makes foreign words fit for a log line: one line, at most limit bytes.
func clean(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return strings.TrimSpace(s)
}
