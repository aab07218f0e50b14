package app

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/config"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/label"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
	"ringmaster/internal/scheduler"
	"ringmaster/internal/speech"
)

// comes lets a caller ring at the twin; the script is what they do once we
// answer.
func comes(h *house, ex *twin.Exchange, called, from string, s callee.Script) {
	h.t.Helper()
	if ex.Ring("ringmaster-test", called, from, s) == "" {
		h.t.Fatal("the application was not there")
	}
}

// inbound waits for the n-th attempt that came in, over all contacts.
func (h *house) inbound(n int, limit time.Duration) (a attempt, contact string) {
	h.t.Helper()
	h.until(fmt.Sprintf("inbound call %d is finished", n), limit, func() bool {
		h.sights.mu.Lock()
		defer h.sights.mu.Unlock()
		seen := 0
		for _, s := range h.sights.all {
			if s.Outcome != nil && s.Attempt.Inbound {
				if seen++; seen == n {
					a.AttemptID, contact = s.Attempt.ID.String(), s.Attempt.Contact.ID.String()
				}
			}
		}
		return contact != ""
	})
	h.until("it is written", 10*time.Second, func() bool {
		return h.do("GET", "/api/v1/attempts/"+a.AttemptID, nil, 0)["state"] == "finished"
	})
	list := h.do("GET", "/api/v1/attempts/"+a.AttemptID, nil, 200)
	if list["direction"] != "in" {
		h.t.Errorf("direction %v", list["direction"])
	}
	_, raw := h.raw("GET", "/api/v1/attempts/"+a.AttemptID, nil, nil)
	if err := json.Unmarshal(raw, &a); err != nil {
		h.t.Fatal(err)
	}
	return a, contact
}

// finished waits for the message that an attempt is over.
func (r *receiver) finished(h *house, attempt string) (found map[string]any) {
	h.t.Helper()
	h.until("the CRM hears that attempt "+attempt+" is over", 20*time.Second, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, b := range r.bodies {
			if b["attempt_id"] == attempt && b["event"] == "call.finished" {
				found = b
			}
		}
		return found != nil
	})
	return found
}

var answers = []callee.Step{turnOf(), spoken("没有收到"), turnOf(), {Wait: 20 * time.Second}}

// stops asks for no more calls before the notice is over.
var stops = callee.Script{Steps: []callee.Step{{Wait: 1500 * time.Millisecond}, spoken("别打了"), {Wait: 40 * time.Second}}}

