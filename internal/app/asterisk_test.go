package app

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/lab/asterisk"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/lab/tone"
)

// real is a real Asterisk 22 with a telephone behind it.
type real struct {
	ast   *asterisk.Asterisk
	phone *sipphone.Phone
	pbx   config.PBX
}

func say(text string) sipphone.Step { return sipphone.Speak(tone.Encode(text, 8000)) }

func listen() sipphone.Step { return sipphone.WaitForBotSilence(700 * time.Millisecond) }

func newReal(t *testing.T, scripts map[string]sipphone.Script) *real {
	t.Helper()
	env.Need(t, env.Asterisk)
	phone, err := sipphone.Listen(sipphone.Config{Script: func(user string, _ sipphone.Invite) sipphone.Script {
		if s, ok := scripts[user]; ok {
			return s
		}
		return sipphone.Script{sipphone.Reject(404, "")}
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = phone.Close() })
	ast, err := asterisk.Start(t.Context(), asterisk.Options{App: "ringmaster-test", Trunk: phone.Addr().String(),
		Agents: []asterisk.Agent{{Name: "agent1", Contact: "sip:agent1@" + phone.Addr().String()}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("Asterisk's log:\n%s", tail(ast.Log(), 3000))
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		_ = ast.Stop(ctx)
	})
	user, secret := ast.Credentials()
	return &real{ast: ast, phone: phone, pbx: config.PBX{Name: "asterisk", Kind: "asterisk", URL: ast.ARIURL(), User: user, Password: config.NewSecret(secret), App: "ringmaster",
		Media:  config.Media{Format: "ulaw"},
		Trunks: []config.Trunk{{Name: "lab", Endpoint: "PJSIP/{number}@lab", Lab: true, Lines: 100, CallerID: "10690001", CallerIDVoice: true}},
		Agents: []config.Agent{{Name: "agent1", Endpoint: "PJSIP/agent1"}}}}
}

func (r *real) call(h *house, user string) *sipphone.Call {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), time.Minute)
	defer cancel()
	c, err := r.phone.WaitCall(ctx, user)
	if err != nil {
		h.t.Fatalf("the phone of %s never rang: %v\n%s", user, err, tail(h.logs.String(), 3000))
	}
	return c
}

// TestRealAsterisk is the list on the real parts: Asterisk 22, SIP
// phones, MariaDB; every word is decoded from what was really on the wire.
func TestRealAsterisk(t *testing.T) {
	env.Need(t, env.Asterisk, env.MariaDB)
	r := newReal(t, map[string]sipphone.Script{
		"talks":  {sipphone.Ring(0), sipphone.Answer(300 * time.Millisecond), listen(), say("收到了"), listen(), say("明白了"), listen(), sipphone.Silence(10 * time.Second)},
		"leaves": {sipphone.Answer(100 * time.Millisecond), listen(), say("收到了"), sipphone.WaitForBotSpeech(time.Second), sipphone.Hangup("")},
		"keys":   {sipphone.Answer(100 * time.Millisecond), listen(), sipphone.DTMF("9"), sipphone.Silence(20 * time.Second)},
		"barges": {sipphone.Answer(100 * time.Millisecond), listen(), say("收到了"), sipphone.BargeIn(1500*time.Millisecond, tone.Encode("没听明白", 8000)), listen(), sipphone.Silence(10 * time.Second)},
		"stops":  {sipphone.Answer(100 * time.Millisecond), listen(), say("收到了"), sipphone.BargeIn(time.Second, tone.Encode("别打了", 8000)), listen(), sipphone.Silence(20 * time.Second)},
		"human":  {sipphone.Answer(100 * time.Millisecond), listen(), say("转人工"), sipphone.Silence(9 * time.Second), sipphone.Hangup("")},
		"agent1": {sipphone.Ring(0), sipphone.Answer(400 * time.Millisecond), sipphone.Silence(300 * time.Millisecond), say("我是人工客服"), sipphone.Silence(30 * time.Second)},
		"busy":   {sipphone.Reject(486, "")},
		"nobody": {sipphone.Ring(0), sipphone.Ignore()},
		"503":    {sipphone.Reject(503, "")},
		"waits":  {sipphone.Answer(100 * time.Millisecond), sipphone.Silence(2 * time.Minute)},
		"later":  {sipphone.Ring(0), sipphone.Silence(2 * time.Minute)},
	})
	h := newHouse(t, r.pbx, "mysql")
	t.Run("short number", func(t *testing.T) { testShortNumber(t, h.in(t), r) }) // changes what all calls display
	// Alone, because the one measures a time and the other wants every word that was on the wire.
	t.Run("barge-in", func(t *testing.T) { testBargeIn(t, h.in(t), r) })
	t.Run("conversation", func(t *testing.T) { testConversation(t, h.in(t), r) })
	t.Run("calls", func(t *testing.T) {
		for _, c := range []struct {
			name string
			test func(*testing.T, *house, *real)
		}{
			{"person", testPerson}, {"stop word", testStopWord}, {"DTMF", testKeys},
			{"callee hangs up in mid-sentence", testLeaves}, {"unanswered", testUnanswered},
		} {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel() // each with telephones of its own; a call takes its time
				c.test(t, h.in(t), r)
			})
		}
	})
	h.noLegs()
	t.Run("restart under live calls", func(t *testing.T) { testRestart(t, h.in(t), r) })
	if out := h.logs.String(); strings.Contains(out, "level=ERROR") {
		t.Errorf("errors were logged:\n%s", grep(out, "level=ERROR"))
	}
}

