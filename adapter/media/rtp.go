package media

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"ringmaster/internal/audio"
)

// ErrFormat is a format that the transport cannot carry.
var ErrFormat = errors.New("this media transport cannot carry the format")

// payloadType is Asterisk's number for a format (RFC 3551; 10 is what Asterisk
// sends for 8 kHz linear). slin16 has a dynamic number, and Asterisk 22 drops
// what it receives under it (main/rtp_engine.c).
func payloadType(f audio.Format) (uint8, error) {
	switch f {
	case audio.FormatULaw:
		return 0, nil
	case audio.FormatALaw:
		return 8, nil
	case audio.FormatSlin:
		return 10, nil
	}
	return 0, fmt.Errorf("%w: RTP to Asterisk carries ulaw, alaw and slin, not %s: use the websocket transport", ErrFormat, f)
}

// RTP is a media leg over plain RTP (externalMedia, encapsulation rtp): the
// fallback for an Asterisk without chan_websocket. There is no queue in the
// exchange, so Flush is exact and immediate; but nobody tells that the peer
// died, and the transport is neither encrypted nor authenticated: keep it on
// a network of your own.
type RTP struct {
	*line
	pt uint8
}

var _ Session = (*RTP)(nil)

// ListenRTP opens a port on ip; LocalAddr names it for Asterisk. Nothing is
// sent before Start.
func ListenRTP(ip string, o Options) (*RTP, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	pt, err := payloadType(o.Format)
	if err != nil {
		return nil, err
	}
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(ip)})
	if err != nil {
		return nil, fmt.Errorf("media rtp: %w", err)
	}
	return &RTP{line: newLine(conn, o.Format, o, nil), pt: pt}, nil
}

// LocalAddr is where Asterisk sends to.
func (r *RTP) LocalAddr() string { return r.conn.LocalAddr().String() }

// Start begins to send to and to take from peer, and from nobody else.
func (r *RTP) Start(peer netip.AddrPort) {
	r.steer(route{peer: peer, latched: true, sound: r.pt, send: true})
	go r.read()
	go r.pace()
}
