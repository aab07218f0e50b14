package check

import (
	"slices"
	"strings"
	"time"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
)

// noticeFirst plays everything that can happen before the notice has been
// heard to its end against the engine itself, in every order, and wants
// nothing but the notice and the engine's own words to be said meanwhile.
func (c *checker) noticeFirst() {
	for _, lang := range c.m.langs {
		customer := dialogue.Customer{ID: "check", Name: "张三", Language: speech.Language(lang), Vars: c.sampleVars()}
		st, mv := c.script.Start(customer, time.UnixMilli(0).UTC())
		if !c.onlyNotice(mv, nil) || !c.playNotice(st) {
			return
		}
	}
}

// early is a conversation before the notice has been heard.
type early struct {
	st   dialogue.State
	in   dialogue.Input // what led here
	from *early
}

// earlyKey is what of a state matters before the notice.
type earlyKey struct {
	phase         dialogue.Phase
	notices       int
	held, saying  string
	pending, deaf bool
}

func (c *checker) playNotice(st dialogue.State) bool {
	now := time.UnixMilli(0).UTC()
	queue, seen := []*early{{st: st}}, map[earlyKey]bool{}
	for len(queue) > 0 && len(seen) < 2000 {
		p := queue[0]
		queue = queue[1:]
		for _, in := range beforeNotice(p.st) {
			next, mv := c.next(p.st, in, now)
			if next.Disclosed {
				continue
			}
			e := &early{next, in, p}
			if !c.onlyNotice(mv, e) {
				return false
			}
			key := earlyKey{next.Phase, next.Notices, next.Held, strings.Join(next.Saying, " "), next.Pending, next.Deaf}
			if mv.End == nil && !seen[key] {
				seen[key] = true
				queue = append(queue, e)
			}
		}
	}
	return true
}

// onlyNotice: the move says nothing of the author's but the notice.
func (c *checker) onlyNotice(mv dialogue.Move, e *early) bool {
	for _, l := range mv.Lines {
		if l.Disclosure || l.Fixed {
			continue
		}
		path := []Step{{Who: "us", Text: l.Text}}
		for ; e != nil && e.from != nil; e = e.from {
			path = append([]Step{{Who: "them", Text: happening(e.in)}}, path...)
		}
		f := Finding{Rule: Disclosure, File: c.m.file, Line: 1, Column: 1, Suggest: "this is a fault of the engine: report it",
			Text: "business is said before the notice has been heard: " + quoted(clip(l.Text, 60)), Path: append([]Step{c.m.notice.step(c.m)}, path...)}
		c.out.add(f, f.Text)
		return false
	}
	return true
}

// beforeNotice is what can happen then.
func beforeNotice(st dialogue.State) []dialogue.Input {
	line := ""
	if n := len(st.Saying); n > 0 {
		line = st.Saying[n-1]
	}
	out := []dialogue.Input{{Kind: dialogue.Silence}, {Kind: dialogue.Said, HeardLine: "older.0"}, {Kind: dialogue.KeysPressed, Digits: "1"}, {Kind: dialogue.KeysPressed, Digits: "0"}, {Kind: dialogue.Deaf},
		{Kind: dialogue.Machine, Reason: "greeting"}, {Kind: dialogue.Machine, Reason: "beep"}, {Kind: dialogue.TransferFailed, Reason: "busy"}, {Kind: dialogue.Heard, Text: "转人工"}}
	for _, i := range []nlu.Intent{"affirm", "busy", "not_interested", "price_objection"} { // busy and not_interested are held, the others are not
		in := dialogue.Input{Kind: dialogue.Heard, Text: "嗯嗯呃", Answer: nlu.Answer{Intent: i, Confidence: 0.9}}
		out = append(out, in)
		in.HeardLine, in.HeardText = line, "您好"
		out = append(out, in)
	}
	return out
}

func happening(in dialogue.Input) string {
	switch in.Kind {
	case dialogue.Heard:
		if w := commonWords()[in.Answer.Intent]; w != "" {
			return w
		}
		return in.Text
	case dialogue.KeysPressed:
		return "（按" + in.Digits + "）"
	case dialogue.Silence:
		return "（没有说话）"
	}
	return "（" + string(in.Kind) + " " + in.Reason + "）"
}

// sampleVars are values with which the script can be started.
func (c *checker) sampleVars() map[string]any {
	out := map[string]any{}
	for _, v := range c.b.script.Variables {
		if !v.Required {
			continue
		}
		switch v.Type {
		case "number", "amount", "percent", "discount":
			out[v.Name] = 8
		case "bool":
			out[v.Name] = true
		case "date", "time", "datetime":
			out[v.Name] = "2026-10-07T10:00:00"
		case "digits", "phone":
			out[v.Name] = "20261234"
		case "grade":
			out[v.Name] = "grade9"
		case "enum":
			out[v.Name] = c.b.script.Values[v.Name][0]
		default:
			out[v.Name] = "甲"
		}
	}
	return out
}

// noticeWords: a notice is one only when it says that the call is recorded and
// that a machine speaks, in every language in which it is given, and when it
// says nothing of business.
func (c *checker) noticeWords() {
	n := c.m.notice
	for _, v := range n.all {
		recorded, machine := noticeWords(v.lang)
		text := v.fixedText()
		if _, ok := holds(text, recorded); !ok {
			c.notNotice(v, "does not say that the call is recorded", "say it, such as 本次通话将会录音")
		}
		if _, ok := holds(text, machine); !ok {
			c.notNotice(v, "does not say that a machine speaks", "say it, such as 我是人工智能语音助手")
		}
		if w, ok := holds(text, businessWords()); ok {
			c.notNotice(v, "speaks of business ("+quoted(w)+") before it has been heard", "say it after the notice, in the first node")
		}
		for _, p := range v.parts {
			if p.name != "" && c.isBusiness(p.name) {
				c.notNotice(v, "says {{"+p.name+"}} before it has been heard", "say it after the notice, in the first node")
			}
		}
	}
}

// isBusiness: a value that only the customer himself may hear.
func (c *checker) isBusiness(name string) bool {
	for _, v := range c.b.script.Variables {
		if v.Name == name {
			return !slices.Contains([]string{"text", "name", "enum"}, v.Type)
		}
	}
	return true
}

// notNotice shows what then comes: the first words of business, unannounced.
func (c *checker) notNotice(v *variant, what, suggest string) {
	var path []Step
	if len(c.x.states) > 0 {
		path = c.m.pathOf(c.x.states[0])
	} else {
		path = []Step{c.m.notice.step(c.m)}
	}
	path[0].Text = clip(v.text, 120)
	f := Finding{Rule: Disclosure, File: v.at.file, Line: v.at.line, Column: v.at.col, Node: "disclosure", Suggest: suggest, Path: path,
		Text: "the notice (" + v.lang + ") " + what + ": business follows or precedes it unannounced"}
	c.out.add(f, f.Text)
}

// fixedText is the wording without its placeholders.
func (v *variant) fixedText() string {
	var b strings.Builder
	for _, p := range v.parts {
		if p.name == "" {
			b.WriteString(p.text)
		} else {
			b.WriteString(unknown)
		}
	}
	return b.String()
}
