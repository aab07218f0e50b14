package replay_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/replay"
	"ringmaster/internal/nlu"
	"ringmaster/scripts"
)

var errEars = errors.New("no ears")

func version(t *testing.T, edits ...string) *dialogue.Script {
	t.Helper()
	src, err := fs.ReadFile(scripts.FS(), "retail/promotion_001.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(string(src), edits[i]) {
			t.Fatalf("the script has no %q", edits[i])
		}
	}
	s, err := dialogue.Compile("promotion_001.yaml", []byte(strings.NewReplacer(edits...).Replace(string(src))))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var who = dialogue.Customer{ID: "1", Name: "张三", Vars: map[string]any{"ends": "2026-10-07"}}

// talk is a call by the version as shipped, in which each sentence is said
// when our lines have ended.
func talk(t *testing.T, s *dialogue.Script, sentences ...string) replay.Talk {
	t.Helper()
	out := replay.Talk{Opened: time.Date(2026, 10, 1, 14, 0, 0, 0, time.UTC), Disposition: campaign.HungUp}
	st, mv := s.Start(who, out.Opened)
	at := out.Opened
	give := func(in dialogue.Input) {
		at = at.Add(time.Second)
		st, mv = s.Next(st, in, at)
		out.Steps = append(out.Steps, replay.Step{At: at, In: in})
	}
	said := func() {
		for mv.End == nil && len(mv.Lines) > 0 {
			give(dialogue.Input{Kind: dialogue.Said})
		}
	}
	said()
	for _, words := range sentences {
		a, err := keyword.New().Understand(t.Context(), s.Question(st, words))
		if err != nil {
			t.Fatal(err)
		}
		give(dialogue.Input{Kind: dialogue.Heard, Text: words, Answer: a})
		said()
	}
	if mv.End != nil {
		out.Disposition = mv.End.Disposition
	}
	return out
}

func compare(t *testing.T, after *dialogue.Script, u replay.Understand, sentences ...string) replay.Change {
	t.Helper()
	before := version(t)
	c, err := replay.Compare(before, after, who, talk(t, before, sentences...), u)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWhatAChangeDoes(t *testing.T) {
	signsUp := []string{"方便", "好的", "食品", "没有了"}
	if c := compare(t, version(t), nil, signsUp...); !c.Same() || c.After.Disposition != campaign.Completed || c.After.Grade != "A" {
		t.Errorf("the same version: %+v", c)
	}
	if c := compare(t, version(t, "祝您购物愉快，再见", "祝您愉快，再见"), nil, signsUp...); !c.Worded || c.Elsewhere || c.Ends {
		t.Errorf("other words: %+v", c)
	}
	if c := compare(t, version(t, "{grade: A, when: '\"signed_up\" in tags'}", "{grade: B, when: '\"signed_up\" in tags'}"), nil, signsUp...); !c.Ends || c.Elsewhere {
		t.Errorf("another grade: %+v", c)
	}
	other := version(t, "intent: affirm\n        goto: category", "intent: affirm\n        goto: details")
	if c := compare(t, other, nil, signsUp...); !c.Elsewhere || !c.Ends || c.After.Disposition != replay.Unfinished {
		t.Errorf("a customer who stops in mid-way: %+v", c)
	}
	// One who hung up has hung up there too.
	if c := compare(t, other, nil, "方便", "好的"); !c.Elsewhere || c.After.Disposition != campaign.HungUp || c.Before.Disposition != campaign.HungUp {
		t.Errorf("one who hung up: %+v", c)
	}
}

// A version that understands more shows it only when it is asked anew.
func TestUnderstandingAnew(t *testing.T) {
	after := version(t, "keywords: [什么优惠,", "keywords: [芝麻开门, 什么优惠,")
	u := func(q nlu.Question) (nlu.Answer, error) { return keyword.New().Understand(t.Context(), q) }
	if c := compare(t, after, nil, "芝麻开门"); c.Elsewhere || c.Ends {
		t.Errorf("as it was understood: %+v", c)
	}
	if c := compare(t, after, u, "芝麻开门"); !c.Elsewhere {
		t.Errorf("anew: %+v", c)
	}
	before := version(t)
	_, err := replay.Compare(before, before, who, talk(t, before, "好的"), func(nlu.Question) (nlu.Answer, error) { return nlu.Answer{}, errEars })
	if !errors.Is(err, errEars) {
		t.Errorf("understanding that fails: %v", err)
	}
}

func TestTheTableIsInOrder(t *testing.T) {
	var s replay.Summary
	other := version(t, "intent: affirm\n        goto: category", "intent: affirm\n        goto: details")
	for range 12 {
		s.Add(compare(t, other, nil, "方便", "好的", "食品", "没有了"))
	}
	for range 9 {
		s.Add(compare(t, version(t, "intent: not_interested\n        goto: ask_reason", "intent: not_interested\n        goto: no_thanks"), nil, "没兴趣"))
	}
	s.Add(compare(t, version(t), nil, "方便"))
	out := s.String()
	if !strings.HasPrefix(out, "22 calls: 1 alike, 21 take another way") || strings.Index(out, "      12  offer") > strings.Index(out, "       9  opening") ||
		!strings.Contains(out, "       9  opening              ask_reason           no_thanks") {
		t.Errorf("\n%s", out)
	}
}
