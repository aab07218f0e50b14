package media

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"
	"github.com/pion/rtp"
)

// rawPeer is an exchange that says exactly what the test says.
type rawPeer struct {
	t      *testing.T
	e      *Endpoint
	sip    *net.UDPConn
	rtp    *net.UDPConn
	uri    string
	callID string
	to     string
	branch int
	cseq   int
	target netip.AddrPort // where the endpoint wants its sound
	keep   [][]byte       // messages that nobody has asked for yet
	seq    uint16
	ts     uint32
}

func newRawPeer(t *testing.T, e *Endpoint, x *Expected) *rawPeer {
	t.Helper()
	p := &rawPeer{t: t, e: e, sip: udp(t), rtp: udp(t), callID: sip.GenerateTagN(12), ts: 4294966000, seq: 65500}
	p.uri = "sip:nobody@" + e.Addr().String()
	if x != nil {
		p.uri = x.URI()
	}
	p.to = "<" + p.uri + ">"
	return p
}

func udp(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func port(c *net.UDPConn) int { return c.LocalAddr().(*net.UDPAddr).Port }

// offer describes a session; more are lines behind it.
func (p *rawPeer) offer(host, payloads string, more ...string) string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=x\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP %s\r\n%s",
		host, host, port(p.rtp), payloads, strings.Join(append(more, ""), "\r\n"))
}

func (p *rawPeer) plain(more ...string) string {
	return p.offer("127.0.0.1", "0 101", append([]string{"a=rtpmap:101 telephone-event/8000"}, more...)...)
}

// message builds a request; headers are whole lines.
func (p *rawPeer) message(method, body string, cseq int, headers ...string) []byte {
	p.branch++
	own := p.sip.LocalAddr()
	contact := fmt.Sprintf("Contact: <sip:fs@%s>", own)
	kind := ""
	if body != "" {
		kind = "Content-Type: application/sdp\r\n"
	}
	return fmt.Appendf(nil, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;rport;branch=z9hG4bK%s%d\r\nMax-Forwards: 70\r\nFrom: <sip:fs@%s>;tag=peer\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n%s\r\n%sContent-Length: %d\r\n\r\n%s",
		method, p.uri, own, p.callID, p.branch, own, p.to, p.callID, cseq, method, strings.Join(append(headers, contact), "\r\n"), kind, len(body), body)
}

func (p *rawPeer) write(data []byte) {
	p.t.Helper()
	if _, err := p.sip.WriteToUDPAddrPort(data, p.e.Addr()); err != nil {
		p.t.Fatal(err)
	}
}

// next returns the next message that begins so, others are kept.
func (p *rawPeer) next(begins string) string {
	p.t.Helper()
	for i, m := range p.keep {
		if bytes.HasPrefix(m, []byte(begins)) {
			p.keep = append(p.keep[:i], p.keep[i+1:]...)
			return string(m)
		}
	}
	buf := make([]byte, 65535)
	_ = p.sip.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		n, _, err := p.sip.ReadFromUDP(buf)
		if err != nil {
			p.t.Fatalf("waiting for %q: %v (kept: %q)", begins, err, p.keep)
		}
		m := bytes.Clone(buf[:n])
		if bytes.HasPrefix(m, []byte(begins)) {
			return string(m)
		}
		p.keep = append(p.keep, m)
	}
}

// ask sends a request and returns the answer to it.
func (p *rawPeer) ask(method, body string, headers ...string) (code int, answer string) {
	p.t.Helper()
	p.cseq++
	p.write(p.message(method, body, p.cseq, headers...))
	for {
		answer = p.next("SIP/2.0 ")
		if strings.Contains(answer, fmt.Sprintf("\r\nCSeq: %d %s\r\n", p.cseq, method)) && !strings.HasPrefix(answer, "SIP/2.0 100") {
			_, _ = fmt.Sscanf(answer, "SIP/2.0 %d", &code)
			return code, answer
		}
	}
}

// call makes the call stand.
func (p *rawPeer) call(body string, headers ...string) string {
	p.t.Helper()
	code, answer := p.ask("INVITE", body, headers...)
	if code != 200 {
		p.t.Fatalf("INVITE: %s", answer)
	}
	p.learn(answer)
	p.ack("")
	return answer
}

func (p *rawPeer) learn(answer string) {
	p.to = field(answer, "To")
	var at int
	_, sdp, _ := strings.Cut(answer, "m=audio ")
	if _, err := fmt.Sscanf(sdp, "%d", &at); err != nil {
		p.t.Fatalf("no sound in %q", answer)
	}
	p.target = netip.AddrPortFrom(p.e.Addr().Addr(), uint16(at))
}

func field(message, name string) string {
	_, rest, _ := strings.Cut(message, "\r\n"+name+": ")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

func (p *rawPeer) ack(body string) { p.write(p.message("ACK", body, p.cseq)) }

// reply answers a request of the endpoint.
func (p *rawPeer) reply(request, status, body string, headers ...string) {
	kind := ""
	if body != "" {
		kind = "Content-Type: application/sdp\r\n"
	}
	p.write(fmt.Appendf(nil, "SIP/2.0 %s\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n%s%sContent-Length: %d\r\n\r\n%s", status,
		field(request, "Via"), field(request, "From"), field(request, "To"), p.callID, field(request, "CSeq"), strings.Join(append(headers, ""), "\r\n"), kind, len(body), body))
}

// sound sends packet number n of a stream of 20 ms.
func (p *rawPeer) sound(n int, payload []byte) { p.soundFrom(p.rtp, n, 0, payload) }

func (p *rawPeer) soundFrom(c *net.UDPConn, n int, pt uint8, payload []byte) {
	p.t.Helper()
	k := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: pt, SequenceNumber: p.seq + uint16(n), Timestamp: p.ts + uint32(160*n), SSRC: 7}, Payload: payload}
	data, err := k.Marshal()
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := c.WriteToUDPAddrPort(data, p.target); err != nil {
		p.t.Fatal(err)
	}
}

// hear returns the next packet of sound that came to c.
func (p *rawPeer) hear(c *net.UDPConn) rtp.Packet {
	p.t.Helper()
	buf := make([]byte, 2048)
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	n, _, err := c.ReadFromUDP(buf)
	if err != nil {
		p.t.Fatal(err)
	}
	var k rtp.Packet
	if err := k.Unmarshal(buf[:n]); err != nil {
		p.t.Fatal(err)
	}
	return k
}

// loud says that a packet of PCMU holds more than silence.
func loud(k rtp.Packet) bool { return len(k.Payload) > 0 && k.Payload[0] != 0xff }
