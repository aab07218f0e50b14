package media

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// Every way in which sound travels, for the samples that were asked for.
func TestFormatsOfTheEndpoint(t *testing.T) {
	for name, tc := range map[string]struct {
		asked    audio.Format
		offer    string // payloads
		maps     []string
		pt       uint8
		size     int
		keysRate int
	}{
		"PCMU":                      {audio.FormatULaw, "8 0 101", []string{"a=rtpmap:101 telephone-event/8000"}, 0, 160, 8000},
		"PCMA":                      {audio.FormatALaw, "0 8", nil, 8, 160, 0},
		"L16 at 8 kHz":              {audio.FormatSlin, "0 100", []string{"a=rtpmap:100 L16/8000/1"}, 100, 320, 0},
		"L16 at 16 kHz":             {audio.FormatSlin16, "0 100 101 102", []string{"a=rtpmap:100 L16/16000", "a=rtpmap:101 telephone-event/8000", "a=rtpmap:102 telephone-event/16000"}, 100, 640, 16000},
		"what the peer has instead": {audio.FormatULaw, "8", nil, 8, 160, 0},
		"linear over PCMU":          {audio.FormatSlin, "0", nil, 0, 160, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := endpoint(t)
			x := expect(t, e, Options{Format: tc.asked})
			p := newRawPeer(t, e, x)
			p.call(p.offer("127.0.0.1", tc.offer, tc.maps...))
			m := await(t, x)
			if m.Format() != tc.asked || m.route.Load().keyRate != tc.keysRate {
				t.Errorf("%s, keys at %d", m.Format(), m.route.Load().keyRate)
			}
			if err := m.WriteFrame(audio.Frame{Samples: bytesOf(0x1234, tc.asked.FrameSamples())}); err != nil {
				t.Fatal(err)
			}
			k := p.hear(p.rtp)
			quiet := silence(m.o.Format, 1)
			for bytes.Equal(k.Payload, quiet) {
				k = p.hear(p.rtp)
			}
			if k.PayloadType != tc.pt || len(k.Payload) != tc.size || tc.size > 160 && (k.Payload[0] != 0x12 || k.Payload[1] != 0x34) {
				t.Errorf("type %d, %d bytes % x", k.PayloadType, len(k.Payload), k.Payload[:2])
			}
			p.soundFrom(p.rtp, 0, tc.pt, k.Payload)
			var f audio.Frame
			if err := m.ReadFrame(&f); err != nil || len(f.Samples) != tc.asked.FrameSamples() || f.Samples[3] < 0x1234-400 || f.Samples[3] > 0x1234+400 {
				t.Errorf("%v: %d samples of %d", err, len(f.Samples), f.Samples[3])
			}
		})
	}
	e := endpoint(t)
	p := newRawPeer(t, e, expect(t, e, Options{Format: audio.FormatSlin16}))
	if code, _ := p.ask("INVITE", p.plain()); code != 488 {
		t.Errorf("16 kHz out of 8: %d", code)
	}
}

