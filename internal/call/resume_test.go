package call

import (
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
