package fstwin_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/twin/callee"
)

// frame is one message of the event socket: outer headers and body.
type frame struct {
	heads map[string]string
	body  string
}

// event is one event, decoded.
type event struct {
	heads map[string]string
	names []string
	body  string
}

func (e event) name() string { return e.heads["Event-Name"] }

// client is a bare event socket, written apart from the adapter's on purpose.
type client struct {
	t     *testing.T
	conn  net.Conn
	reply chan frame

	mu      sync.Mutex
	events  []event
	notices []frame
	closed  bool
}

const patience = 20 * time.Second

func start(t *testing.T, cfg fstwin.Config) *fstwin.Exchange {
	t.Helper()
	ex, err := fstwin.Start(cfg, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ex.Close)
	return ex
}

// dial connects without logging in.
func dial(t *testing.T, ex *fstwin.Exchange) *client {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", ex.Addr())
	if err != nil {
		t.Fatal(err)
	}
	c := over(t, conn)
	if f := c.next(); f.heads["Content-Type"] != "auth/request" {
		t.Fatalf("greeted with %v", f)
	}
	return c
}

func over(t *testing.T, conn net.Conn) *client {
	c := &client{t: t, conn: conn, reply: make(chan frame, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.read()
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return c
}

// login is a connection with a subscription.
func login(t *testing.T, ex *fstwin.Exchange, events string) *client {
	t.Helper()
	c := dial(t, ex)
	if got := c.do("auth ClueCon"); got != "+OK accepted" {
		t.Fatalf("auth: %q", got)
	}
	if events != "" {
		if got := c.do("event plain " + events); got != "+OK event listener enabled plain" {
			t.Fatalf("event: %q", got)
		}
	}
	return c
}

func (c *client) read() {
	r := bufio.NewReader(c.conn)
	defer func() {
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
		close(c.reply)
	}()
	for {
		f, err := readFrame(r)
		if err != nil {
			return
		}
		switch f.heads["Content-Type"] {
		case "text/event-plain":
			c.mu.Lock()
			c.events = append(c.events, decode(f.body))
			c.mu.Unlock()
		case "text/disconnect-notice", "text/event-json":
			c.mu.Lock()
			c.notices = append(c.notices, f)
			c.mu.Unlock()
		default:
			c.reply <- f
		}
	}
}

func readFrame(r *bufio.Reader) (frame, error) {
	f := frame{heads: map[string]string{}}
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return f, err
		}
		l = strings.TrimSuffix(l, "\n")
		if l == "" {
			break
		}
		k, v, _ := strings.Cut(l, ": ")
		f.heads[k] = v
	}
	n, _ := strconv.Atoi(f.heads["Content-Length"])
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	f.body = string(b)
	return f, err
}

func decode(s string) event {
	head, body, _ := strings.Cut(s, "\n\n")
	e := event{heads: map[string]string{}, body: body}
	for l := range strings.SplitSeq(head, "\n") {
		k, v, ok := strings.Cut(l, ": ")
		if !ok {
			continue
		}
		if u, err := url.PathUnescape(v); err == nil {
			v = u
		}
		e.heads[k] = v
		e.names = append(e.names, k)
	}
	return e
}

// next is the next reply.
func (c *client) next() frame {
	c.t.Helper()
	select {
	case f, ok := <-c.reply:
		if !ok {
			c.t.Fatal("the connection was closed")
		}
		return f
	case <-time.After(patience):
		c.t.Fatal("no reply")
	}
	return frame{}
}

func (c *client) send(command string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, command+"\n\n"); err != nil {
		c.t.Fatal(err)
	}
}

// do sends a command and returns its Reply-Text, or the body of an api.
func (c *client) do(command string) string {
	c.t.Helper()
	c.send(command)
	f := c.next()
	if f.heads["Content-Type"] == "api/response" {
		return f.body
	}
	return f.heads["Reply-Text"]
}

// all are the events so far.
func (c *client) all() []event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]event(nil), c.events...)
}

// until waits for an event; args are pairs of header and value.
func (c *client) until(name string, args ...string) event {
	c.t.Helper()
	var found event
	c.eventually(fmt.Sprint(name, args), func() bool {
		for _, e := range c.all() {
			fits := e.name() == name
			for i := 0; i+1 < len(args); i += 2 {
				fits = fits && e.heads[args[i]] == args[i+1]
			}
			if fits {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

func (c *client) eventually(what string, f func() bool) {
	c.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if f() {
			return
		}
	}
	var seen []string
	for _, e := range c.all() {
		seen = append(seen, e.name())
	}
	c.t.Fatalf("never: %s; events %v", what, seen)
}

// originate places a call with the variables that the adapter uses.
func (c *client) originate(uuid, vars, target string) {
	c.t.Helper()
	if vars != "" {
		vars = "," + vars
	}
	got := c.do("bgapi originate {origination_uuid=" + uuid + ",ignore_early_media=true,originate_timeout=20,park_after_bridge=true," +
		"hangup_after_bridge=false,continue_on_fail=true,presence_data=task-1" + vars + "}" + target + " &park()\nJob-UUID: job-" + uuid)
	if got != "+OK Job-UUID: job-"+uuid {
		c.t.Fatalf("originate: %q", got)
	}
}

// parked is an answered call.
func (c *client) parked(uuid, vars, target string) {
	c.t.Helper()
	c.originate(uuid, vars, target)
	c.until("CHANNEL_PARK", "Unique-ID", uuid)
}

func (c *client) execute(uuid, app, arg, more string) {
	c.t.Helper()
	if more != "" {
		more = "\n" + more
	}
	if got := c.do("sendmsg " + uuid + "\ncall-command: execute\nexecute-app-name: " + app + "\nexecute-app-arg: " + arg + more); got != "+OK" {
		c.t.Fatalf("%s: %q", app, got)
	}
}

// kill hangs a call up and waits for its last event.
func (c *client) kill(uuid string) event {
	c.t.Helper()
	if got := c.do("api uuid_kill " + uuid); got != "+OK\n" {
		c.t.Fatalf("kill: %q", got)
	}
	return c.until("CHANNEL_DESTROY", "Unique-ID", uuid)
}

// listener and talker are two subscribers.
func listener() callee.Script { return callee.Script{Ring: 30 * time.Millisecond} }
