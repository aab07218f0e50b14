package keyword

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"ringmaster/internal/nlu"
)

// everything is what is listened for when a question expects nothing in
// particular.
//
//nolint:gochecknoglobals // a table, read only
var everything = func() []nlu.Expectation {
	var out []nlu.Expectation
	for _, i := range []nlu.Intent{"stop", "complaint", "human", "abuse", "wrong_person", "busy", "callback", "price_objection", "time_objection", "not_interested",
		"already_done", "are_you_ai", "who_is_this", "repeat", "hold_on", "deny", "affirm", "unsure", "thanks", "goodbye", "greeting"} {
		out = append(out, nlu.Expectation{Intent: i})
	}
	return out
}()

func tierOf(i nlu.Intent) int {
	switch i {
	case "stop", "complaint", "human":
		return 0
	case "affirm", "deny", "unsure":
		return 2
	case "thanks", "goodbye", "greeting", "hold_on":
		return 3
	}
	return 1
}

// entry of the lexicon: whole is a pattern for a clause that says nothing
// else; phrases are looked for anywhere.
type entry struct {
	whole   *pattern
	phrases []string
}

// pattern is a regular expression with the characters that it can match, so
// that most clauses are told apart without running it.
type pattern struct {
	re    *regexp.Regexp
	runes map[rune]bool
}

func (p *pattern) match(clause string) bool {
	for _, r := range clause {
		if r != ' ' && !p.runes[r] {
			return false
		}
	}
	return p.re.MatchString(clause)
}

func words(s string) []string {
	var out []string
	for _, w := range strings.Split(s, ",") {
		if w = normalise(strings.TrimSpace(w)).s; w != "" {
			out = append(out, w)
		}
	}
	return out
}

// particles that end or begin a clause without meaning anything.
const (
	lead  = `(?:嗯|恩|啊|哦|噢|喔|呃|额|那个?|这个?|就|我|喂|哎|诶|先|well |um |uh |oh |so |erm )*`
	trail = `(?:啊|呀|吧|的|了|嘛|啦|喇|哦|喔|哈|呢|咯|嘅|先| please| thanks| thank you|谢谢|多谢|麻烦你?|麻烦您| then| sure)*`
)

func whole(alternatives string) *pattern {
	p := &pattern{re: regexp.MustCompile(`^` + lead + `(?:` + alternatives + `)(?: ?(?:` + alternatives + `))*` + trail + `$`), runes: map[rune]bool{}}
	for _, r := range lead + alternatives + trail {
		p.runes[r] = true
	}
	return p
}

