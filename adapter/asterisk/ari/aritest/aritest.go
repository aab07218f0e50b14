// Package aritest is a scripted ARI server for tests of hard edges: lost and
// late replies, half-open sockets, garbage, replaced applications. It has no
// idea of telephony; a test says what each request is answered with.
package aritest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// User and Password that the server wants.
const (
	User     = "tester"
	Password = "s3cret"
)

// Request is one request as it came in.
type Request struct {
	Method, Path string // Path without /ari, as escaped on the wire
	Query        map[string][]string
	Body         string
}

// Q is a query value.
func (r Request) Q(name string) string {
	if v := r.Query[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Reply answers a request; false leaves it to the default (204).
type Reply func(w http.ResponseWriter, r Request) bool

// Server is the scripted exchange.
type Server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []Request
	reply    Reply
	started  time.Time
	version  string
	conns    []*websocket.Conn
	opened   int
	arriving int               // handshakes that are not yet in conns
	channels map[string]string // id -> state
	bridges  map[string][]string
	changed  chan struct{}
	noSocket bool
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{
		started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), version: "22.10.1",
		channels: map[string]string{}, bridges: map[string][]string{}, changed: make(chan struct{}),
	}
	s.Server = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		s.DropSockets()
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// ARI is the base URL.
func (s *Server) ARI() string { return s.URL + "/ari" }

// Script sets the answers.
func (s *Server) Script(r Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reply = r
}

// Restart makes the exchange look as if it had started again at at.
func (s *Server) Restart(at time.Time) {
	s.mu.Lock()
	s.started = at
	s.channels, s.bridges = map[string]string{}, map[string][]string{}
	s.mu.Unlock()
	s.DropSockets()
}

// SetVersion changes the version that /asterisk/info tells.
func (s *Server) SetVersion(v string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version = v
}

// SetChannel puts a channel into the lists; an empty state removes it.
func (s *Server) SetChannel(id, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state == "" {
		delete(s.channels, id)
		return
	}
	s.channels[id] = state
}

// SetBridge puts a bridge into the list.
func (s *Server) SetBridge(id string, channels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bridges[id] = channels
}

// RefuseSockets makes the event socket unavailable while on.
func (s *Server) RefuseSockets(on bool) {
	s.mu.Lock()
	s.noSocket = on
	s.mu.Unlock()
	if on {
		s.DropSockets()
	}
}

// Requests are all requests so far but the event socket.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Request(nil), s.requests...)
}

// Count is how many requests had method and a path with this prefix.
func (s *Server) Count(method, prefix string) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Method == method && strings.HasPrefix(r.Path, prefix) {
			n++
		}
	}
	return n
}

// Await waits until a request with method and path prefix was seen n times.
func (s *Server) Await(t testing.TB, n int, method, prefix string) {
	t.Helper()
	s.until(t, func() bool { return s.Count(method, prefix) >= n }, "%d of %s %s", n, method, prefix)
}

// AwaitSocket waits for the n-th event socket.
func (s *Server) AwaitSocket(t testing.TB, n int) {
	t.Helper()
	s.until(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.opened >= n
	}, "event socket %d", n)
}

func (s *Server) until(t testing.TB, ok func() bool, format string, args ...any) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			var seen []string
			for _, r := range s.Requests() {
				seen = append(seen, r.Method+" "+r.Path)
			}
			t.Fatalf("waited in vain for "+format+"; seen:\n%s", append(args, strings.Join(seen, "\n"))...)
		}
	}
}

// Emit sends an event, a value or a string of JSON, to every event socket.
func (s *Server) Emit(t testing.TB, event any) {
	t.Helper()
	data, ok := event.(string)
	if !ok {
		b, err := json.Marshal(event)
		if err != nil {
			t.Fatal(err)
		}
		data = string(b)
	}
	s.settled(t)
	s.mu.Lock()
	conns := append([]*websocket.Conn(nil), s.conns...)
	s.mu.Unlock()
	for _, c := range conns {
		_ = c.Write(context.Background(), websocket.MessageText, []byte(data))
	}
}

