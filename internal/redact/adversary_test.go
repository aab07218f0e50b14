package redact

import (
	"fmt"
	"math/rand/v2"
	"sort"
	"strings"
	"testing"
	"unicode/utf8"
)

// The second generator goes by other rules than the first: how people really
// get numbers wrong, apart and across. Its reader is stricter, too: it takes
// every visible digit of both sides, however written, and throws everything
// between them away.

// visible reads the digits of a text without the lexicon of the product.
func visible(text string) string {
	single := map[rune]byte{}
	for d, forms := range []string{"零〇洞０", "一幺壹１①", "二两贰２②", "三叁３③", "四肆４④", "五伍５⑤", "六陆６⑥", "七拐柒７⑦", "八捌８⑧", "九勾玖９⑨"} {
		for _, r := range forms {
			single[r] = byte('0' + d)
		}
	}
	words := map[string]byte{"zero": '0', "one": '1', "two": '2', "three": '3', "four": '4', "five": '5', "six": '6', "seven": '7', "eight": '8', "nine": '9'}
	for _, talk := range []string{"一下", "一点", "第一", "第二", "第三", "第四", "第五", "第六", "第七", "第八"} { // no digits of anybody
		text = strings.ReplaceAll(text, talk, "")
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if d, ok := single[r]; ok {
			b.WriteByte(d)
		} else if r < 0x80 && letterAt(text, i) {
			j := i
			for letterAt(text, j) {
				j++
			}
			if d, ok := words[text[i:j]]; ok {
				b.WriteByte(d)
			}
			n = j - i
		}
		i += n
	}
	return b.String()
}

func strictLeak(seen, truth string) bool {
	v := visible(seen)
	for i := 0; i+5 <= len(truth); i++ {
		if strings.Contains(v, truth[i:i+5]) {
			return true
		}
	}
	return false
}

func one(r *rand.Rand, list ...string) string { return list[r.IntN(len(list))] }

// groupsOf cuts digits as people do: 3-4-4, 4-4-4-4, or by chance.
func groupsOf(r *rand.Rand, d string) []string {
	var out []string
	for i := 0; i < len(d); {
		n := 4
		switch {
		case len(d) == 11 && i == 0:
			n = 3
		case r.IntN(4) == 0:
			n = 2 + r.IntN(3)
		}
		n = min(n, len(d)-i)
		out = append(out, d[i:i+n])
		i += n
	}
	return out
}

func chinese(r *rand.Rand, d string) string {
	set := []string{"零一二三四五六七八九", "零幺二三四五六七八九", "洞幺两三四五六拐八勾", "零壹贰叁肆伍陆柒捌玖"}[r.IntN(4)]
	var b strings.Builder
	for i := range len(d) {
		b.WriteString(pick(set, d[i]))
	}
	return b.String()
}

var soundAlikes = []string{"林铃零", "医衣要药一", "儿而耳二", "山伞散三", "是事死十", "午无我物五", "溜刘留流六", "期其起妻", "吧爸把八", "就酒久九"}

var englishDigits = strings.Fields("zero one two three four five six seven eight nine")

