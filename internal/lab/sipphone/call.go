package sipphone

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Call is one call of a telephone, either way.
type Call struct {
	phone    *Phone
	inbound  bool
	user     string
	callID   string
	localTag string
	branch   string // of the received INVITE
	media    *media

	ctx    context.Context // ends with the call
	cancel context.CancelCauseFunc
	done   chan struct{} // closed when the call is over and its goroutines have ended

	mu        sync.Mutex
	rec       Record
	over      bool
	peer      netip.AddrPort // where in-dialog requests go
	target    string         // the peer's Contact
	routes    []string
	local     string // From of our requests
	remote    string // To of our requests
	cseq      uint32
	sdp       uint64 // version of our description
	direction string
	session   session
	talking   bool // the sender runs

	request   *sip.Request // the received INVITE
	last      []byte       // last response to it
	final     *repeater    // final response or 2xx, until ACK
	confirmed chan struct{}
	reinvite  *repeater

	answered chan struct{} // outbound: 200 arrived
	out      *outbound
	workers  sync.WaitGroup
}

// ErrEnded means that the call was over before the step could be done.
var ErrEnded = errors.New("sipphone: the call has ended")

// Done is closed when the call is over and everything it started has ended.
func (c *Call) Done() <-chan struct{} { return c.done }

// User is who was called.
func (c *Call) User() string { return c.user }

// Wait waits for the end of the call.
func (c *Call) Wait(ctx context.Context) (Record, error) {
	select {
	case <-c.done:
		return c.Record(), nil
	case <-ctx.Done():
		return c.Record(), fmt.Errorf("sipphone: the call is still up: %w", ctx.Err())
	}
}

// WaitAnswered waits until the call is answered and acknowledged.
func (c *Call) WaitAnswered(ctx context.Context) error {
	select {
	case <-c.confirmed:
		return nil
	case <-c.ctx.Done():
		select {
		case <-c.confirmed:
			return nil
		default:
		}
		return fmt.Errorf("%w before it was answered (status %d)", ErrEnded, c.Record().Status)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *Phone) newCall(inbound bool, user, callID string) (*Call, error) {
	m, err := newMedia(p.Addr().Addr().String(), p.cfg.Loss, p.cfg.MaxAudio, !p.cfg.DiscardAudio)
	if err != nil {
		return nil, err
	}
	c := &Call{
		phone: p, inbound: inbound, user: user, callID: callID, media: m,
		localTag: sip.GenerateTagN(12), done: make(chan struct{}),
		confirmed: make(chan struct{}), answered: make(chan struct{}),
		sdp: uint64(time.Now().Unix()), direction: "sendrecv", cseq: 1,
	}
	c.rec.Inbound, c.rec.User, c.rec.CallID = inbound, user, callID
	c.ctx, c.cancel = context.WithCancelCause(p.ctx)
	return c, nil
}

// start runs the call's goroutines: the RTP reader, the script, and the one
// that gathers them when the call ends.
func (c *Call) start(script Script) {
	c.workers.Add(2)
	go func() {
		defer c.workers.Done()
		c.media.read()
	}()
	go func() {
		defer c.workers.Done()
		c.run(script)
	}()
	go func() {
		defer c.phone.wg.Done() // added by Phone.add
		<-c.ctx.Done()
		c.end(Shutdown, 0)
		_ = c.media.sock.close()
		c.workers.Wait()
		close(c.done)
	}()
}

func (c *Call) note(at time.Time, what string) {
	c.rec.Events = append(c.rec.Events, Event{at, what})
}

// end closes the books once; it does no signalling.
func (c *Call) end(by Party, status int) {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return
	}
	c.over = true
	now := time.Now()
	c.rec.EndAt, c.rec.EndedBy = now, by
	if status != 0 && c.rec.Status == 0 {
		c.rec.Status = status
	}
	c.note(now, "end "+string(by))
	c.reinvite.stop()
	c.mu.Unlock()
	if c.out != nil { // its transaction goes on acknowledging repeated answers
		key := c.out.branch + " INVITE"
		time.AfterFunc(64*c.phone.cfg.T1, func() { c.phone.forget(key) })
	}
	c.cancel(ErrEnded)
}

// describe is our session description with the given codecs.
func (c *Call) describe(codecs []codec, events uint8) []byte {
	return writeSDP(c.media.sock.addr(), c.sdp, codecs, events, c.direction)
}

// accept takes the peer's description and connects the media to it. It returns
// the description that answers it.
func (c *Call) accept(body []byte) ([]byte, error) {
	s, err := parseSDP(body)
	if err != nil {
		return nil, err
	}
	chosen, err := s.choose(c.phone.cfg.Codecs)
	if err != nil {
		return nil, err
	}
	c.session = s
	c.direction = answerDirection(s.direction)
	c.media.connect(s, chosen)
	return c.describe([]codec{chosen}, s.events), nil
}

// talk starts the sender, once the peer's description is known.
func (c *Call) talk() {
	if c.talking || c.over || !c.session.remote.IsValid() {
		return
	}
	c.talking = true
	c.media.setMark()
	c.workers.Add(1)
	go func() {
		defer c.workers.Done()
		c.media.send(c.ctx)
	}()
}

