package keyword

import (
	"context"
	"testing"
	"time"

	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/nlutest"
)

func TestContract(t *testing.T) {
	nlutest.Run(t, func(*testing.T) nlu.Understander { return New() }, nlutest.Options{})
}

func ask(t testing.TB, q nlu.Question) nlu.Answer {
	t.Helper()
	a, err := New().Understand(context.Background(), q)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestBuiltinIntents(t *testing.T) {
	for _, c := range []struct {
		said string
		want nlu.Intent
	}{
		{"好的", "affirm"}, {"嗯好的", "affirm"}, {"可以啊", "affirm"}, {"行吧", "affirm"}, {"没问题", "affirm"}, {"是的是的", "affirm"}, {"对", "affirm"}, {"要的", "affirm"},
		{"好的，你帮我登记吧", "affirm"}, {"方便，你说", "affirm"}, {"我就是", "affirm"}, {"好的谢谢", "affirm"}, {"有兴趣", "affirm"}, {"嗯。", "affirm"},
		{"不用了", "deny"}, {"不用了谢谢", "deny"}, {"不要", "deny"}, {"不需要", "deny"}, {"没有", "deny"}, {"还没收到", "deny"}, {"算了吧", "deny"}, {"不行不行", "deny"}, {"好吧，不用了", "deny"}, {"不", "deny"},
		{"没兴趣", "not_interested"}, {"我不感兴趣", "not_interested"}, {"对这个没什么兴趣", "not_interested"},
		{"太贵了", "price_objection"}, {"有点贵啊", "price_objection"}, {"好贵", "price_objection"}, {"能不能便宜点", "price_objection"}, {"好的，但是太贵了", "price_objection"}, {"我没钱", "price_objection"}, {"这个价格太高了吧", "price_objection"},
		{"最近没时间", "time_objection"}, {"平时很忙", "time_objection"}, {"时间不合适", "time_objection"}, {"抽不出时间", "time_objection"},
		{"我在开会", "busy"}, {"现在不方便", "busy"}, {"我正开车呢", "busy"}, {"在忙", "busy"}, {"不好意思在吃饭", "busy"},
		{"晚点再打给我", "callback"}, {"改天再说吧", "callback"}, {"你明天下午再打过来吧", "callback"},
		{"你是谁", "who_is_this"}, {"哪位", "who_is_this"}, {"你们是哪家公司的", "who_is_this"}, {"什么事", "who_is_this"},
		{"你是机器人吗", "are_you_ai"}, {"你是真人吗", "are_you_ai"},
		{"什么？", "repeat"}, {"没听清", "repeat"}, {"再说一遍", "repeat"}, {"你刚才说什么", "repeat"},
		{"你打错了", "wrong_person"}, {"没有这个人", "wrong_person"},
		{"考虑一下吧", "unsure"}, {"不知道", "unsure"}, {"再看看", "unsure"},
		{"别打了", "stop"}, {"我要投诉", "complaint"}, {"帮我转人工", "human"},
		{"滚", "abuse"}, {"你们就是骗子", "abuse"},
		{"谢谢", "thanks"}, {"再见", "goodbye"}, {"喂你好", "greeting"}, {"等一下", "hold_on"},
		{"已经买过了", "already_done"},
		{"好嘅", "affirm"}, {"冇问题", "affirm"}, {"唔使喇", "deny"}, {"好鬼貴", "price_objection"}, {"我揸緊車", "busy"}, {"唔感興趣", "not_interested"}, {"你邊位", "who_is_this"}, {"唔該再講多次", "repeat"},
		{"yes", "affirm"}, {"Sure, go ahead.", "affirm"}, {"no thanks", "deny"}, {"I don't need it", "deny"}, {"that's too expensive", "price_objection"}, {"it is not expensive at all", ""}, {"I'm driving", "busy"}, {"call me back later", "callback"},
		{"who is this", "who_is_this"}, {"are you a robot", "are_you_ai"}, {"pardon?", "repeat"}, {"wrong number", "wrong_person"}, {"not interested", "not_interested"}, {"let me think about it", "unsure"}, {"stop calling me", "stop"},
		// not this
		{"不贵", ""}, {"不算太贵", ""}, {"对面的楼", ""}, {"你是对的吗", ""}, {"不是很清楚你说的这个", "unsure"}, {"今天天气怎么样", ""}, {"苹果香蕉", ""}, {"是谁啊", "who_is_this"}, {"好不好用", ""},
	} {
		q := nlu.Question{Said: c.said, Language: "cmn"}
		if a := ask(t, q); a.Intent != c.want {
			t.Errorf("%q: %q (%.2f, %s; %v), want %q", c.said, a.Intent, a.Confidence, a.Reason, a.Candidates, c.want)
		}
	}
}

func TestKeywordsAndExamples(t *testing.T) {
	expect := []nlu.Expectation{
		{Intent: "sign_up", Keywords: []string{"报名", "我要参加"}},
		{Intent: "details", Keywords: []string{"怎么报名", "re:要?不要.*钱"}, Examples: []string{"这个优惠怎么使用", "线下门店能不能用"}},
		{Intent: "affirm"}, {Intent: "deny"},
	}
	for said, want := range map[string]nlu.Intent{
		"我想报名":       "sign_up",
		"怎么报名啊":      "details", // the longer keyword
		"不报名了":       "deny",    // taken back
		"要不要付钱":      "details",
		"优惠怎么用呢":     "details",
		"门店里能不能用这个券": "details",
		"好，报名":       "sign_up",
		"门前的大树":      "",
		"这个用不了":      "",
	} {
		if a := ask(t, nlu.Question{Said: said, Expect: expect}); a.Intent != want {
			t.Errorf("%q: %q (%.2f, %s), want %q", said, a.Intent, a.Confidence, a.Reason, want)
		}
	}
}

// Thursday 1 October 2026, 14:00 in Shanghai.
func reference() time.Time {
	return time.Date(2026, 10, 1, 14, 0, 0, 0, time.FixedZone("CST", 8*3600))
}

func TestSlots(t *testing.T) {
	grades := map[string][]string{"maths": {"数学"}, "english": {"英语", "英文"}, "food": {"食品", "吃的"}, "appliance": {"家电"}}
	for _, c := range []struct{ kind, said, want, text string }{
		{"digits", "我的尾号是四五六七", "4567", "四五六七"},
		{"phone", "幺三八，零零幺三，八零零零", "13800138000", "幺三八，零零幺三，八零零零"},
		{"phone", "手机是138-0013-8000", "13800138000", "138-0013-8000"},
		{"phone", "一三八嗯零零一三那个八零零零", "13800138000", ""},
		{"phone", "13800138001不对，是13800138002", "13800138002", "13800138002"},
		{"phone", "一百三十八", "", ""},
		{"code", "验证码是 八 三 二 一", "8321", ""},
		{"id_card", "11010119900307", "", ""},
		{"id_card", "11010119900307001X", "11010119900307001X", ""},
		{"digits", "one two three four", "1234", "one two three four"},
		{"number", "大概三十五个", "35", "三十五"},
		{"number", "三千五", "3500", "三千五"},
		{"number", "一万二", "12000", ""},
		{"number", "一千零五", "1005", ""},
		{"number", "一亿二千万", "120000000", ""},
		{"number", "两百零三", "203", ""},
		{"number", "1.5万", "15000", ""},
		{"number", "十二点五", "12.5", ""},
		{"number", "two hundred and five", "205", ""},
		{"amount", "两千块", "2000", "两千块"},
		{"amount", "三十五块五", "35.50", "三十五块五"},
		{"amount", "1,024.50元", "1024.50", "1,024.50元"},
		{"amount", "五百", "500", ""},
		{"amount", "三块", "3", ""},
		{"age", "他今年十二岁", "12", "十二岁"},
		{"age", "五岁半", "5", ""},
		{"age", "八十", "80", ""},
		{"age", "三百岁", "", ""},
		{"age", "twenty five", "25", ""},
		{"grade", "初三了", "grade9", "初三"},
		{"grade", "小学五年级", "grade5", ""},
		{"grade", "九年级", "grade9", ""},
		{"grade", "高二", "grade11", ""},
		{"grade", "初五", "", ""},
		{"grade", "幼儿园大班", "preschool", ""},
		{"grade", "ninth grade", "grade9", ""},
		{"yes_no", "是的", "yes", ""},
		{"yes_no", "没有", "no", ""},
		{"yes_no", "天空", "", ""},
		{"enum", "主要是数学吧", "maths", "数学"},
		{"enum", "不要数学，要英语", "english", "英语"},
		{"enum", "数学，不对，英文", "english", "英文"},
		{"enum", "吃的和家电", "food", ""},
		{"name", "我叫李小明。", "李小明", "李小明"},
		{"name", "我姓欧阳", "欧阳", ""},
		{"name", "my name is john smith", "John Smith", "john smith"},
		{"date", "明天吧", "2026-10-02", "明天"},
		{"date", "大后天", "2026-10-04", ""},
		{"date", "下周三", "2026-10-07", "下周三"},
		{"date", "周六", "2026-10-03", ""},
		{"date", "星期一", "2026-10-05", ""},
		{"date", "这个周末", "2026-10-03", ""},
		{"date", "十二月三号", "2026-12-03", ""},
		{"date", "3号", "2026-10-03", ""},
		{"date", "下个月五号", "2026-11-05", ""},
		{"date", "三天后", "2026-10-04", ""},
		{"date", "昨天交的", "2026-09-30", ""},
		{"date", "2月30号", "", ""},
		{"date", "December 3rd", "2026-12-03", ""},
		{"date", "next Monday", "2026-10-05", ""},
		{"time", "下午三点半", "15:30", ""},
		{"time", "晚上八点一刻", "20:15", ""},
		{"time", "15:45", "15:45", ""},
		{"time", "中午十二点", "12:00", ""},
		{"time", "at 3:30 pm", "15:30", ""},
		{"datetime", "明天下午三点以后", "2026-10-02T15:00", "明天下午三点"},
		{"datetime", "下周三上午十点", "2026-10-07T10:00", ""},
		{"datetime", "半小时后", "2026-10-01T14:30", "半小时后"},
		{"datetime", "两个小时以后再打", "2026-10-01T16:00", "两个小时以后"},
		{"datetime", "今天晚上七点", "2026-10-01T19:00", ""},
		{"datetime", "三点", "2026-10-01T15:00", ""},
		{"datetime", "上午九点", "2026-10-02T09:00", ""},
		{"datetime", "明天", "2026-10-02T10:00", ""},
		{"datetime", "明天下午", "2026-10-02T15:00", ""},
		{"datetime", "晚上八点", "2026-10-01T20:00", ""},
		{"datetime", "今天上午", "", ""},
		{"datetime", "晚点", "", ""},
		{"datetime", "听日下昼三点", "2026-10-02T15:00", ""},
		{"datetime", "tomorrow at 3 pm", "2026-10-02T15:00", ""},
		{"datetime", "in two hours", "2026-10-01T16:00", ""},
		{"datetime", "in 30 minutes", "2026-10-01T14:30", ""},
		{"datetime", "day after tomorrow in the morning", "2026-10-03T10:00", ""},
		{"datetime", "friday evening", "2026-10-02T19:00", ""},
		{"datetime", "half past four", "2026-10-01T16:30", ""},
		{"datetime", "at 9 am", "2026-10-02T09:00", ""},
		{"datetime", "in half an hour", "2026-10-01T14:30", ""},
		{"datetime", "in an hour", "2026-10-01T15:00", ""},
		{"datetime", "一刻钟以后", "2026-10-01T14:15", ""},
		{"datetime", "一个半小时后", "2026-10-01T15:30", ""},
		{"datetime", "二十分钟后", "2026-10-01T14:20", ""},
		{"datetime", "明天傍晚", "2026-10-02T18:00", ""},
		{"datetime", "明早", "2026-10-02T10:00", ""},
		{"datetime", "明天中午", "2026-10-02T12:00", ""},
		{"datetime", "明晚八点半", "2026-10-02T20:30", ""},
		{"datetime", "后天早上六点", "2026-10-03T06:00", ""},
		{"datetime", "下周末", "2026-10-10T10:00", ""},
		{"datetime", "2026年12月24日下午三点", "2026-12-24T15:00", ""},
		{"datetime", "12月24号三点三刻", "2026-12-24T15:45", ""},
		{"datetime", "二十五点", "", ""},
		{"datetime", "昨天下午三点", "", ""},
		{"date", "前天", "2026-09-29", ""},
		{"date", "上周五", "2026-09-25", ""},
		{"date", "last friday", "2026-09-25", ""},
		{"date", "the 5th of november", "2026-11-05", ""},
		{"date", "2026/12/05", "2026-12-05", ""},
		{"date", "1号", "2026-10-01", ""},
		{"date", "一号楼", "", ""},
		{"date", "下下周一", "2026-10-12", ""},
		{"text", "随便说点什么", "随便说点什么", ""},
	} {
		q := nlu.Question{Said: c.said, Now: reference(), Slots: []nlu.SlotSpec{{Name: "x", Kind: c.kind, Values: grades}}}
		a := ask(t, q)
		nlutest.Check(t, q, a)
		got, text := "", ""
		for _, s := range a.Slots {
			got, text = s.Value, s.Text
		}
		if got != c.want || c.text != "" && text != c.text {
			t.Errorf("%s %q: %q from %q, want %q %s", c.kind, c.said, got, text, c.want, c.text)
		}
	}
}

func FuzzUnderstand(f *testing.F) {
	for _, s := range []string{"好的，太贵了", "明天下午三点以后", "一三八零零", "三百五十块五", "下周三", "我叫李小明", "in two hours", "初三", "\xff贵", "2月30号25点99分", "9999年99月99日"} {
		f.Add(s)
	}
	u := New()
	kinds := []string{"number", "digits", "amount", "date", "time", "datetime", "age", "grade", "yes_no", "name", "text", "order", "id_card", "bank_card", "phone", "code"}
	f.Fuzz(func(t *testing.T, said string) {
		q := nlutest.Question(said)
		for _, k := range kinds {
			q.Slots = append(q.Slots, nlu.SlotSpec{Name: k, Kind: k})
		}
		a, err := u.Understand(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		nlutest.Check(t, q, a)
		if b, _ := u.Understand(context.Background(), q); b.Intent != a.Intent || len(a.Slots) != len(b.Slots) {
			t.Fatal("not the same twice")
		}
	})
}

func BenchmarkUnderstand(b *testing.B) {
	u := New()
	q := nlutest.Question("嗯我想问一下这个优惠怎么使用")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := u.Understand(context.Background(), q); err != nil {
			b.Fatal(err)
		}
	}
}
