package call

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/nlu"
	"ringmaster/internal/redact"
	"ringmaster/internal/speech"
)

func msOf(samples int64) time.Duration { return time.Duration(samples) * time.Second / 8000 }

// byChar gives a word time for every character.
func byChar(u tone.Utterance) []speech.Word {
	var out []speech.Word
	for _, c := range u.Chars {
		out = append(out, speech.Word{Text: c.Text, Start: msOf(c.Start), End: msOf(c.End)})
	}
	return out
}

// silenced applies what a recording is published with.
func (l *lab) silenced() (them, us []int16) {
	them, us = append(them, l.tape.them...), append(us, l.tape.us...)
	for _, s := range l.tape.p.Silence {
		for _, leg := range []struct {
			side    campaign.Side
			samples []int16
		}{{campaign.Them, them}, {campaign.Us, us}} {
			if s.Leg == "" || s.Leg == leg.side {
				clear(leg.samples[min(int64(len(leg.samples)), s.FromMS*8):min(int64(len(leg.samples)), s.ToMS*8)])
			}
		}
	}
	return them, us
}

// decoded is what can be read of a leg.
func decoded(t *testing.T, samples []int16) string {
	t.Helper()
	us, err := tone.DecodeAll(samples, 8000)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, u := range us {
		b.WriteString(u.Text + "/")
	}
	return b.String()
}

// The interval of a masked word is silent on both legs with 200 ms either side,
// to the sample, and what is around it is untouched.
func TestRow_M6_TheIntervalOfAMaskedNumberIsSilentInTheRecording(t *testing.T) {
	const said = "方便您请记一下手机号是13812345678就这个谢谢您了好吗"
	for _, c := range []struct {
		name  string
		words func(tone.Utterance) []speech.Word
		whole bool
	}{
		{"word times", byChar, false},
		{"no word times", nil, true},
		{"words of another text", func(u tone.Utterance) []speech.Word {
			w := byChar(u)
			w[2].Text = "另"
			return w
		}, true},
		{"times out of order", func(u tone.Utterance) []speech.Word {
			w := byChar(u)
			w[5], w[9] = speech.Word{Text: w[5].Text, Start: w[9].Start, End: w[9].End}, speech.Word{Text: w[9].Text, Start: w[5].Start, End: w[5].End}
			return w
		}, true},
		{"times of another utterance", func(u tone.Utterance) []speech.Word {
			w := byChar(u)
			for i := range w {
				w[i].Start, w[i].End = w[i].Start+5*time.Second, w[i].End+5*time.Second
			}
			return w
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, "tells", callee.Script{Ring: time.Second, Steps: []callee.Step{listen(), say(said), listen(), pause(time.Second), {Hangup: true}}})
				l.deps.Recognizer = toneEar{words: c.words}
				o := l.run(t)
				if len(o.Recordings) != 1 || l.tape.p.Withhold != "" {
					t.Fatalf("%+v, withheld %q", o.Recordings, l.tape.p.Withhold)
				}
				raw, err := tone.DecodeAll(l.tape.them, 8000)
				if err != nil || len(raw) != 1 || raw[0].Text != said {
					t.Fatalf("the recording before: %v %v", raw, err)
				}
				digits, first, last := 0, int64(-1), int64(0)
				for _, ch := range raw[0].Chars {
					if ch.Text[0] >= '0' && ch.Text[0] <= '9' {
						if digits++; first < 0 {
							first = ch.Start
						}
						last = ch.End
					}
				}
				if digits != 11 {
					t.Fatalf("%d digits", digits)
				}
				if c.whole {
					first, last = raw[0].Start, raw[0].End
				}
				const margin, slack = 1600, 200 // 200 ms; and 25 ms for rounding
				them, us := l.silenced()
				for i := max(0, first-margin+slack); i < min(int64(len(them)), last+margin-slack); i++ {
					if them[i] != 0 || us[i] != 0 {
						t.Fatalf("sample %d is not silent (%d, %d): the number is at %d to %d, silences %v", i, them[i], us[i], first, last, l.tape.p.Silence)
					}
				}
				for i := range them {
					if n := int64(i); (n < first-margin-slack || n > last+margin+slack) && (them[i] != l.tape.them[i] || us[i] != l.tape.us[i]) {
						t.Fatalf("sample %d was touched: the number is at %d to %d, silences %v", i, first, last, l.tape.p.Silence)
					}
				}
				if got := decoded(t, them); strings.ContainsAny(got, "0123456789") {
					t.Errorf("the recording still says %q", got)
				} else if !c.whole && !strings.Contains(got, "方便您请记") {
					t.Errorf("of the rest is left %q", got)
				}
			})
		})
	}
}

// A recognizer that dies leaves nothing readable of what it no longer heard.
func TestWhatNobodyRecognizedIsSilent(t *testing.T) {
	for name, ear := range map[string]toneEar{"dies": {dies: 1, words: byChar}, "never came": {fail: speech.ErrUnavailable}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, "tells", callee.Script{Ring: time.Second, Steps: []callee.Step{listen(), say("方便"), pause(300 * time.Millisecond), say("13812345678"), listen(), pause(time.Second), {Hangup: true}}})
				l.deps.Recognizer = ear
				l.run(t)
				them, us := l.silenced()
				if got := decoded(t, them); strings.ContainsAny(got, "0123456789") {
					t.Errorf("the recording still says %q; silences %v", got, l.tape.p.Silence)
				}
				if got := decoded(t, us); got != decoded(t, l.tape.us) {
					t.Errorf("our own side was touched: %q", got)
				}
			})
		})
	}
}

