package twin

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ringmaster/internal/lab/twin/callee"
)

// client is a bare ARI client of the tests: it decides nothing.
type client struct {
	t    *testing.T
	ex   *Exchange
	http *http.Client
	ws   *websocket.Conn

	mu     sync.Mutex
	events []got
	more   chan struct{}
	ended  bool
}

type got struct {
	Type       string
	Args       []string
	Cause      *int
	TechCause  int `json:"tech_cause"`
	Soft       bool
	DialStatus string
	Digit      string
	Variable   string
	Channel    struct{ ID, State string }
	Peer       struct{ ID, State string }
	Playback   struct{ ID, State string }
	Recording  struct{ Name, State string }

	raw []byte
	at  time.Time
}

func (g got) id() string {
	if g.Type == "Dial" {
		return g.Peer.ID
	}
	return g.Channel.ID
}

func start(t *testing.T, cfg Config) *Exchange {
	t.Helper()
	cfg.Keep = true
	ex, err := Start(cfg, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ex.Close)
	return ex
}

// connect opens the event socket of an application.
func connect(t *testing.T, ex *Exchange, app string) *client {
	t.Helper()
	c := &client{t: t, ex: ex, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 50}}, more: make(chan struct{})}
	u := strings.Replace(ex.URL(), "http", "ws", 1) + "/events?app=" + app + "&api_key=" + ex.cfg.User + ":" + ex.cfg.Password
	ws, _, err := websocket.Dial(t.Context(), u, nil)
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(1 << 20)
	c.ws = ws
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.read()
	}()
	t.Cleanup(func() {
		_ = ws.CloseNow()
		<-done
		c.http.CloseIdleConnections()
	})
	return c
}

func (c *client) read() {
	for {
		_, b, err := c.ws.Read(context.Background())
		c.mu.Lock()
		if err != nil {
			c.ended = true
		} else {
			g := got{raw: b, at: time.Now()}
			if json.Unmarshal(b, &g) != nil {
				g.Type = "not an event"
			}
			c.events = append(c.events, g)
		}
		close(c.more)
		c.more = make(chan struct{})
		c.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// until waits for an event that satisfies f, among all that ever came.
func (c *client) until(what string, f func(got) bool) got {
	c.t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		c.mu.Lock()
		for _, e := range c.events {
			if f(e) {
				c.mu.Unlock()
				return e
			}
		}
		more := c.more
		c.mu.Unlock()
		select {
		case <-more:
		case <-deadline:
			c.t.Fatalf("no %s; events: %v", what, c.types(""))
		}
	}
}

func (c *client) event(typ, id string) got {
	c.t.Helper()
	return c.until(typ+" of "+id, func(g got) bool { return g.Type == typ && (id == "" || g.id() == id) })
}

// types are the events of a channel so far, as words.
func (c *client) types(id string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, e := range c.events {
		if id != "" && e.id() != id {
			continue
		}
		w := e.Type
		switch e.Type {
		case "Dial":
			w += ":" + e.DialStatus
		case "ChannelStateChange":
			w += ":" + e.Channel.State
		case "ChannelVarset":
			w += ":" + e.Variable
		}
		out = append(out, w)
	}
	return out
}

// ask sends a request and returns the status and the decoded answer.
func (c *client) ask(method, path string, body string) (int, map[string]any) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.ex.URL()+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.SetBasicAuth(c.ex.cfg.User, c.ex.cfg.Password)
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	var out map[string]any
	_ = json.Unmarshal(b, &out)
	return resp.StatusCode, out
}

func (c *client) must(code int, method, path string) map[string]any {
	c.t.Helper()
	is, body := c.ask(method, path, "")
	if is != code {
		c.t.Fatalf("%s %s: %d %v, want %d", method, path, is, body, code)
	}
	return body
}

func (c *client) originate(id, number string, extra ...string) {
	c.t.Helper()
	c.must(200, "POST", "/channels?endpoint="+url.QueryEscape("PJSIP/"+number+"@lab")+"&app=a&channelId="+id+strings.Join(extra, ""))
}

func (c *client) gone(id string) got {
	c.t.Helper()
	return c.event("ChannelDestroyed", id)
}

// leg is a media websocket of the tests.
type leg struct {
	t  *testing.T
	ws *websocket.Conn

	mu     sync.Mutex
	text   []string
	frames [][]byte
	at     []time.Time
	err    error
}

func (c *client) media(id, format, control string) *leg {
	c.t.Helper()
	m := c.must(200, "POST", "/channels/externalMedia?app=a&channelId="+id+"&format="+format+
		"&external_host=INCOMING&encapsulation=none&transport=websocket&connection_type=server&transport_data="+control)
	conn, _ := m["channelvars"].(map[string]any)["MEDIA_WEBSOCKET_CONNECTION_ID"].(string)
	ws, _, err := websocket.Dial(c.t.Context(), "ws://"+c.ex.Addr()+"/media/"+conn, &websocket.DialOptions{Subprotocols: []string{"media"}})
	if err != nil {
		c.t.Fatal(err)
	}
	l := &leg{t: c.t, ws: ws}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			kind, b, err := ws.Read(context.Background())
			l.mu.Lock()
			switch {
			case err != nil:
				l.err = err
			case kind == websocket.MessageText:
				l.text = append(l.text, string(b))
			default:
				l.frames, l.at = append(l.frames, b), append(l.at, time.Now())
			}
			l.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	c.t.Cleanup(func() {
		_ = ws.CloseNow()
		<-done
	})
	c.event("StasisStart", id)
	return l
}

func (l *leg) send(kind websocket.MessageType, b []byte) {
	l.t.Helper()
	if err := l.ws.Write(l.t.Context(), kind, b); err != nil {
		l.t.Fatal(err)
	}
}

func (l *leg) command(s string) { l.t.Helper(); l.send(websocket.MessageText, []byte(s)) }

// hear waits for a control message that contains all the words.
func (l *leg) hear(words ...string) string {
	l.t.Helper()
	var out string
	eventually(l.t, strings.Join(words, " "), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		i := slices.IndexFunc(l.text, func(s string) bool {
			return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(s, w) })
		})
		if i >= 0 {
			out = l.text[i]
		}
		return i >= 0
	})
	return out
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for range 500 {
		if f() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// pcmBytes are samples as slin.
func pcmBytes(s []int16) []byte {
	b := make([]byte, 0, 2*len(s))
	for _, v := range s {
		b = append(b, byte(v), byte(uint16(v)>>8))
	}
	return b
}

func tone(hz float64, d time.Duration) []int16 { return callee.Tone(hz, d, 8000) }