// in is the same house in the hands of the test t.
func (h *house) in(t *testing.T) *house {
	its := *h
	its.t = t
	return &its
}

func grep(s, word string) string {
	var out []string
	for _, l := range strings.Split(s, "\n") {
		if strings.Contains(l, word) {
			out = append(out, l)
		}
	}
	return strings.Join(out, "\n")
}

func testConversation(t *testing.T, h *house, r *real) {
	task := h.ring("talks", "e2e_001")
	c := r.call(h, "talks")
	a := h.attempt(task, 1, 60*time.Second)
	a.show(t)
	if a.Disposition != "completed" || !slices.Contains(a.Tags, "received") {
		t.Errorf("%s, tags %v", a.Disposition, a.Tags)
	}
	if got := a.side("them"); !slices.Equal(got, []string{"收到了", "明白了"}) {
		t.Errorf("transcript of the customer: %q", got)
	}
	said := a.side("us")
	if heard := words(t, c.Heard().Samples, 8000); !slices.Equal(heard, said) {
		// Sound that came too late on a busy machine is lost to the telephone: what it lost twice is our fault.
		t.Logf("once more: the phone heard %q, the transcript says %q", heard, said)
		task = h.order("talks", "e2e_001")
		c, a = r.call(h, "talks"), h.attempt(task, 1, 60*time.Second)
		said = a.side("us")
		if heard := words(t, c.Heard().Samples, 8000); !slices.Equal(heard, said) {
			t.Errorf("the phone heard %q, the transcript says %q", heard, said)
		}
	}
	them, us, _ := h.recording(a)
	if !slices.Equal(them, []string{"收到了", "明白了"}) || !slices.Equal(us, said) {
		t.Errorf("recording: them %q, us %q", them, us)
	}
	if a.Disclosure == nil || !a.Disclosure.Complete {
		t.Error("no evidence of the disclosure")
	}
	rec := c.Record()
	if rec.Invite.FromUser != "10690001" {
		t.Errorf("the phone displayed %q", rec.Invite.FromUser)
	}
	t.Logf("answer to first sound at the phone: %v", rec.FirstSoundAt.Sub(rec.AnswerAt).Round(time.Millisecond))
	msg := h.hooks.about(h, a.AttemptID)
	if msg["disposition"] != "completed" || msg["customer_id"] != "talks" {
		t.Errorf("the CRM was told %v", msg)
	}
}

func testUnanswered(t *testing.T, h *house, _ *real) {
	for user, want := range map[string]string{"busy": "busy", "nobody": "no_answer", "404": "invalid_number", "503": "congestion"} {
		task := h.ring(user, "e2e_001")
		a := h.attempt(task, 1, 30*time.Second)
		if a.Disposition != want || len(a.Recordings) != 0 {
			a.show(t)
			t.Errorf("%s: %s, want %s", user, a.Disposition, want)
		}
		state := h.do("GET", "/api/v1/call/task/"+task, nil, 200)["state"]
		if again := want != "invalid_number"; again != (state == "scheduled" || state == "ready") {
			t.Errorf("%s: afterwards the task is %v", user, state)
		}
		h.do("DELETE", "/api/v1/call/task/"+task, nil, 0)
	}
}

