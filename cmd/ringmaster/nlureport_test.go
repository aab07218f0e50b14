package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const cardScript = `format: ringmaster/1
id: cards
title: 银行卡
purpose: service
language: cmn
disclosure: {say: {cmn: 我是智能语音助手，本次通话将会录音。}}
start: ask
nodes:
  ask:
    say: {cmn: "您要办什么？"}
    expect:
      - intent: lost_card
        examples: [我的银行卡不见了, 卡被人偷走了, 卡丢在出租车上了, 找不到我的卡了, 钱包和卡一起丢了, 卡好像掉了]
        goto: bye
      - intent: raise_limit
        examples: [额度能不能调高一点, 信用额度不够用了, 想提高信用卡额度, 额度太低了想涨一涨, 可以给我增加额度吗]
        goto: bye
  bye: {say: {cmn: 再见。}, end: completed}
`

// An author measures a version before it is published: macro F1, the picture
// of the confusion matrix, and what got worse since the version before.
func TestRow_S10_AnAuthorMeasuresAScript(t *testing.T) {
	dir := t.TempDir()
	write := func(name, s string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	old := write("old.yaml", cardScript)
	worse := write("new.yaml", strings.Replace(cardScript, "[额度能不能", "[银行卡不见了呀, 卡被人偷走了呀, 卡丢在出租车上了呀, 找不到卡了呀, 额度能不能", 1))
	picture := filepath.Join(dir, "c.svg")
	out, err := runNLU(t, "report", worse, "--before", old, "--json", "--strict", "--confusion", picture)
	if !errors.Is(err, errWorse) {
		t.Errorf("--strict: %v", err)
	}
	var r struct {
		Script string
		F1     float64  `json:"macro_f1"`
		Before *float64 `json:"macro_f1_before"`
		Lost   []struct{ Text string }
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Script != "cards" || !(r.F1 > 0 && r.F1 < 1) || r.Before == nil || len(r.Lost) == 0 {
		t.Errorf("%v %s", err, out)
	}
	if b, err := os.ReadFile(picture); err != nil || !bytes.HasPrefix(b, []byte("<svg")) {
		t.Errorf("picture: %v", err)
	}
	if out, err := runNLU(t, "report", old, "--strict"); err != nil || !strings.Contains(out, "macro F1") {
		t.Errorf("%v\n%s", err, out)
	}
	for _, args := range [][]string{{"report"}, {"report", "cards"}, {"report", write("bad.yaml", "format: x")}, {"report", old, "--confusion", "c.gif"}, {"report", old, "--before", "/nonexistent.yaml"}} {
		if _, err := runNLU(t, args...); err == nil {
			t.Errorf("%v is accepted", args)
		}
	}
}