// TestRow_T27_CallbacksReachTheContactsScript: who was called and calls back
// gets the script of that call: the notice first, a recording, an outcome under
// the same contact, a webhook; and the call that was still due is not made any
// more. A stop word bans the number, however it came to us; the number of a
// person on the do-not-call list is answered and opens nothing.
func TestRow_T27_CallbacksReachTheContactsScript(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	p.Trunks[0].CallerID, p.Trunks[0].CallerIDVoice = "10690001", true
	for _, n := range []string{"2001", "2002"} {
		ex.Callee(n, callee.Script{Reject: 486})
	}
	h := newHouse(t, p, "sqlite", func(c *config.Config) { c.Inbound.Lines = 2 })
	task := h.ring("2001", "e2e_001")
	if a := h.attempt(task, 1, 30*time.Second); a.Disposition != "busy" {
		t.Fatalf("%s", a.Disposition)
	}
	if st := h.do("GET", "/api/v1/call/task/"+task, nil, 200)["state"]; st != "scheduled" {
		t.Fatalf("the contact is %v: a retry must be due for a callback to save it", st)
	}
	comes(h, ex, "10690001", "2001", callee.Script{Steps: answers})
	a, contact := h.inbound(1, 60*time.Second)
	if contact != task || a.Disposition != "completed" || !slices.Equal(a.side("them"), []string{"没有收到"}) {
		a.show(t)
		t.Fatalf("%s under contact %s, want %s", a.Disposition, contact, task)
	}
	if a.Disclosure == nil || !a.Disclosure.Complete || a.side("us")[0] != "我是智能语音助手，本次通话将会录音。" {
		t.Errorf("the notice was not first: %q, %+v", a.side("us"), a.Disclosure)
	}
	if them, us, _ := h.recording(a); !slices.Equal(them, []string{"没有收到"}) || !slices.Equal(us, a.side("us")) {
		t.Errorf("recording: them %q, us %q", them, us)
	}
	if b := h.hooks.finished(h, a.AttemptID); b["direction"] != "in" || b["task_id"] != task || b["customer_id"] != "2001" {
		t.Errorf("the CRM was told %v", b)
	}
	if st := h.do("GET", "/api/v1/call/task/"+task, nil, 200); st["state"] != "done" || st["tries"] != 1.0 {
		t.Errorf("after the callback the contact is %v with %v tries", st["state"], st["tries"])
	}

	// A stop word in a call that came in bans the number; a later call from it is
	// answered, and bans no less.
	task = h.ring("2002", "e2e_001")
	h.attempt(task, 1, 30*time.Second)
	comes(h, ex, "10690001", "2002", stops)
	if a, _ = h.inbound(2, 60*time.Second); a.Disposition != "opted_out" {
		a.show(t)
		t.Fatalf("%s", a.Disposition)
	}
	comes(h, ex, "10690001", "2002", callee.Script{Steps: []callee.Step{{Wait: 2 * time.Second}, {Hangup: true}}})
	if a, _ = h.inbound(3, 60*time.Second); a.Disposition != "hung_up" || a.Reason != "caller_hung_up" || len(a.Turns) == 0 {
		a.show(t)
		t.Errorf("on the do-not-call list: %s, but they called us", a.Disposition)
	}
	task = h.order("2002", "e2e_001")
	h.until("calling them is refused as before", 20*time.Second, func() bool {
		return h.do("GET", "/api/v1/call/task/"+task, nil, 200)["state"] == "blocked"
	})
	if n := len(ex.Calls("2002")); n != 1 {
		t.Errorf("2002 rang %d times", n)
	}
	h.noLegs()
}

// Callers of whom nothing is known, and withheld numbers: the configured script
// or the polite line; the same stranger is the same contact; they are never
// dialled. More calls than lines are refused as busy.
func TestStrangersAreAnsweredPolitely(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	p.Trunks[0].CallerID, p.Trunks[0].CallerIDVoice = "10690001", true
	h := newHouse(t, p, "sqlite", func(c *config.Config) { c.Inbound.Lines = 1 })
	comes(h, ex, "10690001", "3001", stops)
	h.until("the call is live", 10*time.Second, func() bool { return h.app.scheduler.Stats().Live == 1 })
	comes(h, ex, "10690001", "3002", callee.Script{}) // the line is taken
	h.until("the second was refused", 10*time.Second, func() bool { return h.metric(`ringmaster_inbound_calls_total{pbx="twin",result="busy"} 1`) })
	a, first := h.inbound(1, 60*time.Second)
	if a.Disposition != "opted_out" || a.Turns[0].Planned+a.Turns[0].Text == "" || !strings.Contains(a.Turns[0].Planned+a.Turns[0].Text, "我是智能语音助手") {
		a.show(t)
		t.Fatalf("%s: %+v", a.Disposition, a.Turns)
	}
	h.until("the line is free", 10*time.Second, func() bool { return h.app.scheduler.Stats().Live == 0 })
	comes(h, ex, "10690001", "3001", callee.Script{Steps: []callee.Step{{Wait: 2 * time.Second}, {Hangup: true}}})
	a, again := h.inbound(2, 60*time.Second)
	if a.Disposition != "hung_up" || a.Reason != "caller_hung_up" || again != first {
		a.show(t)
		t.Errorf("%s (%s), contact %s, before %s", a.Disposition, a.Reason, again, first)
	}
	h.until("the line is free", 10*time.Second, func() bool { return h.app.scheduler.Stats().Live == 0 })
	comes(h, ex, "10690001", "anonymous", stops)
	a, withheld := h.inbound(3, 60*time.Second)
	if a.Disposition != "opted_out" || withheld == first {
		a.show(t)
		t.Errorf("a withheld number: %s", a.Disposition)
	}
	for _, c := range []string{first, withheld} {
		if st := h.do("GET", "/api/v1/call/task/"+c, nil, 200); st["state"] != "done" {
			t.Errorf("a stranger's contact is %v", st["state"])
		}
	}
	if n := h.app.fleet.nodes[0].trunks[0].way.Busy; n != 0 {
		t.Errorf("%d lines are taken by nobody", n)
	}
	h.noLegs()
}

