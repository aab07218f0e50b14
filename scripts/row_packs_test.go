package scripts

import (
	"io/fs"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/check"
	"ringmaster/internal/dialogue/rehearse"
	"ringmaster/internal/nlu"
	"ringmaster/internal/recommend"
)

// suspect is the customer of a stopped payment.
func suspect() dialogue.Customer {
	return person("张伟", map[string]any{"gender": "男", "id_tail": "3517", "card": "6222021234569046", "amount": 3280, "at": "2026-10-01T13:20"})
}

// An event, a call, verified, unlocked exactly once; whatever else happens, in
// whatever order, it stays locked, and the secret is never said.
func TestRow_S16_UnlocksOnceAndFailsClosed(t *testing.T) {
	s := pack(t, "finance/antifraud_verify.yaml")
	k := call(t, s, suspect()).hear("是我", "三五幺七", "是我自己买的", "没有人让我")
	k.give(dialogue.Input{Kind: dialogue.Said})
	k.hear("好的", "好的")
	if n := k.did("unlock: card"); n != 1 || k.st.End == nil || k.st.End.Reason != "verified" {
		t.Fatalf("unlocked %d times: %v", n, k.actions)
	}
	secret := func(lines []string) string {
		for _, l := range lines {
			for _, form := range []string{"3517", "三五幺七", "三五一七", "３５１７"} {
				if strings.Contains(l, form) {
					return l
				}
			}
		}
		return ""
	}
	r := rand.New(rand.NewPCG(16, 16))
	says := []string{"是我", "三五幺七", "幺二三四", "是的", "没有", "不是我", "不知道", "有人让我付的", "蓝色大象", "凭什么", "转人工", "我在忙", "我收到验证码是", "好的", "没人让我", "别打了", "什么", ""}
	unlocked := 0
	for range walks(600) {
		k := call(t, s, suspect())
		for k.mv.End == nil && k.inputs < 200 {
			switch r.IntN(14) {
			case 0:
				k.give(dialogue.Input{Kind: dialogue.KeysPressed, Digits: []string{"1", "2", "3517#", "1234#", "0"}[r.IntN(5)]})
			case 1:
				k.give(dialogue.Input{Kind: []dialogue.InputKind{dialogue.Silence, dialogue.Deaf, dialogue.TransferFailed, dialogue.Silence, dialogue.TimeUp, dialogue.Mute}[r.IntN(6)]})
			case 2:
				k.give(dialogue.Input{Kind: dialogue.Machine, Reason: []string{"greeting", "beep"}[r.IntN(2)]})
			case 3, 4, 5, 6: // as somebody would who is asked
				k.hear(map[string]string{"verify__ask_name": "是我", "verify__ask_id": "三五幺七", "ask_payment": "是的", "ask_told": "没有"}[k.st.Node])
			default:
				k.hear(says[r.IntN(len(says))])
			}
		}
		if l := secret(k.lines); l != "" {
			t.Fatalf("a secret was said: %s", l)
		}
		n := k.did("unlock: card")
		verified := k.st.Slots["id_answer"] == "3517" && k.st.Slots["mine"] == "yes" && k.st.Slots["told"] == "no"
		if n > 1 || n == 1 && !verified {
			t.Fatalf("unlocked %d times with %v:\n%s", n, k.st.Slots, strings.Join(k.lines, "\n"))
		}
		unlocked += n
	}
	t.Logf("%d of %d random conversations unlocked, each once and verified", unlocked, walks(600))
	if unlocked == 0 {
		t.Error("none unlocked: the walk proves little")
	}
}

