package redact

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind of a token.
type kind uint8

const (
	other  kind = iota // a word or character that says nothing here
	digit              // one or more digits
	filler             // may stand between digits
	fix                // self-correction: the run goes on
	unit               // what follows a number that is an amount, a time, a place
	scale              // 十 百 千 万 亿: the digits are part of a cardinal
	point              // decimal point between digits
	letter             // a single Latin letter (passport, X of an ID)
	word               // a number word: 卡号, 验证码 ...
	order              // 订单号, 单号: the number after it is an order's
	end                // sentence end: closes nothing by itself
	fixed              // a written date or time: no part of a number
	month              // January ...: the digits after it are a date
	money              // ¥, USD ...: the digits after it are an amount
)

// token is a piece of text. Digits holds what was said, 0-9.
type token struct {
	kind       kind
	start, end int // bytes of the text
	digits     string
	text       string
}

// lexicon is what the tokenizer knows, longest entries first by lookup length.
type lexicon struct {
	words map[string]entry
	first map[rune]int // longest entry, in bytes, by first rune
	// patterns are a tenant's own: masked wherever they stand.
	patterns []*regexp.Regexp
}

type entry struct {
	kind   kind
	digits string
}

func (l *lexicon) add(k kind, digits string, words ...string) {
	for _, w := range words {
		l.words[w] = entry{k, digits}
		r, _ := utf8.DecodeRuneInString(w)
		l.first[r] = max(l.first[r], len(w))
	}
}

func newLexicon(patterns []string) *lexicon {
	l := &lexicon{words: map[string]entry{}, first: map[rune]int{}}
	for d, forms := range []string{"零〇洞○", "一幺壹弌", "二两贰貳弍兩", "三叁參弎", "四肆", "五伍", "六陆陸", "七拐柒", "八捌", "九勾钩玖"} {
		for _, r := range forms {
			l.add(digit, string(rune('0'+d)), string(r))
		}
	}
	for d, forms := range []string{"zero oh ling", "one yi yao", "two er liang", "three san", "four si", "five wu", "six liu", "seven qi guai", "eight ba", "nine jiu gou"} {
		l.add(digit, string(rune('0'+d)), strings.Fields(forms)...)
	}
	l.foreign()
	l.add(scale, "", "十", "百", "千", "万", "亿", "拾", "佰", "仟", "萬", "億", "hundred", "thousand", "million")
	l.add(filler, "", "嗯", "呃", "额", "啊", "哦", "噢", "唔", "那个", "那個", "这个", "就是", "然后", "然後", "接着", "后面", "後面", "后面是", "再", "还有", "空格", "杠", "横杠",
		"横线", "减号", "对", "吧", "呢", "哈", "是", "um", "uh", "er", "erm", "then", "and", "dash", "space", "well", "哎", "诶", "的话", "前面", "前面是", "中间", "中间是", "最后", "最后是",
		"最後", "等于", "等於", "逗号", "顿号", "短横", "下划线", "那啥", "那什么", "我再说一遍", "我重新说", "您记一下", "你记一下", "记一下", "记好", "开头", "结尾", "末尾", "对对", "对对对", "嘛", "呀", "咯", "了", "吗", "您", "你", "我", "听", "跟着", "下面", "下面是", "继续", "嗱", "嘅", "噉", "呢個", "like", "you know", "okay so", "so", "next", "dot", "hyphen", "minus", "hmm", "hm", "mm", "好", "好的", "ok", "okay", "稍等", "我看看", "等一下", "我想想", "让我看看", "先", "接下来", "接下来是", "後面是", "跟住", "即係", "係")
	l.add(fix, "", "不对", "不對", "错了", "錯了", "说错了", "說錯了", "不是", "哦不", "重说", "更正", "应该是", "應該係", "唔係", "讲错", "no", "sorry", "i mean", "wait", "correction", "抱歉", "不好意思", "我说错了")
	l.add(unit, "", "元", "块", "塊", "块钱", "角", "毛", "分钱", "圆", "美元", "人民币", "年", "月", "日", "号楼", "號樓", "号院", "点", "點", "分", "秒", "时", "小时", "分钟", "刻",
		"楼", "樓", "层", "栋", "棟", "幢", "单元", "室", "弄", "巷", "路", "街", "门牌", "房间", "房", "岁", "歲", "个", "個", "位", "名", "人", "次", "遍", "天", "周", "星期", "礼拜", "折", "件", "套", "台",
		"张", "张券", "盒", "瓶", "斤", "公斤", "克", "千克", "吨", "米", "公里", "厘米", "毫米", "平", "平米", "平方米", "度", "倍", "期", "寸", "升", "毫升", "页", "章", "条", "只", "家", "本", "杯", "份", "笔",
		"%", "％", "℃", "kg", "km", "cm", "ml", "mg", "g", "m", "yuan", "dollars", "pm", "am", "o'clock", "days", "years", "percent", "号门", "号线", "号", "號", "步", "趟", "班", "届", "代", "级", "分之", "组", "箱", "包", "圈", "英里", "兆", "刀", "磅", "厘", "文")
	l.add(word, "", "身份证", "身份證", "身分证", "身分證", "社保卡", "医保卡", "驾驶证", "驾照", "回乡证", "军官证", "服务密码", "取款密码", "安全代码", "后三位", "背面三位", "识别码", "提取码", "验证", "税号", "扣扣号", "qq号", "cvv2", "ssn", "id card", "license number", "cell", "account", "证件号", "證件號", "证件", "身份号", "卡号", "卡號", "银行卡", "銀行卡", "信用卡", "储蓄卡", "借记卡", "账号", "帐号", "賬號", "账户", "手机", "手機", "手机号", "电话", "電話",
		"号码", "號碼", "验证码", "驗證碼", "校验码", "动态码", "短信码", "密码", "密碼", "口令", "cvv", "cvc", "安全码", "有效期", "护照", "護照", "尾号", "联系方式", "微信号", "座机", "通行证", "社保号", "医保卡号", "纳税人识别号",
		"passport", "card number", "credit card", "debit card", "card", "phone", "telephone", "mobile", "id number", "identity", "pin", "password", "verification code", "security code", "one-time", "otp", "code", "expiry", "expires", "account number")
	l.add(order, "", "订单号", "訂單號", "单号", "單號", "订单编号", "工单号", "运单号", "快递单号", "流水号", "订单", "order number", "order no", "tracking number")
	l.add(end, "", "。", "！", "？", "!", "?")
	for _, p := range patterns {
		if re, err := pattern(p); err == nil && re != nil {
			l.patterns = append(l.patterns, re)
		} else {
			l.add(word, "", strings.ToLower(p))
		}
	}
	return l
}

