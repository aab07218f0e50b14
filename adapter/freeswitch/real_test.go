package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/subscriber"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// realBed is a Switch on the tester's FreeSWITCH, and telephones.
func realBed(t *testing.T, change func(*Config)) (*Switch, *subscriber.Subscribers, real) {
	t.Helper()
	r := realFreeSWITCH(t)
	p, err := subscriber.Listen(r.peer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	cfg := r.config(t, r.addr, 1000+time.Now().UnixNano()%1000000, p)
	if change != nil {
		change(&cfg)
	}
	return start(t, cfg), p, r
}

func requestTo(t *testing.T, user string) pbx.OriginateRequest {
	t.Helper()
	num, err := phone.Lab(user)
	if err != nil {
		t.Fatal(err)
	}
	cid, err := phone.Short("95588")
	if err != nil {
		t.Fatal(err)
	}
	return pbx.OriginateRequest{ID: pbx.LegID(uuid.Must(uuid.NewV7()).String()), To: pbx.Endpoint{Trunk: "lab", Number: num}, CallerID: pbx.CallerID{Number: cid}, RingTimeout: 10 * time.Second, Tag: "t"}
}

// until reads events to one of type T.
func until[T pbx.Event](t *testing.T, leg pbx.Leg) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		e, err := leg.Next(ctx)
		if err != nil {
			var want T
			t.Fatalf("waiting for %T: %v", want, err)
		}
		if v, ok := e.(T); ok {
			return v
		}
	}
}

// over reads a leg to its end.
func over(t *testing.T, leg pbx.Leg) (h pbx.Hungup) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		e, err := leg.Next(ctx)
		if errors.Is(err, io.EOF) {
			return h
		}
		if err != nil {
			t.Fatalf("waiting for the end: %v", err)
		}
		if v, ok := e.(pbx.Hungup); ok {
			h = v
		}
	}
}

func TestRealDoctor(t *testing.T) {
	sw, _, _ := realBed(t, nil)
	for _, f := range []audio.Format{audio.FormatULaw, audio.FormatSlin, audio.FormatSlin16} {
		if err := sw.ProbeMedia(t.Context(), f); err != nil {
			t.Errorf("%v: %v", f, err)
		}
	}
	if lacks, err := sw.Lacks(t.Context()); err != nil || len(lacks) != 0 {
		t.Errorf("%q %v", lacks, err)
	}
	sw, _, _ = realBedAgain(t, sw, func(c *Config) {
		c.Media.Profile = "no-such-profile"
		c.Trunks["x"] = Trunk{Endpoint: "sofia/gateway/no-such-gateway/{number}"}
	})
	lacks, err := sw.Lacks(t.Context())
	if got := strings.Join(lacks, "; "); err != nil || len(lacks) != 2 || !strings.Contains(got, "no-such-profile") || !strings.Contains(got, "no-such-gateway") {
		t.Errorf("%q %v", lacks, err)
	}
	if err := sw.ProbeMedia(t.Context(), audio.FormatSlin); err == nil {
		t.Error("a profile that does not exist called us")
	}
}

// realBedAgain is another Switch of another configuration, without telephones.
func realBedAgain(t *testing.T, sw *Switch, change func(*Config)) (*Switch, *subscriber.Subscribers, real) {
	t.Helper()
	r := realFreeSWITCH(t)
	cfg := sw.cfg
	cfg.ControllerID += "-again"
	cfg.Media.ConnectTimeout = 2 * time.Second
	change(&cfg)
	return start(t, cfg), nil, r
}

