package call

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/scripts"
)

// wantsPerson asks for a person and stays on the line.
func wantsPerson(t *testing.T, agent callee.Script) *lab {
	l := newLab(t, "wants", callee.Script{Ring: time.Second, Steps: []callee.Step{
		listen(), say("转人工"), listen(), pause(time.Hour)}})
	src, err := fs.ReadFile(scripts.FS(), "education/course_consult.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if l.plan.Script, err = dialogue.Compile("course_consult.yaml", src); err != nil {
		t.Fatal(err)
	}
	l.plan.Customer.Vars = nil
	l.sim.Agent("mei", agent)
	l.plan.Target = func(dialogue.Transfer) (pbx.Target, bool) {
		return pbx.Target{Agent: "mei", Timeout: 10 * time.Second}, true
	}
	return l
}

// When the person hangs up, nobody is left whom the customer could wait for.
func TestHandOverEndsWithThePerson(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wantsPerson(t, callee.Script{Ring: time.Second, Steps: []callee.Step{pause(20 * time.Second), {Hangup: true}}})
		o := l.run(t)
		show(t, o)
		if o.Disposition != campaign.Transferred || o.By != string(pbx.ByLocal) {
			t.Fatalf("%s by %s", o.Disposition, o.By)
		}
		if d := l.sim.Calls("wants")[0].Record.Elapsed; d > time.Minute {
			t.Fatalf("the customer was left alone until %v", d)
		}
	})
}

// A handed-over conversation outlasts the time limit of the script's.
func TestHandOverOutlastsTheScript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wantsPerson(t, callee.Script{Ring: time.Second, Steps: []callee.Step{pause(30 * time.Minute), {Hangup: true}}})
		o := l.run(t)
		if d := o.EndedAt.Sub(o.AnsweredAt); o.Disposition != campaign.Transferred || d < 30*time.Minute {
			t.Fatalf("%s after %v", o.Disposition, d)
		}
	})
}

func TestHandOverThatNobodyTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := wantsPerson(t, callee.Script{Never: true})
		o := l.run(t)
		show(t, o)
		last := o.Turns[len(o.Turns)-1]
		if o.By != string(pbx.ByLocal) || o.Disposition == campaign.Transferred || last.Side != campaign.Us || last.Interrupted {
			t.Fatalf("%s by %s, last turn %+v", o.Disposition, o.By, last)
		}
	})
}

// The controller stops: customer and person talk on. Cancelled: they do not.
func TestShutdownLeavesAHandedOverLeg(t *testing.T) {
	for why, c := range map[string]struct {
		cause error
		legs  bool
	}{"stop": {errors.New("controller stops"), true}, "cancelled": {nil, false}} {
		t.Run(why, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := wantsPerson(t, callee.Script{Ring: time.Second, Steps: []callee.Step{pause(time.Hour)}})
				ctx, cancel := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Minute, func() { cancel(c.cause) })
				o := Run(ctx, l.plan, l.deps)
				legs, err := l.sim.Legs(t.Context())
				if err != nil || o.Disposition != campaign.Transferred || o.EndedAt.IsZero() {
					t.Errorf("%s, %v", o.Disposition, err)
				}
				if alive := len(legs) > 0; alive != c.legs {
					t.Errorf("legs alive: %+v", legs)
				}
				l.sim.Close()
			})
		})
	}
}

// slowSwitch answers an originate long after the call has given up.
type slowSwitch struct{ pbx.Switch }

func (s slowSwitch) Originate(ctx context.Context, r pbx.OriginateRequest) (pbx.Leg, error) {
	leg, err := s.Switch.Originate(ctx, r)
	select {
	case <-time.After(12 * time.Second):
		return leg, err
	case <-ctx.Done():
		return nil, pbx.ErrUnknown
	}
}

// A leg that comes when the call is over is hung up, not forgotten.
func TestALateLegIsHungUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "x", callee.Script{Ring: time.Hour})
		l.deps.Switch = slowSwitch{l.sim}
		l.plan.Request.RingTimeout = time.Minute
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		o := Run(ctx, l.plan, l.deps)
		if legs, _ := l.sim.Legs(t.Context()); len(legs) != 0 {
			t.Errorf("%s, and still there: %+v", o.Disposition, legs)
		}
		l.sim.Close()
	})
}

// talkingState is a call that says its first lines.
func talkingState(t *testing.T) (*rules, State) {
	t.Helper()
	l := newLab(t, "x", callee.Script{})
	l.sim.Close()
	r := &rules{script: l.plan.Script, customer: l.plan.Customer, start: time.Now(), limits: DefaultLimits()}
	s := State{}
	for _, k := range []Kind{InStart, InAnswered, InMediaOpen} {
		s, _ = r.step(s, Input{Kind: k})
	}
	if s.Phase != Talking || !s.Saying {
		t.Fatalf("%s, saying %v", s.Phase, s.Saying)
	}
	return r, s
}

