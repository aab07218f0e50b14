package call

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/pbx"
	"ringmaster/internal/pbx/pbxtest"
)

// A barge-in silences us within 300 ms of the onset, what was heard goes into
// the transcript, and the answer counts.
func TestRow_T14_BargeInSilencesUsAndKeepsWhatWasHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "interrupts", callee.Script{Ring: time.Second, Steps: []callee.Step{
			listen(), say("方便"), {BargeIn: 1200 * time.Millisecond}, say("太贵了"), listen(), pause(time.Second), {Hangup: true}}})
		o := l.run(t)
		show(t, o)
		calls := l.sim.Calls("interrupts")
		if len(calls) != 1 || len(calls[0].Record.BargeIns) != 1 {
			t.Fatalf("%d calls, barge-ins %+v", len(calls), calls[0].Record.BargeIns)
		}
		b := calls[0].Record.BargeIns[0]
		if lag := b.LastAudible - b.Onset; lag > 300*time.Millisecond {
			t.Errorf("our voice went on for %v after the onset", lag)
		}
		cut := false
		for _, turn := range o.Turns {
			if turn.Interrupted {
				cut = true
				if !strings.HasPrefix(turn.Planned, turn.Text) || len(turn.Text) == 0 || len(turn.Text) >= len(turn.Planned) {
					t.Errorf("heard %q of %q", turn.Text, turn.Planned)
				}
				if d := turn.EndMS - turn.StartMS; d < 1200 || d > 1700 {
					t.Errorf("interrupted after %d ms of speech, want about 1200 to 1600", d)
				}
			}
		}
		if got := theirs(o); !cut || len(got) < 2 || got[1] != "太贵了" {
			t.Fatalf("interrupted %v, heard %q", cut, got)
		}
	})
}

// 嗯 into our sentence is no interruption that counts: we go on where we were.
func TestRow_T14_BackchannelResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "nods", callee.Script{Steps: []callee.Step{
			listen(), say("方便"), {BargeIn: 1000 * time.Millisecond}, say("嗯嗯"), listen(), say("不用了"), listen(), pause(time.Second), {Hangup: true}}})
		o := l.run(t)
		show(t, o)
		for _, turn := range o.Turns {
			if turn.Side == campaign.Us && turn.Interrupted {
				t.Errorf("%q was not said to its end after a backchannel", turn.Planned)
			}
		}
		if got := theirs(o); len(got) < 3 || got[1] != "嗯嗯" || got[2] != "不用了" {
			t.Fatalf("heard %q", got)
		}
	})
}

// Sound without words, such as a cough, resumes too.
func TestRow_T14_FalseInterruptionResumes(t *testing.T) {
	noise := murmur(500 * time.Millisecond)
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "coughs", callee.Script{Steps: []callee.Step{
			listen(), say("方便"), {BargeIn: 1000 * time.Millisecond}, {Say: noise}, listen(), say("不用了"), listen(), pause(time.Second), {Hangup: true}}})
		l.deps.Recognizer = toneEar{}
		o := l.run(t)
		show(t, o)
		for _, turn := range o.Turns {
			if turn.Side == campaign.Us && turn.Interrupted && strings.Contains(turn.Planned, "满两百元") {
				t.Errorf("%q was not resumed", turn.Planned)
			}
		}
	})
}

// murmur is a voice without words: harmonics of a gliding pitch under two
// moving formants.
func murmur(d time.Duration) []int16 {
	out := make([]int16, int64(d)*callee.Rate/int64(time.Second))
	phase := 0.0
	for i := range out {
		at := float64(i) / callee.Rate
		pitch := 130 + 40*math.Sin(2*math.Pi*2.5*at)
		phase += 2 * math.Pi * pitch / callee.Rate
		f1, f2 := 500+200*math.Sin(2*math.Pi*3*at), 1500+400*math.Cos(2*math.Pi*4*at)
		var v float64
		for h := 1.0; h*pitch < 3400; h++ {
			f := h * pitch
			v += (math.Exp(-math.Pow((f-f1)/250, 2)) + 0.5*math.Exp(-math.Pow((f-f2)/300, 2))) * math.Sin(h*phase)
		}
		out[i] = int16(3000 * v * (0.6 + 0.4*math.Sin(2*math.Pi*5*at)))
	}
	return out
}

