package fstwin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/lab/twin/callee"
)

// outside is a real SIP telephone that the twin calls; the user part says what
// it does.
func outside(t *testing.T) *sipphone.Phone {
	t.Helper()
	p, err := sipphone.Listen(sipphone.Config{Script: func(user string, _ sipphone.Invite) sipphone.Script {
		switch user {
		case "busy":
			return sipphone.Script{sipphone.Ring(0), sipphone.Reject(486, "")}
		case "cause":
			return sipphone.Script{sipphone.Reject(503, "Q.850;cause=34")}
		case "rings":
			return sipphone.Script{sipphone.Ring(0), sipphone.Silence(time.Minute)}
		case "leaves":
			return sipphone.Script{sipphone.Ring(0), sipphone.Answer(0), sipphone.Silence(300 * time.Millisecond), sipphone.Hangup("Q.850;cause=31")}
		}
		return sipphone.Script{
			sipphone.Ring(0), sipphone.Answer(0),
			sipphone.Forever(sipphone.Speak(callee.Tone(900, 300*time.Millisecond, 8000)), sipphone.DTMF("5"), sipphone.Silence(100*time.Millisecond)),
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func lastCall(t *testing.T, p *sipphone.Phone, user string) *sipphone.Call {
	t.Helper()
	call, err := p.WaitCall(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	return call
}

// A bridge to outside is a real call: sound and keys both ways, and its end
// leaves the caller parked.
func TestABridgeOutsideIsARealCall(t *testing.T) {
	t.Parallel()
	p := outside(t)
	ex := cast(t, callee.Script{Keep: true, Steps: []callee.Step{
		{Say: callee.Tone(600, 300*time.Millisecond, 8000)}, {DTMF: "#"}, {Wait: 100 * time.Millisecond}, {Again: true},
	}})
	c := login(t, ex, "ALL")
	c.parked("A", "", "sofia/gateway/x/138")
	c.execute("A", "bridge", fmt.Sprintf("{origination_uuid=B,absolute_codec_string=PCMU,origination_caller_id_number=4000,sip_h_X-Token=t1}sofia/internal/talks@%s", p.Addr()), "")
	e := c.until("CHANNEL_BRIDGE")
	if e.heads["Bridge-A-Unique-ID"] != "A" || e.heads["Bridge-B-Unique-ID"] != "B" {
		t.Errorf("%v", e.heads)
	}
	call := lastCall(t, p, "talks")
	c.eventually("the telephone outside heard us and our keys", func() bool {
		r := call.Record()
		return len(r.BotSpans) > 0 && len(r.Digits) > 0 && r.Digits[0].Key == '#'
	})
	c.until("DTMF", "Unique-ID", "B", "DTMF-Digit", "5")
	c.eventually("the caller heard it, and its key", func() bool {
		r := ex.Calls("138")[0].Record
		return tones(r.Heard, 900) > 5 && strings.HasPrefix(r.Digits, "5")
	})
	inv := call.Record().Invite
	token := ""
	for _, h := range inv.Headers {
		if h.Name == "X-Token" {
			token = h.Value
		}
	}
	if inv.FromUser != "4000" || token != "t1" {
		t.Errorf("From %q, X-Token %q", inv.FromUser, token)
	}
	c.kill("B")
	c.eventually("BYE, with our cause", func() bool { r := call.Record(); return r.EndedBy == sipphone.Remote && r.Q850 == 16 })
	c.until("CHANNEL_UNBRIDGE")
	if got := c.do("api uuid_exists A"); got != "true" {
		t.Errorf("the caller: %q", got)
	}
	c.kill("A")
}

// tones is how many frames of 20 ms are mostly a tone of hz.
func tones(samples []int16, hz float64) int {
	n := 0
	for at := 0; at+callee.FrameSamples <= len(samples); at += callee.FrameSamples {
		if f := samples[at : at+callee.FrameSamples]; callee.Audible(f) && callee.Power(f, hz) > 0.7 {
			n++
		}
	}
	return n
}

// What the other side refuses, ends or never takes has its cause.
func TestEndsOfACallOutside(t *testing.T) {
	t.Parallel()
	p := outside(t)
	c := login(t, start(t, fstwin.Config{}), "ALL")
	for user, want := range map[string]string{"busy": "USER_BUSY", "cause": "NORMAL_CIRCUIT_CONGESTION", "leaves": "NORMAL_UNSPECIFIED"} {
		c.originate(user, "", fmt.Sprintf("sofia/internal/%s@%s", user, p.Addr()))
		e := c.until("CHANNEL_HANGUP_COMPLETE", "Unique-ID", user)
		if e.heads["Hangup-Cause"] != want {
			t.Errorf("%s: %s", user, e.heads["Hangup-Cause"])
		}
		switch user {
		case "busy":
			if e.heads["variable_sip_invite_failure_status"] != "486" || e.heads["variable_sip_hangup_disposition"] != "recv_refuse" {
				t.Errorf("busy: %v", e.heads)
			}
		case "leaves":
			if e.heads["variable_sip_hangup_disposition"] != "recv_bye" || e.heads["variable_sip_reason"] != "Q.850;cause=31" {
				t.Errorf("leaves: %v", e.heads)
			}
		}
	}
	c.originate("C", "", fmt.Sprintf("sofia/internal/rings@%s", p.Addr()))
	c.until("CHANNEL_PROGRESS", "Unique-ID", "C")
	c.kill("C")
	call := lastCall(t, p, "rings")
	c.eventually("CANCEL", func() bool { r := call.Record(); return r.Status == 487 && r.EndedBy == sipphone.Remote })
}
