package media

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pion/rtp"

	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// line is a media leg over RTP (RFC 3550, 3551, 4733) on a port of its own.
// There is no queue in the exchange, so Flush is exact and immediate.
type line struct {
	*paced
	asked audio.Format // what the samples are; o.Format is what travels
	conn  *net.UDPConn
	allow func(netip.Addr) bool // whose sound may be taken when its port is not the one that was told
	way   sync.Mutex            // of those who replace the route
	route atomic.Pointer[route]
	press chan struct{} // one SendDTMF at a time
	mouth atomic.Pointer[keyMouth]

	received, sent, strange atomic.Uint64
	late                    atomic.Uint64

	// Of the pacer.
	seq     uint16
	ts      uint32
	ssrc    uint32
	flowing bool // the packet before this one was sent
	turned  int64
	out     []byte
}

// route is where a line's sound goes and comes from; it is replaced, never
// changed.
type route struct {
	peer    netip.AddrPort // not valid: not known yet
	latched bool           // sound has come from there: it comes from nowhere else
	tied    bool           // the socket is connected to it
	sound   uint8          // payload types
	keys    uint8          // 0: none
	keyRate int            // of the keys' clock
	send    bool           // the peer wants to hear us
}

func (r *route) open() bool { return r.send && r.peer.IsValid() }

// newLine takes a bound socket. Nothing is taken or sent before there is a
// route.
func newLine(conn *net.UDPConn, asked audio.Format, o Options, allow func(netip.Addr) bool) *line {
	l := &line{
		asked: asked, conn: conn, allow: allow, press: make(chan struct{}, 1),
		//nolint:gosec // RFC 3550 wants them different, not secret
		seq: uint16(rand.Uint32()), ts: rand.Uint32(), ssrc: rand.Uint32(),
	}
	l.paced = newPaced(o, time.Now(), l.write, func() { _ = conn.Close() })
	l.route.Store(&route{})
	l.held = true
	return l
}

// Format implements pbx.Media.
func (l *line) Format() audio.Format { return l.asked }

// steer replaces the route.
func (l *line) steer(r route) {
	r.peer = netip.AddrPortFrom(r.peer.Addr().Unmap(), r.peer.Port())
	l.way.Lock()
	defer l.way.Unlock()
	if !r.open() {
		l.hold(true)
	}
	if was := l.route.Load(); was.tied && was.peer != r.peer {
		if err := connect(l.conn, netip.AddrPort{}); err != nil {
			l.o.Log.Warn("media: a socket stays tied to the peer it had", "err", err)
		}
	} else {
		r.tied = was.tied
	}
	if r.latched && r.peer.IsValid() && !r.tied {
		r.tied = connect(l.conn, r.peer) == nil
	}
	l.route.Store(&r)
	if r.open() {
		l.hold(false)
	}
}

// turn implements rider.
func (l *line) turn(n int64, buf []byte) error {
	select {
	case <-l.done:
		return pbx.ErrGone
	default:
	}
	if left := n - l.turned - 1; l.turned != 0 && left > 0 {
		l.ts += uint32(left) * uint32(l.o.Format.FrameSamples()) // time goes on without us
	}
	l.turned = n
	if m := l.mouth.Load(); m != nil {
		return l.pressKey(m, buf)
	}
	return l.tick(buf)
}

// write sends one frame. An error of one packet is the network's, not the
// session's: the next one may arrive.
func (l *line) write(frame []byte, _ bool) error {
	ts := l.ts
	l.ts += uint32(l.o.Format.FrameSamples())
	r := l.route.Load()
	if !r.open() {
		l.flowing = false
		return nil
	}
	// The marker stands behind silence in which nothing was sent, and there only
	// (RFC 3551, 4.1): FreeSWITCH throws away what it has buffered when it sees one.
	marker := !l.flowing
	l.flowing = true
	return l.packet(r, r.sound, ts, marker, frame, l.o.Format.Encoding == audio.Linear)
}

// packet sends one packet; linear samples go in network byte order (RFC 3551,
// L16).
func (l *line) packet(r *route, pt uint8, ts uint32, marker bool, payload []byte, linear bool) error {
	h := rtp.Header{Version: 2, PayloadType: pt, SequenceNumber: l.seq, Timestamp: ts, SSRC: l.ssrc, Marker: marker}
	if cap(l.out) == 0 {
		l.out = make([]byte, 0, 12+len(l.quiet))
	}
	l.out = l.out[:12]
	n, err := h.MarshalTo(l.out)
	if err != nil {
		return err
	}
	l.out = append(l.out[:n], payload...)
	if linear {
		swap(l.out[n:])
	}
	l.seq++
	if r.tied {
		_, err = l.conn.Write(l.out)
	} else {
		_, err = l.conn.WriteToUDPAddrPort(l.out, r.peer)
	}
	if errors.Is(err, net.ErrClosed) {
		return err
	}
	l.sent.Add(1)
	return nil
}

