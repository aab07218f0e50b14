package media

import (
	"bytes"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

const (
	maxStranger     = 4 << 10 // bytes of a stranger's message that are looked at
	strangersPerSec = 20      // of them get an answer
)

// filter stands before the library: what no exchange of ours sent never
// reaches it, so that a stranger costs no memory. Their requests get a bare
// 403, some of them a second.
func (e *Endpoint) filter(at sip.TransportReadProps, data []byte) ([]byte, error) {
	from, ok := addrOf(at.RemoteAddr)
	if ok && e.allows(from.Addr()) {
		if e.leaving.Load() && !bytes.HasPrefix(data, []byte("SIP/2.0 ")) {
			return nil, nil // only answers to our farewells
		}
		return data, nil
	}
	if at.Transport == "UDP" && len(data) <= maxStranger && e.strangers.take(time.Now(), strangersPerSec) {
		if refusal := e.refusal(data, from); refusal != nil {
			_, _ = e.udp.WriteToUDPAddrPort(refusal, from)
		}
	}
	return nil, nil
}

// refusal is a 403 for a request, nil for anything else.
func (e *Endpoint) refusal(data []byte, from netip.AddrPort) []byte {
	msg, err := e.parser.ParseSIP(data)
	if err != nil {
		return nil
	}
	req, ok := msg.(*sip.Request)
	if !ok || req.IsAck() || !whole(req) {
		return nil
	}
	req.SetSource(from.String())
	res := []byte(sip.NewResponseFromRequest(req, 403, "Forbidden", nil).String())
	if len(res) > len(data)+256 {
		return nil // nobody is made louder by us
	}
	return res
}

func addrOf(a net.Addr) (netip.AddrPort, bool) {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort(), true
	case *net.TCPAddr:
		return a.AddrPort(), true
	}
	return netip.AddrPort{}, false
}

// whole tells whether a request has the fields without which it cannot be
// answered (RFC 3261, 8.1.1), and is of the one version that there is.
func whole(r *sip.Request) bool {
	return r.SipVersion == "SIP/2.0" && r.Via() != nil && r.From() != nil && r.To() != nil && r.CallID() != nil && r.CSeq() != nil
}

// bucket lets a number a second through.
type bucket struct {
	mu    sync.Mutex
	left  int
	until time.Time
}

func (b *bucket) take(now time.Time, perSecond int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.After(b.until) {
		b.left, b.until = perSecond, now.Add(time.Second)
	}
	b.left--
	return b.left >= 0
}

// doorkeeper hangs up on connections that no exchange of ours opened, and on
// too many.
type doorkeeper struct {
	net.Listener
	allows func(netip.Addr) bool
	open   chan struct{}
}

// Accept implements net.Listener.
func (d *doorkeeper) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if from, ok := addrOf(c.RemoteAddr()); ok && d.allows(from.Addr()) {
			select {
			case d.open <- struct{}{}:
				return &guest{Conn: c, left: sync.OnceFunc(func() { <-d.open })}, nil
			default:
			}
		}
		_ = c.Close()
	}
}

type guest struct {
	net.Conn
	left func()
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.left()
	return g.Conn.Close()
}
