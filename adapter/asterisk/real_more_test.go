package asterisk

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/audio"
	lab "ringmaster/internal/lab/asterisk"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/lab/sipphone"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// The fallbacks carry sound both ways, exactly, too.
func TestRealFallbackTransports(t *testing.T) {
	t.Parallel()
	for transport, formats := range map[string][]audio.Format{
		TransportRTP: {audio.FormatULaw, audio.FormatALaw, audio.FormatSlin}, TransportAudioSocket: {audio.FormatSlin, audio.FormatSlin16},
	} {
		t.Run(transport, func(t *testing.T) {
			a := realAsterisk(t)
			s := newStage(t, a, func(string) sipphone.Script {
				return sipphone.Script{sipphone.Answer(0), sipphone.Forever(sipphone.Speak(tone(8000, 100*time.Millisecond)), sipphone.Silence(100*time.Millisecond))}
			}, func(c *Config) { c.Media.Transport, c.Media.UnsafeAudioSocket = transport, true })
			for _, f := range formats {
				l := s.originate(s.request("tom" + f.String()))
				next[pbx.Answered](t, l)
				m, err := l.OpenMedia(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(200 * time.Millisecond)
				go func() { _ = m.WriteFrame(audio.Frame{Samples: tone(f.Rate, 2*time.Second)}) }()
				loud := 0
				var fr audio.Frame
				for range 25 {
					if err := m.ReadFrame(&fr); err != nil {
						t.Fatal(err)
					}
					if x := fr.Samples[40]; x > 3000 || x < -3000 {
						loud++
					}
				}
				for i := 0; m.Played() < 100*time.Millisecond && i < 500; i++ {
					time.Sleep(10 * time.Millisecond)
				}
				at := time.Now()
				heardTime, err := m.Flush()
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(400 * time.Millisecond)
				_ = l.Hangup(t.Context(), pbx.CauseNormal)
				hungup(t, l)
				calls := s.phone.Calls()
				r, _ := calls[len(calls)-1].Wait(t.Context())
				if len(r.BotSpans) != 1 || loud < 5 {
					t.Fatalf("%s: the phone heard %d spans, we heard %d of 25 frames", f, len(r.BotSpans), loud)
				}
				loudTime := loudPackets(calls[len(calls)-1], r.BotSpans[0])
				t.Logf("%s %s: last sound %v after flush; heard says %v, the phone heard %v", transport, f, r.BotSpans[0].End.Sub(at), heardTime, loudTime)
				if d := heardTime - loudTime; d > 40*time.Millisecond || d < -40*time.Millisecond {
					t.Errorf("%s: heard %v, the phone heard %v", f, heardTime, loudTime)
				}
			}
			s.nothingLeft()
		})
	}
}

// slin16 over RTP is one-way in Asterisk 22: refused before a call suffers it.
func TestRealSlin16OverRTPIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, realAsterisk(t), talker, func(c *Config) { c.Media.Transport = TransportRTP })
	l := s.originate(s.request("tim"))
	next[pbx.Answered](t, l)
	if _, err := l.OpenMedia(t.Context(), audio.FormatSlin16); !errors.Is(err, pbx.ErrRefused) {
		t.Error(err)
	}
	_ = l.Hangup(t.Context(), pbx.CauseNormal)
	hungup(t, l)
	s.nothingLeft()
}

// The controller dies under live calls; the next one takes them over.
func TestRealControllerRestart(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	for _, sameApp := range []bool{true, false} {
		s := newStage(t, a, talker)
		cfg := s.sw.cfg
		cfg.ControllerID = fmt.Sprintf("first%v", sameApp)
		old, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, kill := context.WithCancel(context.Background())
		dead := make(chan struct{})
		go func() { defer close(dead); _ = old.Run(ctx) }()
		awaitUp(t, old)
		l, err := old.Originate(t.Context(), s.request("kim"))
		if err != nil {
			t.Fatal(err)
		}
		next[pbx.Answered](t, l)
		if _, err := l.OpenMedia(t.Context(), audio.FormatSlin); err != nil {
			t.Fatal(err)
		}
		kill()
		<-dead
		if h := hungup(t, l); h.By != pbx.ByUnknown {
			t.Errorf("the old one: %+v", h)
		}
		if !sameApp {
			cfg.ControllerID = "second"
		}
		sw := start(t, cfg)
		if sameApp {
			legs, err := sw.Legs(t.Context())
			if err != nil || len(legs) != 1 || legs[0].ID != l.ID() || legs[0].Tag != "task-7" {
				t.Errorf("legs %+v %v", legs, err)
			}
		}
		again, err := sw.Attach(t.Context(), l.ID())
		if err != nil {
			t.Fatal(err)
		}
		if e := next[pbx.LinkRestored](t, again); !e.Up {
			t.Errorf("%+v", e)
		}
		m, err := openSoon(t, again)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.WriteFrame(audio.Frame{Samples: tone(8000, 300*time.Millisecond)}); err != nil {
			t.Fatal(err)
		}
		if err := m.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := again.Hangup(t.Context(), pbx.CauseNormalUnspecified); err != nil {
			t.Fatal(err)
		}
		if h := hungup(t, again); h.By != pbx.ByLocal || !h.Answered || h.Q850 != pbx.CauseNormalUnspecified {
			t.Errorf("%+v", h)
		}
		r, _ := s.phone.Calls()[0].Wait(t.Context())
		if heard(r) < 280*time.Millisecond {
			t.Errorf("the phone heard %v", heard(r))
		}
		s.nothingLeft()
	}
}

