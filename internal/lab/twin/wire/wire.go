package wire

import (
	"bufio"
	"crypto/sha1" //nolint:gosec // RFC 6455, section 4.2.2, names it; it protects nothing
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Opcode of a frame (RFC 6455, section 5.2).
type Opcode byte

// Opcodes.
const (
	Continuation Opcode = 0
	Text         Opcode = 1
	Binary       Opcode = 2
	Close        Opcode = 8
	Ping         Opcode = 9
	Pong         Opcode = 10
)

// Errors of a connection.
var (
	ErrHandshake = errors.New("not a websocket handshake: a GET with Upgrade, Sec-WebSocket-Key and version 13 is needed")
	ErrTooBig    = errors.New("websocket frame is larger than this end accepts")
	ErrProtocol  = errors.New("websocket frame breaks RFC 6455")
)

// Frame is one frame as it arrived, unmasked. Payload is valid until the next
// ReadFrame.
type Frame struct {
	Fin     bool
	Opcode  Opcode
	Payload []byte
}

// Conn is an upgraded connection. One goroutine reads; writes may come from
// several.
type Conn struct {
	net    net.Conn
	r      *bufio.Reader
	limit  int64
	answer string
	buf    []byte

	mu  sync.Mutex // writes
	out []byte
}

// Upgrade takes over a connection and answers its handshake.
func Upgrade(w http.ResponseWriter, r *http.Request, protocol string, limit int64) (*Conn, error) {
	c, err := Prepare(w, r, protocol, limit)
	if err != nil {
		return nil, err
	}
	return c, c.Accept()
}

// Prepare takes over a connection; Accept then answers the handshake, so that
// something can be done in between. protocol is the subprotocol to agree on,
// "" for none; limit is the largest payload accepted, in bytes.
func Prepare(w http.ResponseWriter, r *http.Request, protocol string, limit int64) (*Conn, error) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if r.Method != http.MethodGet || key == "" || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") ||
		r.Header.Get("Sec-WebSocket-Version") != "13" {
		return nil, ErrHandshake
	}
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHandshake, err)
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // as above
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	if protocol != "" {
		answer += "Sec-WebSocket-Protocol: " + protocol + "\r\n"
	}
	_ = c.SetDeadline(time.Time{})
	return &Conn{net: c, r: rw.Reader, limit: limit, answer: answer + "\r\n"}, nil
}

// Accept answers the handshake.
func (c *Conn) Accept() error {
	if err := c.WriteRaw([]byte(c.answer), 10*time.Second); err != nil {
		c.Cut()
		return err
	}
	return nil
}

// Offers reports whether the client offered a subprotocol.
func Offers(r *http.Request, protocol string) bool {
	for _, list := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(list, ",") {
			if strings.TrimSpace(p) == protocol {
				return true
			}
		}
	}
	return false
}

// ReadFrame waits for the next frame of any kind, control frames included.
func (c *Conn) ReadFrame() (Frame, error) {
	var head [14]byte
	if _, err := io.ReadFull(c.r, head[:2]); err != nil {
		return Frame{}, err
	}
	f := Frame{Fin: head[0]&0x80 != 0, Opcode: Opcode(head[0] & 0x0f)}
	n := int64(head[1] & 0x7f)
	control := f.Opcode >= 8
	switch {
	case head[0]&0x70 != 0:
		return f, fmt.Errorf("%w: reserved bits are set", ErrProtocol)
	case head[1]&0x80 == 0:
		return f, fmt.Errorf("%w: a client's frame is not masked", ErrProtocol)
	case control && (!f.Fin || n > 125):
		return f, fmt.Errorf("%w: a control frame is cut up or too long", ErrProtocol)
	case f.Opcode > 2 && f.Opcode < 8 || f.Opcode > 10:
		return f, fmt.Errorf("%w: opcode %d", ErrProtocol, f.Opcode)
	}
	extra := map[int64]int{126: 2, 127: 8}[n]
	if _, err := io.ReadFull(c.r, head[2:2+extra+4]); err != nil {
		return f, unexpected(err)
	}
	switch extra {
	case 2:
		n = int64(binary.BigEndian.Uint16(head[2:]))
	case 8:
		big := binary.BigEndian.Uint64(head[2:])
		if big>>63 != 0 {
			return f, fmt.Errorf("%w: length", ErrProtocol)
		}
		n = int64(big)
	}
	if n > c.limit {
		return f, fmt.Errorf("%w: %d bytes, at most %d", ErrTooBig, n, c.limit)
	}
	if int64(cap(c.buf)) < n {
		c.buf = make([]byte, n)
	}
	f.Payload = c.buf[:n]
	if _, err := io.ReadFull(c.r, f.Payload); err != nil {
		return f, unexpected(err)
	}
	mask := head[2+extra : 2+extra+4]
	for i := range f.Payload {
		f.Payload[i] ^= mask[i&3]
	}
	return f, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Write sends one whole message or control frame; timeout bounds it, 0 waits.
func (c *Conn) Write(op Opcode, payload []byte, timeout time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = AppendFrame(c.out[:0], op, payload)
	return c.send(timeout)
}

// WriteRaw sends bytes as they are, framed or not: for faults.
func (c *Conn) WriteRaw(raw []byte, timeout time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out = append(c.out[:0], raw...)
	return c.send(timeout)
}

func (c *Conn) send(timeout time.Duration) error {
	var deadline time.Time
	if timeout > 0 {
		deadline = time.Now().Add(timeout)
	}
	if err := c.net.SetWriteDeadline(deadline); err != nil {
		return err
	}
	_, err := c.net.Write(c.out)
	return err
}

// AppendFrame appends one unmasked, final frame.
func AppendFrame(dst []byte, op Opcode, payload []byte) []byte {
	dst = append(dst, 0x80|byte(op))
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, byte(n))
	case n < 65536:
		dst = append(dst, 126, byte(n>>8), byte(n))
	default:
		dst = append(dst, 127)
		dst = binary.BigEndian.AppendUint64(dst, uint64(n))
	}
	return append(dst, payload...)
}

// Goodbye sends a close frame with a status and closes the connection.
func (c *Conn) Goodbye(status int) {
	_ = c.Write(Close, []byte{byte(status >> 8), byte(status)}, time.Second)
	_ = c.net.Close()
}

// Cut closes the connection without a word, as a dead process does. Writers
// and the reader return.
func (c *Conn) Cut() { _ = c.net.Close() }