// build writes a request inside the dialog.
func (c *Call) build(method, branch string, cseq uint32, body []byte, headers ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", method, c.target)
	fmt.Fprintf(&b, "Via: SIP/2.0/UDP %s;rport;branch=%s\r\nMax-Forwards: 70\r\n", c.phone.Addr(), branch)
	for _, r := range c.routes {
		fmt.Fprintf(&b, "Route: %s\r\n", oneLine(r))
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n", c.local, c.remote, c.callID, cseq, method)
	fmt.Fprintf(&b, "Contact: %s\r\n", c.phone.contact(c.contactUser()))
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] != "" {
			fmt.Fprintf(&b, "%s: %s\r\n", headers[i], oneLine(headers[i+1]))
		}
	}
	if len(body) > 0 {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return []byte(b.String())
}

func (c *Call) contactUser() string {
	if c.inbound {
		return c.user
	}
	return c.out.from
}

// Hangup ends the call from this side: BYE when it is up, a refusal or a CANCEL
// before. reason is the value of a Reason header, such as
// `Q.850;cause=16;text="Normal Clearing"`; it may be empty.
func (c *Call) Hangup(reason string) {
	c.mu.Lock()
	up := !c.rec.AnswerAt.IsZero()
	over := c.over
	c.mu.Unlock()
	switch {
	case over:
	case up:
		c.bye(reason)
	case c.inbound:
		c.refuse(603, reason)
	default:
		c.cancelInvite(reason)
	}
}

// bye sends BYE. A callee first waits for the ACK of its answer (RFC 3261, 15).
func (c *Call) bye(reason string) {
	if c.inbound {
		select {
		case <-c.confirmed:
		case <-c.ctx.Done():
		}
	}
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return
	}
	c.final.stop()
	c.cseq++
	branch := newBranch()
	data, peer := c.build("BYE", branch, c.cseq, nil, "Reason", reason), c.peer
	c.note(time.Now(), "BYE sent")
	c.mu.Unlock()
	c.phone.request(branch, "BYE", data, peer, func(*sip.Response, netip.AddrPort, time.Time) {}, nil)
	c.end(Local, 0)
}

// shutdown ends the call because the telephone closes: one datagram, no waiting.
func (c *Call) shutdown() {
	c.mu.Lock()
	up, over := !c.rec.AnswerAt.IsZero(), c.over
	var data []byte
	if !over && up {
		c.cseq++
		data = c.build("BYE", newBranch(), c.cseq, nil)
	}
	peer := c.peer
	c.final.stop()
	c.mu.Unlock()
	switch {
	case over:
	case up:
		c.phone.transmit(data, peer)
	case c.inbound:
		c.refuse(480, "")
		c.mu.Lock()
		c.final.stop()
		c.mu.Unlock()
	default:
		c.cancelInvite("")
	}
	c.end(Shutdown, 0)
}

// onDialogRequest answers BYE, UPDATE and INFO.
func (c *Call) onDialogRequest(req *sip.Request, src netip.AddrPort, at time.Time) {
	switch req.Method {
	case sip.BYE:
		c.phone.transmit(respond(req, 200, "OK", c.localTag, nil), src)
		c.mu.Lock()
		if !c.over {
			c.rec.Q850, c.rec.Reason = parseReason(headerValues(req, "Reason"))
			c.note(at, "BYE received")
		}
		c.final.stop()
		c.mu.Unlock()
		c.end(Remote, 0)
	case sip.UPDATE:
		c.onReinvite(req, src, at)
	default:
		c.mu.Lock()
		c.rec.Updates = append(c.rec.Updates, newInvite(req, src, at))
		c.note(at, req.Method.String()+" received")
		c.mu.Unlock()
		c.phone.transmit(respond(req, 200, "OK", c.localTag, nil), src)
	}
}

// onReinvite answers a re-INVITE or UPDATE: a new description, or only a new
// identity for the display.
func (c *Call) onReinvite(req *sip.Request, src netip.AddrPort, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		c.phone.transmit(respond(req, 481, reasonPhrase(481), c.localTag, nil), src)
		return
	}
	c.rec.Updates = append(c.rec.Updates, newInvite(req, src, at))
	c.note(at, req.Method.String()+" received")
	if contact := req.Contact(); contact != nil {
		c.target = contact.Address.String()
	}
	var body []byte
	c.sdp++
	switch {
	case len(req.Body()) > 0:
		answer, err := c.accept(req.Body())
		if err != nil {
			c.phone.transmit(respond(req, 488, reasonPhrase(488), c.localTag, nil), src)
			return
		}
		body = answer
	case req.Method == sip.INVITE:
		body = c.describe(c.phone.codecs, defaultEvents)
	}
	data := respond(req, 200, "OK", c.localTag, body, "Contact", c.phone.contact(c.contactUser()), "Allow", allow)
	if req.Method != sip.INVITE {
		c.phone.transmit(data, src)
		return
	}
	c.reinvite.stop()
	c.reinvite = c.phone.repeat(data, src, timerT2, nil)
}
