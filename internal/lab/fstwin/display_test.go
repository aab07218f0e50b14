package fstwin_test

import (
	"fmt"
	"strings"
	"testing"

	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/lab/twin/callee"
)

// A FreeSWITCH tells a telephone of a maker that it knows, after the bridge, who
// is on the other side: the number that it dialled. ignore_display_updates of
// that telephone's leg keeps it from that; and so does an unknown maker.
func TestABridgeIsToldToTheTelephone(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ brand, vars, want string }{
		"as it is by default":    {"Yealink SIP-T46U", "", `P-Asserted-Identity: "Outbound Call" <sip:8613800138000@127.0.0.1>`},
		"snom takes it by INFO":  {"snomD785/10.1.1", "", `From: "Outbound Call" 8613800138000`},
		"told not to":            {"Yealink SIP-T46U", "{ignore_display_updates=true}", ""},
		"a maker it knows not":   {"Unheard Of", "", ""},
		"unless it is told so":   {"Unheard Of", "{update_ignore_ua=true}", `<sip:8613800138000@`},
		"no maker is known here": {"", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := sipphone.Listen(sipphone.Config{Brand: row.brand})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close() })
			ex := start(t, fstwin.Config{})
			ex.Callee("8613800138000", callee.Script{})
			c := login(t, ex, "ALL")
			c.parked("A", "", "sofia/gateway/x/8613800138000")
			c.parked("B", "", row.vars+"sofia/internal/ann@"+p.Addr().String())
			if got := c.do("api uuid_bridge A B"); got != "+OK B\n" {
				t.Fatalf("%q", got)
			}
			call := lastCall(t, p, "ann")
			c.until("CHANNEL_BRIDGE")
			told := func() string {
				all := ""
				for _, u := range call.Record().Updates {
					all += fmt.Sprintf("%+v %s\n", u.Headers, u.SDP)
					for _, h := range u.Headers {
						all += h.Name + ": " + h.Value + "\n"
					}
				}
				return all
			}
			if row.want != "" {
				c.eventually("the telephone is told", func() bool { return strings.Contains(told(), row.want) })
			}
			c.kill("B")
			c.eventually("it is over", func() bool { return call.Record().EndedBy == sipphone.Remote })
			if row.want == "" && told() != "" {
				t.Errorf("told %s", told())
			}
			c.kill("A")
		})
	}
}
