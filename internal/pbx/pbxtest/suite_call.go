package pbxtest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

// newID is a leg's ID as the product makes them.
func newID() pbx.LegID { return pbx.LegID(uuid.Must(uuid.NewV7()).String()) }

const ms = time.Millisecond

func callGuarantees() []guarantee {
	return []guarantee{
		{"C01 answered, ended by us", false, callEndedByUs},
		{"C02 answered, ended by the callee", false, callEndedByCallee},
		{"C03 every failure has its code", false, callFailures},
		{"C04 no answer in time", false, callNoAnswer},
		{"C05 hung up while it rings", false, callCancelled},
		{"C06 one ID, one ring", false, callOneRing},
		{"C07 attach", false, callAttach},
		{"C08 a leg that is over", false, callOver},
		{"C09 requests that are refused", false, callRefused},
		{"C10 what the callee sees", false, callIdentity},
		{"C11 longest duration", false, callMaxDuration},
		{"C12 early media", false, callEarlyMedia},
		{"C13 keys of the callee", false, callKeysIn},
		{"C14 keys to the callee", false, callKeysOut},
		{"C15 many calls at once", false, callMany},
		{"C16 answered for a blink", false, callBlink},
	}
}

// C01: events come in order, Hungup last; the exchange keeps nothing.
func callEndedByUs(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{Ring: 200 * ms})
	leg := s.place(s.request(p))
	before := time.Now()
	await[pbx.Ringing](s, leg)
	a := await[pbx.Answered](s, leg)
	if d := a.At.Sub(before); d < 0 || d > s.lab.Patience {
		s.Errorf("answered %v after the call was placed", d)
	}
	legs, err := s.lab.Switch.Legs(s.Context())
	i := slices.IndexFunc(legs, func(l pbx.LegInfo) bool { return l.ID == leg.ID() })
	if err != nil || i < 0 || !legs[i].Up || legs[i].Tag != "task-7" {
		s.Errorf("listed as %+v, %v", legs, err)
	}
	h := s.hangup(leg)
	if h.By != pbx.ByLocal || h.Q850 != pbx.CauseNormal || !h.Answered || h.ReasonQ850 != 0 {
		s.Errorf("%+v", h)
	}
	if c := s.over(p); c.ByCallee || c.Answered.IsZero() || c.Cause != 16 {
		s.Errorf("the callee saw %+v", c)
	}
	s.gone(leg)
	// Our cause reaches the other side; what is no cause is refused.
	leg = s.answered(p)
	if err := leg.Hangup(s.Context(), 200); !errors.Is(err, pbx.ErrRefused) {
		s.Errorf("cause 200: %v, want ErrRefused", err)
	}
	if err := leg.Hangup(s.Context(), pbx.CauseNormalUnspecified); err != nil {
		s.Fatal(err)
	}
	if _, h := s.rest(leg); h.By != pbx.ByLocal || h.Q850 != pbx.CauseNormalUnspecified {
		s.Errorf("%+v", h)
	}
	if c := s.over(p); c.Cause != 31 {
		s.Errorf("the callee saw cause %d, 31 was sent", c.Cause)
	}
}

// C02: a BYE with and without a reason.
func callEndedByCallee(s *stage) {
	for _, reason := range []int{0, 31} {
		p := s.lab.Callee(s.T, callee.Script{Steps: []callee.Step{{Wait: 200 * ms}, {Hangup: true, Cause: reason}}})
		leg := s.place(s.request(p))
		events, h := s.rest(leg)
		if got := strings.Join(events, " "); !strings.HasSuffix(got, "Answered Hungup") {
			s.Errorf("events %s", got)
		}
		want := pbx.CauseNormal
		if reason != 0 {
			want = pbx.Cause(reason)
		}
		if h.By != pbx.ByRemote || !h.Answered || h.Q850 != want || h.ReasonQ850 != pbx.Cause(reason) {
			s.Errorf("reason %d: %+v", reason, h)
		}
		s.gone(leg)
	}
}

// C03: SIP status and Q.850 of every failure response.
func callFailures(s *stage) {
	legs := map[int]pbx.Leg{}
	for _, code := range []int{403, 404, 408, 410, 480, 484, 486, 488, 500, 502, 503, 504, 600, 603, 604, 606} {
		legs[code] = s.place(s.request(s.lab.Callee(s.T, callee.Script{Ring: 50 * ms, Reject: code})))
	}
	for code, leg := range legs {
		events, h := s.rest(leg)
		if h.SIP != code || h.Q850 != s.lab.Cause(code) || h.By != pbx.ByRemote || h.Answered {
			s.Errorf("%d: %+v", code, h)
		}
		if slices.Contains(events, "Answered") {
			s.Errorf("%d: %v", code, events)
		}
	}
}

