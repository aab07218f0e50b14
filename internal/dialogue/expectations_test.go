package dialogue

import (
	"reflect"
	"slices"
	"testing"

	"ringmaster/internal/nlu"
)

const wholeScript = `format: ringmaster/1
id: whole
title: t
purpose: service
language: cmn
hotwords: {处方药: 20}
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
