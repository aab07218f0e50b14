package media

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/emiago/sipgo/sip"

	"ringmaster/internal/audio"
)

// A description is read or refused; what is answered can be read again and
// accepts one sound that was offered.
func FuzzDescription(f *testing.F) {
	for _, s := range []string{
		"v=0\r\no=FreeSWITCH 1700000000 1700000001 IN IP4 10.0.0.9\r\ns=FreeSWITCH\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\nm=audio 26012 RTP/AVP 0 8 101 13\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=rtpmap:13 CN/8000\r\na=ptime:20\r\n",
		"v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nc=IN IP6 ::1\r\nt=0 0\r\na=sendonly\r\nm=video 5000 RTP/AVP 96\r\nm=audio 6000/2 RTP/AVP 97\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:97 L16/16000/1\r\na=inactive\r\n",
		"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nt=0 0\r\nm=audio 65536 RTP/AVP 0\r\n", "v=0", "",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := parseDescription(body)
		if err != nil {
			return
		}
		if len(d.sounds) == 0 || len(d.sounds) > maxPayloads || len(d.keys) > maxPayloads || !d.peer.IsValid() {
			t.Fatalf("%+v", d)
		}
		s, k, err := d.choose(preferred(d.sounds[0].format))
		if err != nil {
			t.Fatal(err)
		}
		mine := own{addr: netip.MustParseAddrPort("127.0.0.1:4000"), id: 1, version: 1}
		body, err = mine.answer(d, s, k)
		if err != nil || len(body) > 2*maxDescription {
			t.Fatal(len(body), err)
		}
		back, err := parseDescription(body)
		if err != nil {
			t.Fatalf("%v: %q", err, body)
		}
		if len(back.sounds) != 1 || back.sounds[0] != s || len(back.sections) != len(d.sections) || back.peer != mine.addr {
			t.Fatalf("%+v", back)
		}
	})
}

// Whatever comes in datagrams: no panic, bounded memory, frames in order, and
// never more sound than came.
func FuzzDatagrams(f *testing.F) {
	f.Add(packet(1, 160, bytes.Repeat([]byte{1}, 160)), packet(2, 320, []byte{5, 0x8a, 0, 160}), false)
	f.Add([]byte{0x80, 200, 0, 1}, []byte{}, true)
	f.Add(bytes.Repeat([]byte{0x9f}, 100), bytes.Repeat([]byte{0xbf, 0}, 700), true)
	f.Fuzz(func(t *testing.T, a, b []byte, linear bool) {
		format := audio.FormatULaw
		if linear {
			format = audio.FormatSlin16
		}
		keys := 0
		o, _ := Options{Format: format, OnDTMF: func(d byte) {
			if keys++; !strings.ContainsRune(keyNames, rune(d)) {
				t.Fatalf("key %q", d)
			}
		}}.withDefaults()
		l := &line{asked: format, allow: func(netip.Addr) bool { return true }}
		l.paced = newPaced(o, time.Now(), nil, func() {})
		from := netip.MustParseAddrPort("127.0.0.1:9")
		l.route.Store(&route{peer: from, latched: true, keys: 101, send: true})
		e := l.newEar()
		sent := 0
		for _, d := range [][]byte{a, b, b, a} {
			sent += len(d)
			e.hear(from, bytes.Clone(d))
			if len(e.jitter.waiting) > jitterDepth+1 {
				t.Fatal("unbounded")
			}
		}
		e.jitter.due(true)
		l.in.end()
		var frame audio.Frame
		got, end := 0, int64(0)
		for l.in.read(&frame) == nil {
			if frame.Pos < end || frame.Lost < 0 {
				t.Fatalf("frame at %d after %d, lost %d", frame.Pos, end, frame.Lost)
			}
			end = frame.Pos + int64(len(frame.Samples))
			got += len(frame.Samples)
		}
		if got > sent || keys > 4 {
			t.Fatalf("%d samples and %d keys of %d bytes", got, keys, sent)
		}
	})
}

// The inbox: order is kept, what is dropped shows up as lost, and the sum of
// what was read and lost is the clock.
func FuzzInbox(f *testing.F) {
	f.Add([]byte{1, 2, 3, 200, 4, 250, 5})
	f.Fuzz(func(t *testing.T, ops []byte) {
		b := newInbox(audio.FormatULaw, time.Unix(0, 0), nil)
		pos, taken := int64(0), int64(0)
		var frame audio.Frame
		read := func() {
			want := taken
			if err := b.read(&frame); err != nil {
				t.Fatal(err)
			}
			taken = frame.Pos + int64(len(frame.Samples))
			if frame.Pos-int64(frame.Lost) != want {
				t.Fatalf("frame at %d, lost %d, after %d", frame.Pos, frame.Lost, want)
			}
		}
		for _, op := range ops {
			switch {
			case op < 180:
				n := int64(op%160) + 1
				b.putAt(pos, make([]byte, n))
				pos += n
			case op < 220:
				pos += int64(op)
			case b.n > 0:
				read()
			}
			if b.n > inboxFrames {
				t.Fatal("unbounded")
			}
		}
		for b.n > 0 {
			read()
		}
	})
}