// adversaries are ways to say a number, as a list of groups (turns may be cut
// between them).
var adversaries = map[string]func(r *rand.Rand, d string) []string{
	"groups with talk between": func(r *rand.Rand, d string) []string {
		gs := groupsOf(r, d)
		for i := range gs {
			gs[i] = chinese(r, gs[i])
			if i+1 < len(gs) {
				gs[i] += one(r, "，你记一下啊，", "，记好了没有，", "，等下我看看啊，", "，字太小了，", "，后头是", "，再往后呢，", "，完了是", "，接着呢", "，戴上眼镜看看，")
			}
		}
		return gs
	},
	"corrected within": func(r *rand.Rand, d string) []string {
		gs := groupsOf(r, d)
		k := r.IntN(len(gs))
		var out []string
		for i, g := range gs {
			if i == k {
				wrong := []byte(g)
				wrong[len(wrong)-1] = '0' + (wrong[len(wrong)-1]-'0'+1)%10
				out = append(out, chinese(r, string(wrong))+one(r, "，哦不对，应该是", "，说错了，是", "，不是不是，是", "，哎呀错了，"))
			}
			out = append(out, chinese(r, g))
		}
		return out
	},
	"English among Chinese": func(r *rand.Rand, d string) []string {
		gs := groupsOf(r, d)
		for i, g := range gs {
			if r.IntN(2) == 0 {
				gs[i] = chinese(r, g) + one(r, "", "，then ", " 然后 ", " and ")
				continue
			}
			var w []string
			for k := range len(g) {
				w = append(w, englishDigits[g[k]-'0'])
			}
			gs[i] = " " + strings.Join(w, " ") + one(r, " ", " 然后 ", ", uh, ")
		}
		return gs
	},
	"written with odd separators": func(r *rand.Rand, d string) []string {
		gs := groupsOf(r, d)
		sep := one(r, ".", "*", "_", "/", " - ", "\u200b", "　", "…", "~", "#", "\n", "|", " · ", "—")
		for i := range gs {
			if i+1 < len(gs) {
				gs[i] += sep
			}
		}
		return gs
	},
	"a separator at each digit": func(r *rand.Rand, d string) []string {
		sep := one(r, " ", ".", "-", "\u200b", "*", "、", ",")
		return []string{strings.Join(strings.Split(d, ""), sep)}
	},
	"other digits": func(r *rand.Rand, d string) []string {
		base := []rune{'０', '٠', '०', 0x1d7ce, '۰'}[r.IntN(5)]
		var b strings.Builder
		for i := range len(d) {
			b.WriteRune(base + rune(d[i]-'0'))
		}
		return []string{b.String()}
	},
	"counted parts": func(r *rand.Rand, d string) []string {
		gs := groupsOf(r, d)
		for i := range gs {
			gs[i] = "第" + pick("一二三四五六七八九十", byte('0'+i)) + one(r, "段是", "组是", "部分") + chinese(r, gs[i]) + "，"
		}
		return gs
	},
	"half recognized": func(r *rand.Rand, d string) []string { // 13八1234五六78
		var b strings.Builder
		for i := range len(d) {
			if r.IntN(3) == 0 {
				b.WriteString(chinese(r, d[i:i+1]))
			} else {
				b.WriteByte(d[i])
			}
		}
		return []string{b.String()}
	},
	"sounds like": func(r *rand.Rand, d string) []string {
		gs := groupsOf(r, d)
		for i, g := range gs {
			var b strings.Builder
			for k := range len(g) {
				if r.IntN(12) == 0 {
					alike := []rune(soundAlikes[g[k]-'0'])
					b.WriteRune(alike[r.IntN(len(alike))])
				} else {
					b.WriteString(chinese(r, g[k:k+1]))
				}
			}
			gs[i] = b.String()
		}
		return gs
	},
	"repeats counted": func(_ *rand.Rand, d string) []string { // 三个八
		var b strings.Builder
		for i := 0; i < len(d); {
			n := 1
			for i+n < len(d) && d[i+n] == d[i] && n < 5 {
				n++
			}
			if n > 1 {
				b.WriteString([]string{"两", "三", "四", "五"}[n-2] + "个")
			}
			b.WriteString(pick("零一二三四五六七八九", d[i]))
			i += n
		}
		return []string{b.String()}
	},
	"groups as cardinals": func(r *rand.Rand, d string) []string {
		gs := groupsOf(r, d)
		for i, g := range gs {
			if g[0] == '0' || len(g) < 3 {
				gs[i] = chinese(r, g)
				continue
			}
			n := 0
			for k := range len(g) {
				n = n*10 + int(g[k]-'0')
			}
			gs[i] = cardinal(n)
		}
		return gs
	},
}

