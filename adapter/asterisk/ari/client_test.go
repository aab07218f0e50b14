package ari

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/adapter/asterisk/ari/aritest"
	"ringmaster/internal/pbx"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func config(url string) Config {
	return Config{
		URL: url, User: aritest.User, Password: aritest.Password, App: "rm-c1", RequestTimeout: time.Second,
		PingPeriod: time.Second, BackoffMin: 5 * time.Millisecond, BackoffMax: 20 * time.Millisecond, Log: quiet(),
	}
}

func client(t *testing.T, url string, h Handler) *Client {
	t.Helper()
	c, err := New(config(url), h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdle)
	return c
}

// Which of the three kinds a failure is decides whether a number may be dialled again.
func TestThreeKindsOfFailure(t *testing.T) {
	s := aritest.New(t)
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + free.Addr().String() + "/ari"
	_ = free.Close()

	var next atomic.Value // func(w http.ResponseWriter)
	s.Script(func(w http.ResponseWriter, r aritest.Request) bool {
		if r.Path != "/channels" {
			return false
		}
		next.Load().(func(http.ResponseWriter))(w)
		return true
	})
	answer := func(status int, body string) func(http.ResponseWriter) {
		return func(w http.ResponseWriter) { aritest.JSON(w, status, body) }
	}
	for name, tc := range map[string]struct {
		url   string
		reply func(http.ResponseWriter)
		want  error
		text  string
	}{
		"nobody listens":    {url: closed, want: pbx.ErrUnavailable},
		"lost reply":        {reply: aritest.Hijack, want: pbx.ErrUnknown},
		"late reply":        {reply: func(http.ResponseWriter) { time.Sleep(1500 * time.Millisecond) }, want: pbx.ErrUnknown},
		"allocation failed": {reply: answer(500, `{"error":"Allocation failed"}`), want: pbx.ErrRefused, text: "Allocation failed"},
		"exists":            {reply: answer(409, `{"message":"Channel with given unique ID already exists"}`), want: pbx.ErrRefused, text: "already exists"},
		"read only":         {reply: answer(403, `{}`), want: pbx.ErrRefused, text: "read_only"},
		"a page, not ARI":   {reply: answer(502, strings.Repeat("<html>", 400000)), want: pbx.ErrRefused, text: "502"},
		"hostile words":     {reply: answer(400, `{"message":"a\r\nb\u0000`+strings.Repeat("x", 999)+`"}`), want: pbx.ErrRefused, text: "400 Bad Request: a  b x"},
		"redirect":          {reply: func(w http.ResponseWriter) { w.Header().Set("Location", "/evil"); w.WriteHeader(http.StatusFound) }, want: pbx.ErrRefused},
		"accepted":          {reply: answer(200, `{"id":"x"}`)},
		"accepted, no JSON": {reply: answer(200, `oops`)},
	} {
		t.Run(name, func(t *testing.T) {
			url := tc.url
			if url == "" {
				url = s.ARI()
			}
			next.Store(tc.reply)
			c := client(t, url, nil)
			err := c.Originate(t.Context(), Originate{ChannelID: "x", Endpoint: "PJSIP/+8613800001111@t", Timeout: time.Second})
			if !errors.Is(err, tc.want) || (tc.want == nil) != (err == nil) {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if err != nil && (!strings.Contains(err.Error(), tc.text) || strings.ContainsAny(err.Error(), "\r\n\x00") || len(err.Error()) > 500) {
				t.Fatalf("error text %q", err)
			}
			if err != nil && strings.Contains(err.Error(), "1380000") {
				t.Fatalf("a number in %q", err)
			}
		})
	}
	if n := s.Count("POST", "/channels"); n != 10 {
		t.Fatalf("%d requests for 10 calls: something was sent again", n)
	}
}

func TestContextEndsRequest(t *testing.T) {
	s := aritest.New(t)
	s.Script(func(w http.ResponseWriter, r aritest.Request) bool { time.Sleep(800 * time.Millisecond); return false })
	c := client(t, s.ARI(), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := c.Answer(ctx, "x"); !errors.Is(err, pbx.ErrUnknown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if err := c.Answer(ctx, "x"); !errors.Is(err, pbx.ErrUnavailable) {
		t.Fatal(err)
	}
}

func TestNothingEscapesItsSegment(t *testing.T) {
	s := aritest.New(t)
	c := client(t, s.ARI(), nil)
	for id, want := range map[string]string{
		"a/b": "/channels/a%2Fb", "x?y#z": "/channels/x%3Fy%23z", "a b": "/channels/a%20b", "%2e%2e": "/channels/%252e%252e",
		"é;,": "/channels/%C3%A9%3B%2C",
	} {
		if err := c.Hangup(t.Context(), id, 16); err != nil {
			t.Fatal(err)
		}
		rs := s.Requests()
		if got := rs[len(rs)-1]; got.Path != want || got.Q("reason_code") != "16" {
			t.Errorf("id %q: %s", id, got.Path)
		}
	}
	for _, id := range []string{"", ".", "..", strings.Repeat("x", 256)} {
		if err := c.Hangup(t.Context(), id, 16); !errors.Is(err, pbx.ErrRefused) {
			t.Errorf("id %q: %v", id, err)
		}
	}
}

// Hazard c.4.2: an invalid f() kills the exchange.
func TestTransportDataIsWhitelisted(t *testing.T) {
	s := aritest.New(t)
	c := client(t, s.ARI(), nil)
	for _, td := range []string{"f(xml)", "f()", "v(a=b)f(json)", "f(json)x", "f(plain-text)"} {
		if _, err := c.ExternalMedia(t.Context(), ExternalMedia{ChannelID: "m", TransportData: td}); !errors.Is(err, pbx.ErrRefused) {
			t.Errorf("%q: %v", td, err)
		}
	}
	if len(s.Requests()) != 0 {
		t.Fatal("it was sent")
	}
}

func TestHostileAnswers(t *testing.T) {
	s := aritest.New(t)
	var body string
	s.Script(func(w http.ResponseWriter, r aritest.Request) bool { aritest.JSON(w, 200, body); return true })
	c := client(t, s.ARI(), nil)
	for name, b := range map[string]string{
		"deeper than ours": strings.Repeat(`[`, 33) + strings.Repeat(`]`, 33), "deep": strings.Repeat(`[`, 100000), "huge": `{"id":"` + strings.Repeat("x", maxAnswer) + `"}`, "empty": "", "text": "hello",
	} {
		body = b
		if _, err := c.Channel(t.Context(), "x"); !errors.Is(err, pbx.ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	body = `{"id":["no"],"state":7,"name":"n"}`
	if ch, err := c.Channel(t.Context(), "x"); err != nil || ch.Name != "n" || ch.ID != "" {
		t.Errorf("wrong types: %+v %v", ch, err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no url": func(c *Config) { c.URL = "" }, "ws url": func(c *Config) { c.URL = "ws://x/ari" },
		"password in url": func(c *Config) { c.URL = "http://a:b@x/ari" }, "no password": func(c *Config) { c.Password = "" },
		"app with space": func(c *Config) { c.App = "a b" }, "app with comma": func(c *Config) { c.App = "a,b" },
		"too many connections": func(c *Config) { c.MaxConnections = 5000 },
	} {
		cfg := config("http://127.0.0.1:1/ari")
		change(&cfg)
		if _, err := New(cfg, nil); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Hazard k.9: more connections than sessionlimit are refused by Asterisk, so ours are bounded.
func TestPoolStaysBelowLimit(t *testing.T) {
	var mu sync.Mutex
	open, most := 0, 0
	s := aritest.New(t)
	s.Script(func(w http.ResponseWriter, r aritest.Request) bool {
		mu.Lock()
		open++
		most = max(most, open)
		mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
		open--
		mu.Unlock()
		return false
	})
	cfg := config(s.ARI())
	cfg.MaxConnections, cfg.RequestTimeout = 4, 5*time.Second
	c, err := New(cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseIdle()
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			if err := c.Answer(t.Context(), fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if most > 4 {
		t.Fatalf("%d requests at once over a pool of 4", most)
	}
}

// silentExchange answers requests and the websocket handshake, then nothing more: a half-open peer.
func silentExchange(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() { serveSilently(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return "http://" + l.Addr().String() + "/ari"
}

func serveSilently(c net.Conn) {
	br := bufio.NewReader(c)
	for {
		req, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, req.Body)
		if req.Header.Get("Upgrade") != "" {
			_, _ = fmt.Fprintf(c, "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
				acceptKey(req.Header.Get("Sec-WebSocket-Key")))
			_, _ = io.Copy(io.Discard, br)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	}
}
