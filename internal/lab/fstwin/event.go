package fstwin

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// event is one event as it goes to every connection.
type event struct {
	name, subclass string
	heads          []pair
	body           string
}

type pair struct{ name, value string }

// newEvent has the headers that every event begins with. Needs the lock.
func (ex *Exchange) newEvent(name string) *event {
	ex.sequence++
	now := time.Now()
	return &event{name: name, heads: []pair{
		{"Event-Name", name}, {"Core-UUID", ex.core}, {"FreeSWITCH-Hostname", "twin"}, {"FreeSWITCH-Switchname", "twin"},
		{"FreeSWITCH-IPv4", "127.0.0.1"}, {"FreeSWITCH-IPv6", "::1"},
		{"Event-Date-Local", now.Format("2006-01-02 15:04:05")}, {"Event-Date-GMT", now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")},
		{"Event-Date-Timestamp", micros(now)}, {"Event-Calling-File", "twin.c"}, {"Event-Calling-Function", "twin"},
		{"Event-Calling-Line-Number", "1"}, {"Event-Sequence", strconv.FormatInt(ex.sequence, 10)},
	}}
}

func (e *event) add(pairs ...string) *event {
	for i := 0; i+1 < len(pairs); i += 2 {
		e.heads = append(e.heads, pair{pairs[i], pairs[i+1]})
	}
	return e
}

// custom makes it a CUSTOM event of a subclass.
func (e *event) custom(subclass string) *event {
	e.subclass = subclass
	return e.add("Event-Subclass", subclass)
}

func (e *event) get(name string) (string, bool) {
	for _, h := range e.heads {
		if strings.EqualFold(h.name, name) {
			return h.value, true
		}
	}
	return "", false
}

// unsafe are the characters that FreeSWITCH encodes beside what is no
// printable ASCII.
const unsafeChars = "\r\n #%&+:;<=>?@[\\]^`{|}\""

// escape is FreeSWITCH's URL encoding of a header's value.
func escape(b []byte, v string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(v) {
		c := v[i]
		if c == '%' && i+2 < len(v) && strings.IndexByte(hex, v[i+1]) >= 0 && strings.IndexByte(hex, v[i+2]) >= 0 {
			b = append(b, c) // taken for encoded already
			continue
		}
		if c < ' ' || c > '~' || strings.IndexByte(unsafeChars, c) >= 0 {
			b = append(b, '%', hex[c>>4], hex[c&15])
			continue
		}
		b = append(b, c)
	}
	return b
}

// plain is the event as text/event-plain has it, without the outer headers.
func (e *event) plain() []byte {
	b := make([]byte, 0, 4096)
	for _, h := range e.heads {
		if h.value == "" {
			continue
		}
		b = append(append(b, h.name...), ": "...)
		b = append(escape(b, h.value), '\n')
	}
	if e.body != "" {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, int64(len(e.body)), 10), "\n\n"...)
		return append(b, e.body...)
	}
	return append(b, '\n')
}

// json is the event as text/event-json has it: flat, the body under _body.
// FreeSWITCH passes what is no UTF-8 through as it is; so does this.
func (e *event) json() []byte {
	b := []byte{'{'}
	put := func(name, value string) {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(quote(b, name), ':'), quote(nil, value)...)
	}
	for _, h := range e.heads {
		if h.value != "" {
			put(h.name, h.value)
		}
	}
	if e.body != "" {
		put("Content-Length", strconv.Itoa(len(e.body)))
		put("_body", e.body)
	}
	return append(b, '}')
}

// quote is a JSON string with every byte above 0x7f left as it is.
func quote(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			q, _ := json.Marshal(string(rune(c)))
			b = append(b, q[1:len(q)-1]...)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

// micros is a time as FreeSWITCH has it in headers; 0 for none.
func micros(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.UnixMicro(), 10)
}
