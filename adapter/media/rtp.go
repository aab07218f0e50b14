package media

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

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
	*paced
	conn *net.UDPConn
	peer atomic.Pointer[netip.AddrPort]
	pt   uint8

	// Of the pacer.
	seq     uint16
	ts      uint32
	ssrc    uint32
	talking bool
	out     []byte
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
	//nolint:gosec // RFC 3550 wants them different, not secret
	r := &RTP{conn: conn, pt: pt, seq: uint16(rand.Uint32()), ts: rand.Uint32(), ssrc: rand.Uint32()}
	r.paced = newPaced(o, time.Now(), r.write, func() { _ = conn.Close() })
	return r, nil
}

// LocalAddr is where Asterisk sends to.
func (r *RTP) LocalAddr() string { return r.conn.LocalAddr().String() }

// Start begins to send to and to take from peer, and from nobody else.
func (r *RTP) Start(peer netip.AddrPort) {
	peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port())
	r.peer.Store(&peer)
	go r.read()
	go r.pace()
}

// write sends one frame. An error of one packet is the network's, not the
// session's: the next one may arrive.
func (r *RTP) write(frame []byte, speech bool) error {
	p := rtp.Packet{Header: rtp.Header{
		Version: 2, PayloadType: r.pt, SequenceNumber: r.seq, Timestamp: r.ts, SSRC: r.ssrc, Marker: speech && !r.talking,
	}, Payload: r.wire(frame)}
	r.seq++
	r.ts += uint32(r.o.Format.FrameSamples())
	r.talking = speech
	data, err := p.Marshal()
	if err != nil {
		return err
	}
	if _, err = r.conn.WriteToUDPAddrPort(data, *r.peer.Load()); errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// wire is a frame in network byte order (RFC 3551, L16).
func (r *RTP) wire(frame []byte) []byte {
	if r.o.Format.Encoding != audio.Linear {
		return frame
	}
	r.out = append(r.out[:0], frame...)
	swap(r.out)
	return r.out
}

func swap(b []byte) {
	for i := 0; i+1 < len(b); i += 2 {
		b[i], b[i+1] = b[i+1], b[i]
	}
}

// read is the one reader of the socket.
func (r *RTP) read() {
	buf := make([]byte, 2048)
	j := newJitter(r.o.Format)
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			r.end(fmt.Errorf("media rtp: %w", err))
			return
		}
		if netip.AddrPortFrom(from.Addr().Unmap(), from.Port()) != *r.peer.Load() {
			continue
		}
		for _, f := range j.push(r.in.elapsed(time.Now()), r.pt, buf[:n]) {
			r.in.putAt(f.pos, f.wire)
		}
	}
}

// jitterDepth is how many packets wait for one that is late: 60 ms.
const jitterDepth = 3

// jitter puts received packets in order and on the sample clock. Pure: the
// time since the leg's start is handed in.
type jitter struct {
	format  audio.Format
	started bool
	ssrc    uint32
	next    uint16 // sequence number that is due
	ts0     uint32 // timestamp at pos0
	pos0    int64
	end     int64 // position after the last frame
	waiting []rtp.Packet
}

func newJitter(f audio.Format) *jitter { return &jitter{format: f} }

// push takes one datagram and returns the frames that are due, in order.
func (j *jitter) push(elapsed time.Duration, pt uint8, datagram []byte) []inFrame {
	var p rtp.Packet
	if err := p.Unmarshal(datagram); err != nil || p.PayloadType != pt || len(p.Payload) == 0 || len(p.Payload) > 4*j.format.FrameBytes() {
		return nil
	}
	if j.format.Encoding == audio.Linear && len(p.Payload)%2 != 0 {
		return nil
	}
	p.Payload = append([]byte(nil), p.Payload...)
	if leap := int32(p.Timestamp - j.ts0); !j.started || p.SSRC != j.ssrc || j.leapt(elapsed, leap) {
		j.anchor(elapsed, p)
	}
	if int16(p.SequenceNumber-j.next) < 0 {
		return nil // too late, or twice
	}
	j.wait(p)
	return j.due()
}

// leapt: the timestamp says something that the clock on the wall denies.
func (j *jitter) leapt(elapsed time.Duration, leap int32) bool {
	pos := j.pos0 + int64(leap)
	wall := j.format.Samples(elapsed)
	return pos > wall+j.format.Samples(2*time.Second) || pos < wall-j.format.Samples(10*time.Second)
}

func (j *jitter) anchor(elapsed time.Duration, p rtp.Packet) {
	frame := int64(j.format.FrameSamples())
	pos := max(j.end, j.format.Samples(elapsed)/frame*frame-frame)
	if pos-j.end < j.format.Samples(sureGap) {
		pos = j.end
	}
	j.started, j.ssrc, j.next, j.ts0, j.pos0, j.waiting = true, p.SSRC, p.SequenceNumber, p.Timestamp, pos, nil
}

// wait keeps p among the waiting, in order, once.
func (j *jitter) wait(p rtp.Packet) {
	at := len(j.waiting)
	for i, w := range j.waiting {
		if w.SequenceNumber == p.SequenceNumber {
			return
		}
		if int16(w.SequenceNumber-p.SequenceNumber) > 0 {
			at = i
			break
		}
	}
	j.waiting = append(j.waiting, rtp.Packet{})
	copy(j.waiting[at+1:], j.waiting[at:])
	j.waiting[at] = p
}

// due releases what is in order, and gives a missing packet up when too many
// wait for it.
func (j *jitter) due() []inFrame {
	var out []inFrame
	for len(j.waiting) > 0 && (j.waiting[0].SequenceNumber == j.next || len(j.waiting) > jitterDepth) {
		p := j.waiting[0]
		j.waiting = j.waiting[1:]
		j.next = p.SequenceNumber + 1
		pos := j.pos0 + int64(int32(p.Timestamp-j.ts0))
		samples := int64(len(p.Payload))
		if j.format.Encoding == audio.Linear {
			swap(p.Payload)
			samples /= 2
		}
		if pos < j.end {
			continue // overlaps what was given out
		}
		j.end = pos + samples
		out = append(out, inFrame{pos, p.Payload})
	}
	return out
}
