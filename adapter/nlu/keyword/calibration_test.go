package keyword

import (
	"context"
	"testing"

	"ringmaster/internal/nlu"
)

// corpus: intents with the examples that an author would write, and what
// callers say who mean them. None of the sentences said is an example.
func corpus() (expect []nlu.Expectation, said map[nlu.Intent][]string, nothing []string) {
	expect = []nlu.Expectation{
		{Intent: "how_to_use", Examples: []string{"这个优惠券怎么使用", "怎么用这个券", "线下门店能不能用", "网上可以用吗"}},
		{Intent: "deadline", Examples: []string{"活动到什么时候结束", "优惠券的有效期是多久", "什么时候过期"}},
		{Intent: "refund", Examples: []string{"买了不喜欢可以退货吗", "能不能退款", "退货怎么退"}},
		{Intent: "delivery", Examples: []string{"多久可以送到", "什么时候发货", "快递几天能到"}},
		{Intent: "discount", Examples: []string{"到底便宜多少钱", "打几折", "优惠力度有多大"}},
		{Intent: "address", Examples: []string{"你们门店在哪里", "店铺的地址是什么", "离我最近的店在哪"}},
	}
	said = map[nlu.Intent][]string{
		"how_to_use": {"优惠券要怎么使用啊", "那这个券怎么用呢", "门店能用吗线下", "在网上可以用吗", "怎么使用这个优惠券呢", "线下的门店能用不"},
		"deadline":   {"这个活动什么时候结束", "有效期多久啊", "券什么时候会过期", "活动到几号结束啊", "优惠券有效期是多长时间"},
		"refund":     {"不喜欢可以退吗", "可以退款吗", "买了能退货吗", "退货要怎么退啊", "如果不喜欢能不能退货"},
		"delivery":   {"多久能送到", "几天能到啊快递", "你们什么时候发货呢", "快递要几天才能到", "大概多久可以送到家"},
		"discount":   {"能便宜多少钱", "打多少折", "优惠的力度大吗", "到底打几折啊", "便宜多少钱到底"},
		"address":    {"门店在什么地方", "你们店在哪里", "地址是哪里", "店铺地址是什么啊", "最近的店在哪里"},
	}
	nothing = []string{"今天天气不错", "我儿子在上学", "你吃饭了吗", "这个人我认识", "昨天的球赛看了吗", "嗯那个就是", "手机快没电了", "隔壁老王的狗", "我在看电视呢", "今年过年早",
		"蓝色的大象在飞", "三加五等于八", "你的声音很好听", "外面下雨了", "我老婆管这些", "一二三四五", "他还没有回来", "你猜我是谁", "楼下超市关门了", "孩子作业写完了", "电梯坏了", "这歌不错", "我想想啊", "水开了"}
	return expect, said, nothing
}

// The threshold holds what it says: of what is claimed nearly all is right,
// what means nothing is left alone, and confidence is no boast: among answers
// of at least 0.7 at least 70 % are right.
func TestExamplesAreCalibrated(t *testing.T) {
	u := New()
	expect, said, nothing := corpus()
	right, wrong, missed, sure, sureRight := 0, 0, 0, 0, 0
	note := func(text string, want, got nlu.Intent, conf float64) {
		switch {
		case got == want && want != "":
			right++
		case got == "" && want != "":
			missed++
			t.Logf("missed: %s (%s)", text, want)
		case got != want:
			wrong++
			t.Logf("wrong: %s is %s, not %s (%.2f)", text, got, want, conf)
		}
		if conf >= 0.7 {
			sure++
			if got == want {
				sureRight++
			}
		}
	}
	total := 0
	for want, texts := range said {
		for _, text := range texts {
			total++
			a, err := u.Understand(context.Background(), nlu.Question{Said: text, Expect: expect})
			if err != nil {
				t.Fatal(err)
			}
			note(text, want, a.Intent, a.Confidence)
		}
	}
	for _, text := range nothing {
		a, err := u.Understand(context.Background(), nlu.Question{Said: text, Expect: expect})
		if err != nil {
			t.Fatal(err)
		}
		note(text, "", a.Intent, a.Confidence)
	}
	t.Logf("%d said: %d right, %d missed; %d wrong claims in all; %d of %d sure ones right", total, right, missed, wrong, sureRight, sure)
	if right*100 < total*80 || wrong*100 > (total+len(nothing))*5 || sureRight*100 < sure*95 {
		t.Error("the examples do not hold what their confidence promises")
	}
}
