package esl

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// Bounds of what a peer may send. The largest known are the header block of an
// outbound socket's connect (7.5 KB and the channel's variables) and the list
// of all channels (about 0.9 KB a channel).
const (
	maxHead = 1 << 20
	maxBody = 64 << 20
)

// Message is one frame of the protocol. Head and Body are valid until the next
// one is read. Head begins with a line feed, so that every header can be found
// by "\n<name>: ".
type Message struct {
	Head []byte
	Body []byte
}

// Type is the Content-Type.
func (m Message) Type() string { return string(lookup(m.Head, "Content-Type")) }

// Reply is the outcome of a command: the body of an api/response, the
// Reply-Text of a command/reply.
func (m Message) Reply() string {
	if len(m.Body) > 0 {
		return string(m.Body)
	}
	return string(lookup(m.Head, "Reply-Text"))
}

// Framer cuts a stream into messages. It keeps one buffer and copies nothing.
type Framer struct {
	r    io.Reader
	buf  []byte // what was read and not given out is buf[from:to]
	from int    // at least 1: a line feed is put before every message
	to   int
}

// NewFramer reads messages of r.
func NewFramer(r io.Reader) *Framer { return newFramer(r, 64<<10) }

func newFramer(r io.Reader, size int) *Framer {
	return &Framer{r: r, buf: make([]byte, size), from: 1, to: 1}
}

// Next reads one message. ErrHostile is a stream that cannot be followed; the
// connection has to be closed then.
func (f *Framer) Next() (Message, error) {
	head, err := f.head()
	if err != nil {
		return Message{}, err
	}
	n, err := contentLength(f.buf[f.from : f.from+head])
	if err != nil {
		return Message{}, err
	}
	whole := head + 1 + n // the head's last line feed is followed by an empty line
	if err := f.have(whole); err != nil {
		return Message{}, err
	}
	at := f.from
	f.from += whole
	f.buf[at-1] = '\n'
	return Message{Head: f.buf[at-1 : at+head], Body: f.buf[at+head+1 : at+whole]}, nil
}

// head finds the next header block and returns its length, the line feed of
// its last line included. Empty lines before it are skipped.
func (f *Framer) head() (int, error) {
	seen := 0
	for {
		for seen == 0 && f.from < f.to && (f.buf[f.from] == '\n' || f.buf[f.from] == '\r') {
			f.from++
		}
		if i := bytes.Index(f.buf[f.from+seen:f.to], []byte("\n\n")); i >= 0 {
			return seen + i + 1, nil
		}
		seen = max(0, f.to-f.from-1)
		if seen > maxHead {
			return 0, hostile("a header block of more than %d bytes", maxHead)
		}
		if err := f.more(); err != nil {
			if f.to > f.from {
				err = fmt.Errorf("in the middle of a header block: %w", err)
			}
			return 0, err
		}
	}
}

// have makes sure that n bytes from f.from on are there.
func (f *Framer) have(n int) error {
	for f.to-f.from < n {
		if err := f.more(); err != nil {
			return fmt.Errorf("in the middle of a body: %w", err)
		}
	}
	return nil
}

// more reads once, making room first.
func (f *Framer) more() error {
	if f.from == f.to {
		f.from, f.to = 1, 1
		if len(f.buf) > 1<<20 { // one long answer does not keep its memory
			f.buf = make([]byte, 64<<10)
		}
	}
	if f.to == len(f.buf) {
		if f.from > len(f.buf)/2 {
			copy(f.buf[1:], f.buf[f.from:f.to])
			f.from, f.to = 1, 1+f.to-f.from
		} else {
			// Doubled when it is full: a length that is claimed costs nothing
			// until the bytes come.
			b := make([]byte, 2*len(f.buf))
			copy(b[1:], f.buf[f.from:f.to])
			f.buf, f.from, f.to = b, 1, 1+f.to-f.from
		}
	}
	n, err := f.r.Read(f.buf[f.to:])
	f.to += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// contentLength reads the length of what follows; none is 0.
func contentLength(head []byte) (int, error) {
	var v []byte
	if after, ok := bytes.CutPrefix(head, []byte("Content-Length:")); ok {
		v, _, _ = bytes.Cut(after, []byte("\n"))
	} else if i := bytes.Index(head, []byte("\nContent-Length:")); i >= 0 {
		v, _, _ = bytes.Cut(head[i+len("\nContent-Length:"):], []byte("\n"))
	} else {
		return 0, nil
	}
	return lengthOf(v)
}

// lengthOf reads the value of a Content-Length.
func lengthOf(v []byte) (int, error) {
	v = bytes.TrimSpace(v)
	if len(v) == 0 || len(v) > 10 {
		return 0, hostile("a Content-Length of %d characters", len(v))
	}
	n, err := strconv.ParseUint(string(v), 10, 32)
	if err != nil {
		return 0, hostile("a Content-Length that is no number")
	}
	if n > maxBody {
		return 0, hostile("a body of %d bytes, more than %d", n, maxBody)
	}
	return int(n), nil
}

// lookup finds a header in a block that begins with a line feed; nil if it is
// not there. Of one that stands twice the first counts.
func lookup(block []byte, name string) []byte {
	var pattern [80]byte
	if len(name) > len(pattern)-3 {
		return nil
	}
	pattern[0] = '\n'
	n := 1 + copy(pattern[1:], name)
	pattern[n] = ':'
	at := bytes.Index(block, pattern[:n+1])
	if at < 0 {
		return nil
	}
	v := block[at+n+1:]
	if end := bytes.IndexByte(v, '\n'); end >= 0 {
		v = v[:end]
	}
	if v = bytes.Trim(v, " \r"); v == nil {
		v = []byte{} // there, and empty
	}
	return v
}
