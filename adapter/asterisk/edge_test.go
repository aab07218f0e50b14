package asterisk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/adapter/asterisk/ari/aritest"
	"ringmaster/internal/pbx"
)

// Edges that a healthy Asterisk does not show, on a scripted one.

func scripted(t *testing.T, change ...func(*Config)) (*aritest.Server, *Switch) {
	t.Helper()
	s := aritest.New(t)
	cfg := Config{
		URL: s.ARI(), User: aritest.User, Password: aritest.Password, AppPrefix: "rm", Log: slog.New(slog.DiscardHandler),
		RequestTimeout: 3 * time.Second, PingPeriod: time.Second, BackoffMin: 5 * time.Millisecond, BackoffMax: 30 * time.Millisecond,
		Deadline: 100 * time.Millisecond, LookUp: 200 * time.Millisecond,
		Trunks: map[string]Trunk{"t": {Endpoint: "PJSIP/{number}@t", Lab: true}}, Agents: map[string]Agent{"ann": {"PJSIP/ann"}},
		Queues: map[string]Queue{"q": {Context: "ctx"}},
	}
	for _, c := range change {
		c(&cfg)
	}
	return s, start(t, cfg)
}

func call(t *testing.T, id string) pbx.OriginateRequest {
	return pbx.OriginateRequest{ID: pbx.LegID(id), To: pbx.Endpoint{Trunk: "t", Number: labNumber(t, "bob")}, RingTimeout: time.Second}
}

func channelEvent(typ, id, rest string) string {
	return fmt.Sprintf(`{"type":%q,"application":"rm","channel":{"id":%q,"state":"Up","name":"PJSIP/t-1"}%s}`, typ, id, rest)
}

func TestLostReplyIsUnknownAndKept(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t)
	s.Script(func(w http.ResponseWriter, r aritest.Request) bool {
		if r.Method == http.MethodPost && r.Path == "/channels" {
			s.SetChannel("leg1", "Ringing")
			aritest.Hijack(w)
			return true
		}
		return false
	})
	if _, err := sw.Originate(t.Context(), call(t, "leg1")); !errors.Is(err, pbx.ErrUnknown) {
		t.Fatal(err)
	}
	if n := s.Count("POST", "/channels"); n != 1 {
		t.Fatalf("sent %d times", n)
	}
	// Its events are kept while nobody holds it.
	s.SetChannel("leg1", "Up")
	s.Emit(t, channelEvent("StasisStart", "leg1", `,"args":["out",""]`))
	s.Await(t, 1, "POST", "/bridges/rm-leg1/addChannel")
	if _, err := sw.Originate(t.Context(), call(t, "leg1")); !errors.Is(err, pbx.ErrRefused) {
		t.Fatalf("dialled again: %v", err)
	}
	l, err := sw.Attach(t.Context(), "leg1")
	if err != nil {
		t.Fatal(err)
	}
	next[pbx.Answered](t, l)
	s.Emit(t, channelEvent("ChannelDestroyed", "leg1", `,"cause":16`))
	if h := hungup(t, l); !h.Answered || h.Q850 != 16 {
		t.Fatalf("%+v", h)
	}
}

