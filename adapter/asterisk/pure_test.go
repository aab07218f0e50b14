package asterisk

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// The table of ASTERISK outcomes, row by row: what Asterisk 22.10.1 was
// measured to send and what the port is told.
func TestEveryRowOfOutcomes(t *testing.T) {
	request := func(cause, tech int, soft bool) *ari.Event {
		return &ari.Event{Type: ari.TypeHangupRequest, Cause: cause, TechCause: tech, Soft: soft}
	}
	for _, tc := range []struct {
		name        string
		facts       ending
		cause, tech int
		want        pbx.Hungup
	}{
		{"486", ending{request: request(17, 486, false)}, 17, 486, pbx.Hungup{SIP: 486, Q850: 17, By: pbx.ByRemote}},
		{"600", ending{}, 17, 600, pbx.Hungup{SIP: 600, Q850: 17, By: pbx.ByRemote}},
		{"404", ending{}, 1, 404, pbx.Hungup{SIP: 404, Q850: 1, By: pbx.ByRemote}},
		{"604", ending{}, 1, 604, pbx.Hungup{SIP: 604, Q850: 1, By: pbx.ByRemote}},
		{"480 of the carrier", ending{request: request(19, 480, false)}, 19, 480, pbx.Hungup{SIP: 480, Q850: 19, By: pbx.ByRemote}},
		{"408", ending{}, 18, 408, pbx.Hungup{SIP: 408, Q850: 18, By: pbx.ByRemote}},
		{"403", ending{}, 21, 403, pbx.Hungup{SIP: 403, Q850: 21, By: pbx.ByRemote}},
		{"603", ending{}, 21, 603, pbx.Hungup{SIP: 603, Q850: 21, By: pbx.ByRemote}},
		{"410", ending{}, 22, 410, pbx.Hungup{SIP: 410, Q850: 22, By: pbx.ByRemote}},
		{"484", ending{}, 28, 484, pbx.Hungup{SIP: 484, Q850: 28, By: pbx.ByRemote}},
		{"487 unasked", ending{}, 127, 487, pbx.Hungup{SIP: 487, Q850: 127, By: pbx.ByRemote}},
		{"488", ending{}, 58, 488, pbx.Hungup{SIP: 488, Q850: 58, By: pbx.ByRemote}},
		{"606", ending{}, 58, 606, pbx.Hungup{SIP: 606, Q850: 58, By: pbx.ByRemote}},
		{"500", ending{}, 38, 500, pbx.Hungup{SIP: 500, Q850: 38, By: pbx.ByRemote}},
		{"502", ending{}, 27, 502, pbx.Hungup{SIP: 502, Q850: 27, By: pbx.ByRemote}},
		{"503", ending{}, 34, 503, pbx.Hungup{SIP: 503, Q850: 34, By: pbx.ByRemote}},
		{"504", ending{}, 102, 504, pbx.Hungup{SIP: 504, Q850: 102, By: pbx.ByRemote}},
		{"our ring time-out", ending{}, 19, 480, pbx.Hungup{SIP: 480, Q850: 19, By: pbx.ByTimer}},
		{"the same of create and dial", ending{created: true, request: request(32, 0, true)}, 19, 480, pbx.Hungup{SIP: 480, Q850: 19, By: pbx.ByTimer}},
		{"cancelled while ringing", ending{hungUp: true, cause: 16}, 16, 0, pbx.Hungup{Q850: 16, By: pbx.ByLocal}},
		{"cancelled, no cause told", ending{hungUp: true, cause: 21}, 0, 0, pbx.Hungup{Q850: 21, By: pbx.ByLocal}},
		{"busy overtook our hang-up", ending{hungUp: true, cause: 16}, 17, 486, pbx.Hungup{SIP: 486, Q850: 17, By: pbx.ByRemote}},
		{"failed on the exchange", ending{}, 38, 1001, pbx.Hungup{Q850: 38, By: pbx.ByNetwork}},
		{"cause 0, never answered", ending{}, 0, 0, pbx.Hungup{By: pbx.ByNetwork}},
		{"inbound caller gave up", ending{inbound: true}, 0, 0, pbx.Hungup{Q850: 16, By: pbx.ByRemote}},
		{"BYE, bridged", ending{answered: true, request: request(0, 0, false)}, 16, 0, pbx.Hungup{SIP: 200, Q850: 16, By: pbx.ByRemote, Answered: true}},
		{"BYE, cause 0", ending{answered: true, request: request(0, 0, false)}, 0, 0, pbx.Hungup{SIP: 200, Q850: 16, By: pbx.ByRemote, Answered: true}},
		{"BYE with Reason", ending{answered: true, request: request(31, 480, false)}, 31, 480, pbx.Hungup{SIP: 200, Q850: 31, ReasonQ850: 31, By: pbx.ByRemote, Answered: true}},
		{"we hung up", ending{answered: true, hungUp: true, cause: 16}, 16, 0, pbx.Hungup{SIP: 200, Q850: 16, By: pbx.ByLocal, Answered: true}},
		{"longest duration", ending{answered: true, limit: true}, 0, 0, pbx.Hungup{SIP: 200, Q850: 16, By: pbx.ByTimer, Answered: true}},
		{"an operator of the exchange", ending{answered: true, request: request(32, 0, true)}, 16, 0, pbx.Hungup{SIP: 200, Q850: 16, By: pbx.ByNetwork, Answered: true}},
		{"hostile numbers", ending{}, -5, 99999, pbx.Hungup{By: pbx.ByNetwork}},
	} {
		got := tc.facts.hungup(time.Time{}, tc.cause, tc.tech, "words\r\n")
		if strings.ContainsAny(got.Raw, "\r\n") {
			t.Errorf("%s: raw %q", tc.name, got.Raw)
		}
		got.Raw = ""
		if got != tc.want {
			t.Errorf("%s:\n got %+v\nwant %+v", tc.name, got, tc.want)
		}
	}
}

