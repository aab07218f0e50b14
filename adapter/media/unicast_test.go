package media

import (
	"bytes"
	"errors"
	"net"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// Headerless frames both ways, of the peer alone and of whole frames alone;
// Flush is exact.
func TestUnicastBothWays(t *testing.T) {
	for _, f := range formats() {
		u, err := ListenUnicast("127.0.0.1", Options{Format: f})
		if err != nil {
			t.Fatal(err)
		}
		peer := udp(t)
		at, _ := addrOf(peer.LocalAddr())
		u.Start(at)
		if u.Native() != (f.Encoding != audio.Linear) {
			t.Error(f)
		}
		buf := make([]byte, 4096)
		next := func() []byte {
			_ = peer.SetReadDeadline(time.Now().Add(20 * time.Second))
			n, _, err := peer.ReadFromUDP(buf)
			if err != nil || n != f.FrameBytes() {
				t.Fatalf("%s: %d bytes, %v", f, n, err)
			}
			return buf[:n]
		}
		quiet := bytes.Clone(next())
		words := 0
		wrote := make(chan error, 1)
		go func() { wrote <- u.WriteFrame(speech(f, 10*time.Second)) }()
		for words < 4 {
			if !bytes.Equal(next(), quiet) {
				words++
			}
		}
		heard, err := u.Flush()
		if err != nil || !errors.Is(<-wrote, pbx.ErrFlushed) {
			t.Fatal(err)
		}
		for silent := 0; silent < 3; {
			if bytes.Equal(next(), quiet) {
				silent++
			} else {
				words++
			}
		}
		if heard != toTime(int64(words)) {
			t.Errorf("%s: flush says %v, %d frames came", f, heard, words)
		}
		to, _ := addrOf(u.conn.LocalAddr())
		stranger := udp(t)
		one, err := audio.Encode(nil, bytesOf(0x1234, f.FrameSamples()), f.Encoding)
		if err != nil {
			t.Fatal(err)
		}
		for _, send := range []struct {
			from *net.UDPConn
			data []byte
		}{{stranger, one}, {peer, nil}, {peer, one[:7]}, {peer, bytes.Repeat(one, 5)}, {peer, bytes.Repeat(one, 2)}} {
			if _, err := send.from.WriteToUDPAddrPort(send.data, to); err != nil {
				t.Fatal(err)
			}
		}
		var got audio.Frame
		for range 2 {
			if err := u.ReadFrame(&got); err != nil || len(got.Samples) != f.FrameSamples() || got.Samples[5] < 0x1234-400 || got.Samples[5] > 0x1234+400 {
				t.Errorf("%s: %v, %d samples", f, err, len(got.Samples))
			}
		}
		u.in.mu.Lock()
		if u.in.n != 0 {
			t.Errorf("%s: %d more frames", f, u.in.n)
		}
		u.in.mu.Unlock()
		_ = u.Close()
	}
	if _, err := ListenUnicast("pbx.example", Options{Format: audio.FormatSlin}); err == nil {
		t.Error("a name is no address")
	}
}
