package fstwin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo"
	"github.com/emiago/sipgo/sip"

	"ringmaster/internal/lab/twin/sound"
)

// userAgent is the twin's sofia: it calls out for legs to somewhere outside.
type userAgent struct {
	ex     *Exchange
	ua     *sipgo.UserAgent
	client *sipgo.Client
	server *sipgo.Server
	dialog *sipgo.DialogClientCache
	conn   net.PacketConn
}

func newUserAgent(ex *Exchange) (*userAgent, error) {
	conn, err := (&net.ListenConfig{}).ListenPacket(context.Background(), "udp4", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("sip of the twin: %w", err)
	}
	u := &userAgent{ex: ex, conn: conn}
	fail := func(err error) (*userAgent, error) {
		_ = conn.Close()
		return nil, fmt.Errorf("sip of the twin: %w", err)
	}
	if u.ua, err = sipgo.NewUA(sipgo.WithUserAgent("FreeSWITCH-twin"), sipgo.WithUserAgentHostname("127.0.0.1"),
		sipgo.WithUserAgentTransportLayerOptions(sip.WithTransportLayerLogger(slog.New(slog.DiscardHandler))),
		sipgo.WithUserAgentTransactionLayerOptions(sip.WithTransactionLayerLogger(slog.New(slog.DiscardHandler)),
			sip.WithTransactionLayerUnhandledResponseHandler(func(*sip.Response) {}))); err != nil {
		return fail(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	if u.server, err = sipgo.NewServer(u.ua, sipgo.WithServerLogger(quiet)); err != nil {
		return fail(err)
	}
	if u.client, err = sipgo.NewClient(u.ua, sipgo.WithClientLogger(quiet), sipgo.WithClientConnectionAddr(u.addr()), sipgo.WithClientHostname("127.0.0.1")); err != nil {
		return fail(err)
	}
	host, port, _ := net.SplitHostPort(u.addr())
	u.dialog = sipgo.NewDialogClientCache(u.client, sip.ContactHeader{Address: sip.Uri{User: "mod_sofia", Host: host, Port: atoi(port)}})
	u.routes()
	ex.running.Add(1)
	go func() {
		defer ex.running.Done()
		if err := u.server.ServeUDP(conn); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			ex.cfg.Log.Debug("sip of the twin stopped", "err", err)
		}
	}()
	return u, nil
}

func (u *userAgent) addr() string { return u.conn.LocalAddr().String() }

func (u *userAgent) close() {
	_ = u.server.Close()
	_ = u.client.Close()
	_ = u.ua.Close()
	_ = u.conn.Close()
}

// routes are the requests of the other side.
func (u *userAgent) routes() {
	u.server.OnBye(func(req *sip.Request, tx sip.ServerTransaction) {
		leg := u.find(req)
		if err := u.dialog.ReadBye(req, tx); err != nil {
			_ = tx.Respond(sip.NewResponseFromRequest(req, 481, "Call/Transaction Does Not Exist", nil))
		}
		if leg != nil {
			leg.over(reasonOf(req))
		}
	})
	u.server.OnInvite(func(req *sip.Request, tx sip.ServerTransaction) {
		leg := u.find(req)
		if leg == nil {
			_ = tx.Respond(sip.NewResponseFromRequest(req, 481, "Call/Transaction Does Not Exist", nil))
			return
		}
		if a, err := readAnswer(req.Body()); err == nil {
			leg.rtp.to(a.remote, a.codec, a.keys)
		}
		res := sip.NewResponseFromRequest(req, 200, "OK", leg.rtp.offer(leg.codecs, 2))
		res.AppendHeader(sip.NewHeader("Content-Type", "application/sdp"))
		_ = tx.Respond(res)
	})
	fine := func(req *sip.Request, tx sip.ServerTransaction) {
		_ = tx.Respond(sip.NewResponseFromRequest(req, 200, "OK", nil))
	}
	u.server.OnOptions(fine)
	u.server.OnInfo(fine)
	u.server.OnUpdate(fine)
	u.server.OnAck(func(*sip.Request, sip.ServerTransaction) {})
}

// find is the leg of a request inside a dialog.
func (u *userAgent) find(req *sip.Request) *sipLeg {
	id := req.CallID()
	if id == nil {
		return nil
	}
	u.ex.mu.Lock()
	defer u.ex.mu.Unlock()
	for _, ch := range u.ex.channels {
		if ch.leg != nil && ch.leg.callID == id.Value() {
			return ch.leg
		}
	}
	return nil
}

// reasonOf is the Q.850 cause of a Reason header (RFC 3326), 0 for none.
func reasonOf(m interface{ GetHeader(string) sip.Header }) int {
	h := m.GetHeader("Reason")
	if h == nil || !strings.HasPrefix(strings.ToUpper(strings.TrimSpace(h.Value())), "Q.850") {
		return 0
	}
	_, after, ok := strings.Cut(strings.ToLower(h.Value()), "cause=")
	if !ok {
		return 0
	}
	end := strings.IndexFunc(after, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		after = after[:end]
	}
	return atoi(after)
}

// sipLeg is a call of ours to a SIP address outside.
type sipLeg struct {
	ch       *channel
	rtp      *rtpStream
	codecs   []codec
	callID   string
	patience time.Duration
	cancel   context.CancelFunc
	session  *sipgo.DialogClientSession // once it is answered
	brand    string                     // what it says of itself: User-Agent, and
	allow    string                     // Allow
}

// invite calls a SIP address: user@host:port. Needs the lock.
func (ch *channel) invite(to string) {
	ex := ch.ex
	leg := &sipLeg{ch: ch, codecs: codecs(ch.vars["absolute_codec_string"])}
	var err error
	if leg.rtp, err = newStream(uint32(ex.rand.Uint64())); err != nil {
		ch.hangup(incompatible, false)
		return
	}
	var uri sip.Uri
	if err := sip.ParseUri("sip:"+to, &uri); err != nil {
		leg.rtp.close()
		ch.hangup("INVALID_URL", false)
		return
	}
	leg.callID = ex.uuid()
	leg.rtp.marked = strings.Contains(ch.vars["rtp_manual_rtp_bugs"], "IGNORE_MARK_BIT")
	leg.rtp.key = func(digit byte) {
		ex.mu.Lock()
		defer ex.mu.Unlock()
		if !ch.hup {
			ch.pressed(digit)
		}
	}
	leg.rtp.quiet = func() {
		ex.mu.Lock()
		defer ex.mu.Unlock()
		ch.hangup(mediaTimeout, false)
	}
	ch.leg = leg
	ch.line = sound.NewLeg(ch, leg.rtp)
	ctx, cancel := context.WithCancel(ex.life)
	leg.cancel = cancel
	from := &sip.FromHeader{DisplayName: ch.call.ShownName, Address: sip.Uri{User: ch.call.ShownNumber, Host: "127.0.0.1"}, Params: sip.NewParams()}
	from.Params.Add("tag", sip.GenerateTagN(16))
	id := sip.CallIDHeader(leg.callID)
	headers := []sip.Header{from, &id, sip.NewHeader("Content-Type", "application/sdp"), sip.NewHeader("X-FS-Support", "update_display,send_info")}
	for name, v := range ch.call.Headers {
		headers = append(headers, sip.NewHeader(name, v))
	}
	body := leg.rtp.offer(leg.codecs, 1)
	ex.running.Add(1)
	go func() {
		defer ex.running.Done()
		leg.call(ctx, uri, body, headers)
	}()
}

// call is the INVITE and what comes of it.
func (leg *sipLeg) call(ctx context.Context, uri sip.Uri, body []byte, headers []sip.Header) {
	ch, ex := leg.ch, leg.ch.ex
	s, err := ex.sip.dialog.Invite(ctx, uri, body, headers...)
	if err == nil {
		err = s.WaitAnswer(ctx, sipgo.AnswerOptions{OnResponse: func(res *sip.Response) error {
			leg.provisional(res)
			return nil
		}})
	}
	if err != nil {
		if s != nil {
			_ = s.Close()
		}
		leg.refused(err)
		return
	}
	if err := s.Ack(context.WithoutCancel(ctx)); err != nil {
		ex.cfg.Log.Debug("sip of the twin: no ACK", "err", err)
	}
	a, err := readAnswer(s.InviteResponse.Body())
	ex.mu.Lock()
	if ch.hup || err != nil {
		ex.mu.Unlock()
		leg.bye(s, 16)
		ex.mu.Lock()
		ch.hangup(incompatible, false)
		ex.mu.Unlock()
		return
	}
	leg.session, leg.brand, leg.allow = s, headerOf(s.InviteResponse, "User-Agent"), headerOf(s.InviteResponse, "Allow")
	leg.rtp.to(a.remote, a.codec, a.keys)
	leg.rtp.patience = leg.patience
	ex.running.Add(1)
	go func() {
		defer ex.running.Done()
		leg.rtp.read()
	}()
	ch.accepted()
	ex.mu.Unlock()
}

func (leg *sipLeg) provisional(res *sip.Response) {
	ex := leg.ch.ex
	ex.mu.Lock()
	defer ex.mu.Unlock()
	switch {
	case leg.ch.hup:
	case res.StatusCode == 183 && len(res.Body()) > 0:
		leg.ch.showEarly()
	case res.StatusCode == 180:
		leg.ch.showRinging()
	}
}

func (leg *sipLeg) refused(err error) {
	ch, ex := leg.ch, leg.ch.ex
	ex.mu.Lock()
	defer ex.mu.Unlock()
	var dr *sipgo.ErrDialogResponse
	if errors.As(err, &dr) && dr.Res != nil && !ch.hup {
		ch.refused(dr.Res.StatusCode, reasonOf(dr.Res))
		return
	}
	ch.hangup(temporaryFailure, true)
}

// over is a BYE of the other side.
func (leg *sipLeg) over(reason int) {
	ch, ex := leg.ch, leg.ch.ex
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ch.reason = reason
	c := normalClearing
	if reason != 0 {
		c = ex.byReason(0, reason)
	}
	ch.hangup(c, true)
}

// end ends the call on the wire. Needs the lock.
func (leg *sipLeg) end(q850 int, remote, answered bool) {
	ex, s := leg.ch.ex, leg.session
	leg.rtp.close()
	if remote || !answered || s == nil {
		leg.cancel()
		return
	}
	ex.running.Add(1)
	go func() {
		defer ex.running.Done()
		leg.bye(s, q850)
		leg.cancel()
	}()
}

func (leg *sipLeg) bye(s *sipgo.DialogClientSession, q850 int) {
	ctx, cancel := context.WithTimeout(leg.ch.ex.life, 2*time.Second)
	defer cancel()
	defer func() { _ = s.Close() }()
	req := sip.NewRequest(sip.BYE, s.InviteRequest.Recipient)
	req.AppendHeader(sip.NewHeader("Reason", "Q.850;cause="+strconv.Itoa(q850)))
	if err := s.WriteBye(ctx, req); err != nil {
		leg.ch.ex.cfg.Log.Debug("sip of the twin: BYE", "err", err)
	}
}

// crash ends the call without a word.
func (leg *sipLeg) crash() {
	leg.rtp.close()
	leg.cancel()
}

func (leg *sipLeg) press(digit byte) { leg.rtp.press(digit) }
