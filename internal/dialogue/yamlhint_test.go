package dialogue

import (
	"strings"
	"testing"
)

const writtenByHand = `format: ringmaster/1
id: hand
title: 复诊提醒
industry: dental
purpose: service
language: cmn

variables:
  at: {type: datetime, required: true}
  name: {type: name, required: true}
slots:
  day: date
disclosure:
  say: 您好，我是人工智能助手，本次通话将会录音。
start: remind
nodes:
  remind:
    say: "{{name}}，您预约了{{at}}复诊，您能来吗？"
    slots: [day]
    expect:
      - intent: affirm
        goto: bye
      - intent: later
        keywords: [改时间, 换时间, 改天]
        goto: bye
      - slot: day
        goto: bye
  bye:
    say: 谢谢您，再见。
    end: completed
`

// What somebody gets wrong who has never seen YAML: each is told in words that
// say what to do.
func TestMistakesOfTheHandAreExplained(t *testing.T) {
	t.Parallel()
	if _, err := Compile("hand.yaml", []byte(writtenByHand)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ from, to, want string }{
		"full-width colon":         {"start: remind", "start：remind", "hand.yaml:15:1: non-map value is specified (write the half-width colon and a space, start: ..., not ：)"},
		"full-width colon, deeper": {"    say: 谢谢您", "    say：谢谢您", "write the half-width colon and a space, say: ..., not ："},
		"no space":                 {"start: remind", "start:remind", "write a space after the colon"},
		"tab":                      {"    end: completed", "\tend: completed", "indent with spaces, not with a tab"},
		"placeholder first":        {`say: "{{name}}，您预约了{{at}}复诊，您能来吗？"`, "say: {{name}}，您预约了{{at}}复诊，您能来吗？", "a text that begins with {{ goes into quotes"},
		"sign first":               {"say: 谢谢您，再见。", "say: @谢谢您，再见。", "a text that begins with @ goes into quotes"},
		"colon in a text":          {"say: 谢谢您，再见。", "say: 注意: 谢谢您，再见。", "a text with a colon and a space in it goes into quotes"},
		"quotes left open":         {`您能来吗？"`, "您能来吗？", "close the quotes"},
		"indented otherwise":       {"        keywords", "      keywords", "indent the line as deep as its neighbours"},
		"twice the same name":      {"  bye:\n", "  remind:\n", "give one of them another name"},
		"full-width commas":        {"[改时间, 换时间, 改天]", "[改时间，换时间，改天]", `the keyword "改时间，换时间，改天" holds a sign that nobody says (separate keywords by half-width commas`},
		"full-width brackets":      {"[改时间, 换时间, 改天]", "【改时间】", "separate keywords by half-width commas"},
		"one bracket":              {"{{at}}", "{at}", "holds a bracket, which would be read aloud (write {{name}}"},
		"full-width placeholder":   {"{{at}}", "｛｛at｝｝", "holds a bracket, which would be read aloud"},
		"value that may be absent": {"name: {type: name, required: true}", "name: {type: name}", "needs a value that may be missing: name ("},
	} {
		src := strings.Replace(writtenByHand, c.from, c.to, 1)
		if src == writtenByHand {
			t.Fatalf("%s: nothing was changed", name)
		}
		if _, err := Compile("hand.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n%v\nwanted\n%s", name, err, c.want)
		}
	}
	// All at once: a name that leads nowhere is told beside what is wrong elsewhere.
	src := strings.NewReplacer("- slot: day\n        goto: bye", "- slot: daay\n        goto: byee").Replace(writtenByHand)
	if _, err := Compile("hand.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), `"daay" (did you mean "day"?)`) || !strings.Contains(err.Error(), `"byee" (did you mean "bye"?)`) {
		t.Errorf("two mistakes of different kinds: %v", err)
	}
}
