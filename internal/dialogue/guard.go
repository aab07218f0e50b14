package dialogue

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"ringmaster/internal/nlu"
	"ringmaster/internal/speech"
)

// judge decides whether a model's words may be said. It does not trust the
// model: whatever talked it into something, the words must be of the right
// form and language, hold no number, offer or promise that the facts do not
// hold, deny none of them, nothing that is banned or above the customer's tone, no talk about
// recordings, robots or rules, and every longer clause must be made of the
// words of the facts. refused is a short code for an author; empty = it may.
func (t *turn) judge(k *compose, d nlu.Draft, facts, offers []string) (text, refused string) {
	text = tidy(d.Say)
	lang := t.st.Language
	if _, ok := k.intents[d.Intent]; d.Intent != "" && !ok {
		return "", "an intent that was not offered"
	}
	switch {
	case text == "":
		return "", "nothing to say"
	case utf8.RuneCountInString(text) > k.chars:
		return "", fmt.Sprintf("longer than %d characters", k.chars)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, notPlain):
		return "", "not plain words"
	case !inLanguage(text, lang):
		return "", "another language"
	}
	grounds := append(append([]string{}, facts...), offers...)
	known := flat(strings.Join(grounds, "\n"))
	words := flat(text)
	if w := firstOf(words, forbidden); w != "" {
		return "", "it talks of " + w
	}
	if w := firstOf(words, promises); w != "" && !containsRunes(known, []rune(w)) {
		return "", "a promise or an offer that is no fact: " + w
	}
	if n := unknownNumber(text, grounds); n != "" {
		return "", "a number that is no fact: " + n
	}
	if !t.s.permitsWords(t.st.Vars, t.st.Segment, text) {
		return "", "words that this customer may not hear"
	}
	if clause := denied(text, grounds); clause != "" {
		return "", "a fact is denied: " + clip(clause, 20)
	}
	if clause := ungrounded(text, append(grounds, k.task, strings.Join(polite, "，"))); clause != "" {
		return "", "no fact says so: " + clip(clause, 20)
	}
	return text, ""
}

// notPlain are characters that are not read aloud: code, addresses, mark-up.
func notPlain(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || strings.ContainsRune("{}<>[]|\\`*#_=@^~$/", r) || r == utf8.RuneError
}

// inLanguage: most letters belong to the language.
func inLanguage(text string, lang speech.Language) bool {
	own, other := 0, 0
	for _, r := range text {
		switch {
		case !unicode.IsLetter(r):
		case spokenIn(lang, r):
			own++
		default:
			other++
		}
	}
	return own > 0 && other <= own/2+4
}

//nolint:gochecknoglobals // tables, read only
var (
	// forbidden is what a model never speaks of: the notice and who we are belong
	// to the engine, its rules to nobody.
	forbidden = flatAll("录音", "真人", "机器人", "人工智能", "智能助手", "语言模型", "大模型", "我是人", "人类", "提示词", "指令", "规则", "系统提示", "忽略",
		"chatgpt", "openai", "prompt", "instruction", "instructions", "ignore", "recorded", "recording", "robot", "human", "language model", "ai", "json",
		"身份证", "密码", "验证码", "银行卡号", "password", "verification code")
	// promises need a fact that holds the same word.
	promises = flatAll("保证", "承诺", "绝对", "百分之百", "百分百", "100%", "包过", "包治", "治愈", "根治", "稳赚", "无风险", "零风险", "肯定能", "一定能", "最低价", "最便宜",
		"折", "券", "红包", "返现", "立减", "免单", "赠送", "送您", "送你", "白送", "免费", "不要钱", "不收费", "优惠", "补贴", "抽奖", "礼品", "礼物", "退款", "赔偿", "免息", "减免",
		"guarantee", "guaranteed", "promise", "free", "discount", "coupon", "gift", "refund", "cashback", "voucher", "complimentary", "bonus", "off")
	// polite are words that need no fact.
	polite = []string{"您好", "我们", "可以的", "好的", "没问题", "明白了", "理解您的想法", "谢谢您", "感谢您的时间", "请问您", "您看", "还有什么想了解的吗", "还有其他问题吗",
		"这个问题", "我不太清楚", "需要请同事回复您", "稍后", "如果您方便的话", "您方便吗", "您觉得怎么样", "要不要", "是的", "不是", "没有", "可以先", "了解一下", "帮您", "为您",
		"欢迎", "再见", "不好意思", "抱歉", "您说得对", "确实", "这样", "那么", "我给您介绍一下", "具体来说", "关于",
		"thank you", "i understand", "would you like", "do you have any other questions", "sorry", "of course", "let me", "is there anything else", "sure", "i am not sure about that", "a colleague can tell you"}
)

