// Package webhook sends messages to a CRM by HTTP POST, signed so that the
// receiver can prove where they come from and drop what it has seen.
//
// Headers of every request (the form of the Standard Webhooks specification):
//
//	Webhook-Id:        the message ID, the same in every try
//	Webhook-Timestamp: Unix seconds
//	Webhook-Signature: v1,<base64 of HMAC-SHA-256(secret, id "." timestamp "." body)>
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"ringmaster/internal/outbox"
)

// Endpoint is a receiver.
type Endpoint struct {
	Name   string
	URL    string
	Secret []byte
	// Idempotent: it drops a second copy by Webhook-Id.
	Idempotent bool
	// AllowPrivate permits loopback, private and link-local targets.
	AllowPrivate bool
}

// Sender is an outbox.Sender for named endpoints.
type Sender struct {
	endpoints map[string]Endpoint
	public    *http.Client
	private   *http.Client
	now       func() time.Time
}

var errPrivate = errors.New("webhook target is a private, loopback or link-local address: set allow_private on the endpoint if that is meant")

// New checks the endpoints.
func New(endpoints []Endpoint) (*Sender, error) {
	s := &Sender{endpoints: map[string]Endpoint{}, public: client(true, nil), private: client(false, nil), now: time.Now}
	for _, e := range endpoints {
		u, err := url.Parse(e.URL)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil {
			return nil, fmt.Errorf("webhook %q: the URL must be http(s)://host/path without a password in it", e.Name)
		}
		if len(e.Secret) < 16 {
			return nil, fmt.Errorf("webhook %q: the secret must have at least 16 bytes", e.Name)
		}
		s.endpoints[e.Name] = e
	}
	return s, nil
}

// client refuses what resolves to an address inside, at the moment of the
// connection, so that a name that changes its mind (DNS rebinding) gains
// nothing. Redirects are not followed.
func client(guard bool, resolver *net.Resolver) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Resolver: resolver}
	if guard {
		dialer.Control = func(_, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil || !Public(ap.Addr()) {
				return errPrivate
			}
			return nil
		}
	}
	return &http.Client{
		Transport:     &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, TLSHandshakeTimeout: 5 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Public reports an address of the public internet.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("") // no prefix contains an address with a zone
	for _, p := range reserved {
		if p.Contains(a) {
			return false
		}
	}
	return a.IsGlobalUnicast() && !a.IsPrivate() && !a.IsLoopback() && !a.IsLinkLocalUnicast()
}

// reserved ranges besides those that net/netip knows (RFC 6890 and updates).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("100::/64"), netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
	netip.MustParsePrefix("::/8"), netip.MustParsePrefix("3fff::/20"), netip.MustParsePrefix("5f00::/16"), netip.MustParsePrefix("192.88.99.0/24"),
	netip.MustParsePrefix("168.63.129.16/32"), // the host below a machine of Azure, at an address that looks public
}

// Idempotent says whether the endpoint drops a second copy.
func (s *Sender) Idempotent(destination string) bool { return s.endpoints[destination].Idempotent }

// Send posts one message.
func (s *Sender) Send(ctx context.Context, d outbox.Delivery) (int, error) {
	e, ok := s.endpoints[d.Destination]
	if !ok {
		return 0, fmt.Errorf("%w: no webhook endpoint %q is configured", outbox.ErrPermanent, d.Destination)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(d.Body))
	if err != nil {
		return 0, fmt.Errorf("%w: %w", outbox.ErrPermanent, err)
	}
	ts := strconv.FormatInt(s.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "ringmaster")
	req.Header.Set("Webhook-Id", d.ID.String())
	req.Header.Set("Webhook-Timestamp", ts)
	req.Header.Set("Webhook-Signature", Sign(e.Secret, d.ID.String(), ts, d.Body))
	c := s.public
	if e.AllowPrivate {
		c = s.private
	}
	var connected atomic.Bool
	req = req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }}))
	resp, err := c.Do(req)
	if err != nil {
		return 0, classify(err, connected.Load())
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	switch {
	case resp.StatusCode >= 200 && resp.StatusCode < 300:
		return resp.StatusCode, nil
	case resp.StatusCode == http.StatusGone, resp.StatusCode >= 300 && resp.StatusCode < 400:
		return resp.StatusCode, fmt.Errorf("%w: it answered %d", outbox.ErrPermanent, resp.StatusCode)
	}
	return resp.StatusCode, fmt.Errorf("receiver answered %d", resp.StatusCode)
}

// classify tells a connection that was never made (TLS included) from an
// answer that never came. The receiver's URL stays out of the error: it may
// hold a token.
func classify(err error, connected bool) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	var oe *net.OpError
	switch {
	case errors.Is(err, errPrivate):
		return fmt.Errorf("%w: %w", outbox.ErrPermanent, errPrivate)
	case connected:
		return fmt.Errorf("%w: %w", outbox.ErrNoAnswer, err)
	case errors.As(err, &oe):
		err = oe.Err
	}
	return fmt.Errorf("receiver cannot be reached: %w", err)
}

// Sign is the signature header of a message.
func Sign(secret []byte, id, timestamp string, body []byte) string {
	m := hmac.New(sha256.New, secret)
	for _, part := range [][]byte{[]byte(id), []byte("."), []byte(timestamp), []byte("."), body} {
		m.Write(part)
	}
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}
