package dialogue

import (
	"regexp"
	"strings"
)

// phrases is the table of FindStop by first character, read only. Every
// occurrence is judged by the words around it.
var phrases = buildPhrases() //nolint:gochecknoglobals // a table, read only

func buildPhrases() map[rune][]phrase {
	out := map[rune][]phrase{}
	add := func(kind Stop, positive, han bool, words string) {
		for _, w := range strings.Split(words, ",") {
			if w = strings.TrimSpace(w); w != "" {
				n := normal(w)
				out[n[0]] = append(out[n[0]], phrase{text: string(n), kind: kind, positive: positive, han: han})
			}
		}
	}
	add(StopComplaint, true, true, `投诉,举报,告你们,我要告你,工信部,消协,消费者协会,报警,12315,12321,12378`)
	add(StopCalling, false, true, `别打了,别打啦,别打咯,别打喽,别打我电话,别打我手机,别打这个电话,别打这个号,不要打啦,不要打我电话,不要打我手机,不要打这个,别跟我打电话,别打给我,不要打给我,别他妈打,别特么打,别tm打,不要再拨打,别再推销,别再给我推销,不要再给我推销,别给我推销,不要给我推销,别call,别再call,不要call,不要再call,唔好再call,唔好call,不要再推销,别推销,不要推销,别打搅我,别再打搅,不要打搅我,不要再打搅,别往这打,别再打,别打电话,别给我打,别再给我打,别老打,别老给我打,别老是打,别总打,别总是打,别一直打,别天天打,别每天打,
		不要打了,不要再打,不要打电话,不要给我打,不要再给我打,不要老打,不要总打,不要一直打,不要天天打,不要每天打,不要打过来,不要打来,别打过来,别打来,
		以后别打,以后不要打,以后不用打,以后少打,再也不要打,再也别打,永远别打,永远不要打,不用打了,不用再打,不用给我打,不用再给我打,不许打,不许再打,不准打,不准再打,请勿拨打,请勿再打,
		不要再联系,不要联系,别再联系,别联系,不用联系,不用再联系,不要再来电,别再来电,不要来电话,别来电话,
		别打扰我,别再打扰,不要打扰我,不要再打扰,请勿打扰,勿打扰,别骚扰,不要骚扰,不要再骚扰,别再骚扰,别烦我,别来烦,不要烦我,不要再烦,别再烦,
		不想再接到,不想接到你们,不想再收到,不希望再接到,不希望接到,莫打了,莫再打,莫打电话,甭打了,甭再打,
		唔好再打,唔好打嚟,唔好打来,唔好打电话,唔好打俾我,唔好打畀我,唔好再搵我,唔好搵我,唔好搞我,唔好烦我,唔好再烦,唔好骚扰,唔好再骚扰,唔使再打,唔使打嚟,咪再打,咪打嚟,咪打来,咪打俾我,咪烦我,咪搞我,咪再搵我`)
	add(StopCalling, true, true, `停止拨打,停止来电,停止打电话,停止给我打,停止骚扰,骚扰我,拉黑,退订,删除我的号码,删掉我的号码,删了我的号码,把我号码删,把我的号码删,把我电话删,把我的电话删,删除我的电话,删除我的信息,删除我的联系方式,从名单里删,从名单中删,从名单上删,黑名单,免打扰`)
	add(StopHuman, true, true, `转人工,接人工,找人工,要人工,叫人工,换人工,来人工,搵人工,有人工吗,有没有人工,人工客服,人工服务,人工坐席,人工座席,人工台,
		真人客服,转真人,找真人,要真人,换真人,找个真人,来个真人,换个真人,叫个真人,真人服务,跟真人,和真人,同真人,搵真人,搵个真人,跟人工,和人工,同人工,找个人工,换个人工,
		找你们经理,叫你们经理,找你们领导,叫你们领导,找你们主管,叫你们主管,找经理,找领导,转客服,接客服,找客服,要客服,叫客服,换客服,转坐席,转接坐席,转接客服,搵客服,搵经理,换个人跟我说,换个人来说,找个人跟我说,找个活人,换个活人`)
	add(StopCalling, false, false, `stop calling,quit calling,stop phoning,stop ringing me,dont call me,do not call me,dont call again,do not call again,dont call anymore,do not call anymore,
		dont call this number,dont call here,do not call this number,dont ever call,do not ever call,never call,no more calls,dont phone me,do not contact me,dont contact me,leave me alone,
		stop bothering,stop harassing,stop contacting,dont bother me,lose my number`)
	add(StopCalling, true, false, `remove me from,remove my number,delete my number,take me off,take my number off,unsubscribe,opt me out,opt out,do not call list`)
	add(StopComplaint, true, false, `complain,complaining,complaint,complaints,report you,report this call,sue you,from my lawyer,call my lawyer,calling the police,call the police`)
	add(StopHuman, true, false, `real person,live person,actual person,real human,live agent,human agent,human operator,transfer me`)
	// Uyghur: تېلېفون قىلماڭ "do not phone", شىكايەت "complaint", خادىم "staff".
	add(StopCalling, true, true, `تېلېفون قىلماڭ,قايتا قىلماڭ,تېلېفون ئۇرماڭ,چالماڭ`)
	add(StopComplaint, true, true, `شىكايەت,ئەرز قىلىمەن`)
	add(StopHuman, true, true, `خادىمغا ئۇلا,خادىم بىلەن سۆزلى`)
	return out
}

