package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/app"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/replay"
	"ringmaster/internal/nlu"
)

// What an author reads: calls that go elsewhere one by one, calls that could
// not be told again with their reason, and the table.
func TestScriptReplayPrintsDifferences(t *testing.T) {
	src, err := os.ReadFile(shippedPromotion)
	if err != nil {
		t.Fatal(err)
	}
	compile := func(src string) *dialogue.Script {
		s, err := dialogue.Compile("promotion_001.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before := compile(string(src))
	after := compile(strings.Replace(string(src), "intent: affirm\n        goto: offer", "intent: affirm\n        goto: category", 1))
	at := time.Date(2026, 10, 1, 14, 0, 0, 0, time.UTC)
	said := replay.Step{At: at, In: dialogue.Input{Kind: dialogue.Said}}
	yes := replay.Step{At: at, In: dialogue.Input{Kind: dialogue.Heard, Text: "方便", Answer: nlu.Answer{Intent: "affirm", Confidence: 0.9}}}
	who := dialogue.Customer{ID: "1", Name: "张三", Vars: map[string]any{"ends": "2026-10-07"}}
	told := app.PastTalk{Attempt: "call-1", Script: before, Customer: who,
		Talk: replay.Talk{Opened: at, Disposition: campaign.HungUp, Steps: []replay.Step{said, said, yes, said}}}
	for show, want := range map[int]int{1: 1, 10: 2, 0: 0} {
		var out bytes.Buffer
		if err := printReplay(&out, after, []app.PastTalk{told, told, {Attempt: "call-2", Wrong: "the log is not whole"}}, nil, show); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if strings.Count(text, "is   hung_up: disclosure > opening > category") != want {
			t.Errorf("--show %d:\n%s", show, text)
		}
		for _, line := range []string{"2 of 3 calls decide again exactly", "1 left out: the log is not whole", "2 calls: 0 alike, 2 take another way",
			"       2  opening              offer                category"} {
			if !strings.Contains(text, line) {
				t.Errorf("%q is not printed:\n%s", line, text)
			}
		}
	}
}

// A database in which the script was never called says so.
func TestScriptReplayReadsTheDatabase(t *testing.T) {
	file := oneCall(t, t.TempDir())
	if out, err := script(t, "", "replay", shippedPromotion, "--config", file); err == nil || !strings.Contains(err.Error(), "no answered call of the script promotion_001") {
		t.Errorf("%v\n%s", err, out)
	}
}