// Reordered, doubled, late, lost: what is read is in order, on the clock, and
// says what is missing; a packet that waits is not kept back for ever.
func TestLossAndReorderOnTheClock(t *testing.T) {
	e := endpoint(t)
	x := expect(t, e, Options{Format: audio.FormatULaw})
	p := newRawPeer(t, e, x)
	p.call(p.plain())
	m := await(t, x)
	for _, n := range []int{0, 2, 1, 1, 3, 0, 5, 4, 7} { // 6 is lost, and 7 the last for now
		p.sound(n, bytes.Repeat([]byte{byte(0x80 + n)}, 160))
	}
	var f audio.Frame
	var got []string
	for range 7 {
		if err := m.ReadFrame(&f); err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%d+%d", f.Pos/160, f.Lost/160))
	}
	first := m.in.expect/160 - 8
	var want []string
	for i, n := range []int64{0, 1, 2, 3, 4, 5, 7} {
		lost := int64(0)
		if n == 7 {
			lost = 1
		}
		if i == 0 {
			lost = first
		}
		want = append(want, fmt.Sprintf("%d+%d", first+n, lost))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// Speech that was written before a hold is heard after it, to the frame.
func TestHoldKeepsSpeechAndResumeGoesOn(t *testing.T) {
	e := endpoint(t)
	x := expect(t, e, Options{Format: audio.FormatULaw})
	p := newRawPeer(t, e, x)
	p.call(p.plain())
	m := await(t, x)
	code, answer := p.ask("INVITE", p.plain("a=sendonly"))
	if code != 200 || !bytes.Contains([]byte(answer), []byte("a=recvonly")) {
		t.Fatalf("%s", answer)
	}
	p.ack("")
	if err := m.WriteFrame(speech(audio.FormatULaw, 200*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	// What is on its way arrives; then nothing does.
	buf := make([]byte, 2048)
	for quiet := false; !quiet; {
		_ = p.rtp.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
		_, _, err := p.rtp.ReadFromUDP(buf)
		quiet = err != nil
	}
	if m.Played() != 0 {
		t.Errorf("%v were heard by nobody", m.Played())
	}
	for _, hold := range []string{"a=inactive", ""} { // still held, then resumed on another port
		body := p.plain(hold)
		if hold == "" {
			p.rtp = udp(t)
			body = p.plain()
		}
		if code, answer := p.ask("INVITE", body); code != 200 {
			t.Fatalf("%s", answer)
		}
		p.ack("")
	}
	words := 0
	for words < 10 {
		if loud(p.hear(p.rtp)) {
			words++
		}
	}
	if err := m.Drain(patient(t)); err != nil || m.Played() != 200*time.Millisecond {
		t.Errorf("%v, %v", m.Played(), err)
	}
	// Another encoding in mid-call is refused, and the call goes on.
	if code, _ := p.ask("INVITE", p.offer("127.0.0.1", "8")); code != 488 {
		t.Errorf("another encoding: %d", code)
	}
	p.hear(p.rtp)
	// A re-INVITE without a description gets an offer.
	code, answer = p.ask("INVITE", "")
	if code != 200 || !bytes.Contains([]byte(answer), []byte("m=audio")) {
		t.Errorf("%s", answer)
	}
	p.rtp = udp(t)
	p.ack(p.plain())
	p.hear(p.rtp)
	// And an UPDATE moves the sound as well.
	p.rtp = udp(t)
	if code, answer := p.ask("UPDATE", p.plain()); code != 200 {
		t.Errorf("%s", answer)
	}
	p.hear(p.rtp)
}

// FreeSWITCH throws away what it has buffered when it sees the marker: it
// stands at the beginning and behind a hold, never where speech begins.
func TestMarkerStandsOnlyBehindRealSilence(t *testing.T) {
	e := endpoint(t)
	x := expect(t, e, Options{Format: audio.FormatULaw})
	p := newRawPeer(t, e, x)
	p.call(p.plain())
	m := await(t, x)
	if !p.hear(p.rtp).Marker {
		t.Error("the first packet has no marker")
	}
	for range 2 {
		if err := m.WriteFrame(speech(audio.FormatULaw, 60*time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		for words, quiet := 0, 0; quiet < 2; {
			k := p.hear(p.rtp)
			if k.Marker {
				t.Error("a marker in a stream that never stopped")
			}
			if loud(k) {
				words++
			} else if words > 0 {
				quiet++
			}
		}
	}
	buf := make([]byte, 2048)
	for tries := 0; ; tries++ {
		if code, _ := p.ask("INVITE", p.plain("a=sendonly")); code != 200 {
			t.Fatal(code)
		}
		p.ack("")
		for quiet := false; !quiet; {
			_ = p.rtp.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			_, _, err := p.rtp.ReadFromUDP(buf)
			quiet = err != nil
		}
		if code, _ := p.ask("INVITE", p.plain()); code != 200 {
			t.Fatal(code)
		}
		p.ack("")
		if p.hear(p.rtp).Marker {
			return
		}
		if tries == 20 { // the wheel may stand still for a while on a busy machine
			t.Fatal("no marker behind a hold")
		}
	}
}

// An exchange behind a translation says an address that is not its own: sound
// goes nowhere until it sends, then there and nowhere else.
func TestLatchingToTheExchangeAlone(t *testing.T) {
	e := endpoint(t)
	keys := make(chan byte, 4)
	x := expect(t, e, Options{Format: audio.FormatULaw, OnDTMF: func(d byte) { keys <- d }})
	p := newRawPeer(t, e, x)
	p.call(p.offer("192.0.2.9", "0 101", "a=rtpmap:101 telephone-event/8000"))
	m := await(t, x)
	if err := m.WriteFrame(speech(audio.FormatULaw, 100*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if r := m.route.Load(); r.peer.IsValid() {
		t.Fatalf("sound goes to %v", r.peer)
	}
	for n, junk := range [][]byte{{}, {0x80}, bytes.Repeat([]byte{0x80, 200}, 14), bytes.Repeat([]byte{0x80}, 1500), packet(1, 1, nil)} { // no sound, and RTCP
		if _, err := p.rtp.WriteToUDPAddrPort(junk, p.target); err != nil {
			t.Fatal(n, err)
		}
	}
	nat, other := udp(t), udp(t)
	p.soundFrom(nat, 0, 0, make([]byte, 160))
	words := 0
	for words < 5 {
		if loud(p.hear(nat)) {
			words++
		}
	}
	if m.Played() != 100*time.Millisecond {
		t.Errorf("played %v", m.Played())
	}
	p.soundFrom(other, 1, 0, bytes.Repeat([]byte{0x90}, 160)) // a stranger on the same machine
	p.soundFrom(nat, 1, 0, bytes.Repeat([]byte{0x80}, 160))
	var f audio.Frame
	for range 2 {
		if err := m.ReadFrame(&f); err != nil {
			t.Fatal(err)
		}
	}
	if f.Samples[0] != 32124 { // 0x80
		t.Errorf("another's sound: %d", f.Samples[0])
	}
	// A key in three packets is one key, and so is the next.
	for n, payload := range [][]byte{{5, 10, 0, 160}, {5, 10, 1, 64}, {5, 0x8a, 1, 224}, {99, 10, 0, 1}, {11}, {11, 10, 0, 160}} {
		at := p.ts
		p.ts += uint32(n / 3 * 1600) // all packets of a key bear its first time
		p.ts -= uint32(160 * (n + 2))
		p.soundFrom(nat, n+2, 101, payload)
		p.ts = at
	}
	if a, b := <-keys, <-keys; a != '5' || b != '#' || len(keys) != 0 {
		t.Errorf("keys %c %c, and %d more", a, b, len(keys))
	}
	if s := m.Stats(); s.Received != 2 || s.Strange == 0 || s.Sent == 0 {
		t.Errorf("%+v", s)
	}
}

// What Flush says is what the exchange got, to the frame.
func TestFlushIsExactOnTheWire(t *testing.T) {
	e := endpoint(t)
	x := expect(t, e, Options{Format: audio.FormatULaw})
	p := newRawPeer(t, e, x)
	p.call(p.plain())
	m := await(t, x)
	wrote, drained := make(chan error, 1), make(chan error, 1)
	go func() { wrote <- m.WriteFrame(speech(audio.FormatULaw, 10*time.Second)) }()
	words := 0
	for words < 7 {
		if loud(p.hear(p.rtp)) {
			words++
		}
	}
	go func() { drained <- m.Drain(t.Context()) }()
	for waits := 0; waits == 0; {
		m.mu.Lock()
		waits = len(m.drains)
		m.mu.Unlock()
	}
	heard, err := m.Flush()
	if err != nil || !errors.Is(<-wrote, pbx.ErrFlushed) || !errors.Is(<-drained, pbx.ErrFlushed) {
		t.Fatal(err)
	}
	for quiet := 0; quiet < 5; {
		if loud(p.hear(p.rtp)) {
			words++
		} else {
			quiet++
		}
	}
	if heard != toTime(int64(words)) || m.Played() != heard {
		t.Errorf("flush says %v, played %v, and %d frames came", heard, m.Played(), words)
	}
	if err := m.WriteFrame(speech(audio.FormatULaw, 60*time.Millisecond)); err != nil || m.Drain(patient(t)) != nil || m.Played() != heard+60*time.Millisecond {
		t.Errorf("%v, played %v", err, m.Played())
	}
	if err := m.WriteFrame(audio.Frame{Samples: make([]int16, 7)}); !errors.Is(err, pbx.ErrRefused) {
		t.Error(err)
	}
	for _, keys := range []string{"", "1x", "é"} {
		if err := m.SendDTMF(t.Context(), keys); !errors.Is(err, pbx.ErrRefused) {
			t.Errorf("%q: %v", keys, err)
		}
	}
}

// Frames leave on a beat of 20 ms whose timestamps count the time, also when
// the wheel had to leave turns out.
func TestTimestampsCountTheTime(t *testing.T) {
	c := udp(t)
	o, err := Options{Format: audio.FormatULaw}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	l := newLine(udp(t), o.Format, o, nil)
	defer func() { _ = l.Close() }()
	at, _ := addrOf(c.LocalAddr())
	l.steer(route{peer: at, send: true})
	p := &rawPeer{t: t}
	var got []uint32
	for _, n := range []int64{100, 101, 105, 106} {
		if err := l.turn(n, nil); err != nil {
			t.Fatal(err)
		}
		got = append(got, p.hear(c).Timestamp)
	}
	for i := range got[1:] {
		if want := []uint32{160, 640, 160}[i]; got[i+1]-got[i] != want {
			t.Errorf("step %d is %d, want %d", i, got[i+1]-got[i], want)
		}
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	e := endpoint(t)
	const calls = 60
	done := make(chan string, calls)
	for i := range calls {
		x := expect(t, e, Options{Format: audio.FormatULaw})
		p := newRawPeer(t, e, x)
		p.call(p.plain())
		m := await(t, x)
		go func() {
			if err := m.WriteFrame(speech(audio.FormatULaw, 400*time.Millisecond)); err != nil {
				done <- err.Error()
				return
			}
			if err := m.Drain(t.Context()); err != nil || m.Played() != 400*time.Millisecond {
				done <- fmt.Sprint(i, err, m.Played())
				return
			}
			done <- ""
		}()
	}
	for range calls {
		if why := <-done; why != "" {
			t.Error(why)
		}
	}
	riders := 0
	for _, w := range e.wheels {
		riders += w.load()
	}
	if riders != calls {
		t.Errorf("%d riders", riders)
	}
}

// A socket is tied to its peer once sound has come from there; another address
// in mid-call unties it, and a peer whose port is closed for a while ends
// nothing.
func TestSocketIsTiedToThePeerAndUntied(t *testing.T) {
	e := endpoint(t)
	x := expect(t, e, Options{Format: audio.FormatULaw})
	p := newRawPeer(t, e, x)
	p.call(p.plain())
	m := await(t, x)
	var f audio.Frame
	for i := range 3 {
		p.sound(i, bytes.Repeat([]byte{0x80}, 160))
		if err := m.ReadFrame(&f); err != nil {
			t.Fatal(err)
		}
		if r := m.route.Load(); !r.latched || r.peer.Port() != uint16(port(p.rtp)) || r.tied != (runtime.GOOS == "linux") {
			t.Fatalf("%+v", r)
		}
		p.hear(p.rtp)
		_ = p.rtp.Close() // the kernel says that nobody is there
		sent := m.sent.Load()
		for m.sent.Load() < sent+3 {
			time.Sleep(frameTime)
		}
		p.rtp = udp(t)
		if code, _ := p.ask("UPDATE", p.plain()); code != 200 {
			t.Fatal(code)
		}
		p.hear(p.rtp)
	}
	if m.Err() != nil {
		t.Error(m.Err())
	}
}
