package esl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/internal/mailbox"
	"ringmaster/internal/pbx"
)

// maxPending is how many commands may wait for their replies on a connection.
const maxPending = 10000

// conn is one connection after its handshake.
type conn struct {
	nc      net.Conn
	cfg     Config
	writing chan struct{} // one at a time queues its place and writes
	events  *mailbox.Mailbox[*Event]
	heard   atomic.Int64 // unix nanoseconds of the last message
	lost    atomic.Uint64
	done    chan struct{} // closed when the connection is over

	mu      sync.Mutex // never held during I/O
	pending []*waiter  // in the order of the commands
	err     error      // why it is over
}

// waiter is a command's place in the queue of replies. One that gave up stays,
// and what comes for it is thrown away.
type waiter struct{ reply chan answer }

type answer struct {
	text string
	err  error
}

// dial connects and logs in. Nothing else was read when it returns.
func dial(ctx context.Context, cfg Config) (*conn, *Framer, error) {
	ctx, cancel := context.WithTimeout(ctx, cfg.RequestTimeout)
	defer cancel()
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", cfg.Addr)
	if err != nil {
		return nil, nil, fmt.Errorf("event socket: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) })
	c := &conn{nc: nc, cfg: cfg, writing: make(chan struct{}, 1), done: make(chan struct{}), events: mailbox.New[*Event](cfg.MaxUnread)}
	f := NewFramer(nc)
	// FreeSWITCH greets at once or, when too many connected at the same moment
	// (its backlog is 5), never: another connection is better than patience.
	impatient := time.AfterFunc(greetingWait, func() { _ = nc.SetReadDeadline(time.Unix(1, 0)) })
	defer impatient.Stop()
	if err := login(nc, f, cfg, impatient); err != nil {
		_ = nc.Close()
		if ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("event socket: no greeting, or no answer to the login, in time; a frozen event socket looks like this: %w", context.DeadlineExceeded)
		}
		return nil, nil, err
	}
	if !stop() {
		_ = nc.Close()
		return nil, nil, fmt.Errorf("event socket: %w", context.DeadlineExceeded)
	}
	c.heard.Store(time.Now().UnixNano())
	return c, f, nil
}

// greetingWait is how long a greeting may take.
const greetingWait = 2 * time.Second

func login(nc net.Conn, f *Framer, cfg Config, greeting *time.Timer) error {
	m, err := f.Next()
	greeting.Stop()
	if err != nil {
		return fmt.Errorf("event socket: greeting: %w", err)
	}
	switch t := m.Type(); t {
	case "auth/request":
	case "text/rude-rejection":
		return ErrDenied
	default:
		return hostile("the greeting is of type %q", Clean(t, 40))
	}
	cmd := "auth " + cfg.Password
	if cfg.User != "" {
		cmd = "userauth " + cfg.User + ":" + cfg.Password
	}
	if _, err := nc.Write([]byte(cmd + "\n\n")); err != nil {
		return fmt.Errorf("event socket: login: %w", err)
	}
	m, err = f.Next()
	if err != nil {
		return fmt.Errorf("event socket: login: %w", err)
	}
	switch {
	case m.Type() == "text/rude-rejection":
		return ErrDenied
	case m.Type() != "command/reply":
		return hostile("the login is answered with %q", Clean(m.Type(), 40))
	case !strings.HasPrefix(m.Reply(), "+OK"):
		return fmt.Errorf("%w (%s)", ErrAuth, Clean(m.Reply(), 100))
	}
	return nil
}

// read is the one reader: it cuts, hands over and never waits for anybody. It
// returns why the connection is over.
func (c *conn) read(f *Framer) error {
	for {
		m, err := f.Next()
		if err != nil {
			return fmt.Errorf("event socket: %w", err)
		}
		c.heard.Store(time.Now().UnixNano())
		switch string(lookup(m.Head, "Content-Type")) {
		case "text/event-plain":
			e, err := ParseEvent(m.Body)
			if err != nil {
				c.lost.Add(1)
				c.cfg.Log.Warn("esl: unreadable event dropped", "bytes", len(m.Body), "err", err)
				continue
			}
			if c.events.Put(e) != nil {
				return ErrBehind
			}
		case "command/reply", "api/response":
			w := c.next()
			if w == nil {
				return hostile("a reply that nobody asked for")
			}
			w.reply <- answer{text: m.Reply()}
		case "text/disconnect-notice":
			return ErrShutdown
		case "text/rude-rejection":
			return ErrDenied
		default:
			c.lost.Add(1) // log lines and the like: nobody asked for them
		}
	}
}

// next takes the oldest place.
func (c *conn) next() *waiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 {
		return nil
	}
	w := c.pending[0]
	c.pending[0] = nil
	c.pending = c.pending[1:]
	return w
}