// The caller gives up before we answer, and calls come while the controller
// stops or takes none: one outcome or none, no leg left.
func TestInboundEdges(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	h := newHouse(t, p, "sqlite", func(c *config.Config) { c.Inbound.Disabled = true })
	comes(h, ex, "10690001", "3001", callee.Script{})
	h.until("it was refused", 10*time.Second, func() bool { return h.metric(`ringmaster_inbound_calls_total{pbx="twin",result="refused"} 1`) })
	h.noLegs()
	h.stop()
	h.cfg.Inbound.Disabled, h.cfg.Inbound.Script = false, "brief_001"
	h.start()
	comes(h, ex, "10690001", "3001", callee.Script{Steps: []callee.Step{{Wait: time.Minute}}})
	a, _ := h.inbound(1, 60*time.Second)
	if a.Disposition != "completed" || !slices.Equal(a.side("us"), []string{"我是智能语音助手，通话录音。", "再见。"}) {
		a.show(t)
		t.Errorf("the configured script did not answer: %s", a.Disposition)
	}
	comes(h, ex, "10690001", "3002", callee.Script{Steps: []callee.Step{{Wait: time.Minute}}})
	h.until("the next is live", 10*time.Second, func() bool { return h.seen("talking") == 2 })
	h.stop() // grace is a second
	h.start()
	if a, _ = h.inbound(2, time.Second); a.Disposition != "cancelled" {
		a.show(t)
		t.Errorf("when the controller stops: %s (%s)", a.Disposition, a.Reason)
	}
	h.noLegs()
	h.leftToTalk()
}

// leftToTalk: the leg of a call that came in, on which customer and person talk
// on since an earlier life of the controller, is left alone; others are not.
func (h *house) leftToTalk() {
	h.t.Helper()
	ctx, st := h.t.Context(), h.app.store
	epoch, err := st.Register(ctx, "earlier")
	if err != nil {
		h.t.Fatal(err)
	}
	task, err := st.EnsureTask(ctx, h.app.standingTask("default", "brief_001", campaign.Service))
	if err != nil {
		h.t.Fatal(err)
	}
	for leg, o := range map[string]campaign.Outcome{
		"talks-on.1": {Disposition: campaign.Transferred, Reason: call.ReasonLeft, EndedAt: time.Now()},
		"is-over.2":  {Disposition: campaign.Transferred, Reason: "handed_over", EndedAt: time.Now()},
	} {
		f := campaign.Fence{Attempt: uuid.Must(uuid.NewV7()), Owner: "earlier", Epoch: epoch}
		if _, err := st.Receive(ctx, f, scheduler.Arrival{Tenant: "default", Leg: leg, Task: task.ID, ScriptVersion: "v"}, time.Now()); err != nil {
			h.t.Fatal(err)
		}
		if err := st.Finish(ctx, f, o, nil); err != nil {
			h.t.Fatal(err)
		}
		if left := h.app.janitor.left(ctx, pbx.LegID(leg)); left != (o.Reason == call.ReasonLeft) {
			h.t.Errorf("%s: left alone %v", leg, left)
		}
	}
	if h.app.janitor.left(ctx, "unknown.3") {
		h.t.Error("a leg that nobody knows is left alone")
	}
	r := roll{}
	r.enter("ast-1.5")
	if !r.owns("ast-1.5") || !r.owns("ast-1.5-agent") || !r.owns("ast-1.5-m-0a1b") || r.owns("ast-1.6") || r.owns("ast") || r.owns("") {
		h.t.Error("legs are told apart wrongly")
	}
}

