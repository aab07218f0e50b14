package esl

import (
	"errors"
	"fmt"
	"strings"

	"ringmaster/internal/pbx"
)

var (
	// ErrHostile is a stream that no event socket sends.
	ErrHostile = errors.New("the peer does not speak the event socket protocol, or beyond our bounds: is the address really that of FreeSWITCH's mod_event_socket?")
	// ErrAuth is a password that FreeSWITCH does not take.
	ErrAuth = errors.New("FreeSWITCH refused the password: check it against event_socket.conf.xml (or the directory, where a user is given)")
	// ErrDenied is an access list that leaves us out.
	ErrDenied = errors.New("FreeSWITCH denies our address: name it in apply-inbound-acl of event_socket.conf.xml")
	// ErrBehind ends a connection whose events we could not keep up with.
	ErrBehind = errors.New("this controller fell behind the events of FreeSWITCH and closed the connection, so that the exchange does not freeze: it needs more processor, or fewer calls")
	// ErrSilent ends a connection on which nothing was heard for too long.
	ErrSilent = errors.New("FreeSWITCH has gone silent: not even a ping is answered")
	// ErrShutdown ends a connection that FreeSWITCH said goodbye on.
	ErrShutdown = errors.New("FreeSWITCH closed the event socket")
	// ErrConfig is a Config that cannot work.
	ErrConfig = errors.New("bad event socket configuration")
)

// Error is an answer of FreeSWITCH that says no. It unwraps to pbx.ErrRefused.
type Error struct {
	Op string // what was asked, such as "originate"
	// Text is FreeSWITCH's own words, such as "USER_BUSY", at most 200 bytes,
	// without control characters.
	Text string
}

func (e *Error) Error() string {
	s := "freeswitch refused to " + e.Op
	if e.Text != "" {
		s += ": " + e.Text
	}
	if strings.HasSuffix(e.Text, "Command not found!") {
		s += " (load the module that has it, and see that interface-allowlist of switch.conf.xml names it)"
	}
	return s
}

// Unwrap makes every answer of no a pbx.ErrRefused.
func (e *Error) Unwrap() error { return pbx.ErrRefused }

// Refusal is FreeSWITCH's words in an *Error inside err; "" if there is none.
func Refusal(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Text
	}
	return ""
}

func hostile(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrHostile}, args...)...)
}

// Clean makes foreign words fit for a log line: one line, at most limit bytes
// of valid UTF-8.
func Clean(s string, limit int) string {
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
