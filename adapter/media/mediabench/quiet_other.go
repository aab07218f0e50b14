//go:build !unix

package mediabench

import (
	"errors"
	"net"
)

type quietSocket struct{}

func newQuietSocket(*net.UDPConn) (*quietSocket, error) { return nil, errors.ErrUnsupported }

func (*quietSocket) read([]byte) (n, port int, ok bool) { return 0, 0, false }

func (*quietSocket) write([]byte, int) error { return errors.ErrUnsupported }

func (*quietSocket) close() {}
