package turntest

// Half names one of the two halves of the corpus. They share no sentence and
// no voice: constants are chosen on Tuning and reported on HeldOut.
type Half int

// The two halves.
const (
	Tuning Half = iota
	HeldOut
)

// Voices are the callers and agents of a half, for a language.
func (h Half) Voices(lang string) []Voice {
	variants := []string{"", "f1", "f2", "m1", "m3", "linda", "edward", "anika"}
	if h == HeldOut {
		variants = []string{"f3", "f4", "f5", "m2", "m4", "m7", "steph", "max"}
	}
	var out []Voice
	for i, v := range variants {
		speed := 150 + 13*((i*5+int(h)*3)%8)
		pitch := 30 + 5*((i*3+int(h))%8)
		out = append(out, Voice{lang, v, speed, pitch})
	}
	return out
}

// Agent are the sentences that our own voice says.
func (h Half) Agent(lang string) []string { return pick(agentTexts(), lang, h) }

// Caller are the sentences that callers say, from two syllables to two clauses.
func (h Half) Caller(lang string) []string { return pick(callerTexts(), lang, h) }

// Languages of the corpus.
func Languages() []string { return []string{"cmn", "yue", "en"} }

// pick takes every other sentence.
func pick(all map[string][]string, lang string, h Half) []string {
	var out []string
	for i, s := range all[lang] {
		if i%2 == int(h) {
			out = append(out, s)
		}
	}
	return out
}

func agentTexts() map[string][]string {
	return map[string][]string{
		"cmn": {
			"您好,我是银行信用卡中心的智能客服,本次通话将会录音,请问您现在方便吗?",
			"先生您好,这里是学而教育,我们最近有一个免费的数学试听课,想邀请您的孩子来参加。",
			"您的账单将在本月二十五号到期,应还金额是三千六百二十元,请您及时还款以免影响信用。",
			"我们这边查到您的包裹已经到达网点,请问您是希望今天下午配送还是明天上午配送?",
			"这款保险每个月只需要五十块钱,可以保障您和家人的意外医疗,最高赔付一百万。",
			"为了核实您的身份,请您说出身份证号码的最后四位数字,谢谢您的配合。",
			"活动的时间是从本周六到下周日,地点在人民广场的地铁站旁边,到时候会有专人接待您。",
			"医院提醒您明天上午九点有一个复诊预约,请您带好医保卡和以前的检查报告,空腹前来。",
			"如果您对这个方案有兴趣的话,我可以让我们的专业顾问给您回电,再详细介绍一下。",
			"根据合同约定,逾期之后每天会产生万分之五的违约金,所以建议您尽快处理。",
		},
		"yue": {
			"你好,我係銀行嘅智能客服,今次通話會錄音,請問你而家方唔方便?",
			"先生你好,我哋最近有一個免費嘅試堂,想邀請你嘅小朋友嚟參加。",
			"你嘅賬單喺今個月二十五號到期,請你盡快還款,以免影響信用。",
			"我哋查到你嘅包裹已經到咗,請問你想今日下晝送定係聽日朝早送?",
			"呢個保險每個月只需要五十蚊,可以保障你同屋企人嘅意外醫療。",
			"為咗核實你嘅身份,請你講出身份證號碼嘅最後四個數字,多謝合作。",
		},
		"en": {
			"Hello, this is the automated assistant of your bank, this call is recorded, is now a good time to talk?",
			"Good morning, we are offering a free trial lesson in mathematics and would like to invite your child.",
			"Your statement is due on the twenty fifth of this month, the amount is three thousand six hundred dollars.",
			"Your parcel has arrived at our depot, would you like it delivered this afternoon or tomorrow morning?",
			"For your security please tell me the last four digits of your identity card number, thank you.",
			"The clinic reminds you of your appointment tomorrow at nine, please bring your insurance card with you.",
		},
	}
}

func callerTexts() map[string][]string {
	return map[string][]string{
		"cmn": {
			"喂,等一下。", "不用了,谢谢。", "我现在没有时间,你晚点再打过来吧。", "你说什么?我没有听清楚。",
			"别打了,我不需要。", "多少钱一个月?", "这个是什么活动啊,收不收费的?", "我已经还过钱了,你们再查一下。",
			"你是机器人吗?", "帮我转人工客服。", "可以的,你明天上午送过来就好了。", "我不是他本人,你打错电话了。",
			"身份证号码是三七二八。", "太贵了,能不能便宜一点?", "好的,我知道了,再见。", "行,那你给我发个短信吧。",
		},
		"yue": {
			"喂,等陣先。", "唔使喇,多謝。", "我而家冇時間,你遲啲再打嚟啦。", "你講咩話?我聽唔清楚。",
			"唔好再打嚟。", "幾多錢一個月?", "我已經還咗錢,你再查下啦。", "好呀,聽日朝早送過嚟啦。",
		},
		"en": {
			"Wait a moment please.", "No thank you, I don't need it.", "I am busy now, call me later.", "What did you say? I could not hear you.",
			"Stop calling me.", "How much is it per month?", "I have already paid that bill last week.", "Can I talk to a real person?",
			"Yes, tomorrow morning is fine for me.", "That is too expensive, do you have anything cheaper?", "Who is this?", "My number is three seven two eight.",
		},
	}
}