func TestLostReplyAndNothingPlaced(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t)
	s.Script(func(w http.ResponseWriter, r aritest.Request) bool {
		if r.Method == http.MethodPost && r.Path == "/channels" {
			aritest.Hijack(w)
			return true
		}
		return false
	})
	if _, err := sw.Originate(t.Context(), call(t, "leg1")); !errors.Is(err, pbx.ErrUnknown) {
		t.Fatal(err)
	}
	if _, err := sw.Attach(t.Context(), "leg1"); !errors.Is(err, pbx.ErrGone) {
		t.Fatal(err)
	}
	// The request arrives after all: its phone must not ring on.
	for range 400 { // until the leg is forgotten
		if sw.find("leg1") == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	s.Emit(t, `{"type":"ChannelStateChange","channel":{"id":"leg1","state":"Ringing"}}`)
	s.Await(t, 1, "DELETE", "/channels/leg1")
	// The place is free again once the leg has been given up.
	s.Script(nil)
	for range 200 {
		if _, err := sw.Originate(t.Context(), call(t, "leg1")); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the ID stays taken")
}

// It ended while its Originate was unknown: Attach tells how.
func TestUnknownLegThatEnded(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t)
	s.Script(func(w http.ResponseWriter, r aritest.Request) bool {
		if r.Method == http.MethodPost && r.Path == "/channels" {
			s.SetChannel("leg1", "Ringing")
			aritest.Hijack(w)
			return true
		}
		return false
	})
	_, _ = sw.Originate(t.Context(), call(t, "leg1"))
	s.SetChannel("leg1", "")
	s.Emit(t, channelEvent("ChannelDestroyed", "leg1", `,"cause":17,"tech_cause":486`))
	time.Sleep(50 * time.Millisecond)
	l, err := sw.Attach(t.Context(), "leg1")
	if err != nil {
		t.Fatal(err)
	}
	if h := hungup(t, l); h.SIP != 486 {
		t.Fatalf("%+v", h)
	}
	if _, err := sw.Attach(t.Context(), "leg1"); !errors.Is(err, pbx.ErrGone) {
		t.Fatal(err)
	}
}

// 409: a crash after the first try; the call is taken hold of.
func TestConflictIsPlacedBefore(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t)
	s.SetChannel("leg1", "Ringing")
	s.Script(func(w http.ResponseWriter, r aritest.Request) bool {
		if r.Method == http.MethodPost && r.Path == "/channels" {
			aritest.JSON(w, 409, `{"message":"Channel with given unique ID already exists"}`)
			return true
		}
		return false
	})
	l, err := sw.Originate(t.Context(), call(t, "leg1"))
	if err != nil {
		t.Fatal(err)
	}
	if e := next[pbx.LinkRestored](t, l); e.Up {
		t.Errorf("%+v", e)
	}
	if s.Count("POST", "/applications/rm/subscription") != 1 {
		t.Error("not subscribed")
	}
	s.Emit(t, channelEvent("ChannelDestroyed", "leg1", `,"cause":19,"tech_cause":480`))
	if h := hungup(t, l); h.By != pbx.ByTimer {
		t.Errorf("%+v", h)
	}
}

// Whatever Asterisk leaves out, a leg ends once and its place is freed.
func TestNoEventAtAll(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t, func(c *Config) { c.Deadline = 50 * time.Millisecond })
	l, err := sw.Originate(t.Context(), call(t, "leg1"))
	if err != nil {
		t.Fatal(err)
	}
	if h := hungup(t, l); h.By != pbx.ByUnknown || h.Answered || !strings.Contains(h.Raw, "never came") {
		t.Errorf("%+v", h)
	}
	if s.Count("GET", "/channels/leg1") == 0 {
		t.Error("it was not looked up")
	}
}

// StasisStart is lost: the answer is found by looking.
func TestLostStasisStart(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t)
	l, err := sw.Originate(t.Context(), call(t, "leg1"))
	if err != nil {
		t.Fatal(err)
	}
	s.SetChannel("leg1", "Up")
	s.Emit(t, channelEvent("ChannelStateChange", "leg1", ""))
	next[pbx.Answered](t, l)
	if s.Count("POST", "/bridges/rm-leg1/addChannel") != 1 {
		t.Error("not bridged")
	}
	// Its end is lost, too.
	s.SetChannel("leg1", "")
	if h := hungup(t, l); h.By != pbx.ByUnknown || !h.Answered {
		t.Errorf("%+v", h)
	}
	s.Await(t, 1, "DELETE", "/bridges/rm-leg1")
}