// Word times are the leg's, the file has another clock when audio was lost.
func TestAMomentOfTheLegIsFoundInTheFile(t *testing.T) {
	k := &take{rate: 8000, blind: -1}
	for _, w := range []struct{ pos, n int64 }{{1600, 8000}, {9600, 8000}, {17600 + 160000, 800}, {17600 + 160800, 800}} {
		k.writing(w.pos)
		k.filed += w.n
	}
	if len(k.places) != 2 {
		t.Fatalf("%v", k.places)
	}
	for at, want := range map[time.Duration]time.Duration{
		0: 0, 200 * time.Millisecond: 0, 1200 * time.Millisecond: time.Second, 2200 * time.Millisecond: 2 * time.Second,
		10 * time.Second: 2 * time.Second, 22200 * time.Millisecond: 2 * time.Second, 22250 * time.Millisecond: 2050 * time.Millisecond,
	} {
		if got := k.fileTime(at); got != want {
			t.Errorf("%v of the leg is at %v of the file, want %v", at, got, want)
		}
	}
}

// Numbers over several turns are silent from their first digit, our own reading
// back too; a slot that expects a number is silent as long as it is open; and a
// partial result that no final replaced counts as a whole turn.
func TestSilencesOfAConversation(t *testing.T) {
	sec := func(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
	k := &take{rate: 8000, offset: sec(0.1), blind: -1}
	k.writing(0)
	k.filed = 8000 * 100
	k.hears(speech.Result{Text: "幺三", Final: true, Start: sec(1), End: sec(1.5)}, sec(2))
	k.hears(speech.Result{Text: "八一二三四五六七八", Final: true, Start: sec(3), End: sec(5)}, sec(5.5))
	k.hears(speech.Result{Text: "没别的了谢谢您再见", Final: true, Start: sec(12), End: sec(13)}, sec(13.5))
	k.hears(speech.Result{Text: "卡号六二二二零二", Start: sec(20), End: sec(22)}, sec(22))
	st := State{Outcome: campaign.Outcome{Turns: []campaign.Turn{
		{Seq: 1, Side: campaign.Us, Text: "您的号码是13812345678对吗", StartMS: 7000, EndMS: 9000},
		{Seq: 2, Side: campaign.Us, Text: "本次通话将会录音，客服热线95533", StartMS: 100, EndMS: 700},
	}, Disclosure: &campaign.Disclosure{Text: "本次通话将会录音，客服热线95533"}}}
	q := newQuiet([]*take{k})
	q.mask(redact.New(), st, func(time.Duration) string { return "" })
	q.slot(openSlot{from: sec(30), asked: sec(32), to: sec(34)})
	got := fmt.Sprint(q.merged()[0])
	want := "[{800 1701 } {2800 5201 } {6500 9301 } {19800 22201 } {31900 34301 } {29500 34301 them}]"
	if got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// Whatever goes wrong, nothing is published.
func TestAMaskerThatFailsWithholdsTheRecording(t *testing.T) {
	c := &call{takes: []*take{{tracks: &tape{}, places: []place{{}}, blind: -1}}}
	c.state.Outcome.Turns = []campaign.Turn{{Seq: 1, Side: campaign.Us, Text: "13812345678"}}
	c.masks = newMasks(nil)
	all, err := c.silences()
	if err == nil {
		t.Fatalf("a recording without a rate gave %v", all)
	}
	c.log = newCall(Plan{}, Deps{}).log
	c.publish()
	if p := c.takes[0].tracks.(*tape).p; p.Withhold == "" {
		t.Error("it was published")
	}
}

// What a slot expects decides what is masked in turns, slots and the log.
func TestASlotMasksFromItsFirstDigit(t *testing.T) {
	st := State{Phase: Talking, Listen: dialogue.Listen{Slots: []nlu.SlotSpec{{Name: "cvv", Kind: "code"}}}}
	st.theyTurn("三九二", "", 1)
	st.Outcome.Slots = map[string]string{"cvv": "392", "day": "周一"}
	st.Listen = dialogue.Listen{Slots: []nlu.SlotSpec{{Name: "order", Kind: "order"}}}
	st.theyTurn("20231001123456", "", 1)
	m := newMasks(nil)
	o := m.outcome(st)
	if o.Turns[0].Text != "***" || o.Slots["cvv"] != "***" || o.Slots["day"] != "周一" || o.Turns[1].Text != "20231001123456" {
		t.Errorf("%+v %v", o.Turns, o.Slots)
	}
	st.Listen = dialogue.Listen{Expecting: dialogue.ExpectDigits}
	in := m.input(Input{Kind: InHeard, Result: &speech.Result{Text: "三九二", Final: true}}, st)
	if in.Result.Text != "***" {
		t.Errorf("the log sees %q", in.Result.Text)
	}
}

// A provider outside is told what a sink may see, in the conversation so far;
// who understands in the house hears what was said.
func TestWhatLeavesTheHouseToBeUnderstoodIsMasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, "tells", callee.Script{Ring: time.Second, Steps: []callee.Step{listen(), say("方便，我的手机是13812345678"), listen(), pause(time.Second), {Hangup: true}}})
		asked := &asking{Understander: l.deps.Understander}
		l.deps.Understander = asked
		l.run(t)
		if len(asked.all) == 0 || !strings.Contains(asked.all[0].Said, "13812345678") || asked.all[0].Masked != "方便，我的手机是***********" {
			t.Errorf("%+v", asked.all)
		}
	})
}

type asking struct {
	nlu.Understander
	all []nlu.Question
}

func (a *asking) Understand(ctx context.Context, q nlu.Question) (nlu.Answer, error) {
	a.all = append(a.all, q)
	return a.Understander.Understand(ctx, q)
}