// Segments by overdue days and ability to pay, and the strength of what each
// hears; no random conversation goes over its ceiling.
func TestRow_S17_SegmentsAndStrength(t *testing.T) {
	s := pack(t, "finance/collections.yaml")
	words := library(t).Lexicon("finance")
	strength := func(lines []string) dialogue.Tone {
		top := dialogue.Soft
		for _, l := range lines {
			if tone, _ := words.Tone(l); tone > top {
				top = tone
			}
			if p, bad := words.Banned(l); bad {
				t.Errorf("%s is banned: %s", p.Text, l)
			}
		}
		return top
	}
	debtor := func(days int, ability string) dialogue.Customer {
		return person("王芳", map[string]any{"id_tail": "0428", "amount": 2600, "due": "2026-07-01", "overdue_days": days, "ability": ability})
	}
	r := rand.New(rand.NewPCG(17, 17))
	says := []string{"好的", "不还", "没钱", "再说吧", "明天", "金额不对", "太贵了", "不知道", "蓝色大象", "怎么还", "我失业了", "你是谁", "什么", "已经还了"}
	for _, row := range []struct {
		days int
		want [3]dialogue.Tone // low, mid, high
	}{
		{5, [3]dialogue.Tone{dialogue.Soft, dialogue.Soft, dialogue.Soft}},
		{30, [3]dialogue.Tone{dialogue.Soft, dialogue.Soft, dialogue.Soft}},
		{31, [3]dialogue.Tone{dialogue.Soft, dialogue.Firm, dialogue.Firm}},
		{60, [3]dialogue.Tone{dialogue.Soft, dialogue.Firm, dialogue.Firm}},
		{61, [3]dialogue.Tone{dialogue.Firm, dialogue.Firm, dialogue.Strong}},
		{400, [3]dialogue.Tone{dialogue.Firm, dialogue.Firm, dialogue.Strong}},
	} {
		for i, ability := range []string{"low", "mid", "high"} {
			k := call(t, s, debtor(row.days, ability)).hear("我是", "零四二八")
			if got := strength(k.lines); got != row.want[i] {
				t.Errorf("%d days, %s: %s, want %s: %s", row.days, ability, got, row.want[i], k.lines[len(k.lines)-1])
			}
			t.Logf("%3d days, ability %-4s: segment %-10s %s", row.days, ability, k.st.Segment, strength(k.lines))
			for range walks(15) {
				k := call(t, s, debtor(row.days, ability)).hear("我是", "零四二八")
				for k.mv.End == nil && k.mv.Transfer == nil && k.inputs < 100 {
					k.hear(says[r.IntN(len(says))])
				}
				if got := strength(k.lines); got > row.want[i] {
					t.Errorf("%d days, %s: %s is over %s: %v", row.days, ability, got, row.want[i], k.lines)
				}
			}
		}
	}
	found := refused(t, "finance/collections.yaml", func(src string) string { // no gentler words left
		return regexp.MustCompile(`(?m)^ +- \{text: "谢谢您。.*tone: (soft|firm)\}\n`).ReplaceAllString(src, "")
	})
	if !slices.ContainsFunc(found, func(f check.Finding) bool { return f.Rule == check.Tone }) {
		t.Errorf("the check lets a strong line stand alone: %v", found)
	}
	for _, other := range []string{"不是", "我是她爱人", "打错了", "蓝色大象"} {
		k := call(t, s, debtor(400, "high")).hear(other, other)
		for _, w := range []string{"账单", "逾期", "还款", "征信", "欠"} {
			if k.said(w) {
				t.Errorf("%q is told of the debt: %v", other, k.lines)
			}
		}
	}
}

// The best course for the history, with its reason, said in the call.
func TestRow_S19_TheReasonIsSpoken(t *testing.T) {
	s := pack(t, "education/course_consult.yaml")
	courses, err := recommend.Shipped()
	if err != nil {
		t.Fatal(err)
	}
	var wanted []string
	for _, v := range s.Info().Variables {
		wanted = append(wanted, v.Name)
	}
	vars := map[string]any{"grade": "grade9", "marks": map[string]any{"maths": []any{70.0, 64.0, 61.0}, "english": 85.0}}
	k := call(t, s, person("李四", courses.Fill(vars, wanted))).hear("可以", "初三", "数学")
	want := "孩子数学最近平均65分，提升空间比较大，今年要中考了，时间比较紧，所以推荐您先听中考冲刺班的试听课。"
	if !k.said(want) {
		t.Errorf("%v", k.lines)
	}
	k = call(t, s, person("李四", nil)).hear("可以", "初三", "数学")
	if k.said("平均") || !k.said("试听课") {
		t.Errorf("a reason from nothing: %v", k.lines)
	}
}

