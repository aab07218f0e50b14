package fstwin

import (
	"bufio"
	"bytes"
	"strings"
	"testing"

	"github.com/pion/rtp"
)

func FuzzCommand(f *testing.F) {
	for _, s := range []string{
		"auth ClueCon\n\n", "\n\nsendmsg A\ncall-command: execute\ncontent-length: 3\n\nabc", "api x\nno colon\n\n", "bgapi a\nContent-Length: -1\n\n",
		"event plain ALL\r\n\r\n", "x\ncontent-length: 99999999999\n\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := bufio.NewReader(bytes.NewReader(raw))
		for {
			m, err := readCommand(r)
			if err != nil {
				return
			}
			if m.line == "" || len(m.body) > maxBody {
				t.Errorf("%q", m)
			}
		}
	})
}

// A dial string always parses or is refused, and its parts hold no delimiter
// that would have cut them.
func FuzzDialString(f *testing.F) {
	for _, s := range []string{
		"sofia/gateway/x/138", "{a=b,c='d e'}user/1", "{^^:a=b,c:d=e}[leg_timeout=3]user/1,user/2|user/3", "{a=${b}}x/y", "{a", "[", "^^", `{a=\,\s\'}x/1`, "{{}}x/1",
	} {
		f.Add(s)
	}
	ex := &Exchange{causes: causeNumbers(), globals: map[string]string{"b": "${b}"}}
	f.Fuzz(func(t *testing.T, s string) {
		d, ok := parseDial(s)
		if !ok {
			return
		}
		for _, try := range d.tries {
			for _, e := range try {
				if e.target == "" || strings.ContainsRune(e.target, '|') {
					t.Errorf("%q: endpoint %q", s, e.target)
				}
			}
		}
		for _, v := range d.vars {
			_ = expandGlobals(ex, v.value)
		}
		for _, a := range separate(s, ' ') {
			if a == "" && !strings.Contains(s, "'") && !strings.Contains(s, `\`) {
				t.Errorf("%q: an empty argument", s)
			}
		}
	})
}

func FuzzSessionDescription(f *testing.F) {
	s, err := newStream(1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(s.offer(codecs("L16@16000h,PCMU"), 1))
	s.close()
	f.Add([]byte("c=IN IP4 1.2.3.4\nm=audio 9 RTP/AVP 0 101\na=rtpmap:101 telephone-event/8000\n"))
	f.Add([]byte("m=audio 9\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := readAnswer(raw)
		if err == nil && (!a.remote.IsValid() || a.codec.name == "" || a.codec.rate == 0) {
			t.Errorf("%+v", a)
		}
	})
}

func FuzzRTP(f *testing.F) {
	ok, err := (&rtp.Packet{Header: rtp.Header{Version: 2, PayloadType: 0}, Payload: make([]byte, 160)}).Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(ok)
	f.Add([]byte{0x80, 101, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 5, 0x80, 3, 0x20})
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, c := range codecs("PCMU,L16@16000h,L16,PCMA") {
			s := &rtpStream{codec: c, keys: keyPayload}
			var p rtp.Packet
			if p.Unmarshal(raw) != nil {
				return
			}
			if d := s.take(&p); d != 0 && !strings.ContainsRune("0123456789*#ABCD", rune(d)) {
				t.Errorf("key %q", d)
			}
			if len(s.queue) > maxQueue {
				t.Errorf("%d frames", len(s.queue))
			}
		}
	})
}

func FuzzTones(f *testing.F) {
	f.Add("%(1000,4000,450)")
	f.Add("L=-1;%(350,350,450);%(100,0,440,480)")
	f.Add("loops=3;%(60000,60000,50)")
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 200 {
			return
		}
		samples, _, ok := tones(s)
		if ok != (len(samples) > 0) || len(samples) > maxTones {
			t.Errorf("%d samples, %v", len(samples), ok)
		}
	})
}

// Values are encoded as a real one's are: not printable ASCII and what URLs
// reserve; what is encoded already is left alone.
func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"sofia/internal/x@127.0.0.1:6091": "sofia/internal/x%40127.0.0.1%3A6091", "a b%zz": "a%20b%25zz", "%41": "%41", "银": "%E9%93%B6", "+OK\n": "%2BOK%0A",
	} {
		if got := string(escape(nil, in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// JSON passes what is no UTF-8 through.
func TestJSONIsRaw(t *testing.T) {
	e := &event{heads: []pair{{"A", "\xff\"\\\n"}, {"empty", ""}}, body: "b"}
	if got := string(e.json()); got != "{\"A\":\"\xff\\\"\\\\\\n\",\"Content-Length\":\"1\",\"_body\":\"b\"}" {
		t.Errorf("%q", got)
	}
}

func TestCauses(t *testing.T) {
	ex := &Exchange{causes: causeNumbers()}
	for text, want := range map[string]cause{"17": userBusy, "user_busy": userBusy, "no_such": normalClearing, "602": allottedTimeout, "": normalClearing} {
		if got := ex.causeOf(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	// A Reason header beats the SIP status.
	for row, want := range map[[2]int]cause{{480, 19}: noAnswer, {503, 34}: "NORMAL_CIRCUIT_CONGESTION", {404, 28}: "INVALID_NUMBER_FORMAT", {480, 0}: "NO_USER_RESPONSE"} {
		if got := ex.byReason(row[0], row[1]); got != want {
			t.Errorf("%v: %s, want %s", row, got, want)
		}
	}
	if n := ex.q850(allottedTimeout); n != 16 {
		t.Errorf("q850 %d", n)
	}
}