// pressKey sends one frame's time of a key.
func (l *line) pressKey(m *keyMouth, buf []byte) error {
	r := l.route.Load()
	if !r.open() || r.keys == 0 {
		return l.tick(buf)
	}
	payload, times, first, over := m.say(audio.Format{Encoding: audio.Linear, Rate: r.keyRate}, l.ts, buf)
	if over && l.mouth.CompareAndSwap(m, nil) {
		m.done <- nil
	}
	if payload == nil {
		return l.write(l.quiet, false)
	}
	l.ts += uint32(l.o.Format.FrameSamples())
	for range times {
		if err := l.packet(r, r.keys, m.begun, first, payload, false); err != nil {
			return err
		}
	}
	return nil
}

// SendDTMF presses keys (0 to 9, *, #, A to D; at most 64) in the place of
// speech, which waits meanwhile, and returns when they have been sent.
func (l *line) SendDTMF(ctx context.Context, digits string) error {
	keys, ok := validKeys(digits)
	if !ok {
		return fmt.Errorf("%w: keys are 0 to 9, *, #, A to D, at most 64 of them", pbx.ErrRefused)
	}
	if l.route.Load().keys == 0 {
		return fmt.Errorf("%w: the exchange offers no telephone-event on this media leg (RFC 4733)", pbx.ErrRefused)
	}
	select {
	case l.press <- struct{}{}:
		defer func() { <-l.press }()
	case <-ctx.Done():
		return ctx.Err()
	case <-l.done:
		return pbx.ErrGone
	}
	m := &keyMouth{keys: keys, done: make(chan error, 1)}
	l.mouth.Store(m)
	defer l.mouth.CompareAndSwap(m, nil)
	select {
	case err := <-m.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-l.done:
		return pbx.ErrGone
	}
}

func swap(b []byte) {
	for i := 0; i+1 < len(b); i += 2 {
		b[i], b[i+1] = b[i+1], b[i]
	}
}

// read is the one reader of the socket.
func (l *line) read() {
	e := l.newEar()
	buf := make([]byte, 2048)
	patience := false // a deadline is set
	for {
		n, from, err := l.conn.ReadFromUDPAddrPort(buf)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			e.jitter.due(true)
		case errors.Is(err, syscall.ECONNREFUSED): // nobody has the peer's port just now: it will say BYE, or come back
		case err != nil:
			l.end(fmt.Errorf("media rtp: %w", err))
			return
		default:
			e.hear(netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), buf[:n])
		}
		if waits := len(e.jitter.waiting) > 0; waits != patience {
			patience = waits
			var by time.Time
			if waits {
				by = time.Now().Add(jitterWait)
			}
			_ = l.conn.SetReadDeadline(by)
		}
	}
}

// ear is what the reader of a line knows of what came.
type ear struct {
	l      *line
	jitter *jitter
	keys   keyEar
	p      rtp.Packet
}

func (l *line) newEar() *ear {
	return &ear{l: l, jitter: newJitter(l.o.Format, l.in.putAt)}
}

// hear takes one datagram. What is not RTP of this session is left alone:
// RTCP on the same port (RFC 5761), another's sound, other payload types.
func (e *ear) hear(from netip.AddrPort, datagram []byte) {
	r := e.l.route.Load()
	mine := from == r.peer
	if !mine && (r.latched || e.l.allow == nil || !e.l.allow(from.Addr())) {
		e.l.strange.Add(1)
		return
	}
	if len(datagram) < 12 || datagram[1] >= 192 && datagram[1] <= 223 {
		return
	}
	if err := e.p.Unmarshal(datagram); err != nil || e.p.Version != 2 {
		e.l.strange.Add(1)
		return
	}
	switch pt := e.p.PayloadType; {
	case r.keys != 0 && pt == r.keys:
		e.jitter.pass(&e.p.Header)
		if key, ok := e.keys.hear(e.p.SSRC, e.p.Timestamp, e.p.Payload); ok {
			e.l.o.OnDTMF(key)
		}
	case pt == r.sound && e.jitter.fits(e.p.Payload) && (r.latched || e.l.latch(r, from)):
		e.l.received.Add(1)
		e.jitter.push(e.l.in.elapsed(time.Now()), &e.p.Header, e.p.Payload)
		e.l.late.Store(e.jitter.late)
	default:
		e.l.strange.Add(1)
	}
}

// latch holds on to where the first sound comes from: behind a translated
// address that is not what the peer believes of itself.
func (l *line) latch(r *route, from netip.AddrPort) bool {
	next := *r
	next.peer, next.latched = from, true
	l.way.Lock()
	defer l.way.Unlock()
	if l.route.Load() != r {
		return false // told otherwise at this moment: the next packet decides
	}
	next.tied = connect(l.conn, from) == nil
	l.route.Store(&next)
	if next.open() {
		l.hold(false)
	}
	return true
}