// settled waits until every handshake that a client saw the end of is in
// conns.
func (s *Server) settled(t testing.TB) {
	t.Helper()
	s.until(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.arriving == 0 }, "handshakes")
}

// DropSockets cuts every event socket whose handshake is over.
func (s *Server) DropSockets() {
	deadline := time.After(2 * time.Second)
	for {
		s.mu.Lock()
		n, changed := s.arriving, s.changed
		s.mu.Unlock()
		if n == 0 {
			break
		}
		select {
		case <-changed:
		case <-deadline:
			return
		}
	}
	s.mu.Lock()
	conns := s.conns
	s.conns = nil
	s.mu.Unlock()
	for _, c := range conns {
		_ = c.CloseNow()
	}
}

func (s *Server) note() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	user, password, _ := r.BasicAuth()
	if user != User || password != Password {
		http.Error(w, `{"message":"Authentication required"}`, http.StatusUnauthorized)
		return
	}
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/ari")
	if path == "/events" {
		s.events(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	req := Request{Method: r.Method, Path: path, Query: r.URL.Query(), Body: string(body)}
	s.mu.Lock()
	s.requests = append(s.requests, req)
	reply := s.reply
	s.note()
	s.mu.Unlock()
	if reply != nil && reply(w, req) {
		return
	}
	s.fallback(w, req)
}

func (s *Server) fallback(w http.ResponseWriter, r Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	type channel struct {
		ID    string `json:"id"`
		State string `json:"state"`
		Name  string `json:"name"`
	}
	id, _ := strings.CutPrefix(r.Path, "/channels/")
	switch {
	case r.Path == "/asterisk/info":
		JSON(w, 200, fmt.Sprintf(`{"system":{"version":%q},"status":{"startup_time":%q}}`,
			s.version, s.started.Format("2006-01-02T15:04:05.000-0700")))
	case r.Method == http.MethodGet && r.Path == "/channels":
		list := []channel{}
		for id, state := range s.channels {
			list = append(list, channel{id, state, "PJSIP/x-" + id})
		}
		reply(w, list)
	case r.Method == http.MethodGet && r.Path == "/bridges":
		list := []map[string]any{}
		for id, members := range s.bridges {
			list = append(list, map[string]any{"id": id, "channels": members})
		}
		reply(w, list)
	case r.Method == http.MethodGet && strings.HasPrefix(r.Path, "/applications/"):
		ids := []string{}
		for id := range s.channels {
			ids = append(ids, id)
		}
		reply(w, map[string]any{"channel_ids": ids})
	case r.Method == http.MethodGet && s.channels[id] != "":
		reply(w, channel{id, s.channels[id], "PJSIP/x-" + id})
	case r.Method == http.MethodGet:
		JSON(w, 404, `{"message":"Channel not found"}`)
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func reply(w http.ResponseWriter, v any) {
	b, _ := json.Marshal(v)
	JSON(w, 200, string(b))
}

// JSON writes an answer.
func JSON(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// Hijack takes the connection from HTTP and closes it without an answer.
func Hijack(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if c, _, err := h.Hijack(); err == nil {
			_ = c.Close()
		}
	}
}

func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	refuse := s.noSocket
	if !refuse {
		s.arriving++
	}
	s.mu.Unlock()
	if refuse {
		http.Error(w, "no", http.StatusServiceUnavailable)
		return
	}
	c, err := websocket.Accept(w, r, nil)
	s.mu.Lock()
	s.arriving--
	if err == nil {
		s.conns = append(s.conns, c)
		s.opened++
	}
	s.note()
	s.mu.Unlock()
	if err != nil {
		return
	}
	// Reading answers pings and sees the end.
	for {
		if _, _, err := c.Read(context.Background()); err != nil {
			return
		}
	}
}
