package turn

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

const ms = time.Millisecond

func at(kind InputKind, when time.Duration) Input {
	in := Input{Kind: kind, Now: when, At: when}
	switch kind {
	case InSpeechStart:
		in.Now += 100 * ms
	case InBargeIn:
		in.Now += 160 * ms
	case InSpeechEnd:
		in.Now += 200 * ms
	}
	return in
}

func words(when time.Duration, text string) Input {
	return Input{Kind: InWords, Now: when, Text: text}
}

func final(when time.Duration, text string) Input {
	return Input{Kind: InWords, Now: when, Text: text, Final: true}
}

func playing(when, length time.Duration) Input {
	return Input{Kind: InPlaying, Now: when, Length: length}
}

// converse folds inputs in order, with a tick at every deadline in between,
// until the given time.
func converse(t testing.TB, p Policy, until time.Duration, in ...Input) (s State, out []Decision, when []time.Duration) {
	t.Helper()
	step := func(i Input) {
		var d []Decision
		s, d = Step(s, p, i)
		for range d {
			when = append(when, i.Now)
		}
		out = append(out, d...)
	}
	for _, i := range append(in, Input{Kind: InTick, Now: until}) {
		for range 100 {
			due, ok := s.Deadline(p)
			if !ok || due >= i.Now {
				break
			}
			before := s
			step(Input{Kind: InTick, Now: due})
			if reflect.DeepEqual(before, s) {
				t.Fatalf("a tick at the deadline %v changes nothing: %+v", due, s)
			}
		}
		step(i)
	}
	return s, out, when
}

// story is one conversation and the verdicts that it must give, in order,
// each as "verdict" or "verdict@ms".
type story struct {
	name   string
	policy Policy
	in     []Input
	until  time.Duration
	want   string
	text   string // of the last decision
}

func (c story) check(t *testing.T) {
	t.Helper()
	if c.until == 0 {
		c.until = 20 * time.Second
	}
	_, out, when := converse(t, c.policy, c.until, c.in...)
	var got []string
	for i, d := range out {
		got = append(got, string(d.Verdict)+"@"+when[i].String())
	}
	if s := strings.Join(got, " "); s != c.want {
		t.Errorf("\n got %s\nwant %s", s, c.want)
	}
	if len(out) > 0 && out[len(out)-1].Text != c.text {
		t.Errorf("text %q, want %q", out[len(out)-1].Text, c.text)
	}
}

// A tick far in the future only, so that NoInput does not blur a story.
var patient = Policy{NoInput: time.Hour}

