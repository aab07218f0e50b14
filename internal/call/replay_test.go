package call

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/replay"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/scripts"
)

// calleeOf are customers who take different ways through the script: i varies
// when they speak, so that no two calls are alike to the millisecond.
func calleeOf(i int) callee.Script {
	bye := callee.Step{Hangup: true}
	const long = 20 * time.Second
	late := pause(time.Duration(1+i%97) * 7 * time.Millisecond)
	ways := [][]callee.Step{
		{listen(), late, say("方便，你说"), listen(), late, say("好的可以"), listen(), say("食品"), listen(), say("没有了"), listen(), pause(long), bye},
		{listen(), late, say("方便"), listen(), say("太贵"), listen(), say("好"), listen(), late, say("家电"), listen(), pause(long), bye},
		{listen(), late, say("方便"), listen(), late, bye},
		{listen(), late, say("别打了"), listen(), pause(long), bye},
		{listen(), late, pause(60 * time.Second), bye},
		{pause(6 * time.Second), late, say("我要投诉"), listen(), pause(long), bye},
		{{BargeIn: 1500 * time.Millisecond}, late, say("嗯"), listen(), say("方便"), listen(), say("好"), listen(), late, say("日用"), pause(time.Second), bye},
		{late, bye},
		{listen(), late, say("转人工"), listen(), pause(long), bye},
		{listen(), late, say("天气怎么样"), listen(), say("天气怎么样"), listen(), say("天气怎么样"), listen(), pause(long), bye},
	}
	s := callee.Script{Ring: time.Duration(200+i%11*90) * time.Millisecond, Steps: ways[i%len(ways)]}
	switch i % 23 {
	case 21:
		return callee.Script{Reject: 486}
	case 22:
		return callee.Script{Never: true}
	}
	return s
}

// told is what a store would have of a call.
func (l *lab) told(o campaign.Outcome) Told {
	return Told{Script: l.plan.Script, Customer: l.plan.Customer, Zone: l.plan.Attempt.Zone, Limits: l.plan.Limits, Started: o.StartedAt, Inputs: l.log}
}

// Calls on the twin are told again from their logs: the same version decides
// the same, to the last turn and millisecond; a changed one is set beside it,
// and the difference is printed.
func TestRow_M4_ReplayDecidesTheSameAndShowsWhatAChangeDoes(t *testing.T) {
	calls := 24
	if os.Getenv("RINGMASTER_PROVE") != "" {
		calls = 1000
	}
	changed, worded := edited(t, "intent: affirm\n        goto: category", "intent: affirm\n        goto: details"),
		edited(t, "那就不打扰您了，祝您购物愉快，再见。", "祝您购物愉快，再见。")
	var same, moved, words replay.Summary
	seen := map[campaign.Disposition]int{}
	for i := range calls {
		var o campaign.Outcome
		var l *lab
		synctest.Test(t, func(t *testing.T) {
			l = newLab(t, "callee", calleeOf(i))
			l.deps.Recorder = nil
			o = l.run(t)
		})
		seen[o.Disposition]++
		got, err := Replay(l.told(o))
		if err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		if a, b := document(t, o), document(t, got.Outcome); a != b || Differs(o, got.Outcome) != "" {
			t.Fatalf("call %d: replay decided otherwise: %s\n%s\n%s", i, Differs(o, got.Outcome), a, b)
		}
		if got.Opened.IsZero() {
			continue // nobody was talked to
		}
		talk := replay.Talk{Opened: got.Opened, Disposition: o.Disposition}
		for _, h := range got.Heeded {
			talk.Steps = append(talk.Steps, replay.Step(h))
		}
		now := l.plan.Script.(*dialogue.Script)
		for sum, after := range map[*replay.Summary]*dialogue.Script{&same: now, &moved: changed, &words: worded} {
			c, err := replay.Compare(now, after, l.plan.Customer, talk, nil)
			if err != nil {
				t.Fatal(err)
			}
			sum.Add(c)
		}
	}
	if same.Calls == 0 || same.Same != same.Calls {
		t.Errorf("the same version: %s", same)
	}
	if moved.Elsewhere == 0 || moved.Elsewhere == moved.Calls || moved.Forks[[3]string{"offer", "category", "details"}] == 0 {
		t.Errorf("a version with another way: %s", moved)
	}
	if words.Worded == 0 || words.Elsewhere != 0 || words.Ends != 0 {
		t.Errorf("a version with other words: %s", words)
	}
	if len(seen) < 7 {
		t.Errorf("dispositions %v: the calls are too much alike", seen)
	}
	t.Logf("%d calls, every one decided the same by its replay; dispositions %v\nanother way after the offer: %s\nother words: %s", calls, seen, moved, words)
}

func document(t *testing.T, o campaign.Outcome) string {
	t.Helper()
	// Times of the clock are compared as instants: a monotonic reading is not
	// part of what was decided.
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func edited(t *testing.T, from, to string) *dialogue.Script {
	t.Helper()
	src, err := fs.ReadFile(scripts.FS(), "retail/promotion_001.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(src), from) {
		t.Fatalf("the script has no %q", from)
	}
	s, err := dialogue.Compile("promotion_001.yaml", []byte(strings.Replace(string(src), from, to, 1)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A log that is not whole is refused, wherever it was cut or damaged; it never
// crashes the one who reads it.
func TestReplayRefusesALogThatIsNotWhole(t *testing.T) {
	var whole Told
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "callee", calleeOf(0))
		l.deps.Recorder = nil
		whole = l.told(l.run(t))
	})
	for n := range whole.Inputs {
		cut := whole
		cut.Inputs = whole.Inputs[:n]
		if _, err := Replay(cut); !errors.Is(err, ErrNotWhole) {
			t.Fatalf("after %d of %d inputs: %v", n, len(whole.Inputs), err)
		}
	}
	for n := range whole.Inputs { // one is missing, or has lost what it says: anything but a crash
		without := whole
		without.Inputs = append(append([]Logged(nil), whole.Inputs[:n]...), whole.Inputs[n+1:]...)
		_, _ = Replay(without)
		empty := whole
		empty.Inputs = append([]Logged(nil), whole.Inputs...)
		empty.Inputs[n].Data = []byte(`{"kind":"` + string(whole.Inputs[n].Kind) + `"}`)
		_, _ = Replay(empty)
		empty.Inputs[n].Data = []byte("{")
		if _, err := Replay(empty); !errors.Is(err, ErrNotWhole) {
			t.Fatalf("input %d is no JSON: %v", n, err)
		}
	}
}

func FuzzReplay(f *testing.F) {
	f.Add([]byte(`{"kind":"start"}`), []byte(`{"kind":"answered","at":1}`), []byte(`{"kind":"media_open","at":2}`))
	f.Add([]byte(`{"kind":"line_ended","line":{"say":1,"index":-1}}`), []byte(`{"kind":"heard"}`), []byte(`{"kind":"hungup"}`))
	src, err := fs.ReadFile(scripts.FS(), "retail/promotion_001.yaml")
	if err != nil {
		f.Fatal(err)
	}
	sc, err := dialogue.Compile("promotion_001.yaml", src)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, a, b, c []byte) {
		told := Told{Script: sc, Limits: DefaultLimits(), Started: time.Unix(1e9, 0)}
		for _, d := range [][]byte{[]byte(`{"kind":"start"}`), []byte(`{"kind":"answered"}`), []byte(`{"kind":"media_open"}`), a, b, c} {
			var in Input
			_ = json.Unmarshal(d, &in)
			told.Inputs = append(told.Inputs, Logged{Kind: in.Kind, Data: d})
		}
		_, _ = Replay(told)
	})
}
