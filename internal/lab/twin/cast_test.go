package twin

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/lab/twin/sound"
)

func mute(text string) ([]int16, error) {
	if text == "unspeakable" {
		return nil, errors.New("no voice")
	}
	return make([]int16, 160*len([]rune(text))), nil
}

func TestDemoCast(t *testing.T) {
	c, err := DemoCast(mute)
	if err != nil {
		t.Fatal(err)
	}
	for number, check := range map[string]func(callee.Script) bool{
		"talks":      func(s callee.Script) bool { return len(s.Steps) > 5 && s.Reject == 0 },
		"interrupts": func(s callee.Script) bool { return s.Steps[4].BargeIn > 0 },
		"busy":       func(s callee.Script) bool { return s.Reject == 486 },
		"silent":     func(s callee.Script) bool { return s.Never },
		"voicemail":  func(s callee.Script) bool { return s.Steps[3].Text == "(beep)" },
		"stop":       func(s callee.Script) bool { return s.Steps[3].Text == "别打了" },
		"nobody":     func(s callee.Script) bool { return s.Reject == 404 },
	} {
		if s := c.ForNumber(number, 1, 1); !check(s) {
			t.Errorf("%s: %+v", number, s)
		}
	}
	if s, ok := c.ForAgent("agent2"); !ok || s.Reject != 603 {
		t.Errorf("agent2: %+v", s)
	}
	if _, ok := c.ForQueue("support"); ok {
		t.Error("a queue that nobody wrote down")
	}
}

func TestCastMix(t *testing.T) {
	c, err := ParseCast([]byte(`
format: pbxsim/1
callees:
  - {name: yes, number: y, steps: [{say: ok}]}
  - {name: no, number: n, busy: true}
  - number: "1*"
    ring: 1s
    jitter: 2s
    mix: [{weight: 3, as: yes}, {weight: 1, as: no}]
`), mute)
	if err != nil {
		t.Fatal(err)
	}
	busy := 0
	var longest time.Duration
	for i := range 1000 {
		s := c.ForNumber("138", 7, i)
		if s.Reject == 486 {
			busy++
		}
		longest = max(longest, s.Ring)
		if again := c.ForNumber("138", 7, i); again.Ring != s.Ring || again.Reject != s.Reject {
			t.Fatal("the same seed, number and count gave another callee")
		}
	}
	if busy < 200 || busy > 300 {
		t.Errorf("%d of 1000 were busy, about 250 should be", busy)
	}
	if longest < 1500*time.Millisecond || longest >= 2*time.Second {
		t.Errorf("longest ring %v", longest)
	}
}

// One file per mistake: each is refused, and the text says where.
func TestCastMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"format: pbxsim/2":                                "pbxsim/1",
		"format: pbxsim/1\nx: 1":                          "unknown field",
		"{":                                               "",
		"format: pbxsim/1\ncallees: [{}]":                 "exactly one of number",
		c("number: a, agent: b"):                          "exactly one of number",
		c("number: a, rings: 2s"):                         "unknown field",
		c("number: a, ring: -2s"):                         "negative",
		c("number: a, ring: soon"):                        "",
		c("number: a, reject: 200"):                       "reject 200",
		c("number: a, busy: true, reject: 503"):           "exclude",
		c("number: '[', busy: true"):                      "syntax",
		c("number: a, steps: [{}]"):                       "steps[0]",
		c("number: a, steps: [{say: x, wait: 1s}]"):       "exactly one thing",
		c("number: a, steps: [{say: x, beep: true}]"):     "exactly one thing",
		c("number: a, steps: [{say: unspeakable}]"):       "no voice",
		c("number: a, steps: [{dtmf: xyz}]"):              "keys are",
		c("number: a, steps: [{again: true}]"):            "loop",
		c("number: a, steps: [{tone: {hz: 1, for: 1s}}]"): "hz 50",
		c("number: a, early: [{hangup: {cause: 200}}]"):   "cause 200",
		c("number: a, mix: [{weight: 1, as: nobody}]"):    "must name a callee",
		c("number: a, jitter: -1s"):                       "negative",
	} {
		_, err := ParseCast([]byte(text), mute)
		if !errors.Is(err, ErrCast) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := ParseCast(make([]byte, maxCast+1), mute); !errors.Is(err, ErrCast) {
		t.Error("a file without end")
	}
}

func c(callee string) string { return "format: pbxsim/1\ncallees: [{" + callee + "}]" }

func FuzzParseCast(f *testing.F) {
	f.Add(demo)
	f.Add([]byte(c("number: a, steps: [{listen: {silence: 1s}}]")))
	f.Fuzz(func(t *testing.T, data []byte) {
		cast, err := ParseCast(data, mute)
		if err != nil && !errors.Is(err, ErrCast) {
			t.Fatal(err)
		}
		for _, r := range cast.Rules {
			if r.Script.Validate() != nil {
				t.Fatalf("an invalid script got through: %+v", r)
			}
		}
	})
}

func FuzzMediaCommand(f *testing.F) {
	for _, s := range []string{`{"command":"MARK_MEDIA","correlation_id":"1"}`, `{"command":7}`, "FLUSH_MEDIA", `{"command":"STOP_MEDIA_BUFFERING"}`} {
		f.Add([]byte(s), true)
		f.Add([]byte(s), false)
	}
	f.Fuzz(func(t *testing.T, raw []byte, isJSON bool) {
		ex := &Exchange{}
		m := &media{ch: &channel{ex: ex, id: "m"}, format: audio.FormatSlin, json: isJSON, wake: make(chan struct{}, 1)}
		m.take(raw)
		m.command(raw)
		m.take(raw)
		var p sound.Frame
		for range 5 {
			m.Play(&p)
		}
	})
}

// The example in doc.go is a file that works.
func TestDocumentedExample(t *testing.T) {
	src, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	for line := range strings.Lines(string(src)) {
		if text, ok := strings.CutPrefix(line, "//\t"); ok {
			file.WriteString(text)
		}
	}
	c, err := ParseCast([]byte(file.String()), mute)
	if err != nil || len(c.Rules) != 5 {
		t.Fatalf("%d rules, %v", len(c.Rules), err)
	}
	if s := c.ForNumber("138", 1, 1); len(s.Steps) != 9 || len(s.Early) != 1 {
		t.Errorf("%+v", s)
	}
}
