package pbxtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

// handover is one way in which somebody takes a customer over.
type handover struct {
	name   string
	who    Told
	begin  func(h *handover) error // once the leg is answered
	policy bool                    // the customer's number is to be shown
	leg    pbx.Leg
	other  pbx.Leg // who takes over, where that is a leg of ours
	caller Phone
	number string
}

// T12: nothing that a telephone is told, in its INVITE or later in the call,
// holds the customer's number, whichever way he comes to it; unless the target's
// caller ID is that number.
func shownNobody(s *stage) {
	if s.lab.Agent == nil || s.lab.Customer == nil {
		s.without("agents, or customers of a chosen number")
	}
	all := s.handovers()
	for i := range all {
		h := &all[i]
		h.number = fmt.Sprintf("86138%08d", rand.N(100_000_000)) //nolint:gosec // a number nobody else has
		h.caller = s.lab.Customer(s.T, h.number, talker(600))
		req := s.request(h.caller)
		req.Headers = map[string]string{"X-Customer": h.number}
		h.leg = s.place(req)
		await[pbx.Answered](s, h.leg)
	}
	for i := range all {
		h := &all[i]
		if err := h.begin(h); err != nil {
			s.Fatalf("%s: %v", h.name, err)
		}
	}
	for i := range all {
		h := &all[i]
		await[pbx.Bridged](s, h.leg)
		s.hears(h.who, 600) // what an exchange tells about a bridge it tells when it makes it
	}
	for i := range all {
		h := &all[i]
		_ = h.leg.Hangup(s.Context(), pbx.CauseNormal)
		s.rest(h.leg)
		if h.other != nil {
			s.hangup(h.other)
		}
		s.over(h.who)
		told := h.who.Told()
		if len(told) == 0 {
			s.Errorf("%s: nobody was told anything", h.name)
		}
		shown := ""
		for _, text := range told {
			if strings.Contains(text, h.number) {
				shown = text
			}
		}
		switch {
		case h.policy && shown == "":
			s.Errorf("%s: the number was to be shown: %q", h.name, told)
		case !h.policy && shown != "":
			s.Errorf("%s: the customer's number %s was told: %q", h.name, h.number, shown)
		}
		s.gone(h.leg)
	}
}

// handovers are the ways that a lab knows.
func (s *stage) handovers() []handover {
	s.Helper()
	agent, queue := s.lab.Agent, s.lab.Queue
	if s.lab.WireAgent != nil {
		agent = s.lab.WireAgent
	}
	if s.lab.WireQueue != nil {
		queue = s.lab.WireQueue
	}
	told := func(p Phone) Told {
		s.Helper()
		who, ok := p.(Told)
		if !ok {
			s.Fatalf("%T does not say what it was told", p)
		}
		return who
	}
	transfer := func(h *handover, to pbx.Target) error {
		to.Timeout = 10 * time.Second
		return h.leg.Transfer(s.Context(), to)
	}
	all := []handover{
		{name: "handed over to an agent", who: told(agent(s.T, talker(1000))), begin: func(h *handover) error {
			return transfer(h, pbx.Target{Agent: h.who.Endpoint().Agent})
		}},
		{name: "joined with an agent who was asked first", who: told(agent(s.T, talker(1000))), begin: func(h *handover) error {
			h.other = s.answered(h.who)
			return h.leg.Bridge(s.Context(), h.other.ID())
		}},
		{name: "handed over to a number", who: told(s.lab.Callee(s.T, talker(1000))), begin: func(h *handover) error {
			return transfer(h, pbx.Target{Trunk: h.who.Endpoint().Trunk, Number: h.who.Endpoint().Number})
		}},
		{name: "policy shows the number", who: told(agent(s.T, talker(1000))), policy: true, begin: func(h *handover) error {
			n, err := phone.Lab(h.number)
			if err != nil {
				return err
			}
			return transfer(h, pbx.Target{Agent: h.who.Endpoint().Agent, CallerID: pbx.CallerID{Number: n}})
		}},
	}
	if queue != nil {
		name, member := queue(s.T, talker(1000))
		all = append(all, handover{name: "handed over to a queue", who: told(member), begin: func(h *handover) error {
			return transfer(h, pbx.Target{Queue: name})
		}})
	}
	return all
}
