package dialogue

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"ringmaster/internal/nlu"
)

const wholeScript = `format: ringmaster/1
id: whole
title: t
purpose: service
language: cmn
hotwords: {处方药: 20}
variables:
  plan: {type: text, hotword: true}
  city: {type: text}
  agent: {type: name}
disclosure: {say: {cmn: 我是智能语音助手，本次通话将会录音。}}
slots:
  part: {kind: enum, values: {head: [头部], chest: [胸部]}}
start: ask
nodes:
  ask:
    say: {cmn: "要检查哪里？"}
    hotwords: {CT检查: 30, 处方药: 40}
    slots: [part]
    expect:
      - {slot: part, goto: bye}
      - {intent: ask_price, keywords: [多少钱], examples: [做一次要花多少], goto: bye}
      - {keywords: [改天], goto: bye}
  bye:
    say: {cmn: 再见。}
    end: completed
`

func TestExpectationsAndHotwordsOfTheWholeScript(t *testing.T) {
	s, err := Compile("whole.yaml", []byte(wholeScript))
	if err != nil {
		t.Fatal(err)
	}
	got := s.Expectations()
	for _, want := range []nlu.Expectation{
		{Intent: "ask_price", Keywords: []string{"多少钱"}, Examples: []string{"做一次要花多少"}},
		{Intent: "ask_3", Keywords: []string{"改天"}},
	} {
		if !slices.ContainsFunc(got, func(e nlu.Expectation) bool { return reflect.DeepEqual(e, want) }) {
			t.Errorf("%+v is missing in %+v", want, got)
		}
	}
	if !reflect.DeepEqual(got, s.Expectations()) {
		t.Error("the order changes")
	}
	hot := s.Hotwords()
	if hot["CT检查"] != 30 || hot["处方药"] != 40 || hot["胸部"] == 0 {
		t.Errorf("%v", hot)
	}
	if s.Info().Hotwords["处方药"] != 20 {
		t.Error("the script's own hotwords were changed")
	}
}

func TestHotwordsOfACustomer(t *testing.T) {
	s, err := Compile("whole.yaml", []byte(wholeScript))
	if err != nil {
		t.Fatal(err)
	}
	words, name := s.CustomerHotwords(Customer{Name: " 王晓丽 ", Vars: map[string]any{"plan": "畅享套餐", "city": "北京", "agent": "李明"}})
	if want := map[string]int{"王晓丽": 30, "畅享套餐": 30, "李明": 30}; !reflect.DeepEqual(words, want) || !name["王晓丽"] || !name["李明"] || name["畅享套餐"] {
		t.Errorf("%v %v", words, name)
	}
	if words, _ := s.CustomerHotwords(Customer{Name: "王", Vars: map[string]any{"plan": strings.Repeat("长", 100)}}); len(words) != 0 {
		t.Errorf("%v", words)
	}
}
