package sipphone

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/emiago/sipgo/sip"
)

// onInvite takes a new call, or answers again to a repeated INVITE.
func (p *Phone) onInvite(req *sip.Request, branch string, src netip.AddrPort, at time.Time) {
	if c := p.callByBranch(branch); c != nil {
		c.mu.Lock()
		last := c.last
		c.mu.Unlock()
		if last != nil {
			p.transmit(last, src)
		}
		return
	}
	inv := newInvite(req, src, at)
	c, err := p.newCall(true, inv.User, req.CallID().Value())
	if err != nil {
		p.cfg.Log.Error("sipphone: cannot take a call", "err", err)
		p.transmit(respond(req, 503, reasonPhrase(503), sip.GenerateTagN(10), nil), src)
		return
	}
	c.branch, c.request, c.peer = branch, req, src
	c.rec.Invite, c.rec.InviteAt = inv, at
	c.note(at, "INVITE received")
	c.local = fmt.Sprintf("<%s>;tag=%s", req.To().Address.String(), c.localTag)
	c.remote = req.From().Value()
	c.target = req.From().Address.String()
	if contact := req.Contact(); contact != nil {
		c.target = contact.Address.String()
	}
	c.routes = headerValues(req, "Record-Route")
	var script Script
	if p.cfg.Script != nil {
		script = p.cfg.Script(inv.User, inv)
	}
	if len(script) == 0 {
		script = Script{Answer(0)}
	}
	if script[0].name != "unreachable" {
		c.last = respond(req, 100, "Trying", c.localTag, nil)
		p.transmit(c.last, src)
	}
	if !p.add(c) {
		_ = c.media.sock.close()
		c.cancel(ErrClosed)
		return
	}
	c.start(script)
}

// provisional sends 1xx; with sound it carries our description and starts to
// send.
func (c *Call) provisional(code int, early bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return ErrEnded
	}
	if c.last != nil && !c.rec.AnswerAt.IsZero() {
		return fmt.Errorf("sipphone: %d after the answer", code)
	}
	var body []byte
	now := time.Now()
	if early {
		answer, err := c.accept(c.request.Body())
		if err != nil {
			return err
		}
		body = answer
		if c.rec.EarlyAt.IsZero() {
			c.rec.EarlyAt = now
		}
	}
	if c.rec.RingAt.IsZero() {
		c.rec.RingAt = now
	}
	c.note(now, fmt.Sprintf("%d sent", code))
	c.last = respond(c.request, code, reasonPhrase(code), c.localTag, body, "Contact", c.phone.contact(c.user), "Allow", allow, "User-Agent", c.phone.cfg.Brand)
	c.phone.transmit(c.last, c.peer)
	if early {
		c.talk()
	}
	return nil
}

// answer sends 200 until the ACK comes, and starts to talk.
func (c *Call) answer() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return ErrEnded
	}
	if !c.rec.AnswerAt.IsZero() {
		return fmt.Errorf("sipphone: the call is already answered")
	}
	body := c.describe(c.phone.codecs, defaultEvents) // a late offer is answered in the ACK
	if len(c.request.Body()) > 0 {
		answer, err := c.accept(c.request.Body())
		if err != nil {
			return err
		}
		body = answer
	}
	c.last = respond(c.request, 200, "OK", c.localTag, body, "Contact", c.phone.contact(c.user), "Allow", allow, "User-Agent", c.phone.cfg.Brand)
	c.rec.AnswerAt, c.rec.Status = time.Now(), 200
	c.note(c.rec.AnswerAt, "200 sent")
	c.final = c.phone.repeat(c.last, c.peer, timerT2, func() {
		c.end(Timeout, 0) // the ACK never came
	})
	c.talk()
	return nil
}

// refuse ends an unanswered call with a final status.
func (c *Call) refuse(code int, reason string) {
	c.mu.Lock()
	if c.over || !c.rec.AnswerAt.IsZero() {
		c.mu.Unlock()
		return
	}
	c.last = respond(c.request, code, reasonPhrase(code), c.localTag, nil, "Reason", reason)
	c.rec.Status = code
	c.note(time.Now(), fmt.Sprintf("%d sent", code))
	c.final = c.phone.repeat(c.last, c.peer, timerT2, nil)
	c.mu.Unlock()
	c.end(Local, code)
}

// onAck stops whatever was repeated until now.
func (c *Call) onAck(req *sip.Request, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.final.stop()
	c.reinvite.stop()
	if c.rec.AnswerAt.IsZero() || !c.rec.AckAt.IsZero() {
		return
	}
	c.rec.AckAt = at
	c.note(at, "ACK received")
	if len(c.request.Body()) == 0 && len(req.Body()) > 0 {
		if _, err := c.accept(req.Body()); err == nil {
			c.talk()
		}
	}
	close(c.confirmed)
}

// onCancel ends a ringing call with 487; an answered one stays.
func (c *Call) onCancel(req *sip.Request, at time.Time) {
	c.mu.Lock()
	if c.over || !c.rec.AnswerAt.IsZero() {
		c.mu.Unlock()
		return
	}
	c.rec.Q850, c.rec.Reason = parseReason(headerValues(req, "Reason"))
	c.rec.Status = 487
	c.note(at, "CANCEL received")
	c.last = respond(c.request, 487, reasonPhrase(487), c.localTag, nil)
	c.final = c.phone.repeat(c.last, c.peer, timerT2, nil)
	c.mu.Unlock()
	c.end(Remote, 487)
}

// reverse is a route set as the caller's side keeps it (RFC 3261, 12.1.2).
func reverse(routes []string) []string {
	slices.Reverse(routes)
	return routes
}
