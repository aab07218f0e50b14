package freeswitch

import (
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// meant holds a dial string against FreeSWITCH's own reading of it: exactly one
// endpoint, that one, exactly the variables that were meant, and park after it;
// and the same as the argument of bridge.
func meant(t *testing.T, dial, endpoint string, want map[string]string) {
	t.Helper()
	got, endpoints, do := readOriginate(t, "originate "+dial+" &park()")
	if len(endpoints) != 1 || endpoints[0] != endpoint || len(do) != 1 || do[0] != "&park()" || !maps.Equal(got, want) {
		t.Fatalf("%q is read as %q %q %q, meant %q %q", dial, got, endpoints, do, endpoint, want)
	}
	if got, endpoints, _ = readDialString(t, dial, nil); len(endpoints) != 1 || endpoints[0] != endpoint || !maps.Equal(got, want) {
		t.Fatalf("as an argument of bridge: %q is read as %q %q", dial, got, endpoints)
	}
}

// harmless reports text that nothing of FreeSWITCH acts on: refusing it would
// be a fault too.
func harmless(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool { return r > '~' || !identifier(string(r)) })
}

// Whatever is handed in, as the adapter's parts or as a request: refused, or
// read back as exactly one endpoint, with exactly the variables that were meant.
// What is harmless is not refused.
func FuzzDialString(f *testing.F) {
	f.Add("Ring Master", "7;a=b,c", "13800138000", "0190-a")
	f.Add("a:b", "${x}", "1", "leg.1")
	f.Add("^^:x", "a:_:b", "1,sofia/x/2", "a_b")
	f.Add(`\s`, "'", "1 &hangup()", "")
	f.Add("n s\\n", "[x]", "1|2", "a:b")
	f.Add("银行", "}sofia/internal/2@1.2.3.4", "1", "x}y")
	f.Add("a\r\n\r\napi exit", "\x00", "1", "-")
	trunks := map[string]Trunk{"lab": {Endpoint: "sofia/gateway/lab/{number}", Lab: true}}
	sw := &Switch{cfg: Config{AppPrefix: "ringmaster", ControllerID: "c1", Trunks: trunks}}
	number, err := phone.Lab("1001")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name, header, user, id string) {
		// The parts: the name as it comes, the user part of an address.
		vars := []variable{{"origination_uuid", "leg-1"}, {"sip_h_X-A", header}, {"sip_h_X-B", name}}
		endpoint := "sofia/internal/" + user + "@127.0.0.1:5060"
		d, err := dialString(vars, endpoint)
		if err == nil {
			meant(t, d, endpoint, map[string]string{"origination_uuid": "leg-1", "sip_h_X-A": header, "sip_h_X-B": name})
		} else if harmless(header) && harmless(name) && harmless(user) {
			t.Fatalf("%q, %q and %q were refused: %v", header, name, user, err)
		}
		// A whole request, its ID and tag included.
		req := pbx.OriginateRequest{
			ID: pbx.LegID(id), Tag: id, To: pbx.Endpoint{Trunk: "lab", Number: number}, CallerID: pbx.CallerID{Number: number, Name: name},
			RingTimeout: 10 * time.Second, MaxDuration: time.Minute, Headers: map[string]string{"X-Task": header},
		}
		command, err := sw.plan(req)
		if err != nil {
			if harmless(header) && harmless(id) && utf8.ValidString(name) && id != "." && id != ".." && len(name) < 64 && !strings.Contains(name, ":_:") {
				t.Fatalf("a request of %q, %q and %q was refused: %v", id, header, name, err)
			}
			return
		}
		shown := displayName(name)
		if shown == "" {
			shown = number.Dial()
		}
		rest, ok := strings.CutPrefix(command, "originate ")
		dial, okay := strings.CutSuffix(rest, " &park()")
		if !ok || !okay {
			t.Fatalf("%q", command)
		}
		meant(t, dial, "sofia/gateway/lab/"+number.Dial(), map[string]string{
			"origination_uuid": id, "ignore_early_media": "true", "originate_timeout": "11", "presence_data": "ringmaster-c1/" + id, "send_silence_when_idle": "-1",
			"park_after_bridge": "false", "ignore_display_updates": "true", "hangup_after_bridge": "false", "continue_on_fail": "true", "media_timeout": "60000",
			"RECORD_STEREO": "true", "origination_caller_id_number": number.Dial(), "origination_caller_id_name": shown, "execute_on_answer": "sched_hangup +61 allotted_timeout",
			"sip_h_X-Task": header,
		})
	})
}

// What displayName leaves is always a value, is short, would be left the same
// once more, and keeps what is harmless.
func FuzzDisplayName(f *testing.F) {
	f.Add("银行\r\nX-Evil: 1")
	f.Add("a:_:b ${x}")
	f.Add("\xff\xfe ^^")
	f.Add("Ring-Master_7.")
	f.Fuzz(func(t *testing.T, s string) {
		n := displayName(s)
		if n != "" {
			if err := checkValue(n); err != nil {
				t.Fatalf("%q became %q: %v", s, n, err)
			}
		}
		if utf8.RuneCountInString(n) > 64 || strings.ContainsAny(n, ":@") || displayName(n) != n {
			t.Fatalf("%q became %q, and that %q", s, n, displayName(n))
		}
		if harmless(s) && n != s {
			t.Fatalf("%q became %q", s, n)
		}
	})
}
