package call

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
)

// alive puts a leg of the call on a fresh exchange, answered, as the controller
// that died left it.
func alive(t *testing.T, l *lab, number string, script callee.Script) *lab {
	t.Helper()
	next := newLab(t, number, script)
	next.plan.Attempt, next.plan.Request = l.plan.Attempt, l.plan.Request
	leg, err := next.sim.Originate(t.Context(), next.plan.Request)
	if err != nil {
		t.Fatal(err)
	}
	for {
		ev, err := leg.Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := ev.(pbx.Answered); ok {
			return next
		}
	}
}

// goOn takes the call up where a log ends.
func (l *lab) goOn(t *testing.T, log []Logged) (campaign.Outcome, *Resumption) {
	t.Helper()
	l.log = slices.Clone(log)
	r, err := Rebuild(l.plan, l.deps, log)
	if err != nil {
		t.Fatal(err)
	}
	leg, err := l.sim.Attach(t.Context(), l.plan.Request.ID)
	if errors.Is(err, pbx.ErrGone) {
		leg = nil
	} else if err != nil {
		t.Fatal(err)
	}
	o := r.Run(t.Context(), leg)
	l.sim.Close()
	if n := l.synth.Open(); n != 0 {
		t.Errorf("%d syntheses were left open", n)
	}
	return o, r
}

// The controller dies after an input of a call, and the next life goes on: the
// call has its end, what was said before stands there once, and the whole is
// decided the same by a replay of its log. After every single input with
// RINGMASTER_PROVE, after some always.
func TestACallThatLostItsControllerAnywhereGoesOn(t *testing.T) {
	var log []Logged
	var whole campaign.Outcome
	var first *lab
	synctest.Test(t, func(t *testing.T) {
		first = newLab(t, "callee", callee.Script{Ring: 300 * time.Millisecond, Steps: []callee.Step{
			listen(), say("方便"), listen(), say("太贵"), listen(), say("好"), listen(), say("家电"), listen(), pause(20 * time.Second), {Hangup: true}}})
		whole = first.run(t)
		log = first.log
	})
	show(t, whole)
	resumed, ends := 0, map[campaign.Disposition]int{}
	step := len(log) / 6
	if os.Getenv("RINGMASTER_PROVE") != "" {
		step = 1
	}
	for k := 1; k <= len(log); k += step {
		synctest.Test(t, func(t *testing.T) {
			l := alive(t, first, "callee", callee.Script{Steps: []callee.Step{listen(), pause(300 * time.Millisecond), say("好"), listen(), say("好"), listen(), pause(time.Second), {Hangup: true}}})
			before := told(t, l, log[:k])
			if before.state.Phase == Over {
				l.sim.Close()
				return
			}
			o, _ := l.goOn(t, log[:k])
			ends[o.Disposition]++
			if o.Disposition == "" || o.EndedAt.IsZero() || !slices.Contains(o.Degraded, DegradedController) {
				t.Errorf("after input %d (%s): %s (%s), degraded %v", k, log[k-1].Kind, o.Disposition, o.Reason, o.Degraded)
			}
			kept := before.state.Outcome.Turns
			if len(o.Turns) < len(kept) || !slices.EqualFunc(kept, o.Turns[:len(kept)], func(a, b campaign.Turn) bool { return a.Side == b.Side && a.StartMS == b.StartMS }) {
				t.Errorf("after input %d (%s): what was said before is not there as it was", k, log[k-1].Kind)
				show(t, o)
			}
			for i, a := range o.Turns {
				if a.Seq != i+1 {
					t.Errorf("after input %d: turn %d has number %d", k, i+1, a.Seq)
				}
			}
			if p := before.state.Phase; p == Talking {
				resumed++
				if !slices.ContainsFunc(o.Turns[len(kept):], func(x campaign.Turn) bool { return strings.Contains(x.Text, "刚才信号不太好") }) {
					t.Errorf("after input %d (%s): nothing was said about the gap", k, log[k-1].Kind)
					show(t, o)
				}
			}
			got, err := Replay(l.told(o))
			if err != nil {
				t.Fatalf("after input %d (%s): %v", k, log[k-1].Kind, err)
			}
			if d := Differs(o, got.Outcome); d != "" {
				t.Errorf("after input %d (%s): replay decides otherwise: %s", k, log[k-1].Kind, d)
			}
		})
		if t.Failed() {
			return
		}
	}
	if resumed < 3 || step == 1 && resumed < 20 {
		t.Errorf("%d times in the conversation", resumed)
	}
	t.Logf("%d inputs, %d of them in the conversation; ended %v", len(log), resumed, ends)
}

func told(t *testing.T, l *lab, log []Logged) *call {
	t.Helper()
	r, err := Rebuild(l.plan, l.deps, log)
	if err != nil {
		t.Fatal(err)
	}
	r.call.cancel()
	return r.call
}

// cutAt is a log up to the first input of a kind.
func cutAt(t *testing.T, log []Logged, kind Kind) []Logged {
	t.Helper()
	i := slices.IndexFunc(log, func(l Logged) bool { return l.Kind == kind })
	if i < 0 {
		t.Fatalf("no input %s", kind)
	}
	return log[:i+1]
}

