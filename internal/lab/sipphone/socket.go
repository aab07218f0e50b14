package sipphone

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

// socket is a UDP socket that tells when each datagram reached the machine.
type socket struct {
	conn *net.UDPConn
	oob  []byte
}

func listenUDP(address string) (*socket, error) {
	addr, err := net.ResolveUDPAddr("udp", address)
	if err != nil {
		return nil, fmt.Errorf("sipphone: %s is no UDP address: %w", address, err)
	}
	conn, err := net.ListenUDP("udp", addr)
	if err != nil {
		return nil, fmt.Errorf("sipphone: cannot listen: %w", err)
	}
	// Best effort: without it the time of the read is used.
	_ = enableTimestamps(conn)
	return &socket{conn: conn, oob: make([]byte, 128)}, nil
}

// read returns one datagram, its source and its time of arrival. One goroutine
// reads a socket.
func (s *socket) read(buf []byte) (int, netip.AddrPort, time.Time, error) {
	n, oobn, _, src, err := s.conn.ReadMsgUDPAddrPort(buf, s.oob)
	at := time.Now()
	if err != nil {
		return 0, netip.AddrPort{}, at, err
	}
	if kernel, ok := arrival(s.oob[:oobn]); ok {
		// Keep the monotonic reading: go back by the time spent in the queue.
		if waited := at.Round(0).Sub(kernel); waited > 0 && waited < 5*time.Second {
			at = at.Add(-waited)
		}
	}
	return n, netip.AddrPortFrom(src.Addr().Unmap(), src.Port()), at, nil
}

func (s *socket) write(b []byte, dst netip.AddrPort) error {
	_, err := s.conn.WriteToUDPAddrPort(b, dst)
	return err
}

func (s *socket) addr() netip.AddrPort {
	local, ok := s.conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{} // a UDP socket has no other address
	}
	a := local.AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func (s *socket) close() error { return s.conn.Close() }
