package fstwin_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/adapter/freeswitch"
	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// exchange is a twin with a controller on it that looks up soon.
type exchange struct {
	*testing.T
	ex *fstwin.Exchange
	sw *freeswitch.Switch
}

func hazard(t *testing.T, more ...func(*freeswitch.Config)) *exchange {
	t.Helper()
	e := &exchange{T: t, ex: start(t, fstwin.Config{})}
	e.ex.Callee("answers", callee.Script{Ring: 30 * time.Millisecond, Limit: 700 * time.Millisecond})
	e.ex.Callee("stays", callee.Script{Ring: 30 * time.Millisecond})
	e.ex.Callee("busy", callee.Script{Ring: 30 * time.Millisecond, Reject: 486})
	e.ex.Callee("never", callee.Script{Never: true})
	cfg := freeswitch.Config{
		Addr: e.ex.Addr(), Password: "ClueCon", AppPrefix: "rm",
		Trunks:         map[string]freeswitch.Trunk{"lab": {Endpoint: "sofia/gateway/lab/{number}", Lab: true}},
		RequestTimeout: patience, Deadline: 300 * time.Millisecond, LookUp: 500 * time.Millisecond,
		BackoffMin: 10 * time.Millisecond, BackoffMax: 50 * time.Millisecond, Log: slog.New(slog.DiscardHandler),
	}
	for _, change := range more {
		change(&cfg)
	}
	sw, err := freeswitch.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.sw = sw
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = sw.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
	})
	e.until("the controller is up", func() bool { return sw.Health().Up })
	return e
}

func (e *exchange) until(what string, f func() bool) {
	e.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if f() {
			return
		}
	}
	e.Fatalf("never: %s; %+v", what, e.ex.Stats())
}

func (e *exchange) request(number string) pbx.OriginateRequest {
	e.Helper()
	n, err := phone.Lab(number)
	if err != nil {
		e.Fatal(err)
	}
	ring := 8 * time.Second // a leg whose every end was lost is looked up after it
	if number == "never" {
		ring = time.Second
	}
	return pbx.OriginateRequest{
		ID: pbx.LegID(uuid.Must(uuid.NewV7()).String()), To: pbx.Endpoint{Trunk: "lab", Number: n}, RingTimeout: ring,
	}
}

// end reads a leg to its end: its events, and what Hungup said.
func end(ctx context.Context, leg pbx.Leg) (events []string, h pbx.Hungup, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		ev, err := leg.Next(ctx)
		if errors.Is(err, io.EOF) {
			return events, h, nil
		}
		if err != nil {
			return events, h, fmt.Errorf("%w after %v", err, events)
		}
		events = append(events, strings.TrimPrefix(fmt.Sprintf("%T", ev), "pbx."))
		if last, ok := ev.(pbx.Hungup); ok {
			h = last
		}
	}
}

// once says what is wrong with the events of a leg.
func once(number string, events []string, h pbx.Hungup) error {
	count := func(what string) int {
		n := 0
		for _, e := range events {
			if e == what {
				n++
			}
		}
		return n
	}
	switch {
	case count("Hungup") != 1 || events[len(events)-1] != "Hungup":
		return fmt.Errorf("%s: %v", number, events)
	case count("Answered") > 1 || (count("Answered") == 1) != h.Answered:
		return fmt.Errorf("%s: %v, %+v", number, events, h)
	case number != "answers" && h.Answered:
		return fmt.Errorf("%s was answered: %+v", number, h)
	}
	return nil
}

func (e *exchange) clean(rings int64) {
	e.Helper()
	e.until("nothing is left on the exchange", func() bool { return e.ex.Stats().Live == 0 })
	if s := e.ex.Stats(); s.Rings != rings || len(s.RungTwice) > 0 {
		e.Errorf("%d rings, want %d; twice %v", s.Rings, rings, s.RungTwice)
	}
}

// Whatever event is lost, doubled or late, a leg ends once, with the right
// party when that can be known, and nothing stays on the exchange.
func TestHazardEvents(t *testing.T) {
	t.Parallel()
	names := []string{"CHANNEL_CREATE", "CHANNEL_PROGRESS", "CHANNEL_ANSWER", "CHANNEL_PARK", "CHANNEL_HANGUP_COMPLETE", "BACKGROUND_JOB", "CHANNEL_DESTROY"}
	for _, kind := range []fstwin.Kind{fstwin.LoseEvent, fstwin.Duplicate, fstwin.Reorder, fstwin.Garbage} {
		for _, name := range names {
			t.Run(string(kind)+" "+name, func(t *testing.T) {
				t.Parallel()
				e := hazard(t)
				for _, number := range []string{"answers", "busy", "never"} {
					inject(t, e.ex, fstwin.Fault{Kind: kind, Match: name})
					leg, err := e.sw.Originate(t.Context(), e.request(number))
					if err != nil {
						t.Fatalf("%s: %v", number, err)
					}
					events, h, err := end(t.Context(), leg)
					if err != nil {
						t.Fatal(err)
					}
					if err := once(number, events, h); err != nil {
						t.Error(err)
					}
					late := kind == fstwin.LoseEvent || kind == fstwin.Reorder // looked up before it comes
					if !late && number == "answers" && (h.By != pbx.ByRemote || !slices.Contains(events, "Answered")) {
						t.Errorf("%v %+v", events, h)
					}
				}
				e.clean(3)
			})
		}
	}
}

