package media

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"ringmaster/internal/pbx"
)

// Timers of RFC 3261, 17.1.1.1.
const (
	timerT1 = 500 * time.Millisecond
	timerT2 = 4 * time.Second
	ackWait = 64 * timerT1
)

// Call is a media leg that an exchange opened to an Endpoint.
type Call struct {
	*line
	d     *dialog
	wheel *wheel
}

var _ Session = (*Call)(nil)

// Stats of a call so far, in packets.
type Stats struct {
	Received uint64 // sound that was taken
	Late     uint64 // of which came too late or twice
	Sent     uint64
	Strange  uint64 // another's, or not what was agreed
}

// Stats counts packets.
func (c *Call) Stats() Stats {
	return Stats{Received: c.received.Load(), Late: c.late.Load(), Sent: c.sent.Load(), Strange: c.strange.Load()}
}

// dialog is the signalling of a call (RFC 3261, 12), seen from the callee.
type dialog struct {
	e         *Endpoint
	x         *Expected
	call      *Call
	invite    *sip.Request // with our tag
	tag       string       // ours
	remoteTag string
	sound     sound // how the sound travels
	own       own
	updates   bool // the peer takes UPDATE

	mu         sync.Mutex
	target     sip.Uri // where the peer wants our requests addressed to
	remoteCSeq uint32
	cseq       uint32
	told       netip.AddrPort // where the peer wants its sound, by its last description
	offered    bool           // our offer waits for the answer in an ACK
	pending    *answering     // a 200 that is not acknowledged
	confirmed  bool           // the first ACK came
	leaving    bool           // a BYE is due as soon as it may be sent
	over       bool
	refreshing bool // a re-INVITE of ours is under way
	timer      sessionTimer
}

// answering repeats a 200 until its ACK (RFC 3261, 13.3.1.4).
type answering struct {
	seq   uint32
	tx    sip.ServerTransaction
	res   *sip.Response
	wait  time.Duration
	since time.Time
	timer *time.Timer
}

func newBody() sip.Header { return sip.NewHeader("Content-Type", "application/sdp") }

// answer responds, with header names and values in pairs.
func (e *Endpoint) answer(tx sip.ServerTransaction, req *sip.Request, code int, reason string, body []byte, headers ...string) *sip.Response {
	res := sip.NewResponseFromRequest(req, code, reason, body)
	for i := 0; i+1 < len(headers); i += 2 {
		res.AppendHeader(sip.NewHeader(headers[i], headers[i+1]))
	}
	if len(body) > 0 {
		res.AppendHeader(newBody())
	}
	if err := tx.Respond(res); err != nil {
		e.cfg.Log.Debug("media endpoint: a response was not sent", "status", code, "err", err)
	}
	return res
}

// onInvite takes a call, or a change of one.
func (e *Endpoint) onInvite(req *sip.Request, tx sip.ServerTransaction) {
	if !whole(req) || req.Contact() == nil {
		e.answer(tx, req, 400, "Bad Request", nil)
		return
	}
	if tag, ok := req.To().Params.Get("tag"); ok && tag != "" {
		e.change(req, tx)
		return
	}
	x := e.lookup(req.Recipient.User)
	if x == nil {
		e.answer(tx, req, 404, "Not Found", nil)
		return
	}
	timer, no := readSessionTimer(req)
	if no != nil {
		e.answer(tx, req, no.code, no.reason, nil, no.headers...)
		return
	}
	d := &dialog{e: e, x: x, tag: sip.GenerateTagN(20), timer: timer, remoteCSeq: req.CSeq().SeqNo, cseq: 1, target: *req.Contact().Address.Clone()}
	d.remoteTag, _ = req.From().Params.Get("tag")
	d.invite = req.Clone()
	d.invite.To().Params.Add("tag", d.tag)
	d.updates = allowsUpdate(req)
	body, code, err := d.open(req.Body())
	if err != nil {
		e.cfg.Log.Warn("media endpoint: a call cannot be taken", "status", code, "err", err)
		e.answer(tx, req, code, map[int]string{488: "Not Acceptable Here", 503: "Service Unavailable"}[code], nil)
		return
	}
	d.call.wheel = e.wheels.least()
	if !e.enter(d) {
		_ = d.call.conn.Close()
		e.answer(tx, req, 404, "Not Found", nil)
		return
	}
	e.pollers.listen(d.call.line)
	d.call.wheel.add(d.call)
	d.mu.Lock()
	d.respond(tx, d.invite, body)
	d.arm()
	d.mu.Unlock()
	if err := tx.Err(); errors.Is(err, sip.ErrTransactionCanceled) { // CANCEL overtook the 200
		d.mu.Lock()
		d.over = true
		d.mu.Unlock()
		d.end(fmt.Errorf("%w: the exchange took its call back", io.EOF))
	}
}

