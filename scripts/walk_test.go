package scripts

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// walker plays arbitrary inputs against a script and holds every move against
// what must be true of all of them.
type walker struct {
	t      testing.TB
	script *dialogue.Script
	now    time.Time
	st     dialogue.State
	mv     dialogue.Move
	saying []dialogue.Line // of the last move that had any
	cut    bool            // they were interrupted
	// disclosed is our own account: the notice has been played to its end.
	disclosed bool
	log       []string
	inputs    int
}

func walk(t testing.TB, s *dialogue.Script, c dialogue.Customer) *walker {
	w := &walker{t: t, script: s, now: time.Date(2026, 10, 1, 14, 0, 0, 0, time.FixedZone("", 8*3600))}
	w.st, w.mv = s.Start(c, w.now)
	w.check(dialogue.Input{})
	return w
}

func (w *walker) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s: %s\n%v", w.script.Info().ID, fmt.Sprintf(format, args...), w.log)
}

// give is one input; the state goes through JSON on its way.
func (w *walker) give(in dialogue.Input) {
	w.t.Helper()
	w.inputs++
	at := w.now.Add(time.Duration(w.inputs) * time.Second)
	old := w.st
	kept := roundTrip(w, old)
	st2, mv2 := w.script.Next(roundTrip(w, w.st), in, at)
	w.st, w.mv = w.script.Next(w.st, in, at)
	if !reflect.DeepEqual(old, kept) {
		w.fail("the older state was changed:\n%+v\n%+v", old, kept)
	}
	if !reflect.DeepEqual(w.st, st2) || !reflect.DeepEqual(w.mv, mv2) {
		w.fail("the same state and input gave another decision:\n%+v\n%+v", w.mv, mv2)
	}
	if in.HeardLine != "" && in.Kind != dialogue.Said {
		w.cut = true
	}
	if in.Kind == dialogue.Said && !w.cut && len(w.saying) == 1 && w.saying[0].Disclosure {
		w.disclosed = true
	}
	if in.Kind == dialogue.Machine && in.Reason == "beep" {
		w.disclosed = false // the machine has not heard it
	}
	w.check(in)
}

func roundTrip(w *walker, st dialogue.State) dialogue.State {
	b, err := json.Marshal(st)
	if err != nil {
		w.fail("%v", err)
	}
	var back dialogue.State
	if err := json.Unmarshal(b, &back); err != nil || !reflect.DeepEqual(back, st) {
		w.fail("the state changed in a JSON round trip: %s", b)
	}
	if len(b) > 16<<10 {
		w.fail("the state has grown to %d bytes", len(b))
	}
	return back
}

func (w *walker) check(in dialogue.Input) {
	w.t.Helper()
	var ids []string
	for _, l := range w.mv.Lines {
		ids = append(ids, l.ID)
		if l.Text == "" || l.ID == "" || l.Language == "" {
			w.fail("an empty line: %+v", l)
		}
		if !w.disclosed && !l.Disclosure && !l.Fixed {
			w.fail("business before the notice was heard: %s %q", l.ID, l.Text)
		}
		if !w.disclosed && l.Disclosure && len(w.mv.Lines) > 1 {
			w.fail("the notice does not stand alone: %v", w.mv.Lines)
		}
	}
	w.log = append(w.log, fmt.Sprintf("\n%s %q %s %s -> %s %v %s end=%v", in.Kind, in.Text, in.Answer.Intent, in.HeardLine, w.mv.Node, ids, w.mv.Reason, w.mv.End))
	if w.mv.Resume && len(w.mv.Lines) > 0 {
		w.fail("resume and lines at once")
	}
	if w.mv.Transfer != nil && w.mv.End != nil {
		w.fail("transfer and end at once")
	}
	if len(w.mv.Lines) > 0 {
		w.saying, w.cut = w.mv.Lines, false
	}
	if w.mv.Resume {
		w.cut = false
	}
	if w.mv.End != nil && !slices.Contains(campaign.Dispositions(), w.mv.End.Disposition) {
		w.fail("unknown disposition %q", w.mv.End.Disposition)
	}
}

func (w *walker) ended() bool { return w.mv.End != nil }

// limit is how many inputs any conversation survives.
func (w *walker) limit() int { return 6*w.script.Info().Turns + 41 }