// 5 % of all events lost, 5 % doubled, 5 % overtaken: the same holds.
func TestHazardOfEverything(t *testing.T) {
	t.Parallel()
	e := hazard(t)
	for _, kind := range []fstwin.Kind{fstwin.LoseEvent, fstwin.Duplicate, fstwin.Reorder} {
		inject(t, e.ex, fstwin.Fault{Kind: kind, Share: 0.05})
	}
	numbers := []string{"answers", "busy", "never"}
	const calls = 60
	var wg sync.WaitGroup
	for i := range calls {
		wg.Add(1)
		number := numbers[i%3]
		req := e.request(number)
		go func() {
			defer wg.Done()
			leg, err := e.sw.Originate(t.Context(), req)
			if err != nil {
				t.Errorf("%s: %v", number, err)
				return
			}
			events, h, err := end(t.Context(), leg)
			if err == nil {
				err = once(number, events, h)
			}
			if err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	e.clean(calls)
}

// The answer to an originate is lost, and the connection with it: the leg is
// found again by its ID, and nobody is rung twice.
func TestHazardOfTheOriginate(t *testing.T) {
	t.Parallel()
	e := hazard(t)
	inject(t, e.ex, fstwin.Fault{Kind: fstwin.LoseReply, Match: "bgapi originate"})
	req := e.request("stays")
	leg, err := e.sw.Originate(t.Context(), req)
	if err != nil {
		if !errors.Is(err, pbx.ErrUnknown) {
			t.Fatalf("%v, want ErrUnknown", err)
		}
		e.until("the leg is found again", func() bool {
			leg, err = e.sw.Attach(t.Context(), req.ID)
			return !errors.Is(err, pbx.ErrUnavailable) && !errors.Is(err, pbx.ErrUnknown)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	e.until("it is answered", func() bool { return e.ex.Stats().Answered == 1 })
	e.until("it is hung up", func() bool { return leg.Hangup(t.Context(), pbx.CauseNormal) == nil })
	if _, h, err := end(t.Context(), leg); err != nil || h.At.IsZero() {
		t.Errorf("%+v, %v", h, err)
	}
	e.clean(1)
	// Too fast is refused before anything rang, and is no error of the number.
	if got := login(t, e.ex, "").do("api fsctl pause"); got != "+OK\n" {
		t.Fatal(got)
	}
	e.until("the link is back", func() bool {
		_, err = e.sw.Originate(t.Context(), e.request("answers"))
		return !errors.Is(err, pbx.ErrUnavailable)
	})
	if !errors.Is(err, pbx.ErrRefused) {
		t.Errorf("paused: %v, want ErrRefused", err)
	}
	e.clean(1)
}

// The connections stand and nothing passes any more: the controller notices by
// itself, dials nobody, and has its call again when the exchange is back.
func TestHazardOfAHalfOpenConnection(t *testing.T) {
	t.Parallel()
	e := hazard(t, func(c *freeswitch.Config) { c.PingPeriod = time.Second })
	leg, err := e.sw.Originate(t.Context(), e.request("stays"))
	if err != nil {
		t.Fatal(err)
	}
	e.until("it is answered", func() bool { return e.ex.Stats().Answered == 1 })
	inject(t, e.ex, fstwin.Fault{Kind: fstwin.HalfOpen})
	e.until("the silence is noticed", func() bool { return !e.sw.Health().Up })
	if _, err := e.sw.Originate(t.Context(), e.request("answers")); !errors.Is(err, pbx.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
	inject(t, e.ex, fstwin.Fault{Kind: fstwin.Restore})
	e.until("the link is back", func() bool { return e.sw.Health().Up })
	e.until("it is hung up", func() bool { return leg.Hangup(t.Context(), pbx.CauseNormal) == nil })
	events, h, err := end(t.Context(), leg)
	if err != nil || !h.Answered || !slices.Contains(events, "LinkLost") || !slices.Contains(events, "LinkRestored") {
		t.Errorf("%v %+v %v", events, h, err)
	}
	e.clean(1)
}