// dialogues cut what is said into turns.
var dialogues = map[string]func(r *rand.Rand, parts []string, lead string) []Result{
	"one turn": func(_ *rand.Rand, parts []string, lead string) []Result {
		return []Result{final(lead + strings.Join(parts, ""))}
	},
	"partials that are taken back": func(r *rand.Rand, parts []string, lead string) []Result {
		full := []rune(lead + strings.Join(parts, ""))
		var out []Result
		for i := 1; i < len(full); i += 1 + r.IntN(4) {
			out = append(out, Result{Call: "c", Side: "them", Text: string(full[:i])})
			if r.IntN(6) == 0 {
				i -= min(i, 3)
			}
		}
		return append(out, final(string(full)))
	},
	"a turn a group": func(_ *rand.Rand, parts []string, lead string) []Result {
		var out []Result
		for i, p := range parts {
			if i == 0 {
				p = lead + p
			}
			out = append(out, final(p))
		}
		return out
	},
	"the other side nods": func(r *rand.Rand, parts []string, lead string) []Result {
		var out []Result
		for i, p := range parts {
			if i == 0 {
				p = lead + p
			}
			out = append(out, final(p), Result{Call: "c", Side: "us", Text: one(r, "嗯", "好的，您继续", "记下了，后面呢", "嗯您说", "请慢一点"), Final: true})
		}
		return out
	},
	"the other side reads every second group": func(r *rand.Rand, parts []string, lead string) []Result {
		var out []Result
		for i, p := range parts {
			side := "them"
			if i%2 == 1 {
				side = "us"
				p = one(r, "", "后面是", "那接下来是不是") + p + one(r, "", "对吧", "是吗", "，对不对")
			} else if i > 0 {
				p = one(r, "对，", "嗯，然后", "") + p + one(r, "", "，您接着念", "")
			} else {
				p = lead + p
			}
			out = append(out, Result{Call: "c", Side: side, Text: p, Final: true})
		}
		return out
	},
	"the other side repeats": func(_ *rand.Rand, parts []string, lead string) []Result {
		var out []Result
		for i, p := range parts {
			if i == 0 {
				p = lead + p
			}
			out = append(out, final(p), Result{Call: "c", Side: "us", Text: p + "，好的", Final: true})
		}
		return out
	},
}

var farLeads = []string{
	"", "喂，", "你要那个号是吧，", "我的身份证你们上次不是已经登记过了吗怎么现在又要我再报一遍呢真是麻烦，", "卡我放在抽屉里了你等我去拿一下啊拿到了，我念给你，",
	"call me back at ", "是这样的啊，", "你记", "打这个，", "我换号了，新的是",
}