// source gives bytes that decide what happens; it ends with zeros.
type source struct {
	b []byte
	i int
}

func (s *source) next(n int) int {
	if s.i >= len(s.b) {
		s.i++
		return (s.i * 7) % n
	}
	v := int(s.b[s.i])
	s.i++
	return v % n
}

func texts() []string {
	return []string{"好的", "不用了", "太贵了", "嗯", "", "蓝色的大象", "我在开会", "你是谁", "没听清", "食品", "初三", "数学", "明天下午三点", "报名", "什么", "打错了", "滚", "稍等", "\x00\xff", "{{name}}", "yes", "not interested"}
}

// input is anything that could happen now, sensible or not.
func (w *walker) input(s *source) dialogue.Input {
	switch s.next(16) {
	case 0, 1, 2, 3:
		return dialogue.Input{Kind: dialogue.Said}
	case 4:
		return dialogue.Input{Kind: dialogue.Silence}
	case 5:
		return dialogue.Input{Kind: dialogue.KeysPressed, Digits: []string{"1", "0", "12345#", "", "#", "*", "x"}[s.next(7)]}
	case 6:
		return dialogue.Input{Kind: dialogue.TransferFailed, Reason: "busy"}
	case 7:
		if s.next(4) > 0 {
			return dialogue.Input{Kind: dialogue.Said}
		}
		return []dialogue.Input{{Kind: dialogue.Deaf}, {Kind: dialogue.Machine, Reason: "greeting"}, {Kind: dialogue.Machine, Reason: "beep"}, {Kind: dialogue.Mute}, {Kind: "nonsense"}, {Kind: dialogue.Unspoken},
			{Kind: dialogue.Composed}, {Kind: dialogue.Composed, Draft: &nlu.Draft{Say: "您好，免费送您大奖。", Intent: "affirm", Done: true}}}[s.next(8)]
	}
	in := dialogue.Input{Kind: dialogue.Heard, Text: texts()[s.next(len(texts()))]}
	l := w.mv.Listen
	if n := len(l.Expect); n > 0 && s.next(4) > 0 {
		in.Answer.Intent = l.Expect[s.next(n)].Intent
		in.Answer.Confidence = float64(s.next(11)) / 10
	}
	if in.Answer.Intent == "stop" || in.Answer.Intent == "complaint" || in.Answer.Intent == "human" {
		in.Answer.Intent = "no_such_intent"
	}
	for _, spec := range l.Slots {
		if s.next(2) == 0 {
			in.Answer.Slots = append(in.Answer.Slots, nlu.Slot{Name: spec.Name, Value: []string{"maths", "grade9", "2026-10-02T15:00", "food", "nonsense"}[s.next(5)]})
		}
	}
	if n := len(w.saying); n > 0 && s.next(3) == 0 {
		line := w.saying[s.next(n)]
		r := []rune(line.Text)
		in.HeardLine, in.HeardText = line.ID, string(r[:len(r)*s.next(11)/10])
	}
	return in
}

// customers to talk to: the one of the conversations beside the script, in three
// languages, and some of whom nothing is known, where they may be called.
func customers(t testing.TB, path string, s *dialogue.Script) []dialogue.Customer {
	t.Helper()
	var suite struct {
		Customer struct {
			ID, Name, Segment string
			Vars              map[string]any
		}
	}
	src, err := fs.ReadFile(FS(), strings.TrimSuffix(path, ".yaml")+".test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(src, &suite); err != nil {
		t.Fatal(err)
	}
	vars := map[string]any{"gender": "男", "ends": "2026-10-07"}
	for k, v := range suite.Customer.Vars {
		vars[k] = v
	}
	own := dialogue.Customer{ID: "12345", Name: "张三", Language: "cmn", Segment: suite.Customer.Segment, Vars: vars}
	cantonese, english := own, own
	cantonese.Language, english.Language = "yue", "en"
	all := []dialogue.Customer{own, {ID: "2", Language: "en"}, {}, {ID: "3", Language: "yue", Segment: "vip"}, cantonese, english}
	return slices.DeleteFunc(all, func(c dialogue.Customer) bool { return len(s.Missing(c)) > 0 })
}
