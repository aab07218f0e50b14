package label

import (
	"regexp"
	"slices"
	"strings"
)

// Parts of a notice that the jurisdictions ask for (config/jurisdictions).
const (
	PartAI        = "ai"
	PartRecording = "recording"
	PartIdentity  = "identity"
	PartEmotion   = "emotion"
	PartOptOut    = "opt_out"
)

// wording is how parts are said in Mandarin, Cantonese and English. It decides
// whether a script's notice says them at all; whether it says them well is for
// counsel.
type wording struct {
	part    string
	phrases []*regexp.Regexp
}

func compile(part string, phrases ...string) wording {
	w := wording{part: part}
	for _, p := range phrases {
		w.phrases = append(w.phrases, regexp.MustCompile("(?i)"+p))
	}
	return w
}

func wordings() []wording {
	return []wording{
		compile(PartAI, `人工智[能慧]`, `智能语音`, `智能語音`, `智能客服`, `智能助[手理]`, `(语音|語音|电话|電話|外呼|智能)?机器人`, `機器人`, `AI\s*(生成|助手|助理|客服|语音|語音|合成|电话)`, `(合成|虚拟|虛擬)(语音|語音|人声|助[手理]|客服)`,
			`\bAI\b`, `artificial (intelligence|voice)`, `(automated|virtual|digital) (voice |phone )?(assistant|agent|caller|system|call)`, `\b(ro|chat|voice)bot\b`, `synthetic voice`),
		compile(PartRecording, `录音`, `錄音`, `录制`, `錄製`, `recorded`, `recording`, `(being )?monitored and recorded`),
		compile(PartIdentity, `(我|这里|這裡|這裏|呢度|这边|這邊)(是|系|係)(来自)?[\p{Han}\p{L}\d·（）()「」“” ]{2,40}(的|嘅|公司|银行|銀行|医院|醫院|学校|學校|中心|平台|集团|集團)`, `(来自|代表|受)[\p{Han}\p{L}\d]{2,40}(的|委托|公司|银行|医院|中心)`,
			`\b(of|from|for|with|behalf of|at) (the )?[A-Z0-9][\w&'.-]+`, `this is [A-Z][\w&'.-]+('s)? (bank|clinic|hospital|school|company|support|assistant)`),
		compile(PartEmotion, `情[绪緒](识别|識別|分析|辨识)`, `(识别|識別|分析|辨识|检测)[^，。,.]{0,8}情[绪感緒]`, `emotion (recognition|analysis|detection)`, `(recogni[sz]e|analy[sz]e|detect)s?[^,.]{0,20}emotions?`),
		compile(PartOptOut, `(不想|不愿|不需要|不希望|唔想)[^。.]{0,12}(说|說|讲|講|按|回复|話)`, `(随时|隨時|可以|可)[^。.]{0,6}(拒绝|拒絕|退订|要求停止|结束通话|挂断)`, `按\s*[0-9零一二三四五六七八九#*]\s*[^。.]{0,6}(退订|拒绝|停止|不再)`, `opt[ -]?out`, `(press|dial|say)[^.]{0,24}(stop|remove|not be called|unsubscribe)`, `(stop|remove)[^.]{0,20}(press|say)`),
	}
}

// denial is what turns a phrase around when it stands right before it.
var denial = regexp.MustCompile(`(?i)(不会|不會|不是|不用|没有|沒有|不|没|沒|并非|並非|非|无|無|唔会|唔會|唔係|唔系|not|never|n't|no|without|isn't|is not)( (a|an|the|be|being))?\s*(被|在|再|进行|進行)?\s*$`)

// Missing names the parts of want that a notice does not say, in their order.
func Missing(text string, want ...string) []string {
	said := map[string]bool{}
	for _, w := range wordings() {
		said[w.part] = slices.ContainsFunc(w.phrases, func(re *regexp.Regexp) bool {
			for _, at := range re.FindAllStringIndex(text, -1) {
				before := text[:at[0]]
				if i := strings.LastIndexAny(before, "，。,.；;!！?？"); i >= 0 {
					before = before[i:]
				}
				if w.part == PartOptOut || !denial.MatchString(before) {
					return true
				}
			}
			return false
		})
	}
	var out []string
	for _, p := range want {
		if !said[p] {
			out = append(out, p)
		}
	}
	return out
}