// C04: our own timer is told apart from the carrier's 480.
func callNoAnswer(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{Never: true})
	req := s.request(p)
	req.RingTimeout = time.Second
	began := time.Now()
	leg := s.place(req)
	events, h := s.rest(leg)
	if d := time.Since(began); d < 900*ms || d > 1500*ms+s.lab.Patience {
		s.Errorf("rang for %v, 1 s was asked for", d)
	}
	if h.By != pbx.ByTimer || h.Answered || h.Q850 != pbx.CauseNoAnswer {
		s.Errorf("%+v after %v", h, events)
	}
	if c := s.over(p); !c.Answered.IsZero() || c.ByCallee {
		s.Errorf("the callee saw %+v", c)
	}
	s.gone(leg)
}

// C05: and a second hang-up is no error.
func callCancelled(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{Never: true})
	leg := s.place(s.request(p))
	await[pbx.Ringing](s, leg)
	if h := s.hangup(leg); h.By != pbx.ByLocal || h.Answered || h.Q850 != pbx.CauseNormal {
		s.Errorf("%+v", h)
	}
	if err := leg.Hangup(s.Context(), pbx.CauseNormal); err != nil {
		s.Errorf("a leg that is over: %v", err)
	}
	if c := s.over(p); !c.Answered.IsZero() {
		s.Errorf("the callee saw %+v", c)
	}
	s.gone(leg)
}

// C06: an ID that is alive rings nobody again.
func callOneRing(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{Ring: 300 * ms})
	req := s.request(p)
	leg := s.place(req)
	again, err := s.lab.Switch.Originate(s.Context(), req)
	if err == nil && again.ID() != req.ID || err != nil && !errors.Is(err, pbx.ErrRefused) {
		s.Errorf("the same ID again: %v, %v", again, err)
	}
	await[pbx.Answered](s, leg)
	s.hangup(leg)
	if n := len(p.Calls()); n != 1 {
		s.Errorf("%d rings", n)
	}
}

// C07: Attach finds what is there, and its first event says in what state.
func callAttach(s *stage) {
	if _, err := s.lab.Switch.Attach(s.Context(), newID()); !errors.Is(err, pbx.ErrGone) {
		s.Errorf("a leg that never was: %v", err)
	}
	p := s.lab.Callee(s.T, callee.Script{})
	leg := s.answered(p)
	again, err := s.lab.Switch.Attach(s.Context(), leg.ID())
	if err != nil {
		s.Fatal(err)
	}
	if e := await[pbx.LinkRestored](s, again); !e.Up {
		s.Errorf("%+v of an answered leg", e)
	}
	if h := s.hangup(again); h.By != pbx.ByLocal || !h.Answered {
		s.Errorf("%+v", h)
	}
	if _, err := s.lab.Switch.Attach(s.Context(), leg.ID()); !errors.Is(err, pbx.ErrGone) {
		s.Errorf("a leg that is over: %v", err)
	}
}

// C08: commands on a leg that is over.
func callOver(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	leg := s.answered(p)
	s.hangup(leg)
	ctx := s.Context()
	for name, err := range map[string]error{
		"play": leg.Play(ctx, pbx.Playback{ID: "p", Media: s.lab.Endless}), "dtmf": leg.SendDTMF(ctx, "1"),
		"record":   leg.Record(ctx, pbx.Recording{ID: "r", Name: "r"}),
		"transfer": leg.Transfer(ctx, pbx.Target{Agent: "nobody", Timeout: time.Second}),
		"media":    func() error { _, err := leg.OpenMedia(ctx, audio.FormatSlin); return err }(),
	} {
		if !errors.Is(err, pbx.ErrGone) && (name != "transfer" || !errors.Is(err, pbx.ErrRefused)) {
			s.Errorf("%s: %v, want ErrGone", name, err)
		}
	}
	if err := leg.Stop(ctx, "p"); err != nil {
		s.Errorf("stop: %v, want none", err)
	}
}

// C09: nothing rings for a request that cannot be; a caller that gave up
// before it was sent gets ErrUnavailable.
func callRefused(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	for name, change := range map[string]func(*pbx.OriginateRequest){
		"no id":           func(r *pbx.OriginateRequest) { r.ID = "" },
		"long id":         func(r *pbx.OriginateRequest) { r.ID = pbx.LegID(strings.Repeat("x", 65)) },
		"id with a slash": func(r *pbx.OriginateRequest) { r.ID = "a/b" },
		"no ring time":    func(r *pbx.OriginateRequest) { r.RingTimeout = 0 },
		"endless ringing": func(r *pbx.OriginateRequest) { r.RingTimeout = time.Hour },
		"nobody":          func(r *pbx.OriginateRequest) { r.To = pbx.Endpoint{} },
		"two at once":     func(r *pbx.OriginateRequest) { r.To.Agent = "agent" },
		"no such agent":   func(r *pbx.OriginateRequest) { r.To = pbx.Endpoint{Agent: "no-such-agent"} },
	} {
		req := s.request(p)
		change(&req)
		if _, err := s.lab.Switch.Originate(s.Context(), req); !errors.Is(err, pbx.ErrRefused) {
			s.Errorf("%s: %v, want ErrRefused", name, err)
		}
	}
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if _, err := s.lab.Switch.Originate(ctx, s.request(p)); !errors.Is(err, pbx.ErrUnavailable) {
		s.Errorf("after the caller gave up: %v, want ErrUnavailable", err)
	}
	if n := len(p.Calls()); n != 0 {
		s.Errorf("%d rings", n)
	}
}

