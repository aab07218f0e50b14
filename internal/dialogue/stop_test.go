package dialogue

import (
	"strings"
	"testing"

	"ringmaster/internal/speech"
)

type stopCase struct {
	text string
	want Stop
}

func stopCases() map[speech.Language][]stopCase {
	return map[speech.Language][]stopCase{
		"cmn": {
			// stop
			{"别打了", StopCalling},
			{"别打了！", StopCalling},
			{"你们别再打了", StopCalling},
			{"不要再打了", StopCalling},
			{"不要再打电话过来了", StopCalling},
			{"能不能别打了", StopCalling},
			{"可不可以不要再给我打电话了", StopCalling},
			{"以后别给我打电话了行不行", StopCalling},
			{"我在开会，别打了", StopCalling},
			{"别打了，折扣太低", StopCalling},
			{"说了多少遍了别老打", StopCalling},
			{"不是说了别打了吗", StopCalling},
			{"我不是说过不要再打了吗", StopCalling},
			{"不是让你们别打了吗", StopCalling},
			{"不要再骚扰我了", StopCalling},
			{"请不要再联系我", StopCalling},
			{"别打扰我了", StopCalling},
			{"不要再打扰我", StopCalling},
			{"把我的号码删了吧", StopCalling},
			{"再打我就把你拉黑", StopCalling},
			{"退订", StopCalling},
			{"我不想再接到你们的电话", StopCalling},
			{"你们天天骚扰我", StopCalling},
			{"不准再打了", StopCalling},
			{"甭打了啊", StopCalling},
			{"别打电话了", StopCalling},
			{"停止拨打我的电话", StopCalling},
			{"不要明天再打了，以后都不要打了", StopCalling},
			{"明天也别再打了", StopCalling},
			{"别 打 了", StopCalling},
			{"嗯那个，别打了好吧", StopCalling},
			{"我警告你们别再打了", StopCalling},
			{"不用打了，谢谢", StopCalling},
			{"求求你们别打", StopCalling},
			{"别打行不行", StopCalling},
			{"你们别打啦", StopCalling},
			{"别打我电话了", StopCalling},
			{"不要打这个电话", StopCalling},
			{"请不要打。", StopCalling},
			{"孩子别打", StopNone},
			{"你别再给我打电话了", StopCalling},
			{"能别打了吗", StopCalling},
			{"以后这种电话别打给我", StopCalling},
			{"别再给我推销了", StopCalling},
			{"不要再推销了", StopCalling},
			{"别他妈打了", StopCalling},
			{"把我从名单里删掉", StopCalling},
			{"把我拉进黑名单", StopCalling},
			{"投诉倒不至于", StopNone},
			{"投诉就算了", StopNone},
			{"转人工就不用了", StopNone},
			{"不要再call我", StopCalling},
			{"以后不要打架", StopNone},
			// nearly stop
			{"别打了折", StopNone},
			{"别打了八折就来", StopNone},
			{"别打折了", StopNone},
			{"打折吗", StopNone},
			{"不要打折", StopNone},
			{"不要再打折了", StopNone},
			{"别打断我", StopNone},
			{"不要打断我说话", StopNone},
			{"别打了个招呼就走", StopNone},
			{"别打岔", StopNone},
			{"叫他别打游戏", StopNone},
			{"孩子别打了疫苗就出门", StopNone},
			{"我没说不要再打", StopNone},
			{"我不是让你别打了", StopNone},
			{"没有说别打了", StopNone},
			{"现在别打了，晚点再打", StopNone},
			{"我在开会别打了明天下午再打给我", StopNone},
			{"不要今天打，周三再打吧", StopNone},
			{"没骚扰我", StopNone},
			{"别拉黑我呀", StopNone},
			{"退订单怎么操作", StopNone},
			{"打电话", StopNone},
			{"你打错了", StopNone},
			{"打八折可以", StopNone},
			{"", StopNone},
			{"。。。", StopNone},
			// complaint
			{"我要投诉", StopComplaint},
			{"投诉", StopComplaint},
			{"怎么投诉", StopComplaint},
			{"怎么投诉你们", StopComplaint},
			{"投诉电话是多少", StopComplaint},
			{"有没有投诉电话", StopComplaint},
			{"再打我就投诉你", StopComplaint},
			{"别打了，再打我投诉", StopComplaint},
			{"我很不满意我要投诉", StopComplaint},
			{"不投诉你们才怪", StopComplaint},
			{"我要去12315举报你们", StopComplaint},
			{"信不信我告你们", StopComplaint},
			{"再打就报警了", StopComplaint},
			{"你不给我转人工我就投诉", StopComplaint},
			{"我要投訴", StopComplaint},
			// nearly complaint
			{"不是要投诉", StopNone},
			{"我不是要投诉", StopNone},
			{"没有投诉", StopNone},
			{"我没有要投诉你的意思", StopNone},
			{"我不会投诉你的", StopNone},
			{"我不想投诉", StopNone},
			{"你们的投诉率高吗", StopNone},
			{"我没投诉过", StopNone},
			{"家里的报警器响了", StopNone},
			{"我告诉你们地址", StopNone},
			{"我的号码是123151234", StopNone},
			// human
			{"转人工", StopHuman},
			{"人工", StopHuman},
			{"人工。", StopHuman},
			{"帮我转人工客服", StopHuman},
			{"我要找真人", StopHuman},
			{"能不能转人工", StopHuman},
			{"不能转人工吗", StopHuman},
			{"为什么不转人工", StopHuman},
			{"不转人工我就挂了", StopHuman},
			{"我不要机器人我要人工", StopHuman},
			{"不要机器人转人工", StopHuman},
			{"叫你们经理来", StopHuman},
			{"有没有人工客服", StopHuman},
			{"嗯，人工", StopHuman},
			{"我要的是人工服务", StopHuman},
			// nearly human
			{"不用转人工", StopNone},
			{"不用转人工了", StopNone},
			{"不需要人工服务", StopNone},
			{"暂时不需要转人工", StopNone},
			{"先不转人工", StopNone},
			{"别给我转人工", StopNone},
			{"你是人工客服吗", StopNone},
			{"你是机器人还是人工服务", StopNone},
			{"人工智能课程有吗", StopNone},
			{"我想了解一下人工智能", StopNone},
			{"人工费怎么算", StopNone},
			{"转人工智能专业", StopNone},
		},
		"yue": {
			{"唔好再打嚟", StopCalling},
			{"唔好再打電話嚟喇", StopCalling},
			{"咪再打嚟", StopCalling},
			{"唔好煩我", StopCalling},
			{"唔使再打喇", StopCalling},
			{"唔好再搵我", StopCalling},
			{"今日唔好打嚟，听日再打", StopNone},
			{"我要投訴你哋", StopComplaint},
			{"點樣投訴", StopComplaint},
			{"我唔系要投诉", StopNone},
			{"冇投訴", StopNone},
			{"幫我轉人工", StopHuman},
			{"我要搵真人", StopHuman},
			{"唔使轉人工", StopNone},
			{"你係咪真人嚟㗎", StopNone},
			{"有冇人工客服", StopHuman},
		},
		"en": {
			{"stop calling me", StopCalling},
			{"Please don't call me again.", StopCalling},
			{"do not call this number", StopCalling},
			{"take me off your list", StopCalling},
			{"remove me from your list please", StopCalling},
			{"Didn't I tell you to stop calling?", StopCalling},
			{"leave me alone", StopCalling},
			{"don't stop calling", StopNone},
			{"I'm not asking you to stop calling", StopNone},
			{"Don't call me now, call me back tomorrow", StopNone},
			{"I want to file a complaint", StopComplaint},
			{"how do I complain", StopComplaint},
			{"I will report you", StopComplaint},
			{"I'm not complaining", StopNone},
			{"I have no complaints", StopNone},
			{"can't complain", StopNone},
			{"I don't want to make a complaint", StopNone},
			{"don't make me complain", StopComplaint},
			{"let me speak to a person", StopHuman},
			{"can I talk to someone", StopHuman},
			{"I want a real person", StopHuman},
			{"representative", StopHuman},
			{"are you a real person", StopNone},
			{"am I talking to a human", StopNone},
			{"I don't need a representative", StopNone},
			{"human resources department", StopNone},
			{"a humanist", StopNone},
			{"I am a manager", StopNone},
			{"I work in customer service", StopNone},
			{"customer service please", StopHuman},
			{"could you put me through to your supervisor", StopHuman},
			{"I'd like to talk to a real person please", StopHuman},
			{"get me an agent", StopHuman},
			{"I don't want to speak to anyone", StopNone},
			{"no need to talk to a person", StopNone},
			{"my real estate agent", StopNone},
			{"please don't call", StopCalling},
			{"am I speaking to a person", StopNone},
			{"you will hear from my lawyer", StopComplaint},
			{"my lawyer friend told me", StopNone},
			{"I need people to help", StopNone},
		},
	}
}