// It dies while the phone rings; the next one sees the answer.
func TestRealControllerRestartWhileRinging(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	s := newStage(t, a, func(string) sipphone.Script {
		return sipphone.Script{sipphone.Ring(0), sipphone.Answer(1500 * time.Millisecond)}
	})
	cfg := s.sw.cfg
	cfg.ControllerID = "ringing"
	old, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, kill := context.WithCancel(context.Background())
	dead := make(chan struct{})
	go func() { defer close(dead); _ = old.Run(ctx) }()
	awaitUp(t, old)
	l, err := old.Originate(t.Context(), s.request("kim"))
	if err != nil {
		t.Fatal(err)
	}
	next[pbx.Ringing](t, l)
	kill()
	<-dead
	cfg.Deadline = 300 * time.Millisecond
	sw := start(t, cfg)
	again, err := sw.Attach(t.Context(), l.ID())
	if err != nil {
		t.Fatal(err)
	}
	if e := next[pbx.LinkRestored](t, again); e.Up {
		t.Errorf("%+v", e)
	}
	next[pbx.Answered](t, again)
	if _, err := again.OpenMedia(t.Context(), audio.FormatSlin); err != nil {
		t.Error(err)
	}
	_ = again.Hangup(t.Context(), pbx.CauseNormal)
	if h := hungup(t, again); !h.Answered || h.By != pbx.ByLocal {
		t.Errorf("%+v", h)
	}
	s.nothingLeft()
}