// It rings on after its time: Asterisk forgot; we end it.
func TestRingsForEver(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t, func(c *Config) { c.Deadline = 30 * time.Millisecond })
	s.SetChannel("leg1", "Ringing")
	s.Script(func(w http.ResponseWriter, r aritest.Request) bool {
		if r.Method == http.MethodDelete && r.Path == "/channels/leg1" {
			s.SetChannel("leg1", "")
		}
		return false
	})
	l, err := sw.Originate(t.Context(), call(t, "leg1"))
	if err != nil {
		t.Fatal(err)
	}
	hungup(t, l)
	if s.Count("DELETE", "/channels/leg1") == 0 {
		t.Error("it rings on")
	}
}

// An answered channel that is not ours cannot be bridged and is ended.
func TestAnsweredOutsideOfOurApplication(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t, func(c *Config) { c.Deadline = 30 * time.Millisecond })
	s.Script(func(w http.ResponseWriter, r aritest.Request) bool {
		switch {
		case strings.HasSuffix(r.Path, "/addChannel"):
			aritest.JSON(w, 422, `{"message":"Channel not in Stasis application"}`)
			return true
		case r.Method == http.MethodDelete && r.Path == "/channels/leg1":
			s.SetChannel("leg1", "")
		}
		return false
	})
	l, err := sw.Originate(t.Context(), call(t, "leg1"))
	if err != nil {
		t.Fatal(err)
	}
	s.SetChannel("leg1", "Up")
	s.Emit(t, channelEvent("StasisStart", "leg1", `,"args":["out"]`))
	if h := hungup(t, l); !h.Answered || h.By != pbx.ByLocal {
		t.Errorf("%+v", h)
	}
	if s.Count("DELETE", "/channels/leg1") == 0 {
		t.Error("it stays")
	}
}

func TestPlaybackWhoseEndIsLost(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t, func(c *Config) { c.LookUp = 900 * time.Millisecond })
	l := answered(t, s, sw, "leg1")
	if err := l.Play(t.Context(), pbx.Playback{ID: "p", Media: "file:x"}); err != nil {
		t.Fatal(err)
	}
	if e := next[pbx.PlaybackEnded](t, l); e.ID != "p" || e.Err == nil {
		t.Errorf("%+v", e)
	}
	if err := l.Play(t.Context(), pbx.Playback{ID: "q", Media: "file:x"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Play(t.Context(), pbx.Playback{ID: "q", Media: "file:x"}); !errors.Is(err, pbx.ErrRefused) {
		t.Errorf("the same ID: %v", err)
	}
	s.Emit(t, channelEvent("ChannelDestroyed", "leg1", `,"cause":16`))
	if got := fmt.Sprintf("%T", collect(t, l)); got == "" {
		t.Error(got)
	}
}

func answered(t *testing.T, s *aritest.Server, sw *Switch, id string) pbx.Leg {
	t.Helper()
	l, err := sw.Originate(t.Context(), call(t, id))
	if err != nil {
		t.Fatal(err)
	}
	s.SetChannel(id, "Up")
	s.Emit(t, channelEvent("StasisStart", id, `,"args":["out"]`))
	next[pbx.Answered](t, l)
	return l
}

// Hazard h: dialled while the event socket is down, a callee answers and is dropped.
func TestNobodyIsDialledWhileTheSocketIsDown(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t)
	l := answered(t, s, sw, "leg1")
	s.RefuseSockets(true)
	if e := next[pbx.LinkLost](t, l); e.Err == nil {
		t.Error("no reason")
	}
	before := s.Count("POST", "/channels")
	for _, early := range []bool{false, true} {
		req := call(t, "leg2")
		req.EarlyMedia = early
		if _, err := sw.Originate(t.Context(), req); !errors.Is(err, pbx.ErrUnavailable) {
			t.Errorf("%v", err)
		}
	}
	if err := l.Transfer(t.Context(), pbx.Target{Agent: "ann"}); !errors.Is(err, pbx.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if s.Count("POST", "/channels") != before {
		t.Error("something was sent")
	}
	// Hanging up is tried all the same: REST may work.
	if err := l.Hangup(t.Context(), pbx.CauseNormal); err != nil {
		t.Error(err)
	}
	s.SetChannel("leg1", "")
	s.RefuseSockets(false)
	if h := hungup(t, l); !h.Answered {
		t.Errorf("%+v", h)
	}
}

// A leg that was placed while the resync was under way is not taken for gone.
func TestPlacedDuringResync(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t)
	l, err := sw.Originate(t.Context(), call(t, "leg1"))
	if err != nil {
		t.Fatal(err)
	}
	_ = l.(*leg).in.Put(input{kind: inWorld, world: &world{began: time.Now().Add(-time.Minute), channels: map[string]ari.Channel{}}})
	s.SetChannel("leg1", "Up")
	s.Emit(t, channelEvent("StasisStart", "leg1", `,"args":["out"]`))
	next[pbx.Answered](t, l)
}

