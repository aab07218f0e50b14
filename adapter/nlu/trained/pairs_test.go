package trained

import (
	"context"
	"strings"
	"testing"

	"ringmaster/internal/nlu"
)

// wealth is a script of a bank that offers advice on investments; its own
// examples are what an author would write down.
func wealth(said string) nlu.Question {
	return nlu.Question{Tenant: "t1", Script: "wealth", Version: strings.Repeat("1", 64), Node: "offer", Said: said, Language: "cmn", Expect: []nlu.Expectation{
		{Intent: "consult", Keywords: []string{"理财咨询"}, Examples: []string{"我想咨询一下理财", "你们有什么理财产品", "这个产品的收益是多少", "年化利率有多高", "想了解一下基金", "定期存款利息多少", "买多少起", "风险大不大", "期限是多久",
			"能不能提前赎回", "保本吗", "给我介绍一下这款产品", "手续费怎么收", "哪种理财比较稳妥", "怎么购买", "我有一笔钱想做投资", "大额存单现在什么利率", "收益什么时候到账", "和别的基金有什么区别", "请帮我规划一下资产", "我想问问理财的事", "咨询一下你们的业务"}},
		{Intent: "complaint", Examples: []string{"你们卖的理财亏了我要投诉", "理财经理骗了我", "乱收手续费我要去告你们", "说好保本结果亏了给我个说法", "你们服务太差我要反映", "我对这个处理结果非常不满", "钱被扣了没人管", "我要向监管部门反映", "误导我买基金必须赔偿", "投诉了三次都没人回复"}},
		{Intent: "affirm"}, {Intent: "deny"}, {Intent: "unsure"}, {Intent: "busy"}, {Intent: "callback"}, {Intent: "price_objection", Keywords: []string{"手续费太高"}}, {Intent: "time_objection"}, {Intent: "not_interested"}, {Intent: "already_done"},
		{Intent: "who_is_this"}, {Intent: "are_you_ai"}, {Intent: "wrong_person"}, {Intent: "repeat"}, {Intent: "hold_on"}, {Intent: "stop"}, {Intent: "human"}, {Intent: "abuse"}, {Intent: "voicemail"}, {Intent: "thanks"}, {Intent: "goodbye"},
	}}
}

