package dialogue

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"ringmaster/internal/speech"
)

// FindStop looks for a word of urgency in what is being said: on a partial
// result to fall silent at once, on the final one to decide. Words that are
// taken back (不用转人工), that only begin like one (别打了折) or that name a
// better time (现在别打了，晚点再打) are none. When several are said the complaint
// wins, because it includes the opt-out; then stop; then the wish for a
// person. matched is the phrase, in its normalised form. Callers mix
// languages, so all lists are searched whatever lang is.
func FindStop(text string, lang speech.Language) (Stop, string) {
	_ = lang
	found, matched, _ := scan(text)
	return found, matched
}

// scanStop also tells what was named and taken back.
func scanStop(text string) (Stop, []Stop) {
	found, _, negated := scan(text)
	return found, negated
}

// Backchannel reports that the words only say that somebody listens: 嗯, 对,
// 好的, uh-huh.
func Backchannel(text string, lang speech.Language) bool {
	_ = lang
	r := normal(text)
	if len(r) == 0 || len(r) > 24 {
		return false
	}
	return backchannel.MatchString(strings.ReplaceAll(string(r), "|", " "))
}

var backchannel = regexp.MustCompile(`^(?: *(?:嗯|恩|啊|哦|噢|喔|呃|额|唔|诶|欸|哎|对|是的|是啊|是|好的|好吧|好呀|好|行|知道了?|明白了?|了解了?|这样啊?|是吗|没错|你说|您说|请说|你讲|继续|听着呢|在听|在呢|我在|系啊?|得|明|收到|的|吧|呀|了|哈|呢` +
	`|u+h huh|u+h|m+ ?h+m+|mhm|m+|yeah|yes|yep|yup|ok|okay|right|sure|i see|go on|got it|aha|ah|oh|all right|alright|good|fine|ھەئە|ماقۇل|بولىدۇ))+ *$`)

// phrase is one way to say it.
type phrase struct {
	text string
	kind Stop
	// positive phrases (投诉, 拉黑) are undone by a negation before them; the
	// others (别打了) contain one.
	positive bool
	han      bool
}

// scan finds the strongest word that stands.
func scan(text string) (found Stop, matched string, negated []Stop) {
	s := string(normal(text))
	if s == "" {
		return StopNone, "", nil
	}
	for at, r := range s {
		starting := phrases[r]
		for i := range starting {
			p := &starting[i]
			if found != StopNone && rank(p.kind) >= rank(found) || !strings.HasPrefix(s[at:], p.text) {
				continue
			}
			switch judge(s, at, at+len(p.text), p) {
			case stands:
				found, matched = p.kind, p.text
			case takenBack:
				negated = append(negated, p.kind)
			}
		}
	}
	if found == StopNone && (strings.Contains(s, "人工") || strings.Contains(s, "真人")) {
		if w := bareHuman(s); w != "" {
			found, matched = StopHuman, w
		}
	}
	if found == StopNone && latin(s) {
		found, matched = english(s)
	}
	if found == StopNone {
		if m := bareStop.FindStringSubmatch(s); m != nil {
			found, matched = StopCalling, m[1]
		}
	}
	if found == StopCalling && betterTime(s) {
		return StopNone, "", append(negated, StopCalling)
	}
	return found, matched, negated
}

func rank(k Stop) int {
	switch k {
	case StopComplaint:
		return 0
	case StopCalling:
		return 1
	}
	return 2
}

type verdict uint8

const (
	nothing verdict = iota
	stands
	takenBack
)

