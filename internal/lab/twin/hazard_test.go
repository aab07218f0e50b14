package twin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"ringmaster/adapter/asterisk"
	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// exchange is a twin with an impatient controller on it.
type exchange struct {
	*testing.T
	ex *twin.Exchange
	sw pbx.Switch
}

func newExchange(t *testing.T) *exchange {
	t.Helper()
	ex, err := twin.Start(twin.Config{Trunks: []string{"lab"}}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ex.Close)
	ex.Callee("answers", callee.Script{Ring: 30 * time.Millisecond, Limit: 700 * time.Millisecond})
	ex.Callee("stays", callee.Script{Ring: 30 * time.Millisecond})
	ex.Callee("busy", callee.Script{Ring: 30 * time.Millisecond, Reject: 486})
	ex.Callee("never", callee.Script{Never: true})
	e := &exchange{T: t, ex: ex}
	e.sw = e.controller()
	return e
}

func (e *exchange) controller() *asterisk.Switch {
	e.Helper()
	sw, err := asterisk.New(asterisk.Config{
		URL: e.ex.URL(), User: "u", Password: "p", AppPrefix: "rm",
		Trunks: map[string]asterisk.Trunk{
			"lab": {Endpoint: "PJSIP/{number}@lab", Lab: true}, "nowhere": {Endpoint: "PJSIP/{number}@nowhere", Lab: true},
		},
		RequestTimeout: 500 * time.Millisecond, Deadline: 300 * time.Millisecond, LookUp: 500 * time.Millisecond,
		BackoffMin: 10 * time.Millisecond, BackoffMax: 50 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		e.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = sw.Run(ctx)
	}()
	e.Cleanup(func() {
		cancel()
		<-done
	})
	e.until("the controller is up", func() bool { return sw.Health().Up })
	return sw
}

func (e *exchange) until(what string, f func() bool) {
	e.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	e.Fatalf("never: %s; %+v", what, e.ex.Stats())
}

func (e *exchange) inject(f twin.Fault) { e.Helper(); inject(e.T, e.ex, f) }

func (e *exchange) request(number string) pbx.OriginateRequest {
	e.Helper()
	n, err := phone.Lab(number)
	if err != nil {
		e.Fatal(err)
	}
	return pbx.OriginateRequest{
		ID: pbx.LegID(fmt.Sprintf("leg-%d", time.Now().UnixNano())), To: pbx.Endpoint{Trunk: "lab", Number: n}, RingTimeout: time.Second,
	}
}

// end reads a leg to its end within 10 s.
func (e *exchange) end(leg pbx.Leg) (events []string, h pbx.Hungup) {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.Context(), 10*time.Second)
	defer cancel()
	for {
		ev, err := leg.Next(ctx)
		if errors.Is(err, io.EOF) {
			return events, h
		}
		if err != nil {
			e.Fatalf("%v after %v; %+v", err, events, e.ex.Stats())
		}
		events = append(events, fmt.Sprintf("%T", ev))
		if last, ok := ev.(pbx.Hungup); ok {
			h = last
		}
	}
}

func (e *exchange) clean(rings int64) {
	e.Helper()
	e.until("nothing is left on the exchange", func() bool { s := e.ex.Stats(); return s.Live == 0 && s.Bridges == 0 })
	if s := e.ex.Stats(); s.Rings != rings {
		e.Errorf("%d rings, want %d", s.Rings, rings)
	}
}

// Whatever event is lost, doubled or late, a leg ends once, with the right
// party when that can be known, and nothing stays on the exchange.
func TestHazardEvents(t *testing.T) {
	types := []string{
		"StasisStart", "StasisEnd", "ChannelStateChange", "Dial", "ChannelHangupRequest", "ChannelDestroyed",
		"ChannelEnteredBridge", "ChannelLeftBridge", "ChannelVarset",
	}
	for _, kind := range []twin.Kind{twin.LoseEvent, twin.Duplicate, twin.Reorder, twin.Garbage} {
		for _, typ := range types {
			// The last event of all waits for ever to be overtaken.
			lost := kind == twin.LoseEvent || kind == twin.Reorder && typ == "ChannelDestroyed"
			t.Run(string(kind)+" "+typ, func(t *testing.T) {
				t.Parallel()
				e := newExchange(t)
				for _, number := range []string{"answers", "busy", "never"} {
					e.inject(twin.Fault{Kind: kind, Match: typ})
					leg, err := e.sw.Originate(t.Context(), e.request(number))
					if err != nil {
						t.Fatalf("%s: %v", number, err)
					}
					events, h := e.end(leg)
					if h.At.IsZero() {
						t.Errorf("%s: no Hungup: %v", number, events)
					}
					if number == "answers" && !h.Answered && !lost {
						t.Errorf("%s: %v %+v", number, events, h)
					}
					if number == "busy" && h.SIP != 486 && !lost {
						t.Errorf("%s: %v %+v", number, events, h)
					}
				}
				e.clean(3)
			})
		}
	}
}

