package keyword

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxSaid bounds the text that is looked at; nobody says more in one breath.
const maxSaid = 4096

// text is what was said in one form for matching, with the way back to the
// bytes that were given: half width, lower case, simplified where it matters,
// punctuation as '|', no spaces beside Chinese characters.
type text struct {
	s    string
	at   []int // normal byte -> byte offset in the original
	orig string
}

func normalise(said string) text {
	if len(said) > maxSaid {
		said = said[:maxSaid]
	}
	t := text{orig: said, at: make([]int, 0, len(said)+1)}
	var b strings.Builder
	b.Grow(len(said))
	prev := rune(0)
	space := -1
	put := func(r rune, at int) {
		n := utf8.RuneLen(r)
		for range n {
			t.at = append(t.at, at)
		}
		b.WriteRune(r)
		prev = r
	}
	rs := []rune(said)
	off := 0
	for i, r := range rs {
		at := off
		off += utf8.RuneLen(r)
		if r == utf8.RuneError {
			_, n := utf8.DecodeRuneInString(said[at:])
			off = at + n
			continue
		}
		switch {
		case r >= '！' && r <= '～':
			r -= '！' - '!'
		case r == '　':
			r = ' '
		}
		next := rune(0)
		if i+1 < len(rs) {
			next = rs[i+1]
		}
		switch {
		case r == '\'' || r == '’' || r == '‘':
			continue
		case unicode.IsSpace(r):
			space = at
			continue
		case (r == '.' || r == ':' || r == '/') && isDigit(prev) && isDigit(next):
		case r == ',' && isDigit(prev) && isDigit(next):
			continue // 1,024
		case r == '-' && isLatin(prev) && isLatin(next):
			space = at
			continue
		case unicode.IsPunct(r) || unicode.IsSymbol(r) && r < 0x3000 && r != '$' && r != '¥':
			space = -1
			if prev != '|' && prev != 0 {
				put('|', at)
			}
			continue
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			continue
		}
		if space >= 0 && prev != 0 && prev != '|' && prev < 0x2e80 && r < 0x2e80 {
			put(' ', space)
		}
		space = -1
		put(simplified(unicode.ToLower(r)), at)
	}
	t.s = b.String()
	t.at = append(t.at, len(said))
	return t
}

// span is the place in the original of normal bytes from..to.
func (t text) span(from, to int) (start, end int, words string) {
	start = t.at[from]
	end = t.at[len(t.at)-1]
	if to < len(t.s) {
		end = t.at[to]
	}
	words = strings.TrimRight(t.orig[start:end], " ,.，。、;；!！?？")
	return start, start + len(words), words
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func isLatin(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// simple: traditional characters of the lexicon.
//
//nolint:gochecknoglobals // a table, read only
var simple = func() map[rune]rune {
	from := []rune("這個點鐘號週禮後兩幾歲級報課數學語貴錢時間沒開會現對係問題誰邊話聯繫電來過請說講麼嗎為畀雲買賣價謝興機業務聽訴轉擾煩無還訂單萬億廣東國慶節陽聖誕從頭樣緊車體應該優惠親愛擔讓當興趣變難麗頁麥廳")
	to := []rune("这个点钟号周礼后两几岁级报课数学语贵钱时间没开会现对系问题谁边话联系电来过请说讲么吗为俾云买卖价谢兴机业务听诉转扰烦无还订单万亿广东国庆节阳圣诞从头样紧车体应该优惠亲爱担让当兴趣变难丽页麦厅")
	m := make(map[rune]rune, len(from))
	for i, r := range from {
		m[r] = to[i]
	}
	return m
}()

func simplified(r rune) rune {
	if to, ok := simple[r]; ok {
		return to
	}
	return r
}
