package mediabench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/audio"
)

// sipExchange calls an Endpoint and exchanges RTP with it. Everything but the
// answers to BYE is done by one goroutine.
type sipExchange struct {
	o       order
	sip     *net.UDPConn
	sockets [slots]*quietSocket
	ports   [slots]int

	calls           [slots][]*rtpCall
	byPort          [1 << 16]*rtpCall
	late            histogram
	sent, got, lost uint64
	over            bool // what still comes has waited for us
	voice           []byte
	buf             []byte
}

type rtpCall struct {
	peer   int // port
	packet []byte
	seq    uint16
	// Of the receiver.
	begun bool
	next  uint16
	ts0   uint32
	beat  arrivals
}

func newSIPExchange(o order) (exchange, error) {
	x := &sipExchange{o: o, buf: make([]byte, 2048)}
	loop := net.IPv4(127, 0, 0, 1)
	var err error
	if x.sip, err = net.ListenUDP("udp4", &net.UDPAddr{IP: loop}); err != nil {
		return nil, err
	}
	for i := range slots {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loop})
		if err != nil {
			return nil, err
		}
		_ = c.SetReadBuffer(8 << 20)
		if at, ok := c.LocalAddr().(*net.UDPAddr); ok {
			x.ports[i] = at.Port
		}
		if x.sockets[i], err = newQuietSocket(c); err != nil {
			return nil, err
		}
	}
	if x.voice, err = audio.Encode(nil, voice(), audio.ULaw); err != nil {
		return nil, err
	}
	return x, nil
}

func (x *sipExchange) addr() string { return "" }

// ready makes the calls, one after another.
func (x *sipExchange) ready(context.Context) error {
	for i, uri := range x.o.URIs {
		c, err := x.invite(i, uri)
		if err != nil {
			return err
		}
		x.calls[i%slots] = append(x.calls[i%slots], c)
	}
	go x.acquiesce()
	return nil
}

func (x *sipExchange) invite(i int, uri string) (*rtpCall, error) {
	_, at, _ := strings.Cut(uri, "@")
	server, err := net.ResolveUDPAddr("udp4", at)
	if err != nil {
		return nil, err
	}
	own := x.sip.LocalAddr().String()
	request := func(method, to, body string) []byte {
		return fmt.Appendf(nil, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s%d\r\nMax-Forwards: 70\r\nFrom: <sip:x@%s>;tag=t%d\r\nTo: %s\r\n"+
			"Call-ID: c%d@%s\r\nCSeq: 1 %s\r\nContact: <sip:x@%s>\r\nContent-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s",
			method, uri, own, method, i, own, i, to, i, own, method, own, len(body), body)
	}
	sdp := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n", x.ports[i%slots])
	buf := make([]byte, 8192)
	for range 20 {
		if _, err := x.sip.WriteToUDP(request("INVITE", "<"+uri+">", sdp), server); err != nil {
			return nil, err
		}
		_ = x.sip.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		for {
			n, _, err := x.sip.ReadFromUDP(buf)
			if err != nil {
				break // once more
			}
			answer := buf[:n]
			if !bytes.Contains(answer, fmt.Appendf(nil, "Call-ID: c%d@", i)) || bytes.HasPrefix(answer, []byte("SIP/2.0 100")) {
				continue
			}
			if !bytes.HasPrefix(answer, []byte("SIP/2.0 200")) {
				return nil, fmt.Errorf("%w: %.40q", ErrPeer, answer)
			}
			port, err := strconv.Atoi(between(answer, "m=audio ", " "))
			if err != nil {
				return nil, fmt.Errorf("%w: %w", ErrPeer, err)
			}
			if _, err := x.sip.WriteToUDP(request("ACK", between(answer, "\r\nTo: ", "\r\n"), ""), server); err != nil {
				return nil, err
			}
			c := &rtpCall{peer: port, packet: make([]byte, 12+frame)}
			c.packet[0] = 0x80
			binary.BigEndian.PutUint32(c.packet[8:], uint32(i)) //nolint:gosec // a source of its own
			x.byPort[port&0xffff] = c
			return c, nil
		}
	}
	return nil, fmt.Errorf("%w: INVITE %d was not answered", ErrPeer, i)
}

func between(b []byte, from, to string) string {
	_, rest, _ := strings.Cut(string(b), from)
	value, _, _ := strings.Cut(rest, to)
	return value
}

// acquiesce says yes to every BYE.
func (x *sipExchange) acquiesce() {
	buf := make([]byte, 8192)
	_ = x.sip.SetReadDeadline(time.Time{})
	for {
		n, from, err := x.sip.ReadFromUDP(buf)
		if err != nil {
			return
		}
		head, _, _ := bytes.Cut(buf[:n], []byte("\r\n"))
		if bytes.HasPrefix(head, []byte("BYE ")) {
			answer := append([]byte("SIP/2.0 200 OK"), buf[len(head):n]...)
			_, _ = x.sip.WriteToUDP(answer, from)
		}
	}
}

func (x *sipExchange) send(slot int, round int64) {
	at := int(round%400) * frame
	for _, c := range x.calls[slot] {
		c.seq++
		binary.BigEndian.PutUint16(c.packet[2:], c.seq)
		binary.BigEndian.PutUint32(c.packet[4:], uint32(round)*frame) //nolint:gosec // it wraps as it should
		copy(c.packet[12:], x.voice[at:at+frame])
		writeStamp(c.packet[12:], time.Now())
		if x.sockets[slot].write(c.packet, c.peer) == nil {
			x.sent++
		}
	}
	x.receive()
}

// receive takes everything that came.
func (x *sipExchange) receive() {
	for _, s := range x.sockets {
		for {
			n, port, ok := s.read(x.buf)
			if !ok {
				break
			}
			if k := x.byPort[port&0xffff]; k != nil && n >= 12 {
				x.heard(k, x.buf, time.Now())
			}
		}
	}
}

func (x *sipExchange) heard(c *rtpCall, packet []byte, now time.Time) {
	seq, ts := binary.BigEndian.Uint16(packet[2:]), binary.BigEndian.Uint32(packet[4:])
	if !c.begun {
		c.begun, c.next, c.ts0 = true, seq, ts
	}
	if gap := seq - c.next; gap < 1<<15 {
		x.lost += uint64(gap)
		c.next = seq + 1
	}
	x.got++
	if x.over {
		return
	}
	x.late.add(c.beat.late(now, time.Duration(ts-c.ts0)*time.Second/rate))
}

func (x *sipExchange) result() report {
	x.over = true
	x.receive()
	return report{Sent: x.sent, Received: x.got, Lost: x.lost, Late: x.late.counts()}
}

func (x *sipExchange) close() {
	_ = x.sip.Close()
	for _, s := range x.sockets {
		s.close()
	}
}
