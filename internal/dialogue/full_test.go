package dialogue

import (
	"strings"
	"testing"
	"time"

	"ringmaster/internal/campaign"
)

// full uses every field at least once.
const full = `format: ringmaster/1
id: full
title: 全
industry: finance
purpose: collections
language: yue
voices: {yue: mei, cmn: ling}
confidence: 0.6
hotwords: [信用卡, 还款]
variables: {owed: amount}
slots: {why: {kind: enum, values: {lost: [失业, 冇工做], ill: [生病]}}, amount: amount}
limits: {turns: 30, duration: 90s, visits: 4, silence_after: 4s, max_speech: 15s, callback_after: 30m}
disclosure: {say: {yue: 通话会录音。, cmn: 通话将会录音。}, voice: fa}
start: route
handover: {agent: "800"}
lines: {no_match: {yue: [听唔清。, 再讲。], cmn: 没听清。}}
globals:
  who_is_this: {say: 我系银行。, goto: return}
  thanks: {say: 唔使客气。, goto: stay}
  hardship: {keywords: [失业, 冇工做], set: {why: lost}, do: [{tag: hardship}], goto: detour}
  not_interested: {when: turns > 99, end: completed}
objections: {price: {intent: price_objection, rounds: [{yue: 息口好低。}], goto: ask, set: {why: ill}, do: [{tag: price}], keywords: [好贵]}}
keys: {"1": ask, "2": {say: 多谢。, end: {reason: key}}, "3": complaint}
grade: [{grade: F, when: disposition == "complaint"}, {grade: B}]
nodes:
  route:
    route:
      - {when: vars.owed > 1000, say: 数目唔细。, goto: ask}
      - {goto: ask}
  ask:
    voice: leng
    say: {yue: ["欠{{owed}}，几时还？", 几时还？], cmn: 什么时候还？}
    expecting: open
    endpoint: 900ms
    min_barge_in: 300ms
    silence_after: 7s
    max_speech: 30s
    hotwords: {失业: 30}
    slots: [why, amount]
    keys: {"4": detour}
    expect:
      - {slot: amount, when: slots.amount >= 100, do: [{webhook: paid}, {ticket: check}, {callback: later}, {grade: A}], say: "收到{{amount ?? 0}}。", end: {disposition: completed, reason: promised}}
      - {slot: amount, goto: repeat}
      - {intent: [affirm, unsure], transfer: {queue: vip, timeout: 10s}}
      - {intent: deny, end: {disposition: opted_out, reason: refused}}
    no_match: {limit: 3, say: [一。, {yue: 二。}], then: {transfer: true}}
    silence: {limit: 1, say: 喂？, then: {end: no_input}}
  detour:
    aside: true
    say: 明白你嘅难处。
    goto: return
`