// An exchange that takes no more calls refuses, and rings nobody; an ID that
// lives is taken hold of.
func TestRealOverloadAndDuplicates(t *testing.T) {
	sw, p, _ := realBed(t, nil)
	busy := p.Add("over", callee.Script{})
	req := requestTo(t, busy)
	leg, err := sw.Originate(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	until[pbx.Answered](t, leg)

	// The same ID from another controller: FreeSWITCH refuses it as it refuses
	// too many calls, but the leg lives.
	other, _, _ := realBedAgain(t, sw, func(*Config) {})
	again, err := other.Originate(t.Context(), req)
	if err != nil {
		t.Fatalf("an ID that lives: %v", err)
	}
	found := false // looked up, or seen by its events
	for !found {
		e, err := again.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		switch e := e.(type) {
		case pbx.LinkRestored:
			found = e.Up
		case pbx.Answered:
			found = true
		}
	}
	if n := len(p.Phone(busy, pbx.Endpoint{}).Calls()); n != 1 {
		t.Errorf("%d rings", n)
	}

	if _, err := sw.esl.API(t.Context(), "fsctl pause"); err != nil {
		t.Skipf("this FreeSWITCH cannot be paused: %v", err)
	}
	_, err = sw.Originate(t.Context(), requestTo(t, busy))
	if _, rerr := sw.esl.API(context.Background(), "fsctl resume"); rerr != nil {
		t.Fatal(rerr)
	}
	if !errors.Is(err, pbx.ErrRefused) || !strings.Contains(err.Error(), "too many sessions") {
		t.Errorf("a paused exchange: %v", err)
	}
	if n := len(p.Phone(busy, pbx.Endpoint{}).Calls()); n != 1 {
		t.Errorf("%d rings", n)
	}
	if err := leg.Hangup(t.Context(), pbx.CauseNormal); err != nil {
		t.Error(err)
	}
	if h := over(t, leg); !h.Answered || h.By != pbx.ByLocal {
		t.Errorf("%+v", h)
	}
	over(t, again)
}

// Row T17 and the "must show": no INVITE of an agent holds the
// customer's number, unless the target's caller ID is it.
func TestRealAgentsInviteHoldsNoCustomerNumber(t *testing.T) {
	secret := fmt.Sprintf("8613800%06d", time.Now().UnixNano()%1000000)
	var agent, queued string
	var p *subscriber.Subscribers
	sw, p, r := realBed(t, nil)
	agent, queued = p.Add("ann", callee.Script{Reject: 486}), p.Add("bob", callee.Script{Limit: time.Second})
	sw.cfg.Agents["ann"] = Agent{"sofia/" + r.profile + "/" + agent + "@" + p.Addr().String()}
	p.Set(secret, callee.Script{})
	leg, err := sw.Originate(t.Context(), requestTo(t, secret))
	if err != nil {
		t.Fatal(err)
	}
	until[pbx.Answered](t, leg)
	if err := leg.Transfer(t.Context(), pbx.Target{Agent: "ann", Timeout: 5 * time.Second}); err != nil {
		t.Fatal(err)
	}
	if e := until[pbx.TransferEnded](t, leg); e.Reason != "busy" {
		t.Errorf("%+v", e)
	}
	phones := []string{agent}
	if r.queue != "" {
		r.member(t, sw.esl, "sofia/"+r.profile+"/"+queued+"@"+p.Addr().String())
		if err := leg.Transfer(t.Context(), pbx.Target{Queue: "support", Timeout: 10 * time.Second}); err != nil {
			t.Fatal(err)
		}
		until[pbx.Bridged](t, leg)
		if e := until[pbx.TransferEnded](t, leg); e.Reason != "target_left" {
			t.Errorf("%+v", e)
		}
		phones = append(phones, queued)
	}
	_ = leg.Hangup(t.Context(), pbx.CauseNormal)
	over(t, leg)
	for _, user := range phones {
		invites := p.Phone(user, pbx.Endpoint{}).Invites()
		if len(invites) == 0 {
			t.Errorf("%s was not called", user)
		}
		for _, inv := range invites {
			all := fmt.Sprintf("%+v", inv)
			if strings.Contains(all, secret) {
				t.Errorf("the customer's number is in the INVITE of %s: %s", user, all)
			}
		}
	}
}

// A leg is opened and closed as often as a call likes, plays in between, is
// handed over, comes back, and goes on.
func TestRealManyMediaLegs(t *testing.T) {
	sw, p, r := realBed(t, nil)
	user, agent := p.Add("many", callee.Script{Noise: 100}), p.Add("ann", callee.Script{Limit: time.Second})
	sw.cfg.Agents["ann"] = Agent{"sofia/" + r.profile + "/" + agent + "@" + p.Addr().String()}
	leg, err := sw.Originate(t.Context(), requestTo(t, user))
	if err != nil {
		t.Fatal(err)
	}
	until[pbx.Answered](t, leg)
	for i := range 6 {
		m, err := leg.OpenMedia(t.Context(), audio.FormatSlin)
		if err != nil {
			t.Fatalf("opening %d: %v", i, err)
		}
		var f audio.Frame
		for range 5 {
			if err := m.ReadFrame(&f); err != nil {
				t.Fatalf("opening %d: %v", i, err)
			}
		}
		if i == 2 {
			if err := leg.Transfer(t.Context(), pbx.Target{Agent: "ann", Timeout: 5 * time.Second}); err != nil {
				t.Fatal(err)
			}
			until[pbx.Bridged](t, leg)
			until[pbx.Unbridged](t, leg)
		}
		if err := m.Close(); err != nil {
			t.Errorf("closing %d: %v", i, err)
		}
		id := fmt.Sprint("p", i)
		if err := leg.Play(t.Context(), pbx.Playback{ID: id, Media: "tone:blip"}); err != nil {
			t.Fatalf("opening %d: %v", i, err)
		}
		if e := until[pbx.PlaybackEnded](t, leg); e.ID != id || e.Err != nil {
			t.Errorf("opening %d: %+v", i, e)
		}
	}
	if err := leg.Hangup(t.Context(), pbx.CauseNormal); err != nil {
		t.Error(err)
	}
	if h := over(t, leg); h.By != pbx.ByLocal {
		t.Errorf("%+v", h)
	}
}
