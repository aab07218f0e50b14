package call

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/lab/twin/callee"
)

const menu = `format: ringmaster/1
id: menu
title: Menu
purpose: service
language: cmn
slots: {code: digits}
limits: {turns: 20, silence: 2, no_match: 2}
disclosure: {say: 本次通话将会录音。}
start: ask
keys: {"9": stop}
nodes:
  ask:
    say: 您要查询订单吗？
    keys_say: 查询订单请按一，结束请按二。
    keys: {"1": code, "2": bye}
    expect:
      - {intent: affirm, goto: code}
      - {intent: deny, goto: bye}
  code:
    say: 请说订单号。
    keys_say: 请输入六位订单号，按井号键结束。
    slots: [code]
    expect:
      - {slot: code, goto: found}
    no_match: {limit: 1, say: 没有听清，请按井号键结束。, then: bye}
  found:
    do: [{tag: found}]
    say: 查到了，已经发货。
    goto: bye
  bye: {say: 再见。, end: completed}
`

func keys(k string) callee.Step { return callee.Step{DTMF: k} }

// Keys are collected (menu, digits to the hash key, digits to a pause), also
// into our sentence; with the recognizer down from the start or in mid-call the
// script goes on as a menu of keys; 9 stops at any time.
func TestRow_T16_KeysAreCollectedAndCarryTheCallWithoutARecognizer(t *testing.T) {
	down := func(l *lab) { l.deps.Recognizer = toneEar{fail: errors.New("refused")} }
	dies := func(l *lab) { l.deps.Recognizer = toneEar{dies: 1} }
	for name, c := range map[string]struct {
		spoil  func(*lab)
		steps  []callee.Step
		says   []string
		slot   string
		want   campaign.Disposition
		silent []string // must not be said
	}{
		"menu and digits":               {nil, []callee.Step{listen(), keys("1"), listen(), keys("123456#")}, []string{"请说订单号。", "查到了"}, "123456", campaign.Completed, []string{"请输入"}},
		"words, then digits":            {nil, []callee.Step{listen(), say("可以"), listen(), keys("123456#")}, []string{"查到了"}, "123456", campaign.Completed, nil},
		"digits without the hash":       {nil, []callee.Step{listen(), keys("1"), listen(), keys("12345"), pause(5 * time.Second)}, []string{"查到了"}, "12345", campaign.Completed, nil},
		"into our sentence":             {nil, []callee.Step{listen(), keys("1"), {BargeIn: 300 * time.Millisecond}, keys("654321#")}, []string{"查到了"}, "654321", campaign.Completed, nil},
		"a key that is none":            {nil, []callee.Step{listen(), keys("7"), listen(), keys("2")}, []string{"再说一遍", "再见。"}, "", campaign.Completed, nil},
		"stop":                          {nil, []callee.Step{listen(), keys("9")}, []string{"不会再给您打电话"}, "", campaign.OptedOut, nil},
		"no recognizer":                 {down, []callee.Step{listen(), keys("1"), listen(), keys("123456#")}, []string{"查询订单请按一", "请输入六位订单号", "查到了"}, "123456", campaign.Completed, []string{"请说订单号"}},
		"no recognizer, stop":           {down, []callee.Step{listen(), keys("9")}, []string{"查询订单请按一", "不会再给您打电话"}, "", campaign.OptedOut, nil},
		"the recognizer dies meanwhile": {dies, []callee.Step{listen(), say("可以"), listen(), say("一二三"), listen(), keys("123456#")}, []string{"请说订单号。", "请输入六位订单号", "查到了"}, "123456", campaign.Completed, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t, "presses", callee.Script{Steps: append(c.steps, listen(), pause(3*time.Second), callee.Step{Hangup: true})})
				sc, err := dialogue.Compile("menu.yaml", []byte(menu))
				if err != nil {
					t.Fatal(err)
				}
				l.plan.Script, l.plan.Customer.Vars = sc, nil
				if c.spoil != nil {
					c.spoil(l)
				}
				o := l.run(t)
				heard := ours(o)
				ok := o.Disposition == c.want && (c.want == campaign.OptedOut) == (o.OptOut != nil) && slices.Contains(o.Tags, "found") == (c.slot != "")
				for _, w := range c.says {
					ok = ok && strings.Contains(heard, w)
				}
				for _, w := range c.silent {
					ok = ok && !strings.Contains(heard, w)
				}
				ok = ok && len(o.Slots["code"]) == len(c.slot) // masked or not, every digit has its place
				if !ok {
					show(t, o)
					t.Errorf("said %s; slots %v", heard, o.Slots)
				}
			})
		})
	}
}