func resumeLog(t *testing.T) (*lab, []Logged) {
	t.Helper()
	var l *lab
	synctest.Test(t, func(t *testing.T) {
		l = newLab(t, "callee", callee.Script{Steps: []callee.Step{listen(), say("方便"), listen(), {Hangup: true}}})
		l.run(t)
	})
	return l, l.log
}

// A notice that was cut is said again from its beginning, and a customer who
// asked for peace in the moment of the kill has asked.
func TestWhatWasCutIsSaidAgainAndWhatWasSaidIsHeard(t *testing.T) {
	first, log := resumeLog(t)
	synctest.Test(t, func(t *testing.T) {
		l := alive(t, first, "callee", callee.Script{Steps: []callee.Step{listen(), pause(time.Second), {Hangup: true}}})
		o, _ := l.goOn(t, cutAt(t, log, InLineStarted))
		if o.Disclosure == nil || !o.Disclosure.Complete || !strings.Contains(o.Turns[1].Text, "本次通话将会录音") {
			t.Errorf("the notice was not said whole: %+v %+v", o.Disclosure, o.Turns)
		}
	})
	i := slices.IndexFunc(log, func(l Logged) bool { return l.Kind == InUnderstood })
	if i < 0 {
		t.Fatal("nothing was understood")
	}
	asked := slices.Clone(log[:i]) // its answer never came
	for k, l := range asked {
		if l.Kind == InHeard {
			asked[k].Data = []byte(strings.ReplaceAll(string(l.Data), "方便", "别打了"))
		}
	}
	synctest.Test(t, func(t *testing.T) {
		l := alive(t, first, "callee", callee.Script{Steps: []callee.Step{listen(), pause(20 * time.Second), {Hangup: true}}})
		o, _ := l.goOn(t, asked)
		if o.OptOut == nil || o.Disposition != campaign.OptedOut {
			show(t, o)
			t.Errorf("the wish not to be called any more was lost: %s", o.Disposition)
		}
	})
}

// After half a minute of silence the script says goodbye.
func TestACallThatWasSilentForLongGetsAGoodbye(t *testing.T) {
	first, log := resumeLog(t)
	synctest.Test(t, func(t *testing.T) {
		l := alive(t, first, "callee", callee.Script{Steps: []callee.Step{pause(5 * time.Minute)}})
		l.log = slices.Clone(cutAt(t, log, InHeard))
		r, err := Rebuild(l.plan, l.deps, l.log)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		leg, err := l.sim.Attach(t.Context(), l.plan.Request.ID)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		o := r.Run(t.Context(), leg)
		l.sim.Close()
		if last := o.Turns[len(o.Turns)-1]; o.By != string(pbx.ByLocal) || last.Side != campaign.Us || time.Since(began) > 30*time.Second {
			show(t, o)
			t.Errorf("it took %s", time.Since(began))
		}
		if got, err := Replay(l.told(o)); err != nil || Differs(o, got.Outcome) != "" {
			t.Errorf("replay: %v, %s", err, Differs(o, got.Outcome))
		}
	})
}

// What cannot be told again is not guessed: a log without its beginning, with
// something that is not an input, or in which what decides is masked.
func TestALogThatIsNotWholeIsNotGoneOnWith(t *testing.T) {
	first, log := resumeLog(t)
	synctest.Test(t, func(t *testing.T) {
		masked := slices.Clone(log)
		masked[3].Data = []byte(strings.Replace(string(masked[3].Data), `{"kind"`, `{"masked":true,"kind"`, 1))
		broken := slices.Clone(log)
		broken[2].Data = []byte("{")
		old := slices.Clone(log)
		old[0].Data = []byte(`{"kind":"start","at":0}`)
		for name, l := range map[string][]Logged{"empty": nil, "without its beginning": log[1:], "masked": masked, "broken": broken, "older": old} {
			if _, err := Rebuild(first.plan, first.deps, l); !errors.Is(err, ErrNotWhole) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// The goodbye of a call that cannot go on is heard, and it is hung up.
func TestAbandonedWithAGoodbye(t *testing.T) {
	first, _ := resumeLog(t)
	synctest.Test(t, func(t *testing.T) {
		l := alive(t, first, "callee", callee.Script{Steps: []callee.Step{pause(time.Minute)}})
		heard := errors.New("nothing was said")
		began := time.Now()
		o, err := Abandoned(t.Context(), l.sim, l.plan.Request.ID, l.plan.Attempt, func(ctx context.Context, leg pbx.Leg) {
			heard = Farewell(ctx, leg, l.plan, l.synth, FarewellLine("cmn"), 8*time.Second)
		})
		if err != nil || heard != nil || o.Disposition != campaign.Failed || o.Reason != ReasonDied {
			t.Errorf("%s (%s), %v, goodbye %v", o.Disposition, o.Reason, err, heard)
		}
		if d := time.Since(began); d < time.Second || d > 8*time.Second {
			t.Errorf("it took %s", d)
		}
		l.sim.Close()
		if n := l.synth.Open(); n != 0 {
			t.Errorf("%d syntheses were left open", n)
		}
	})
}
