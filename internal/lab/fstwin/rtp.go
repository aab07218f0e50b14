package fstwin

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/pion/rtp"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/lab/twin/sound"
)

// maxQueue is how many frames wait at most between the other end and us. A
// FreeSWITCH has no buffer here: it is for a busy machine, whose packets come
// in bursts.
const maxQueue = 50

// keyPayload is the payload type of telephone-event that we offer.
const keyPayload = 101

// codec is a payload of RTP as it was offered or chosen.
type codec struct {
	name    string // PCMU, PCMA, L16
	rate    int
	payload uint8
}

// codecs reads absolute_codec_string, such as "PCMU,L16@16000h".
func codecs(list string) []codec {
	var out []codec
	for one := range strings.SplitSeq(list, ",") {
		name, at, _ := strings.Cut(strings.TrimSpace(one), "@")
		switch rate := atoi(strings.TrimSuffix(strings.Split(at, "@")[0], "h")); strings.ToUpper(name) {
		case "PCMU":
			out = append(out, codec{"PCMU", 8000, 0})
		case "PCMA":
			out = append(out, codec{"PCMA", 8000, 8})
		case "L16":
			if rate == 16000 {
				out = append(out, codec{"L16", 16000, 97})
			} else {
				out = append(out, codec{"L16", 8000, 96})
			}
		}
	}
	if len(out) == 0 {
		return []codec{{"PCMU", 8000, 0}, {"PCMA", 8000, 8}}
	}
	return out
}

// stream is the RTP of a SIP leg: one socket, one reading goroutine; the clock
// writes.
type rtpStream struct {
	conn     *net.UDPConn
	patience time.Duration // without a packet
	marked   bool          // rtp_manual_rtp_bugs=IGNORE_MARK_BIT
	quiet    func()        // it is over
	key      func(digit byte)

	mu      sync.Mutex
	remote  netip.AddrPort
	codec   codec
	keys    uint8 // payload type of telephone-event, 0 for none
	queue   []sound.Frame
	seq     uint16
	ts      uint32
	ssrc    uint32
	marker  bool
	last    int16
	linear  []int16
	coded   []byte
	pressed []byte // keys to be sent
	held    int    // samples that the first of them has been held
	keyTS   uint32
	seenKey uint32
	anyKey  bool
}

func newStream(ssrc uint32) (*rtpStream, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("rtp of the twin: %w", err)
	}
	_ = conn.SetReadBuffer(256 << 10)
	return &rtpStream{conn: conn, ssrc: ssrc, marker: true}, nil
}

func (s *rtpStream) port() int {
	a, ok := s.conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return 0
	}
	return a.Port
}

// to sets where the sound goes, and as what.
func (s *rtpStream) to(remote netip.AddrPort, c codec, keys uint8) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remote, s.codec, s.keys = remote, c, keys
}

// read takes packets until the socket is closed.
func (s *rtpStream) read() {
	buf := make([]byte, 4096)
	for {
		if s.patience > 0 {
			_ = s.conn.SetReadDeadline(time.Now().Add(s.patience))
		}
		n, _, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() { //nolint:errorlint // the socket's own error
				s.quiet()
			}
			return
		}
		s.packet(buf[:n])
	}
}

func (s *rtpStream) packet(b []byte) {
	var p rtp.Packet
	if p.Unmarshal(b) != nil {
		return
	}
	if digit := s.take(&p); digit != 0 {
		s.key(digit)
	}
}

// take queues the sound of a packet; a key that was released is returned.
func (s *rtpStream) take(p *rtp.Packet) (digit byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys != 0 && p.PayloadType == s.keys {
		if len(p.Payload) < 4 || p.Payload[0] > 15 || p.Payload[1]&0x80 == 0 || s.anyKey && s.seenKey == p.Timestamp {
			return 0
		}
		s.anyKey, s.seenKey = true, p.Timestamp
		return "0123456789*#ABCD"[p.Payload[0]]
	}
	if p.PayloadType != s.codec.payload {
		return 0
	}
	if p.Marker && !s.marked { // switch_rtp.c flushes what it has not read yet
		s.queue = s.queue[:0]
	}
	samples := s.decode(p.Payload)
	for len(samples) > 0 {
		var f sound.Frame
		n := copy(f[:], samples)
		samples = samples[n:]
		if len(s.queue) >= maxQueue {
			s.queue = s.queue[1:]
		}
		s.queue = append(s.queue, f)
	}
	return 0
}

// decode is the sound of a payload at callee.Rate.
func (s *rtpStream) decode(payload []byte) []int16 {
	switch s.codec.name {
	case "PCMU":
		s.linear, _ = audio.Decode(s.linear[:0], payload, audio.ULaw)
		return s.linear
	case "PCMA":
		s.linear, _ = audio.Decode(s.linear[:0], payload, audio.ALaw)
		return s.linear
	}
	s.linear = s.linear[:0]
	for i := 0; i+1 < len(payload); i += 2 { // RFC 3551, 4.5.11: network order
		s.linear = append(s.linear, int16(binary.BigEndian.Uint16(payload[i:])))
	}
	if s.codec.rate == callee.Rate {
		return s.linear
	}
	return callee.Downsample(nil, s.linear)
}

// Play implements sound.Source. What has piled up in a burst is caught up with
// where nothing is said.
func (s *rtpStream) Play(dst *sound.Frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) > 1 && !callee.Audible(s.queue[0][:]) {
		s.queue = s.queue[1:]
	}
	if len(s.queue) == 0 {
		return false
	}
	*dst = s.queue[0]
	s.queue = s.queue[1:]
	return true
}

