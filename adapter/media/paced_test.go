package media

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// collector takes what a paced session sends.
type collector struct {
	mu   sync.Mutex
	all  [][]byte
	at   []time.Time
	loud int
}

func (c *collector) send(frame []byte, speech bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, append([]byte(nil), frame...))
	c.at = append(c.at, time.Now())
	if speech {
		c.loud++
	}
	return nil
}

func pacedSession(t *testing.T) (*paced, *collector) {
	t.Helper()
	c := new(collector)
	o, err := Options{Format: audio.FormatSlin}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	p := newPaced(o, time.Now(), c.send, func() {})
	go p.pace()
	t.Cleanup(func() { _ = p.Close() })
	return p, c
}

func TestPacedNeverStopsSending(t *testing.T) {
	p, c := pacedSession(t)
	time.Sleep(300 * time.Millisecond)
	if err := p.WriteFrame(speech(p.o.Format, 100*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := p.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loud != 5 || len(c.all) < 10 || len(c.all) > 60 || p.Played() != 100*time.Millisecond {
		t.Errorf("%d frames, %d of speech, played %v", len(c.all), c.loud, p.Played())
	}
}

func TestPacedFlush(t *testing.T) {
	p, c := pacedSession(t)
	wrote, drained := make(chan error, 1), make(chan error, 1)
	go func() { wrote <- p.WriteFrame(speech(p.o.Format, 5*time.Second)) }()
	time.Sleep(200 * time.Millisecond)
	go func() { drained <- p.Drain(context.Background()) }()
	time.Sleep(50 * time.Millisecond)
	heard, err := p.Flush()
	if err != nil || !errors.Is(<-wrote, pbx.ErrFlushed) || !errors.Is(<-drained, pbx.ErrFlushed) {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	c.mu.Lock()
	loud := c.loud
	c.mu.Unlock()
	if d := toTime(int64(loud)) - heard; d < 0 || d > 2*frameTime {
		t.Errorf("flush says %v, %d frames were sent", heard, loud)
	}
	p.Abort(errTest)
	if err := p.WriteFrame(speech(p.o.Format, time.Second)); !errors.Is(err, pbx.ErrGone) {
		t.Error(err)
	}
	if err := p.Drain(t.Context()); !errors.Is(err, pbx.ErrGone) {
		t.Error(err)
	}
	var f audio.Frame
	if err := p.ReadFrame(&f); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func packet(seq uint16, ts uint32, payload []byte) []byte {
	p := rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 0, SequenceNumber: seq, Timestamp: ts, SSRC: 7}, Payload: payload}
	b, err := p.Marshal()
	if err != nil {
		panic(err)
	}
	return b
}

func TestJitterPutsInOrderAndTellsLoss(t *testing.T) {
	frame := bytes.Repeat([]byte{1}, 160)
	for name, tc := range map[string]struct {
		order []int // packet numbers, 20 ms each
		want  string
	}{
		"in order":   {[]int{0, 1, 2, 3}, "0 160 320 480 "},
		"swapped":    {[]int{0, 2, 1, 3}, "0 160 320 480 "},
		"twice":      {[]int{0, 1, 1, 2, 0}, "0 160 320 "},
		"lost":       {[]int{0, 2, 3, 4, 5}, "0 320 480 640 800 "},
		"very late":  {[]int{0, 2, 3, 4, 5, 1, 6}, "0 320 480 640 800 960 "},
		"reversed 3": {[]int{0, 3, 2, 1, 4}, "0 160 320 480 640 "},
	} {
		got := ""
		j := newJitter(audio.FormatULaw, func(pos int64, _ []byte) { got += fmt.Sprint(pos, " ") })
		for i, n := range tc.order {
			feed(j, time.Duration(i)*20*time.Millisecond, packet(uint16(65533+n), uint32(4294967000+160*n), frame))
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	// A new source, and a leap of the timestamp, go on where the clock stands.
	var at []int64
	j := newJitter(audio.FormatULaw, func(pos int64, _ []byte) { at = append(at, pos) })
	feed(j, 20*time.Millisecond, packet(1, 1000, frame))
	feed(j, 3*time.Second, packet(2, 900000000, frame))
	if len(at) != 2 || at[1] < 23000 || at[1] > 24000 {
		t.Errorf("leap: %v", at)
	}
}

func feed(j *jitter, elapsed time.Duration, datagram []byte) {
	var p rtp.Packet
	if p.Unmarshal(datagram) == nil {
		j.push(elapsed, &p.Header, p.Payload)
	}
}

func FuzzJitter(f *testing.F) {
	f.Add(packet(1, 2, []byte{1, 2, 3}), packet(2, 162, []byte{1, 2, 3}), int64(20))
	f.Add([]byte{0x80}, []byte{}, int64(-1))
	f.Fuzz(func(t *testing.T, a, b []byte, ms int64) {
		end := int64(0)
		j := newJitter(audio.FormatULaw, func(pos int64, wire []byte) {
			if pos < end {
				t.Fatalf("time runs backwards: %d after %d", pos, end)
			}
			end = pos + int64(len(wire))
		})
		for i, d := range [][]byte{a, b, a, b, b, a} {
			feed(j, time.Duration(ms%1e6)*time.Millisecond*time.Duration(i), d)
			if len(j.waiting) > jitterDepth+1 || len(j.spare) > jitterDepth+1 {
				t.Fatal("unbounded")
			}
		}
	})
}

func TestRTPBothWays(t *testing.T) {
	for _, f := range []audio.Format{audio.FormatULaw, audio.FormatALaw, audio.FormatSlin} {
		peer, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP("127.0.0.1")})
		if err != nil {
			t.Fatal(err)
		}
		r, err := ListenRTP("127.0.0.1", Options{Format: f})
		if err != nil {
			t.Fatal(err)
		}
		r.Start(netip.MustParseAddrPort(peer.LocalAddr().String()))
		to := netip.MustParseAddrPort(r.LocalAddr())
		buf := make([]byte, 2048)
		var p rtp.Packet
		var last uint32
		for i := range 5 {
			n, err := peer.Read(buf)
			if err != nil || p.Unmarshal(buf[:n]) != nil || len(p.Payload) != f.FrameBytes() || (i > 0 && p.Timestamp != last+160) {
				t.Fatalf("%s: %v %+v", f, err, p.Header)
			}
			last = p.Timestamp
		}
		quiet := bytes.Clone(p.Payload)
		if err := r.WriteFrame(audio.Frame{Samples: bytesOf(0x1234, 160)}); err != nil {
			t.Fatal(err)
		}
		for {
			n, err := peer.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			if _ = p.Unmarshal(buf[:n]); !bytes.Equal(p.Payload, quiet) {
				break
			}
		}
		if f == audio.FormatSlin && (p.Payload[0] != 0x12 || p.Payload[1] != 0x34) {
			t.Errorf("linear audio is not in network byte order: % x", p.Payload[:2])
		}
		// A stranger's packet is not taken; the peer's is.
		stranger, _ := net.Dial("udp", r.LocalAddr())
		_, _ = stranger.Write(packet(1, 1, make([]byte, 160)))
		p.SequenceNumber, p.Timestamp = 9, 9
		data, _ := p.Marshal()
		_, _ = peer.WriteToUDPAddrPort(data, to)
		var got audio.Frame
		if err := r.ReadFrame(&got); err != nil || int(got.Samples[3])-0x1234 > 400 || int(got.Samples[3])-0x1234 < -400 {
			t.Errorf("%s: %v %d", f, err, got.Samples[3])
		}
		_ = stranger.Close()
		_ = r.Close()
		_ = peer.Close()
	}
	if _, err := ListenRTP("127.0.0.1", Options{Format: audio.FormatSlin16}); !errors.Is(err, ErrFormat) {
		t.Errorf("slin16 over RTP is one-way in Asterisk 22: %v", err)
	}
}

func bytesOf(v int16, n int) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// Hazard c.5: the exchange must never wait for our bytes.
func TestAudioSocketSendsSilenceFromTheFirstMoment(t *testing.T) {
	id := [16]byte{1, 2, 3}
	a, err := ListenAudioSocket("127.0.0.1", id, Options{Format: audio.FormatSlin})
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() { accepted <- a.Accept(t.Context()) }()
	c, err := net.Dial("tcp", a.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	// Before we said who we are, silence comes.
	_ = c.SetReadDeadline(time.Now().Add(time.Second))
	kind, payload, err := readAudioSocket(c, nil)
	if err != nil || kind != asSlin || len(payload) != 320 {
		t.Fatalf("%x %d %v", kind, len(payload), err)
	}
	_, _ = c.Write(append([]byte{asUUID, 0, 16}, id[:]...))
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	begin, n := time.Now(), 0
	for time.Since(begin) < 400*time.Millisecond {
		if _, _, err := readAudioSocket(c, payload); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n < 5 {
		t.Errorf("%d frames in 400 ms", n)
	}
	msg := binary.BigEndian.AppendUint16([]byte{asSlin}, 320)
	_, _ = c.Write(append(msg, make([]byte, 320)...))
	var f audio.Frame
	if err := a.ReadFrame(&f); err != nil || len(f.Samples) != 160 {
		t.Fatal(err)
	}
	_, _ = c.Write([]byte{asHangup, 0, 0})
	<-a.Done()
	if a.Err() == nil {
		t.Error("no reason")
	}
}

func TestAudioSocketRefusesAnother(t *testing.T) {
	a, err := ListenAudioSocket("127.0.0.1", [16]byte{1}, Options{Format: audio.FormatSlin16})
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() { accepted <- a.Accept(t.Context()) }()
	c, err := net.Dial("tcp", a.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = c.Write(append([]byte{asUUID, 0, 16}, make([]byte, 16)...))
	if err := <-accepted; !errors.Is(err, ErrAudioSocket) {
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if a, err = ListenAudioSocket("127.0.0.1", [16]byte{1}, Options{Format: audio.FormatSlin16}); err != nil {
		t.Fatal(err)
	}
	if err := a.Accept(ctx); err == nil {
		t.Error("nobody came")
	}
	if _, err := ListenAudioSocket("127.0.0.1", [16]byte{}, Options{Format: audio.FormatULaw}); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

func FuzzAudioSocket(f *testing.F) {
	f.Add([]byte{asUUID, 0, 1, 7, asSlin, 0, 2, 1, 2})
	f.Add([]byte{0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		var buf []byte
		for {
			_, payload, err := readAudioSocket(r, buf)
			if err != nil {
				return
			}
			if len(payload) > 65535 {
				t.Fatal("unbounded")
			}
			buf = payload
		}
	})
}