// C10: caller ID and headers arrive as they were given, and nothing else does.
func callIdentity(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	req := s.request(p)
	req.CallerID.Name = "银行\r\nX-Evil: 1"
	req.Headers = map[string]string{"X-Task": "7;a=b,c"}
	leg := s.place(req)
	await[pbx.Answered](s, leg)
	s.hangup(leg)
	c := s.over(p)
	if c.ShownNumber != "95588" || !strings.HasPrefix(c.ShownName, "银行") {
		s.Errorf("shown %q %q", c.ShownName, c.ShownNumber)
	}
	if c.Headers["X-Task"] != "7;a=b,c" || c.Headers["X-Evil"] != "" || strings.ContainsAny(c.ShownName, "\r\n") {
		s.Errorf("headers %q, name %q", c.Headers, c.ShownName)
	}
	req = s.request(p)
	req.Headers = map[string]string{"X-Task": "7\r\nX-Evil: 1"}
	if _, err := s.lab.Switch.Originate(s.Context(), req); !errors.Is(err, pbx.ErrRefused) {
		s.Errorf("a line break in a header: %v, want ErrRefused", err)
	}
}

// C11: a call that we forget ends by itself.
func callMaxDuration(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	req := s.request(p)
	req.RingTimeout, req.MaxDuration = time.Second, 2*time.Second
	leg := s.place(req)
	at := await[pbx.Answered](s, leg).At
	_, h := s.rest(leg)
	if d := h.At.Sub(at); d < 1500*ms || d > 4500*ms || h.By != pbx.ByTimer || !h.Answered {
		s.Errorf("after %v: %+v", d, h)
	}
	s.gone(leg)
}

// C12: what the network says before the answer is heard when asked for, and
// only then.
func callEarlyMedia(s *stage) {
	script := callee.Script{Ring: 4 * time.Second, Early: []callee.Step{{Say: callee.Tone(700, 3900*ms, 8000)}}}
	p := s.lab.Callee(s.T, script)
	req := s.request(p)
	req.EarlyMedia = true
	leg := s.place(req)
	for !await[pbx.Ringing](s, leg).EarlyMedia {
		s.Log("a Ringing without sound came first")
	}
	m := s.open(leg, audio.FormatSlin)
	heard := s.listen(m, 600*ms)
	if got := share(heard, 700); got < 0.8 {
		s.Errorf("share of the announcement's tone: %.2f", got)
	}
	await[pbx.Answered](s, leg)
	s.hangup(leg)

	leg = s.place(s.request(s.lab.Callee(s.T, callee.Script{Never: true})))
	await[pbx.Ringing](s, leg)
	if _, err := leg.OpenMedia(s.Context(), audio.FormatSlin); !errors.Is(err, pbx.ErrRefused) {
		s.Errorf("media before the answer, not asked for: %v, want ErrRefused", err)
	}
	s.hangup(leg)
}

// C13: keys come one by one, in order.
func callKeysIn(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{Steps: []callee.Step{{Wait: 300 * ms}, {DTMF: "12#*0"}}})
	leg, _ := s.talking(p)
	var keys []byte
	for len(keys) < 5 {
		d := await[pbx.DTMF](s, leg)
		keys = append(keys, d.Digit)
	}
	if string(keys) != "12#*0" {
		s.Errorf("keys %q", keys)
	}
	if events, _ := s.rest2(leg); slices.Contains(events, "DTMF") {
		s.Errorf("a key was told twice: %v", events)
	}
}

// rest2 hangs up half a second later and reads to the end.
func (s *stage) rest2(leg pbx.Leg) ([]string, pbx.Hungup) {
	s.Helper()
	s.wait(500 * ms)
	if err := leg.Hangup(s.Context(), pbx.CauseNormal); err != nil {
		s.Error(err)
	}
	return s.rest(leg)
}

// C14: keys that we press.
func callKeysOut(s *stage) {
	p := s.lab.Callee(s.T, callee.Script{})
	leg, _ := s.talking(p)
	if err := leg.SendDTMF(s.Context(), "45*"); err != nil {
		s.Fatal(err)
	}
	s.eventually("the callee got the keys", func() bool { return s.now(p).Record.Digits == "45*" })
	if err := leg.SendDTMF(s.Context(), "4x"); !errors.Is(err, pbx.ErrRefused) {
		s.Errorf("what is no key: %v, want ErrRefused", err)
	}
	s.hangup(leg)
}