// foreign adds what digits are called in English groups, in pinyin with tones
// and in Uyghur.
func (l *lexicon) foreign() {
	for d, forms := range []string{"líng dòng nöl نۆل", "yī yāo bir بىر", "èr liǎng ikki ئىككى", "sān üch ئۈچ", "sì töt تۆت", "wǔ besh بەش", "liù alte ئالتە", "qī guǎi yette يەتتە", "bā sekkiz سەككىز", "jiǔ gōu toqquz توققۇز"} {
		l.add(digit, string(rune('0'+d)), strings.Fields(forms)...)
	}
	for i, w := range strings.Fields("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen") {
		l.add(digit, "1"+string(rune('0'+i)), w)
	}
	ones := strings.Fields("one two three four five six seven eight nine")
	for i, w := range strings.Fields("twenty thirty forty fifty sixty seventy eighty ninety") {
		ten := string(rune('2' + i))
		l.add(digit, ten+"0", w)
		for j, o := range ones {
			one := ten + string(rune('1'+j))
			l.add(digit, one, w+" "+o, w+"-"+o)
		}
	}
	l.add(month, "", strings.Fields("january february march april june july august september october november december jan feb mar apr jun jul aug sept sep oct nov dec")...)
	l.add(money, "", "¥", "￥", "$", "€", "£", "usd", "rmb", "cny", "hkd", "eur", "hk$", "us$", "nt$")
	l.add(word, "", "كىملىك", "نومۇر", "نومۇرى", "تېلېفون", "پارول", "كارتا")
}

// tokenize cuts text into tokens; it never fails and never looks back.
func (l *lexicon) tokenize(text string, out []token) []token {
	low := strings.ToLower(text)
	if len(low) != len(text) { // rare: a capital whose lower case has another length
		low = text
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r >= '0' && r <= '9':
			if n := writtenTime(text[i:]); n > 0 && (i == 0 || text[i-1] < '0' || text[i-1] > '9') {
				out = append(out, token{kind: fixed, start: i, end: i + n, text: text[i : i+n]})
				i += n
				continue
			}
			i = l.number(text, i, &out)
		case r >= 0x80 && decimal(r) >= 0:
			i = l.number(text, i, &out)
		case r < 0x80 && separator(r), r >= 0x80 && spacing(r):
			i += size
		case r == '.' || r == ':' || r == '：':
			out = append(out, token{kind: point, start: i, end: i + size, text: text[i : i+size]})
			i += size
		default:
			i = l.wordAt(text, low, i, size, &out)
		}
	}
	return out
}

