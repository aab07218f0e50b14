package dialogue

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/nlu"
)

const small = `format: ringmaster/1
id: small
title: Small
purpose: service
language: cmn
variables:
  name: {type: name}
  amount: {type: amount, required: true}
  due: {type: datetime, default: "2026-10-02T10:00"}
  tier: {type: enum, values: [gold, silver], default: silver}
slots:
  code: digits
  visit: datetime
limits: {turns: 6, duration: 2m, silence: 2, no_match: 2}
handover: {queue: sales, agent: "1001", timeout: 15s, failed: ask}
disclosure:
  say: {cmn: 本次通话将会录音。, en: This call is recorded.}
start: ask
keys: {"0": human, "9": stop}
lines:
  stop: 好的，{{amount}}的事以后不再打扰，再见。
nodes:
  ask:
    say: {cmn: "您欠的{{amount}}，{{due|when}}可以还吗？", en: "Can you pay {{amount}}?"}
    again: 可以还吗？
    expecting: yes_no
    expect:
      - intent: affirm
        goto: terms
      - intent: deny
        when: vars.tier == "gold"
        goto: gold
      - intent: deny
        goto: code
  terms:
    protected: true
    say: 请注意还款日期。
    expect:
      - intent: affirm
        goto: bye
      - any: true
        goto: bye
  gold:
    say: 您是金卡会员。
    goto: bye
  code:
    say: 请说四位验证码。
    slots: [code]
    keys: {"5": bye}
    expect:
      - slot: code
        goto: bye
    keys_say: 请按四位验证码，按井号键结束。
  bye:
    say: 再见。
    end: {disposition: completed, reason: done}
`