// Keys of ours, packet by packet, are heard as those keys.
func FuzzKeys(f *testing.F) {
	f.Add("0123456789*#ABCD", uint32(4294967000))
	f.Fuzz(func(t *testing.T, digits string, ts uint32) {
		keys, ok := validKeys(digits)
		if !ok {
			return
		}
		m, ear, heard := &keyMouth{keys: keys}, keyEar{}, ""
		for i := 0; ; i++ {
			payload, times, first, over := m.say(audio.FormatULaw, ts, nil)
			if first && payload == nil || times > keyRepeats || i > 64*9 {
				t.Fatal(i, times)
			}
			for range times {
				if k, ok := ear.hear(7, m.begun, payload); ok {
					heard += string(k)
				}
			}
			ts += 160
			if over {
				break
			}
		}
		if heard != keys {
			t.Fatalf("%q was heard as %q", keys, heard)
		}
	})
}

// What a stranger sends gets a 403 or nothing, and never more than it cost.
func FuzzStranger(f *testing.F) {
	f.Add([]byte("INVITE sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;rport;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"))
	f.Add([]byte("ACK sip:x@y SIP/2.0\r\n\r\n"))
	f.Add([]byte("\r\n"))
	e := &Endpoint{parser: sip.NewParser()}
	f.Fuzz(func(t *testing.T, data []byte) {
		res := e.refusal(data, netip.MustParseAddrPort("192.0.2.1:5060"))
		if res != nil && (!bytes.HasPrefix(res, []byte("SIP/2.0 403 Forbidden\r\n")) || len(res) > len(data)+256) {
			t.Fatalf("%q", res)
		}
	})
}

// A peer of ours may say what it likes: every handler answers once with a
// status of its own or, for ACK, not at all, and no call is left behind.
func FuzzSignalling(f *testing.F) {
	e, err := ListenEndpoint(EndpointConfig{Listen: "127.0.0.1:0", Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close() })
	head := "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKx\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:x@y>\r\nCall-ID: c\r\nContact: <sip:a@127.0.0.1:9>\r\n"
	for _, s := range []string{
		"INVITE sip:nobody@x SIP/2.0\r\n" + head + "CSeq: 1 INVITE\r\n\r\n",
		"INVITE sip:TOKEN@x SIP/2.0\r\n" + head + "CSeq: 1 INVITE\r\nSession-Expires: 1e9;refresher=\r\nSupported: timer\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n",
		"BYE sip:x@y SIP/2.0\r\n" + head + "CSeq: 4294967295 BYE\r\n\r\n", "OPTIONS sip:x@y SIP/2.0\r\n" + head + "CSeq: 1 OPTIONS\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	parser := sip.NewParser()
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := e.Expect(audio.FormatULaw)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := parser.ParseSIP(bytes.ReplaceAll(data, []byte("TOKEN"), []byte(x.token)))
		req, ok := msg.(*sip.Request)
		if err != nil || !ok {
			x.Cancel()
			return
		}
		req.SetTransport("UDP")
		req.SetSource("127.0.0.1:9")
		tx := &fakeTx{}
		handlers := map[sip.RequestMethod]func(*sip.Request, sip.ServerTransaction){
			sip.INVITE: e.onInvite, sip.ACK: e.onAck, sip.BYE: e.onBye, sip.UPDATE: e.onUpdate, sip.OPTIONS: e.onOptions, sip.CANCEL: e.onCancel,
		}
		if h := handlers[req.Method]; h != nil {
			h(req, tx)
			if want := map[bool]int{true: 0, false: 1}[req.IsAck()]; len(tx.codes) != want {
				t.Fatalf("%d answers: %v", len(tx.codes), tx.codes)
			}
		}
		e.mu.Lock()
		for _, d := range e.dialogs {
			d.confirmed = true
			d.over = true // nobody is there to take a BYE
		}
		e.mu.Unlock()
		x.Cancel()
		e.mu.Lock()
		defer e.mu.Unlock()
		if len(e.dialogs)+len(e.expected) != 0 {
			t.Fatalf("%d dialogs, %d tokens left", len(e.dialogs), len(e.expected))
		}
	})
}

// fakeTx notes what is answered.
type fakeTx struct {
	sip.ServerTransaction
	codes []int
}

func (f *fakeTx) Respond(res *sip.Response) error {
	f.codes = append(f.codes, res.StatusCode)
	return nil
}

func (f *fakeTx) Err() error { return nil }
