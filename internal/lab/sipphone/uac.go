package sipphone

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/icholy/digest"
)

// Account is what a telephone needs to register or to place a call.
type Account struct {
	Server   string // host:port of the exchange's SIP port
	User     string
	Password string
	// AuthUser is the name for digest authentication; empty means User.
	AuthUser string
	// Expires is the registration's life; 0 means 300 s.
	Expires time.Duration
}

func (a Account) authUser() string {
	if a.AuthUser != "" {
		return a.AuthUser
	}
	return a.User
}

// Dial describes a call to place.
type Dial struct {
	Account
	To      string // user part of the request URI
	Display string // our display name
	Headers []Header
	// Script runs once the call is answered; nil listens.
	Script Script
	// CancelAfter cancels the call when it has not been answered by then; 0
	// waits as long as the other side does.
	CancelAfter time.Duration
}

// outbound is what an INVITE of ours needs until it is over.
type outbound struct {
	dial     Dial
	server   netip.AddrPort
	from     string
	uri      string
	branch   string
	seq      uint32
	attempts int
	auth     [2]string // header and value
	ringing  bool      // a provisional response came: CANCEL may be sent
	wanted   bool      // CANCEL as soon as it may be sent
	sent     bool      // CANCEL is out
	reason   string
	acked    []byte // ACK of the 200, to be repeated
}

// Dial places a call and returns when the INVITE has left; WaitAnswered tells
// what comes of it.
func (p *Phone) Dial(d Dial) (*Call, error) {
	server, err := resolve(d.Server)
	if err != nil {
		return nil, err
	}
	c, err := p.newCall(false, d.To, sip.GenerateTagN(24)+"@"+p.Addr().Addr().String())
	if err != nil {
		return nil, err
	}
	from := d.User
	if from == "" {
		from = "phone"
	}
	c.out = &outbound{dial: d, server: server, from: from, uri: fmt.Sprintf("sip:%s@%s", d.To, server)}
	c.peer, c.target = server, c.out.uri
	display := ""
	if d.Display != "" {
		display = `"` + strings.ReplaceAll(oneLine(d.Display), `"`, "'") + `" `
	}
	c.local = fmt.Sprintf("%s<sip:%s@%s>;tag=%s", display, from, server, c.localTag)
	c.remote = fmt.Sprintf("<%s>", c.out.uri)
	if !p.add(c) {
		_ = c.media.sock.close()
		c.cancel(ErrClosed)
		return nil, ErrClosed
	}
	script := Script{{"wait for the answer", func(ctx context.Context, c *Call) error { return c.WaitAnswered(ctx) }}}
	c.mu.Lock()
	c.rec.InviteAt = time.Now()
	c.sendInvite()
	c.mu.Unlock()
	c.start(append(script, d.Script...))
	if d.CancelAfter > 0 {
		timer := time.AfterFunc(d.CancelAfter, func() { c.cancelInvite("") })
		context.AfterFunc(c.ctx, func() { timer.Stop() })
	}
	return c, nil
}

func resolve(server string) (netip.AddrPort, error) {
	a, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("sipphone: %q is no host:port: %w", server, err)
	}
	ap := a.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
}

// sendInvite sends the INVITE, again when credentials were asked for. The
// caller holds c.mu.
func (c *Call) sendInvite() {
	o := c.out
	o.branch, o.seq = newBranch(), c.cseq
	headers := []string{"Allow", allow}
	if o.auth[0] != "" {
		headers = append(headers, o.auth[0], o.auth[1])
	}
	for _, h := range o.dial.Headers {
		headers = append(headers, oneLine(h.Name), h.Value)
	}
	body := c.describe(c.phone.codecs, defaultEvents)
	data := c.build("INVITE", o.branch, o.seq, body, headers...)
	c.note(time.Now(), "INVITE sent")
	c.phone.request(o.branch, "INVITE", data, o.server, c.onInviteResponse, func() { c.end(Timeout, 408) })
}

// onInviteResponse follows the answer to our INVITE.
func (c *Call) onInviteResponse(res *sip.Response, src netip.AddrPort, at time.Time) {
	c.mu.Lock()
	switch {
	case res.StatusCode < 200:
		c.onProvisional(res, at)
		if c.out.wanted {
			c.sendCancel()
		}
		c.mu.Unlock()
	case res.StatusCode < 300:
		c.onAnswered(res, src, at)
		wanted, over := c.out.wanted, c.over
		c.mu.Unlock()
		if wanted && !over {
			c.bye("") // CANCEL and 200 crossed
		}
	default:
		over, by := c.onRefused(res, at)
		c.mu.Unlock()
		if over {
			c.end(by, res.StatusCode)
		}
	}
}

