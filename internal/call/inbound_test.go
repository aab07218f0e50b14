package call

import (
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/pbx/pbxtest"
)

// comeIn makes the lab's call one that came in.
func (l *lab) comeIn(t *testing.T, s callee.Script) {
	t.Helper()
	l.sim.Ring("in-1", "10690001", l.plan.Request.To.Number, s)
	in, err := l.sim.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	l.plan.Inbound = in.Leg
	l.plan.Request = pbx.OriginateRequest{ID: in.Leg.ID()}
}

// A call that came in is answered and talked through as one that was placed;
// told again from its log it decides the same.
func TestCallThatCameIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "nobody", callee.Script{})
		l.comeIn(t, callee.Script{Steps: []callee.Step{
			listen(), say("方便，你说"), listen(), say("好的可以"), listen(), say("食品"), listen(), say("没有了"), listen(), pause(20 * time.Second), {Hangup: true}}})
		o := l.run(t)
		if o.Disposition != campaign.Completed || o.Disclosure == nil || !o.Disclosure.Complete || o.Turns[0].Side != campaign.Us || len(theirs(o)) != 4 {
			show(t, o)
			t.Fatalf("%s (%s)", o.Disposition, o.Reason)
		}
		if len(l.sim.Calls("nobody")) != 0 {
			t.Error("somebody was dialled")
		}
		again, err := Replay(l.told(o))
		if err != nil {
			t.Fatal(err)
		}
		if d := Differs(again.Outcome, o); d != "" {
			t.Errorf("told again: %s", d)
		}
	})
}

func TestEndsOfCallsThatCameIn(t *testing.T) {
	for name, c := range map[string]struct {
		script  callee.Script
		prepare func(*lab)
		want    campaign.Disposition
		reason  string
	}{
		"hangs up":       {callee.Script{Steps: []callee.Step{listen(), {Hangup: true}}}, nil, campaign.HungUp, "caller_hung_up"},
		"answer refused": {callee.Script{}, func(l *lab) { l.sim.Fail("answer", pbxtest.Fault{Err: pbx.ErrRefused}) }, campaign.Failed, "answer_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, "nobody", callee.Script{})
				if c.prepare != nil {
					c.prepare(l)
				}
				l.comeIn(t, c.script)
				o := l.run(t)
				if o.Disposition != c.want || len(o.Reason) < len(c.reason) || o.Reason[:len(c.reason)] != c.reason || o.NeverSent != "" {
					show(t, o)
					t.Errorf("%s (%s), never sent %q", o.Disposition, o.Reason, o.NeverSent)
				}
			})
		})
	}
}

// The rules of it alone: whoever calls is no machine, and one who has gone
// before we answered gave up.
func TestRulesOfCallsThatCameIn(t *testing.T) {
	r := rules{limits: DefaultLimits()}
	s, fx := r.step(State{}, Input{Kind: InStart, Class: ClassInbound})
	if _, ok := fx[0].(Answer); !ok || len(fx) != 1 || s.Phase != Alerting || s.Outcome.RingingAt.IsZero() && r.start != s.Outcome.RingingAt {
		t.Fatalf("%+v %+v", s, fx)
	}
	gone, _ := r.step(s, Input{Kind: InHungup, At: time.Second, Hungup: &pbx.Hungup{By: pbx.ByRemote, Q850: pbx.CauseNormal}})
	if gone, _ = r.step(gone, Input{Kind: InClosed, At: time.Second}); gone.Outcome.Disposition != campaign.HungUp || gone.Outcome.Reason != "caller_gave_up" {
		t.Errorf("%+v", gone.Outcome)
	}
	late, fx := r.step(s, Input{Kind: InTimer, At: answerWait})
	if late.Outcome.Disposition != campaign.Failed || late.Outcome.Reason != "answer_timeout" || late.Phase != Releasing {
		t.Errorf("%+v %+v", late.Outcome, fx)
	}
	s.Phase = Talking
	for _, verdict := range []string{"beep", "greeting", "uncertain"} {
		if m, fx := r.step(s, Input{Kind: InMachine, Machine: verdict}); m.Suspect || m.Outcome.AMD != "" || fx != nil {
			t.Errorf("%s: a caller was taken for a machine", verdict)
		}
	}
}

// Its controller died: the next one finds the leg by the exchange's name and
// hangs it up, or learns that it is gone.
func TestAbandonedCallThatCameIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "nobody", callee.Script{})
		l.comeIn(t, callee.Script{Steps: []callee.Step{pause(time.Hour)}})
		if err := l.plan.Inbound.Answer(t.Context()); err != nil {
			t.Fatal(err)
		}
		a := campaign.Attempt{ID: l.plan.Attempt.ID, Inbound: true, PlacedAt: time.Now()}
		for _, want := range []campaign.Disposition{campaign.Failed, campaign.Uncertain} {
			o, err := Abandoned(t.Context(), l.sim, "in-1", a, nil)
			if err != nil || o.Disposition != want || o.Reason != "controller_died" {
				t.Errorf("%s (%s), %v, want %s", o.Disposition, o.Reason, err, want)
			}
			synctest.Wait()
		}
		l.sim.Close()
	})
}