func TestReplacedStopsWorking(t *testing.T) {
	t.Parallel()
	s := aritest.New(t)
	sw, err := New(Config{URL: s.ARI(), User: aritest.User, Password: aritest.Password, AppPrefix: "rm",
		Log: slog.New(slog.DiscardHandler), Trunks: map[string]Trunk{"t": {Endpoint: "PJSIP/{number}@t", Lab: true}}})
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan error, 1)
	go func() { out <- sw.Run(context.Background()) }()
	awaitUp(t, sw)
	l := answered(t, s, sw, "leg1")
	s.Emit(t, `{"type":"ApplicationReplaced","application":"rm"}`)
	if err := <-out; !errors.Is(err, ari.ErrReplaced) {
		t.Fatal(err)
	}
	h := sw.Health()
	if !h.Replaced || h.Up || h.Reason == "" {
		t.Errorf("%+v", h)
	}
	if got := fmt.Sprintf("%T", collect(t, l)); got == "" {
		t.Error(got)
	}
	if _, err := sw.Originate(t.Context(), call(t, "leg2")); !errors.Is(err, pbx.ErrUnavailable) {
		t.Error(err)
	}
	if _, err := sw.Accept(t.Context()); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	// The new owner's channels and bridges are not touched.
	if s.Count("DELETE", "/") != 0 {
		t.Error("something was deleted")
	}
}

// The janitor takes what a crash left, and nothing else.
func TestJanitor(t *testing.T) {
	t.Parallel()
	s := aritest.New(t)
	s.SetChannel("alive", "Up")
	s.SetBridge("rm-alive", "alive")
	s.SetBridge("rm-dead")
	s.SetBridge("somebody-elses")
	cfg := Config{URL: s.ARI(), User: aritest.User, Password: aritest.Password, AppPrefix: "rm", Log: slog.New(slog.DiscardHandler)}
	start(t, cfg)
	s.Await(t, 1, "DELETE", "/bridges/rm-dead")
	if n := s.Count("DELETE", "/"); n != 1 {
		t.Errorf("%d things were deleted", n)
	}
	sw, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{channels: map[string]ari.Channel{
		"a-m-1": {ID: "a-m-1", Name: "WebSocket/INCOMING/0x1"}, "b-m-1": {ID: "b-m-1", Name: "WebSocket/INCOMING/0x2"}, "b": {ID: "b", Name: "PJSIP/x"},
		"c-m-1": {ID: "c-m-1", Name: "PJSIP/y"},
	}}
	sw.clean(t.Context(), w)
	if s.Count("DELETE", "/channels/a-m-1") != 1 || s.Count("DELETE", "/channels/b") != 0 || s.Count("DELETE", "/channels/c") != 0 {
		t.Error("the wrong ones were taken")
	}
}