func TestRow_T14_Interruption(t *testing.T) {
	open := patient
	yesno := Policy{Expect: YesNo, NoInput: time.Hour}
	confirm := Policy{Mode: Confirm, NoInput: time.Hour}
	own := Policy{NoInput: time.Hour, Backchannels: []string{"阿弥陀佛"}}
	protected := Policy{Protected: true, NoInput: time.Hour}
	for _, c := range []story{
		{"a real interruption", open, []Input{
			playing(0, 5*time.Second), at(InSpeechStart, 1000*ms), at(InBargeIn, 1000*ms), words(1400*ms, "等"), words(1600*ms, "等一下"),
			at(InSpeechEnd, 2000*ms), final(2300*ms, "等一下。"),
		}, 0, "yield@1.16s take@1.4s end_of_turn@2.63s", "等一下。"},
		{"a backchannel: we go on", open, []Input{
			playing(0, 5*time.Second), at(InBargeIn, 1000*ms), words(1350*ms, "嗯"), at(InSpeechEnd, 1300*ms), final(1600*ms, "嗯嗯,对。"),
		}, 0, "yield@1.16s resume@1.6s", "嗯嗯,对。"},
		{"a backchannel without a final: we go on after a moment", open, []Input{
			playing(0, 5*time.Second), at(InBargeIn, 1000*ms), words(1350*ms, "uh-huh"), at(InSpeechEnd, 1300*ms),
		}, 0, "yield@1.16s resume@2s", "uh-huh"},
		{"a cough: no words, we go on", open, []Input{
			playing(0, 5*time.Second), at(InBargeIn, 1000*ms), at(InSpeechEnd, 1400*ms),
		}, 0, "yield@1.16s resume@2.1s", ""},
		{"a noise that does not stop, without words", open, []Input{
			playing(0, 5*time.Second), at(InBargeIn, 1000*ms),
		}, 0, "yield@1.16s resume@3.5s", ""},
		{"words that come late stop the going on", open, []Input{
			playing(0, 5*time.Second), at(InBargeIn, 1000*ms), at(InSpeechEnd, 1400*ms), words(2000*ms, "你是谁"), final(2500*ms, "你是谁?"),
		}, 0, "yield@1.16s take@2s end_of_turn@2.5s", "你是谁?"},
		{"backchannel first, then more", open, []Input{
			playing(0, 5*time.Second), at(InBargeIn, 1000*ms), words(1350*ms, "好的"), words(1700*ms, "好的不用了"), at(InSpeechEnd, 2000*ms), final(2200*ms, "好的,不用了。"),
		}, 0, "yield@1.16s take@1.7s end_of_turn@2.63s", "好的,不用了。"},
		{"speaking again cancels the going on", open, []Input{
			playing(0, 5*time.Second), at(InBargeIn, 1000*ms), at(InSpeechEnd, 1300*ms), at(InSpeechStart, 1800*ms), words(2400*ms, "我说不要"), at(InSpeechEnd, 2600*ms), final(2900*ms, "我说不要。"),
		}, 0, "yield@1.16s take@2.4s end_of_turn@3.23s", "我说不要。"},
		{"the script's own backchannel", own, []Input{
			playing(0, 5*time.Second), at(InBargeIn, 1000*ms), at(InSpeechEnd, 1500*ms), final(1900*ms, "阿弥陀佛"),
		}, 0, "yield@1.16s resume@1.9s", "阿弥陀佛"},
		{"yes into the end of the question is the answer", yesno, []Input{
			playing(0, 4*time.Second), at(InBargeIn, 3500*ms), words(3900*ms, "对"), at(InSpeechEnd, 3900*ms), final(4200*ms, "对。"),
		}, 0, "yield@3.66s take@3.9s end_of_turn@4.2s", "对。"},
		{"yes in the middle of it is none", yesno, []Input{
			playing(0, 4*time.Second), at(InBargeIn, 1500*ms), words(1900*ms, "对"), at(InSpeechEnd, 1900*ms), final(2200*ms, "对。"),
		}, 0, "yield@1.66s resume@2.2s", "对。"},
		{"protected: not interrupted at all", protected, []Input{
			playing(0, 5*time.Second), at(InSpeechStart, 1000*ms), at(InBargeIn, 1000*ms), words(1400*ms, "不要"), at(InSpeechEnd, 2000*ms), final(2300*ms, "不要。"),
		}, 4 * time.Second, "", ""},
		{"confirm: talks over a backchannel", confirm, []Input{
			playing(0, 5*time.Second), at(InBargeIn, 1000*ms), words(1350*ms, "嗯"), at(InSpeechEnd, 1300*ms), final(1600*ms, "嗯。"),
		}, 4 * time.Second, "", ""},
		{"confirm: yields to words", confirm, []Input{
			playing(0, 5*time.Second), at(InBargeIn, 1000*ms), words(1350*ms, "我不要"), at(InSpeechEnd, 1600*ms), final(1800*ms, "我不要。"),
		}, 0, "yield@1.35s take@1.35s end_of_turn@2.23s", "我不要。"},
	} {
		t.Run(c.name, c.check)
	}
}