func TestEveryField(t *testing.T) {
	s := compile(t, full)
	c := Customer{ID: "1", Language: "yue", Vars: map[string]any{"owed": "5000"}}
	st, mv := s.Start(c, at())
	if mv.Lines[0].Voice != "fa" || mv.Lines[0].Language != "yue" {
		t.Errorf("%+v", mv.Lines)
	}
	st, mv = s.Next(st, Input{Kind: Said}, at())
	if len(mv.Lines) != 2 || mv.Lines[0].Text != "数目唔细。" || mv.Lines[0].Voice != "mei" || mv.Lines[1].Text != "欠5000元，几时还？" || mv.Lines[1].Voice != "leng" || !strings.Contains(mv.Reason, "because vars.owed > 1000") {
		t.Fatalf("%+v", mv)
	}
	l := mv.Listen
	if l.Endpoint != 900*time.Millisecond || l.MinBargeIn != 300*time.Millisecond || l.Silence != 7*time.Second || l.MaxSpeech != 30*time.Second || l.Hotwords["失业"] != 30 || l.Hotwords["信用卡"] != 10 || l.Hotwords["生病"] != 10 || l.Expecting != ExpectOpen {
		t.Errorf("%+v", l)
	}
	after := func(ins ...Input) (State, Move) {
		t.Helper()
		x, m := st, mv
		for _, in := range ins {
			x, m = s.Next(x, in, at())
		}
		return x, m
	}
	slot := func(text, name, value string) Input {
		in := heard(text, "")
		in.Answer.Slots = append(in.Answer.Slots, struct {
			Name, Value, Text string
			Start, End        int
		}{name, value, text, 0, len(text)})
		return in
	}
	if x, m := after(slot("五百", "amount", "500")); m.End == nil || m.End.Reason != "promised" || x.Grade != "A" || len(m.Actions) != 5 || m.Lines[0].Text != "收到500元。" {
		t.Errorf("%+v", m)
	}
	if x, m := after(slot("五十", "amount", "50")); x.Node != "ask" || len(m.Lines) != 2 || m.Lines[1].ID != "ask.0" {
		t.Errorf("repeat: %+v", m)
	}
	if _, m := after(heard("得", "affirm")); m.Transfer == nil || m.Transfer.Queue != "vip" || m.Transfer.Timeout != 10*time.Second {
		t.Errorf("%+v", m)
	}
	if _, m := after(heard("唔还", "deny")); m.End == nil || m.End.Disposition != campaign.OptedOut || m.Actions[0].Kind != "opt_out" {
		t.Errorf("an author's opt-out is one too: %+v", m)
	}
	if x, m := after(heard("你边位", "who_is_this")); x.Node != "ask" || len(m.Lines) != 2 || m.Lines[0].Text != "我系银行。" {
		t.Errorf("%+v", m)
	}
	if x, m := after(heard("我冇工做", "hardship")); x.Node != "ask" || m.Lines[0].Text != "明白你嘅难处。" || x.Slots["why"] != "lost" || x.Tags[0] != "hardship" {
		t.Errorf("there and back: %+v", m)
	}
	if x, m := after(heard("好贵", "price_objection")); x.Node != "ask" || m.Lines[0].Text != "息口好低。" || x.Tags[0] != "price" || len(m.Lines) != 2 {
		t.Errorf("%+v", m)
	}
	if _, m := after(heard("没兴趣", "not_interested")); m.End != nil || m.Lines[0].Text != "一。" {
		t.Errorf("a global whose condition fails is none: %+v", m)
	}
	x := st
	for i, want := range []string{"一。", "二。", "二。", ""} {
		var m Move
		if x, m = s.Next(x, heard("石头", ""), at()); want != "" && m.Lines[0].Text != want || want == "" && (m.Transfer == nil || m.Transfer.Agent != "800") {
			t.Errorf("no match %d: %+v", i+1, m)
		}
	}
	if _, m := after(Input{Kind: Silence}, Input{Kind: Silence}); m.End == nil || m.End.Disposition != campaign.NoInput {
		t.Errorf("%+v", m)
	}
	for key, want := range map[string]string{"1": "ask", "4": "ask"} {
		if x, _ := after(Input{Kind: KeysPressed, Digits: key}); x.Node != want || x.Visits["ask"] != 2 {
			t.Errorf("key %s: %+v", key, x)
		}
	}
	if _, m := after(Input{Kind: KeysPressed, Digits: "2"}); m.End == nil || m.End.Reason != "key" {
		t.Errorf("%+v", m)
	}
	if x, m := after(Input{Kind: KeysPressed, Digits: "3"}); m.End == nil || m.End.Disposition != campaign.Complaint || x.Grade != "F" {
		t.Errorf("%+v", m)
	}
	if _, m := after(Input{Kind: KeysPressed, Digits: "8"}); m.Lines[0].Text != "一。" {
		t.Errorf("%+v", m)
	}
	if x, m := after(heard("回头再打", "callback"), heard("随便", "unsure")); m.End == nil || x.End.Reason != "callback" || !m.Actions[0].At.Equal(at().Add(30*time.Minute)) {
		t.Errorf("%+v", m)
	}
	if _, m := after(Input{Kind: Heard, Text: "好", At: 90_000}); m.End == nil || m.End.Reason != "max_duration" {
		t.Errorf("%+v", m)
	}
	// In Mandarin what has no Mandarin is said in the script's own language.
	c.Language = "cmn"
	_, mv = chat(t, s, c, Input{Kind: Said})
	if mv.Lines[0].Language != "yue" || mv.Lines[1].Text != "什么时候还？" || mv.Lines[1].Language != "cmn" {
		t.Errorf("%+v", mv.Lines)
	}
	if f := s.Filler(st); f.Text == "" || f.Language != "yue" || !f.Fixed {
		t.Errorf("%+v", f)
	}
}

// With the recognizer down nodes that take no keys end politely, whichever
// way they are entered.
func TestDeafOnTheWay(t *testing.T) {
	src := strings.Replace(small, `keys: {"5": bye}`, `keys: {"5": bye, "6": ask}`, 1)
	s := compile(t, src)
	_, mv := chat(t, s, customer(), Input{Kind: Said}, heard("不行", "deny"), Input{Kind: Deaf}, Input{Kind: KeysPressed, Digits: "6"})
	if mv.End == nil || mv.End.Reason != "deaf" || len(mv.Lines) != 1 || mv.Lines[0].ID != "line.deaf.0" {
		t.Errorf("%+v", mv)
	}
	// Before the notice has been heard: with no keys to answer by, at once.
	if _, mv = chat(t, s, customer(), Input{Kind: Deaf}); mv.End == nil || !mv.Lines[0].Fixed {
		t.Errorf("%+v", mv)
	}
}
