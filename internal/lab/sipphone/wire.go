package sipphone

import (
	"bytes"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Timers of RFC 3261, 17.1.1.1.
const (
	timerT1 = 500 * time.Millisecond
	timerT2 = 4 * time.Second
)

// maxDatagram bounds what is parsed; UDP itself ends at 64 kB.
const maxDatagram = 65535

// repeater sends one datagram again and again, at doubling intervals, until it
// is stopped or expires.
type repeater struct {
	mu       sync.Mutex
	timer    *time.Timer
	stopped  bool
	interval time.Duration
	ceiling  time.Duration // 0: doubling without a ceiling
	deadline time.Time
	data     []byte
	dst      netip.AddrPort
	phone    *Phone
	expired  func()
}

// repeat sends data now and again until stop, or until 64*T1 have passed, when
// expired is called.
func (p *Phone) repeat(data []byte, dst netip.AddrPort, ceiling time.Duration, expired func()) *repeater {
	r := &repeater{
		interval: p.cfg.T1, ceiling: ceiling, data: data, dst: dst, phone: p,
		deadline: time.Now().Add(64 * p.cfg.T1), expired: expired,
	}
	p.transmit(data, dst)
	r.mu.Lock()
	r.timer = time.AfterFunc(r.interval, r.again)
	r.mu.Unlock()
	return r
}

func (r *repeater) again() {
	r.mu.Lock()
	if r.stopped {
		r.mu.Unlock()
		return
	}
	if time.Now().After(r.deadline) {
		r.stopped = true
		r.mu.Unlock()
		if r.expired != nil {
			r.expired()
		}
		return
	}
	r.interval *= 2
	if r.ceiling > 0 {
		r.interval = min(r.interval, r.ceiling)
	}
	r.timer.Reset(r.interval)
	r.mu.Unlock()
	r.phone.transmit(r.data, r.dst)
}

func (r *repeater) stop() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.timer != nil {
		r.timer.Stop()
	}
}

// quiet stops sending: what a provisional response does to an INVITE, which
// from then on waits as long as its caller does.
func (r *repeater) quiet() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.stopped && r.timer != nil {
		r.timer.Stop()
	}
}

func (p *Phone) transmit(data []byte, dst netip.AddrPort) {
	if err := p.sock.write(data, dst); err != nil {
		p.cfg.Log.Debug("sipphone: send failed", "err", err)
	}
}

// transaction is a request of ours that waits for its response.
type transaction struct {
	repeater *repeater
	invite   bool
	answered func(res *sip.Response, src netip.AddrPort, at time.Time)
}

func newBranch() string { return sip.GenerateBranch() }

// request sends a request of ours and calls answered for every response, in
// order of arrival; silent is called if none comes.
func (p *Phone) request(branch, method string, data []byte, dst netip.AddrPort,
	answered func(*sip.Response, netip.AddrPort, time.Time), silent func(),
) *transaction {
	key := branch + " " + method
	tx := &transaction{invite: method == "INVITE", answered: answered}
	ceiling := timerT2
	if tx.invite {
		ceiling = 0
	}
	// The entry stands before the first datagram leaves.
	p.mu.Lock()
	p.transactions[key] = tx
	p.mu.Unlock()
	r := p.repeat(data, dst, ceiling, func() {
		p.forget(key)
		if silent != nil {
			silent()
		}
	})
	p.mu.Lock()
	tx.repeater = r
	if p.closed || p.transactions[key] != tx {
		r.stop() // answered, or closed, before this line
	}
	p.mu.Unlock()
	return tx
}

func (p *Phone) forget(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.transactions, key)
}

// read is the one goroutine that takes SIP messages from the wire, in order.
func (p *Phone) read() {
	defer p.wg.Done()
	buf := make([]byte, maxDatagram)
	for {
		n, src, at, err := p.sock.read(buf)
		if err != nil {
			p.mu.Lock()
			closed := p.closed
			p.mu.Unlock()
			if closed {
				return
			}
			continue // ICMP refusals surface here and mean nothing
		}
		p.datagram(bytes.Clone(buf[:n]), src, at)
	}
}

func (p *Phone) datagram(data []byte, src netip.AddrPort, at time.Time) {
	if len(bytes.Trim(data, "\r\n\x00 ")) == 0 {
		return // keep-alive
	}
	msg, err := p.parser.ParseSIP(data)
	if err != nil {
		// The parser's words quote the message, and with it numbers.
		p.cfg.Log.Debug("sipphone: not a SIP message", "bytes", len(data))
		return
	}
	switch msg := msg.(type) {
	case *sip.Request:
		if complete(msg) {
			msg.SetSource(src.String())
			p.onRequest(msg, src, at)
		}
	case *sip.Response:
		p.onResponse(msg, src, at)
	}
}

// complete tells whether a request has the fields without which it cannot be
// answered (RFC 3261, 8.1.1).
func complete(r *sip.Request) bool {
	return r.Via() != nil && r.From() != nil && r.To() != nil && r.CallID() != nil && r.CSeq() != nil
}

func (p *Phone) onResponse(res *sip.Response, src netip.AddrPort, at time.Time) {
	via, cseq := res.Via(), res.CSeq()
	if via == nil || cseq == nil {
		return
	}
	branch, _ := via.Params.Get("branch")
	key := branch + " " + cseq.MethodName.String()
	p.mu.Lock()
	tx := p.transactions[key]
	if tx != nil && !tx.invite && res.StatusCode >= 200 {
		delete(p.transactions, key)
	}
	var r *repeater
	if tx != nil {
		r = tx.repeater
	}
	p.mu.Unlock()
	if tx == nil {
		return
	}
	if r != nil {
		if res.StatusCode >= 200 {
			r.stop()
		} else if tx.invite {
			r.quiet()
		}
	}
	tx.answered(res, src, at)
}

// respond answers a request; the tag becomes ours in To.
func respond(req *sip.Request, code int, reason, tag string, body []byte, headers ...string) []byte {
	res := sip.NewResponseFromRequest(req, code, reason, nil)
	if to := res.To(); to != nil && code > 100 {
		if original, ok := req.To().Params.Get("tag"); !ok || original == "" {
			to.Params.Add("tag", tag)
		}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] != "" {
			res.AppendHeader(sip.NewHeader(headers[i], oneLine(headers[i+1])))
		}
	}
	if len(body) > 0 {
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
	}
	res.SetBody(body)
	return []byte(res.String())
}

// oneLine keeps a header a header.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == 0 {
			return ' '
		}
		return r
	}, s)
}

// reasonPhrases are the phrases of RFC 3261, 21 that a telephone uses.
func reasonPhrase(code int) string {
	phrases := map[int]string{
		100: "Trying", 180: "Ringing", 183: "Session Progress", 200: "OK",
		400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
		405: "Method Not Allowed", 408: "Request Timeout", 410: "Gone", 415: "Unsupported Media Type",
		480: "Temporarily Unavailable", 481: "Call/Transaction Does Not Exist", 484: "Address Incomplete",
		486: "Busy Here", 487: "Request Terminated", 488: "Not Acceptable Here",
		500: "Server Internal Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
		504: "Server Time-out", 600: "Busy Everywhere", 603: "Decline", 604: "Does Not Exist Anywhere",
		606: "Not Acceptable", 607: "Unwanted",
	}
	if s, ok := phrases[code]; ok {
		return s
	}
	return "Unspecified"
}