// The disclosure is protected: speech does not cut it, a stop word does.
func TestRow_T14_ProtectedLineIsNotInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "early", callee.Script{Steps: []callee.Step{
			{BargeIn: 400 * time.Millisecond}, say("喂你好啊"), listen(), say("方便"), listen(), {Hangup: true}}})
		o := l.run(t)
		show(t, o)
		if o.Disclosure == nil || !o.Disclosure.Complete {
			t.Fatal("speech cut the disclosure")
		}
	})
}

func TestRow_S15_StopWordsEndTheCallAndOptOut(t *testing.T) {
	for _, words := range []string{"别打了", "以后不要再给我打电话了"} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, "stops", callee.Script{Steps: []callee.Step{
				listen(), say("方便"), {BargeIn: 800 * time.Millisecond}, say(words), listen(), pause(10 * time.Second)}})
			o := l.run(t)
			show(t, o)
			if o.Disposition != campaign.OptedOut || o.OptOut == nil || o.By != string(pbx.ByLocal) {
				t.Fatalf("disposition %s, opt-out %+v, ended by %s", o.Disposition, o.OptOut, o.By)
			}
			b := l.sim.Calls("stops")[0].Record.BargeIns[0]
			if lag := b.LastAudible - b.Onset; lag > 1500*time.Millisecond {
				t.Errorf("our voice went on for %v", lag)
			}
		})
	}
}

// A stop word that comes during the disclosure silences even that.
func TestRow_S15_StopWordCutsTheDisclosure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "stops", callee.Script{Steps: []callee.Step{{BargeIn: 300 * time.Millisecond}, say("别打了"), listen(), pause(10 * time.Second)}})
		o := l.run(t)
		show(t, o)
		if o.Disposition != campaign.OptedOut || o.OptOut == nil {
			t.Fatalf("disposition %s, opt-out %+v", o.Disposition, o.OptOut)
		}
	})
}

func TestRow_T15_SilenceEndsPolitely(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "mute", callee.Script{Steps: []callee.Step{pause(10 * time.Minute)}})
		o := l.run(t)
		show(t, o)
		if o.Disposition != campaign.NoInput {
			t.Fatalf("disposition %s", o.Disposition)
		}
		rec := l.sim.Calls("mute")[0].Record
		if rec.Elapsed > 90*time.Second {
			t.Fatalf("a silent customer was held for %v", rec.Elapsed)
		}
	})
}

func TestCalleeHangsUpInMidSentence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "leaves", callee.Script{Steps: []callee.Step{listen(), say("方便"), {BargeIn: time.Second}, {Hangup: true}}})
		o := l.run(t)
		show(t, o)
		last := o.Turns[len(o.Turns)-1]
		if o.Disposition != campaign.HungUp || !last.Interrupted || last.Side != campaign.Us {
			t.Fatalf("%s, last turn %+v", o.Disposition, last)
		}
	})
}

func TestProvidersThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		spoil    func(l *lab)
		degraded string
		want     campaign.Disposition
	}{
		"recognizer is down":      {func(l *lab) { l.deps.Recognizer = toneEar{fail: errors.New("refused")} }, "asr", ""},
		"voice is down":           {func(l *lab) { l.synth.Fail = errors.New("no voice") }, "tts", campaign.Failed},
		"voice breaks in a line":  {func(l *lab) { l.synth.BreakAfter, l.synth.Break = time.Second, errors.New("cut") }, "tts", ""},
		"understanding is down":   {func(l *lab) { l.deps.Understander = echoNLU{fail: errors.New("down")} }, "nlu", ""},
		"understanding is silent": {func(l *lab) { l.deps.Understander = echoNLU{delay: time.Hour} }, "nlu", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, "x", callee.Script{Steps: []callee.Step{listen(), say("方便"), listen(), say("好的"), listen(), pause(time.Minute), {Hangup: true}}})
				c.spoil(l)
				o := l.run(t)
				show(t, o)
				if len(o.Degraded) == 0 || o.Degraded[0] != c.degraded {
					t.Errorf("degraded %v, want %s", o.Degraded, c.degraded)
				}
				if c.want != "" && o.Disposition != c.want {
					t.Errorf("disposition %s", o.Disposition)
				}
				if o.By != string(pbx.ByLocal) {
					t.Errorf("ended by %s: a call with a broken provider must be closed politely by us", o.By)
				}
				if gap := l.sim.Calls("x")[0].Record.LongestGap; gap > 100*time.Millisecond {
					t.Errorf("the line was dead for %v", gap)
				}
			})
		})
	}
}

