package dialogue

import "unicode"

// normal brings heard words to one form for matching: half width, lower case,
// simplified characters for the words that matter, every run of punctuation
// one '|', no spaces between Chinese characters and single ones elsewhere.
// It starts and ends without a mark.
func normal(s string) []rune {
	const maxHeard = 2000
	out := make([]rune, 0, min(len(s), maxHeard))
	last := func() rune {
		if len(out) == 0 {
			return 0
		}
		return out[len(out)-1]
	}
	space := false
	for _, r := range s {
		if len(out) >= maxHeard {
			break
		}
		if r >= 0x4e00 && r <= 0x9fff { // a Chinese character, nearly always
			space = false
			out = append(out, simplified(r))
			continue
		}
		switch {
		case r >= '！' && r <= '～':
			r -= '！' - '!'
		case r == '　':
			r = ' '
		}
		switch {
		case r == '\'' || r == '’' || r == '‘':
			continue // don't -> dont
		case unicode.IsSpace(r):
			space = true
			continue
		case unicode.IsPunct(r) || unicode.IsSymbol(r) && r < 0x3000:
			if r == '-' && last() < 0x80 && last() > ' ' {
				space = true
				continue
			}
			if last() != '|' && last() != 0 {
				out = append(out, '|')
			}
			space = false
			continue
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			continue
		}
		if space && last() != 0 && last() != '|' && last() < 0x2e80 && r < 0x2e80 {
			out = append(out, ' ')
		}
		space = false
		out = append(out, simplified(unicode.ToLower(r)))
	}
	return out
}

// simplified maps the traditional characters of the words of urgency and of
// the short answers; a recognizer for Cantonese writes either.
func simplified(r rune) rune {
	if r < 0x3000 {
		return r
	}
	if to, ok := simple[r]; ok {
		return to
	}
	return r
}

//nolint:gochecknoglobals // a table, read only
var simple = pairs("訴轉電話聯繫騷擾煩來嗎無個沒會說講還為麼機號碼刪斷擺絡經領導請給對係點聽談問題檢舉報錯買賣價錢貴時間開後過這裡們幫專員订務種屎搵啲見難觸",
	"诉转电话联系骚扰烦来吗无个没会说讲还为么机号码删断摆络经领导请给对系点听谈问题检举报错买卖价钱贵时间开后过这里们帮专员订务种屎揾啲见难触")

func pairs(from, to string) map[rune]rune {
	out, target := map[rune]rune{}, []rune(to)
	for i, r := range []rune(from) {
		if r != target[i] {
			out[r] = target[i]
		}
	}
	return out
}