// queue takes a place; to be called by whoever holds the writing.
func (c *conn) queue() (*waiter, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, c.err
	}
	if len(c.pending) >= maxPending {
		return nil, errors.New("too many commands wait for their replies")
	}
	w := &waiter{reply: make(chan answer, 1)}
	c.pending = append(c.pending, w)
	return w, nil
}

// close ends the connection once: everybody who waits is told.
func (c *conn) close(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	waiting := c.pending
	c.pending = nil
	c.mu.Unlock()
	close(c.done)
	_ = c.nc.Close()
	for _, w := range waiting {
		w.reply <- answer{err: err}
	}
	c.events.Close(nil)
}

// do sends one command and waits for its reply.
func (c *conn) do(ctx context.Context, cmd []byte) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	select {
	case c.writing <- struct{}{}:
	case <-c.done:
		return "", fmt.Errorf("%w: %w", pbx.ErrUnavailable, c.reason())
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", pbx.ErrUnavailable, ctx.Err())
	}
	w, err := c.write(cmd)
	if err != nil {
		return "", err
	}
	select {
	case a := <-w.reply:
		if a.err != nil {
			return "", fmt.Errorf("%w: %w", pbx.ErrUnknown, a.err)
		}
		return a.text, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%w: %w", pbx.ErrUnknown, ctx.Err())
	}
}

// write queues the place and writes, as one step. It gives the writing back.
func (c *conn) write(cmd []byte) (*waiter, error) {
	defer func() { <-c.writing }()
	w, err := c.queue()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", pbx.ErrUnavailable, err)
	}
	_ = c.nc.SetWriteDeadline(time.Now().Add(c.cfg.RequestTimeout))
	n, err := c.nc.Write(cmd)
	if err == nil {
		return w, nil
	}
	err = fmt.Errorf("event socket: %w", err)
	c.close(err)
	if n == 0 {
		return nil, fmt.Errorf("%w: %w", pbx.ErrUnavailable, err)
	}
	return nil, fmt.Errorf("%w: %w", pbx.ErrUnknown, err)
}

func (c *conn) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// keepAlive pings; three periods in which nothing was heard end the connection.
func (c *conn) keepAlive(ctx context.Context) error {
	tick := time.NewTicker(c.cfg.PingPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.done:
			return c.reason()
		case <-tick.C:
		}
		pctx, cancel := context.WithTimeout(ctx, c.cfg.PingPeriod)
		_, err := c.do(pctx, []byte("api global_getvar core_uuid\n\n"))
		cancel()
		if silence := time.Since(time.Unix(0, c.heard.Load())); err != nil && silence > 3*c.cfg.PingPeriod {
			return fmt.Errorf("%w (%s)", ErrSilent, silence.Round(time.Millisecond))
		}
	}
}

// Field is one header of a message to a channel.
type Field struct{ Name, Value string }

// errLine: a command is one line, and a line break in it another command.
var errLine = fmt.Errorf("%w: a control character in a command", pbx.ErrRefused)

func apiCommand(cmd string) ([]byte, error) {
	if !oneLine(cmd) {
		return nil, errLine
	}
	return []byte("api " + cmd + "\n\n"), nil
}

func bgapiCommand(job, cmd string) ([]byte, error) {
	if !oneLine(cmd) || !oneLine(job) || job == "" {
		return nil, errLine
	}
	return []byte("bgapi " + cmd + "\nJob-UUID: " + job + "\n\n"), nil
}

func sendmsgCommand(uuid string, fields []Field, body string) ([]byte, error) {
	if !oneLine(uuid) || uuid == "" || strings.IndexByte(body, 0) >= 0 {
		return nil, errLine
	}
	var b bytes.Buffer
	_, _ = b.WriteString("sendmsg " + uuid + "\n")
	for _, f := range fields {
		if f.Name == "" || !oneLine(f.Name) || !oneLine(f.Value) || strings.ContainsAny(f.Name, ": ") {
			return nil, errLine
		}
		_, _ = b.WriteString(f.Name + ": " + f.Value + "\n")
	}
	if body != "" {
		_, _ = b.WriteString("content-type: text/plain\ncontent-length: " + strconv.Itoa(len(body)) + "\n")
	}
	_, _ = b.WriteString("\n" + body)
	return b.Bytes(), nil
}

func oneLine(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

// outcome turns "-ERR" and "-USAGE" into an *Error.
func outcome(op, reply string) (string, error) {
	for _, no := range []string{"-ERR", "-USAGE"} {
		if rest, ok := strings.CutPrefix(reply, no); ok {
			return "", &Error{Op: op, Text: Clean(strings.TrimPrefix(rest, ":"), 200)}
		}
	}
	return reply, nil
}