// 开场白 → 询问年级 → 学科分析 → 推荐课程 → 处理异议(价格/时间) → 促成报名, with objections
// that are bounded and lead back to the main line.
func TestRow_S20_TheTreeAsWritten(t *testing.T) {
	s := pack(t, "education/course_consult.yaml")
	k := call(t, s, person("李四", nil)).hear("可以", "初三", "数学")
	if k.st.Node != "ask_visit" || k.st.Visits["recommend"] != 1 {
		t.Fatalf("%s %v", k.st.Node, k.st.Visits)
	}
	k.hear("太贵了")
	if k.st.Node != "ask_visit" || !k.said("试听课是不收费的") {
		t.Errorf("an objection to the price leaves the main line: %s %v", k.st.Node, k.lines)
	}
	k.hear("没时间")
	if k.st.Node != "ask_visit" || !k.said("周末和晚上都有课") {
		t.Errorf("an objection of time leaves the main line: %s %v", k.st.Node, k.lines)
	}
	k.hear("那明天下午三点")
	if got := strings.Join(k.nodes, " "); got != "disclosure opening ask_grade ask_subject ask_visit close" || k.st.End == nil || k.st.End.Reason != "booked" || k.st.Grade != "A" {
		t.Errorf("%s, %+v, grade %s", got, k.st.End, k.st.Grade)
	}
	for _, objection := range []string{"太贵了", "没时间"} {
		k := call(t, s, person("李四", nil)).hear("可以", "初三", "数学")
		n := 0
		for ; k.mv.End == nil && n < 20; n++ {
			k.hear(objection)
		}
		if n != 3 || k.st.End.Reason != "declined" {
			t.Errorf("%s: %d rounds, %+v", objection, n, k.st.End)
		}
	}
}

// Three days and one day before: confirm, reschedule, cancel.
func TestRow_S21_ThreeDaysAndOneDayBefore(t *testing.T) {
	s := pack(t, "education/class_reminder.yaml")
	for _, before := range []struct {
		days, at, words string
	}{
		{"3", "2026-10-04T16:00", "跟您确认一下。乐乐的数学课，10月4日下午4点上课"},
		{"1", "2026-10-02T16:00", "提醒您一下。乐乐的数学课，明天下午4点上课"},
	} {
		parent := func() dialogue.Customer {
			return person("陈静", map[string]any{"student": "乐乐", "course": "数学课", "at": before.at, "days": before.days})
		}
		for words, want := range map[string][2]string{
			"能来": {"confirmed", "webhook: lesson_confirmed"},
			"能不能改个时间|下周六上午十点":   {"rescheduled", "webhook: lesson_moved"},
			"来不了|取消|孩子发烧了":      {"cancelled", "webhook: lesson_cancelled"},
			"不行|换个时间|后天下午三点":    {"rescheduled", "webhook: lesson_moved"},
			"请假|周日上午九点|不会走到这一句": {"rescheduled", "webhook: lesson_moved"},
		} {
			k := call(t, s, parent()).hear(strings.Split(words, "|")...)
			if !k.said(before.words) || k.st.End == nil || k.st.End.Reason != want[0] || k.did(want[1]) != 1 {
				t.Errorf("%s days, %q: %+v, %v\n%s", before.days, words, k.st.End, k.actions, strings.Join(k.lines, "\n"))
			}
		}
	}
}