// number takes consecutive written digits as one token.
func (l *lexicon) number(text string, i int, out *[]token) int {
	t := token{kind: digit, start: i}
	var b strings.Builder
	grouped := false
	for i < len(text) {
		r, size := utf8.DecodeRuneInString(text[i:])
		if r >= '0' && r <= '9' {
			b.WriteByte(byte(r))
		} else if v := decimal(r); r >= 0x80 && v >= 0 {
			b.WriteByte(byte('0' + v))
		} else {
			break
		}
		i += size
		if n := i - t.start; r < 0x80 && n <= 3 && thousands(text[i:]) || r < 0x80 && grouped && thousands(text[i:]) {
			i, grouped = i+1, true
		}
	}
	t.end, t.digits, t.text = i, b.String(), text[t.start:i]
	*out = append(*out, t)
	return i
}

// thousands reports ",345" at the beginning of s: the next three digits of a
// number that is written in thousands.
func thousands(s string) bool {
	if len(s) < 4 || s[0] != ',' {
		return false
	}
	for _, c := range []byte(s[1:4]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) == 4 || s[4] < '0' || s[4] > '9'
}

// decimal is the value of a decimal digit of any script, else -1. Scripts have
// theirs in tens, in order (Unicode, category Nd).
func decimal(r rune) int {
	for _, ten := range []rune{0x245f, 0x2775, 0x277f, 0x2789, 0x2473} { // ① ❶ ➀ ➊ ⑴, from one on
		if r > ten && r <= ten+9 {
			return int(r - ten)
		}
	}
	switch {
	case r == 0x24ea || r == 0x24ff || r == 0x2070 || r == 0x2080: // ⓪ ⓿ ⁰ ₀
		return 0
	case r == 0xb9:
		return 1
	case r == 0xb2 || r == 0xb3:
		return int(r - 0xb0)
	case r >= 0x2074 && r <= 0x2079:
		return int(r - 0x2070)
	case r >= 0x2081 && r <= 0x2089:
		return int(r - 0x2080)
	case !unicode.Is(unicode.Nd, r):
		return -1
	}
	if r >= 0x1d7ce && r <= 0x1d7ff { // mathematical digits: five tens in a row
		return int(r-0x1d7ce) % 10
	}
	v := 0
	for v < 9 && unicode.Is(unicode.Nd, r-1) {
		r, v = r-1, v+1
	}
	return v
}

// separator are ASCII characters that may stand between digits and say nothing.
func separator(r rune) bool {
	return r <= ' ' || r == 0x7f || strings.IndexByte(",;-_/\\()\"'#*+=|~^`<>{}[]@&", byte(r)) >= 0
}

// spacing are the others of all scripts: spaces, marks, invisible characters.
func spacing(r rune) bool {
	switch r {
	case '。', '！', '？', '：', '％', '℃', '¥', '￥', '€', '£', '·':
		return r == '·'
	}
	return unicode.IsSpace(r) || unicode.IsPunct(r) || unicode.IsSymbol(r) || unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me)
}