func TestWhichTrunkACallCameOver(t *testing.T) {
	for _, c := range []struct {
		endpoint, channel string
		want              bool
	}{
		{"PJSIP/{number}@carrier", "PJSIP/carrier-0000002a", true},
		{"PJSIP/{number}@carrier-1", "PJSIP/carrier-1-0000002a", true},
		{"PJSIP/{number}@carrier", "PJSIP/carrier-1-0000002a", false},
		{"PJSIP/sip-trunk/sip:{number}@10.0.0.1", "PJSIP/sip-trunk-00000001", true},
		{"PJSIP/{number}@carrier", "", false},
		{"PJSIP/{number}@carrier", "PJSIP/-00000000", false},
		{"sofia/gateway/telecom/{number}", "telecom", true},
		{"sofia/gateway/telecom/{number}", "unicom", false},
	} {
		if got := cameOver(c.endpoint, c.channel); got != c.want {
			t.Errorf("%s came over %s: %v", c.channel, c.endpoint, got)
		}
	}
}

// FuzzWhatADialplanPasses: whatever the exchange hands over beside a call, it is
// a number or none, and names a trunk only by a part of what the trunk dials.
func FuzzWhatADialplanPasses(f *testing.F) {
	f.Add("+861065521234", "PJSIP/carrier-0000002a", "PJSIP/{number}@carrier")
	f.Add("s", "", "sofia/gateway/telecom/{number}")
	f.Add("\x00+86", "/-00000000", "PJSIP/@/")
	f.Fuzz(func(t *testing.T, called, channel, endpoint string) {
		if n := numberOf(called, "CN"); !n.IsZero() && strings.Trim(n.Dial(), "+0123456789") != "" {
			t.Errorf("%q is the number %q", called, n.Dial())
		}
		if cameOver(endpoint, channel) {
			_, name, ok := strings.Cut(channelTail.ReplaceAllString(channel, ""), "/")
			if !ok {
				name = channel
			}
			if name == "" || !strings.Contains(endpoint, name) {
				t.Errorf("%q came over %q", channel, endpoint)
			}
		}
	})
}

func TestNumbersThatAreCalled(t *testing.T) {
	want, err := phone.Parse("+861065521234", "CN")
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range []string{"+861065521234", "01065521234", "861065521234"} {
		if got := numberOf(raw, "CN"); got != want {
			t.Errorf("%s is %v", raw, got)
		}
	}
	for _, raw := range []string{"", "s", "a;b", strings.Repeat("9", 100)} {
		if got := numberOf(raw, "CN"); !got.IsZero() {
			t.Errorf("%q is %v", raw, got)
		}
	}
}

// What a stranger hears who says nothing: the notice, a polite line, good-bye.
func TestTheClosingIsPolite(t *testing.T) {
	sc, err := dialogue.Compile("inbound_closing.yaml", closingSource)
	if err != nil {
		t.Fatal(err)
	}
	for _, lang := range []speech.Language{"cmn", "en"} {
		st, mv := sc.Start(dialogue.Customer{Language: lang}, time.Now())
		var said []dialogue.Line
		for range 10 {
			said = append(said, mv.Lines...)
			if mv.End != nil {
				break
			}
			in := dialogue.Input{Kind: dialogue.Silence}
			if len(mv.Lines) > 0 {
				in = dialogue.Input{Kind: dialogue.Said, HeardLine: mv.Lines[len(mv.Lines)-1].ID}
			}
			st, mv = sc.Next(st, in, time.Now())
		}
		if len(said) != 3 || !said[0].Disclosure || mv.End == nil || mv.End.Disposition != "completed" {
			t.Errorf("%s: %+v, end %+v", lang, said, mv.End)
		}
		if missing := label.Missing(said[0].Text, label.PartAI, label.PartRecording); missing != nil {
			t.Errorf("%s: the notice does not say %v", lang, missing)
		}
	}
}

