package media

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"
)

// Session timers (RFC 4028).
const (
	minSession = 90 // seconds
	maxSession = 24 * 3600
	// We hang up this much before the end, or a third of it.
	sessionMargin = 32 * time.Second
)

// sessionTimer is what the two sides agreed upon; the zero value is none.
type sessionTimer struct {
	interval time.Duration
	ours     bool // we refresh
	peer     bool // the peer understands session timers
	clock    *time.Timer
}

// refusedRequest is an answer other than yes.
type refusedRequest struct {
	code    int
	reason  string
	headers []string
}

func header(req *sip.Request, names ...string) string {
	for _, n := range names {
		if h := req.GetHeader(n); h != nil {
			return h.Value()
		}
	}
	return ""
}

func lists(value, token string) bool {
	for v := range strings.SplitSeq(value, ",") {
		if strings.EqualFold(strings.TrimSpace(v), token) {
			return true
		}
	}
	return false
}

// readSessionTimer reads what a request proposes, and refuses extensions that
// we do not know (RFC 3261, 8.2.2.3).
func readSessionTimer(req *sip.Request) (sessionTimer, *refusedRequest) {
	for _, h := range req.GetHeaders("Require") {
		for v := range strings.SplitSeq(h.Value(), ",") {
			if v = strings.TrimSpace(v); v != "" && !strings.EqualFold(v, "timer") {
				return sessionTimer{}, &refusedRequest{420, "Bad Extension", []string{"Unsupported", printable(v)}}
			}
		}
	}
	t := sessionTimer{peer: lists(header(req, "Supported", "k"), "timer") || lists(header(req, "Require"), "timer")}
	value := header(req, "Session-Expires", "x")
	if value == "" {
		return t, nil
	}
	seconds, refresher, ok := sessionExpires(value)
	switch {
	case !ok:
		return t, &refusedRequest{code: 400, reason: "Bad Request"}
	case seconds < minSession:
		return t, &refusedRequest{422, "Session Interval Too Small", []string{"Min-SE", strconv.Itoa(minSession)}}
	}
	t.interval = time.Duration(seconds) * time.Second
	t.ours = refresher == "uas" || !t.peer
	return t, nil
}

// sessionExpires reads "1800;refresher=uac".
func sessionExpires(value string) (seconds int, refresher string, ok bool) {
	number, params, _ := strings.Cut(value, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(number), 10, 31)
	if err != nil {
		return 0, "", false
	}
	for p := range strings.SplitSeq(params, ";") {
		if name, who, found := strings.Cut(p, "="); found && strings.EqualFold(strings.TrimSpace(name), "refresher") {
			refresher = strings.ToLower(strings.TrimSpace(who))
		}
	}
	return int(min(n, maxSession)), refresher, true
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s[:min(len(s), 64)])
}

// headers is what a 200 says of the timer, in pairs of name and value. The
// refresher is told as the one who asked sees it.
func (t *sessionTimer) headers() []string {
	if t.interval == 0 {
		return nil
	}
	who := "uac"
	if t.ours {
		who = "uas"
	}
	out := []string{"Session-Expires", fmt.Sprintf("%d;refresher=%s", int(t.interval/time.Second), who)}
	if t.peer {
		out = append(out, "Require", "timer")
	}
	return out
}

func (t *sessionTimer) stop() {
	if t.clock != nil {
		t.clock.Stop()
	}
}

// arm starts the clock anew; needs the dialog's lock.
func (d *dialog) arm() {
	t := &d.timer
	t.stop()
	switch {
	case t.interval == 0 || d.over || d.leaving:
	case t.ours:
		t.clock = time.AfterFunc(t.interval/2, d.refresh)
	default:
		t.clock = time.AfterFunc(t.interval-min(sessionMargin, t.interval/3), d.expire)
	}
}

// expire: the peer has shown no sign of life for the whole interval.
func (d *dialog) expire() {
	d.end(fmt.Errorf("%w: the exchange did not refresh the media call (RFC 4028)", io.EOF))
}

// refresh shows that we live, by UPDATE or, for a peer without it, by a
// re-INVITE, and learns whether the peer does.
func (d *dialog) refresh() {
	d.e.spawn(func() {
		d.mu.Lock()
		if d.over || d.leaving || d.pending != nil || d.refreshing {
			d.arm() // something else is under way; that counts
			d.mu.Unlock()
			return
		}
		method, body := sip.UPDATE, []byte(nil)
		if !d.updates {
			method = sip.INVITE
			body, _ = d.own.offer(preferred(d.sound.format)[:1])
		}
		req := d.request(method, body)
		req.AppendHeader(sip.NewHeader("Contact", d.contact()))
		req.AppendHeader(sip.NewHeader("Supported", "timer"))
		req.AppendHeader(sip.NewHeader("Session-Expires", fmt.Sprintf("%d;refresher=uac", int(d.timer.interval/time.Second))))
		d.refreshing = method == sip.INVITE
		d.mu.Unlock()
		ctx, cancel := context.WithTimeout(d.e.ctx, ackWait)
		defer cancel()
		res, err := d.e.client.Do(ctx, req, sipgo.ClientRequestAddVia)
		d.refreshed(req, res, err)
	})
}

// refreshed takes the answer to a refresh of ours.
func (d *dialog) refreshed(req *sip.Request, res *sip.Response, err error) {
	d.mu.Lock()
	d.refreshing = false
	var why error
	switch {
	case d.e.ctx.Err() != nil:
	case err != nil || res.StatusCode == sip.StatusRequestTimeout || res.StatusCode == sip.StatusCallTransactionDoesNotExists:
		why = fmt.Errorf("%w: the exchange knows the media call no more (RFC 4028)", io.EOF)
	case res.IsSuccess() && req.IsInvite():
		d.acknowledge(req)
		why = d.answered(res.Body())
	}
	if why == nil {
		d.arm()
	}
	d.mu.Unlock()
	if why != nil {
		d.end(why)
	}
}

// acknowledge sends the ACK of a 200 to a re-INVITE of ours; needs the lock.
func (d *dialog) acknowledge(req *sip.Request) {
	ack := d.request(sip.ACK, nil)
	d.cseq--
	ack.CSeq().SeqNo = req.CSeq().SeqNo
	if err := d.e.client.WriteRequest(ack, sipgo.ClientRequestAddVia); err != nil {
		d.e.cfg.Log.Debug("media endpoint: an ACK was not sent", "err", err)
	}
}

func allowsUpdate(req *sip.Request) bool {
	return lists(header(req, "Allow"), "UPDATE")
}
