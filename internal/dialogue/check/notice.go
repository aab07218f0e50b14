package check

import (
	"slices"
	"strings"
)

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