// A call with sound survives the same.
func TestHazardSound(t *testing.T) {
	for _, f := range []twin.Fault{
		{Kind: twin.LoseEvent, Match: "ChannelEnteredBridge", Count: 2}, {Kind: twin.Duplicate, Match: "StasisStart", Count: 3},
		{Kind: twin.Stall, Delay: 300 * time.Millisecond}, {Kind: twin.DropSockets},
	} {
		t.Run(string(f.Kind), func(t *testing.T) {
			t.Parallel()
			e := newExchange(t)
			if f.Kind == twin.LoseEvent || f.Kind == twin.Duplicate {
				e.inject(f)
			}
			leg, err := e.sw.Originate(t.Context(), e.request("stays"))
			if err != nil {
				t.Fatal(err)
			}
			e.answered(leg)
			m, err := leg.OpenMedia(t.Context(), audio.FormatSlin)
			if err != nil {
				t.Fatal(err)
			}
			if f.Kind == twin.Stall || f.Kind == twin.DropSockets {
				e.inject(f)
			}
			if err := m.WriteFrame(audio.Frame{Samples: callee.Tone(700, 600*time.Millisecond, 8000)}); err != nil {
				t.Fatal(err)
			}
			if err := m.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			e.until("it was heard", func() bool { return e.ex.Calls("stays")[0].Record.Audible >= 560*time.Millisecond })
			e.until("commands work", func() bool { return leg.Hangup(t.Context(), pbx.CauseNormal) == nil })
			if _, h := e.end(leg); h.By != pbx.ByLocal || !h.Answered {
				t.Errorf("%+v", h)
			}
			e.clean(1)
		})
	}
}

func (e *exchange) answered(leg pbx.Leg) {
	e.Helper()
	ctx, cancel := context.WithTimeout(e.Context(), 10*time.Second)
	defer cancel()
	for {
		ev, err := leg.Next(ctx)
		if err != nil {
			e.Fatal(err)
		}
		if _, ok := ev.(pbx.Answered); ok {
			return
		}
	}
}

// An answer that never comes, or comes too late, is "unknown", and asking
// finds the leg: one ring.
func TestHazardReplies(t *testing.T) {
	for _, f := range []twin.Fault{
		{Kind: twin.LoseReply, Match: "POST /channels"}, {Kind: twin.LateReply, Match: "POST /channels", Delay: 2 * time.Second},
	} {
		t.Run(string(f.Kind), func(t *testing.T) {
			t.Parallel()
			e := newExchange(t)
			e.inject(f)
			req := e.request("stays")
			if _, err := e.sw.Originate(t.Context(), req); !errors.Is(err, pbx.ErrUnknown) {
				t.Fatalf("%v, want ErrUnknown", err)
			}
			leg, err := e.sw.Attach(t.Context(), req.ID)
			if err != nil {
				t.Fatal(err)
			}
			e.until("it is answered", func() bool { return e.ex.Stats().Answered == 1 })
			e.until("it is hung up", func() bool { return leg.Hangup(t.Context(), pbx.CauseNormal) == nil })
			if _, h := e.end(leg); h.At.IsZero() {
				t.Error("no Hungup")
			}
			e.clean(1)
		})
	}
}

// A refusal is a refusal: nothing rings, and the next call is not disturbed.
func TestHazardRefusals(t *testing.T) {
	e := newExchange(t)
	e.inject(twin.Fault{Kind: twin.Fail, Match: "POST /channels", Code: 503})
	if _, err := e.sw.Originate(t.Context(), e.request("stays")); !errors.Is(err, pbx.ErrRefused) && !errors.Is(err, pbx.ErrUnavailable) {
		t.Errorf("503: %v", err)
	}
	// A 409 sticks to its connection: the next failure looks like one too.
	req := e.request("stays")
	leg, err := e.sw.Originate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	e.answered(leg)
	second := e.controllerOf("rm2")
	if again, err := second.Originate(t.Context(), req); err == nil {
		_ = again
	}
	bad := e.request("x")
	bad.To.Trunk = "nowhere"
	if l, err := second.Originate(t.Context(), bad); err == nil {
		if _, h := e.end(l); h.Answered {
			t.Errorf("a call that never was: %+v", h)
		}
	} else if !errors.Is(err, pbx.ErrRefused) {
		t.Errorf("%v", err)
	}
	if err := leg.Hangup(t.Context(), pbx.CauseNormal); err != nil {
		t.Error(err)
	}
	e.end(leg)
	e.clean(1)
}

func (e *exchange) controllerOf(prefix string) *asterisk.Switch {
	e.Helper()
	sw, err := asterisk.New(asterisk.Config{
		URL: e.ex.URL(), User: "u", Password: "p", AppPrefix: prefix, MaxConnections: 1, Deadline: 300 * time.Millisecond,
		Trunks: map[string]asterisk.Trunk{
			"lab": {Endpoint: "PJSIP/{number}@lab", Lab: true}, "nowhere": {Endpoint: "PJSIP/{number}@nowhere", Lab: true},
		},
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		e.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = sw.Run(ctx)
	}()
	e.Cleanup(func() {
		cancel()
		<-done
	})
	e.until("the controller is up", func() bool { return sw.Health().Up })
	return sw
}

// The older of two controllers of one name stops working.
func TestHazardReplaced(t *testing.T) {
	e := newExchange(t)
	e.controller()
	e.until("the older notices", func() bool { return e.sw.Health().Replaced })
	if _, err := e.sw.Originate(t.Context(), e.request("stays")); !errors.Is(err, pbx.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	e.clean(0)
}