func TestFindStop(t *testing.T) {
	n := 0
	for lang, cases := range stopCases() {
		for _, c := range cases {
			n++
			got, matched := FindStop(c.text, lang)
			if got != c.want {
				t.Errorf("%s %q: got %q (%s), want %q", lang, c.text, got, matched, c.want)
			}
			if got != StopNone && matched == "" {
				t.Errorf("%s %q: found %q without saying what", lang, c.text, got)
			}
		}
	}
	if n < 80 {
		t.Fatalf("only %d cases", n)
	}
}

// A partial result that already holds the word is enough to fall silent.
func TestFindStopOnPartials(t *testing.T) {
	for _, c := range []struct {
		partials []string
		at       int
	}{
		{[]string{"你", "你们", "你们别", "你们别打", "你们别打了", "你们别打了行不行"}, 3},
		{[]string{"我", "我要", "我要投", "我要投诉"}, 3},
		{[]string{"帮", "帮我转", "帮我转人", "帮我转人工"}, 3},
		{[]string{"stop", "stop call", "stop calling"}, 2},
	} {
		for i, p := range c.partials {
			if got, _ := FindStop(p, "cmn"); (got != StopNone) != (i >= c.at) {
				t.Errorf("%q: %q", p, got)
			}
		}
	}
}