// Say implements sound.Source.
func (s *rtpStream) Say(f []int16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.remote.IsValid() {
		return
	}
	step := uint32(len(f) * s.codec.rate / callee.Rate)
	if len(s.pressed) > 0 && s.keys != 0 {
		s.sendKey(step)
		s.ts += step
		return
	}
	s.write(s.codec.payload, s.ts, s.marker, s.encode(f))
	s.marker = false
	s.ts += step
}

func (s *rtpStream) encode(f []int16) []byte {
	switch s.codec.name {
	case "PCMU":
		s.coded, _ = audio.Encode(s.coded[:0], f, audio.ULaw)
		return s.coded
	case "PCMA":
		s.coded, _ = audio.Encode(s.coded[:0], f, audio.ALaw)
		return s.coded
	}
	if s.codec.rate != callee.Rate {
		s.linear, s.last = callee.Upsample(s.linear[:0], f, s.last)
		f = s.linear
	}
	s.coded = s.coded[:0]
	for _, v := range f {
		s.coded = binary.BigEndian.AppendUint16(s.coded, uint16(v))
	}
	return s.coded
}

// sendKey is 20 ms of a key (RFC 4733); its end is told three times.
func (s *rtpStream) sendKey(step uint32) {
	if s.held == 0 {
		s.keyTS = s.ts
	}
	first := s.held == 0
	s.held += int(step)
	end := s.held >= 5*int(step)
	payload := []byte{byte(strings.IndexByte("0123456789*#ABCD", s.pressed[0])), 10, byte(s.held >> 8), byte(s.held)}
	times := 1
	if end {
		payload[1] |= 0x80
		times = 3
	}
	for range times {
		s.write(s.keys, s.keyTS, first, payload)
	}
	if end {
		s.pressed, s.held, s.marker = s.pressed[1:], 0, true
	}
}

func (s *rtpStream) write(payloadType uint8, ts uint32, marker bool, payload []byte) {
	p := rtp.Packet{Header: rtp.Header{
		Version: 2, Marker: marker, PayloadType: payloadType, SequenceNumber: s.seq, Timestamp: ts, SSRC: s.ssrc,
	}, Payload: payload}
	s.seq++
	b, err := p.Marshal()
	if err != nil {
		return
	}
	_, _ = s.conn.WriteToUDPAddrPort(b, s.remote)
}

func (s *rtpStream) press(digit byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pressed) < 64 {
		s.pressed = append(s.pressed, digit)
	}
}

func (s *rtpStream) close() { _ = s.conn.Close() }

// offer describes our side.
func (s *rtpStream) offer(list []codec, version int) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=FreeSWITCH %d %d IN IP4 127.0.0.1\r\ns=FreeSWITCH\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP", s.ssrc, version, s.port())
	for _, c := range list {
		fmt.Fprintf(&b, " %d", c.payload)
	}
	rate := list[0].rate
	fmt.Fprintf(&b, " %d\r\n", keyPayload)
	for _, c := range list {
		fmt.Fprintf(&b, "a=rtpmap:%d %s/%d\r\n", c.payload, c.name, c.rate)
	}
	fmt.Fprintf(&b, "a=rtpmap:%d telephone-event/%d\r\na=fmtp:%d 0-15\r\na=ptime:20\r\na=sendrecv\r\n", keyPayload, rate, keyPayload)
	return []byte(b.String())
}

// answer is what of the other's description a leg needs.
type sdpAnswer struct {
	remote netip.AddrPort
	codec  codec
	keys   uint8
}

// readAnswer reads the first audio medium of a session description.
func readAnswer(body []byte) (sdpAnswer, error) {
	var a sdpAnswer
	var payloads []string
	mapped := map[string]string{"0": "PCMU/8000", "8": "PCMA/8000"}
	var ip netip.Addr
	port := 0
	if len(body) > 16<<10 {
		return a, fmt.Errorf("a session description of %d bytes", len(body))
	}
	for l := range strings.SplitSeq(string(body), "\n") {
		l = strings.TrimRight(l, "\r")
		switch {
		case strings.HasPrefix(l, "c=IN IP4 "):
			ip, _ = netip.ParseAddr(strings.TrimSpace(l[9:]))
		case strings.HasPrefix(l, "m=audio ") && payloads == nil:
			f := strings.Fields(l[8:])
			if len(f) < 3 {
				return a, fmt.Errorf("a media line without formats")
			}
			port, payloads = atoi(f[0]), f[2:]
		case strings.HasPrefix(l, "a=rtpmap:"):
			if pt, name, ok := strings.Cut(l[9:], " "); ok {
				mapped[pt] = name
			}
		}
	}
	if !ip.IsValid() || port < 1 || port > 65535 || len(payloads) == 0 {
		return a, fmt.Errorf("a session description without an address for sound")
	}
	a.remote = netip.AddrPortFrom(ip, uint16(port))
	for _, p := range payloads {
		name, rate, _ := strings.Cut(mapped[p], "/")
		rate, _, _ = strings.Cut(rate, "/")
		n := atoi(p)
		if n < 0 || n > 127 {
			continue
		}
		switch strings.ToUpper(name) {
		case "PCMU", "PCMA", "L16":
			if a.codec.name == "" {
				a.codec = codec{strings.ToUpper(name), atoi(rate), uint8(n)}
			}
		case "TELEPHONE-EVENT":
			a.keys = uint8(n)
		}
	}
	if a.codec.name == "" || a.codec.rate != 8000 && a.codec.rate != 16000 {
		return a, fmt.Errorf("a session description without a codec of ours")
	}
	return a, nil
}