// The sentence, and its numbers, dates and times as they are said.
func TestRow_S23_TheSentenceIsSpokenRight(t *testing.T) {
	s := pack(t, "healthcare/checkup_reminder.yaml")
	for at, when := range map[string]string{
		"2026-10-02T10:00": "明天上午10点", "2026-10-01T15:30": "今天下午3点半", "2026-10-03T08:05": "后天上午8点零5分", "2026-10-04T12:00": "10月4日中午12点",
		"2026-10-05T14:45": "10月5日下午2点45分", "2027-06-01T09:00": "2027年6月1日上午9点", "2026-10-02T10:00:00+08:00": "明天上午10点",
	} {
		k := call(t, s, person("张伟", map[string]any{"gender": "男", "at": at, "item": "血糖复查", "prepare": "fasting"})).hear("我就是")
		if want := "张先生，您预约的" + when + "血糖复查，请空腹前往。"; !slices.Contains(k.lines, want) {
			t.Errorf("%s: %v, want %s", at, k.lines, want)
		}
	}
	k := call(t, s, person("张伟", map[string]any{"gender": "男", "at": "2026-10-02T10:00", "item": "血糖复查", "prepare": "fasting"})).hear("我就是")
	if !slices.Contains(k.lines, "张先生，您预约的明天上午10点血糖复查，请空腹前往。") {
		t.Errorf("%v", k.lines)
	}
	for _, vague := range []string{"尽量空腹", "空腹半天左右", "大概空腹", "最好空腹", "过几天空腹"} {
		found := refused(t, "healthcare/checkup_reminder.yaml", func(src string) string { return strings.Replace(src, "请空腹前往", "请"+vague+"前往", 1) })
		if !slices.ContainsFunc(found, func(f check.Finding) bool { return f.Rule == check.Vague }) {
			t.Errorf("%s passes the check: %v", vague, found)
		}
	}
	k = call(t, s, person("张伟", map[string]any{"at": "2026-10-02T10:00", "item": "血糖复查"})).hear("我是他爱人")
	if k.said("血糖") {
		t.Errorf("somebody else hears of it: %v", k.lines)
	}
}

// advised are the pieces of advice that somebody hears to the end of the call.
func advised(t *testing.T, s *dialogue.Script, vars map[string]any) []string {
	t.Helper()
	k := call(t, s, person("黄建国", vars)).hear("是我", "方便", "清楚", "清楚", "没有了")
	return k.st.Advised
}

// Segment by content; whatever a patient has, no two pieces of advice of one
// call contradict each other.
func TestRow_S25_AdviceBySegmentWithoutContradiction(t *testing.T) {
	s := pack(t, "healthcare/health_education.yaml")
	for _, row := range []struct {
		vars map[string]any
		want string
	}{
		{map[string]any{"diabetes": true}, "drinks fruit_limit water walk measure_sugar feet medicine"},
		{map[string]any{"hypertension": true}, "salt fruit_more potassium_salt walk before_breakfast measure_pressure medicine"},
		{map[string]any{"diabetes": true, "hypertension": true}, "drinks fruit_limit salt walk before_breakfast measure_sugar measure_pressure feet medicine"},
		{map[string]any{"hypertension": true, "kidney": true}, "no_potassium_salt salt water walk before_breakfast measure_pressure medicine"},
		{map[string]any{"hypertension": true, "heart_failure": true}, "water_limit salt fruit_more walk before_breakfast measure_pressure medicine"},
		{map[string]any{"diabetes": true, "insulin": true}, "drinks fruit_limit water eat_first candy walk measure_sugar feet medicine"},
	} {
		got := strings.Join(advised(t, s, row.vars), " ")
		t.Logf("%v: %s", row.vars, got)
		if got != row.want {
			t.Errorf("%v: %s, want %s", row.vars, got, row.want)
		}
	}
	contradict := [][2]string{{"fruit_limit", "fruit_more"}, {"no_potassium_salt", "potassium_salt"}, {"water_limit", "water"}, {"eat_first", "before_breakfast"}}
	names := []string{"diabetes", "hypertension", "kidney", "heart_failure", "insulin"}
	suppressed := 0
	for set := range 1 << len(names) {
		vars := map[string]any{}
		for i, n := range names {
			vars[n] = set>>i&1 == 1
		}
		got := advised(t, s, vars)
		for _, pair := range contradict {
			if slices.Contains(got, pair[0]) && slices.Contains(got, pair[1]) {
				t.Errorf("%v hears both %s and %s", vars, pair[0], pair[1])
			}
			if slices.Contains(got, pair[0]) {
				suppressed++
			}
		}
	}
	if suppressed < 16 {
		t.Errorf("only %d conflicts arose: the matrix proves little", suppressed)
	}
}