// judge looks at the words around a phrase, within its clause.
func judge(s string, from, to int, p *phrase) verdict {
	left, right := s[:from], s[to:]
	if i := strings.LastIndexByte(left, '|'); i >= 0 {
		left = left[i+1:]
	}
	if i := strings.IndexByte(right, '|'); i >= 0 {
		right = right[:i]
	}
	left = tail(left, 24)
	if !p.han {
		return judgeEnglish(left, right, p)
	}
	if follower(p, right) {
		return nothing
	}
	switch p.kind {
	case StopHuman:
		if asksIfHuman.MatchString(left) && !wantsIt.MatchString(left) {
			return nothing
		}
	case StopComplaint:
		if strings.HasPrefix(p.text, "告你") && strings.HasSuffix(left, "警") || digitsOnly(p.text) && nearDigit(left, right) {
			return nothing
		}
	}
	if p.positive {
		l := choice.ReplaceAllString(left, "要")
		l = whyNot.ReplaceAllString(l, "")
		if negation.MatchString(l) && !conditional.MatchString(right) || withdrawn.MatchString(right) {
			return takenBack
		}
		return stands
	}
	if reported.MatchString(left) && !rhetorical(left, right) {
		return takenBack
	}
	return stands
}

// follower: the phrase is only the beginning of another word.
func follower(p *phrase, right string) bool {
	switch {
	case right == "":
		return false
	case strings.HasSuffix(p.text, "打") || strings.HasSuffix(p.text, "打了"):
		return otherHit.MatchString(right)
	case p.text == "投诉" || p.text == "举报":
		return strings.HasPrefix(right, "率") || strings.HasPrefix(right, "量")
	case p.text == "报警":
		return strings.HasPrefix(right, "器") || strings.HasPrefix(right, "系统") || strings.HasPrefix(right, "灯")
	case p.text == "退订":
		return strings.HasPrefix(right, "单")
	case strings.HasSuffix(p.text, "人工"):
		return otherManual.MatchString(right)
	case p.text == "人工服务":
		return strings.HasPrefix(right, "费")
	}
	return false
}

var (
	// 打 that is no call: 打折, 打断, 打招呼 ...
	otherHit = regexp.MustCompile(`^(?:个?(?:招呼|折|比方|针|岔|盹|车|包|赌|分|结|样|卡)|[一二两三四五六七八九0-9点半]{1,4}折|疫苗|水|断|击|游戏|麻将|牌|球|人|架|工|赏|印|字|假|雷|伞|扮|听|破|磨|扰|哈哈|马虎|滴|嗝|仗|官司|个(?:[^电]|$))`)
	// 人工 that is no person.
	otherManual = regexp.MustCompile(`^(?:智能|费|成本|呼吸|湖|授精|降雨|草|养殖|合成|翻译|操作|审核|流产|关节|晶体|骨|牙)`)
	// A-not-A questions ask for the thing.
	choice = regexp.MustCompile(`要不要|是不是|能不能|可不可以|会不会|有没有|好不好|行不行|想不想|需不需要|系唔系|可唔可以|使唔使|得唔得|有冇`)
	whyNot = regexp.MustCompile(`(?:为什么|为啥|怎么|干嘛|凭什么|点解|做乜|咋)(?:还|老|都|就)?(?:不|唔)`)
	// A negation that governs what follows: only light words stand between.
	negation = regexp.MustCompile(`(?:不|没|无须|无需|别|未|甭|莫|唔|冇|咪|免)(?:是|用|需|要|必|有|想|会|打算|准备|系|使|好|去|来|说|讲|再|过|给|帮|我|你|您|们|让|叫|被|转|直接|跟|做|进行|什么|任何|必要|麻烦|接|找|是要|的|了|到|得|意思|在|真|个)*$`)
	// 不投诉才怪, 不转人工我就挂了: the negation is a condition.
	conditional = regexp.MustCompile(`^.{0,6}(?:才怪|我就|就挂|的话|不行|怎么行|吗$|嘛$)`)
	// 投诉就算了: named, and let go.
	withdrawn = regexp.MustCompile(`^(?:什么的|你们?|您|客服)?(?:倒|就|也|那就)?(?:不至于|算了|不必|免了|没必要|不用了|冇必要)`)
	// A word of stopping that is reported and denied: 我没说不要再打.
	reported = regexp.MustCompile(`(?:不是|没有?|并非|并没有?|唔系|冇|未|谁|哪有)(?:要|让|叫|说|讲|过|想|你|您|们|我|请|要求|意思|是|的|话|以后|求)*$`)

	asksIfHuman = regexp.MustCompile(`(?:是|系|还是|是个|是不是|係)(?:个|一个|真的|真)?$`)
	wantsIt     = regexp.MustCompile(`(?:要|找|需要|想要|搵)的?(?:是|系)$`)
	manualOnly  = regexp.MustCompile(`(?:^|\|)(?:喂|嗯|那|好的?|请|我要|我想要|帮我|给我|麻烦|来个|找个|叫个|换个|转|接|直接|就|同我|帮我搵)*(人工|真人)(?:人工|客服|服务|吧|啊|呀|呢|了|谢谢|来|唔该)*(?:\||$)`)

	bareStop = regexp.MustCompile(`(?:^|\|)(?:喂|嗯|那|请|求求|求|麻烦|拜托|以后|你们|你|您|能不能|可不可以|可以|都|再也|真的)*(别打|不要打|甭打|莫打|咪打)(?:行不行|行吗|好不好|好吗|可以吗|成不成|谢谢|吧)?(?:\||$)`)

	// A better time is a wish to be called, not to be left alone.
	recall    = regexp.MustCompile(`(?:明天|后天|晚点|晚些|晚上|上午|中午|下午|一会|等会|待会|等下|过会|过几天|过两天|过段|改天|改日|回头|下周|下个?月|周[一二三四五六日天末]|星期.|小时后|分钟后|点以?后|点半?|听日|迟啲|下昼|夜晚|今晚).{0,6}?(?:再打|再联系|再说|再来电|再讲|打给我|打过来|打来|打嚟|打吧|打俾我|联系我|来电)`)
	notRecall = regexp.MustCompile(`(?:别|不要|不用|不许|不准|唔好|咪|莫)(?:再|给我|在|到|等|我|今天|明天|以后)*$`)
	recallEN  = regexp.MustCompile(`(?:call|ring|try|phone)(?: me| us)?(?: back| again)? (?:later|tomorrow|tonight|next|in the|in an|after|on|at|this)\b`)
	notEN     = regexp.MustCompile(`(?:dont|do not|never|stop|not)(?: \w+){0,2} $`)
)

