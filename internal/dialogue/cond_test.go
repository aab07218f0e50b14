package dialogue

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/nlu"
)

func withCond(when string) string {
	return "format: ringmaster/1\nid: x\ntitle: x\npurpose: service\nlanguage: cmn\nvariables: {v: {type: text}, n: {type: number}}\nslots: {s: text}\n" +
		"disclosure: {say: 录音。}\nstart: a\nnodes:\n  a:\n    say: 好吗？\n    expect:\n      - intent: affirm\n        when: " + fmt.Sprintf("%q", when) +
		"\n        end: {disposition: completed, reason: held}\n      - {intent: affirm, goto: b}\n  b: {say: 再见。, end: completed}\n"
}

// What could loop, take memory or read what it may not is refused when the
// script is read, with its place; nothing of it ever runs.
func TestExpressionsThatAreRefused(t *testing.T) {
	for name, when := range map[string]string{
		"range":                 "len(1..1000000000) > 0",
		"range in a predicate":  "any(1..1000000000, # > 5)",
		"map":                   "len(map(history, #.days)) > 0",
		"filter":                "len(filter(history, true)) > 0",
		"reduce":                "reduce(history, #acc + 1, 0) > 1",
		"repeat":                `repeat("a", 1000000000) != ""`,
		"join":                  `join(tags, "a") != ""`,
		"split":                 `len(split(text, "")) > 0`,
		"sort":                  "sort(tags) != nil",
		"group":                 "groupBy(history, #.script) != nil",
		"json":                  "toJSON(vars) != nil",
		"base64":                `toBase64("a") != ""`,
		"now":                   "now() != nil",
		"power":                 "2 ** 1000000000 > 1",
		"power, the other sign": "2 ^ 1000000000 > 1",
		"regular expression":    `text matches "(a+)+$"`,
		"nested predicates":     "any(history, any(history, true))",
		"three levels":          "all(history, none(.tags, one(history, true)))",
		"let":                   "let x = 1; x == 1",
		"map literal":           "{a: 1} != nil",
		"sequence":              "true; true",
		"environment":           "len($env) > 0",
		"environment by name":   `$env["vars"] != nil`,
		"get":                   `get($env, "vars") != nil`,
		"unknown name":          "password == 1",
		"unknown variable":      "vars.secret == 1",
		"unknown slot":          "slots.other == 1",
		"unknown node":          "visits.nowhere > 1",
		"a method":              "text.String() == 1",
		"a call":                "vars.v() == 1",
		"no boolean":            "turns + 1",
		"no boolean text":       "text",
		"too long":              strings.Repeat("turns > 1 or ", 60) + "true",
		"deep brackets":         strings.Repeat("(", 100) + "true" + strings.Repeat(")", 100),
		"deep negation":         strings.Repeat("!", 100) + "true",
		"deep not":              strings.Repeat("not ", 40) + "true",
		"deep index":            "tags" + strings.Repeat("[0", 40) + strings.Repeat("]", 40) + " != nil",
		"deep conditional":      strings.Repeat("turns > 1 ? (", 40) + "true" + strings.Repeat(") : false", 40),
		"empty":                 " ",
		"nothing readable":      "((((",
	} {
		_, err := Compile("x.yaml", []byte(withCond(when)))
		if err == nil {
			t.Errorf("%s: accepted: %s", name, when)
			continue
		}
		if !strings.Contains(err.Error(), "x.yaml:15:15") {
			t.Errorf("%s: not at its place: %v", name, err)
		}
	}
}

// The greatest condition that is accepted, over the greatest state that there
// is, stays within its bounds of memory and does not change the state; what
// cannot be evaluated is false.
func TestExpressionsAreBoundedWhileTheyRun(t *testing.T) {
	long := strings.Repeat("啊", 600)
	var history []Past
	for range 100 { // 20 are read
		history = append(history, Past{At: at().Add(-time.Hour), Script: long, Tags: []string{long, long}, Slots: map[string]string{"a": long}})
	}
	c := Customer{ID: "1", Language: "cmn", Vars: map[string]any{"v": strings.Repeat("v", 200), "n": 1e14}, History: history}
	for when, held := range map[string]bool{
		`count(history, .script == text and .days >= 0 and len(.tags) == 2) > 19`:                     true,
		`any(history, .script + .script + .script + .script + .script + .script != "" and .days < 7)`: true,
		`count(history, .days < 7) == 20`:                                                             true,
		`upper(lower(upper(lower(upper(text + text + text + text + text + text + text))))) != ""`:     true,
		`int(vars.v) == 1`:                  false, // fails while it runs
		`float(text) > 0`:                   false,
		`tags[5] == "a"`:                    false,
		`history[50].days > 0`:              false,
		`int(vars.n * vars.n * vars.n) > 0`: false,
		`vars.n / 0 > 1`:                    true, // infinite, as the language has it
		`slots.s == "a"`:                    false,
		`slots.s contains "a"`:              false,
		`slots.s == nil`:                    true,
	} {
		s, err := Compile("x.yaml", []byte(withCond(when)))
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		st, _ := s.Start(c, at())
		st, _ = s.Next(st, Input{Kind: Said}, at())
		in := Input{Kind: Heard, Text: long, Answer: nlu.Answer{Intent: "affirm", Confidence: 1}}
		var mv Move
		_, mv = s.Next(st, in, at())
		if got := mv.End != nil && mv.End.Reason == "held"; got != held {
			t.Errorf("%s: %v", when, got)
		}
		if n := testing.AllocsPerRun(5, func() { s.Next(st, in, at()) }); n > 2000 {
			t.Errorf("%s: %v allocations in one decision", when, n)
		}
	}
}