// A callback over a real Asterisk: the phone that was rung rings back and hears
// the script of that call, word by word.
func TestRealCallback(t *testing.T) {
	t.Parallel()
	env.Need(t, env.Asterisk)
	r := newReal(t, map[string]sipphone.Script{"2001": {sipphone.Reject(486, "")}})
	h := newHouse(t, r.pbx, "sqlite")
	task := h.ring("2001", "brief_001")
	if a := h.attempt(task, 1, 30*time.Second); a.Disposition != "busy" {
		t.Fatalf("%s", a.Disposition)
	}
	c, err := r.phone.Dial(sipphone.Dial{Account: sipphone.Account{Server: r.ast.SIPAddr(), User: "2001"}, To: "10690001",
		Script: sipphone.Script{sipphone.Silence(time.Minute)}})
	if err != nil {
		t.Fatal(err)
	}
	a, contact := h.inbound(1, 60*time.Second)
	if contact != task || a.Disposition != "completed" || a.Disclosure == nil || !a.Disclosure.Complete {
		a.show(t)
		t.Fatalf("%s under contact %s, want %s", a.Disposition, contact, task)
	}
	if heard := words(t, c.Heard().Samples, 8000); !slices.Equal(heard, a.side("us")) || len(heard) != 2 {
		t.Errorf("the phone heard %q, the transcript says %q", heard, a.side("us"))
	}
	if st := h.do("GET", "/api/v1/call/task/"+task, nil, 200); st["state"] != "done" {
		t.Errorf("after the callback the contact is %v", st["state"])
	}
	h.noLegs()
}

// The same over FreeSWITCH: its dialplan hands the call over by the socket
// application, and the sound comes by SIP and RTP.
func TestRow_T27_CallbackOverFreeSWITCH(t *testing.T) {
	t.Parallel()
	ex, err := fstwin.Start(fstwin.Config{Password: "twin-password"}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ex.Close)
	ex.Callee("2001", callee.Script{Reject: 486})
	h := newHouse(t, config.PBX{Name: "fs", Kind: config.FreeSWITCH, Address: ex.Addr(), Password: config.NewSecret("twin-password"), App: "ringmaster",
		Inbound: "127.0.0.1:0", Media: config.Media{Format: "slin"},
		Trunks: []config.Trunk{{Name: "lab", Endpoint: "sofia/gateway/lab/{number}", Lab: true, Lines: 100, CallerID: "10690001", CallerIDVoice: true}}}, "sqlite")
	task := h.ring("2001", "brief_001")
	if a := h.attempt(task, 1, 30*time.Second); a.Disposition != "busy" {
		t.Fatalf("%s", a.Disposition)
	}
	sw, ok := h.app.fleet.named("fs").(interface{ InboundAddr() string })
	if !ok {
		t.Fatal("nobody takes calls")
	}
	ex.Extension("10690001", "set ringmaster_args=lab; ring_ready; socket "+sw.InboundAddr()+" async full")
	if ex.Ring("10690001", "2001", callee.Script{Steps: []callee.Step{{Wait: time.Minute}}}) == "" {
		t.Fatal("the twin is closed")
	}
	a, contact := h.inbound(1, 60*time.Second)
	if contact != task || a.Disposition != "completed" || !slices.Equal(a.side("us"), []string{"我是智能语音助手，通话录音。", "再见。"}) {
		a.show(t)
		t.Fatalf("%s under contact %s, want %s", a.Disposition, contact, task)
	}
	if _, us, _ := h.recording(a); !slices.Equal(us, a.side("us")) {
		t.Errorf("recording: us %q", us)
	}
	h.noLegs()
}
