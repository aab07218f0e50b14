package turn

import (
	"strings"
	"time"
	"unicode"
)

// Expect names what kind of answer a node waits for. How long a silence ends
// the caller's turn depends on it.
type Expect string

// The kinds of answer. The zero Expect counts as Open.
const (
	YesNo  Expect = "yes_no" // one short word is enough
	Choice Expect = "choice" // a phrase out of a few
	Open   Expect = "open"   // a sentence, with pauses to think
	Digits Expect = "digits" // groups with pauses between them
)

// Mode says what happens at the moment of a barge-in.
type Mode string

const (
	// YieldFirst stops our voice at once and decides by the words whether to go on
	// (the zero Mode).
	YieldFirst Mode = "yield"
	// Confirm talks on until the words prove more than a backchannel.
	Confirm Mode = "confirm"
)

// Policy is what a node of the script permits and expects. Zero values stand
// for the defaults; all of it is plain data and is logged with the call.
type Policy struct {
	// Protected utterances are not interrupted: the disclosure, for one.
	Protected bool `json:"protected,omitempty"`
	// MinSpeech of the caller that interrupts us; 0 = Config.MinSpeech.
	MinSpeech time.Duration `json:"min_speech,omitempty"`
	Mode      Mode          `json:"mode,omitempty"`
	// Backchannels are further words that never interrupt.
	Backchannels []string `json:"backchannels,omitempty"`
	Expect       Expect   `json:"expect,omitempty"`
	// EndSilence ends the caller's turn; 0 = by Expect (400 ms, 600 ms, 900 ms,
	// 1500 ms).
	EndSilence time.Duration `json:"end_silence,omitempty"`
	// Count is how many digits are wanted, 0 when unknown: with Digits, all of
	// them heard end the turn early.
	Count int `json:"count,omitempty"`
	// NoInput is how long the caller may stay silent before it is an event;
	// default 6 s.
	NoInput time.Duration `json:"no_input,omitempty"`
	// MaxSpeech is how long one turn of the caller may last; default 30 s.
	MaxSpeech time.Duration `json:"max_speech,omitempty"`
	// Settle is how long after a barge-in's speech has ended words may still
	// arrive; without any the interruption was false. Default 700 ms.
	Settle time.Duration `json:"settle,omitempty"`
}

func (p Policy) endSilence() time.Duration {
	if p.EndSilence > 0 {
		return p.EndSilence
	}
	switch p.Expect {
	case YesNo:
		return 400 * time.Millisecond
	case Choice:
		return 600 * time.Millisecond
	case Digits:
		return 1500 * time.Millisecond
	}
	return 900 * time.Millisecond
}

func orDefault(d, v time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return v
}

func (p Policy) noInput() time.Duration   { return orDefault(p.NoInput, 6*time.Second) }
func (p Policy) maxSpeech() time.Duration { return orDefault(p.MaxSpeech, 30*time.Second) }
func (p Policy) settle() time.Duration    { return orDefault(p.Settle, 700*time.Millisecond) }

// Backchannels are the words by which a listener says "go on", in the
// languages of the house. Those of the first list say only that; those of the
// second are answers too, when a question has just been asked.
func listening() []string {
	return []string{"嗯", "恩", "唔", "噢", "喔", "哦", "啊", "呃", "额", "哎", "诶", "欸", "嗯哼", "这样", "這樣", "这样啊", "咁", "係咩",
		"uhhuh", "uh", "mhm", "mm", "mmhmm", "hm", "hmm", "oh", "isee", "ah", "er", "um", "ئە", "ھە"}
}

func agreeing() []string {
	return []string{"对", "對", "对啊", "对的", "好", "好的", "好啊", "好吧", "是", "是的", "是啊", "行", "可以", "知道", "知道了", "明白", "了解", "没错",
		"係", "係呀", "啱", "得", "冇錯", "ok", "okay", "yes", "yeah", "yep", "right", "sure", "alright", "gotit", "ھەئە", "ماقۇل"}
}

// fillers are what a speaker says while searching for the next word.
func fillers() []string {
	return []string{"嗯", "呃", "额", "那个", "那個", "这个", "這個", "就是", "就是说", "然后", "然後", "因为", "因為", "所以", "但是", "还有",
		"嗰個", "呢個", "即係", "跟住", "um", "uh", "er", "erm", "and", "but", "so", "because", "like", "well", "the", "my", "to", "is"}
}

// plain is text without what a recognizer puts between words: lower case,
// letters and digits only.
func plain(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// madeOf says that text can be cut into words of the lists (which are plain),
// and nothing else. Text longer than any listener's murmur is not looked at.
func madeOf(text string, lists ...[]string) bool {
	s := plain(text)
	if s == "" || len(s) > 120 {
		return false
	}
	ends := make([]bool, len(s)+1)
	ends[0] = true
	for i := range s {
		if !ends[i] {
			continue
		}
		for _, words := range lists {
			for _, w := range words {
				if w != "" && strings.HasPrefix(s[i:], w) {
					ends[i+len(w)] = true
				}
			}
		}
	}
	return ends[len(s)]
}

// Backchannel says that text holds nothing but listener's words. answer says
// that a question has just been put, so that agreement is an answer.
func (p Policy) Backchannel(text string, answer bool) bool {
	own := make([]string, len(p.Backchannels))
	for i, w := range p.Backchannels {
		own[i] = plain(w)
	}
	if answer {
		return madeOf(text, listening(), own)
	}
	return madeOf(text, listening(), agreeing(), own)
}

// trailing says that text ends in a filler, so that more is to be expected.
func trailing(text string) bool {
	if strings.HasSuffix(strings.TrimSpace(text), "…") || strings.HasSuffix(strings.TrimSpace(text), "...") {
		return true
	}
	s := strings.ToLower(strings.TrimRightFunc(text, func(r rune) bool { return !unicode.IsLetter(r) }))
	for _, w := range fillers() {
		if !strings.HasSuffix(s, w) {
			continue
		}
		before := s[:len(s)-len(w)]
		last := []rune(before)
		latin := w[0] < 0x80
		if !latin || len(last) == 0 || !unicode.IsLetter(last[len(last)-1]) {
			return true
		}
	}
	return false
}