// pairs are sentences that share most of their words and mean two things.
const pairs = `
我想咨询理财=consult|我想投诉理财=complaint
理财咨询=consult|投诉=complaint
我要咨询一下你们的理财产品=consult|我要投诉一下你们的理财产品=complaint
理财收益怎么样=consult|理财收益不对我要投诉=complaint
你们的基金怎么买=consult|你们的基金骗人我要举报=complaint
手续费怎么算=consult|手续费乱扣我要投诉=complaint
这个产品保本吗=consult|说好的保本现在亏了你们要赔我=complaint
我想了解存款利息=consult|利息算错了我要告你们=complaint
理财经理能给我介绍一下吗=consult|理财经理骗我买的我要投诉他=complaint
赎回要几天到账=consult|赎回的钱没到账我要投诉=complaint
我有理财方面的问题想咨询=consult|我有理财方面的问题要投诉=complaint
请问投资风险高不高=consult|风险没告诉我你们这是欺诈我要报警=complaint
咨询热线是多少我想了解基金=consult|投诉热线是多少=complaint
你们有什么好的理财推荐=consult|你们推荐的理财亏了给个说法=complaint
我不是要投诉我想咨询理财=consult|我不是要咨询我要投诉=complaint
大额存单利率多少=consult|大额存单利率跟说的不一样我要投诉=complaint
怎么购买这款基金=consult|怎么投诉这款基金=complaint
服务费是多少=consult|服务太差了我要投诉=complaint
理财产品期限多长=consult|理财产品到期不给钱我要举报你们=complaint
定投基金怎么操作=consult|操作失误害我亏钱我要投诉=complaint
这个收益率是多少=consult|收益率太低了没兴趣=not_interested
给我介绍一下吧=consult|不用介绍了=deny
我想买点理财=consult|我不想买理财=not_interested
我想了解一下基金=consult|我不想了解=not_interested
对理财有点兴趣收益多少=consult|对理财没兴趣=not_interested
理财我想听听收益怎么样=consult|理财我不想听=not_interested
买理财要多少钱起=consult|我没钱买理财=price_objection
手续费怎么收的=consult|手续费太高了=price_objection
产品收费吗怎么收=consult|收费太贵了=price_objection
利率多少=consult|利率太高了不划算=price_objection
我已经买了你们的理财=already_done|我想买你们的理财=consult
我已经办过了=already_done|我想办一个=affirm
昨天已经还了=already_done|明天再打给我=callback
已经报过名了=already_done|那我报名吧=affirm
可以的=affirm|可以便宜点吗=price_objection
行=affirm|不行=deny
需要=affirm|不需要=deny
要=affirm|不要=deny
好的没问题=affirm|好的再见=goodbye
可以你说=affirm|你说什么=repeat
方便=affirm|不方便=busy
我有兴趣=affirm|我没有兴趣=not_interested
我同意=affirm|我不同意=deny
有时间你讲吧=affirm|没有时间=time_objection
是我本人=affirm|不是本人=wrong_person
对=affirm|不对=deny
行我考虑=unsure|行就这么办=affirm
我再考虑一下=unsure|不考虑了=not_interested
我跟老婆商量一下=unsure|我老婆已经买了=already_done
不知道=unsure|不需要=deny
还没想好=unsure|还没有=deny
说不好再看看=unsure|你再说一遍=repeat
现在在忙=busy|平时太忙没时间=time_objection
我在开会=busy|开完会再打给我=callback
我在开车=busy|等我开完车你再打过来=callback
现在没空=busy|最近都抽不出时间=time_objection
我在上班=busy|下班以后再打给我=callback
在吃饭呢=busy|吃完饭你再打来=callback
现在不方便说话=busy|换个方便的时间再打给我=callback
晚上再打给我=callback|晚上也别打了=stop
过会儿再打=callback|以后不要再打=stop
你下午打过来=callback|你不要再打过来=stop
明天再联系我=callback|别再联系我=stop
打给我=callback|不要打给我=stop
再打一次吧等会儿=callback|再打我就投诉=complaint
别打了=stop|别打折了直接说=
不要再打电话了=stop|不要打断我=
别再给我打电话=stop|别给我打马虎眼=
你是谁=who_is_this|你是人吗=are_you_ai
你是哪家公司=who_is_this|你是机器人吗=are_you_ai
哪位=who_is_this|打错了=wrong_person
你们是银行的吗=who_is_this|你们是真人吗=are_you_ai
找我什么事=who_is_this|你找错人了=wrong_person
你打电话什么事=who_is_this|你打错电话了=wrong_person
你从哪知道我电话的=who_is_this|把我的电话删掉=stop
你怎么有我号码=who_is_this|这不是我的号码是别人的=wrong_person
转人工=human|你是人工吗=are_you_ai
我要人工客服=human|我要投诉客服=complaint
找你们经理=human|我要投诉你们经理=complaint
帮我接一个真人=human|你是真人还是录音=are_you_ai
叫你们领导来=human|我要向你们领导投诉=complaint
换个人跟我说=human|换个时间跟我说=callback
没听清再说一遍=repeat|等一下=hold_on
声音太小听不清=repeat|不清楚=unsure
你说什么=repeat|什么事=who_is_this
再讲一次=repeat|下次再讲=callback
稍等一下=hold_on|等会儿再打=callback
等我拿支笔=hold_on|等我有空再打=callback
你等等我=hold_on|你等下午再打吧=callback
谢谢=thanks|不用谢谢=deny
谢谢你啊=thanks|好拜拜=goodbye
多谢你=thanks|我先挂了=goodbye
骗子=abuse|你们骗了我的钱我要投诉=complaint
神经病=abuse|请在滴声后留言=voicemail
滚=abuse|别烦我=stop
您好请在提示音后留言=voicemail|您好请问哪位=who_is_this
您拨打的用户正在通话中=voicemail|我正在通话不方便=busy
机主不方便接听请留言=voicemail|我现在不方便接听=busy
太贵了=price_objection|不贵=
能便宜点吗=price_objection|能晚点打吗=callback
`

func TestRow_S10_AdviceAgainstComplaintAndAHundredConfusablePairs(t *testing.T) {
	u := open(t, wealth(""))
	n, right, claimed := 0, 0, 0
	for line := range strings.Lines(pairs) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		n++
		for _, side := range strings.Split(line, "|") {
			said, want, _ := strings.Cut(side, "=")
			a, err := u.Understand(context.Background(), wealth(said))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case a.Intent == nlu.Intent(want):
				right++
				continue
			case a.Intent != "":
				claimed++
			}
			t.Logf("%s: %q (%.2f, %s), want %q; %v", said, a.Intent, a.Confidence, a.Reason, want, a.Candidates)
			if want == "complaint" || n <= 2 {
				t.Errorf("%s must not be missed", said)
			}
		}
	}
	t.Logf("%d pairs: %d of %d right, %d wrong claims, the rest abstained from", n, right, 2*n, claimed)
	if n < 100 || right < 2*n*95/100 || claimed > 2*n*3/100 {
		t.Errorf("%d pairs: %d of %d right, %d wrong claims; want 100, 95 %%, at most 3 %%", n, right, 2*n, claimed)
	}
}