func TestRow_T15_SilenceAndTooLong(t *testing.T) {
	for _, c := range []story{
		{"nothing said", Policy{NoInput: 5 * time.Second}, []Input{playing(0, 2*time.Second), at(InPlayed, 2*time.Second)},
			0, "no_input@7s", ""},
		{"nothing said, by default", Policy{}, []Input{playing(0, 2*time.Second), at(InPlayed, 2*time.Second)},
			0, "no_input@8s", ""},
		{"speaking stops the clock", Policy{NoInput: 3 * time.Second}, []Input{playing(0, 2*time.Second), at(InPlayed, 2*time.Second),
			at(InSpeechStart, 4800*ms), words(5600*ms, "我想想"), at(InSpeechEnd, 6*time.Second), final(6300*ms, "我想想。")},
			0, "end_of_turn@6.63s", "我想想。"},
		{"a turn without end", Policy{MaxSpeech: 8 * time.Second}, []Input{playing(0, 2*time.Second), at(InPlayed, 2*time.Second),
			at(InSpeechStart, 3*time.Second), words(5*time.Second, "话说从前"), words(9*time.Second, "话说从前有座山")},
			0, "too_long@11s", "话说从前有座山"},
		{"sound without words is a turn without text", Policy{}, []Input{playing(0, 2*time.Second), at(InPlayed, 2*time.Second),
			at(InSpeechStart, 3*time.Second), at(InSpeechEnd, 4*time.Second)},
			0, "end_of_turn@5.6s", ""},
		{"words that the ear did not notice", Policy{Expect: YesNo}, []Input{playing(0, 2*time.Second), at(InPlayed, 2*time.Second),
			final(3*time.Second, "是")}, 0, "end_of_turn@3.4s", "是"},
		{"talk well before the end of our utterance is not an answer", Policy{Protected: true, NoInput: 5 * time.Second}, []Input{playing(0, 6*time.Second),
			at(InSpeechStart, 1*time.Second), at(InSpeechEnd, 2*time.Second), final(2300*ms, "喂喂"), at(InPlayed, 6*time.Second)},
			0, "no_input@11s", ""},
	} {
		t.Run(c.name, c.check)
	}
}

func TestEndOfTurnDependsOnWhatIsExpected(t *testing.T) {
	said := func(text string, last ...Input) []Input {
		return append([]Input{playing(0, time.Second), at(InPlayed, time.Second), at(InSpeechStart, 2*time.Second), words(2500*ms, text),
			at(InSpeechEnd, 3*time.Second)}, last...)
	}
	fin := func(text string, ended bool) Input {
		return Input{Kind: InWords, Now: 3250 * ms, Text: text, Final: true, Ended: ended}
	}
	for _, c := range []story{
		{"yes or no, partial only: a moment for the final", Policy{Expect: YesNo}, said("是的"), 0, "end_of_turn@3.4s", "是的"},
		{"yes or no, final", Policy{Expect: YesNo}, said("是的", fin("是的。", false)), 0, "end_of_turn@3.28s", "是的。"},
		{"choice", Policy{Expect: Choice}, said("明天上午"), 0, "end_of_turn@3.6s", "明天上午"},
		{"open", Policy{}, said("我想问一下"), 0, "end_of_turn@3.9s", "我想问一下"},
		{"open, final and the recognizer agrees", Policy{}, said("我想问一下", fin("我想问一下。", true)), 0, "end_of_turn@3.45s", "我想问一下。"},
		{"digits wait through the pauses", Policy{Expect: Digits}, said("三七二", fin("372", true)), 0, "end_of_turn@4.5s", "372"},
		{"digits complete", Policy{Expect: Digits, Count: 4}, said("三七二八", fin("3728", false)), 0, "end_of_turn@3.4s", "3728"},
		{"a trailing filler", Policy{}, said("我觉得那个"), 0, "end_of_turn@4.4s", "我觉得那个"},
		{"a trailing filler in English", Policy{}, said("I wanted to ask, um"), 0, "end_of_turn@4.4s", "I wanted to ask, um"},
		{"a filler inside a word is none", Policy{}, said("that was a blunder"), 0, "end_of_turn@3.9s", "that was a blunder"},
		{"pausing only: the turn goes on", Policy{}, said("我要", at(InSpeechStart, 3600*ms), words(4200*ms, "我要一个"), at(InSpeechEnd, 4500*ms), final(4700*ms, "我要一个。")),
			0, "end_of_turn@5.13s", "我要一个。"},
		{"going on after the turn was thought to be over", Policy{Expect: YesNo}, said("是的", fin("是的。", false), at(InSpeechStart, 3500*ms), words(4000*ms, "但是我要想想"), at(InSpeechEnd, 4400*ms), final(4600*ms, "但是我要想想。")),
			0, "end_of_turn@3.28s reopened@3.6s end_of_turn@4.68s", "是的。但是我要想想。"},
	} {
		t.Run(c.name, c.check)
	}
}