// openSoon opens media as soon as the leg is in its bridge again.
func openSoon(t *testing.T, l pbx.Leg) (m pbx.Media, err error) {
	t.Helper()
	for range 100 {
		if m, err = l.OpenMedia(t.Context(), audio.FormatSlin); err == nil {
			return m, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil, err
}

// A leg that nobody holds is answered: it does not stay in a dead line.
func TestRealStrangerIsEnded(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	s := newStage(t, a, func(string) sipphone.Script { return sipphone.Script{sipphone.Answer(200 * time.Millisecond)} })
	req := s.request("lost")
	o, err := s.sw.plan(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.sw.ari.Originate(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	c, err := s.phone.WaitCall(ctx, "lost")
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Wait(ctx)
	if err != nil || r.EndedBy != sipphone.Remote || r.EndAt.Sub(r.AckAt) < strangerGrace-time.Second {
		t.Errorf("%v %+v", err, r.EndedBy)
	}
	s.nothingLeft()
}

// A queue takes the leg, gives it back, and takes it with an agent behind it.
func TestRealQueue(t *testing.T) {
	t.Parallel()
	env.Need(t, env.Asterisk)
	ann, err := sipphone.Listen(sipphone.Config{Script: func(string, sipphone.Invite) sipphone.Script {
		return sipphone.Script{sipphone.Ring(0), sipphone.Answer(1500 * time.Millisecond), sipphone.Speak(tone(8000, time.Second)), sipphone.Hangup("")}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ann.Close() }()
	a, err := lab.Start(t.Context(), lab.Options{App: "queued", Verbose: 3, Agents: []lab.Agent{{Name: "ann", Contact: "sip:ann@" + ann.Addr().String()}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(a.Log())
		}
		_ = a.Stop(context.Background())
	})
	s := newStage(t, a, talker, func(c *Config) { c.AppPrefix, c.ControllerID = "queued", "" })
	l := s.originate(s.request("quinn"))
	next[pbx.Answered](t, l)
	m, err := l.OpenMedia(t.Context(), audio.FormatULaw)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Transfer(t.Context(), pbx.Target{Queue: "none"}); !errors.Is(err, pbx.ErrRefused) {
		t.Error(err)
	}
	if err := l.Transfer(t.Context(), pbx.Target{Queue: "support", Timeout: time.Second}); err != nil {
		t.Fatal(err)
	}
	if err := l.Play(t.Context(), pbx.Playback{ID: "p", Media: "tone:ring"}); !errors.Is(err, pbx.ErrRefused) {
		t.Errorf("play in a queue: %v", err)
	}
	if e := next[pbx.TransferEnded](t, l); e.Reason != "no_answer" {
		t.Errorf("%+v", e)
	}
	if err := m.WriteFrame(audio.Frame{Samples: tone(8000, 100*time.Millisecond)}); !errors.Is(err, pbx.ErrGone) {
		t.Errorf("the old media: %v", err)
	}
	if _, err = openSoon(t, l); err != nil {
		t.Fatal(err)
	}
	if err := l.Transfer(t.Context(), pbx.Target{Queue: "support", Timeout: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	next[pbx.Bridged](t, l)
	// When the agent leaves, the dialplan brings the leg back.
	if e := next[pbx.TransferEnded](t, l); e.Reason != "target_left" {
		t.Errorf("the agent left: %+v", e)
	}
	if m, err = openSoon(t, l); err != nil {
		t.Fatal(err)
	}
	_ = m.Close()
	_ = l.Hangup(t.Context(), pbx.CauseNormal)
	if h := hungup(t, l); !h.Answered || h.By != pbx.ByLocal {
		t.Errorf("%+v", h)
	}
	s.nothingLeft()
}

// power is how much of what a phone heard is a tone of hz, 0 to 1.
func power(c *sipphone.Call, hz float64) float64 {
	heard := c.Heard().Samples
	sum, n := 0.0, 0
	for at := 0; at+callee.FrameSamples <= len(heard); at += callee.FrameSamples {
		if f := heard[at : at+callee.FrameSamples]; callee.Audible(f) {
			sum += callee.Power(f, hz)
			n++
		}
	}
	return sum / float64(max(1, n))
}

// A supervisor whispers: the agent hears him, the customer does not.
func TestRealWhisper(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	says := map[string]float64{"customer": 600, "agent": 1000, "boss": 1500}
	s := newStage(t, a, func(user string) sipphone.Script {
		return sipphone.Script{sipphone.Answer(0), sipphone.Forever(sipphone.Speak(callee.Tone(says[user], 200*time.Millisecond, 8000)), sipphone.Silence(40*time.Millisecond))}
	})
	legs := map[string]pbx.Leg{}
	for who := range says {
		legs[who] = s.originate(s.request(who))
		next[pbx.Answered](t, legs[who])
	}
	if err := legs["customer"].Bridge(t.Context(), legs["agent"].ID()); err != nil {
		t.Fatal(err)
	}
	if err := legs["agent"].Monitor(t.Context(), legs["boss"].ID(), pbx.Whisper); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	for _, l := range legs {
		_ = l.Hangup(t.Context(), pbx.CauseNormal)
		hungup(t, l)
	}
	for _, c := range s.phone.Calls() {
		_, _ = c.Wait(t.Context())
		got := fmt.Sprintf("customer %.2f, agent %.2f, boss %.2f", power(c, 600), power(c, 1000), power(c, 1500))
		t.Logf("%s hears %s", c.User(), got)
		switch c.User() {
		case "customer":
			if power(c, 1500) > 0.1 || power(c, 1000) < 0.5 {
				t.Errorf("the customer hears %s", got)
			}
		case "agent":
			if power(c, 1500) < 0.1 || power(c, 600) < 0.1 {
				t.Errorf("the agent hears %s", got)
			}
		case "boss":
			if power(c, 600) < 0.1 || power(c, 1000) < 0.1 {
				t.Errorf("the supervisor hears %s", got)
			}
		}
	}
	s.nothingLeft()
}

// Handed over to a number over a trunk.
func TestRealTransferToNumber(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	s := newStage(t, a, talker)
	l := s.originate(s.request("cora"))
	next[pbx.Answered](t, l)
	caller, _ := phone.Short("95555")
	to := pbx.Target{Trunk: "lab", Number: labNumber(t, "expert"), Timeout: 5 * time.Second, CallerID: pbx.CallerID{Number: caller, Name: "Bank"}}
	if err := l.Transfer(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	next[pbx.Bridged](t, l)
	_ = l.Hangup(t.Context(), pbx.CauseNormal)
	hungup(t, l)
	for _, c := range s.phone.Calls() {
		if r, _ := c.Wait(t.Context()); c.User() == "expert" && (r.Invite.FromUser != "95555" || r.Invite.FromDisplay != "Bank" || r.EndedBy != sipphone.Remote) {
			t.Errorf("the expert saw %q %q, ended by %s", r.Invite.FromDisplay, r.Invite.FromUser, r.EndedBy)
		}
	}
	s.nothingLeft()
}

// Hazard k.1: while something is played, no command waits for its end.
func TestRealNothingBlocksDuringAPlayback(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	s := newStage(t, a, talker)
	l := s.originate(s.request("ned"))
	next[pbx.Answered](t, l)
	if err := l.Play(t.Context(), pbx.Playback{ID: "p", Media: "tone:ring"}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	for name, f := range map[string]func() error{
		"media": func() error { _, err := l.OpenMedia(t.Context(), audio.FormatSlin); return err },
		"keys":  func() error { return l.SendDTMF(t.Context(), "1") },
		"record": func() error {
			return l.Record(t.Context(), pbx.Recording{ID: "r", Name: "block/" + string(l.ID())})
		},
	} {
		began := time.Now()
		if err := f(); err != nil || time.Since(began) > 4*time.Second {
			t.Errorf("%s: %v after %v", name, err, time.Since(began))
		}
	}
	other := s.originate(s.request("nell"))
	next[pbx.Answered](t, other)
	if err := other.Play(t.Context(), pbx.Playback{ID: "p", Media: "tone:ring"}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	began := time.Now()
	if err := l.Bridge(t.Context(), other.ID()); err != nil || time.Since(began) > 4*time.Second {
		t.Errorf("bridge: %v after %v", err, time.Since(began))
	}
	_ = other.Hangup(t.Context(), pbx.CauseNormal)
	next[pbx.Unbridged](t, l)
	if err := l.Play(t.Context(), pbx.Playback{ID: "q", Media: "tone:ring"}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond)
	began = time.Now()
	if err := l.Transfer(t.Context(), pbx.Target{Queue: "support", Timeout: 30 * time.Second}); err != nil || time.Since(began) > 4*time.Second {
		t.Errorf("queue: %v after %v", err, time.Since(began))
	}
	_ = l.Hangup(t.Context(), pbx.CauseNormal)
	hungup(t, l)
	s.nothingLeft()
}

// Somebody calls us.
func TestRealInbound(t *testing.T) {
	a := realAsterisk(t)
	s := newStage(t, a, talker, func(c *Config) { c.ControllerID = "" }) // the name that the lab's dialplan knows
	c, err := s.phone.Dial(sipphone.Dial{
		Account: sipphone.Account{Server: a.SIPAddr(), User: "13800001111"}, To: "4008",
		Script: sipphone.Script{sipphone.Silence(300 * time.Millisecond), sipphone.Speak(tone(8000, 300*time.Millisecond)), sipphone.DTMF("5"), sipphone.Silence(200 * time.Millisecond), sipphone.Hangup("")},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	in, err := s.sw.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if in.Called != "4008" || in.From.Dial() != "+8613800001111" {
		t.Errorf("called %q from %q", in.Called, in.From.Dial())
	}
	if err := in.Leg.Answer(ctx); err != nil {
		t.Fatal(err)
	}
	next[pbx.Answered](t, in.Leg)
	m, err := in.Leg.OpenMedia(ctx, audio.FormatSlin)
	if err != nil {
		t.Fatal(err)
	}
	_ = m.WriteFrame(audio.Frame{Samples: tone(8000, 200*time.Millisecond)})
	if d := next[pbx.DTMF](t, in.Leg); d.Digit != '5' || d.Duration < 50*time.Millisecond {
		t.Errorf("%+v", d)
	}
	if h := hungup(t, in.Leg); h.By != pbx.ByRemote || h.Q850 != pbx.CauseNormal || !h.Answered {
		t.Errorf("%+v", h)
	}
	if r, err := c.Wait(ctx); err != nil || heard(r) < 150*time.Millisecond {
		t.Errorf("the caller heard %v, %v", heard(r), err)
	}
	s.nothingLeft()
}

// A second process with our name takes over: the first stops for good.
func TestRealReplaced(t *testing.T) {
	t.Parallel()
	a := realAsterisk(t)
	s := newStage(t, a, talker)
	cfg := s.sw.cfg
	cfg.ControllerID = "twice"
	one, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	out := make(chan error, 1)
	go func() { out <- one.Run(context.Background()) }()
	awaitUp(t, one)
	two := start(t, cfg)
	select {
	case err := <-out:
		if !errors.Is(err, ari.ErrReplaced) || !one.Health().Replaced {
			t.Errorf("%v %+v", err, one.Health())
		}
	case <-time.After(5 * time.Second):
		t.Fatal("two controllers under one name")
	}
	if !two.Health().Up {
		t.Error("the second one is down")
	}
}
