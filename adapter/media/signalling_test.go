package media

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// A stranger gets a bare 403, some of them a second, and no memory of ours;
// over TCP it is hung up on.
func TestStrangersAreRefused(t *testing.T) {
	e := endpoint(t, func(c *EndpointConfig) { c.Allow = []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")} })
	x := expect(t, e, Options{Format: audio.FormatULaw})
	p := newRawPeer(t, e, x)
	code, answer := p.ask("INVITE", p.plain())
	if code != 403 || strings.Contains(answer, "v=0") || strings.Contains(answer, "Server:") || strings.Contains(answer, "Allow:") {
		t.Errorf("%s", answer)
	}
	for _, junk := range []string{"", "\r\n\r\n", "INVITE", "SIP/2.0 200 OK\r\n\r\n", "\x00\xff"} {
		p.write([]byte(junk))
	}
	begin := time.Now()
	for range 200 {
		p.write(p.message("OPTIONS", "", 7))
	}
	answers := 0
	buf := make([]byte, 4096)
	for {
		_ = p.sip.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		if _, _, err := p.sip.ReadFromUDP(buf); err != nil {
			break
		}
		answers++
	}
	if answers > strangersPerSec*(2+int(time.Since(begin).Seconds())) {
		t.Errorf("%d answers to a flood", answers)
	}
	c, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(buf); !errors.Is(err, io.EOF) && !strings.Contains(fmt.Sprint(err), "reset") {
		t.Errorf("a stranger's connection stays open: %v", err)
	}
	_ = c.Close()
	if e.lookup(x.token) == nil {
		t.Error("the token is gone")
	}
}

// What cannot be taken is refused with its own status, and the token goes on
// waiting for the real call.
func TestBadInvitesDoNotSpendTheToken(t *testing.T) {
	e := endpoint(t)
	x := expect(t, e, Options{Format: audio.FormatULaw})
	for name, tc := range map[string]struct {
		body    string
		headers []string
		want    int
	}{
		"not a description":    {"hello", nil, 488},
		"huge":                 {strings.Repeat("a=x\r\n", 5000), nil, 488},
		"video only":           {"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", nil, 488},
		"encrypted":            {"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5000 RTP/SAVP 0\r\n", nil, 488},
		"other codecs":         {"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 9 18\r\n", nil, 488},
		"a name for address":   {"v=0\r\no=- 1 1 IN IP4 pbx.example\r\ns=x\r\nc=IN IP4 pbx.example\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0\r\n", nil, 488},
		"refused sound":        {"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n", nil, 488},
		"unknown extension":    {newRawPeer(t, e, x).plain(), []string{"Require: 100rel"}, 420},
		"session too short":    {newRawPeer(t, e, x).plain(), []string{"Supported: timer", "Session-Expires: 30"}, 422},
		"session not a number": {newRawPeer(t, e, x).plain(), []string{"Supported: timer", "Session-Expires: -7"}, 400},
	} {
		p := newRawPeer(t, e, x)
		if code, answer := p.ask("INVITE", tc.body, tc.headers...); code != tc.want || tc.want == 422 && field(answer, "Min-SE") != "90" {
			t.Errorf("%s: %q, want %d", name, answer, tc.want)
		}
	}
	p := newRawPeer(t, e, x)
	for _, junk := range []string{
		"INVITE " + x.URI() + " SIP/2.0\r\n\r\n", "INVITE\r\n\r\n", "ACK sip:x@y SIP/2.0\r\n\r\n", "BYE sip:x@y SIP/2.0\r\nVia: x\r\n\r\n",
		"INVITE " + x.URI() + " SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKq\r\nContent-Length: 99999999999999\r\n\r\n", strings.Repeat("A", 60000),
	} {
		p.write([]byte(junk))
	}
	p.call(p.plain())
	if m := await(t, x); m.Format() != audio.FormatULaw {
		t.Error(m.Format())
	}
}

func TestRequestsOutsideAndOutOfOrder(t *testing.T) {
	e := endpoint(t)
	x := expect(t, e, Options{Format: audio.FormatULaw})
	p := newRawPeer(t, e, x)
	if code, answer := p.ask("OPTIONS", ""); code != 200 || !strings.Contains(field(answer, "Allow"), "UPDATE") {
		t.Errorf("%s", answer)
	}
	if code, _ := p.ask("REGISTER", ""); code != 405 {
		t.Errorf("REGISTER: %d", code)
	}
	if code, _ := p.ask("CANCEL", ""); code != 481 {
		t.Errorf("CANCEL: %d", code)
	}
	p.to = "<sip:x@y>;tag=nobody"
	for _, method := range []string{"BYE", "INVITE", "UPDATE", "OPTIONS"} {
		if code, _ := p.ask(method, ""); code != 481 {
			t.Errorf("%s of nobody's call: %d", method, code)
		}
	}
	p.to = "<" + x.URI() + ">"
	p.call(p.plain())
	m := await(t, x)
	p.cseq -= 5 // a request from before
	if code, _ := p.ask("BYE", ""); code != 500 {
		t.Errorf("BYE of the past: %d", code)
	}
	p.cseq += 10
	tag := p.to
	p.callID += "x"
	if code, _ := p.ask("BYE", ""); code != 481 {
		t.Errorf("BYE of another call: %d", code)
	}
	p.callID, p.to = strings.TrimSuffix(p.callID, "x"), tag
	if code, _ := p.ask("OPTIONS", ""); code != 200 {
		t.Errorf("OPTIONS in the call: %d", code)
	}
	if code, _ := p.ask("BYE", ""); code != 200 {
		t.Errorf("BYE: %d", code)
	}
	<-m.Done()
	if code, _ := p.ask("BYE", ""); code != 481 {
		t.Errorf("a second BYE: %d", code)
	}
	if err := m.WriteFrame(speech(audio.FormatULaw, frameTime)); !errors.Is(err, pbx.ErrGone) {
		t.Error(err)
	}
	if err := m.SendDTMF(t.Context(), "1"); !errors.Is(err, pbx.ErrGone) {
		t.Error(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.dialogs)+len(e.expected) != 0 {
		t.Errorf("%d dialogs, %d tokens are left", len(e.dialogs), len(e.expected))
	}
}

// The 200 is repeated until its ACK, and nothing is handed out before; a
// repeated INVITE is no second call.
func TestAnswerIsRepeatedUntilAcknowledged(t *testing.T) {
	e := endpoint(t)
	x := expect(t, e, Options{Format: audio.FormatULaw})
	p := newRawPeer(t, e, x)
	p.cseq = 1
	invite := p.message("INVITE", p.plain(), 1)
	p.write(invite)
	p.write(invite)
	first := p.next("SIP/2.0 200")
	if again := p.next("SIP/2.0 200"); field(again, "To") != field(first, "To") {
		t.Errorf("another answer: %s", again)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := x.Await(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("handed out before it can be heard: %v", err)
	}
	p.learn(first)
	p.ack("")
	await(t, x)
}

// Cancelled between the answer and its ACK: BYE comes once it may.
func TestCancelledBeforeTheAck(t *testing.T) {
	e := endpoint(t)
	x := expect(t, e, Options{Format: audio.FormatULaw})
	p := newRawPeer(t, e, x)
	_, answer := p.ask("INVITE", p.plain())
	p.learn(answer)
	x.Cancel()
	p.ack("")
	p.reply(p.next("BYE "), "200 OK", "")
	if _, err := x.Await(patient(t)); !errors.Is(err, pbx.ErrGone) || !strings.Contains(err.Error(), "cancelled") {
		t.Error(err)
	}
	// The exchange itself hangs up before anybody took the call.
	x = expect(t, e, Options{Format: audio.FormatULaw})
	p = newRawPeer(t, e, x)
	p.call(p.plain())
	if code, _ := p.ask("BYE", ""); code != 200 {
		t.Error(code)
	}
	if _, err := x.Await(patient(t)); !errors.Is(err, pbx.ErrGone) || !strings.Contains(err.Error(), "the call ended") {
		t.Error(err)
	}
}

// Without a description in the INVITE we offer, and the ACK answers.
func TestLateOffer(t *testing.T) {
	e := endpoint(t)
	x := expect(t, e, Options{Format: audio.FormatALaw})
	p := newRawPeer(t, e, x)
	_, answer := p.ask("INVITE", "")
	p.learn(answer)
	if !strings.Contains(answer, "a=rtpmap:8 PCMA/8000") || !strings.Contains(answer, "telephone-event/8000") {
		t.Errorf("%s", answer)
	}
	p.ack(p.offer("127.0.0.1", "8 101", "a=rtpmap:101 telephone-event/8000"))
	m := await(t, x)
	if k := p.hear(p.rtp); k.PayloadType != 8 || len(k.Payload) != 160 {
		t.Errorf("%+v", k.Header)
	}
	if err := m.SendDTMF(patient(t), "5"); err != nil {
		t.Error(err)
	}
	// An answer that holds nothing for us ends the call.
	x = expect(t, e, Options{Format: audio.FormatULaw})
	p = newRawPeer(t, e, x)
	_, answer = p.ask("INVITE", "")
	p.learn(answer)
	p.ack("nothing")
	p.next("BYE ")
	if _, err := x.Await(patient(t)); !errors.Is(err, pbx.ErrGone) {
		t.Error(err)
	}
}

func TestSessionTimers(t *testing.T) {
	e := endpoint(t)
	// The exchange refreshes, and then does not.
	x := expect(t, e, Options{Format: audio.FormatULaw})
	p := newRawPeer(t, e, x)
	answer := p.call(p.plain(), "Supported: timer, replaces", "Session-Expires: 1800;refresher=uac")
	if field(answer, "Session-Expires") != "1800;refresher=uac" || field(answer, "Require") != "timer" {
		t.Errorf("%s", answer)
	}
	m := await(t, x)
	code, answer := p.ask("UPDATE", "", "Supported: timer", "Session-Expires: 120;refresher=uac")
	if code != 200 || field(answer, "Session-Expires") != "120;refresher=uac" || strings.Contains(answer, "v=0") {
		t.Errorf("%s", answer)
	}
	m.d.mu.Lock()
	m.d.timer.interval = 30 * time.Millisecond
	m.d.arm()
	m.d.mu.Unlock()
	p.reply(p.next("BYE "), "200 OK", "")
	if <-m.Done(); !errors.Is(m.Err(), io.EOF) {
		t.Error(m.Err())
	}
	for _, update := range []bool{true, false} {
		x = expect(t, e, Options{Format: audio.FormatULaw})
		p = newRawPeer(t, e, x)
		allow, method := "Allow: INVITE, ACK, BYE", "INVITE "
		if update {
			allow, method = "Allow: INVITE, UPDATE", "UPDATE "
		}
		answer = p.call(p.plain(), "Supported: timer", "Session-Expires: 90;refresher=uas", allow)
		if field(answer, "Session-Expires") != "90;refresher=uas" {
			t.Errorf("%s", answer)
		}
		m = await(t, x)
		m.d.mu.Lock()
		m.d.timer.interval = 300 * time.Millisecond
		m.d.arm()
		m.d.mu.Unlock()
		for range 2 {
			r := p.next(method)
			body := ""
			if !update {
				body = p.plain()
			}
			p.reply(r, "200 OK", body, "Session-Expires: 90;refresher=uac")
			if !update {
				if a := p.next("ACK "); strings.Fields(field(a, "CSeq"))[0] != strings.Fields(field(r, "CSeq"))[0] {
					t.Errorf("%s", a)
				}
			}
		}
		p.reply(p.next(method), "481 Call/Transaction Does Not Exist", "")
		if <-m.Done(); !errors.Is(m.Err(), io.EOF) {
			t.Error(m.Err())
		}
	}
}

// Closing says BYE on every call and leaves nothing behind (goleak watches).
func TestCloseSaysGoodbye(t *testing.T) {
	e := endpoint(t, func(c *EndpointConfig) { c.PortMin, c.PortMax = 34501, 34540 })
	var peers []*rawPeer
	var calls []*Call
	for range 5 {
		x := expect(t, e, Options{Format: audio.FormatULaw})
		p := newRawPeer(t, e, x)
		p.call(p.plain())
		if p.target.Port()%2 != 0 || p.target.Port() < 34501 || p.target.Port() > 34540 {
			t.Errorf("RTP port %d", p.target.Port())
		}
		peers, calls = append(peers, p), append(calls, await(t, x))
	}
	x := expect(t, e, Options{Format: audio.FormatULaw})
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	for i, p := range peers {
		p.next("BYE ")
		if <-calls[i].Done(); !errors.Is(calls[i].Err(), pbx.ErrGone) {
			t.Error(calls[i].Err())
		}
	}
	if _, err := x.Await(patient(t)); !errors.Is(err, pbx.ErrGone) {
		t.Error(err)
	}
	if _, err := e.Expect(audio.FormatULaw); !errors.Is(err, pbx.ErrUnavailable) {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

func TestEndpointOverTCP(t *testing.T) {
	e := endpoint(t)
	x := expect(t, e, Options{Format: audio.FormatULaw})
	p := newRawPeer(t, e, x)
	c, err := net.Dial("tcp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	tcp := func(method, body string) {
		if _, err := c.Write(bytes.Replace(p.message(method, body, p.cseq), []byte("SIP/2.0/UDP"), []byte("SIP/2.0/TCP"), 1)); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 8192)
	heard := ""
	until := func(what string) string {
		for !strings.Contains(heard, what) {
			n, err := c.Read(buf)
			if err != nil {
				t.Fatalf("%q: %v", heard, err)
			}
			heard += string(buf[:n])
		}
		return heard[strings.Index(heard, what):]
	}
	p.cseq = 1
	tcp("INVITE", p.plain())
	p.learn(until("SIP/2.0 200"))
	tcp("ACK", "")
	m := await(t, x)
	p.hear(p.rtp)
	_ = m.Close()
	until("BYE ")
}

func TestEndpointConfiguration(t *testing.T) {
	all := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	taken := udp(t)
	for name, cfg := range map[string]EndpointConfig{
		"nobody may call":      {Listen: "127.0.0.1:0"},
		"no address":           {Listen: "nowhere", Allow: all},
		"every address":        {Listen: "0.0.0.0:0", Allow: all},
		"a bad advertisement":  {Listen: "127.0.0.1:0", Allow: all, Advertise: "pbx.example"},
		"no range":             {Listen: "127.0.0.1:0", Allow: all, PortMin: 20000, PortMax: 19000},
		"half a range":         {Listen: "127.0.0.1:0", Allow: all, PortMax: 19000},
		"a port that is taken": {Listen: taken.LocalAddr().String(), Allow: all},
	} {
		if e, err := ListenEndpoint(cfg); !errors.Is(err, ErrEndpoint) {
			_ = e.Close()
			t.Errorf("%s: %v", name, err)
		}
	}
	e := endpoint(t, func(c *EndpointConfig) { c.Listen, c.Advertise = "127.0.0.1:0", "198.51.100.7:5070" })
	x := expect(t, e, Options{Format: audio.FormatULaw})
	if x.URI() != "sip:"+x.token+"@198.51.100.7:5070" || len(x.token) < 26 {
		t.Error(x.URI())
	}
	if _, err := e.Expect(audio.Format{}); err == nil {
		t.Error("a format that does not exist")
	}
}
