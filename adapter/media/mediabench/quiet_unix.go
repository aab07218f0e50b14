//go:build unix

package mediabench

import (
	"net"
	"os"
	"syscall"
)

// quietSocket is a UDP socket that wakes nobody: whoever sends to a process
// that sleeps pays for waking it, which over a network somebody else does. It
// is looked into from time to time.
type quietSocket struct {
	file *os.File
	fd   int
}

func newQuietSocket(c *net.UDPConn) (*quietSocket, error) {
	f, err := c.File()
	if err != nil {
		return nil, err
	}
	return &quietSocket{file: f, fd: int(f.Fd())}, c.Close() //nolint:gosec // a descriptor is small
}

// read takes what is there; false when nothing is.
func (q *quietSocket) read(buf []byte) (n, port int, ok bool) {
	n, from, err := syscall.Recvfrom(q.fd, buf, syscall.MSG_DONTWAIT)
	at, v4 := from.(*syscall.SockaddrInet4)
	if err != nil || !v4 {
		return 0, 0, false
	}
	return n, at.Port, true
}

func (q *quietSocket) write(data []byte, port int) error {
	return syscall.Sendto(q.fd, data, 0, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
}

func (q *quietSocket) close() { _ = q.file.Close() }
