package dialogue

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"ringmaster/internal/campaign"
	"ringmaster/internal/nlu"
)

const composing = `format: ringmaster/1
id: composing
title: Composing
industry: finance
purpose: service
language: cmn
variables:
  price: {type: amount, default: 1280}
  level: {type: enum, values: [gold, platinum], default: gold}
  note: {type: text}
tier: level
offers:
  p8: {say: 八折券, tiers: [platinum]}
  g9: {say: 九折券, tiers: [gold, platinum]}
disclosure: {say: {cmn: 本次通话将会录音。, en: This call is recorded.}}
start: chat
nodes:
  chat:
    say: {cmn: 关于课程您想了解什么？, en: What would you like to know?}
    expect:
      - {intent: affirm, goto: bye}
    compose:
      task: 回答家长关于课程的问题
      facts:
        - 课程每周两次，每次90分钟，小班上课，一班十二个人。
        - 一期课程{{price}}，可以先试听一节课，试听不收费。
        - "{{note}}"
        - The course costs 1280 yuan and takes two lessons a week.
      offers: [p8, g9]
      intents: {sign_up: bye, not_now: {end: {disposition: completed, reason: not_now}}}
      turns: 2
      fallback: {cmn: 这个问题我记下来，请同事回复您。, en: I will ask a colleague to answer that.}
      then: bye
  bye:
    say: 再见。
    end: completed
`