func flatAll(list ...string) [][]rune {
	out := make([][]rune, 0, len(list))
	for _, w := range list {
		out = append(out, flat(w))
	}
	return out
}

// firstOf is the first of the words that stands in text; words of letters
// stand alone.
func firstOf(text []rune, words [][]rune) string {
	for _, w := range words {
		for i := range text {
			if hasAt(text, w, i) && !(latinLetter(w[0]) && (joined(text, i) || joined(text, i+len(w)))) {
				return string(w)
			}
		}
	}
	return ""
}

func containsRunes(text, w []rune) bool {
	for i := range text {
		if hasAt(text, w, i) {
			return true
		}
	}
	return false
}

// ungrounded is the first longer clause of which too few pairs of characters
// (or words, where letters are written) stand in what is known.
func ungrounded(text string, known []string) string {
	have := map[string]bool{}
	for _, k := range known {
		for _, g := range pairsOf(k) {
			have[g] = true
		}
	}
	for _, clause := range clauses(text) {
		grams := pairsOf(clause)
		if len(grams) < 5 {
			continue
		}
		hits := 0
		for _, g := range grams {
			if have[g] {
				hits++
			}
		}
		if hits*10 < len(grams)*3 {
			return clause
		}
	}
	return ""
}

func clauses(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return unicode.IsPunct(r) && r != '%' && r != '.' && r != '\'' || r == '。' })
}

// denied is the first clause that takes back what it has from the facts: it
// shares words with them and holds a negation that none of them has.
func denied(text string, facts []string) string {
	have := map[string]bool{}
	for _, f := range facts {
		for _, g := range pairsOf(f) {
			have[g] = true
		}
		for _, n := range negations(f) {
			have[n] = true
		}
	}
	for _, clause := range clauses(text) {
		shared := 0
		for _, g := range pairsOf(clause) {
			if have[g] {
				shared++
			}
		}
		if shared < 2 {
			continue
		}
		for _, n := range negations(clause) {
			if !have[n] {
				return clause
			}
		}
	}
	return ""
}

// negations are the negations in a text, each with the character after it.
func negations(s string) []string {
	var out []string
	r := flat(s)
	for i, c := range r {
		if strings.ContainsRune("不没無无非未别勿冇唔", c) && i+1 < len(r) {
			out = append(out, string(r[i:i+2]))
		}
	}
	for _, w := range strings.FieldsFunc(strings.ToLower(s), func(c rune) bool { return c < 'a' || c > 'z' }) {
		switch w {
		case "no", "not", "never", "none", "isn", "don", "doesn", "won", "cannot", "without":
			out = append(out, "not ")
		}
	}
	return out
}

// pairsOf are the pairs of neighbouring characters of a text; of words of
// letters, the words.
func pairsOf(s string) []string {
	r := flat(s)
	var out []string
	for i := 0; i < len(r); i++ {
		if latinLetter(r[i]) {
			j := i
			for j < len(r) && latinLetter(r[j]) {
				j++
			}
			if j-i > 2 {
				out = append(out, string(r[i:j]))
			}
			i = j - 1
			continue
		}
		if i+1 < len(r) && !latinLetter(r[i+1]) && r[i] != ' ' && r[i+1] != ' ' {
			out = append(out, string(r[i:i+2]))
		}
	}
	return out
}

// unknownNumber is the first number in text that none of the grounds holds,
// with the same unit where it has one: 90 minutes are not 90 yuan.
func unknownNumber(text string, grounds []string) string {
	var known []number
	for _, g := range grounds {
		known = append(known, numbersIn(g)...)
	}
	for _, n := range numbersIn(text) {
		if !slices.ContainsFunc(known, func(k number) bool { return k.value == n.value && (n.unit == "" || n.unit == k.unit) }) {
			return n.value + n.unit
		}
	}
	return ""
}