// enter claims the token and books the call.
func (e *Endpoint) enter(d *dialog) bool {
	if !d.x.take(d.call) {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.dialogs[d.tag] = d
	return true
}

// open prepares the sound by the peer's offer, or by an offer of ours when it
// made none, and returns our description.
func (d *dialog) open(offer []byte) (body []byte, code int, err error) {
	ways := preferred(d.x.o.Format)
	d.sound = sound{format: ways[0]}
	var desc description
	var keys clocked
	if len(offer) > 0 {
		if desc, err = parseDescription(offer); err == nil {
			d.sound, keys, err = desc.choose(ways)
		}
		if err != nil {
			return nil, 488, err
		}
	}
	conn, err := d.e.bindRTP()
	if err != nil {
		return nil, 503, err
	}
	o := d.x.o
	o.Format = d.sound.format
	d.call = &Call{line: newLine(conn, d.x.o.Format, o, d.e.allows), d: d}
	d.call.shut = d.shut
	local, _ := addrOf(conn.LocalAddr())
	d.own = own{addr: netip.AddrPortFrom(d.e.public.Addr(), local.Port()), id: uint64(time.Now().UnixNano() >> 10), version: 1}
	if len(offer) == 0 {
		d.offered = true
		body, err = d.own.offer(ways[:1])
	} else {
		d.steer(desc, d.sound.pt, keys)
		body, err = d.own.answer(desc, d.sound, keys)
	}
	if err != nil {
		_ = conn.Close()
		return nil, 488, err
	}
	return body, 200, nil
}

// steer points the line to where the peer wants its sound. Sound goes to our
// exchanges only: an address that is not theirs is what a peer behind a
// translation believes of itself, and its first packet shows the true one.
func (d *dialog) steer(desc description, pt uint8, keys clocked) {
	r := route{sound: pt, keys: keys.pt, keyRate: keys.rate, send: desc.hears()}
	if was := d.call.route.Load(); desc.peer == d.told && was.peer.IsValid() {
		r.peer, r.latched = was.peer, was.latched
	} else if d.e.allows(desc.peer.Addr()) && !desc.peer.Addr().IsUnspecified() {
		r.peer = desc.peer
	}
	d.told = desc.peer
	d.call.steer(r)
}

// respond sends a 200 and repeats it until its ACK; needs the lock.
func (d *dialog) respond(tx sip.ServerTransaction, req *sip.Request, body []byte) {
	headers := append([]string{"Contact", d.contact(), "Allow", allowedMethods, "Supported", "timer"}, d.timer.headers()...)
	a := &answering{seq: req.CSeq().SeqNo, tx: tx, wait: timerT1, since: time.Now()}
	if d.pending != nil {
		d.pending.timer.Stop()
	}
	d.pending = a
	a.timer = time.AfterFunc(timerT1, func() { d.again(a) })
	a.res = d.e.answer(tx, req, 200, "OK", body, headers...)
}

func (d *dialog) contact() string { return "<sip:media@" + d.e.public.String() + ">" }

// again repeats a 200 that nobody has acknowledged.
func (d *dialog) again(a *answering) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending != a || d.over {
		return
	}
	if time.Since(a.since) >= ackWait {
		d.pending, d.confirmed = nil, true // a BYE may be sent now
		go d.end(fmt.Errorf("%w: the exchange never acknowledged the media call", pbx.ErrGone))
		return
	}
	if !sip.IsReliable(d.invite.Transport()) {
		_ = a.tx.Respond(a.res)
	}
	a.wait = min(2*a.wait, timerT2)
	a.timer.Reset(a.wait)
}

// find returns the dialog that a request belongs to.
func (e *Endpoint) find(req *sip.Request) *dialog {
	if !whole(req) {
		return nil
	}
	tag, _ := req.To().Params.Get("tag")
	from, _ := req.From().Params.Get("tag")
	e.mu.Lock()
	d := e.dialogs[tag]
	e.mu.Unlock()
	if d == nil || d.remoteTag != from || d.invite.CallID().Value() != req.CallID().Value() {
		return nil
	}
	return d
}