// lexicon is what is known without being told.
//
//nolint:gochecknoglobals // a table, read only
var lexicon = map[nlu.Intent]entry{
	"affirm": {
		whole: whole(`对|是|系|好|行|可以|没问题|冇问题|没错|嗯|要|要得|得|中|成|同意|愿意|方便|有空|有时间|有兴趣|感兴趣|需要|想|想要|确认|确定|当然|必须|ok|okay|yes|yeah|yep|yup|sure|of course|certainly|absolutely|definitely|right|correct|go ahead|fine|good|great|sounds good|all right|alright|ھەئە|ماقۇل|بولىدۇ`),
		phrases: words(`没问题,可以的,可以啊,好啊,好呀,好的呀,行啊,那行,那好吧,好吧,就这样吧,就这么办,那就报,那帮我,帮我登记,给我登记,帮我报,给我报,给我留,帮我留,帮我办,我愿意,我同意,我要报名,我想报名,我报名,我参加,我要参加,算我一个,给我来一个,登记吧,
			报名吧,参加吧,办一个吧,是我,我就是,是本人,本人,我系,方便的,有空的,现在方便,有时间听,收到了,冇问题,好嘅,得啦,得嘅,梗系,
			i would like,id like,id love,sign me up,yes please,sounds good,why not,i agree,count me in,lets do it,that works,thats fine,thats right,this is he,this is she,speaking,i am interested,im interested,i do,i did,i have`),
	},
	"deny": {
		whole: whole(`不|不是|不行|不要|不用|不用了|不可以|不需要|不想|不想要|不了|没有|没|没收到|算了|不必|不方便|不同意|不愿意|免了|别|唔要|唔系|唔使|唔得|唔需要|唔好|冇|no|nope|nah|not really|not now|no thanks|no thank you|not yet|never|ياق`),
		phrases: words(`不用了,不需要,不要了,不想要,算了吧,还是算了,那算了,先不,不考虑,不办,不买,不报名,不参加,不登记,不是我,我不是,还没有,没收到,没有收到,不行,不可以,不同意,不愿意,不太想,不怎么想,不必了,没必要,唔使喇,唔要喇,唔需要,仲未,未收到,
			no thanks,no thank you,i dont want,i dont need,dont need it,not at the moment,i would rather not,id rather not,im fine,im good,i didnt,i havent,i have not,i dont think so,not for me,havent received`),
	},
	"unsure": {
		whole:   whole(`不知道|不清楚|不确定|不好说|再说|再看看|看看|看情况|再想想|考虑考虑|考虑一下|随便|都行|都可以|唔知|唔清楚|睇下先|maybe|perhaps|not sure|i dont know|we will see|i guess`),
		phrases: words(`不知道,不清楚,不是很清楚,不太清楚,不确定,不好说,再说吧,再看看,考虑一下,考虑考虑,再考虑,想一想,再想想,商量一下,商量商量,问问家里,跟家里人商量,看情况,不一定,说不准,唔知,谂下先,睇下先,not sure,dont know,let me think,think about it,need to think,ask my wife,ask my husband,maybe later,it depends`),
	},
	"busy": {
		whole: whole(`忙|很忙|忙着呢|在忙|没空|唔得闲|冇时间|busy`),
		phrases: words(`在开会,开会呢,在忙,正忙,很忙,忙着呢,在开车,开着车,正开车,不方便,不太方便,现在没空,现在没时间,没空听,没时间听,在上课,在上班,在工作,在吃饭,在睡觉,在医院,在外面,在地铁,有事,有点事,等下再说,手头有事,我在忙,
			揸紧车,开紧会,做紧嘢,唔得闲,而家唔方便,唔方便,忙紧,冇时间听,冇空,
			im busy,i am busy,in a meeting,im driving,i am driving,at work,not a good time,bad time,cant talk,cannot talk,in the middle of,on another call,im eating,having dinner,no time right now`),
	},
	"callback": {
		phrases: words(`再打给我,再打来,再打过来,再联系我,打给我,回头再打,晚点再打,晚点打,过会再打,待会再打,等会再打,一会再打,改天再打,改天再说,明天再打,下午再打,晚上再打,换个时间,另外约时间,换个时间打,等一会打,过一会打,迟啲再打,听日再打,得闲再打,晚点再联系,
			call me back,call back,call me later,call me tomorrow,call later,call again later,call again tomorrow,try again later,another time,some other time,ring me later`),
	},
	"price_objection": {
		whole: whole(`贵|太贵|好贵|很贵|有点贵|expensive|too expensive|pricey`),
		phrases: words(`太贵,好贵,很贵,有点贵,有些贵,挺贵,贵了,贵啊,这么贵,那么贵,价格高,价格太高,价钱高,价钱太高,费用高,费用太高,便宜点,便宜一点,能不能便宜,能便宜,再便宜,不便宜,没钱,冇钱,没有钱,钱不够,预算不够,超预算,超出预算,买不起,付不起,负担不起,不值,不划算,不值得,性价比不高,优惠力度不够,折扣太低,折扣太少,优惠太少,少一点钱,打折少,平啲,好鬼贵,
			too expensive,expensive,too much money,cost too much,costs too much,cheaper,cant afford,cannot afford,price is too high,too pricey,over my budget,not worth,no money,lower price,better price`),
	},
	"time_objection": {
		whole: whole(`没时间|没有时间|没空|太忙|冇时间|冇空|no time`),
		phrases: words(`没时间,没有时间,没空,没有空,抽不出时间,腾不出时间,时间不合适,时间不方便,时间对不上,时间冲突,时间不够,太忙了,最近忙,最近比较忙,最近很忙,工作忙,平时忙,平时很忙,没工夫,没功夫,来不及,赶不上,周末也要上班,冇时间,冇空,得唔到闲,时间唔啱,
			no time,dont have time,do not have time,havent got time,too busy,schedule,not enough time,time doesnt work,timing`),
	},
	"not_interested": {
		whole: whole(`没兴趣|不感兴趣|没有兴趣|冇兴趣|唔感兴趣|不考虑|not interested`),
		phrases: words(`没兴趣,没有兴趣,不感兴趣,没啥兴趣,没什么兴趣,不太感兴趣,不考虑了,用不着,用不上,不需要这个,不需要这些,对这个没兴趣,不想了解,不想听,冇兴趣,唔感兴趣,用唔着,
			not interested,no interest,not for me,dont care,i am not interested,im not interested,dont want to hear`),
	},
	"who_is_this": {
		whole: whole(`谁|谁啊|是谁|系边个|你谁|你是谁|哪位|哪里|哪家公司|边位|边个|who`),
		phrases: words(`你是谁,你谁啊,你哪位,请问哪位,您哪位,你哪里,你是哪里,哪家公司,什么公司,哪个公司,你们是哪,你们是谁,你们是干什么,你是干嘛的,你是干什么,打电话干嘛,打电话什么事,有什么事,什么事,找我干嘛,找我什么事,你边位,你系边个,边间公司,做咩打嚟,
			who is this,whos this,who are you,who is calling,whos calling,what company,which company,where are you calling from,what is this about,whats this about,why are you calling`),
	},
	"are_you_ai": {
		phrases: words(`你是机器人吗,是机器人吗,是不是机器人,你是机器吗,是人还是机器,你是真人吗,是真人吗,是不是真人,你是人工吗,是人工吗,是不是人工,是不是录音,这是录音吗,你是录音,你是ai,是ai吗,是智能语音,机器人打的,机器人吧,系唔系机器人,系唔系真人,你系机器人,
			are you a robot,are you a bot,are you a machine,are you human,are you a human,are you real,are you a real person,is this a robot,is this a recording,is this a real person,talking to a robot,talking to a human,talking to a machine,are you ai,are you an ai`),
	},
	"repeat": {
		whole: whole(`什么|啥|嗯哼|再说一遍|再讲一遍|没听清|没听清楚|没听见|没听到|咩话|pardon|sorry|what|excuse me|again`),
		phrases: words(`再说一遍,再说一次,再讲一遍,再讲一次,重复一遍,重复一下,没听清,没听清楚,没有听清,没听明白,没听懂,没听见,没听到,听不清,听不清楚,听不见,刚才说什么,你说什么,你刚说什么,说慢点,慢点说,说的什么,讲多次,再讲多次,听唔清,听唔到,讲咩话,
			say that again,say it again,repeat that,can you repeat,could you repeat,didnt catch,did not catch,cant hear you,cannot hear you,didnt hear,what did you say,come again,speak slower,slow down,one more time`),
	},
	"wrong_person": {
		whole:   whole(`打错了|打错电话了|你打错了|打错咗|wrong number`),
		phrases: words(`打错了,打错电话,打错咗,打错人,找错人,你找错,不是本人,不认识这个人,没有这个人,不认识他,不认识她,他不在,她不在,本人不在,他妈妈,我是他,我是她,搵错人,冇呢个人,wrong number,wrong person,no one by that name,nobody by that name,he is not here,she is not here,hes not here,shes not here,not me`),
	},
	"already_done": {
		phrases: words(`已经买了,已经买过,已经报了,已经报名,报过了,买过了,已经办了,办过了,已经有了,已经还了,还过了,已经交了,交过了,已经做了,做过了,已经付了,付过了,已经登记,登记过了,买咗,报咗,已经还咗,already have,already bought,already did,already paid,already signed up,already done,have one already`),
	},
	"thanks": {
		whole:   whole(`谢谢|谢谢你|谢谢您|多谢|多谢晒|感谢|辛苦了|唔该|thanks|thank you|cheers`),
		phrases: words(`谢谢,多谢,唔该,thank you,thanks`),
	},
	"goodbye": {
		whole:   whole(`再见|拜拜|拜|挂了|先挂了|就这样|没事了|没有了|没了|bye|goodbye|bye bye`),
		phrases: words(`再见,拜拜,先挂了,我挂了,挂电话了,没别的了,没有其他,没其他,没什么了,没有别的,没事了,就这样吧,bye,goodbye,thats all,nothing else,that is all`),
	},
	"greeting": {
		whole:   whole(`你好|您好|喂|早上好|上午好|下午好|晚上好|hello|hi|hey|good morning|good afternoon|good evening`),
		phrases: words(`你好,您好,hello,good morning,good afternoon`),
	},
	"hold_on": {
		whole:   whole(`等一下|等等|稍等|等会|等我一下|等阵|等下|hold on|wait|one moment|one second|just a second|just a moment|hang on`),
		phrases: words(`等一下啊,稍等一下,你等一下,等我一下,等等我,我拿个笔,我找一下,我看一下,等阵先,hold on,one moment,one second,just a second,just a minute,hang on,wait a minute,wait a second,give me a second`),
	},
	"abuse": {
		phrases: words(`滚,傻逼,煞笔,傻b,他妈的,妈的,你妈,操你,草你,去死,神经病,有病吧,有病啊,骗子,王八蛋,混蛋,扑街,仆街,屌你,黐线,死骗子,fuck,shit,asshole,bastard,bitch,scammer,screw you,piss off,get lost,idiot`),
	},
}

