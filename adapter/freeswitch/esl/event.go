package esl

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
)

// maxEvent bounds one event; FreeSWITCH's own are 2 to 10 KB, and grow with a
// channel's variables.
const maxEvent = 4 << 20

// Event is one event, text/event-plain. Its values are decoded when they are
// asked for: an event of 6 KB is asked for a dozen headers of its hundred.
type Event struct {
	// Name is the Event-Name.
	Name string
	// Body is what follows the headers (BACKGROUND_JOB, DETECTED_SPEECH).
	Body []byte
	head []byte // a line feed, then the header lines
	// starts is where the lines of head begin, two bytes each: found once, because
	// every header that is asked for is looked for among a hundred. Nil where head
	// is too long for two bytes.
	starts []byte
}

// Names of events.
const (
	NameCreate          = "CHANNEL_CREATE"
	NameDestroy         = "CHANNEL_DESTROY"
	NameAnswer          = "CHANNEL_ANSWER"
	NameHangupComplete  = "CHANNEL_HANGUP_COMPLETE"
	NameExecute         = "CHANNEL_EXECUTE"
	NameExecuteComplete = "CHANNEL_EXECUTE_COMPLETE"
	NameBridge          = "CHANNEL_BRIDGE"
	NameUnbridge        = "CHANNEL_UNBRIDGE"
	NameProgress        = "CHANNEL_PROGRESS"
	NameProgressMedia   = "CHANNEL_PROGRESS_MEDIA"
	NamePark            = "CHANNEL_PARK"
	NameBackgroundJob   = "BACKGROUND_JOB"
	NameHeartbeat       = "HEARTBEAT"
	NameDTMF            = "DTMF"
	NamePlaybackStart   = "PLAYBACK_START"
	NamePlaybackStop    = "PLAYBACK_STOP"
	NameRecordStart     = "RECORD_START"
	NameRecordStop      = "RECORD_STOP"
	NameCustom          = "CUSTOM"
	NameShutdown        = "SHUTDOWN"
)

// intern gives the names of common events without allocating.
func intern(name []byte) string { //nolint:cyclop,funlen // a table
	switch string(name) {
	case NameCreate:
		return NameCreate
	case NameDestroy:
		return NameDestroy
	case "CHANNEL_STATE":
		return "CHANNEL_STATE"
	case "CHANNEL_CALLSTATE":
		return "CHANNEL_CALLSTATE"
	case NameAnswer:
		return NameAnswer
	case "CHANNEL_HANGUP":
		return "CHANNEL_HANGUP"
	case NameHangupComplete:
		return NameHangupComplete
	case "CHANNEL_HOLD":
		return "CHANNEL_HOLD"
	case "CHANNEL_UNHOLD":
		return "CHANNEL_UNHOLD"
	case NameExecute:
		return NameExecute
	case NameExecuteComplete:
		return NameExecuteComplete
	case NameBridge:
		return NameBridge
	case NameUnbridge:
		return NameUnbridge
	case NameProgress:
		return NameProgress
	case NameProgressMedia:
		return NameProgressMedia
	case "CHANNEL_OUTGOING":
		return "CHANNEL_OUTGOING"
	case NamePark:
		return NamePark
	case "CHANNEL_UNPARK":
		return "CHANNEL_UNPARK"
	case "CHANNEL_ORIGINATE":
		return "CHANNEL_ORIGINATE"
	case NameBackgroundJob:
		return NameBackgroundJob
	case NameHeartbeat:
		return NameHeartbeat
	case NameDTMF:
		return NameDTMF
	case NamePlaybackStart:
		return NamePlaybackStart
	case NamePlaybackStop:
		return NamePlaybackStop
	case NameRecordStart:
		return NameRecordStart
	case NameRecordStop:
		return NameRecordStop
	case NameCustom:
		return NameCustom
	case "CODEC":
		return "CODEC"
	case "CALL_UPDATE":
		return "CALL_UPDATE"
	case NameShutdown:
		return NameShutdown
	}
	return unescape(name)
}