// writtenTime is the length of a written date or time at the beginning of s:
// 2026-03-05, 2026/3/5, 2026.03.05, 05/03/2026, 10:30, 10:30:15; else 0.
func writtenTime(s string) int {
	type part struct {
		v, n int
		sep  byte
	}
	var p [3]part
	n, i := 0, 0
	for n < 3 {
		from := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' && i-from < 5 {
			p[n].v = p[n].v*10 + int(s[i]-'0')
			i++
		}
		if p[n].n = i - from; p[n].n == 0 || p[n].n > 4 {
			return 0
		}
		n++
		if i+1 >= len(s) || !strings.ContainsRune("-/.:", rune(s[i])) || s[i+1] < '0' || s[i+1] > '9' || n == 3 {
			break
		}
		p[n-1].sep = s[i]
		i++
	}
	if i < len(s) && (s[i] >= '0' && s[i] <= '9' || i+1 < len(s) && strings.ContainsRune("-/.:", rune(s[i])) && s[i+1] >= '0' && s[i+1] <= '9') {
		return 0 // it goes on: no date
	}
	in := func(x part, low, high int) bool { return x.n <= 2 && x.v >= low && x.v <= high }
	year := func(x part) bool { return x.n == 4 && x.v >= 1900 && x.v < 2100 }
	switch {
	case n == 3 && p[0].sep == ':' && p[1].sep == ':' && in(p[0], 0, 24) && in(p[1], 0, 59) && in(p[2], 0, 59):
	case n == 2 && p[0].sep == ':' && in(p[0], 0, 24) && p[1].n == 2 && in(p[1], 0, 59):
	case n == 3 && p[0].sep == p[1].sep && p[0].sep != ':' && year(p[0]) && in(p[1], 1, 12) && in(p[2], 1, 31):
	case n == 3 && p[0].sep == p[1].sep && p[0].sep != ':' && year(p[2]) && in(p[0], 1, 31) && in(p[1], 1, 31):
	default:
		return 0
	}
	return i
}

// wordAt takes the longest known word at i, or else a Latin word or one
// character.
func (l *lexicon) wordAt(text, low string, i, size int, out *[]token) int {
	lr, _ := utf8.DecodeRuneInString(low[i:])
	latin := lr >= 'a' && lr <= 'z'
	for n := min(l.first[lr], len(low)-i); n > 0; n-- {
		e, ok := l.words[low[i:i+n]]
		if !ok || latin && (letterAt(low, i+n) || i > 0 && letterAt(low, i-1)) {
			continue
		}
		if e.kind == digit {
			if rep := repeats(text, i); rep > 0 { // 三个八
				if j, d := l.repeated(low, i+n); j > 0 {
					*out = append(*out, token{kind: digit, start: i, end: j, digits: strings.Repeat(d, rep), text: text[i:j]})
					return j
				}
			}
		}
		*out = append(*out, token{kind: e.kind, start: i, end: i + n, digits: e.digits, text: low[i : i+n]})
		return i + n
	}
	if !latin {
		if low[i:i+size] == "叉" {
			*out = append(*out, token{kind: letter, start: i, end: i + size, text: "x"})
			return i + size
		}
		*out = append(*out, token{kind: other, start: i, end: i + size, text: text[i : i+size]})
		return i + size
	}
	j := i
	for letterAt(low, j) {
		j++
	}
	t := token{kind: other, start: i, end: j, text: low[i:j]}
	switch {
	case j-i == 1:
		t.kind = letter
	case low[i:j] == "double" || low[i:j] == "triple":
		if k, d := l.spoken(low, j); k > 0 {
			*out = append(*out, token{kind: digit, start: i, end: k, digits: strings.Repeat(d, map[string]int{"double": 2, "triple": 3}[low[i:j]]), text: text[i:k]})
			return k
		}
	}
	*out = append(*out, t)
	return j
}

func letterAt(s string, i int) bool { return i < len(s) && s[i] >= 'a' && s[i] <= 'z' }

// repeats is the count of "三个八": 2 to 9 before 个, else 0.
func repeats(text string, i int) int {
	for n, forms := range map[int]string{2: "两二兩", 3: "三", 4: "四", 5: "五", 6: "六", 7: "七", 8: "八"} {
		r, size := utf8.DecodeRuneInString(text[i:])
		if strings.ContainsRune(forms, r) && (strings.HasPrefix(text[i+size:], "个") || strings.HasPrefix(text[i+size:], "個")) {
			return n
		}
	}
	return 0
}

// repeated reads 个 and one spoken digit; 0 if it is a count of things.
func (l *lexicon) repeated(low string, i int) (int, string) {
	_, size := utf8.DecodeRuneInString(low[i:])
	i += size // 个
	if i >= len(low) {
		return 0, ""
	}
	r, size := utf8.DecodeRuneInString(low[i:])
	if r >= '0' && r <= '9' {
		return i + size, string(r)
	}
	if e, ok := l.words[low[i:i+size]]; ok && e.kind == digit {
		return i + size, e.digits
	}
	return 0, ""
}

// spoken reads one digit word after spaces.
func (l *lexicon) spoken(low string, i int) (int, string) {
	for i < len(low) && low[i] == ' ' {
		i++
	}
	j := i
	for letterAt(low, j) {
		j++
	}
	if e, ok := l.words[low[i:j]]; ok && e.kind == digit {
		return j, e.digits
	}
	return 0, ""
}