func compile(t testing.TB, src string) *Script {
	t.Helper()
	s, err := Compile("small.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func customer() Customer {
	return Customer{ID: "7", Name: "张三", Language: "cmn", Vars: map[string]any{"amount": 1024.5, "gender": "男"}}
}

func at() time.Time {
	return time.Date(2026, 10, 1, 14, 0, 0, 0, time.FixedZone("CST", 8*3600))
}

// chat plays inputs and gives the last state and move.
func chat(t testing.TB, s *Script, c Customer, ins ...Input) (State, Move) {
	t.Helper()
	st, mv := s.Start(c, at())
	for i, in := range ins {
		in.At = int64(i) * 1000
		st, mv = s.Next(st, in, at())
	}
	return st, mv
}

func heard(text string, i nlu.Intent) Input {
	return Input{Kind: Heard, Text: text, Answer: nlu.Answer{Intent: i, Confidence: 0.9}}
}

func TestInfo(t *testing.T) {
	i := compile(t, small).Info()
	if i.ID != "small" || len(i.Version) != 64 || i.Purpose != campaign.Service || i.Language != "cmn" || i.Turns != 6 || i.Duration != 2*time.Minute {
		t.Errorf("%+v", i)
	}
	if got := fmt.Sprint(i.Languages, i.Nodes, i.Disclosure); got != "[cmn en] [ask terms gold code bye]本次通话将会录音。" {
		t.Error(got)
	}
	if len(i.Variables) != 4 || i.Variables[0].Name != "amount" || !i.Variables[0].Required {
		t.Errorf("%+v", i.Variables)
	}
	if j := compile(t, small+"\n# a comment\n").Info(); j.Version == i.Version {
		t.Error("another source has the same version")
	}
}

func TestMissing(t *testing.T) {
	s := compile(t, small)
	if m := s.Missing(customer()); len(m) != 0 {
		t.Error(m)
	}
	for _, vars := range []map[string]any{nil, {"amount": "a lot"}, {"amount": nil}, {"amount": ""}, {"amount": []int{1}}, {"amount": "1e999"}} {
		if m := s.Missing(Customer{ID: "1", Vars: vars}); len(m) != 1 || !strings.HasPrefix(m[0], "amount: ") {
			t.Errorf("%v: %v", vars, m)
		}
	}
	// A customer who lacks a value hears nothing rather than nonsense.
	_, mv := chat(t, s, Customer{ID: "1"})
	if mv.End == nil || mv.End.Disposition != campaign.Failed || mv.End.Reason != "missing_variable" || len(mv.Lines) != 0 {
		t.Errorf("%+v", mv)
	}
}

func TestPrompts(t *testing.T) {
	s := compile(t, small)
	ids := func(lines []Line) string {
		var out []string
		for _, l := range lines {
			if !strings.HasPrefix(l.ID, "line.") && !strings.HasPrefix(l.ID, "global.") && l.ID[0] != '_' {
				out = append(out, l.ID)
			}
		}
		return strings.Join(out, " ")
	}
	if got := ids(s.Prompts(Customer{})); got != "ask.again.0 bye.0 code.0 code.keys_say.0 disclosure.0 disclosure.0.en gold.0 terms.0" {
		t.Error(got)
	}
	if got := ids(s.Prompts(customer())); got != "ask.again.0 bye.0 code.0 code.keys_say.0 disclosure.0 gold.0 terms.0" {
		t.Error(got) // ask.0 speaks of tomorrow
	}
	day := s.PromptsAt(customer(), at())
	if got := ids(day); !strings.HasPrefix(got, "ask.0 ") {
		t.Error(got)
	}
	_, mv := chat(t, s, customer(), Input{Kind: Said})
	for _, l := range day {
		if l.ID == mv.Lines[0].ID && !reflect.DeepEqual(l, mv.Lines[0]) {
			t.Errorf("what is warmed is not what is said: %+v %+v", l, mv.Lines[0])
		}
	}
}

func TestStartAndSaid(t *testing.T) {
	s := compile(t, small)
	st, mv := s.Start(customer(), at())
	if len(mv.Lines) != 1 || !mv.Lines[0].Disclosure || !mv.Lines[0].Protected || st.Disclosed || mv.Node != "disclosure" {
		t.Fatalf("%+v", mv)
	}
	st, mv = s.Next(st, Input{Kind: Said}, at())
	if !st.Disclosed || mv.Node != "ask" || mv.Lines[0].Text != "您欠的1024.50元，明天上午10点可以还吗？" {
		t.Fatalf("%+v", mv)
	}
	if l := mv.Listen; l.Expecting != ExpectYesNo || l.Silence != 6*time.Second || l.Keys.Max != 1 || len(l.Expect) < 10 {
		t.Errorf("%+v", l)
	}
	q := s.Question(st, "好的")
	if q.Node != "ask" || q.Script != "small" || q.Said != "好的" || !q.Now.Equal(at()) || len(q.Expect) != len(mv.Listen.Expect) {
		t.Errorf("%+v", q)
	}
}

// A Said that names another line is an old one.
func TestStaleSaid(t *testing.T) {
	s := compile(t, small)
	st, _ := s.Start(customer(), at())
	st, mv := s.Next(st, Input{Kind: Said, HeardLine: "other.0"}, at())
	if st.Disclosed || len(mv.Lines) != 0 {
		t.Fatalf("%+v", mv)
	}
	if st, _ = s.Next(st, Input{Kind: Said, HeardLine: "disclosure.0"}, at()); !st.Disclosed {
		t.Fatal("the right one counts")
	}
}

// What is heard during the notice waits for its end.
func TestHeldWhileDisclosing(t *testing.T) {
	s := compile(t, small)
	_, mv := chat(t, s, customer(), heard("我在开会", "busy"), Input{Kind: Said})
	if mv.Node != "_callback" || len(mv.Lines) != 1 {
		t.Fatalf("%+v", mv)
	}
}

// The author's words may hold business; before the notice ours are said.
func TestClosingWordsBeforeTheNotice(t *testing.T) {
	s := compile(t, small)
	_, before := chat(t, s, customer(), heard("别打了", ""))
	_, after := chat(t, s, customer(), Input{Kind: Said}, heard("别打了", ""))
	if strings.Contains(before.Lines[0].Text, "1024") || !before.Lines[0].Fixed {
		t.Errorf("%+v", before.Lines)
	}
	if !strings.Contains(after.Lines[0].Text, "1024.50元") || after.Lines[0].Fixed {
		t.Errorf("%+v", after.Lines)
	}
	if before.End.Disposition != campaign.OptedOut || after.End.Disposition != campaign.OptedOut {
		t.Error("both are opt-outs")
	}
}

// An opt-out said into our goodbye still counts.
func TestStopAfterTheEnd(t *testing.T) {
	s := compile(t, small)
	st, mv := chat(t, s, customer(), Input{Kind: Said}, heard("不行", "deny"), Input{Kind: KeysPressed, Digits: "5"})
	if mv.End == nil || mv.End.Reason != "done" {
		t.Fatalf("%+v", mv)
	}
	st, mv = s.Next(st, heard("以后别打了", ""), at())
	if mv.End == nil || mv.End.Disposition != campaign.OptedOut || mv.Actions[0].Kind != "opt_out" {
		t.Fatalf("%+v", mv)
	}
	if _, mv = s.Next(st, heard("我要投诉", ""), at()); mv.End.Disposition != campaign.OptedOut || len(mv.Lines) != 0 {
		t.Fatalf("once is enough: %+v", mv)
	}
}

func TestConditionsAndLanguages(t *testing.T) {
	s := compile(t, small)
	c := customer()
	c.Vars["tier"] = "gold"
	if _, mv := chat(t, s, c, Input{Kind: Said}, heard("不行", "deny")); mv.Lines[0].ID != "gold.0" {
		t.Errorf("%+v", mv)
	}
	c.Language = "en"
	_, mv := chat(t, s, c, Input{Kind: Said})
	if mv.Lines[0].Language != "en" || mv.Lines[0].Text != "Can you pay 1024.50 yuan?" {
		t.Errorf("%+v", mv.Lines)
	}
	// A node without English is said in the script's language, at the same node.
	if _, mv = chat(t, s, c, Input{Kind: Said}, heard("no", "deny")); mv.Lines[0].Language != "cmn" {
		t.Errorf("%+v", mv.Lines)
	}
	c.Language = "yue" // the notice is not written in it
	if st, _ := s.Start(c, at()); st.Language != "cmn" {
		t.Error(st.Language)
	}
}

func TestHistoryBranches(t *testing.T) {
	src := strings.Replace(small, "    say: {cmn: \"您欠的", "    skip:\n      - when: any(history, .disposition == \"completed\" and .days < 30 and \"paid\" in .tags)\n        goto: bye\n    say: {cmn: \"您欠的", 1)
	s := compile(t, src)
	c := customer()
	c.History = []Past{{At: at().AddDate(0, 0, -10), Disposition: campaign.Completed, Tags: []string{"paid"}}}
	if _, mv := chat(t, s, c, Input{Kind: Said}); mv.Lines[0].ID != "bye.0" || !strings.Contains(mv.Reason, `ask.skip.1 because any(history`) {
		t.Errorf("%+v", mv)
	}
	c.History[0].At = at().AddDate(0, -2, 0)
	if _, mv := chat(t, s, c, Input{Kind: Said}); mv.Lines[0].ID != "ask.0" {
		t.Errorf("%+v", mv)
	}
}

func TestTransferGoesOnWhenItFails(t *testing.T) {
	s := compile(t, small)
	st, mv := chat(t, s, customer(), Input{Kind: Said}, heard("转人工", ""))
	if mv.Transfer == nil || mv.Transfer.Queue != "sales" || mv.Transfer.Agent != "1001" || mv.Transfer.Timeout != 15*time.Second || len(mv.Lines) != 1 {
		t.Fatalf("%+v", mv)
	}
	for _, in := range []Input{{Kind: Said}, heard("喂", ""), {Kind: Silence}} {
		if st, mv = s.Next(st, in, at()); mv.Transfer == nil {
			t.Fatalf("the transfer is lost after %s: %+v", in.Kind, mv)
		}
	}
	st, _ = s.Next(st, Input{Kind: TransferFailed, Reason: "no answer"}, at())
	if st.Node != "ask" || st.Phase != Talking {
		t.Fatalf("%+v", st)
	}
}

func TestKeys(t *testing.T) {
	s := compile(t, small)
	toCode := []Input{{Kind: Said}, heard("不行", "deny")}
	st, mv := chat(t, s, customer(), toCode...)
	if mv.Listen.Expecting != ExpectDigits || mv.Listen.Keys != (Keys{Max: 20, End: '#', Timeout: 3 * time.Second}) {
		t.Errorf("%+v", mv.Listen)
	}
	for digits, want := range map[string]string{"1234#": "bye", "5": "bye", "9": "code", "0": "code"} {
		st2, mv := s.Next(st, Input{Kind: KeysPressed, Digits: digits}, at())
		if st2.Node != want {
			t.Errorf("%s leads to %s (%s)", digits, st2.Node, mv.Reason)
		}
		switch digits {
		case "1234#":
			if st2.Slots["code"] != "1234" {
				t.Errorf("%v", st2.Slots)
			}
		case "9":
			if mv.End == nil || mv.Actions[0].Value != "dtmf" {
				t.Errorf("%+v", mv)
			}
		case "0":
			if mv.Transfer == nil {
				t.Errorf("%+v", mv)
			}
		}
	}
	// With the recognizer down a node that takes keys goes on with keys.
	st, mv = s.Next(st, Input{Kind: Deaf}, at())
	if mv.End != nil || mv.Lines[0].ID != "code.keys_say.0" {
		t.Fatalf("%+v", mv)
	}
	if _, mv = s.Next(st, Input{Kind: KeysPressed, Digits: "88"}, at()); mv.End == nil || mv.End.Reason != "done" {
		t.Fatalf("%+v", mv)
	}
}

func TestVariantsAreSticky(t *testing.T) {
	src := strings.Replace(small, "    say: 再见。\n", "    say: [再见一。, 再见二。, 再见三。]\n", 1)
	s := compile(t, src)
	seen := map[string]int{}
	for i := range 300 {
		c := customer()
		c.ID = fmt.Sprint(i)
		ins := []Input{{Kind: Said}, heard("不行", "deny"), {Kind: KeysPressed, Digits: "5"}}
		_, a := chat(t, s, c, ins...)
		_, b := chat(t, s, c, ins...)
		if !reflect.DeepEqual(a.Lines[0], b.Lines[0]) {
			t.Fatal("the same customer hears another variant")
		}
		seen[a.Lines[0].ID]++
	}
	for id, n := range seen {
		if n < 60 || len(seen) != 3 {
			t.Errorf("%s is said to %d of 300", id, n)
		}
	}
}

// T14: protected lines, signs of listening, and going on where we were.
func TestRow_T14_ProtectedNodeAndResume(t *testing.T) {
	s := compile(t, small)
	st, mv := chat(t, s, customer(), Input{Kind: Said})
	ask := mv.Lines[0]
	half := string([]rune(ask.Text)[:6])

	// A sign of listening in mid-sentence: go on where we were.
	st2, mv := s.Next(st, Input{Kind: Heard, Text: "嗯", Answer: nlu.Answer{Intent: "affirm", Confidence: 0.9}, HeardLine: ask.ID, HeardText: half}, at())
	if !mv.Resume || len(mv.Lines) != 0 || st2.Node != "ask" || st2.Turns != 0 {
		t.Errorf("%+v", mv)
	}
	// Noise without words: the same.
	if _, mv := s.Next(st, Input{Kind: Heard, HeardLine: ask.ID, HeardText: half}, at()); !mv.Resume {
		t.Errorf("%+v", mv)
	}
	// The same word when the question has nearly been said is the answer.
	if st3, mv := s.Next(st, Input{Kind: Heard, Text: "嗯", Answer: nlu.Answer{Intent: "affirm", Confidence: 0.9}, HeardLine: ask.ID, HeardText: ask.Text}, at()); mv.Resume || st3.Node != "terms" {
		t.Errorf("%+v", mv)
	}
	// Real words interrupt: what was begun is not resumed.
	if st3, mv := s.Next(st, Input{Kind: Heard, Text: "不行", Answer: nlu.Answer{Intent: "deny", Confidence: 0.9}, HeardLine: ask.ID, HeardText: half}, at()); mv.Resume || st3.Node != "code" {
		t.Errorf("%+v", mv)
	}

	// A protected line goes on whatever is said, and is not answered early.
	st, mv = s.Next(st, heard("可以", "affirm"), at())
	if len(mv.Lines) != 1 || !mv.Lines[0].Protected || !st.Guarded {
		t.Fatalf("%+v", mv)
	}
	for _, in := range []Input{heard("好的", "affirm"), {Kind: KeysPressed, Digits: "5"}} {
		if st2, mv := s.Next(st, in, at()); st2.Node != "terms" || len(mv.Lines) != 0 || mv.End != nil {
			t.Errorf("%+v", mv)
		}
	}
	in := heard("等下", "hold_on")
	in.HeardLine = mv.Lines[0].ID
	if _, mv := s.Next(st, in, at()); !mv.Resume {
		t.Errorf("cut short by a false alarm it should go on: %+v", mv)
	}
	if _, mv := s.Next(st, heard("别打了", ""), at()); mv.End == nil || mv.End.Disposition != campaign.OptedOut {
		t.Errorf("a stop word ends it: %+v", mv)
	}
	st, _ = s.Next(st, Input{Kind: Said}, at())
	if st, mv = s.Next(st, heard("好的", "affirm"), at()); mv.End == nil || st.Node != "bye" {
		t.Errorf("after its end the answer counts: %+v", mv)
	}
}

// T15: silence, no match, turns and duration are limited, each with its words.
func TestRow_T15_SilenceNoMatchMaxTurns(t *testing.T) {
	s := compile(t, small)
	say := func(mv Move) string {
		var out []string
		for _, l := range mv.Lines {
			out = append(out, strings.TrimRight(l.ID, "0123456789"))
		}
		return strings.Join(out, " ")
	}
	run := func(in Input, want ...string) Move {
		t.Helper()
		st, mv := chat(t, s, customer(), Input{Kind: Said})
		for i, w := range want {
			st, _ = s.Next(st, Input{Kind: Said}, at())
			if st, mv = s.Next(st, in, at()); say(mv) != w {
				t.Errorf("%s %d: says %q, want %q (%s)", in.Kind, i+1, say(mv), w, mv.Reason)
			}
			if (mv.End != nil) != (i == len(want)-1) {
				t.Errorf("%s %d: end %+v", in.Kind, i+1, mv.End)
			}
		}
		return mv
	}
	if mv := run(Input{Kind: Silence}, "line.silence.", "line.silence. ask.again.", "line.no_input."); mv.End.Disposition != campaign.NoInput {
		t.Errorf("%+v", mv.End)
	}
	if mv := run(heard("石头剪刀布", ""), "line.no_match.", "line.no_match. ask.again.", "line.not_understood."); mv.End.Disposition != campaign.NotUnderstood {
		t.Errorf("%+v", mv.End)
	}
	// An answer in between begins the count anew.
	st, mv := chat(t, s, customer(), Input{Kind: Said}, heard("石头", ""), heard("剪刀", ""), heard("你是谁", "who_is_this"), heard("布", ""))
	if mv.End != nil || st.NoMatch != 1 {
		t.Errorf("%+v %+v", st.NoMatch, mv.End)
	}
	// Six turns, then the end, however well they are understood.
	st, _ = chat(t, s, customer(), Input{Kind: Said})
	turns := 0
	for mv = (Move{}); mv.End == nil; turns++ {
		st, mv = s.Next(st, heard("你是谁", "who_is_this"), at())
	}
	if turns != 7 || mv.End.Reason != "max_turns" || say(mv) != "line.max_turns." {
		t.Errorf("%d turns, %+v %s", turns, mv.End, say(mv))
	}
	// Two minutes, told by the call or by the time of an input.
	for _, in := range []Input{{Kind: TimeUp}, {Kind: Heard, Text: "好", At: 120_000}} {
		st, _ := chat(t, s, customer(), Input{Kind: Said})
		if _, mv := s.Next(st, in, at()); mv.End == nil || mv.End.Reason != "max_duration" || say(mv) != "line.time_up." {
			t.Errorf("%+v", mv)
		}
	}
	if st, mv := s.Next(st, Input{Kind: Said, At: 119_000}, at()); mv.End == nil || st.Phase != Ended {
		t.Errorf("ended is ended: %+v", mv)
	}
}

func TestErrorsAre(t *testing.T) {
	_, err := Compile("x.yaml", []byte("format: ringmaster/1\n"))
	var p Problems
	if !errors.Is(err, ErrScript) || !errors.As(err, &p) || len(p) < 5 || p[0].File != "x.yaml" {
		t.Errorf("%v", err)
	}
}

func BenchmarkNext(b *testing.B) {
	s := compile(b, small)
	st, _ := chat(b, s, customer(), Input{Kind: Said})
	in, now := heard("可以的，没有问题", "affirm"), at()
	b.ReportAllocs()
	for b.Loop() {
		s.Next(st, in, now)
	}
}