func (c *Call) onProvisional(res *sip.Response, at time.Time) {
	c.note(at, fmt.Sprintf("%d received", res.StatusCode))
	c.out.ringing = true
	if res.StatusCode == sip.StatusTrying || c.over {
		return
	}
	if c.rec.RingAt.IsZero() {
		c.rec.RingAt = at
	}
	if len(res.Body()) > 0 && c.rec.EarlyAt.IsZero() {
		if _, err := c.accept(res.Body()); err == nil {
			c.rec.EarlyAt = at
			c.talk()
		}
	}
}

// onAnswered acknowledges a 200, and again each time it is repeated.
func (c *Call) onAnswered(res *sip.Response, src netip.AddrPort, at time.Time) {
	if c.out.acked != nil {
		c.phone.transmit(c.out.acked, c.peer)
		return
	}
	c.remote = res.To().Value()
	c.peer = src
	if contact := res.Contact(); contact != nil {
		c.target = contact.Address.String()
	}
	c.routes = reverse(headerValues(res, "Record-Route"))
	c.out.acked = c.build("ACK", newBranch(), c.out.seq, nil)
	c.phone.transmit(c.out.acked, c.peer)
	if c.over {
		return
	}
	c.rec.AnswerAt, c.rec.Status, c.rec.AckAt = at, res.StatusCode, time.Now()
	c.note(at, "200 received")
	if _, err := c.accept(res.Body()); err != nil {
		c.rec.Err = err
	}
	c.talk()
	close(c.confirmed)
}

// onRefused acknowledges a final refusal (in the INVITE's own transaction),
// and tries again with credentials when they are asked for; else the call is
// over.
func (c *Call) onRefused(res *sip.Response, at time.Time) (over bool, by Party) {
	o := c.out
	saved := c.remote
	if to := res.To(); to != nil {
		c.remote = to.Value()
	}
	via := res.Via()
	branch, _ := via.Params.Get("branch")
	seq := res.CSeq().SeqNo
	c.phone.transmit(c.build("ACK", branch, seq, nil), o.server)
	c.remote = saved
	if c.over || branch != o.branch {
		return false, NotOver
	}
	c.note(at, fmt.Sprintf("%d received", res.StatusCode))
	asked := res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired
	if asked && o.attempts == 0 && o.dial.Password != "" && !o.wanted {
		o.attempts++
		name, value, err := credentials(res, "INVITE", o.uri, o.dial.Account)
		if err == nil {
			o.auth = [2]string{name, value}
			c.cseq++
			c.sendInvite()
			return false, NotOver
		}
		c.rec.Err = err
	}
	c.rec.Q850, c.rec.Reason = parseReason(headerValues(res, "Reason"))
	if o.wanted {
		return true, Local
	}
	return true, Remote
}

// cancelInvite gives up a call that is not answered yet.
func (c *Call) cancelInvite(reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || !c.rec.AnswerAt.IsZero() || c.out.wanted {
		return
	}
	c.out.wanted, c.out.reason = true, reason
	c.sendCancel()
}

// sendCancel sends the CANCEL that was asked for, which may not leave before
// the other side has shown a sign of life (RFC 3261, 9.1). The caller holds c.mu.
func (c *Call) sendCancel() {
	o := c.out
	if c.over || o.sent || !o.ringing {
		return
	}
	o.sent = true
	data := c.build("CANCEL", o.branch, o.seq, nil, "Reason", o.reason)
	c.note(time.Now(), "CANCEL sent")
	c.phone.request(o.branch, "CANCEL", data, o.server, func(*sip.Response, netip.AddrPort, time.Time) {}, nil)
	// A 487 ends the call; if it never comes, the caller does not wait for it.
	timer := time.AfterFunc(8*c.phone.cfg.T1, func() { c.end(Local, 487) })
	context.AfterFunc(c.ctx, func() { timer.Stop() })
}

// credentials answers a digest challenge (RFC 7616, 8760).
func credentials(res *sip.Response, method, uri string, a Account) (name, value string, err error) {
	name, from := "Authorization", "WWW-Authenticate"
	if res.StatusCode == sip.StatusProxyAuthRequired {
		name, from = "Proxy-Authorization", "Proxy-Authenticate"
	}
	h := res.GetHeader(from)
	if h == nil {
		return "", "", fmt.Errorf("sipphone: %d without %s", res.StatusCode, from)
	}
	challenge, err := digest.ParseChallenge(h.Value())
	if err != nil {
		return "", "", fmt.Errorf("sipphone: bad digest challenge: %w", err)
	}
	challenge.Algorithm = strings.ToUpper(challenge.Algorithm)
	answer, err := digest.Digest(challenge, digest.Options{Method: method, URI: uri, Username: a.authUser(), Password: a.Password})
	if err != nil {
		return "", "", fmt.Errorf("sipphone: cannot answer the digest challenge: %w", err)
	}
	return name, answer.String(), nil
}