// inOrder answers a request that belongs to no dialog or comes too late; the
// dialog is nil then.
func (e *Endpoint) inOrder(req *sip.Request, tx sip.ServerTransaction) *dialog {
	d := e.find(req)
	if d == nil {
		e.answer(tx, req, 481, "Call/Transaction Does Not Exist", nil)
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if seq := req.CSeq().SeqNo; seq > d.remoteCSeq {
		d.remoteCSeq = seq
		return d
	}
	e.answer(tx, req, 500, "Server Internal Error", nil) // RFC 3261, 12.2.2
	return nil
}

func (e *Endpoint) onAck(req *sip.Request, _ sip.ServerTransaction) {
	d := e.find(req)
	if d == nil {
		return
	}
	d.mu.Lock()
	if d.pending == nil || d.pending.seq != req.CSeq().SeqNo {
		d.mu.Unlock()
		return
	}
	d.pending.timer.Stop()
	d.pending, d.confirmed = nil, true
	var failed error
	if d.offered {
		d.offered = false
		failed = d.answered(req.Body())
	}
	leaving := d.leaving
	d.mu.Unlock()
	switch {
	case failed != nil:
		d.end(failed)
	case leaving:
		e.part(d)
	default:
		d.x.ready(d.call)
	}
}

// answered takes the answer to an offer of ours; needs the lock.
func (d *dialog) answered(body []byte) error {
	desc, err := parseDescription(body)
	if err != nil {
		return err
	}
	s, keys, err := desc.choose(preferred(d.sound.format)[:1])
	if err != nil {
		return err
	}
	d.steer(desc, s.pt, keys)
	return nil
}

// change is a re-INVITE: another address, hold, or only a sign of life.
func (e *Endpoint) change(req *sip.Request, tx sip.ServerTransaction) {
	d := e.inOrder(req, tx)
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refreshing || d.pending != nil && d.offered {
		e.answer(tx, req, 491, "Request Pending", nil)
		return
	}
	if body, ok := d.reconsider(tx, req); ok {
		if body == nil {
			d.offered = true
			d.own.version++
			body, _ = d.own.offer(preferred(d.sound.format)[:1])
		}
		d.respond(tx, req, body)
	}
}

// reconsider takes over what a re-INVITE or UPDATE says; it answers itself
// when it cannot. The body is nil when there was no offer. Needs the lock.
func (d *dialog) reconsider(tx sip.ServerTransaction, req *sip.Request) (body []byte, ok bool) {
	timer, no := readSessionTimer(req)
	if no != nil {
		d.e.answer(tx, req, no.code, no.reason, nil, no.headers...)
		return nil, false
	}
	if len(req.Body()) > 0 {
		desc, err := parseDescription(req.Body())
		var s sound
		var keys clocked
		if err == nil {
			s, keys, err = desc.choose(preferred(d.sound.format)[:1]) // another encoding in mid-call is refused, and the old one stays
		}
		if err == nil {
			d.own.version++
			body, err = d.own.answer(desc, s, keys)
		}
		if err != nil {
			d.e.answer(tx, req, 488, "Not Acceptable Here", nil)
			return nil, false
		}
		d.steer(desc, s.pt, keys)
	}
	if c := req.Contact(); c != nil {
		d.target = *c.Address.Clone()
	}
	d.timer.stop()
	d.timer = timer
	d.arm()
	return body, true
}

func (e *Endpoint) onUpdate(req *sip.Request, tx sip.ServerTransaction) {
	d := e.inOrder(req, tx)
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.offered && len(req.Body()) > 0 {
		e.answer(tx, req, 491, "Request Pending", nil)
		return
	}
	if body, ok := d.reconsider(tx, req); ok {
		e.answer(tx, req, 200, "OK", body, append([]string{"Contact", d.contact(), "Supported", "timer"}, d.timer.headers()...)...)
	}
}

func (e *Endpoint) onBye(req *sip.Request, tx sip.ServerTransaction) {
	d := e.inOrder(req, tx)
	if d == nil {
		return
	}
	d.bury()
	d.end(fmt.Errorf("%w: the exchange ended the media call", io.EOF)) // before the answer: whoever has that sees the end
	e.answer(tx, req, 200, "OK", nil)
}

func (e *Endpoint) onOptions(req *sip.Request, tx sip.ServerTransaction) {
	if whole(req) {
		if tag, _ := req.To().Params.Get("tag"); tag != "" && e.find(req) == nil {
			e.answer(tx, req, 481, "Call/Transaction Does Not Exist", nil)
			return
		}
	}
	e.answer(tx, req, 200, "OK", nil, "Allow", allowedMethods, "Accept", "application/sdp", "Supported", "timer")
}

// onCancel: nothing that could be taken back; what can, the library takes back.
func (e *Endpoint) onCancel(req *sip.Request, tx sip.ServerTransaction) {
	e.answer(tx, req, 481, "Call/Transaction Does Not Exist", nil)
}
