package ari

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"ringmaster/internal/pbx"
)

// Config of a Client. URL, User, Password and App are required.
type Config struct {
	// URL is the base of ARI, such as http://127.0.0.1:8088/ari.
	URL string
	// User and Password of ari.conf.
	User, Password string
	// App is the Stasis application: prefix + controller id, [A-Za-z0-9._-].
	App string
	// RequestTimeout bounds one request; 5 s if zero.
	RequestTimeout time.Duration
	// PingPeriod of the event socket; 5 s if zero. Three periods of silence end it.
	PingPeriod time.Duration
	// MaxConnections bounds the HTTP pool; 32 if zero. It has to stay below
	// sessionlimit of http.conf (default 100), the event socket included.
	MaxConnections int
	// BackoffMin and BackoffMax bound the wait between connection attempts;
	// 100 ms and 10 s if zero.
	BackoffMin, BackoffMax time.Duration
	// TLS is used for https URLs; nil takes the system's roots.
	TLS *tls.Config
	// Log may be nil.
	Log *slog.Logger
}

func (c Config) withDefaults() (Config, *url.URL, error) {
	u, err := url.Parse(c.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" {
		return c, nil, fmt.Errorf("%w: url must be like http://127.0.0.1:8088/ari", ErrConfig)
	}
	if c.User == "" || c.Password == "" || strings.Contains(c.User, ":") {
		return c, nil, fmt.Errorf("%w: user and password of ari.conf are needed", ErrConfig)
	}
	if c.App == "" || len(c.App) > 64 || !plain(c.App) {
		return c, nil, fmt.Errorf("%w: the application name is 1 to 64 of [A-Za-z0-9._-]", ErrConfig)
	}
	setDefault(&c.RequestTimeout, 5*time.Second)
	setDefault(&c.PingPeriod, 5*time.Second)
	setDefault(&c.MaxConnections, 32)
	setDefault(&c.BackoffMin, 100*time.Millisecond)
	setDefault(&c.BackoffMax, 10*time.Second)
	if c.MaxConnections < 1 || c.MaxConnections > 1000 {
		return c, nil, fmt.Errorf("%w: 1 to 1000 connections, below sessionlimit of http.conf", ErrConfig)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, u, nil
}

func setDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// plain reports whether s is only [A-Za-z0-9._-].
func plain(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

// Client speaks to one Asterisk. Requests work as soon as New returned, also
// while the event socket is down; Run keeps the event socket.
type Client struct {
	cfg     Config
	base    *url.URL
	http    *http.Client
	handler Handler

	malformed atomic.Uint64
	lastStart atomic.Pointer[time.Time]
}

// New makes a Client; nothing is sent yet.
func New(cfg Config, h Handler) (*Client, error) {
	cfg, base, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: min(3*time.Second, cfg.RequestTimeout), KeepAlive: 15 * time.Second}
	transport := &http.Transport{
		DialContext:         dialer.DialContext,
		TLSClientConfig:     cfg.TLS,
		TLSHandshakeTimeout: cfg.RequestTimeout,
		DisableCompression:  true,
		MaxConnsPerHost:     cfg.MaxConnections,
		MaxIdleConns:        cfg.MaxConnections,
		MaxIdleConnsPerHost: cfg.MaxConnections,
		// Below session_keep_alive of http.conf (default 15 s), so that we and
		// not Asterisk close an idle connection.
		IdleConnTimeout:        10 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &Client{
		cfg: cfg, base: base, handler: h,
		http: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// App is the Stasis application's name.
func (c *Client) App() string { return c.cfg.App }

// Malformed counts events that could not be read, or only in part.
func (c *Client) Malformed() uint64 { return c.malformed.Load() }

// CloseIdle closes connections that are not in use.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// Answers larger than these are refused unread.
const (
	maxAnswer = 1 << 20
	maxList   = 64 << 20
)

// request is one exchange with ARI. Segments are escaped one by one.
type request struct {
	op       string // for errors: "originate"
	method   string
	segments []string
	query    url.Values
	body     any // marshalled as JSON if not nil
	out      any // decoded from a 2xx answer if not nil
	limit    int64
}

func (c *Client) endpoint(segments []string, query url.Values) *url.URL {
	u := *c.base
	path, raw := strings.TrimSuffix(u.Path, "/"), strings.TrimSuffix(u.EscapedPath(), "/")
	for _, s := range segments {
		path += "/" + s
		raw += "/" + url.PathEscape(s)
	}
	u.Path, u.RawPath, u.RawQuery = path, raw, query.Encode()
	return &u
}

// checkSegments refuses what net/url would not escape but a server may fold.
func checkSegments(op string, segments []string) error {
	for _, s := range segments {
		if s == "" || s == "." || s == ".." || len(s) > 255 {
			return fmt.Errorf("%w: %s: an id of %d bytes cannot be named on ARI", pbx.ErrRefused, op, len(s))
		}
	}
	return nil
}

func (c *Client) do(ctx context.Context, r request) error {
	if err := checkSegments(r.op, r.segments); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	resp, err := c.send(ctx, r)
	if err != nil {
		return c.transportError(r.op, sent.Load(), err)
	}
	defer func() { _ = resp.Body.Close() }()
	limit := r.limit
	if limit == 0 {
		limit = maxAnswer
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if resp.StatusCode >= 300 {
		return &Error{Op: r.op, Status: resp.StatusCode, Text: refusalText(data)}
	}
	if r.out == nil {
		return nil // 2xx: carried out, whatever the body says
	}
	if err != nil {
		return c.transportError(r.op, true, err)
	}
	if int64(len(data)) > limit {
		return fmt.Errorf("%w: %s: %w: an answer of more than %d bytes", pbx.ErrUnknown, r.op, ErrHostile, limit)
	}
	if _, err := decode(data, r.out); err != nil {
		return fmt.Errorf("%w: %s: %w", pbx.ErrUnknown, r.op, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	var body io.Reader
	if r.body != nil {
		data, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, c.endpoint(r.segments, r.query).String(), body)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.SetBasicAuth(c.cfg.User, c.cfg.Password)
	return c.http.Do(req)
}

// transportError sorts a failure without an answer: before a connection was
// had, nothing can have been sent; after it, everything may have been. The URL
// stays out of the words, because it may hold a number.
func (c *Client) transportError(op string, sent bool, err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	kind := pbx.ErrUnavailable
	if sent {
		kind = pbx.ErrUnknown
	}
	return fmt.Errorf("%w: %s: %w", kind, op, err)
}

// refusalText finds Asterisk's own words; it uses "message" or "error".
func refusalText(data []byte) string {
	var body struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	if len(data) > maxAnswer {
		return ""
	}
	if _, err := decode(data, &body); err != nil {
		return ""
	}
	if body.Message == "" {
		body.Message = body.Error
	}
	return clean(body.Message, 200)
}