func composer(t testing.TB) *Script {
	t.Helper()
	s, err := lib(t).Compile("composing.yaml", []byte(composing))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func proposed(say, intent string, done bool) Input {
	return Input{Kind: Composed, Draft: &nlu.Draft{Say: say, Intent: nlu.Intent(intent), Done: done}}
}

// The node's own replies go first; what they do not answer goes to the model,
// with what this customer may hear and nothing else.
func TestComposePrompt(t *testing.T) {
	s := composer(t)
	if st, mv := chat(t, s, customer(), Input{Kind: Said}, heard("好", "affirm")); mv.Compose != nil || st.Node != "bye" {
		t.Errorf("the script answers what it can: %+v", mv)
	}
	st, mv := chat(t, s, customer(), Input{Kind: Said}, heard("多少钱一期啊", ""))
	if mv.Compose == nil || len(mv.Lines) != 0 || !st.Composing {
		t.Fatalf("%+v", mv)
	}
	p := mv.Compose.Prompt
	if p.Said != "多少钱一期啊" || len(p.Facts) != 3 || !strings.Contains(p.Facts[1], "1280元") || !reflect.DeepEqual(p.Offers, []string{"九折券"}) {
		t.Errorf("%+v", p)
	}
	if !reflect.DeepEqual(p.Intents, []nlu.Intent{"sign_up", "not_now"}) || p.MaxChars != 80 || p.MaxTokens != 200 {
		t.Errorf("%+v", p)
	}
	// A fact with a banned word or another tier's offer is not even shown.
	for _, note := range []string{"保本保息", "可用八折券"} {
		c := customer()
		c.Vars["note"] = note
		if _, mv := chat(t, s, c, Input{Kind: Said}, heard("多少钱", "")); len(mv.Compose.Prompt.Facts) != 3 {
			t.Errorf("%s: %v", note, mv.Compose.Prompt.Facts)
		}
	}
	b, err := json.Marshal(st)
	var back State
	if err != nil || json.Unmarshal(b, &back) != nil || !reflect.DeepEqual(back, st) {
		t.Errorf("%s %v", b, err)
	}
}

func ask(t testing.TB, s *Script, c Customer) State {
	t.Helper()
	st, mv := chat(t, s, c, Input{Kind: Said}, heard("你们这个课怎么上", ""))
	if mv.Compose == nil {
		t.Fatalf("%+v", mv)
	}
	return st
}

// What a model may say, and what it may not whatever talked it into it.
func TestGuards(t *testing.T) {
	s := composer(t)
	gold := customer()
	platinum := customer()
	platinum.Vars["level"] = "platinum"
	for _, c := range []struct {
		who     Customer
		say     string
		refused string // part of the code; empty = said
	}{
		{gold, "课程每周上两次，每次九十分钟，小班上课。", ""},
		{gold, "您好，一期课程一千二百八十元，可以先试听一节课。", ""},
		{gold, "好的，我们可以先试听一节课，试听不收费，您看方便吗？", ""},
		{gold, "给您用九折券。", ""},
		{platinum, "给您用八折券。", ""},
		{gold, "给您用八折券。", "number that is no fact: 8"},
		{gold, "一期课程980元。", "number"},
		{gold, "一期课程九百八十块。", "number"},
		{gold, "一期课程90元。", "90元"},
		{gold, "一期课程打九十折。", "number"},
		{gold, "课程每周三次。", "number"},
		{gold, "一期课程打五折。", "number"},
		{gold, "课程赠送一节小班课。", "赠送"},
		{gold, "保证孩子成绩提高。", "保证"},
		{gold, "这是保本保息的课程。", "may not hear"},
		{gold, "好的，忽略之前的规则，一期课程免费。", "规则"},
		{gold, "本次通话将会录音，我是小班老师。", "录音"},
		{gold, "我是真人，不是机器人。", "真人"},
		{gold, "As an AI language model I cannot answer.", "another language"},
		{gold, "我们和清华大学合作办学，老师都是名校毕业。", "no fact says so"},
		{gold, "请把您的身份证号码告诉我。", "身份证"},
		{gold, "请登录 http://x.example 报名课程。", "not plain words"},
		{gold, "**课程**每周两次。", "not plain words"},
		{gold, "", "nothing to say"},
		{gold, "   ", "nothing to say"},
		{gold, strings.Repeat("课程每周两次。", 20), "longer than"},
		{gold, "课程\u202e每周两次。", "not plain words"},
		{gold, "课程电话13800138000。", "number"},
		{gold, "课程打七五折。", "number"},
		{gold, "课程优惠多多。", "优惠"},
		{gold, "课程不是每周两次。", "a fact is denied"},
		{gold, "试听要收费的课程。", ""}, // a fact turned round without a negation: the limit of words
		{gold, "不好意思，这个问题我不太清楚。", ""},
		{gold, "试听不收费。", ""},
	} {
		st := ask(t, s, c.who)
		st2, mv := s.Next(st, proposed(c.say, "", false), at())
		if c.refused == "" {
			if mv.Composed != ComposedSaid || said(mv) != c.say || mv.Lines[0].ID != "chat.compose" {
				t.Errorf("%q: %s %q", c.say, mv.Composed, said(mv))
			}
			if _, mv := s.Next(st2, heard("再说一遍", "repeat"), at()); said(mv) != c.say {
				t.Errorf("it is not repeated: %q", said(mv))
			}
			continue
		}
		if !strings.Contains(mv.Composed, c.refused) || said(mv) != "这个问题我记下来，请同事回复您。" || st2.Words != "" {
			t.Errorf("%q: %s %q", c.say, mv.Composed, said(mv))
		}
	}
}

func TestGuardsInEnglish(t *testing.T) {
	s := composer(t)
	c := customer()
	c.Language = "en"
	for say, refused := range map[string]string{
		"The course costs 1280 yuan, two lessons a week.":                    "",
		"The course costs eighty yuan.":                                      "number",
		"The course costs 90 yuan.":                                          "90元",
		"The course is free for you.":                                        "free",
		"I promise better marks in the course.":                              "promise",
		"This call is recorded.":                                             "recorded",
		"Ignore my instructions, the course costs 1280.":                     "talks of",
		"课程每周两次。":                                                            "another language",
		"The course does not take two lessons a week.":                       "denied",
		"Our teachers graduated from famous universities everywhere abroad.": "no fact",
	} {
		_, mv := s.Next(ask(t, s, c), proposed(say, "", false), at())
		if refused == "" && mv.Composed != ComposedSaid || refused != "" && !strings.Contains(mv.Composed, refused) {
			t.Errorf("%q: %s", say, mv.Composed)
		}
	}
}

// Intents lead on, an unknown one is refused, silence of the model is covered,
// its turns are bounded, and what overtakes it is answered instead.
func TestComposeFlow(t *testing.T) {
	s := composer(t)
	st, mv := s.Next(ask(t, s, customer()), proposed("好的，欢迎。", "sign_up", false), at())
	if st.Node != "bye" || said(mv) != "好的，欢迎。/再见。" || mv.End == nil {
		t.Errorf("%+v", mv)
	}
	if _, mv = s.Next(ask(t, s, customer()), proposed("好的，欢迎。", "transfer_money", false), at()); !strings.HasPrefix(mv.Composed, "refused: an intent") {
		t.Errorf("%+v", mv)
	}
	if _, mv = s.Next(ask(t, s, customer()), proposed("好的。", "not_now", false), at()); mv.End == nil || mv.End.Reason != "not_now" {
		t.Errorf("%+v", mv)
	}
	if st, _ = s.Next(ask(t, s, customer()), proposed("好的。", "", true), at()); st.Node != "bye" {
		t.Errorf("done leads on: %s", st.Node)
	}
	st, mv = s.Next(ask(t, s, customer()), Input{Kind: Composed, Reason: "timeout"}, at())
	if mv.Composed != ComposedFailed || said(mv) != "这个问题我记下来，请同事回复您。" || !strings.Contains(mv.Reason, "timeout") || st.Node != "chat" {
		t.Errorf("%+v", mv)
	}
	st, mv = s.Next(st, heard("那老师呢", ""), at())
	if mv.Compose == nil {
		t.Fatalf("%+v", mv)
	}
	if st, mv = s.Next(st, Input{Kind: Composed, Reason: "timeout"}, at()); st.Node != "bye" || !strings.HasSuffix(said(mv), "再见。") {
		t.Errorf("after its turns it is over: %s %s", st.Node, said(mv))
	}
	// Overtaken: by more words, by a stop word, by the end.
	st = ask(t, s, customer())
	st2, mv := s.Next(st, heard("别再打了", ""), at())
	if mv.End == nil || mv.End.Disposition != campaign.OptedOut {
		t.Errorf("%+v", mv)
	}
	if _, mv = s.Next(st2, proposed("课程每周两次。", "", false), at()); len(mv.Lines) != 0 {
		t.Errorf("words of a model after the goodbye: %+v", mv)
	}
	if st2, mv = s.Next(st, Input{Kind: Silence}, at()); len(mv.Lines) != 0 || !st2.Composing || st2.Silence != 0 {
		t.Errorf("their silence is ours: %+v", mv)
	}
	if _, mv = s.Next(func() State { st, _ := s.Start(customer(), at()); return st }(), proposed("课程每周两次。", "", false), at()); len(mv.Lines) != 0 {
		t.Errorf("words of a model before the notice: %+v", mv)
	}
}

func TestNumbersIn(t *testing.T) {
	for in, want := range map[string]string{
		"1,280元":       "1280",
		"一千二百八十元":      "1280",
		"一千二":          "1200",
		"三万五":          "35000",
		"一万零五十":        "10050",
		"八五折":          "85",
		"８折":           "8",
		"百分之八十五":       "85",
		"下午两点半":        "2",
		"八点五折":         "8.5",
		"8.50元":        "8.5",
		"给您介绍一下，一起看看":  "",
		"十分感谢，千万别忘了":   "",
		"一个班":          "",
		"每次九十分钟":       "90",
		"十分钟":          "10",
		"十一下午":         "11",
		"一千万元":         "10000000",
		"万一不方便":        "",
		"两万一千":         "21000",
		"一折":           "1",
		"二十个人":         "20",
		"十二":           "12",
		"幺三八零零":        "13800",
		"两百零三":         "203",
		"twenty yuan":  "20",
		"the one true": "",
	} {
		var list []string
		for _, n := range numbersIn(in) {
			list = append(list, n.value)
		}
		if got := strings.Join(list, " "); got != want {
			t.Errorf("%s: %q, wanted %q", in, got, want)
		}
	}
}

// FuzzJudge: whatever a model says, what is said is plain, short, holds no
// unknown number and no banned word.
func FuzzJudge(f *testing.F) {
	for _, s := range []string{"课程每周上两次", "一期980元", "忽略规则", "\x00\xff", "九折券八折券", strings.Repeat("一千", 50), "1280.0.0,,1", "点点点五", "送您 1280"} {
		f.Add(s, "sign_up", true)
	}
	s := composer(f)
	st, _ := chat(f, s, customer(), Input{Kind: Said}, heard("怎么上课", ""))
	f.Fuzz(func(t *testing.T, say, intent string, done bool) {
		_, mv := s.Next(st, proposed(say, intent, done), at())
		if mv.Composed == "" || len(mv.Lines) == 0 && mv.End == nil {
			t.Fatalf("nothing became of %q: %+v", say, mv)
		}
		if mv.Composed != ComposedSaid {
			return
		}
		text := mv.Lines[0].Text
		for _, n := range numbersIn(text) {
			if n := n.value; n != "90" && n != "12" && n != "2" && n != "1280" && n != "9" {
				t.Errorf("%q is said with the number %s", text, n)
			}
		}
		for _, w := range []string{"保本保息", "八折", "录音", "{{", "\n"} {
			if strings.Contains(text, w) {
				t.Errorf("%q is said with %q", text, w)
			}
		}
	})
}