// rhetorical: 不是说了别打了吗 says it once more.
func rhetorical(left, right string) bool {
	if strings.Contains(left, "说了") || strings.Contains(left, "说过") || strings.Contains(left, "告诉") || strings.Contains(left, "讲咗") {
		return !strings.Contains(left, "没说过") && !strings.Contains(left, "没有说过") && !strings.Contains(left, "没告诉")
	}
	for _, end := range []string{"吗", "嘛", "么", "咩"} {
		if strings.HasSuffix(right, end) {
			return true
		}
	}
	return false
}

// betterTime: the customer names another time to call, and does not forbid it.
func betterTime(s string) bool {
	for _, at := range recall.FindAllStringIndex(s, 4) {
		if !notRecall.MatchString(s[:at[0]]) && !strings.ContainsAny(s[at[0]:at[1]], "别咪") && !strings.Contains(s[at[0]:at[1]], "不要") {
			return true
		}
	}
	for _, at := range recallEN.FindAllStringIndex(s, 4) {
		if !notEN.MatchString(s[:at[0]]) {
			return true
		}
	}
	return false
}

// bareHuman: 人工 as a sentence of its own.
func bareHuman(s string) string {
	if m := manualOnly.FindStringSubmatch(s); m != nil {
		return m[1]
	}
	return ""
}

func digitsOnly(s string) bool { return strings.Trim(s, "0123456789") == "" }

func nearDigit(left, right string) bool {
	isDigit := func(b byte) bool { return b >= '0' && b <= '9' }
	return left != "" && isDigit(left[len(left)-1]) || right != "" && isDigit(right[0])
}

// tail keeps the last n characters.
func tail(s string, n int) string {
	for i := len(s); i > 0; n-- {
		if n == 0 {
			return s[i:]
		}
		_, size := utf8.DecodeLastRuneInString(s[:i])
		i -= size
	}
	return s
}
