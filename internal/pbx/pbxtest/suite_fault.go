package pbxtest

import (
	"errors"
	"slices"
	"strings"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

func faultGuarantees() []guarantee {
	return []guarantee{
		{"F01 the link is lost and comes back", true, linkLost},
		{"F02 a call ends while we cannot see", true, linkLostAndGone},
		{"F03 nobody is dialled while we cannot see", true, linkDownOriginate},
		{"F04 the exchange restarts", true, restarted},
	}
}

func (s *stage) cut() (restore func()) {
	s.Helper()
	if s.lab.CutLink == nil {
		s.without("link to cut")
	}
	return s.lab.CutLink(s.T)
}

func (s *stage) health(up bool) {
	s.Helper()
	s.eventually("health follows the link", func() bool {
		h := s.lab.Switch.Health()
		return h.Up == up && (up || h.Reason != "")
	})
}

// F01: a gap is an event; the call goes on and can be commanded again.
func linkLost(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	leg := s.answered(p)
	restore := s.cut()
	if e := await[pbx.LinkLost](s, leg); e.Err == nil {
		s.Error("LinkLost without a reason")
	}
	s.health(false)
	if err := leg.SendDTMF(s.Context(), "1"); err == nil {
		s.Error("a command was accepted on a dead link")
	}
	restore()
	if e := await[pbx.LinkRestored](s, leg); !e.Up {
		s.Errorf("%+v of an answered leg", e)
	}
	s.health(true)
	s.eventually("commands work again", func() bool { return leg.SendDTMF(s.Context(), "7") == nil })
	s.eventually("and arrive", func() bool { return strings.Contains(s.now(p).Record.Digits, "7") })
	if h := s.hangup(leg); h.By != pbx.ByLocal || !h.Answered {
		s.Errorf("%+v", h)
	}
}

// F02: what ended meanwhile has ended, for a reason that nobody knows.
func linkLostAndGone(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{Limit: 1200 * ms})
	leg := s.answered(p)
	restore := s.cut()
	await[pbx.LinkLost](s, leg)
	s.over(p)
	restore()
	events, h := s.rest(leg)
	if h.By != pbx.ByUnknown || slices.Contains(events, "LinkRestored") {
		s.Errorf("%v %+v", events, h)
	}
	s.health(true)
	s.gone(leg)
}

// F03: ErrUnavailable, and no telephone rings, then or later.
func linkDownOriginate(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	restore := s.cut()
	s.health(false)
	if _, err := s.lab.Switch.Originate(s.Context(), s.request(p)); !errors.Is(err, pbx.ErrUnavailable) {
		s.Errorf("%v, want ErrUnavailable", err)
	}
	restore()
	s.health(true)
	s.wait(300 * ms)
	if n := len(p.Calls()); n != 0 {
		s.Errorf("%d rings", n)
	}
	s.hangup(s.answered(p))
}

// F04: every call is over, and the next one works.
func restarted(s *stage) {
	if s.lab.Restart == nil {
		s.without("exchange to restart")
	}
	up, ringing := s.lab.Callee(s.T, callee.Script{}), s.lab.Callee(s.T, callee.Script{Never: true})
	one := s.answered(up)
	two := s.place(s.request(ringing))
	await[pbx.Ringing](s, two)
	before := s.lab.Switch.Health().StartedAt
	s.wait(50 * ms)
	s.lab.Restart(s.T)
	for _, leg := range []pbx.Leg{one, two} {
		if _, h := s.rest(leg); h.By != pbx.ByUnknown && h.By != pbx.ByNetwork {
			s.Errorf("%+v", h)
		}
	}
	s.health(true)
	if after := s.lab.Switch.Health().StartedAt; !after.After(before) {
		s.Errorf("started at %v before and %v after", before, after)
	}
	s.gone(one, two)
	s.hangup(s.answered(s.lab.Callee(s.T, callee.Script{})))
}
