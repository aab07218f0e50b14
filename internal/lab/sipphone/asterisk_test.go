package sipphone

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/asterisk"
	"ringmaster/internal/lab/env"
)

func startAsterisk(t *testing.T, o asterisk.Options) *asterisk.Asterisk {
	t.Helper()
	env.Need(t, env.Asterisk)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, err := asterisk.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Asterisk said:\n%s", a.Log())
		}
		_ = a.Stop(context.Background())
	})
	return a
}

// A registered telephone talks to itself through a real Asterisk: every sample
// and every key comes back.
func TestRealAsteriskEchoesSpeechAndKeys(t *testing.T) {
	a := startAsterisk(t, asterisk.Options{Accounts: []asterisk.Account{{Name: "1001", Password: "seven-seas"}}, Verbose: 3})
	p := listen(t, Config{})
	account := Account{Server: a.SIPAddr(), User: "1001", Password: "wrong"}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if _, err := p.Register(ctx, account); !errors.Is(err, ErrRegister) {
		t.Errorf("a wrong password: %v", err)
	}
	account.Password = "seven-seas"
	if _, err := p.Register(ctx, account); err != nil {
		t.Fatal(err)
	}
	said := chirp(2*time.Second, 300, 3000)
	c, err := p.Dial(Dial{Account: account, To: "600", Script: Script{
		Silence(200 * time.Millisecond), Speak(said), DTMF("47*"), Silence(300 * time.Millisecond), Hangup(""),
	}})
	if err != nil {
		t.Fatal(err)
	}
	r := wait(t, c)
	if r.Err != nil || r.Status != 200 || r.EndedBy != Local {
		t.Fatalf("status %d, ended by %s, %v: %v", r.Status, r.EndedBy, r.Err, r.Events)
	}
	if find(c.Heard().Samples, throughG711(t, said[:len(said)-frameSamples])) < 0 {
		t.Errorf("the echo differs from what was said (lost %d, late %d)", r.Lost, r.Late)
	}
	if r.Keys() != "47*" { // # would end Echo
		t.Errorf("keys %q came back, want 47*", r.Keys())
	}
	if r.Lost+r.Strange != 0 {
		t.Errorf("lost %d, strange %d", r.Lost, r.Strange)
	}
	delay := r.FirstSoundAt.Sub(r.SpokenSpans[0].Start)
	t.Logf("round trip through Asterisk's Echo: %v", delay)
	if delay > 300*time.Millisecond {
		t.Errorf("the echo came after %v", delay)
	}
}

// originate places a call by ARI.
func originate(t *testing.T, a *asterisk.Asterisk, q url.Values) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.ARIURL()+"/channels?"+q.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(a.Credentials())
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusOK {
		t.Fatalf("originate: %s %s", res.Status, body)
	}
}

// Asterisk calls the telephone: answered and hung up from either side, busy,
// and cancelled while it rings.
func TestRealAsteriskCallsThePhone(t *testing.T) {
	a := startAsterisk(t, asterisk.Options{Verbose: 3})
	word := chirp(300*time.Millisecond, 500, 700)
	p := listen(t, Config{Script: func(user string, _ Invite) Script {
		switch user {
		case "busy":
			return Script{Reject(486, "")}
		case "ringing":
			return Script{Ring(0), Ignore()}
		case "leaves":
			return Script{Ring(0), Answer(100 * time.Millisecond), Speak(word), Silence(100 * time.Millisecond), Hangup("")}
		}
		return Script{Ring(0), Answer(100 * time.Millisecond), Forever(Speak(word), Silence(300*time.Millisecond))}
	}})
	call := func(user string) *Call {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		originate(t, a, url.Values{
			"endpoint": {a.Endpoint(user, p.Addr().String())}, "callerId": {`"ACME" <0215551000>`},
			"context": {"from-phones"}, "extension": {"600"}, "priority": {"1"},
		})
		c, err := p.WaitCall(ctx, user)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	stay, leaves, busy, ringing := call("stays"), call("leaves"), call("busy"), call("ringing")
	if r := wait(t, leaves); r.EndedBy != Local || r.Err != nil || r.FirstSoundAt.IsZero() {
		t.Errorf("leaves: %s %v %v", r.EndedBy, r.Err, r.Events)
	}
	if r := wait(t, busy); r.Status != 486 || r.Invite.FromUser != "0215551000" || r.Invite.FromDisplay != "ACME" {
		t.Errorf("busy: %d, the display showed %q %q", r.Status, r.Invite.FromDisplay, r.Invite.FromUser)
	}
	if out, err := a.CLI(t.Context(), "channel request hangup all"); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if r := wait(t, stay); r.EndedBy != Remote || r.AckAt.IsZero() || !strings.Contains(r.Reason, "Q.850") {
		t.Errorf("stays: %s, reason %q, cause %d", r.EndedBy, r.Reason, r.Q850)
	}
	if r := wait(t, ringing); r.EndedBy != Remote || r.Status != 487 {
		t.Errorf("ringing: %s %d %v", r.EndedBy, r.Status, r.Events)
	}
}