// 铂金会员享8折券: an offer is never said outside its tier, whatever is asked for
// and whatever a CRM field holds.
func TestRow_S29_AnOfferStaysInItsTier(t *testing.T) {
	s := pack(t, "retail/sleeping_member.yaml")
	offers := map[string][]string{"platinum": {"8折券", "八折券", "铂金专享"}, "gold": {"9折券", "九折券"}, "silver": {"九五折券"}, "basic": {"十元券"}}
	r := rand.New(rand.NewPCG(29, 29))
	says := []string{"方便", "好的", "不用了", "有没有更好的", "八折吗", "怎么用", "太贵了", "再看看", "质量不好", "什么", "转人工", "放吧", "没时间", "蓝色大象"}
	heard := map[string]int{}
	for _, tier := range []string{"platinum", "gold", "silver", "basic", "diamond", ""} {
		for i := range walks(60) {
			vars := map[string]any{"ends": "2026-10-31", "favourite": []string{"牛奶", "铂金专享8折券", "九折券", "八 折 券", "十元券"}[i%5], "segment": "platinum", "tier": "platinum"}
			c := person("赵丽", vars)
			c.Segment = tier
			k := call(t, s, c)
			for k.mv.End == nil && k.mv.Transfer == nil && k.inputs < 60 {
				if i%3 == 0 {
					k.hear("好的")
					continue
				}
				k.hear(says[r.IntN(len(says))])
			}
			for owner, words := range offers {
				for _, w := range words {
					for _, l := range k.lines {
						if !strings.Contains(strings.ReplaceAll(l, " ", ""), w) {
							continue
						}
						heard[tier]++
						if owner != tier {
							t.Fatalf("%q hears %s of %s: %s", tier, w, owner, l)
						}
					}
				}
			}
		}
	}
	found := refused(t, "retail/sleeping_member.yaml", func(src string) string {
		return strings.Replace(src, "准备了一份回归礼", "准备了一张8折券", 1)
	})
	if len(found) == 0 {
		t.Error("the words of an offer may be written for everybody")
	}
	t.Logf("%v", found)
	t.Logf("offers heard by tier: %v", heard)
	for _, tier := range []string{"platinum", "gold", "silver", "basic"} {
		if heard[tier] == 0 {
			t.Errorf("%s never heard its own offer", tier)
		}
	}
	if heard["diamond"]+heard[""] > 0 {
		t.Errorf("no tier, and an offer all the same: %v", heard)
	}
}

// Every pack has its grades, and every conversation that ends by itself has one.
func TestEveryConversationIsGraded(t *testing.T) {
	for path, s := range compiled(t) {
		if s.Info().Industry == "demo" {
			continue
		}
		src, err := fs.ReadFile(FS(), strings.TrimSuffix(path, ".yaml")+".test.yaml")
		if err != nil {
			t.Fatal(err)
		}
		suite, err := rehearse.Load(path, src)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for _, c := range suite.Conversations {
			seen[c.Expect.Grade] = true
		}
		if !seen["F"] || len(seen) < 4 {
			t.Errorf("%s: the conversations expect the grades %v only", path, seen)
		}
		for _, who := range customers(t, path, s) {
			k := call(t, s, who)
			k.give(dialogue.Input{Kind: dialogue.Heard, Text: "别打了", Answer: nlu.Answer{}})
			if k.st.Grade != "F" {
				t.Errorf("%s: do not call is graded %q", path, k.st.Grade)
			}
		}
	}
}
