package media

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"ringmaster/internal/audio"
)

// Unicast is a media leg over FreeSWITCH's `unicast` command, the fallback for
// an exchange that may not call us by SIP: datagrams without a header, one
// frame each, linear samples in little-endian order, or the encoded bytes
// themselves for ulaw and alaw (`flags: native`). Nothing numbers them, so loss
// is seen as missing time only and what overtook another is heard in the wrong
// order; keys come over the event socket. FreeSWITCH plays what it gets at its
// own beat out of the kernel's buffer, which cannot be flushed: we send on the
// beat, so that there is nothing in it.
type Unicast struct {
	*paced
	conn *net.UDPConn
	peer atomic.Pointer[netip.AddrPort]
}

var _ Session = (*Unicast)(nil)

// ListenUnicast opens a port on ip; LocalAddr is the command's remote-ip and
// remote-port. Nothing is sent before Start.
func ListenUnicast(ip string, o Options) (*Unicast, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return nil, fmt.Errorf("media unicast: %q is no IP address", ip)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return nil, fmt.Errorf("media unicast: %w", err)
	}
	u := &Unicast{conn: conn}
	u.paced = newPaced(o, time.Now(), u.write, func() { _ = conn.Close() })
	return u, nil
}

// LocalAddr is where FreeSWITCH has to send to.
func (u *Unicast) LocalAddr() string { return u.conn.LocalAddr().String() }

// Native says whether the command needs `flags: native`.
func (u *Unicast) Native() bool { return u.o.Format.Encoding != audio.Linear }

// Start begins to send to peer (the command's local-ip and local-port) and to
// take from it, and from nobody else.
func (u *Unicast) Start(peer netip.AddrPort) {
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	u.peer.Store(&peer)
	go u.read()
	go u.pace()
}

// write sends one frame. An error of one datagram is the network's.
func (u *Unicast) write(frame []byte, _ bool) error {
	if _, err := u.conn.WriteToUDPAddrPort(frame, *u.peer.Load()); errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (u *Unicast) read() {
	buf := make([]byte, 4096)
	size := u.o.Format.FrameBytes()
	for {
		n, from, err := u.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			u.end(fmt.Errorf("media unicast: %w", err))
			return
		}
		if netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) != *u.peer.Load() || n%size != 0 || n > maxPayloadFrames*size {
			continue
		}
		now := time.Now()
		for at := 0; at < n; at += size {
			u.in.put(now, buf[at:at+size])
		}
	}
}
