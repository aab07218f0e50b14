//go:build !linux

package sipphone

import (
	"net"
	"time"
)

func enableTimestamps(*net.UDPConn) error { return nil }

func arrival([]byte) (time.Time, bool) { return time.Time{}, false }
