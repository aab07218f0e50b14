package pbxtest

import (
	"errors"
	"slices"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

func connectGuarantees() []guarantee {
	return []guarantee{
		{"T01 two legs hear each other", false, bridged},
		{"T02 handed over and back", false, transferAnswered},
		{"T03 handed over, declined", false, transferDeclined},
		{"T04 handed over, no answer", false, transferNoAnswer},
		{"T05 the caller hangs up in mid-transfer", false, transferAbandoned},
		{"T06 the caller hangs up after it", false, transferCallerLeaves},
		{"T07 handed over to nobody", false, transferNowhere},
		{"T08 a supervisor listens", false, monitored},
		{"T09 the caller hangs up while it is handed over", false, transferRaced},
		{"T10 a queue", false, queued},
		{"T11 a supervisor whispers", false, whispered},
		{"T12 who takes over is not told the customer's number", false, shownNobody},
	}
}

// talker speaks a tone again and again after a moment.
func talker(hz float64) callee.Script {
	return callee.Script{Ring: 100 * ms, Keep: true, Steps: []callee.Step{{Wait: 100 * ms}, {Say: callee.Tone(hz, 200*ms, 8000)}, {Again: true}}}
}

// hears waits until a phone has heard a tone, mostly, since it was asked.
func (s *stage) hears(p Phone, hz float64) {
	s.Helper()
	calls := p.Calls()
	from := len(calls[len(calls)-1].Record.Heard)
	s.eventually("the other's tone is heard", func() bool {
		calls := p.Calls()
		heard := calls[len(calls)-1].Record.Heard[from:]
		audible := 0
		for at := 0; at+frameSamples <= len(heard); at += frameSamples {
			if callee.Audible(heard[at : at+frameSamples]) {
				audible++
			}
		}
		return audible > 20 && share(heard, hz) > 0.7
	})
}

// T01: and each gets Bridged with the other's name.
func bridged(s *stage) {
	a, b := s.lab.Callee(s.T, talker(600)), s.lab.Callee(s.T, talker(1000))
	one, two := s.answered(a), s.answered(b)
	if err := one.Bridge(s.Context(), two.ID()); err != nil {
		s.Fatal(err)
	}
	if e := await[pbx.Bridged](s, one); e.Other != two.ID() {
		s.Errorf("%+v", e)
	}
	if e := await[pbx.Bridged](s, two); e.Other != one.ID() {
		s.Errorf("%+v", e)
	}
	s.hears(a, 1000)
	s.hears(b, 600)
	s.hangup(two)
	if e := await[pbx.Unbridged](s, one); e.Other != two.ID() {
		s.Errorf("%+v", e)
	}
	if err := one.Bridge(s.Context(), "no-such-leg"); !errors.Is(err, pbx.ErrRefused) && !errors.Is(err, pbx.ErrGone) {
		s.Errorf("with nobody: %v", err)
	}
	s.hangup(one)
}

func (s *stage) transfer(leg pbx.Leg, agent Phone, timeout time.Duration) {
	s.Helper()
	if err := leg.Transfer(s.Context(), pbx.Target{Agent: agent.Endpoint().Agent, Timeout: timeout}); err != nil {
		s.Fatalf("transfer: %v", err)
	}
}

// T02: they hear each other; when the agent leaves, the caller is ours again.
func transferAnswered(s *stage) {
	if s.lab.Agent == nil {
		s.without("agents")
	}
	script := talker(1000)
	script.Limit = 3 * time.Second
	caller, agent := s.lab.Callee(s.T, talker(600)), s.lab.Agent(s.T, script)
	leg, m := s.talking(caller)
	s.transfer(leg, agent, 5*time.Second)
	if e := await[pbx.Bridged](s, leg); e.Other == "" || e.Other == leg.ID() {
		s.Errorf("%+v", e)
	}
	s.hears(caller, 1000)
	s.hears(agent, 600)
	await[pbx.Unbridged](s, leg)
	_ = m.Close()
	again := s.open(leg, audio.FormatSlin)
	before := s.now(caller).Record.Audible
	s.write(again, callee.Tone(1500, 400*ms, 8000))
	s.eventually("we are heard again", func() bool { return s.now(caller).Record.Audible >= before+300*ms })
	if h := s.hangup(leg); h.By != pbx.ByLocal {
		s.Errorf("%+v", h)
	}
	s.gone(leg)
}

// T03: the caller never left us.
func transferDeclined(s *stage) {
	if s.lab.Agent == nil {
		s.without("agents")
	}
	for reason, code := range map[string]int{"declined": 603, "busy": 486} {
		agent := s.lab.Agent(s.T, callee.Script{Ring: 200 * ms, Reject: code})
		caller := s.lab.Callee(s.T, callee.Script{Keep: true})
		leg, m := s.talking(caller)
		s.transfer(leg, agent, 5*time.Second)
		s.write(m, callee.Tone(700, 600*ms, 8000))
		if e := await[pbx.TransferEnded](s, leg); e.Reason != reason || e.Cause != s.lab.Cause(code) {
			s.Errorf("%d: %+v", code, e)
		}
		// Of the 600 ms a busy exchange drops some frames; who had been cut off when
		// the agent rang, or refused, would have heard 200 ms.
		s.eventually("we were heard all the time", func() bool { return s.now(caller).Record.Audible >= 480*ms })
		s.hangup(leg)
	}
}

// T04: after the target's own time.
func transferNoAnswer(s *stage) {
	if s.lab.Agent == nil {
		s.without("agents")
	}
	agent := s.lab.Agent(s.T, callee.Script{Never: true})
	leg, _ := s.talking(s.lab.Callee(s.T, callee.Script{}))
	began := time.Now()
	s.transfer(leg, agent, time.Second)
	if e := await[pbx.TransferEnded](s, leg); e.Reason != "no_answer" {
		s.Errorf("%+v", e)
	}
	if d := time.Since(began); d < 900*ms || d > 2*time.Second+s.lab.Patience {
		s.Errorf("after %v", d)
	}
	if c := s.over(agent); !c.Answered.IsZero() {
		s.Errorf("%+v", c)
	}
	s.hangup(leg)
}

// T05: the agent's telephone stops ringing.
func transferAbandoned(s *stage) {
	if s.lab.Agent == nil {
		s.without("agents")
	}
	agent := s.lab.Agent(s.T, callee.Script{Never: true})
	leg, _ := s.talking(s.lab.Callee(s.T, callee.Script{Limit: 3 * time.Second}))
	s.transfer(leg, agent, 30*time.Second)
	events, h := s.rest(leg)
	if h.By != pbx.ByRemote || !h.Answered || slices.Contains(events, "Bridged") {
		s.Errorf("%v %+v", events, h)
	}
	if c := s.over(agent); !c.Answered.IsZero() {
		s.Errorf("the agent saw %+v", c)
	}
	s.gone(leg)
}

// T06: the agent is let go.
func transferCallerLeaves(s *stage) {
	if s.lab.Agent == nil {
		s.without("agents")
	}
	agent := s.lab.Agent(s.T, callee.Script{})
	leg, _ := s.talking(s.lab.Callee(s.T, callee.Script{Limit: 2 * time.Second}))
	s.transfer(leg, agent, 5*time.Second)
	await[pbx.Bridged](s, leg)
	if _, h := s.rest(leg); h.By != pbx.ByRemote {
		s.Errorf("%+v", h)
	}
	if c := s.over(agent); c.ByCallee {
		s.Errorf("the agent saw %+v", c)
	}
	s.gone(leg)
}

// T07: refused, or told as unreachable.
func transferNowhere(s *stage) {
	leg, _ := s.talking(s.lab.Callee(s.T, callee.Script{}))
	err := leg.Transfer(s.Context(), pbx.Target{Agent: "no-such-agent", Timeout: time.Second})
	switch {
	case err == nil:
		if e := await[pbx.TransferEnded](s, leg); e.Reason != "unreachable" {
			s.Errorf("%+v", e)
		}
	case !errors.Is(err, pbx.ErrRefused):
		s.Errorf("%v, want ErrRefused", err)
	}
	if err := leg.Transfer(s.Context(), pbx.Target{Timeout: time.Second}); !errors.Is(err, pbx.ErrRefused) {
		s.Errorf("to nobody: %v, want ErrRefused", err)
	}
	s.hangup(leg)
}

// T08: the supervisor hears the caller and us, the caller does not hear him.
func monitored(s *stage) {
	if s.lab.Agent == nil {
		s.without("agents")
	}
	caller, boss := s.lab.Callee(s.T, talker(600)), s.lab.Agent(s.T, talker(1000))
	leg, m := s.talking(caller)
	watch := s.answered(boss)
	if err := leg.Monitor(s.Context(), watch.ID(), pbx.Listen); err != nil {
		s.Fatal(err)
	}
	s.hears(boss, 600)
	s.write(m, callee.Tone(2000, time.Second, 8000))
	s.eventually("the supervisor hears us too", func() bool { return share(s.now(boss).Record.Heard, 2000) > 0.05 })
	if got := share(s.now(caller).Record.Heard, 1000); got > 0.3 {
		s.Errorf("the caller hears the supervisor: %.2f", got)
	}
	s.hangup(leg)
	s.hangup(watch)
}

// T09: at whatever moment the caller leaves, nobody rings on and nothing is
// left.
func transferRaced(s *stage) {
	if s.lab.Agent == nil {
		s.without("agents")
	}
	agent := s.lab.Agent(s.T, callee.Script{Never: true})
	var legs []pbx.Leg
	for i := range 10 {
		leg := s.answered(s.lab.Callee(s.T, callee.Script{Limit: 600*ms + time.Duration(i)*4*ms}))
		s.wait(570 * ms)
		err := leg.Transfer(s.Context(), pbx.Target{Agent: agent.Endpoint().Agent, Timeout: 30 * time.Second})
		if err != nil && !errors.Is(err, pbx.ErrGone) && !errors.Is(err, pbx.ErrRefused) {
			s.Errorf("transfer: %v", err)
		}
		if _, h := s.rest(leg); h.By != pbx.ByRemote {
			s.Errorf("%+v", h)
		}
		legs = append(legs, leg)
	}
	s.eventually("no agent rings on", func() bool {
		return !slices.ContainsFunc(agent.Calls(), func(c callee.Call) bool { return c.Ended.IsZero() })
	})
	s.gone(legs...)
}

// T10: nobody comes, or somebody comes and leaves: each time the caller is ours
// again, and is told why.
func queued(s *stage) {
	if s.lab.Queue == nil {
		s.without("queues")
	}
	empty, _ := s.lab.Queue(s.T, callee.Script{Never: true})
	caller := s.lab.Callee(s.T, talker(600))
	leg, _ := s.talking(caller)
	if err := leg.Transfer(s.Context(), pbx.Target{Queue: "no-such-queue", Timeout: time.Second}); !errors.Is(err, pbx.ErrRefused) {
		s.Errorf("an unknown queue: %v, want ErrRefused", err)
	}
	if err := leg.Transfer(s.Context(), pbx.Target{Queue: empty, Timeout: time.Second}); err != nil {
		s.Fatal(err)
	}
	if e := await[pbx.TransferEnded](s, leg); e.Reason != "no_answer" {
		s.Errorf("nobody came: %+v", e)
	}
	script := talker(1000)
	script.Limit = 3 * time.Second
	full, agent := s.lab.Queue(s.T, script)
	if err := leg.Transfer(s.Context(), pbx.Target{Queue: full, Timeout: 10 * time.Second}); err != nil {
		s.Fatal(err)
	}
	await[pbx.Bridged](s, leg)
	s.hears(caller, 1000)
	s.hears(agent, 600)
	if e := await[pbx.TransferEnded](s, leg); e.Reason != "target_left" {
		s.Errorf("the agent left: %+v", e)
	}
	m := s.open(leg, audio.FormatSlin)
	before := s.now(caller).Record.Audible
	s.write(m, callee.Tone(1500, 400*ms, 8000))
	s.eventually("we are heard again", func() bool { return s.now(caller).Record.Audible >= before+300*ms })
	s.hangup(leg)
	s.gone(leg)
}

// T11: who is whispered to hears the supervisor; the other side does not.
func whispered(s *stage) {
	caller, agent, boss := s.lab.Callee(s.T, talker(600)), s.lab.Callee(s.T, talker(1000)), s.lab.Callee(s.T, talker(1500))
	one, two, watch := s.answered(caller), s.answered(agent), s.answered(boss)
	if err := one.Bridge(s.Context(), two.ID()); err != nil {
		s.Fatal(err)
	}
	if err := two.Monitor(s.Context(), watch.ID(), pbx.Whisper); err != nil {
		s.Fatal(err)
	}
	if err := two.Monitor(s.Context(), watch.ID(), "shout"); !errors.Is(err, pbx.ErrRefused) {
		s.Errorf("an unknown mode: %v, want ErrRefused", err)
	}
	hear := func(p Phone, hz float64) bool { return share(s.now(p).Record.Heard, hz) > 0.1 }
	for who, row := range map[string]struct {
		p  Phone
		hz float64
	}{
		"the agent hears the caller": {agent, 600}, "the agent hears the supervisor": {agent, 1500}, "the caller hears the agent": {caller, 1000},
		"the supervisor hears the caller": {boss, 600}, "the supervisor hears the agent": {boss, 1000},
	} {
		s.eventually(who, func() bool { return hear(row.p, row.hz) })
	}
	if got := share(s.now(caller).Record.Heard, 1500); got > 0.1 {
		s.Errorf("the caller hears the whisper: %.2f", got)
	}
	for _, leg := range []pbx.Leg{watch, two, one} {
		s.hangup(leg)
	}
	s.gone(one, two, watch)
}
