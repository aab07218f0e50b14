//go:build !linux

package media

import (
	"errors"
	"net"
	"net/netip"
)

// connect is an economy that Linux alone is made to grant.
func connect(*net.UDPConn, netip.AddrPort) error { return errors.ErrUnsupported }
