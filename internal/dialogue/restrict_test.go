package dialogue

import (
	"strings"
	"testing"
)

const lexiconSrc = `format: ringmaster-lexicon/1
industry: finance
banned:
  - {phrase: 保本保息, why: no yield may be promised, instead: 历史业绩不代表未来, unless: [不保本保息, 并非保本保息]}
  - 稳赚不赔
  - best price
vague: [{phrase: 过几天, instead: 说明日期}]
tones: {firm: [尽快还款], strong: [起诉]}
hotwords: {年化利率: 20}
pronounce: {重庆: chong2 qing4, 银行: yin2 hang2}
`

const partSrc = `format: ringmaster-part/1
id: identity
title: Who is it
parameters: {question: , done: , failed: , tries: 1}
start: ask
slots: {answer: digits}
nodes:
  ask:
    say: 请告诉我$(question)。
    slots: [answer]
    expect:
      - slot: answer
        goto: check
    no_match: {limit: $(tries), then: $(failed)}
    silence: {limit: 1, then: $(failed)}
  check:
    route:
      - when: slots.answer == vars.secret and visits.ask < 3
        goto: $(done)
      - goto: $(failed)
`

func lib(t testing.TB) *Library {
	t.Helper()
	l, err := NewLibrary(map[string][]byte{"finance/lexicon.yaml": []byte(lexiconSrc), "finance/identity.part.yaml": []byte(partSrc), "finance/readme.md": nil})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

const restrictedSrc = `format: ringmaster/1
id: restricted
title: Restricted
industry: finance
purpose: collections
language: cmn
variables:
  days: {type: number, required: true}
  level: {type: enum, values: [gold, platinum], default: gold}
  product: {type: text, default: 理财}
  secret: {type: digits, default: "42"}
segments:
  - {name: late, when: vars.days > 60}
  - {name: mid, when: vars.days > 30}
  - {name: early}
tone: {ceilings: {early: soft, mid: firm, late: strong}}
tier: level
offers:
  p8: {say: 八折券, tiers: [platinum], also: [8折, 专属折扣]}
  g9: {say: 九折券, tiers: [gold, platinum]}
advice:
  sugar: {say: 少吃甜食。, for: vars.days > 10, excludes: [fruit]}
  fruit: {say: 多吃水果。}
  walk: {say: 每天散步。}
  salt: {say: 少吃盐。, for: segment == "late"}
unlocks:
  account: {when: slots.answer == vars.secret}
use:
  verify: {part: identity, with: {question: 验证码, done: safe, failed: bye}}
disclosure: {say: 本次通话将会录音。}
start: press
nodes:
  press:
    say:
      - {text: 您好，有一笔款项想提醒您一下。}
      - {text: 您的款项已经逾期，请您今天还款。, tone: firm}
      - 再不还款我们将起诉。
      - {text: 老客户您好。, segments: [mid], when: vars.days == 45}
    expect:
      - intent: affirm
        goto: offer
      - intent: deny
        goto: product
      - intent: unsure
        goto: verify
      - intent: busy
        goto: hard
      - intent: thanks
        goto: health
      - intent: greeting
        say: 请尽快还款。
        do: [{unlock: account}]
  offer:
    say: 送您一张{{offer.p8 ?? 优惠券}}，{{offer.g9}}也可以用。
    goto: press
  product:
    say:
      - 为您介绍{{product}}，在{{重庆|chong2 qing4}}和银行{{pause 300ms}}都能办。
    expect: [{any: true, goto: press}]
  hard:
    tone: strong
    say: 请马上还清。
    expect: [{any: true, goto: bye}]
  health:
    advise: {items: [sugar, fruit, walk, salt], max: 3}
    say: 可以吗？
    expect:
      - {intent: affirm, goto: more}
  more:
    advise: [fruit, walk, salt]
    goto: bye
  safe:
    do: [{unlock: account}, {unlock: account}]
    say: 已为您解除限制。
    goto: bye
  bye:
    say: 再见。
    end: completed
`

func restricted(t testing.TB) *Script {
	t.Helper()
	s, err := lib(t).Compile("restricted.yaml", []byte(restrictedSrc))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func overdue(days any, more ...any) Customer {
	c := Customer{ID: "7", Language: "cmn", Vars: map[string]any{"days": days}}
	for i := 0; i+1 < len(more); i += 2 {
		c.Vars[more[i].(string)] = more[i+1]
	}
	return c
}

func said(mv Move) string {
	var out []string
	for _, l := range mv.Lines {
		out = append(out, l.Text)
	}
	return strings.Join(out, "/")
}

// The segment follows from what is known of the customer, and the tone from
// the segment: the matrix of segment and strength.
func TestToneFollowsTheSegment(t *testing.T) {
	s := restricted(t)
	for _, c := range []struct {
		days    int
		given   string
		segment string
		want    string
	}{
		{5, "", "early", "您好，有一笔款项想提醒您一下。"},
		{40, "", "mid", "您的款项已经逾期，请您今天还款。"},
		{45, "", "mid", "老客户您好。"},
		{90, "", "late", "再不还款我们将起诉。"},
		{90, "early", "early", "您好，有一笔款项想提醒您一下。"}, // what the contact brings wins
		{90, "vip", "late", "再不还款我们将起诉。"},         // a name that the script does not know does not
	} {
		cu := overdue(c.days)
		cu.Segment = c.given
		st, mv := s.Start(cu, at())
		if st.Segment != c.segment {
			t.Errorf("%+v: segment %q", c, st.Segment)
		}
		if c.given != "early" && !strings.Contains(mv.Reason, "segment "+c.segment) {
			t.Errorf("%+v: the reason does not say why: %s", c, mv.Reason)
		}
		if _, mv = s.Next(st, Input{Kind: Said}, at()); said(mv) != c.want {
			t.Errorf("%+v: %q", c, said(mv))
		}
	}
}

// A question that the customer may not hear is not asked; a reply that he may
// not hear is left out.
func TestAboveTheCeilingIsNotSaid(t *testing.T) {
	s := restricted(t)
	for days, want := range map[int]string{90: "请马上还清。", 40: "", 5: ""} {
		_, mv := chat(t, s, overdue(days), Input{Kind: Said}, heard("忙", "busy"))
		if want != "" {
			if said(mv) != want {
				t.Errorf("%d: %q", days, said(mv))
			}
			continue
		}
		if mv.End == nil || mv.End.Reason != "withheld" || len(mv.Lines) != 1 || !mv.Lines[0].Fixed || mv.Actions[0].Value != "withheld" {
			t.Errorf("%d: %+v", days, mv)
		}
		if !strings.Contains(mv.Reason, "hard") {
			t.Error(mv.Reason)
		}
	}
	if _, mv := chat(t, s, overdue(5), Input{Kind: Said}, heard("你好", "greeting")); said(mv) != "" || mv.End != nil {
		t.Errorf("the words 尽快还款 are firm: %+v", mv)
	}
	if _, mv := chat(t, s, overdue(40), Input{Kind: Said}, heard("你好", "greeting")); said(mv) != "请尽快还款。" {
		t.Errorf("%+v", mv)
	}
}

// An offer exists for its tiers only, in whatever words.
func TestOffersStayInTheirTier(t *testing.T) {
	s := restricted(t)
	_, mv := chat(t, s, overdue(5, "level", "platinum"), Input{Kind: Said}, heard("好", "affirm"))
	if !strings.HasPrefix(said(mv), "送您一张八折券，九折券也可以用。/") {
		t.Error(said(mv))
	}
	_, mv = chat(t, s, overdue(5, "level", "gold"), Input{Kind: Said}, heard("好", "affirm"))
	if !strings.HasPrefix(said(mv), "送您一张优惠券，九折券也可以用。/") {
		t.Error(said(mv))
	}
	// A value of the CRM cannot smuggle it in either.
	for product, ok := range map[string]bool{"会员 8 折": false, "88折活动": true, "八折": true, "专属折扣包": false, "八 折 券": false} {
		_, mv = chat(t, s, overdue(5, "product", product), Input{Kind: Said}, heard("不", "deny"))
		if got := strings.Contains(said(mv), "为您介绍"); got != ok {
			t.Errorf("%s: %q", product, said(mv))
		}
		for _, l := range s.Prompts(overdue(5, "product", product)) {
			if !ok && strings.Contains(l.Text, product) {
				t.Errorf("%s is prepared: %s", product, l.Text)
			}
		}
	}
	_, mv = chat(t, s, overdue(5, "product", "会员 8 折", "level", "platinum"), Input{Kind: Said}, heard("不", "deny"))
	if !strings.Contains(said(mv), "8 折") {
		t.Errorf("platinum may hear it: %+v", mv)
	}
}

func TestBannedWordsAreNeverSaid(t *testing.T) {
	s := restricted(t)
	for product, ok := range map[string]bool{"保本保息产品": false, "保本，保息": false, "不保本保息产品": true, "稳 赚 不 赔": false, "Best Price": false, "bestprices": true, "理财": true} {
		_, mv := chat(t, s, overdue(90, "product", product), Input{Kind: Said}, heard("不", "deny"))
		if got := strings.Contains(said(mv), product); got != ok {
			t.Errorf("%q: %q", product, said(mv))
		}
	}
}

// Advice is given once, for those it is meant for, and never against what was
// given before.
func TestContradictoryAdviceIsSuppressed(t *testing.T) {
	s := restricted(t)
	st, mv := chat(t, s, overdue(90), Input{Kind: Said}, heard("谢谢", "thanks"))
	if said(mv) != "少吃甜食。/每天散步。/少吃盐。/可以吗？" {
		t.Errorf("%s", said(mv))
	}
	if !strings.Contains(mv.Reason, "fruit suppressed: it contradicts sugar") || !strings.Contains(mv.Reason, "vars.days > 10") {
		t.Error(mv.Reason)
	}
	if _, mv = s.Next(st, heard("好", "affirm"), at()); said(mv) != "再见。" {
		t.Errorf("nothing is said twice, nothing against it: %s", said(mv))
	}
	if _, mv = chat(t, s, overdue(5), Input{Kind: Said}, heard("谢谢", "thanks")); said(mv) != "多吃水果。/每天散步。/可以吗？" {
		t.Errorf("%s", said(mv))
	}
}

// Only what has been verified is unlocked, and once.
func TestUnlockFailsClosed(t *testing.T) {
	s := restricted(t)
	unlocks := func(ins ...Input) (n, refused int, st State) {
		st, mv := s.Start(overdue(5), at())
		for i := -1; i < len(ins); i++ {
			if i >= 0 {
				st, mv = s.Next(st, ins[i], at())
			}
			for _, a := range mv.Actions {
				switch {
				case a.Kind == "unlock" && a.Value == "account":
					n++
				case a.Kind == "ticket" && a.Value == "unlock_refused":
					refused++
				}
			}
		}
		return n, refused, st
	}
	digits := func(d string) Input { return Input{Kind: KeysPressed, Digits: d} }
	ask := []Input{{Kind: Said}, heard("不知道", "unsure")}
	if n, r, _ := unlocks(append(ask, digits("42#"))...); n != 1 || r != 0 {
		t.Errorf("verified: %d %d", n, r)
	}
	if n, _, st := unlocks(append(ask, digits("41#"))...); n != 0 || st.End == nil {
		t.Errorf("a wrong answer unlocks: %d %+v", n, st)
	}
	if n, r, _ := unlocks(Input{Kind: Said}, heard("你好", "greeting")); n != 0 || r != 1 {
		t.Errorf("not verified: %d %d", n, r)
	}
	for _, k := range []InputKind{Deaf, Mute, TimeUp, Silence, TransferFailed} {
		if n, _, _ := unlocks(append(ask, Input{Kind: k}, Input{Kind: k}, Input{Kind: k})...); n != 0 {
			t.Errorf("%s unlocks", k)
		}
	}
}

// A part is written out under its own names, with what it was given.
func TestParts(t *testing.T) {
	s := restricted(t)
	st, mv := chat(t, s, overdue(5), Input{Kind: Said}, heard("不知道", "unsure"))
	if st.Node != "verify__ask" || said(mv) != "请告诉我验证码。" {
		t.Errorf("%s %s", st.Node, said(mv))
	}
	st, _ = s.Next(st, heard("什么", ""), at())
	if _, mv = s.Next(st, heard("什么", ""), at()); said(mv) != "再见。" {
		t.Errorf("one try, then $(failed): %s", said(mv))
	}
}

// The stored source stands for itself: a change of lexicon or part changes no
// published version.
func TestSourceIsSelfContained(t *testing.T) {
	s := restricted(t)
	again, err := Compile("stored.yaml", s.Source())
	if err != nil {
		t.Fatal(err)
	}
	if again.Info().Version != s.Info().Version || string(again.Source()) != string(s.Source()) {
		t.Error("the stored source is another version")
	}
	other, err := NewLibrary(map[string][]byte{"lexicon.yaml": []byte(strings.Replace(lexiconSrc, "稳赚不赔", "无风险", 1)), "identity.part.yaml": []byte(partSrc)})
	if err != nil {
		t.Fatal(err)
	}
	if again, err = other.Compile("stored.yaml", s.Source()); err != nil || again.Info().Version != s.Info().Version {
		t.Errorf("the library changes a published version: %v", err)
	}
	if again, err = other.Compile("restricted.yaml", []byte(restrictedSrc)); err != nil || again.Info().Version == s.Info().Version {
		t.Errorf("another lexicon is another version: %v", err)
	}
	if plain := compile(t, small); string(plain.Source()) != small {
		t.Error("a script that uses nothing is its own source")
	}
}

// Readings are the author's, then the lexicon's, at the place of the words.
func TestHints(t *testing.T) {
	s := restricted(t)
	_, mv := chat(t, s, overdue(5, "product", "重庆农商银行理财"), Input{Kind: Said}, heard("不", "deny"))
	l := mv.Lines[0]
	var got []string
	for _, h := range l.Hints {
		got = append(got, l.Text[h.Start:h.End]+"="+h.Reading+h.Pause.String())
	}
	if strings.Join(got, " ") != "重庆=chong2 qing40s 银行=yin2 hang20s 重庆=chong2 qing40s 银行=yin2 hang20s =300ms" {
		t.Errorf("%q: %v", l.Text, got)
	}
}
