package asterisk

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/internal/audio"
	"ringmaster/internal/campaign"
	lab "ringmaster/internal/lab/asterisk"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// shared is the one real Asterisk of the test binary; tests that restart it
// start their own.
var shared struct {
	once sync.Once
	a    *lab.Asterisk
	err  error
}

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "16") // they wait much and work little
	code := m.Run()
	if shared.a != nil {
		_ = shared.a.Stop(context.Background())
	}
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		code = 1
	}
	os.Exit(code)
}

const app = "rmtest"

// stages counts stages: every one is a controller of its own.
var stages atomic.Int64

// queueDialplan hands a leg of controller <exten> over to the queue and back.
const queueDialplan = `[contract-queue]
exten => _X!,1,Queue(support,tc,,,${QTIMEOUT})
 same => n,Stasis(contract-${EXTEN},queue-left,support,${QUEUESTATUS})
 same => n,Hangup()`

func realAsterisk(t *testing.T) *lab.Asterisk {
	t.Helper()
	env.Need(t, env.Asterisk)
	shared.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		shared.a, shared.err = lab.Start(ctx, lab.Options{App: app, Verbose: 3, Include: []string{queueDialplan}})
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.a
}

func testLog(t *testing.T) *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return slog.New(slog.DiscardHandler)
}

// stage is a real Asterisk with our Switch on it and a telephone behind it.
type stage struct {
	t     *testing.T
	a     *lab.Asterisk
	sw    *Switch
	phone *sipphone.Phone
	id    string // begins the ID of every leg
	n     int
}