func TestInbound(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t)
	s.Emit(t, `{"type":"StasisStart","args":["inbound","4001","x","y"],"channel":{"id":"in-1.5","state":"Ring","caller":{"number":"13800001111"}}}`)
	in, err := sw.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if in.Called != "4001" || in.From.Dial() != "+8613800001111" || fmt.Sprint(in.Args) != "[x y]" || in.Leg.ID() != "in-1.5" {
		t.Errorf("%+v", in)
	}
	if err := in.Leg.Answer(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.SetChannel("in-1.5", "Up")
	s.Emit(t, channelEvent("ChannelStateChange", "in-1.5", ""))
	next[pbx.Answered](t, in.Leg)
	s.Emit(t, channelEvent("ChannelDestroyed", "in-1.5", `,"cause":0`))
	if h := hungup(t, in.Leg); h.By != pbx.ByRemote || h.Q850 != 16 {
		t.Errorf("%+v", h)
	}
	// One with an ID that we cannot name is refused, one without arguments left alone.
	s.Emit(t, `{"type":"StasisStart","args":["inbound"],"channel":{"id":"a/b","state":"Ring"}}`)
	s.Await(t, 1, "DELETE", "/channels/a%2Fb")
	s.Emit(t, `{"type":"StasisStart","args":[],"channel":{"id":"local-1","state":"Up"}}`)
	l := answered(t, s, sw, "leg9")
	if s.Count("DELETE", "/channels/local") != 0 {
		t.Error("a stranger was hung up")
	}
	_ = l
}

// Nobody reads a leg's inputs fast enough: that leg ends, loudly, and no other.
func TestOverflowEndsOneLeg(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t)
	one, two := answered(t, s, sw, "leg1"), answered(t, s, sw, "leg2")
	l := one.(*leg)
	l.joining.Lock() // hold its goroutine where it would do I/O
	l.mu.Lock()
	l.joined = false
	l.mu.Unlock()
	_ = l.in.Put(input{kind: inPeerGone, peer: two.(*leg)})
	l.mu.Lock()
	l.peer = two.(*leg)
	l.mu.Unlock()
	_ = l.in.Put(input{kind: inPeerGone, peer: two.(*leg)})
	for range maxUnreadInputs + 100 {
		link{sw}.Event(&ari.Event{Type: ari.TypeDTMF, Digit: "1", Channel: ari.Channel{ID: "leg1"}})
	}
	l.joining.Unlock()
	if h := hungup(t, one); h.By != pbx.ByUnknown || !strings.Contains(h.Raw, "overflow") {
		t.Errorf("%+v", h)
	}
	s.Await(t, 1, "DELETE", "/channels/leg1")
	s.Emit(t, channelEvent("ChannelDtmfReceived", "leg2", `,"digit":"5","duration_ms":100`))
	if d := next[pbx.DTMF](t, two); d.Digit != '5' {
		t.Errorf("%+v", d)
	}
}

// The target of a hand-over ends while its bridge is being made: the bridge is
// deleted after it was made, not before.
func TestNoBridgeIsMadeForALegThatIsOver(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t)
	l := answered(t, s, sw, "leg1")
	const agent, bridge = "leg1-agent", "/bridges/rm-leg1-agent"
	var exists atomic.Bool
	s.Script(func(w http.ResponseWriter, r aritest.Request) bool {
		switch {
		case r.Method == http.MethodPost && r.Path == "/channels/create":
			go s.Emit(t, channelEvent("StasisStart", agent, `,"args":["out"]`))
		case r.Method == http.MethodPost && r.Path == bridge:
			s.Emit(t, channelEvent("ChannelDestroyed", agent, `,"cause":16`))
			time.Sleep(100 * time.Millisecond) // for whoever would not wait
			exists.Store(true)
		case r.Method == http.MethodPost && r.Path == bridge+"/addChannel":
			aritest.JSON(w, http.StatusBadRequest, `{"message":"Channel not found"}`)
			return true
		case r.Method == http.MethodDelete && r.Path == bridge:
			exists.Store(false)
		}
		return false
	})
	_ = l.Transfer(t.Context(), pbx.Target{Agent: "ann", Timeout: time.Second})
	s.Await(t, 1, "DELETE", bridge)
	for end := time.Now().Add(2 * time.Second); exists.Load(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the bridge of a leg that is over is left")
		}
	}
}

