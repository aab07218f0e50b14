package dialplan_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/adapter/asterisk"
	"ringmaster/config"
	"ringmaster/dialplan"
	"ringmaster/internal/app"
	lab "ringmaster/internal/lab/asterisk"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/pbx"
)

// users is the rest of an Asterisk's configuration, as its owner has it: the
// rendered files are included as their first lines say, and without a
// module that they do not name.
func users(a *lab.Asterisk, phones string) map[string]string {
	user, password := a.Credentials()
	return map[string]string{
		"modules.conf":    "[modules]\nautoload = no\n#include ringmaster/modules.conf\n",
		"http.conf":       "[general]\nenabled = no\n#include ringmaster/http.conf\n",
		"ari.conf":        fmt.Sprintf("[general]\nenabled = no\n#include ringmaster/ari.conf\n[%s]\ntype = user\npassword = %s\n", user, password),
		"extensions.conf": "[general]\nstatic = yes\n#include ringmaster/extensions.conf\n[ringmaster-inbound](+)\nexten => hop,1,Set(RM_CALLED=4008)\n same => n,Goto(ringmaster-amd,s,1)\n",
		"queues.conf":     "[general]\npersistentmembers = no\n#include ringmaster/queues.conf\n[support](+)\nmember => PJSIP/ann\n",
		"pjsip.conf": fmt.Sprintf(`#include ringmaster/pjsip.conf
[udp]
type = transport
protocol = udp
bind = %s
[carrier](ringmaster-trunk)
transport = udp
aors = carrier
[carrier]
type = aor
contact = sip:%s
[carrier]
type = identify
endpoint = carrier
match = 127.0.0.1
[ann]
type = endpoint
transport = udp
disallow = all
allow = ulaw
direct_media = no
context = nowhere
aors = ann
[ann]
type = aor
contact = sip:ann@%s
`, a.SIPAddr(), phones, phones),
	}
}