func TestRow_S13_AdversariesDoNotGetThrough(t *testing.T) {
	base := New()
	for _, c := range []struct{ rate, limit float64 }{{0, 0.001}, {0.02, 0.005}, {0.05, 0.01}} {
		r := rand.New(rand.NewPCG(uint64(c.rate*1000)+5, 17))
		total, leaked := 0, 0
		by, allOf := map[string]int{}, map[string]int{}
		for _, form := range sortedKeys(adversaries) {
			for _, way := range sortedKeys(dialogues) {
				for range 70 {
					truth := number(r)
					parts := adversaries[form](r, truth)
					for i := range parts {
						parts[i] = mishear(r, parts[i], c.rate)
					}
					m := base.Fork()
					var seen strings.Builder
					partial := false
					for _, res := range dialogues[way](r, parts, farLeads[r.IntN(len(farLeads))]) {
						out := m.See(res)
						if res.Final {
							seen.WriteString(out.Text + "。")
						} else {
							if strictLeak(out.Text, truth) {
								partial = true
								seen.WriteString("[" + out.Text + "]")
							}
						}
					}
					total++
					allOf[form+" / "+way]++
					if partial || strictLeak(seen.String(), truth) {
						leaked++
						if by[form+" / "+way]++; by[form+" / "+way] <= 1 {
							t.Logf("leak at %.0f %%: %s / %s (partial %v): %q", c.rate*100, form, way, partial, seen.String())
						}
					}
				}
			}
		}
		share := float64(leaked) / float64(total)
		t.Logf("error rate %.0f %%: %d of %d leaked (%.2f %%) %v", c.rate*100, leaked, total, share*100, by)
		if share > c.limit {
			t.Errorf("error rate %.0f %%: %.2f %% leaked, limit %.1f %%", c.rate*100, share*100, c.limit*100)
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// mishear loses or changes characters that are digits, at a rate.
func mishear(r *rand.Rand, s string, rate float64) string {
	var b strings.Builder
	for _, c := range s {
		if v := visible(string(c)); v != "" && r.Float64() < rate {
			if r.IntN(3) > 0 {
				alike := []rune(soundAlikes[v[0]-'0'])
				b.WriteRune(alike[r.IntN(len(alike))])
			}
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

// What is no person's number, worded by other rules than the first generator's.
func TestRow_S13_EverydayNumbersStay(t *testing.T) {
	stays(t, everyday(rand.New(rand.NewPCG(23, 29)), 6000))
}

func everyday(r *rand.Rand, n int) (out []string) {
	cn := func(n int) string { return cardinal(n) }
	digits := func(n int) string { return pick("零一二三四五六七八九", byte('0'+n)) }
	templates := []func() string{
		func() string {
			return fmt.Sprintf("二零%s%s年%s月%s号之前还清就行", digits(1+r.IntN(2)), digits(r.IntN(10)), cn(1+r.IntN(12)), cn(1+r.IntN(28)))
		},
		func() string {
			return fmt.Sprintf("下午%s点%s分到%s点半", cn(1+r.IntN(5)), cn(10+r.IntN(49)), cn(6+r.IntN(4)))
		},
		func() string {
			return fmt.Sprintf("住在人民路%s号%s号楼%s单元%s%s%s室", cn(1+r.IntN(300)), cn(1+r.IntN(30)), cn(1+r.IntN(6)), digits(1+r.IntN(9)), digits(0), digits(1+r.IntN(9)))
		},
		func() string {
			return fmt.Sprintf("%d栋%d单元%d，电梯上去就是", 1+r.IntN(40), 1+r.IntN(4), 101+r.IntN(2400))
		},
		func() string {
			return fmt.Sprintf("一共%s万%s千%s百块", cn(1+r.IntN(90)), digits(1+r.IntN(9)), digits(1+r.IntN(9)))
		},
		func() string {
			return fmt.Sprintf("利率是%d.%02d%%，比上个月低了%s个点", 1+r.IntN(9), r.IntN(100), digits(1+r.IntN(9)))
		},
		func() string {
			return fmt.Sprintf("The total is $%d.%02d, due on %s %d, 20%02d.", 100+r.IntN(90000), r.IntN(100), one(r, "March", "April", "June"), 1+r.IntN(28), 24+r.IntN(9))
		},
		func() string {
			return fmt.Sprintf("Your appointment is at %d:%02d on %02d/%02d/20%02d", 1+r.IntN(12), r.IntN(60), 1+r.IntN(12), 1+r.IntN(28), 24+r.IntN(9))
		},
		func() string {
			return fmt.Sprintf("单号是%d%07d，您查一下物流", 1000+r.IntN(9000), r.IntN(9999999))
		},
		func() string {
			return fmt.Sprintf("我的订单号%s的那个，还没到", chinese(r, fmt.Sprintf("20%d%06d", 10+r.IntN(89), r.IntN(999999))))
		},
		func() string {
			return fmt.Sprintf("活动从%d.%d.%d开始，打%s折，满%d减%d", 2024+r.IntN(9), 1+r.IntN(12), 1+r.IntN(28), digits(1+r.IntN(9)), 100*(1+r.IntN(9)), 10*(1+r.IntN(9)))
		},
		func() string {
			return fmt.Sprintf("买了%d箱，每箱%d瓶，一瓶%d块%s", 1+r.IntN(99), 6+r.IntN(18), 3+r.IntN(90), digits(1+r.IntN(9)))
		},
		func() string {
			return fmt.Sprintf("人民币%d,%03d,%03d.%02d元整", 1+r.IntN(9), r.IntN(1000), r.IntN(1000), r.IntN(100))
		},
		func() string {
			return fmt.Sprintf("我妈%s十%s岁了，有%s个孙子", digits(5+r.IntN(4)), digits(1+r.IntN(9)), digits(1+r.IntN(9)))
		},
		func() string { return "一点都不麻烦，我一个人就行，一会儿见，三天两头的事" },
		func() string {
			return fmt.Sprintf("分%d期，每期%d.%02d元，手续费%d块", 3+r.IntN(30), 100+r.IntN(5000), r.IntN(100), 1+r.IntN(99))
		},
		func() string {
			return fmt.Sprintf("坐地铁%d号线，%d站，走%d米", 1+r.IntN(18), 2+r.IntN(20), 100*(1+r.IntN(9)))
		},
		func() string {
			return fmt.Sprintf("体温%d.%d度，血压%d，每天吃%s片", 36+r.IntN(3), r.IntN(10), 100+r.IntN(60), digits(1+r.IntN(4)))
		},
		func() string {
			return fmt.Sprintf("去年%s月份到今年%s月份，总共%s个月", cn(1+r.IntN(12)), cn(1+r.IntN(12)), cn(1+r.IntN(24)))
		},
		func() string {
			return fmt.Sprintf("I bought %d boxes for %d dollars, about twenty five percent off", 1+r.IntN(90), 10+r.IntN(900))
		},
	}
	for i := range n {
		out = append(out, templates[i%len(templates)]())
	}
	return out
}

// Kinds of numbers, each with a way to say it, and what of them is visible.
func TestRow_S13_KindsOfNumbers(t *testing.T) {
	for _, c := range []struct{ us, them, want string }{
		{"", "我的护照是E12345678", "我的护照是E********"},
		{"", "护照号EA1234567没错", "护照号EA*******没错"},
		{"请报一下背面的安全码", "三九二", "***"},
		{"", "CVV是392", "CVV是***"},
		{"", "验证码六位，五八三九零一", "验证码六位，******"},
		{"", "验证码A1B2C3D4", "验证码A*******"},
		{"您的有效期是", "零九二八", "****"},
		{"", "有效期09/28", "有效期**/**"},
		{"", "密码是一二三四五六", "密码是******"},
		{"", "身份证后四位307X", "身份证后四位****"},
		{"", "尾号五千六百七十八", "尾号*******"},
		{"", "电话 021-6543 2109", "电话 ***-**** ****"},
		{"", "138.1234.5678", "*************"},
		{"", "①③⑧①②③④⑤⑥⑦⑧", "***********"},
		{"", "call twelve thirty four fifty six seventy eight", "call ****** *********** ********* *************"},
		{"", "yī sān bā yī èr sān sì", "** *** ** ** ** *** **"},
		{"", "工号A7731的李四", "工号A****的李四"},
		{"", "会员VIP00123来了", "会员********来了"},
		{"", "+86 138 1234 5678", "+** *** **** ****"},
		{"", "2026/3/5下午", "2026/3/5下午"},
	} {
		m := New("工号", "/VIP[0-9]{5}/")
		if c.us != "" {
			m.See(Result{Side: "us", Text: c.us, Final: true})
		}
		if got := m.See(Result{Side: "them", Text: c.them, Final: true}); got.Text != c.want {
			t.Errorf("%q: %q, want %q", c.them, got.Text, c.want)
		}
	}
	for text, want := range map[string]string{
		"2023 1001 你记一下 123456":        "2023 1001 你记一下 123456",
		"6222 0212 你记一下 3456 7890 123": "**** **** 你记一下 **** **** ***",
	} {
		if got := New().See(Result{Text: text, Final: true, Slot: "order"}).Text; got != want {
			t.Errorf("in an order slot %q is %q", text, got)
		}
	}
	for _, bad := range []string{"", "/[/", "/a*/"} {
		if Check(bad) == nil {
			t.Errorf("%q is a pattern", bad)
		}
	}
	if got := New("/VIP[0-9]{5}/").See(Result{Text: "会员VIP001"}); strings.Contains(got.Text, "VIP") {
		t.Errorf("a growing match is shown: %q", got.Text)
	}
}