func newStage(t *testing.T, a *lab.Asterisk, script func(user string) sipphone.Script, change ...func(*Config)) *stage {
	t.Helper()
	p, err := sipphone.Listen(sipphone.Config{Script: func(user string, _ sipphone.Invite) sipphone.Script { return script(user) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	user, password := a.Credentials()
	cfg := Config{
		URL: a.ARIURL(), User: user, Password: password, AppPrefix: app, ControllerID: fmt.Sprint(stages.Add(1)), Log: testLog(t),
		Trunks: map[string]Trunk{"lab": {Endpoint: "PJSIP/lab/sip:{number}@" + p.Addr().String(), Lab: true}},
		Agents: map[string]Agent{"ann": {Endpoint: "PJSIP/lab/sip:ann@" + p.Addr().String()}, "nobody": {Endpoint: "PJSIP/agent1"}},
		Queues: map[string]Queue{"support": {Context: "ai-handover"}},
	}
	for _, c := range change {
		c(&cfg)
	}
	s := &stage{t: t, a: a, phone: p, sw: start(t, cfg), id: fmt.Sprintf("s%d-%d", stages.Add(1), time.Now().UnixNano()%1e9)}
	return s
}

// start runs a Switch until the test ends and waits until it is up.
func start(t *testing.T, cfg Config) *Switch {
	t.Helper()
	sw, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = sw.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	awaitUp(t, sw)
	return sw
}

func awaitUp(t *testing.T, sw *Switch) {
	t.Helper()
	for range 1000 {
		if sw.Health().Up {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("never up: %+v", sw.Health())
}

func (s *stage) request(user string) pbx.OriginateRequest {
	s.t.Helper()
	n, err := phone.Lab(user)
	if err != nil {
		s.t.Fatal(err)
	}
	caller, _ := phone.Short("1069123456")
	s.n++
	return pbx.OriginateRequest{
		ID: pbx.LegID(fmt.Sprintf("%s-%d", s.id, s.n)), To: pbx.Endpoint{Trunk: "lab", Number: n},
		CallerID: pbx.CallerID{Number: caller, Name: "ACME"}, RingTimeout: 5 * time.Second, Tag: "task-7",
	}
}

func (s *stage) originate(req pbx.OriginateRequest) pbx.Leg {
	s.t.Helper()
	l, err := s.sw.Originate(s.t.Context(), req)
	if err != nil {
		s.t.Fatal(err)
	}
	return l
}

// collect reads events until the leg is over.
func collect(t *testing.T, l pbx.Leg) []pbx.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out []pbx.Event
	for {
		e, err := l.Next(ctx)
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%v after %+v", err, out)
		}
		out = append(out, e)
	}
}

// next reads until an event of type T.
func next[T pbx.Event](t *testing.T, l pbx.Leg) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var seen []pbx.Event
	for {
		e, err := l.Next(ctx)
		if err != nil {
			var want T
			t.Fatalf("waiting for %T: %v; saw %+v", want, err, seen)
		}
		if v, ok := e.(T); ok {
			return v
		}
		seen = append(seen, e)
	}
}

func hungup(t *testing.T, l pbx.Leg) pbx.Hungup {
	t.Helper()
	all := collect(t, l)
	h, ok := all[len(all)-1].(pbx.Hungup)
	if !ok {
		t.Fatalf("the last event is %T", all[len(all)-1])
	}
	return h
}

func tone(rate int, d time.Duration) []int16 {
	out := make([]int16, int(d.Seconds()*float64(rate)))
	for i := range out {
		// a square wave of 400 Hz
		if i/(rate/800)%2 == 0 {
			out[i] = 8000
		} else {
			out[i] = -8000
		}
	}
	return out
}

func TestRealAnswerTalkHangup(t *testing.T) {
	a := realAsterisk(t)
	s := newStage(t, a, func(user string) sipphone.Script {
		return sipphone.Script{sipphone.Ring(0), sipphone.Answer(100 * time.Millisecond), sipphone.Speak(tone(8000, 500*time.Millisecond)), sipphone.DTMF("12#")}
	})
	l := s.originate(s.request("bob"))
	for _, want := range []string{"pbx.Ringing", "pbx.Answered"} {
		e, err := l.Next(t.Context())
		if err != nil || fmt.Sprintf("%T", e) != want {
			t.Fatalf("got %T %v, want %s", e, err, want)
		}
	}
	m, err := l.OpenMedia(t.Context(), audio.FormatSlin)
	if err != nil {
		t.Fatal(err)
	}
	opened := time.Now()
	if err := m.WriteFrame(audio.Frame{Samples: tone(8000, time.Second)}); err != nil {
		t.Fatal(err)
	}
	if err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("open->drained %v, played %v", time.Since(opened), m.Played())
	for _, want := range "12#" {
		if d := next[pbx.DTMF](t, l); d.Digit != byte(want) || d.Duration == 0 {
			t.Errorf("%+v", d)
		}
	}
	legs, err := s.sw.Legs(t.Context())
	if err != nil || len(legs) != 1 || legs[0].ID != l.ID() || !legs[0].Up || legs[0].Tag != "task-7" || legs[0].Created.IsZero() {
		t.Errorf("legs %+v %v", legs, err)
	}
	if err := l.Hangup(t.Context(), pbx.CauseNormal); err != nil {
		t.Fatal(err)
	}
	if h := hungup(t, l); h.By != pbx.ByLocal || h.Q850 != pbx.CauseNormal || !h.Answered || h.SIP != 200 {
		t.Errorf("%+v", h)
	}
	r, err := s.phone.Calls()[0].Wait(t.Context())
	t.Logf("answer -> first sound at the phone %v; write -> sound %v", r.FirstSoundAt.Sub(r.AckAt), r.FirstSoundAt.Sub(opened))
	if err != nil || r.Reason != "Q.850;cause=16" || r.Invite.FromDisplay != "ACME" || r.Invite.FromUser != "1069123456" || r.Lost > 0 {
		t.Errorf("the phone saw %+v %v", r, err)
	}
	s.nothingLeft()
}

// nothingLeft waits until nothing of the stage's legs is on the exchange.
func (s *stage) nothingLeft() {
	s.t.Helper()
	var left []string
	for range 300 {
		w, err := s.sw.look(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		left = nil
		for id := range w.channels {
			if strings.HasPrefix(id, s.id) {
				left = append(left, "channel "+id)
			}
		}
		for _, b := range w.bridges {
			if strings.HasPrefix(b.ID, bridgeOf(s.id)) {
				left = append(left, "bridge "+b.ID)
			}
		}
		if len(left) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Errorf("left on the exchange: %v", left)
}

// Every row of the table of failures that was measured on 22.10.1, to one
// disposition each; and nothing is left of any.
func TestRow_S2_EveryFailureOnTheRealAsterisk(t *testing.T) {
	a := realAsterisk(t)
	s := newStage(t, a, func(user string) sipphone.Script {
		var code int
		if _, err := fmt.Sscanf(user, "r%d", &code); err == nil {
			return sipphone.Script{sipphone.Ring(0), sipphone.Reject(code, "Q.850;cause=21")}
		}
		return sipphone.Script{sipphone.Ring(0), sipphone.Ignore()}
	})
	rows := map[int]pbx.Cause{
		486: 17, 600: 17, 404: 1, 604: 1, 480: 19, 408: 18, 403: 21, 603: 21, 410: 22, 484: 28, 487: 127, 488: 58, 606: 58,
		500: 38, 502: 27, 503: 34, 504: 102,
	}
	dispositions := map[campaign.Disposition][]int{
		campaign.Busy: {486, 600}, campaign.NoAnswer: {480, 408}, campaign.InvalidNumber: {404, 604, 410, 484},
		campaign.Rejected: {403, 603}, campaign.Congestion: {488, 606, 500, 502, 503, 504},
	}
	become := map[int]campaign.Disposition{}
	for d, codes := range dispositions {
		for _, code := range codes {
			become[code] = d
		}
	}
	for _, early := range []bool{false, true} {
		legs := map[int]pbx.Leg{}
		for code := range rows {
			req := s.request(fmt.Sprintf("r%d", code))
			req.EarlyMedia = early
			legs[code] = s.originate(req)
		}
		for code, want := range rows {
			h := hungup(t, legs[code])
			if h.SIP != code || h.Q850 != want || h.By != pbx.ByRemote || h.Answered || h.ReasonQ850 != 0 {
				t.Errorf("early %v: %d: %+v", early, code, h)
			}
			if d := campaign.Unanswered(h.SIP, int(h.Q850), int(h.ReasonQ850), false); become[code] != "" && d != become[code] {
				t.Errorf("%d becomes %s, want %s", code, d, become[code])
			}
		}
		// Local time-out is told apart from the carrier's 480.
		req := s.request("rings")
		req.RingTimeout, req.EarlyMedia = time.Second, early
		if h := hungup(t, s.originate(req)); h.By != pbx.ByTimer || h.Q850 != pbx.CauseNoAnswer || h.Answered {
			t.Errorf("early %v: time-out: %+v", early, h)
		}
		req = s.request("cancelled")
		req.EarlyMedia = early
		l := s.originate(req)
		next[pbx.Ringing](t, l)
		if err := l.Hangup(t.Context(), pbx.CauseNormal); err != nil {
			t.Error(err)
		}
		if h := hungup(t, l); h.By != pbx.ByLocal || h.Q850 != pbx.CauseNormal || h.Answered || h.SIP != 0 {
			t.Errorf("early %v: cancelled: %+v", early, h)
		}
	}
	s.nothingLeft()
}

func TestRealHangups(t *testing.T) {
	a := realAsterisk(t)
	s := newStage(t, a, func(user string) sipphone.Script {
		answer := sipphone.Script{sipphone.Ring(0), sipphone.Answer(0), sipphone.Silence(100 * time.Millisecond)}
		switch user {
		case "plain":
			return append(answer, sipphone.Hangup(""))
		case "reason":
			return append(answer, sipphone.Hangup("Q.850;cause=31"))
		}
		return answer
	})
	l := s.originate(s.request("plain"))
	if h := hungup(t, l); h.By != pbx.ByRemote || h.Q850 != pbx.CauseNormal || !h.Answered || h.ReasonQ850 != 0 {
		t.Errorf("BYE: %+v", h)
	}
	l = s.originate(s.request("reason"))
	if h := hungup(t, l); h.By != pbx.ByRemote || h.ReasonQ850 != pbx.CauseNormalUnspecified || !h.Answered {
		t.Errorf("BYE with Reason: %+v", h)
	}
	l = s.originate(s.request("stays"))
	next[pbx.Answered](t, l)
	if err := l.Hangup(t.Context(), pbx.CauseNormalUnspecified); err != nil {
		t.Fatal(err)
	}
	if h := hungup(t, l); h.By != pbx.ByLocal || h.Q850 != pbx.CauseNormalUnspecified {
		t.Errorf("our cause 31: %+v", h)
	}
	if err := l.Hangup(t.Context(), pbx.CauseNormal); err != nil {
		t.Errorf("a leg that is over: %v", err)
	}
	if err := l.SendDTMF(t.Context(), "1"); !errors.Is(err, pbx.ErrGone) {
		t.Errorf("a leg that is over: %v", err)
	}
	req := s.request("stays")
	req.MaxDuration = time.Second
	l = s.originate(req)
	at := next[pbx.Answered](t, l).At
	if h := hungup(t, l); h.By != pbx.ByTimer || !h.Answered || h.At.Sub(at) < 800*time.Millisecond || h.At.Sub(at) > 2*time.Second {
		t.Errorf("longest duration of 1 s: after %v %+v", h.At.Sub(at), h)
	}
	// The exchange's own operator ends it.
	l = s.originate(s.request("stays"))
	next[pbx.Answered](t, l)
	if _, err := a.CLI(t.Context(), "channel request hangup all"); err != nil {
		t.Fatal(err)
	}
	t.Logf("hung up on the CLI: %+v", hungup(t, l))
	s.nothingLeft()
}

func TestRealRefusals(t *testing.T) {
	a := realAsterisk(t)
	s := newStage(t, a, func(string) sipphone.Script { return sipphone.Script{sipphone.Ring(0), sipphone.Ignore()} },
		func(c *Config) { c.Trunks["none"] = Trunk{Endpoint: "PJSIP/{number}@nowhere", Lab: true} })
	req := s.request("x")
	req.To.Trunk = "none"
	if _, err := s.sw.Originate(t.Context(), req); !errors.Is(err, pbx.ErrRefused) {
		t.Errorf("unknown endpoint: %v", err)
	}
	if _, err := s.sw.Attach(t.Context(), req.ID); !errors.Is(err, pbx.ErrGone) {
		t.Errorf("attach to what was refused: %v", err)
	}
	req = s.request("ringing")
	l := s.originate(req)
	if _, err := s.sw.Originate(t.Context(), req); !errors.Is(err, pbx.ErrRefused) {
		t.Errorf("the same ID twice: %v", err)
	}
	if _, err := l.OpenMedia(t.Context(), audio.FormatSlin); !errors.Is(err, pbx.ErrRefused) {
		t.Errorf("media before the answer: %v", err)
	}
	if err := l.Play(t.Context(), pbx.Playback{ID: "p", Media: "tone:ring"}); !errors.Is(err, pbx.ErrRefused) {
		t.Errorf("play before the answer: %v", err)
	}
	next[pbx.Ringing](t, l)
	if n := len(s.phone.Calls()); n != 1 {
		t.Errorf("%d INVITEs", n)
	}
	_ = l.Hangup(t.Context(), pbx.CauseNormal)
	hungup(t, l)
	s.nothingLeft()
}

// talker is a phone that answers and stays.
func talker(string) sipphone.Script {
	return sipphone.Script{sipphone.Ring(0), sipphone.Answer(0)}
}

func TestRealEarlyMedia(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	s := newStage(t, a, func(string) sipphone.Script {
		return sipphone.Script{sipphone.EarlyMedia(tone(8000, time.Second)), sipphone.Answer(0)}
	})
	req := s.request("early")
	req.EarlyMedia = true
	l := s.originate(req)
	if r := next[pbx.Ringing](t, l); !r.EarlyMedia {
		r = next[pbx.Ringing](t, l)
		if !r.EarlyMedia {
			t.Fatal("no early media")
		}
	}
	m, err := l.OpenMedia(t.Context(), audio.FormatSlin)
	if err != nil {
		t.Fatal(err)
	}
	var f audio.Frame
	loud := 0
	for range 25 {
		if err := m.ReadFrame(&f); err != nil {
			t.Fatal(err)
		}
		if f.Samples[10] > 4000 || f.Samples[10] < -4000 {
			loud++
		}
	}
	if loud < 20 {
		t.Errorf("%d of 25 frames of early media were heard", loud)
	}
	next[pbx.Answered](t, l)
	if err := m.WriteFrame(audio.Frame{Samples: tone(8000, 200*time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	if err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = l.Hangup(t.Context(), pbx.CauseNormal)
	hungup(t, l)
	r, _ := s.phone.Calls()[0].Wait(t.Context())
	if r.FirstSoundAt.IsZero() || r.Invite.FromUser != "1069123456" || r.Invite.FromDisplay != "ACME" {
		t.Errorf("the phone saw %q %q, heard at %v", r.Invite.FromDisplay, r.Invite.FromUser, r.FirstSoundAt)
	}
	s.nothingLeft()
}

func TestRealTransferToAgent(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	answer := make(chan sipphone.Script, 10)
	s := newStage(t, a, func(user string) sipphone.Script {
		if user == "ann" {
			return <-answer
		}
		return talker(user)
	})
	l := s.originate(s.request("carl"))
	next[pbx.Answered](t, l)
	m, err := l.OpenMedia(t.Context(), audio.FormatULaw)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		script sipphone.Script
		reason string
	}{
		{sipphone.Script{sipphone.Ring(0), sipphone.Reject(486, "")}, "busy"},
		{sipphone.Script{sipphone.Ring(0), sipphone.Reject(603, "")}, "declined"},
		{sipphone.Script{sipphone.Reject(500, "")}, "unreachable"},
		{sipphone.Script{sipphone.Ring(0), sipphone.Ignore()}, "no_answer"},
	} {
		answer <- tc.script
		if err := l.Transfer(t.Context(), pbx.Target{Agent: "ann", Timeout: time.Second}); err != nil {
			t.Fatal(err)
		}
		if e := next[pbx.TransferEnded](t, l); e.Reason != tc.reason {
			t.Errorf("%+v, want %s", e, tc.reason)
		}
		// The bot speaks on.
		if err := m.WriteFrame(audio.Frame{Samples: tone(8000, 100*time.Millisecond)}); err != nil {
			t.Fatal(err)
		}
		if err := m.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Transfer(t.Context(), pbx.Target{Agent: "nobody", Timeout: time.Second}); err != nil {
		t.Fatal(err)
	}
	if e := next[pbx.TransferEnded](t, l); e.Reason != "unreachable" {
		t.Errorf("an agent without a phone: %+v", e)
	}
	answer <- sipphone.Script{sipphone.Ring(0), sipphone.Answer(200 * time.Millisecond), sipphone.Speak(tone(8000, time.Second)), sipphone.Hangup("")}
	if err := l.Transfer(t.Context(), pbx.Target{Agent: "ann", Timeout: 5 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if b := next[pbx.Bridged](t, l); !strings.HasPrefix(string(b.Other), string(l.ID()+"-agent")) {
		t.Errorf("%+v", b)
	}
	var f audio.Frame
	for err = nil; err == nil; {
		err = m.ReadFrame(&f)
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("media after the hand-over: %v", err)
	}
	next[pbx.Unbridged](t, l)
	// The customer is ours again.
	if m, err = l.OpenMedia(t.Context(), audio.FormatULaw); err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFrame(audio.Frame{Samples: tone(8000, 100*time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	if err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = l.Hangup(t.Context(), pbx.CauseNormal)
	hungup(t, l)
	for _, c := range s.phone.Calls() {
		r, _ := c.Wait(t.Context())
		if r.Invite.User != "ann" {
			if d := heard(r); d < 1300*time.Millisecond {
				t.Errorf("the customer heard %v of sound, want 500 ms of the bot and 1 s of the agent", d)
			}
			continue
		}
		if strings.Contains(fmt.Sprint(r.Invite), "carl") || strings.Contains(fmt.Sprint(r.Invite), "1069123456") {
			t.Errorf("the agent was shown %+v", r.Invite)
		}
	}
	s.nothingLeft()
}

// heard is how much sound a phone heard.
func heard(r sipphone.Record) time.Duration {
	var d time.Duration
	for _, s := range r.BotSpans {
		d += s.Duration()
	}
	return d
}

func TestRealCustomerLeavesDuringHandover(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	s := newStage(t, a, func(user string) sipphone.Script {
		if user == "ann" {
			return sipphone.Script{sipphone.Ring(0), sipphone.Ignore()}
		}
		return sipphone.Script{sipphone.Answer(0), sipphone.Silence(500 * time.Millisecond), sipphone.Hangup("")}
	})
	l := s.originate(s.request("carl"))
	next[pbx.Answered](t, l)
	caller, _ := phone.Short("95555")
	if err := l.Transfer(t.Context(), pbx.Target{Agent: "ann", Timeout: 10 * time.Second, CallerID: pbx.CallerID{Number: caller}}); err != nil {
		t.Fatal(err)
	}
	hungup(t, l)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	c, err := s.phone.WaitCall(ctx, "ann")
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Wait(ctx)
	if err != nil || r.Status != 487 || r.Invite.FromUser != "95555" {
		t.Errorf("the agent's phone rings on: %+v %v", r, err)
	}
	s.nothingLeft()
}

func TestRealBridgeOfTwoLegs(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	s := newStage(t, a, func(user string) sipphone.Script {
		if user == "one" {
			return sipphone.Script{sipphone.Answer(0), sipphone.Silence(300 * time.Millisecond), sipphone.Forever(sipphone.Speak(tone(8000, 200*time.Millisecond)), sipphone.Silence(100*time.Millisecond))}
		}
		return talker(user)
	})
	one, two := s.originate(s.request("one")), s.originate(s.request("two"))
	next[pbx.Answered](t, one)
	next[pbx.Answered](t, two)
	m, err := two.OpenMedia(t.Context(), audio.FormatSlin)
	if err != nil {
		t.Fatal(err)
	}
	if err := one.Bridge(t.Context(), two.ID()); err != nil {
		t.Fatal(err)
	}
	if b := next[pbx.Bridged](t, one); b.Other != two.ID() {
		t.Errorf("%+v", b)
	}
	if b := next[pbx.Bridged](t, two); b.Other != one.ID() {
		t.Errorf("%+v", b)
	}
	if err := m.WriteFrame(audio.Frame{Samples: tone(8000, 100*time.Millisecond)}); !errors.Is(err, pbx.ErrGone) {
		t.Errorf("media of a bridged leg: %v", err)
	}
	time.Sleep(600 * time.Millisecond)
	_ = one.Hangup(t.Context(), pbx.CauseNormal)
	hungup(t, one)
	if b := next[pbx.Unbridged](t, two); b.Other != one.ID() {
		t.Errorf("%+v", b)
	}
	// The one that is left can be spoken to, and its commands do not block.
	for range 50 {
		if m, err = two.OpenMedia(t.Context(), audio.FormatSlin); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := m.WriteFrame(audio.Frame{Samples: tone(8000, 100*time.Millisecond)}); err != nil {
		t.Fatal(err)
	}
	if err := m.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = two.Hangup(t.Context(), pbx.CauseNormal)
	hungup(t, two)
	for _, c := range s.phone.Calls() {
		if r, _ := c.Wait(t.Context()); r.Invite.User == "two" && heard(r) < 100*time.Millisecond {
			t.Errorf("two heard %v of sound", heard(r))
		}
	}
	s.nothingLeft()
}

// wav is a sound file of the exchange.
func wav(t *testing.T, samples []int16) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := audio.WriteWAV(&b, audio.WAV{Rate: 8000, Tracks: [][]int16{samples}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRealPlayRecordMute(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	uri, err := a.AddSound("tone300.wav", wav(t, tone(8000, 300*time.Millisecond)))
	if err != nil {
		t.Fatal(err)
	}
	file := "file:" + strings.TrimPrefix(uri, "sound:")
	s := newStage(t, a, func(string) sipphone.Script {
		return sipphone.Script{sipphone.Answer(0), sipphone.Forever(sipphone.Speak(tone(8000, 100*time.Millisecond)), sipphone.Silence(100*time.Millisecond))}
	})
	l := s.originate(s.request("pat"))
	next[pbx.Answered](t, l)
	m, err := l.OpenMedia(t.Context(), audio.FormatSlin)
	if err != nil {
		t.Fatal(err)
	}
	rec := pbx.Recording{ID: "r1", Name: fmt.Sprintf("t/%s", l.ID()), Stereo: true}
	if err := l.Record(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	if err := l.Play(t.Context(), pbx.Playback{ID: "p1", Media: file}); err != nil {
		t.Fatal(err)
	}
	if e := next[pbx.PlaybackEnded](t, l); e.ID != "p1" || e.Stopped || e.Err != nil {
		t.Errorf("%+v", e)
	}
	if err := l.Mute(t.Context(), "r1", true); err != nil {
		t.Fatal(err)
	}
	if err := l.Play(t.Context(), pbx.Playback{ID: "p2", Media: "tone:ring"}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(700 * time.Millisecond)
	if err := l.Mute(t.Context(), "r1", false); err != nil {
		t.Fatal(err)
	}
	if err := l.Stop(t.Context(), "p2"); err != nil {
		t.Fatal(err)
	}
	if e := next[pbx.PlaybackEnded](t, l); e.ID != "p2" || !e.Stopped || e.Err != nil {
		t.Errorf("%+v", e)
	}
	if err := l.Play(t.Context(), pbx.Playback{ID: "p3", Media: "file:no/such"}); err != nil {
		t.Fatal(err)
	}
	if e := next[pbx.PlaybackEnded](t, l); e.ID != "p3" || e.Err == nil {
		t.Errorf("%+v", e)
	}
	_ = m.WriteFrame(audio.Frame{Samples: tone(8000, 300*time.Millisecond)})
	_ = m.Drain(t.Context())
	if err := l.SendDTMF(t.Context(), "42"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(700 * time.Millisecond)
	if err := l.Stop(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	if e := next[pbx.RecordingEnded](t, l); e.ID != "r1" || e.Err != nil || e.Duration < time.Second {
		t.Errorf("%+v", e)
	}
	for _, side := range []string{"left", "right"} {
		var b bytes.Buffer
		if err := s.sw.Fetch(t.Context(), rec.Name+"-"+side, &b); err != nil {
			t.Fatal(err)
		}
		w, err := audio.ReadWAV(&b, 10<<20)
		if err != nil || w.Rate != 8000 {
			t.Fatalf("%v %+v", err, w.Rate)
		}
		loud, quiet := 0, 0
		for at := 0; at+160 <= len(w.Tracks[0]); at += 160 {
			if x := w.Tracks[0][at+80]; x > 3000 || x < -3000 {
				loud++
			} else if x == 0 {
				quiet++
			}
		}
		t.Logf("%s: %v, %d loud and %d silent frames", side, w.Duration(), loud, quiet)
		if w.Duration() < 1500*time.Millisecond || loud < 10 || quiet < 25 {
			t.Errorf("%s: %v, %d loud and %d silent frames", side, w.Duration(), loud, quiet)
		}
	}
	// What runs at the end is closed before Hungup.
	if err := l.Play(t.Context(), pbx.Playback{ID: "p4", Media: "tone:ring"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Record(t.Context(), pbx.Recording{ID: "r2", Name: rec.Name + "-2"}); err != nil {
		t.Fatal(err)
	}
	_ = l.Hangup(t.Context(), pbx.CauseNormal)
	seen := fmt.Sprintf("%T", collect(t, l))
	_ = seen
	r, _ := s.phone.Calls()[0].Wait(t.Context())
	if r.Keys() != "42" {
		t.Errorf("the phone got keys %q", r.Keys())
	}
	s.nothingLeft()
}