var (
	negationEN = regexp.MustCompile(`(?:^| )(?:no|not|dont|cant|cannot|wont|never|without|isnt|wasnt|didnt|havent|nothing|neither|doesnt)(?: (?:really|going|gonna|to|want|wish|need|have|had|any|a|an|the|about|this|is|here|make|making|file|filing|it|as|am|looking|planning|trying|mean|be|speak|talk|with|for|connect|get|like|even|your|my|me off|real)){0,5} $`)
	reportedEN = regexp.MustCompile(`(?:^| )(?:dont|do not|didnt say|never said|not asking you to|not saying|didnt mean|did not say|not telling you to|didnt ask you to|didnt tell you to|no need to|please dont)(?: (?:to|you|please|that))* $`)
	// Asking for a person: a verb of wanting and a noun for somebody.
	humanEN    = regexp.MustCompile(`\b(?:(?:speak|talk)(?:ing)? (?:to|with)|get(?: me)?|want|need|give me|connect me (?:to|with)|put me through to|let me have|pass me to|like) (?:(?:a|an|the|your|some|any) )?(?:(?:real|live|actual|human) )*(?:human|person|agent|representative|rep|operator|manager|supervisor|advisor|adviser|customer service|being)\b|\b(?:speak|talk)(?:ing)? (?:to|with) (?:someone|somebody)\b|(?:^|\|)(?:a |an |the )?(?:real |live )?(?:human|person|agent|representative|operator|manager|supervisor|customer service)(?: please)?(?:\||$)`)
	bareEN     = regexp.MustCompile(`(?:^|\|)(?:please )?(?:dont|do not) (?:ever )?(?:call|phone|ring)(?: please)?(?:\||$)`)
	askedEN    = regexp.MustCompile(`didnt (?:i|we|my)|did not i|havent i`)
	asksEN     = regexp.MustCompile(`(?:are you|is this|youre|you are|am i (?:talking|speaking) (?:to|with)|is it|sounds? like|arent you|isnt this|if youre|if this is)(?: \w+){0,2} $`)
	otherEN    = regexp.MustCompile(`^ (?:resources|rights|error|nature|a car|a taxi|him|her|it)\b`)
	inWord     = regexp.MustCompile(`^[a-z0-9]`)
	beforeWord = regexp.MustCompile(`[a-z0-9]$`)
)

func judgeEnglish(left, right string, p *phrase) verdict {
	if inWord.MatchString(right) || beforeWord.MatchString(left) || otherEN.MatchString(right) {
		return nothing
	}
	switch {
	case askedEN.MatchString(left):
		return stands
	case p.kind == StopHuman && asksEN.MatchString(left):
		return nothing
	case p.positive && negationEN.MatchString(left):
		return takenBack
	case !p.positive && reportedEN.MatchString(left):
		return takenBack
	}
	return stands
}

// english looks for the forms that are too many to list.
func english(s string) (Stop, string) {
	if m := bareEN.FindString(s); m != "" {
		return StopCalling, strings.Trim(m, "| ")
	}
	for _, at := range humanEN.FindAllStringIndex(s, 4) {
		left := s[:at[0]]
		if i := strings.LastIndexByte(left, '|'); i >= 0 {
			left = left[i+1:]
		}
		if !negationEN.MatchString(left) && !asksEN.MatchString(left) && !strings.HasSuffix(left, "am i ") {
			return StopHuman, strings.Trim(s[at[0]:at[1]], "| ")
		}
	}
	return StopNone, ""
}

func latin(s string) bool {
	for i := range len(s) {
		if s[i] >= 'a' && s[i] <= 'z' {
			return true
		}
	}
	return false
}
