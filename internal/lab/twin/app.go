package twin

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"ringmaster/internal/lab/twin/wire"
)

// app is a Stasis application; guarded by the exchange's lock.
type app struct {
	ex         *Exchange
	name       string
	conn       *eventConn // nil: inactive, events are lost
	all        bool
	allow, ban []string // event types
	channels   map[string]bool
	bridges    map[string]bool
}

// eventConn is one event websocket. Its queue is as long as memory lasts, as
// Asterisk's is; put never blocks.
type eventConn struct {
	ws      *wire.Conn
	timeout time.Duration

	mu      sync.Mutex
	queue   [][]byte
	wake    chan struct{}
	closed  bool
	stalled time.Time
}

func (c *eventConn) put(message []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.queue = append(c.queue, message)
	c.signal()
}

func (c *eventConn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *eventConn) close() {
	c.mu.Lock()
	c.closed = true
	c.signal()
	c.mu.Unlock()
	c.ws.Cut()
}

// run writes the queue until the socket ends.
func (c *eventConn) run() {
	for {
		c.mu.Lock()
		batch, closed, wait := c.queue, c.closed, time.Until(c.stalled)
		if wait <= 0 {
			c.queue = nil
		}
		c.mu.Unlock()
		if closed {
			return
		}
		if wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-c.wake:
			}
			timer.Stop()
			continue
		}
		for _, m := range batch {
			if err := c.write(m); err != nil {
				c.close()
				return
			}
		}
		if len(batch) == 0 {
			<-c.wake
		}
	}
}

func (c *eventConn) write(m []byte) error {
	if len(m) > 0 && m[0] == rawMark {
		return c.ws.WriteRaw(m[1:], c.timeout)
	}
	return c.ws.Write(wire.Text, m, c.timeout)
}

// serveEvents is GET /ari/events: the websocket of one or more applications.
func (ex *Exchange) serveEvents(w http.ResponseWriter, r *http.Request) {
	if !ex.allowed(r) {
		refuse(w, http.StatusUnauthorized, "Authentication required")
		return
	}
	names := split(r.URL.Query().Get("app"))
	if len(names) == 0 {
		refuse(w, http.StatusBadRequest, "Missing param 'app'")
		return
	}
	proto := ""
	if wire.Offers(r, "ari") {
		proto = "ari"
	}
	ws, err := wire.Prepare(w, r, proto, 1<<20)
	if err != nil {
		refuse(w, http.StatusBadRequest, "Upgrade to websocket required")
		return
	}
	c := &eventConn{ws: ws, timeout: ex.cfg.WriteTimeout, wake: make(chan struct{}, 1)}
	ex.mu.Lock()
	if ex.closed {
		ex.mu.Unlock()
		ws.Cut()
		return
	}
	ex.running.Add(2) // the writer and this reader
	defer ex.running.Done()
	for _, n := range names {
		ex.register(n, c, r.URL.Query().Get("subscribeAll") == "true")
	}
	ex.mu.Unlock()
	defer ex.unregister(names, c)
	if ws.Accept() != nil {
		ex.running.Done() // there will be no writer
		return
	}
	go func() {
		defer ex.running.Done()
		c.run()
	}()
	for {
		f, err := ws.ReadFrame()
		if err != nil || f.Opcode == wire.Close {
			return
		}
		if f.Opcode == wire.Ping {
			if ws.Write(wire.Pong, f.Payload, c.timeout) != nil {
				return
			}
		}
	}
}

// register makes c the socket of an application; a socket that it had is told
// that it was replaced and hears no more.
func (ex *Exchange) register(name string, c *eventConn, all bool) {
	a := ex.apps[name]
	if a == nil {
		a = &app{ex: ex, name: name, channels: map[string]bool{}, bridges: map[string]bool{}}
		ex.apps[name] = a
	}
	if a.conn != nil && a.conn != c {
		old := a.conn
		old.put(encode(event{Type: "ApplicationReplaced", Timestamp: stamp(time.Now()), Application: name, AsteriskID: asteriskID}))
		ex.counters.Replaced++
	}
	a.conn, a.all = c, all
	ex.counters.Sockets++
}

func (ex *Exchange) unregister(names []string, c *eventConn) {
	c.close()
	ex.mu.Lock()
	defer ex.mu.Unlock()
	for _, n := range names {
		if a := ex.apps[n]; a != nil && a.conn == c {
			a.conn = nil
			a.tidy()
		}
	}
}

// tidy destroys an application that nobody listens to and that has no channel,
// and its filter with it.
func (a *app) tidy() {
	if a.conn == nil && len(a.channels) == 0 && a.ex.apps[a.name] == a {
		delete(a.ex.apps, a.name)
	}
}

func (a *app) leave() {
	if a.conn != nil {
		a.conn.close()
		a.conn = nil
	}
}

func (a *app) wants(eventType string) bool {
	for _, b := range a.ban {
		if b == eventType {
			return false
		}
	}
	if len(a.allow) == 0 {
		return true
	}
	for _, w := range a.allow {
		if w == eventType {
			return true
		}
	}
	return false
}

// send delivers an event to the application, or loses it.
func (a *app) send(e event) {
	if !a.wants(e.Type) {
		return
	}
	if a.conn == nil {
		a.ex.counters.Missed++
		return
	}
	e.Application, e.AsteriskID = a.name, asteriskID
	if e.Timestamp == "" {
		e.Timestamp = stamp(time.Now())
	}
	a.ex.counters.Events++
	for _, m := range a.ex.faults.distort(e.Type, encode(e)) {
		a.conn.put(m)
	}
}

// emit sends an event to every application that watches the channel.
func (ex *Exchange) emit(ch *channel, e event) {
	ex.broadcast(func(a *app) bool { return a.channels[ch.id] }, e)
}

// announce sends an event to every application that watches the bridge.
func (ex *Exchange) announce(b *bridge, e event) {
	ex.broadcast(func(a *app) bool { return a.bridges[b.id] }, e)
}

func (ex *Exchange) broadcast(watches func(*app) bool, e event) {
	for _, a := range ex.apps {
		if a.all || watches(a) {
			a.send(e)
		}
	}
}

func (ex *Exchange) appJSON(a *app) any {
	type rule struct {
		Type string `json:"type"`
	}
	rules := func(types []string) []rule {
		out := []rule{}
		for _, t := range types {
			out = append(out, rule{t})
		}
		return out
	}
	return struct {
		Name       string   `json:"name"`
		Channels   []string `json:"channel_ids"`
		Bridges    []string `json:"bridge_ids"`
		Endpoints  []string `json:"endpoint_ids"`
		Devices    []string `json:"device_names"`
		Allowed    []rule   `json:"events_allowed"`
		Disallowed []rule   `json:"events_disallowed"`
	}{a.name, keys(a.channels), keys(a.bridges), []string{}, []string{}, rules(a.allow), rules(a.ban)}
}

func (ex *Exchange) setFilter(a *app, body []byte) error {
	type rule struct {
		Type string `json:"type"`
	}
	var f struct {
		Allowed    []rule `json:"allowed"`
		Disallowed []rule `json:"disallowed"`
	}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &f); err != nil {
			return err
		}
	}
	a.allow, a.ban = nil, nil
	for _, r := range f.Allowed {
		a.allow = append(a.allow, r.Type)
	}
	for _, r := range f.Disallowed {
		a.ban = append(a.ban, r.Type)
	}
	return nil
}