func TestExchangeFaults(t *testing.T) {
	talks := callee.Script{Ring: time.Second, Steps: []callee.Step{listen(), say("方便"), listen(), say("不用了"), listen(), pause(5 * time.Second), {Hangup: true}}}
	t.Run("nothing was sent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, "x", talks)
			l.sim.Fail("originate", pbxtest.Fault{Err: pbx.ErrUnavailable})
			if o := l.run(t); o.NeverSent == "" || o.NextTry.IsZero() {
				t.Fatalf("%+v", o)
			}
		})
	})
	t.Run("answer lost, call placed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, "x", talks)
			l.sim.Fail("originate", pbxtest.Fault{Err: pbx.ErrUnknown, Done: true})
			o := l.run(t)
			show(t, o)
			if n := len(l.sim.Calls("x")); n != 1 || len(theirs(o)) != 2 {
				t.Fatalf("%d rings, %d turns", n, len(o.Turns))
			}
		})
	})
	t.Run("answer lost, nothing there", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, "x", talks)
			l.sim.Fail("originate", pbxtest.Fault{Err: pbx.ErrUnknown})
			if o := l.run(t); o.Disposition != campaign.Uncertain || o.NeverSent != "" {
				t.Fatalf("%+v", o)
			}
		})
	})
	t.Run("link away for a moment", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, "x", talks)
			time.AfterFunc(3*time.Second, func() { l.sim.CutLink(errors.New("cut")) })
			time.AfterFunc(6*time.Second, l.sim.RestoreLink)
			o := l.run(t)
			show(t, o)
			if len(theirs(o)) != 2 || o.Disposition == campaign.Failed {
				t.Fatalf("%s: %d turns", o.Disposition, len(o.Turns))
			}
		})
	})
	t.Run("exchange restarts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, "x", talks)
			time.AfterFunc(4*time.Second, l.sim.Restart)
			o := l.run(t)
			show(t, o)
			if o.Disposition != campaign.Failed || o.EndedAt.IsZero() {
				t.Fatalf("%s (%s)", o.Disposition, o.Reason)
			}
		})
	})
}

func TestShutdownHangsUpFirst(t *testing.T) {
	for _, after := range []time.Duration{10 * time.Millisecond, 500 * time.Millisecond, 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, "x", callee.Script{Ring: time.Second, Steps: []callee.Step{pause(time.Hour)}})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(after, cancel)
			o := l.runCtx(t, ctx)
			if o.Disposition != campaign.Withdrawn || o.By != string(pbx.ByLocal) {
				t.Fatalf("after %v: %s by %s", after, o.Disposition, o.By)
			}
		})
	}
}

// A spoken number is nowhere in what leaves the call: outcome, notes, log.
func TestSpokenNumbersDoNotLeaveTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "talks", callee.Script{Steps: []callee.Step{
			listen(), say("方便"), listen(), say("我的卡号是六二二二零二一二三四五"), listen(), say("不用了"), listen(), pause(time.Second), {Hangup: true}}})
		o := l.run(t)
		show(t, o)
		all := strings.Join(theirs(o), " ")
		for _, n := range l.notes {
			if n.Turn != nil {
				all += n.Turn.Text
			}
		}
		for _, in := range l.log {
			all += string(in.Data)
		}
		if strings.Contains(all, "六二二二") || strings.Contains(all, "一二三四五") {
			t.Errorf("a number left the call: %s", all)
		}
		if !strings.Contains(all, "卡号是***") {
			t.Error("the masked turn is missing")
		}
	})
}
