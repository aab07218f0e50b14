package fstwin

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds of the event socket.
const (
	maxCommand = 64 << 10 // bytes of a command's header
	maxBody    = 1 << 20
	backlog    = 100500   // events that a reader may leave unread (mod_event_socket.c)
	maxPending = 64 << 20 // bytes
	freezeAt   = 1 << 20  // bytes, where Config.Freezes
)

// conn is one event socket connection. Its fields are guarded by the
// exchange's lock, but for what the writer needs.
type conn struct {
	ex       *Exchange
	nc       net.Conn
	authed   bool
	json     bool
	wants    map[string]bool // event names; ALL
	custom   map[string]bool
	filters  []pair
	busy     bool // an api runs: no events meanwhile
	held     [][]byte
	session  *channel // of an outbound connection
	outbound bool
	async    bool
	full     bool
	linger   time.Duration
	lingers  bool
	app      *running // that opened an outbound connection

	mu      sync.Mutex
	pending []byte
	events  int // among pending
	stalled time.Time
	closed  bool
	wake    chan struct{}
	gone    chan struct{} // closed by cut
	once    sync.Once
}

func (ex *Exchange) accept() {
	for {
		nc, err := ex.listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		ex.mu.Lock()
		if ex.closed || ex.refusing {
			_ = nc.Close()
			ex.mu.Unlock()
			continue
		}
		c := ex.serve(nc)
		c.send([]byte("Content-Type: auth/request\n\n"), false)
		ex.mu.Unlock()
	}
}

// serve makes a connection and its two goroutines. Needs the lock.
func (ex *Exchange) serve(nc net.Conn) *conn {
	c := &conn{ex: ex, nc: nc, wants: map[string]bool{}, custom: map[string]bool{}, wake: make(chan struct{}, 1), gone: make(chan struct{})}
	if ex.deaf {
		c.stall(time.Hour)
	}
	ex.conns[c] = true
	ex.running.Add(2)
	go func() {
		defer ex.running.Done()
		c.write()
	}()
	go func() {
		defer ex.running.Done()
		c.read()
		ex.mu.Lock()
		delete(ex.conns, c)
		ex.lostSocket(c)
		ex.mu.Unlock()
		c.hangUp()
	}()
	return c
}

// cut ends a connection at once, without a word.
func (c *conn) cut() {
	c.mu.Lock()
	c.closed, c.pending = true, nil
	c.mu.Unlock()
	_ = c.nc.Close()
	c.once.Do(func() { close(c.gone) })
	c.poke()
}

// hangUp ends a connection when all is written.
func (c *conn) hangUp() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.poke()
}

func (c *conn) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// send queues bytes for the writer.
func (c *conn) send(b []byte, isEvent bool) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return
	}
	if isEvent {
		c.events++
	}
	if c.events > backlog || len(c.pending) > maxPending { // the real one closes such a reader, too
		c.closed = true
		c.mu.Unlock()
		_ = c.nc.Close()
		c.poke()
		return
	}
	c.pending = append(c.pending, b...)
	c.mu.Unlock()
	c.poke()
}

// write is the only writer of the socket.
func (c *conn) write() {
	defer func() { _ = c.nc.Close() }()
	var batch []byte
	for range c.wake {
		c.mu.Lock()
		wait := time.Until(c.stalled)
		c.mu.Unlock()
		if wait > 0 {
			select {
			case <-time.After(wait):
			case <-c.gone:
			case <-c.ex.stopped:
			}
		}
		c.mu.Lock()
		batch, c.pending = c.pending, batch[:0]
		closed := c.closed
		c.events = 0
		c.mu.Unlock()
		if len(batch) > 0 {
			_ = c.nc.SetWriteDeadline(time.Now().Add(10 * time.Minute))
			if _, err := c.nc.Write(batch); err != nil {
				c.mu.Lock()
				c.closed = true
				c.mu.Unlock()
				return
			}
		}
		if closed {
			return
		}
	}
}

// command is what a client sent: its first line, and the headers and body after it.
type command struct {
	line  string
	heads map[string]string
	body  string
}