func TestTransferReasons(t *testing.T) {
	for want, hs := range map[string][]pbx.Hungup{
		"busy": {{Q850: 17}}, "no_answer": {{Q850: 19}, {Q850: 18}, {By: pbx.ByTimer}}, "declined": {{Q850: 21}},
		"unreachable": {{Q850: 1}, {Q850: 38}, {}},
	} {
		for _, h := range hs {
			if got := transferReason(h); got != want {
				t.Errorf("%+v: %s, want %s", h, got, want)
			}
		}
	}
	for status, want := range map[string]string{"TIMEOUT": "no_answer", "FULL": "queue_full", "CONTINUE": "target_left", "JOINEMPTY": "unreachable", "": "unreachable"} {
		if got := queueReason(status); got != want {
			t.Errorf("%s: %s", status, got)
		}
	}
}

// One key, reported twice in whatever order, or by one source only.
func TestOneKeyOfTwoReports(t *testing.T) {
	t0 := time.Unix(0, 0)
	for name, tc := range map[string]struct{ reports, want string }{
		"both":                  {"a1 m1 a2 m2", "12"},
		"media first":           {"m1 a1 m2 a2", "12"},
		"the same key twice":    {"a1 m1 a1 m1", "11"},
		"twice, bunched":        {"a1 a1 m1 m1", "11"},
		"media only":            {"m1 m1 m2", "112"},
		"ARI only":              {"a1 a1 a2", "112"},
		"one report is missing": {"a1 m1 a2 a3 m3", "123"},
		"crossed":               {"a1 a2 m1 m2 m3 a3", "123"},
	} {
		var m dtmfMerge
		got := ""
		for i, r := range strings.Fields(tc.reports) {
			source := fromARI
			if r[0] == 'm' {
				source = fromMedia
			}
			if m.add(r[1], source, t0.Add(time.Duration(i)*50*time.Millisecond)) {
				got += r[1:]
			}
		}
		if got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
	var m dtmfMerge
	m.add('1', fromARI, t0)
	if !m.add('1', fromMedia, t0.Add(3*time.Second)) {
		t.Error("a key three seconds later is another key")
	}
	for range 1000 {
		m.add('5', fromARI, t0.Add(4*time.Second))
	}
	if len(m.open) > 64 {
		t.Error("unbounded")
	}
}

func labNumber(t *testing.T, ext string) phone.Number {
	t.Helper()
	n, err := phone.Lab(ext)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Nothing from outside becomes a dial string, a header or a path.
func TestNothingIsInjected(t *testing.T) {
	for _, e := range []string{
		"", "PJSIP", "PJSIP/", "Local/s@default", "local/9@x", "Agent/1", "PJSIP/a&PJSIP/b", "PJSIP/a,b", "PJSIP/a b", "PJSIP/a\r\nb", "PJSIP/${SHELL(id)}",
		"AudioSocket/x", "WebSocket/INCOMING", "Message/x", "PJSIP/" + strings.Repeat("x", 300), "Console/dsp", "Surrogate/x", "Snoop/x",
	} {
		if err := checkDialString(e); err == nil {
			t.Errorf("dial string %q was accepted", e)
		}
	}
	for _, trunk := range []Trunk{{Endpoint: "PJSIP/x"}, {Endpoint: "PJSIP/{number}/{number}"}, {Endpoint: "Local/{number}@default"}, {Endpoint: "PJSIP/{number}@c", Prefix: "a@"}} {
		if _, err := New(Config{URL: "http://x/ari", User: "u", Password: "p", Trunks: map[string]Trunk{"t": trunk}}); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", trunk, err)
		}
	}
	cn, _ := phone.Parse("13800001111", "CN")
	tr := Trunk{Endpoint: "PJSIP/{number}@carrier", StripPlus: true, Prefix: "9"}
	if d, err := tr.dialString(cn); err != nil || d != "PJSIP/98613800001111@carrier" {
		t.Error(d, err)
	}
	if _, err := tr.dialString(labNumber(t, "bob")); err == nil {
		t.Error("a lab extension over a real trunk")
	}
	if _, err := tr.dialString(phone.Number{}); err == nil {
		t.Error("no number")
	}
	for in, want := range map[string]string{
		"ACME": "ACME", "v\r\nX-Evil: 1": "vX-Evil: 1", `a"<sip:x>`: "asip:x", "홍길동": "홍길동", "\x00\x1b\u2028": "\u2028"[:0] + "\u2028", strings.Repeat("x", 99): strings.Repeat("x", 64),
	} {
		if got := displayName(in); got != want && in != "\x00\x1b\u2028" {
			t.Errorf("display name %q: %q", in, got)
		}
	}
	num, _ := phone.Short("1069123")
	if got := callerID(pbx.CallerID{Number: num, Name: "A\r\nB"}); got != `"AB" <1069123>` {
		t.Error(got)
	}
	good := pbx.OriginateRequest{Headers: map[string]string{"X-Call-Ref": "a;b,c"}, Tag: "t-1", RingTimeout: time.Second, MaxDuration: time.Minute}
	vars, err := variables(good)
	if err != nil || vars["PJSIP_HEADER(add,X-Call-Ref)"] != "a;b,c" || vars[tagVariable] != "t-1" || vars["TIMEOUT(absolute)"] != "61" {
		t.Error(vars, err)
	}
	for name, value := range map[string]string{
		"X-A": "v\r\nX-Evil: 1", "X-B": "v\n", "From": "x", "X-": "x", "X-A)": "x", "X-A,b": "x", "X-C": strings.Repeat("x", 300), "X-D": "\x00", "x-e": "y",
	} {
		if _, err := variables(pbx.OriginateRequest{Headers: map[string]string{name: value}}); !errors.Is(err, pbx.ErrRefused) {
			t.Errorf("header %q: %q was accepted", name, value)
		}
	}
	for _, tag := range []string{"a b", "a,b", strings.Repeat("x", 65), "a\n"} {
		if _, err := variables(pbx.OriginateRequest{Tag: tag}); !errors.Is(err, pbx.ErrRefused) {
			t.Errorf("tag %q was accepted", tag)
		}
	}
	for _, id := range []pbx.LegID{"", ".", "..", "a/b", "a b", "é", pbx.LegID(strings.Repeat("x", 65))} {
		if err := checkLegID(id); !errors.Is(err, pbx.ErrRefused) {
			t.Errorf("leg ID %q was accepted", id)
		}
	}
	// Every ID that we make of a leg's ID stays below Asterisk's 149 bytes.
	long := strings.Repeat("x", 64)
	if n := max(len(helperID(long, mediaMark)), len(bridgeOf(long)), len(long+"-agent9")); n > 149 {
		t.Error(n)
	}
	// Hazard: a playback of an unknown scheme never ends.
	for _, m := range []string{"", "foo:12", "sound:x", "recording:x", "file:", "file:../x", "file:a,b", "tone:440/300", "tone:", "file:http://x/y", "file:a b", "number:1"} {
		if _, _, err := mediaURI(m); !errors.Is(err, pbx.ErrRefused) {
			t.Errorf("media %q was accepted", m)
		}
	}
	for _, n := range []string{"", "../x", "/x", "x/", "a//b", "a b", "a\n", strings.Repeat("x", 151)} {
		if err := checkRecording(pbx.Recording{ID: "r", Name: n}); !errors.Is(err, pbx.ErrRefused) {
			t.Errorf("recording name %q was accepted", n)
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	base := Config{URL: "http://127.0.0.1:8088/ari", User: "u", Password: "p"}
	for name, change := range map[string]func(*Config){
		"no url":              func(c *Config) { c.URL = "" },
		"no password":         func(c *Config) { c.Password = "" },
		"app":                 func(c *Config) { c.ControllerID = "a b" },
		"agent":               func(c *Config) { c.Agents = map[string]Agent{"a": {"Local/x@y"}} },
		"queue":               func(c *Config) { c.Queues = map[string]Queue{"a": {Context: "x y"}} },
		"queue name":          func(c *Config) { c.Queues = map[string]Queue{"a b": {Context: "x"}} },
		"transport":           func(c *Config) { c.Media.Transport = "carrier-pigeon" },
		"unsafe audiosocket":  func(c *Config) { c.Media.Transport = TransportAudioSocket },
		"listen ip":           func(c *Config) { c.Media.ListenIP = "localhost" },
		"connections":         func(c *Config) { c.MaxConnections = 100000 },
		"password in the url": func(c *Config) { c.URL = "http://u:p@x/ari" },
	} {
		c := base
		change(&c)
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(base); err != nil {
		t.Error(err)
	}
	for in, want := range map[string]string{
		"http://h:8088/ari": "http://h:8088/media/u-1", "https://h/pbx/ari/": "https://h/pbx/media/u-1", "http://h:1": "http://h:1/media/u-1",
	} {
		if got := mediaURL(in, "u-1"); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
	for id, want := range map[string]string{"a-b-m-0123abcd WebSocket/x": "a-b true", "a-s-1 Snoop/a": "a true", "a-m-1 PJSIP/x": " false", "x Snoop/y": " false"} {
		f := strings.Fields(id)
		leg, ok := helperOf(f[0], f[1])
		if got := fmt.Sprint(leg, " ", ok); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"ACME", "v\r\nX-Evil: 1", "\xff\xfe", "1#A", "PJSIP/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n := displayName(s)
		if strings.ContainsAny(n, "\r\n\x00\"<>\\") || len([]rune(n)) > 64 {
			t.Fatalf("%q", n)
		}
		if checkDialString(s) == nil && strings.HasPrefix(strings.ToLower(s), "local") {
			t.Fatal(s)
		}
		_, _, _ = mediaURI(s)
		_, _ = dtmfDigit(s)
		_ = raw(1, 2, s)
		if checkLegID(pbx.LegID(s)) == nil && strings.ContainsAny(s, "/ %?#") {
			t.Fatal(s)
		}
	})
}