// A queue of the exchange takes the leg and its media away; when nobody comes,
// media is opened anew.
func TestMediaIsReopenedAfterAQueue(t *testing.T) {
	r, s := talkingState(t)
	s.Phase, s.Saying = Transferring, false
	s, _ = r.step(s, Input{Kind: InMediaEnded})
	s, fx := r.step(s, Input{Kind: InTransferEnded, Text: "no_answer"})
	if len(fx) == 0 || fx[0] != (OpenMedia{}) || s.Phase != Talking {
		t.Fatalf("%s: %+v", s.Phase, fx)
	}
	if _, ok := s.Deadline[dlMedia]; !ok {
		t.Error("nobody waits for the media")
	}
}

// An exchange that never says what became of a hand-over does not hold the call.
func TestHandOverWithoutAnswerEnds(t *testing.T) {
	r, s := talkingState(t)
	s.Saying, s.After = false, dialogue.Move{Transfer: &dialogue.Transfer{Timeout: 10 * time.Second}}
	s, _ = r.afterSaid(s)
	at, ok := s.Deadline[dlTransfer]
	if s.Phase != Transferring || !ok {
		t.Fatalf("%s, deadlines %v", s.Phase, s.Deadline)
	}
	s, _ = r.step(s, Input{Kind: InTimer, At: at})
	if s.Phase != Talking {
		t.Fatalf("%s after the deadline", s.Phase)
	}
	// The person comes after all.
	if s, _ = r.step(s, Input{Kind: InBridged, At: at}); s.Phase != HandedOver {
		t.Fatalf("%s when bridged late", s.Phase)
	}
}

// A line that ends in the very moment in which it is stopped has nothing left
// to be resumed: what follows it happens.
func TestResumeOfALineThatHadEnded(t *testing.T) {
	r, s := talkingState(t)
	s.After = dialogue.Move{End: &dialogue.End{Disposition: campaign.Completed, Reason: "done"}}
	s, _ = s.stopSaying()
	last := len(s.Lines) - 1
	s, _ = r.step(s, Input{Kind: InLineEnded, Line: &LineReport{Say: s.SayID, Index: last, Complete: true, Last: true, Heard: "x"}})
	s, fx := r.resume(s)
	for _, e := range fx {
		if _, ok := e.(ResumeSaying); ok {
			t.Fatal("resumed what was over: nothing would ever end it")
		}
	}
	if s.Phase != Releasing && !s.Saying {
		t.Fatalf("%s: what follows the line did not happen", s.Phase)
	}
}

// A late report of the stop is not the end of what was resumed.
func TestLateReportOfAStop(t *testing.T) {
	r, s := talkingState(t)
	id := s.SayID
	s, _ = s.stopSaying()
	s, fx := r.resume(s)
	if e, ok := fx[0].(ResumeSaying); !ok || e.Stopped != id || e.ID == id {
		t.Fatalf("%+v", fx)
	}
	s, _ = r.step(s, Input{Kind: InLineEnded, Line: &LineReport{Say: id, Heard: "您好"}})
	if !s.Saying || s.Suspended {
		t.Fatal("the report of the stop was taken for the end of what goes on")
	}
}

// What the leg threw away without our asking is taken up again.
func TestSilenceNobodyAskedForEnds(t *testing.T) {
	r, s := talkingState(t)
	s, _ = r.step(s, Input{Kind: InLineEnded, Line: &LineReport{Say: s.SayID}})
	at, ok := s.Deadline[dlResume]
	if s.Saying || !ok {
		t.Fatalf("saying %v, deadlines %v", s.Saying, s.Deadline)
	}
	s, fx := r.step(s, Input{Kind: InTimer, At: at})
	if !s.Saying || len(fx) == 0 {
		t.Fatal("the call stays silent")
	}
}

func TestKeyOvertakesWhatIsBeingUnderstood(t *testing.T) {
	r, s := talkingState(t)
	s.Saying, s.Asking, s.AskText, s.AskID = false, true, "方便", 7
	s.set(dlGiveUp, time.Second)
	s.Keys = "0"
	s, _ = r.keysDone(s)
	if _, late := s.Deadline[dlGiveUp]; late || s.Asking || len(s.Outcome.Turns) != 1 || s.Outcome.Turns[0].Text != "方便" {
		t.Fatalf("asking %v, turns %+v", s.Asking, s.Outcome.Turns)
	}
}

func TestACallbackIsDueWhenAskedFor(t *testing.T) {
	r, s := talkingState(t)
	at := r.start.Add(3 * time.Hour)
	for name, c := range map[string]struct {
		at, want time.Time
		out      *campaign.OptOut
	}{
		"later":     {at, at, nil},
		"past":      {r.start.Add(-time.Hour), time.Time{}, nil},
		"opted out": {at, time.Time{}, &campaign.OptOut{}},
	} {
		s := s
		s.Outcome.CallbackAt, s.Outcome.OptOut = c.at, c.out
		if s = r.conclude(s); !s.Outcome.NextTry.Equal(c.want) {
			t.Errorf("%s: due %v", name, s.Outcome.NextTry)
		}
	}
}