// readCommand reads up to an empty line, and a body where one is announced.
func readCommand(r *bufio.Reader) (command, error) {
	m := command{heads: map[string]string{}}
	size := 0
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return m, err
		}
		if size += len(l); size > maxCommand {
			return m, errors.New("the command is too long")
		}
		l = strings.TrimRight(l, "\r\n")
		if l == "" {
			if m.line == "" {
				continue
			}
			break
		}
		if m.line == "" {
			m.line = l
			continue
		}
		name, value, ok := strings.Cut(l, ":")
		if ok {
			m.heads[strings.ToLower(strings.TrimSpace(name))] = strings.TrimLeft(value, " ")
		}
	}
	n := atoi(m.heads["content-length"])
	if n < 0 || n > maxBody {
		return m, errors.New("the command's body is too long")
	}
	b := make([]byte, n)
	for got := 0; got < n; {
		k, err := r.Read(b[got:])
		if err != nil {
			return m, err
		}
		got += k
	}
	m.body = string(b)
	return m, nil
}

func (c *conn) read() {
	r := bufio.NewReader(c.nc)
	for {
		m, err := readCommand(r)
		if err != nil {
			return
		}
		if !c.handle(m) {
			return
		}
	}
}

// reply is a command/reply.
func (c *conn) reply(text string, extra ...string) {
	var b strings.Builder
	b.WriteString("Content-Type: command/reply\nReply-Text: " + text + "\n")
	for i := 0; i+1 < len(extra); i += 2 {
		b.WriteString(extra[i] + ": " + extra[i+1] + "\n")
	}
	c.send([]byte(b.String()+"\n"), false)
}

// respond is an api/response.
func (c *conn) respond(body string) {
	if body == "" {
		body = "-ERR no reply\n"
	}
	c.send(fmt.Appendf(nil, "Content-Type: api/response\nContent-Length: %d\n\n%s", len(body), body), false)
}

// hears says whether an event goes to this connection.
func (c *conn) hears(e *event) bool {
	if !c.authed {
		return false
	}
	if c.session != nil {
		if id, _ := e.get("Unique-ID"); id != c.session.uuid && (!c.full || c.wants["MYEVENTS"]) {
			return false
		}
	}
	switch {
	case e.name == "CUSTOM" && !c.custom[e.subclass] && !c.wants["ALL"]:
		return false
	case e.name != "CUSTOM" && !c.wants[e.name] && !c.wants["ALL"]:
		return false
	}
	return c.passes(e)
}

// passes applies the filters: one that fits lets an event through, an
// exclusion that fits stops it, and where no filter fits nothing passes.
func (c *conn) passes(e *event) bool {
	if len(c.filters) == 0 {
		return true
	}
	pass := false
	for _, f := range c.filters {
		v, ok := e.get(f.name)
		if !ok {
			continue
		}
		want, not := strings.CutPrefix(f.value, "!")
		fits := v == want
		if len(want) > 2 && want[0] == '/' && want[len(want)-1] == '/' {
			re, err := regexp.Compile(want[1 : len(want)-1])
			fits = err == nil && re.MatchString(v)
		}
		if fits && not {
			return false
		}
		pass = pass || fits
	}
	return pass
}

// emit sends an event to whoever wants it. Needs the lock.
func (ex *Exchange) emit(e *event) {
	for _, out := range ex.faults.distort(ex, e) {
		ex.deliver(out)
	}
}

// wanted says that somebody may want events of a name.
func (ex *Exchange) wanted(name string) bool {
	for c := range ex.conns {
		if c.wants["ALL"] || c.wants[name] {
			return true
		}
	}
	return false
}

func (ex *Exchange) deliver(e *event) {
	ex.counters.Events++
	if ex.frozen() {
		ex.counters.Missed++
		return
	}
	var plain, js []byte
	for c := range ex.conns {
		if !c.hears(e) {
			continue
		}
		var b []byte
		if c.json {
			if js == nil {
				body := e.json()
				js = append(fmt.Appendf(nil, "Content-Length: %d\nContent-Type: text/event-json\n\n", len(body)), body...)
			}
			b = js
		} else {
			if plain == nil {
				body := e.plain()
				plain = append(fmt.Appendf(nil, "Content-Length: %d\nContent-Type: text/event-plain\n\n", len(body)), body...)
			}
			b = plain
		}
		if c.busy {
			c.held = append(c.held, b)
			continue
		}
		c.send(b, true)
	}
}

// frozen says that a reader that does not read holds up everybody.
func (ex *Exchange) frozen() bool {
	if !ex.cfg.Freezes {
		return false
	}
	for c := range ex.conns {
		c.mu.Lock()
		behind := len(c.pending) > freezeAt
		c.mu.Unlock()
		if behind {
			return true
		}
	}
	return false
}

// idle ends an api command: what was held back goes out.
func (c *conn) idle() {
	c.busy = false
	for _, b := range c.held {
		c.send(b, true)
	}
	c.held = nil
}

func names(m map[string]bool) []string {
	var out []string
	for n := range m {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}
