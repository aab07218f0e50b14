package esl

import (
	"bytes"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
)

// stepReader gives out at most step bytes at a time.
type stepReader struct {
	b    []byte
	step int
}

func (r *stepReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b[:min(r.step, len(r.b))])
	r.b = r.b[n:]
	return n, nil
}

// plainly reads the first message of a stream as the protocol's description
// says, all of it at hand: what the framer does is held against it.
func plainly(stream []byte) (head, body, rest []byte, err error) {
	stream = bytes.TrimLeft(stream, "\r\n")
	end := bytes.Index(stream, []byte("\n\n"))
	if end < 0 {
		return nil, nil, nil, io.EOF
	}
	head, rest = stream[:end+1], stream[end+2:]
	n := 0
	for line := range bytes.Lines(head) {
		v, ok := bytes.CutPrefix(line, []byte("Content-Length:"))
		if !ok {
			continue
		}
		v = bytes.TrimSpace(v)
		if len(v) == 0 || len(v) > 10 {
			return nil, nil, nil, ErrHostile
		}
		for _, c := range v {
			if c < '0' || c > '9' {
				return nil, nil, nil, ErrHostile
			}
			n = 10*n + int(c-'0')
		}
		if n > maxBody {
			return nil, nil, nil, ErrHostile
		}
		break
	}
	if n > len(rest) {
		return nil, nil, nil, io.EOF
	}
	return head, rest[:n], rest[n:], nil
}

// Whatever comes, in whatever pieces: the framer gives out what the plain
// reading gives, message by message, ends for the same reason, and never holds
// more than twice what came.
func FuzzFramer(f *testing.F) {
	f.Add([]byte("Content-Type: auth/request\n\nContent-Length: 3\n\nabc"), 7)
	f.Add([]byte("\n\n\nContent-Length: -1\n\n"), 1)
	f.Add([]byte("Content-Type: text/event-plain\nContent-Length: 20\n\nEvent-Name: DTMF\n\nabcd"), 64)
	f.Add([]byte("X: y\nContent-Length: 2\nContent-Length: 1\n\nabContent-Length: 67108865\n\n"), 3)
	f.Fuzz(func(t *testing.T, stream []byte, step int) {
		for _, step := range []int{len(stream) + 1, 1 + step&0xff} {
			framer, rest := newFramer(&stepReader{stream, step}, 64), stream
			for n := 0; ; n++ {
				head, body, after, want := plainly(rest)
				m, err := framer.Next()
				if !errors.Is(err, want) {
					t.Fatalf("in pieces of %d, message %d: %v, want %v", step, n, err, want)
				}
				if cap(framer.buf) > 64+2*(len(stream)+1) {
					t.Fatalf("%d bytes are held of %d", cap(framer.buf), len(stream))
				}
				if err != nil {
					break
				}
				if m.Head[0] != '\n' || !bytes.Equal(m.Head[1:], head) || !bytes.Equal(m.Body, body) {
					t.Fatalf("in pieces of %d, message %d: %q and %q, want %q and %q", step, n, m.Head, m.Body, head, body)
				}
				rest = after
			}
		}
	})
}

// Every header that Each tells, Get finds (the first of its name); values are
// decoded as net/url decodes them, where that can; nothing of the event lies in
// the reader's buffer; and a value that was encoded comes back.
func FuzzEvent(f *testing.F) {
	f.Add([]byte("Event-Name: CHANNEL_ANSWER\nUnique-ID: a%2Fb\nvariable_x: %D6%D0\n\n"))
	f.Add([]byte("Event-Name: BACKGROUND_JOB\nContent-Length: 3\n\n+OK"))
	f.Add([]byte("no colon\nEvent-Name: X:Y: Z\n%: %%%0\n"))
	var buffer []byte
	f.Fuzz(func(t *testing.T, body []byte) {
		buffer = append(buffer[:0], body...)
		e, err := ParseEvent(buffer)
		for i := range buffer {
			buffer[i] = '!' // the framer's buffer is used again
		}
		if err != nil {
			if !errors.Is(err, ErrHostile) {
				t.Fatalf("%v", err)
			}
			return
		}
		if e.Name == "" || len(e.head)+len(e.Body) > len(body)+1 || !bytes.Contains(body, e.Body) || !bytes.HasPrefix(body, e.head[1:]) {
			t.Fatalf("%q with %q and %q of %q", e.Name, e.head, e.Body, body)
		}
		names := make([]string, 0, 16)
		e.Each(func(name, value string) bool {
			for _, n := range names {
				if n == name {
					return true
				}
			}
			if len(name) < 70 && len(names) < 64 {
				names = append(names, name)
				if got := e.Get(name); got != value || !e.Has(name) || !bytes.Equal(e.find(name), lookup(e.head, name)) {
					t.Fatalf("header %q is %q, found %q", name, value, got)
				}
			}
			return true
		})
		if raw := lookup(e.head, "Event-Name"); raw != nil {
			if want, err := url.PathUnescape(string(raw)); err == nil && e.Get("Event-Name") != want {
				t.Fatalf("%q is decoded as %q, not %q", raw, e.Get("Event-Name"), want)
			}
		}
		if s := string(body[:min(len(body), 64)]); unescape([]byte(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"))) != s {
			t.Fatalf("%q does not come back", s)
		}
	})
}
