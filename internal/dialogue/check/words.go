package check

import (
	"strings"

	"ringmaster/internal/dialogue"
)

// unknown stands in a wording where the value cannot be known: no phrase goes
// across it.
const unknown = "囗"

// maxWordings bounds how many texts one wording is spelled out to.
const maxWordings = 64

// wording is one text that a variant may become, with the values that make it.
type wording struct {
	text string
	when []bound
}

// wordings spells a variant out over the values that are known: those of an
// enum, a default, an offer. Where there are too many the rest stays unknown.
func (m *machine) wordings(v *variant) []wording {
	out := []wording{{}}
	for _, p := range v.parts {
		if p.name == "" {
			for i := range out {
				out[i].text += p.text
			}
			continue
		}
		if len(p.values)*len(out) > maxWordings || len(p.values) == 0 {
			for i := range out {
				out[i].text += unknown
			}
			continue
		}
		index, known := m.tab.find("vars." + p.name)
		next := make([]wording, 0, len(out)*len(p.values))
		for _, w := range out {
			for i, text := range p.values {
				x := wording{text: w.text + text, when: w.when}
				if known && p.kinds[i] != nil {
					if m := m.tab.vars[index].of(p.kinds[i]); m != 0 {
						x.when = append(w.when[:len(w.when):len(w.when)], bound{index, m})
					}
				}
				next = append(next, x)
			}
		}
		out = next
	}
	return out
}

// trapsOf finds what a variant must not say, whatever the values.
func (m *machine) trapsOf(v *variant, lex *dialogue.Lexicon) []trap {
	var out []trap
	for _, w := range v.words {
		if p, ok := lex.Banned(w.text); ok {
			out = append(out, trap{rule: Banned, text: quoted(p.Text) + " is never said" + because(p.Why) + "; it stands in " + quoted(clip(w.text, 60)), suggest: instead(p), when: w.when})
		}
		if p, ok := lex.Vague(w.text); ok {
			out = append(out, trap{rule: Vague, text: quoted(p.Text) + " is too vague" + because(p.Why) + "; it stands in " + quoted(clip(w.text, 60)), suggest: instead(p), when: w.when})
		}
		out = append(out, m.tonesOf(v, w, lex)...)
	}
	return out
}

// tonesOf: with these values the words press harder than the line says it
// does, and than some segment may hear.
func (m *machine) tonesOf(v *variant, w wording, lex *dialogue.Lexicon) []trap {
	tone, p := lex.Tone(w.text)
	if len(w.when) == 0 || tone <= v.tone || m.segment < 0 {
		return nil
	}
	if over := m.over(tone); over != 0 {
		return []trap{{rule: Tone, text: quoted(p.Text) + " makes this line " + tone.String() + ", which is over the ceiling", suggest: "write it gentler, or restrict the wording with `segments:`",
			when: append(w.when[:len(w.when):len(w.when)], bound{m.segment, over})}}
	}
	return nil
}

// over are the segments whose ceiling is under a tone.
func (m *machine) over(tone dialogue.Tone) mask {
	var out mask
	for i, c := range m.ceilings {
		if tone > c {
			out |= 1 << i
		}
	}
	return out
}

func because(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

func instead(p dialogue.Phrase) string {
	if p.Instead != "" {
		return "write " + quoted(p.Instead)
	}
	return "write it another way"
}

func quoted(s string) string { return "“" + s + "”" }

// across finds a phrase that only comes about because two lines are said one
// after the other.
func across(a, b *variant, lex *dialogue.Lexicon) (dialogue.Phrase, Rule, bool) {
	for i, x := range a.words {
		for j, y := range b.words {
			if i*j > 64 {
				return dialogue.Phrase{}, "", false
			}
			p, rule, ok := banned(lex, tailOf(x.text)+headOf(y.text))
			if !ok {
				continue
			}
			if _, _, alone := banned(lex, x.text); alone {
				continue
			}
			if _, _, alone := banned(lex, y.text); !alone {
				return p, rule, true
			}
		}
	}
	return dialogue.Phrase{}, "", false
}

func banned(lex *dialogue.Lexicon, text string) (dialogue.Phrase, Rule, bool) {
	if p, ok := lex.Banned(text); ok {
		return p, Banned, true
	}
	p, ok := lex.Vague(text)
	return p, Vague, ok
}

const edgeRunes = 40

func tailOf(s string) string {
	r := []rune(s)
	return string(r[max(0, len(r)-edgeRunes):])
}

func headOf(s string) string {
	r := []rune(s)
	return string(r[:min(len(r), edgeRunes)])
}

// What a notice must say, by language: that the call is recorded, and that it
// is a machine that speaks. Any of the words will do.
func noticeWords(lang string) (recorded, machine []string) {
	recorded = []string{"录音", "錄音", "recorded", "recording", "record"}
	machine = []string{"人工智能", "智能语音", "智能助手", "智能客服", "机器人", "語音助手", "语音助手", "语音机器", "智能外呼", "自动语音", "虚拟助手", "智能", "ai助", "ai客", "ai语", "ai机", "ai外呼", "ai坐席", "ai顾问", "ai专员", "ai电话", "是ai", "的ai", " ai", "a.i.", "artificial intelligence", "automated", "virtual assistant", "robot", "machine"}
	if lang == "ug" {
		recorded = append(recorded, "ئۈن", "خاتىر")
		machine = append(machine, "سۈنئىي", "ئەقلىي", "ماشىنا", "ئاپتوماتىك")
	}
	return recorded, machine
}

// businessWords do not belong into the notice, nor before it: whoever answers
// the phone need not be the customer.
func businessWords() []string {
	return []string{"欠款", "逾期", "还款", "還款", "贷款", "欠费", "催收", "债务", "优惠", "促销", "打折", "折扣", "报名", "特价", "理财", "收益", "产品", "推荐", "中奖", "overdue", "debt", "loan", "discount", "offer", "sale", "promotion", "special price"}
}

func holds(text string, words []string) (string, bool) {
	text = " " + strings.ToLower(text)
	for _, w := range words {
		if strings.Contains(text, w) {
			return w, true
		}
	}
	return "", false
}