// rendered starts an Asterisk that has the rendered files in its own, and
// returns the configuration that they were rendered from.
func rendered(t *testing.T, phones string) (*lab.Asterisk, config.Config) {
	t.Helper()
	env.Need(t, env.Asterisk)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, err := lab.Start(ctx, lab.Options{User: "lab", Verbose: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Asterisk said:\n%s", a.Log())
		}
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	c := example(t)
	c.PBX[0].URL = a.ARIURL()
	etc := filepath.Join(a.Dir(), "etc")
	if _, err := app.RenderDialplan(c, "", filepath.Join(etc, "ringmaster")); err != nil {
		t.Fatal(err)
	}
	for name, text := range users(a, phones) {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.Kill()
	if err := os.Truncate(a.LogPath(), 0); err != nil {
		t.Fatal(err)
	}
	if err := a.Restart(ctx); err != nil {
		t.Fatalf("%v\n%s", err, a.Log())
	}
	return a, c
}

// TestRow_T27_RealAsteriskLoadsTheHooks without a complaint and has what they say.
func TestRow_T27_RealAsteriskLoadsTheHooks(t *testing.T) {
	a, _ := rendered(t, "127.0.0.1:9")
	if bad := regexp.MustCompile(`(?m)^.*(ERROR|WARNING).*$`).FindAllString(a.Log(), -1); bad != nil {
		t.Errorf("not a clean start:\n%s", strings.Join(bad, "\n"))
	}
	for command, want := range map[string][]string{
		"dialplan show ringmaster-inbound":  {"'_[+0-9].' =>", "Stasis(ringmaster-rm-1,inbound,${FILTER(+0-9,${EXTEN})},${CHANNEL(name)})", "ringmaster-fallback,s,1"},
		"dialplan show ringmaster-fallback": {"Read(RM_KEY,dial,1,i,2,8)", `GotoIf($["${RM_KEY}"="0"]?ai-handover,support,1)`},
		"dialplan show ringmaster-amd":      {"AMD(2500,1500,800,5000)", "Stasis(ringmaster-rm-1,inbound,"},
		"dialplan show ai-handover":         {"'support' =>", "Queue(support,tc,,,", "Stasis(ringmaster-rm-1,queue-left,support,${QUEUESTATUS})"},
		"ari show status":                   {"Enabled: Yes"},
		"ari show users":                    {"ringmaster"},
		"http show status":                  {"Server Enabled and Bound to " + a.HTTPAddr()},
		"pjsip show endpoint carrier":       {"ringmaster-inbound", "rtp_keepalive                      : 2", "send_pai                           : true", "(ulaw|alaw)"},
		"queue show support":                {"PJSIP/ann"},
	} {
		out, err := a.CLI(t.Context(), command)
		for _, w := range want {
			if err != nil || !strings.Contains(out, w) {
				t.Errorf("%s: no %q (%v) in\n%s", command, w, err, out)
			}
		}
	}
	modules, err := a.CLI(t.Context(), "module show")
	text, rerr := os.ReadFile("testdata/modules.conf")
	if err := errors.Join(err, rerr); err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^load = (\S+)$`).FindAllStringSubmatch(string(text), -1) {
		if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(m[1]) + ` .*Running`).MatchString(modules) {
			t.Errorf("%s does not run", m[1])
		}
	}
}

// TestRow_T27_RealInboundCallMenuAndQueue: a call comes in through the rendered context to
// Accept, is answered, handed over to the queue where ann takes it, and comes
// back through the rendered context when she hangs up.
func TestRow_T27_RealInboundCallMenuAndQueue(t *testing.T) {
	p, err := sipphone.Listen(sipphone.Config{Script: func(string, sipphone.Invite) sipphone.Script {
		return sipphone.Script{sipphone.Answer(0), sipphone.Silence(300 * time.Millisecond), sipphone.Hangup("")}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	a, c := rendered(t, p.Addr().String())
	away(t, a, p)

	sw, err := asterisk.New(app.AsteriskConfig(c, c.PBX[0], nil))
	if err != nil {
		t.Fatal(err)
	}
	run, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sw.Run(run) }()
	t.Cleanup(func() { stop(); <-done })
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !sw.Health().Up {
		if ctx.Err() != nil {
			t.Fatalf("never up: %+v", sw.Health())
		}
		time.Sleep(10 * time.Millisecond)
	}

	missing, err := sw.MissingContexts(ctx, map[string]string{dialplan.InboundContext: "10", dialplan.FallbackContext: "s", dialplan.AMDContext: "s", "ai-handover": "support",
		"nowhere": "s", "ringmaster-other": "1"})
	if err != nil || !slices.Equal(missing, []string{"nowhere", "ringmaster-other"}) {
		t.Errorf("missing contexts %q, %v", missing, err)
	}
	amdHop(ctx, t, a, p, sw)
	call, err := p.Dial(sipphone.Dial{Account: sipphone.Account{Server: a.SIPAddr(), User: "hidden"}, To: "+861065521234",
		Headers: []sipphone.Header{{Name: "P-Asserted-Identity", Value: "<sip:+8613812345678@carrier.example>"}}})
	if err != nil {
		t.Fatal(err)
	}
	in, err := sw.Accept(ctx)
	if err != nil {
		t.Fatalf("the call never came: %v", err)
	}
	if in.Called != "+861065521234" || in.From.Dial() != "+8613812345678" {
		t.Errorf("called %q from %q", in.Called, in.From.Dial())
	}
	if err := in.Leg.Answer(ctx); err != nil {
		t.Fatal(err)
	}
	if err := call.WaitAnswered(ctx); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, in.Leg, func(e pbx.Event) bool { _, ok := e.(pbx.Answered); return ok })
	if err := in.Leg.Transfer(ctx, pbx.Target{Queue: "support", Timeout: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, in.Leg, func(e pbx.Event) bool { _, ok := e.(pbx.Bridged); return ok })
	await(ctx, t, in.Leg, func(e pbx.Event) bool { x, ok := e.(pbx.TransferEnded); return ok && x.Reason == "target_left" })
	if err := in.Leg.Hangup(ctx, pbx.CauseNormal); err != nil {
		t.Fatal(err)
	}
	await(ctx, t, in.Leg, func(e pbx.Event) bool { _, ok := e.(pbx.Hungup); return ok })
	if _, err := call.Wait(ctx); err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func await(ctx context.Context, t *testing.T, l pbx.Leg, is func(pbx.Event) bool) {
	t.Helper()
	for {
		e, err := l.Next(ctx)
		if err != nil {
			t.Fatalf("waiting for an event: %v", err)
		}
		if is(e) {
			return
		}
		t.Logf("passed over: %T %+v", e, e)
	}
}

// away: nobody runs the application, so a caller gets the menu of the exchange,
// and the key leads to the queue where ann takes the call.
func away(t *testing.T, a *lab.Asterisk, p *sipphone.Phone) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	call, err := p.Dial(sipphone.Dial{Account: sipphone.Account{Server: a.SIPAddr(), User: "2001"}, To: "861065521234",
		Script: sipphone.Script{sipphone.Silence(500 * time.Millisecond), sipphone.DTMF("0"), sipphone.Silence(time.Minute)}})
	if err != nil {
		t.Fatal(err)
	}
	ann, err := p.WaitCall(ctx, "ann")
	if err != nil {
		t.Fatalf("with Ringmaster away key 0 did not lead to the queue: %v", err)
	}
	if _, err := ann.Wait(ctx); err != nil && !errors.Is(err, io.EOF) { // she hangs up by herself
		t.Error(err)
	}
	call.Hangup("")
	if _, err := call.Wait(ctx); err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// amdHop: a dialplan of the user's sends a call through Asterisk's own detection;
// it comes with what was found.
func amdHop(ctx context.Context, t *testing.T, a *lab.Asterisk, p *sipphone.Phone, sw pbx.Switch) {
	t.Helper()
	call, err := p.Dial(sipphone.Dial{Account: sipphone.Account{Server: a.SIPAddr(), User: "2001"}, To: "hop",
		Script: sipphone.Script{sipphone.Silence(300 * time.Millisecond), sipphone.Speak(tone.Encode("喂", 8000)), sipphone.Silence(time.Minute)}})
	if err != nil {
		t.Fatal(err)
	}
	in, err := sw.Accept(ctx)
	if err != nil {
		t.Fatalf("the call through AMD never came: %v", err)
	}
	if in.Called != "4008" || len(in.Args) != 3 || !strings.HasPrefix(in.Args[0], "PJSIP/carrier-") || in.Args[1] != "HUMAN" {
		t.Errorf("called %q with %q", in.Called, in.Args)
	}
	if err := in.Leg.Hangup(ctx, pbx.CauseNormal); err != nil {
		t.Error(err)
	}
	if _, err := call.Wait(ctx); err != nil && !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