// ParseEvent reads the body of a text/event-plain message. The bytes are
// copied.
func ParseEvent(body []byte) (*Event, error) {
	if len(body) > maxEvent {
		return nil, hostile("an event of %d bytes, more than %d", len(body), maxEvent)
	}
	e := newEvent(body)
	if e.Body != nil {
		if v := e.find("Content-Length"); v != nil {
			n, err := lengthOf(v)
			if err != nil {
				return nil, err
			}
			if n > 0 && n < len(e.Body) {
				e.Body = e.Body[:n]
			}
		}
	}
	name := e.find("Event-Name")
	if len(name) == 0 || len(name) > 64 {
		return nil, hostile("an event without a name")
	}
	e.Name = intern(name)
	return e, nil
}

// ParseConnect reads what an outbound socket answers to connect: one header
// block that is the channel.
func ParseConnect(m Message) *Event {
	e := newEvent(m.Head[1:])
	e.Name = "CHANNEL_DATA"
	return e
}

// newEvent copies a block of header lines, and what follows an empty line, and
// finds the lines. Body is not nil where there was an empty line.
func newEvent(block []byte) *Event {
	n := 1 + len(block)
	room := 2 * (1 + bytes.Count(block, []byte{'\n'}))
	if n > math.MaxUint16 {
		room = 0
	}
	buf := make([]byte, n+room)
	copy(buf[1:], block)
	buf[0] = '\n'
	e := &Event{head: buf[:n:n]}
	if room > 0 {
		e.starts = buf[n:n]
	}
	for at := 1; at < n; {
		if e.head[at] == '\n' {
			e.head, e.Body = e.head[:at:at], e.head[at+1:]
			break
		}
		if room > 0 {
			e.starts = binary.LittleEndian.AppendUint16(e.starts, uint16(at)) //nolint:gosec // n fits
		}
		i := bytes.IndexByte(e.head[at:], '\n')
		if i < 0 {
			break
		}
		at += i + 1
	}
	return e
}

// find is a header's value as it stands; nil if it is not there. Of one that
// stands twice the first counts.
func (e *Event) find(name string) []byte {
	if e.starts == nil {
		return lookup(e.head, name)
	}
	for s := e.starts; len(s) > 0; s = s[2:] {
		at := int(binary.LittleEndian.Uint16(s))
		colon := at + len(name)
		if colon >= len(e.head) || e.head[colon] != ':' || string(e.head[at:colon]) != name {
			continue
		}
		end := len(e.head)
		if len(s) > 2 {
			end = int(binary.LittleEndian.Uint16(s[2:]))
		}
		return trim(e.head[colon+1 : end])
	}
	return nil
}

// trim takes blanks off a value; it stays a value when nothing is left.
func trim(v []byte) []byte {
	if v = bytes.Trim(v, " \r\n"); v == nil {
		v = []byte{}
	}
	return v
}

// Get is the decoded value of a header, "" if there is none. It may hold any
// bytes: FreeSWITCH passes through what came by SIP.
func (e *Event) Get(name string) string {
	v := e.find(name)
	if len(v) == 0 {
		return ""
	}
	return unescape(v)
}

// Has reports whether a header is there.
func (e *Event) Has(name string) bool { return e.find(name) != nil }

// Each calls f with every header, decoded, in order, until it says false.
// Lines without a colon are left out.
func (e *Event) Each(f func(name, value string) bool) {
	for rest := e.head; len(rest) > 0; {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && !f(string(name), unescape(bytes.Trim(value, " \r"))) {
			return
		}
	}
}

// unescape undoes the percent encoding of FreeSWITCH's plain events. What is
// no encoding stays as it is.
func unescape(v []byte) string {
	i := bytes.IndexByte(v, '%')
	if i < 0 {
		return string(v)
	}
	var b strings.Builder
	b.Grow(len(v))
	for len(v) > 0 {
		if i < 0 {
			_, _ = b.Write(v)
			break
		}
		_, _ = b.Write(v[:i])
		v = v[i:]
		if len(v) >= 3 && isHex(v[1]) && isHex(v[2]) {
			_ = b.WriteByte(fromHex(v[1])<<4 | fromHex(v[2]))
			v = v[3:]
		} else {
			_ = b.WriteByte('%')
			v = v[1:]
		}
		i = bytes.IndexByte(v, '%')
	}
	return b.String()
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func fromHex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}
