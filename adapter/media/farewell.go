package media

import (
	"context"
	"net"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// byeWait is for the answer to a BYE of ours.
const byeWait = 4 * time.Second

// end ends the call from the signalling's side.
func (d *dialog) end(why error) { d.call.end(why) }

// shut is the end of the call's sound, whoever wanted it.
func (d *dialog) shut() {
	d.call.wheel.remove(d.call)
	_ = d.call.conn.Close()
	d.e.pollers.leave(d.call.line)
	d.x.giveUp("the exchange called the media endpoint and the call ended before it was handed out; a new attempt gets new ports")
	d.mu.Lock()
	d.timer.stop()
	over := d.over
	wait := !d.confirmed
	d.leaving = true
	d.mu.Unlock()
	switch {
	case over:
		d.bury()
	case wait: // a callee may say BYE only after the ACK (RFC 3261, 15); again() sees to it otherwise
	default:
		d.e.part(d)
	}
}

// bury forgets a dialog.
func (d *dialog) bury() {
	d.mu.Lock()
	d.over = true
	if d.pending != nil {
		d.pending.timer.Stop()
		d.pending = nil
	}
	d.mu.Unlock()
	d.e.mu.Lock()
	defer d.e.mu.Unlock()
	delete(d.e.dialogs, d.tag)
}

// part says BYE without anybody waiting for the answer.
func (e *Endpoint) part(d *dialog) {
	spawned := e.spawn(func() {
		defer d.bury()
		ctx, cancel := context.WithTimeout(e.ctx, byeWait)
		defer cancel()
		d.mu.Lock()
		bye := d.request(sip.BYE, nil)
		d.mu.Unlock()
		if _, err := e.client.Do(ctx, bye, sipgo.ClientRequestAddVia); err != nil {
			e.cfg.Log.Debug("media endpoint: BYE was not answered", "err", err)
		}
	})
	if !spawned {
		d.bury()
	}
}

// request builds a request of ours inside the dialog; needs the lock. It goes
// back to where the call came from, whatever address the peer believes to have.
func (d *dialog) request(method sip.RequestMethod, body []byte) *sip.Request {
	req := sip.NewRequest(method, *d.target.Clone())
	for _, h := range d.invite.GetHeaders("Record-Route") {
		req.AppendHeader(sip.NewHeader("Route", h.Value()))
	}
	from := d.invite.To().AsFrom()
	to := d.invite.From().AsTo()
	hops := sip.MaxForwardsHeader(70)
	req.AppendHeader(&hops)
	req.AppendHeader(&from)
	req.AppendHeader(&to)
	req.AppendHeader(sip.HeaderClone(d.invite.CallID()))
	req.AppendHeader(&sip.CSeqHeader{SeqNo: d.cseq, MethodName: method})
	d.cseq++
	if body != nil {
		req.AppendHeader(newBody())
	}
	req.SetBody(body)
	req.SetTransport(d.invite.Transport())
	req.SetDestination(d.invite.Source())
	if at, ok := d.e.udp.LocalAddr().(*net.UDPAddr); ok && !sip.IsReliable(req.Transport()) {
		req.Laddr = sip.Addr{IP: at.IP, Port: at.Port, Zone: at.Zone} // from the port that was called
	}
	return req
}