// lexical is the built-in evidence for an intent.
func lexical(s string, i nlu.Intent) (hit, bool) {
	e, ok := lexicon[i]
	if !ok {
		return hit{}, false
	}
	var best hit
	found := false
	at := 0
	for _, c := range strings.SplitAfter(s, "|") {
		clause := strings.Trim(c, "| ")
		if e.whole != nil && clause != "" && e.whole.match(clause) {
			best, found = hit{conf: 0.93, length: weight(clause), end: at + len(clause), why: "says " + brief(clause)}, true
		}
		at += len(c)
	}
	for _, p := range e.phrases {
		from, to, ok := find(s, p)
		if !ok || i == "affirm" && questioned(s[to:]) {
			continue
		}
		if n := weight(p); !found || confidenceOf(n) > best.conf || to > best.end && tierOf(i) == 2 && confidenceOf(n) > 0.7 {
			best, found = hit{conf: max(confidenceOf(n), best.conf), length: n, end: to, why: "says " + brief(s[from:to])}, true
		}
	}
	if !found {
		return leading(s, i)
	}
	return best, true
}

// leading: 好的 or 不 before anything else is a weak yes or no.
func leading(s string, i nlu.Intent) (hit, bool) {
	re := yesLead
	switch i {
	case "affirm":
	case "deny":
		re = noLead
	case "busy":
		if at := busyLater.FindStringIndex(s); at != nil {
			return hit{conf: 0.7, length: 3, end: at[1], why: "says " + brief(s[at[0]:at[1]])}, true
		}
		return hit{}, false
	default:
		return hit{}, false
	}
	at := re.FindStringIndex(s)
	if at == nil {
		return hit{}, false
	}
	return hit{conf: 0.6, length: 1, end: at[1], why: "begins with " + brief(s[:at[1]])}, true
}

var (
	yesLead   = regexp.MustCompile(`^(?:嗯|哦|啊)*(?:好的|好啊|可以|行|没问题|对的|是的|好嘅|得|yes|yeah|sure|okay|ok)(?:[^不没吗么]|$)`)
	noLead    = regexp.MustCompile(`^(?:嗯|哦|啊)*(?:不用|不要|不是|不行|没有|唔使|唔要|冇|no|nope)(?:[^吗么题]|$)`)
	busyLater = regexp.MustCompile(`(?:正|在|正在)(?:开|上|吃|做|忙|跑|看|带|接|陪)[^|]{0,6}(?:呢|着|，|\||$)`)
	question  = regexp.MustCompile(`^[^|]{0,4}(?:吗|么|嘛|咩)`)
)

func questioned(right string) bool { return question.MatchString(right) }

// weight counts Chinese characters one by one and Latin words by length.
func weight(s string) int {
	if s != "" && s[0] < 0x80 {
		return (utf8.RuneCountInString(s) + 2) / 3
	}
	return utf8.RuneCountInString(s)
}

// brief keeps a reason to one short line.
func brief(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "..."
	}
	return s
}
