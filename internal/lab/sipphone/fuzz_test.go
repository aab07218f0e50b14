package sipphone

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/audio"
)

const offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=A\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=sendonly\r\n"

func TestParseSDP(t *testing.T) {
	s, err := parseSDP([]byte(offer))
	if err != nil {
		t.Fatal(err)
	}
	if s.remote != netip.MustParseAddrPort("127.0.0.1:4000") || s.events != 101 || s.direction != "sendonly" || len(s.codecs) != 2 {
		t.Errorf("%+v", s)
	}
	if c, err := s.choose([]audio.Encoding{audio.ULaw, audio.ALaw}); err != nil || c.payload != 0 {
		t.Errorf("chose %+v, %v", c, err)
	}
	for name, bad := range map[string]string{
		"no audio":     "v=0\r\nc=IN IP4 127.0.0.1\r\nm=video 1 RTP/AVP 31\r\n",
		"other codecs": strings.ReplaceAll(offer, "8 0 101", "9 18"),
		"no address":   strings.ReplaceAll(offer, "c=IN IP4 127.0.0.1\r\n", ""),
		"host name":    strings.ReplaceAll(offer, "c=IN IP4 127.0.0.1", "c=IN IP4 example.com"),
		"bad port":     strings.ReplaceAll(offer, "4000", "70000"),
		"huge":         offer + strings.Repeat("a=x\r\n", 10000),
	} {
		if _, err := parseSDP([]byte(bad)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzSDP(f *testing.F) {
	f.Add([]byte(offer))
	f.Add([]byte("m=audio 0 RTP/AVP 0\nc=IN IP6 ::1"))
	f.Add([]byte("m=audio 1/2 RTP/AVP\na=rtpmap:"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSDP(b)
		if err != nil {
			return
		}
		if !s.remote.IsValid() || len(s.codecs) == 0 {
			t.Errorf("accepted without address or codec: %+v", s)
		}
		again, err := parseSDP(writeSDP(s.remote, 1, s.codecs, s.events, s.direction))
		if err != nil || again.remote != s.remote || again.direction != s.direction {
			t.Errorf("%+v written and read again: %+v, %v", s, again, err)
		}
	})
}

// FuzzDatagram throws bytes at the SIP port of a telephone that takes no calls.
func FuzzDatagram(f *testing.F) {
	f.Add([]byte("OPTIONS sip:1@x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z\r\nCSeq: 1 INVITE\r\n\r\n"))
	f.Add([]byte("INVITE sip:1@x SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=q\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContact: *\r\nContent-Length: 3\r\n\r\nv=0"))
	f.Add([]byte("\r\n\r\n"))
	p, err := Listen(Config{})
	if err != nil {
		f.Fatal(err)
	}
	defer p.Close()
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	f.Fuzz(func(_ *testing.T, b []byte) {
		p.datagram(b, netip.MustParseAddrPort("127.0.0.1:9"), time.Now())
	})
	p.mu.Lock()
	p.closed = false
	p.mu.Unlock()
}

// FuzzRTP throws bytes at a call's media port.
func FuzzRTP(f *testing.F) {
	f.Add([]byte{0x80, 0, 0, 1, 0, 0, 0, 160, 1, 2, 3, 4, 0xff, 0x80}, []byte{0x80, 101, 0, 2, 0, 0, 0, 160, 1, 2, 3, 4, 1, 0x8a, 3, 32})
	f.Add([]byte{0x80, 0, 255, 255, 255, 255, 255, 255, 1, 2, 3, 4, 0}, []byte{0x80, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 0})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		m := &media{changed: make(chan struct{}), events: 101, keep: true, codec: codec{0, audio.ULaw}}
		m.heard.limit = 8000
		now := time.Now()
		m.packet(a, nil, now)
		m.packet(b, nil, now.Add(20*time.Millisecond))
		m.packet(a, nil, now.Add(time.Hour))
		if len(m.heard.line.Samples) > m.heard.limit {
			t.Errorf("%d samples kept, limit %d", len(m.heard.line.Samples), m.heard.limit)
		}
		if m.heard.lost() < 0 || m.heard.lost() > 3*maxDropout {
			t.Errorf("lost %d of three packets", m.heard.lost())
		}
	})
}

func TestTimelineFollowsTimestampsAndTheWall(t *testing.T) {
	now := time.Now()
	tone := chirp(20*time.Millisecond, 400, 500)
	h := heard{limit: 80000}
	put := func(seq uint16, ts uint32, after time.Duration) {
		if h.arrive(7, seq, ts, now.Add(after)) {
			h.place(ts, seq == 3, tone, now.Add(after))
		}
	}
	at := func(pos int) bool {
		return pos+160 <= len(h.line.Samples) && find(h.line.Samples[pos:pos+160], tone) == 0
	}
	put(65534, 1000, 0)
	put(0, 1320, 45*time.Millisecond)            // 65535 comes late, this one is 5 ms late
	put(65535, 1160, 50*time.Millisecond)        // reordered
	put(65535, 1160, 51*time.Millisecond)        // twice
	put(2, 1640, 80*time.Millisecond)            // 1 is lost
	put(3, 1800, 2080*time.Millisecond)          // silence that the timestamps do not count
	put(4, 1800+160+8000, 3100*time.Millisecond) // silence that they do count
	put(5, 1800+320+8000, 3700*time.Millisecond) // late by half a second, no new talkspurt
	for _, pos := range []int{0, 160, 320, 640, 16640, 16640 + 8160, 16640 + 8320} {
		if !at(pos) {
			t.Errorf("nothing at sample %d", pos)
		}
	}
	if h.lost() != 1 || h.late != 1 || h.duplicate != 1 || h.received != 7 {
		t.Errorf("lost %d late %d duplicate %d received %d", h.lost(), h.late, h.duplicate, h.received)
	}
	if len(h.spans) != 4 {
		t.Errorf("%d stretches of sound, want 4", len(h.spans))
	}
}