func TestBackchannelWords(t *testing.T) {
	var p Policy
	for text, want := range map[string]bool{
		"嗯": true, "嗯嗯。": true, "对对对": true, "好的,好的。": true, "嗯,是的": true, "OK": true, "Uh-huh.": true, "Mm-hmm, right.": true, "係呀": true,
		"哦好的知道了": true, "": false, "。": false, "不": false, "对不起": false, "好贵": false, "是吗": false, "别打了": false, "okay stop": false, "嗯不用": false,
	} {
		if got := p.Backchannel(text, false); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
	for text, want := range map[string]bool{"嗯": true, "哦": true, "对": false, "好的": false, "yes": false, "uh-huh": true} {
		if got := p.Backchannel(text, true); got != want {
			t.Errorf("into a question, %q: %v", text, got)
		}
	}
	if p.Backchannel(strings.Repeat("嗯", 1000), false) {
		t.Error("a thousand words are no backchannel")
	}
}

func TestResumeAt(t *testing.T) {
	text := "您好,我是小李。您的账单是3,620.5元, please pay."
	for _, c := range []struct {
		heard int
		want  string
	}{
		{0, text}, {3, text}, {len("您好,"), "我是小李。您的账单是3,620.5元, please pay."}, {len("您好,我是"), "我是小李。您的账单是3,620.5元, please pay."},
		{len("您好,我是小李。您的账单是3,620.5"), "您的账单是3,620.5元, please pay."}, {len(text), ""}, {1 << 30, ""}, {-5, text},
		{len("您好,我是小李。您的账单是3,620.5元, pl"), "please pay."},
	} {
		if got := text[ResumeAt(text, c.heard):]; got != c.want {
			t.Errorf("heard %d: %q, want %q", c.heard, got, c.want)
		}
	}
}

// A call is replayed from its log: state and inputs survive JSON between any
// two steps.
func TestStateAndInputsArePlain(t *testing.T) {
	in := []Input{playing(0, 5*time.Second), at(InBargeIn, 1000*ms), words(1350*ms, "好的"), words(1700*ms, "好的不用了"), at(InSpeechEnd, 2000*ms), final(2200*ms, "好的,不用了。"), {Kind: InTick, Now: 9 * time.Second}}
	var a, b State
	var da, db []Decision
	for _, i := range in {
		var d []Decision
		a, d = Step(a, patient, i)
		da = append(da, d...)
		var s State
		var j Input
		roundTrip(t, b, &s)
		roundTrip(t, i, &j)
		b, d = Step(s, patient, j)
		db = append(db, d...)
	}
	if !reflect.DeepEqual(a, b) || !reflect.DeepEqual(da, db) || len(da) != 3 {
		t.Errorf("%+v %+v\n%+v %+v", a, da, b, db)
	}
}

func roundTrip(t testing.TB, from, to any) {
	t.Helper()
	b, err := json.Marshal(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, to); err != nil {
		t.Fatal(err)
	}
}

// FuzzStep drives the judgement with arbitrary inputs: it never panics, keeps
// its text bounded, and a deadline that has passed is always acted upon.
func FuzzStep(f *testing.F) {
	f.Add([]byte{0, 10, 4, 20, 5, 30, 3, 40, 6, 250}, "嗯,等一下", uint8(0))
	f.Add([]byte{0, 1, 1, 1, 2, 9, 5, 9, 3, 9, 6, 255}, "三七二八 um...", uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, text string, mode uint8) {
		kinds := []InputKind{InPlaying, InPlayed, InSpeechStart, InSpeechEnd, InBargeIn, InWords, InTick, InTone, "?"}
		p := Policy{Expect: []Expect{YesNo, Choice, Open, Digits}[mode&3], Protected: mode&4 != 0, Backchannels: []string{text}, Count: int(mode >> 5)}
		if len(b) > 400 || len(text) > 400 {
			return
		}
		if mode&8 != 0 {
			p.Mode = Confirm
		}
		var s State
		var now time.Duration
		for i, v := range b {
			now += time.Duration(v) * 5 * ms
			in := Input{Kind: kinds[int(v)%len(kinds)], Now: now, At: now - time.Duration(i%7)*40*ms, Final: v&16 != 0, Ended: v&32 != 0, Length: time.Duration(v) * 30 * ms}
			if in.Kind == InWords {
				in.Text = text[:int(v)%(len(text)+1)]
			}
			s, _ = Step(s, p, in)
			if len(s.Said()) > 2*maxSaid+2 {
				t.Fatalf("%d bytes of text", len(s.Said()))
			}
			if at, ok := s.Deadline(p); ok && at <= now {
				t.Fatalf("deadline %v has passed at %v: %+v", at, now, s)
			}
			if k := ResumeAt(text, int(v)); k < 0 || k > len(text) {
				t.Fatalf("resume at %d of %d", k, len(text))
			}
		}
	})
}