func testLeaves(t *testing.T, h *house, _ *real) {
	a := h.attempt(h.ring("leaves", "e2e_001"), 1, 40*time.Second)
	a.show(t)
	last := a.Turns[len(a.Turns)-1]
	if a.Disposition != "hung_up" || a.EndedBy != "remote" || !last.Interrupted || last.Text == "" || !strings.HasPrefix(last.Planned, last.Text) {
		t.Errorf("%s by %s, last turn %+v", a.Disposition, a.EndedBy, last)
	}
}

func testKeys(t *testing.T, h *house, _ *real) {
	a := h.attempt(h.ring("keys", "e2e_001"), 1, 40*time.Second)
	a.show(t)
	if a.Disposition != "opted_out" {
		t.Errorf("key 9 means stop: %s", a.Disposition)
	}
}

func testBargeIn(t *testing.T, h *house, r *real) {
	task := h.ring("barges", "e2e_001")
	c := r.call(h, "barges")
	a := h.attempt(task, 1, 60*time.Second)
	a.show(t)
	rec := c.Record()
	onset := rec.SpokenSpans[1].Start
	lag := rec.BotStoppedAfter(onset)
	t.Logf("our voice stopped %v after the customer's onset", lag.Round(time.Millisecond))
	if lag > 500*time.Millisecond {
		t.Errorf("our voice went on for %v", lag)
	}
	cut := false
	for _, x := range a.Turns {
		cut = cut || x.Interrupted && x.Side == "us" && strings.HasPrefix(x.Planned, x.Text) && x.Text != ""
	}
	if !cut || !slices.Contains(a.side("them"), "没听明白") {
		t.Error("the transcript does not show the interruption")
	}
}

func testStopWord(t *testing.T, h *house, r *real) {
	task := h.ring("stops", "e2e_001")
	c := r.call(h, "stops")
	a := h.attempt(task, 1, 60*time.Second)
	a.show(t)
	if a.Disposition != "opted_out" || a.EndedBy != "local" {
		t.Errorf("%s by %s", a.Disposition, a.EndedBy)
	}
	if got := c.Record().EndedBy; got != sipphone.Remote {
		t.Errorf("the phone says that %s hung up", got)
	}
	again := h.order("stops", "e2e_001")
	h.until("the next call of one who opted out is refused", 5*time.Second, func() bool {
		return h.do("GET", "/api/v1/call/task/"+again, nil, 200)["state"] == "blocked"
	})
}

// Asterisk is killed under an answered call and a ringing one: both are
// written as failed or uncertain, none rings twice, and the next call works.
func testRestart(t *testing.T, h *house, r *real) {
	answered, ringing := h.ring("waits", "e2e_001"), h.ring("later", "e2e_001")
	c := r.call(h, "waits")
	r.call(h, "later")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.WaitAnswered(ctx); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	r.ast.Kill()
	if err := r.ast.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, task := range []string{answered, ringing} {
		a := h.attempt(task, 1, 60*time.Second)
		a.show(t)
		if a.Disposition != "failed" && a.Disposition != "uncertain" || a.Reason == "" {
			t.Errorf("%s (%s)", a.Disposition, a.Reason)
		}
		h.do("DELETE", "/api/v1/call/task/"+task, nil, 0)
	}
	if n := len(callsOf(r.phone, "waits")) + len(callsOf(r.phone, "later")); n != 2 {
		t.Errorf("%d rings for two attempts", n)
	}
	if a := h.attempt(h.ring("busy", "e2e_001"), 1, 30*time.Second); a.Disposition != "busy" {
		t.Errorf("after the restart: %s (%s)", a.Disposition, a.Reason)
	}
}

func callsOf(p *sipphone.Phone, user string) []*sipphone.Call {
	var out []*sipphone.Call
	for _, c := range p.Calls() {
		if c.User() == user {
			out = append(out, c)
		}
	}
	return out
}

func testPerson(t *testing.T, h *house, r *real) {
	task := h.ring("human", "e2e_001")
	customer, agent := r.call(h, "human"), r.call(h, "agent1")
	a := h.attempt(task, 1, 60*time.Second)
	a.show(t)
	if a.Disposition != "transferred" {
		t.Errorf("%s (%s)", a.Disposition, a.Reason)
	}
	if heard := words(t, customer.Heard().Samples, 8000); !slices.Contains(heard, "我是人工客服") {
		t.Errorf("the customer did not hear the person: %q", heard)
	}
	if from := agent.Record().Invite.FromUser; strings.Contains(from, "human") {
		t.Errorf("the agent's INVITE names the customer: %q", from)
	}
}
