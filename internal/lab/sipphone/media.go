package sipphone

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/rtp"

	"ringmaster/internal/audio"
)

// Loss makes the line of every call lose packets, at random but the same way
// for the same seed.
type Loss struct {
	Send    float64 // share of our packets that never leave, 0 to 1
	Receive float64 // share of arriving packets that are thrown away unseen
	Seed    uint64
}

// media is one call's RTP: one socket, one reading and one pacing goroutine.
type media struct {
	sock   *socket
	loss   Loss
	random *rand.Rand // reader only
	keep   bool

	mu      sync.Mutex
	remote  netip.AddrPort
	codec   codec
	events  uint8
	sending bool // direction and mute allow us to send
	muted   bool
	heard   heard
	changed chan struct{} // closed and replaced whenever something was heard
	packets []Packet
	sentLog []Packet
	digits  []Digit
	digitTS uint32
	dropped int // thrown away by Loss
	strange int // not RTP, or of no payload type that we know

	queue     []*sound
	noise     []int16
	noiseAt   int
	echo      *echo
	sent      Timeline
	sentPos   int
	spoken    []Span
	seq       uint16
	ts        uint32
	ssrc      uint32
	marker    bool
	stalls    int
	sentCount int
	sendRand  *rand.Rand
}

// sound is something to be sent: samples, or one key.
type sound struct {
	samples   []int16
	key       byte
	remaining int // samples of a key still to be sent
	total     int
	startTS   uint32
	started   time.Time
	done      chan struct{}
}

type echo struct {
	delay time.Duration
	gain  float64
}

func newMedia(host string, loss Loss, limit time.Duration, keep bool) (*media, error) {
	sock, err := listenUDP(host + ":0")
	if err != nil {
		return nil, err
	}
	port := uint64(sock.addr().Port())
	m := &media{
		sock:     sock,
		loss:     loss,
		keep:     keep,
		random:   rand.New(rand.NewPCG(loss.Seed, 1)), //nolint:gosec // losses must repeat for the same seed
		sendRand: rand.New(rand.NewPCG(loss.Seed, 2)), //nolint:gosec // losses must repeat for the same seed
		changed:  make(chan struct{}),
		seq:      uint16(rand.Uint32()),        //nolint:gosec // a telephone of the lab need not hide its sequence numbers
		ts:       rand.Uint32(),                //nolint:gosec // nor its timestamps
		ssrc:     rand.Uint32() ^ uint32(port), //nolint:gosec // nor its source
		marker:   true,
	}
	if keep {
		m.heard.limit = toSamples(limit)
	}
	return m, nil
}

// connect sets the peer's side of the session; it may be called again.
func (m *media) connect(s session, c codec) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remote, m.codec, m.events = s.remote, c, s.events
	// Port 0 refuses the medium; the address 0.0.0.0 is a hold of the old kind.
	m.sending = s.remote.Port() != 0 && !s.remote.Addr().IsUnspecified() && (s.direction == "sendrecv" || s.direction == "recvonly")
}

// read runs until the socket is closed.
func (m *media) read() {
	buf := make([]byte, 2048)
	samples := make([]int16, 0, 2048)
	for {
		n, _, at, err := m.sock.read(buf)
		if err != nil {
			return
		}
		if m.loss.Receive > 0 && m.random.Float64() < m.loss.Receive {
			m.mu.Lock()
			m.dropped++
			m.mu.Unlock()
			continue
		}
		m.packet(buf[:n], samples, at)
	}
}

func (m *media) packet(b []byte, samples []int16, at time.Time) {
	var p rtp.Packet
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := p.Unmarshal(b); err != nil || p.Version != 2 {
		m.strange++
		return
	}
	encoding, known := staticCodec(p.PayloadType)
	if p.PayloadType == m.codec.payload && m.codec.encoding != "" {
		encoding, known = m.codec.encoding, true
	}
	key := m.events != 0 && p.PayloadType == m.events
	if !known && !key {
		m.strange++
		return
	}
	if !m.heard.arrive(p.SSRC, p.SequenceNumber, p.Timestamp, at) {
		return
	}
	entry := Packet{At: at, Seq: p.SequenceNumber, Timestamp: p.Timestamp, Marker: p.Marker, Payload: p.PayloadType}
	if key {
		m.key(p.Payload, p.Timestamp, at)
	} else if len(p.Payload) > 0 {
		samples, _ = audio.Decode(samples[:0], p.Payload, encoding)
		entry.Audible = m.heard.place(p.Timestamp, p.Marker, samples, at)
	}
	if m.keep {
		m.packets = append(m.packets, entry)
	}
	if entry.Audible {
		close(m.changed)
		m.changed = make(chan struct{})
	}
}

// keys are the events 0 to 15 of RFC 4733.
const keys = "0123456789*#ABCD"

func (m *media) key(payload []byte, ts uint32, at time.Time) {
	if len(payload) < 4 || int(payload[0]) >= len(keys) {
		m.strange++
		return
	}
	if n := len(m.digits); n == 0 || m.digitTS != ts {
		m.digits = append(m.digits, Digit{Key: keys[payload[0]], At: at})
		m.digitTS = ts
	}
	d := &m.digits[len(m.digits)-1]
	d.Duration = max(d.Duration, toDuration(int(binary.BigEndian.Uint16(payload[2:]))))
	d.Ended = d.Ended || payload[1]&0x80 != 0
}

func (m *media) setMark() {
	m.mu.Lock()
	m.heard.setMark(time.Now())
	m.mu.Unlock()
}