func TestBackchannel(t *testing.T) {
	for _, s := range []string{"嗯", "嗯嗯", "对", "好的", "好的好的", "嗯，对", "哦，这样啊", "是的是的", "您说", "系", "uh-huh", "mm-hmm", "Yeah, okay.", "ok", "嗯 嗯", "ھەئە"} {
		if !Backchannel(s, "cmn") {
			t.Errorf("%q is a sign of listening", s)
		}
	}
	for _, s := range []string{"", "嗯不要", "好贵", "对不起", "不对", "是谁", "别打了", "yesterday", "okay stop calling", "好的我要报名", strings.Repeat("嗯", 60)} {
		if Backchannel(s, "cmn") {
			t.Errorf("%q is more than a sign of listening", s)
		}
	}
}

func FuzzFindStop(f *testing.F) {
	for _, cases := range stopCases() {
		for _, c := range cases {
			f.Add(c.text)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, m := FindStop(s, "cmn")
		if b, n := FindStop(s, "cmn"); a != b || m != n {
			t.Fatal("not the same twice")
		}
		Backchannel(s, "cmn")
	})
}

func BenchmarkFindStop(b *testing.B) {
	for b.Loop() {
		FindStop("嗯我想问一下你们这个会员日的活动到什么时候结束", "cmn")
	}
}