// Many legs, a flood of events, hang-ups from both sides at once: every leg
// has one Hungup, the last of its events. Run with -race.
func TestEveryLegEndsOnce(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t, func(c *Config) { c.Deadline, c.RequestTimeout = time.Second, 5*time.Second })
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			id := fmt.Sprintf("leg%d", i)
			l, err := sw.Originate(t.Context(), call(t, id))
			if err != nil {
				t.Error(err)
				return
			}
			s.SetChannel(id, "Up")
			s.Emit(t, channelEvent("StasisStart", id, `,"args":["out"]`))
			var mixed sync.WaitGroup
			mixed.Go(func() { _ = l.Hangup(t.Context(), pbx.CauseNormal) })
			mixed.Go(func() {
				s.Emit(t, channelEvent("ChannelHangupRequest", id, ``))
				s.Emit(t, channelEvent("ChannelDestroyed", id, `,"cause":16`))
				s.Emit(t, channelEvent("ChannelDestroyed", id, `,"cause":17`))
			})
			mixed.Go(func() { _, _ = sw.Attach(t.Context(), pbx.LegID(id)) })
			n := 0
			all := collect(t, l)
			for _, e := range all {
				if _, ok := e.(pbx.Hungup); ok {
					n++
				}
			}
			if _, last := all[len(all)-1].(pbx.Hungup); n != 1 || !last {
				t.Errorf("%s: %d Hungup of %d events", id, n, len(all))
			}
			mixed.Wait()
		})
	}
	wg.Wait()
}

// Over before it could be bridged: the bridge that was made for it goes, too.
func TestBridgeOfABlink(t *testing.T) {
	t.Parallel()
	s, sw := scripted(t)
	s.Script(func(w http.ResponseWriter, r aritest.Request) bool {
		if strings.HasSuffix(r.Path, "/addChannel") {
			aritest.JSON(w, 400, `{"message":"Channel not found"}`)
			return true
		}
		return false
	})
	l, err := sw.Originate(t.Context(), call(t, "leg1"))
	if err != nil {
		t.Fatal(err)
	}
	s.Emit(t, channelEvent("StasisStart", "leg1", `,"args":["out"]`))
	s.Emit(t, channelEvent("ChannelDestroyed", "leg1", `,"cause":16`))
	if h := hungup(t, l); !h.Answered {
		t.Errorf("%+v", h)
	}
	s.Await(t, 1, "DELETE", "/bridges/rm-leg1")
}

// The customer leaves while the agent's channel is being made: whichever comes
// first, the agent's phone does not ring on.
func TestCustomerLeavesWhileTheAgentIsBeingCalled(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"/channels/create", "/channels/leg1-agent/dial"} {
		s, sw := scripted(t)
		l := answered(t, s, sw, "leg1")
		s.Script(func(w http.ResponseWriter, r aritest.Request) bool {
			if r.Path == "/channels/create" {
				s.Emit(t, `{"type":"StasisStart","args":["out"],"channel":{"id":"leg1-agent","state":"Down"}}`)
			}
			if r.Method == http.MethodPost && r.Path == at {
				s.Emit(t, channelEvent("ChannelDestroyed", "leg1", `,"cause":16`))
				<-l.(*leg).done
				for range 100 { // our hang-up comes before there is a channel
					if s.Count("DELETE", "/channels/leg1-agent") > 0 {
						break
					}
					time.Sleep(5 * time.Millisecond)
				}
				s.SetChannel("leg1-agent", "Ringing")
			}
			if r.Method == http.MethodDelete && r.Path == "/channels/leg1-agent" {
				s.SetChannel("leg1-agent", "")
			}
			return false
		})
		_ = l.Transfer(t.Context(), pbx.Target{Agent: "ann", Timeout: time.Second})
		hungup(t, l)
		s.Await(t, 2, "DELETE", "/channels/leg1-agent")
	}
}
