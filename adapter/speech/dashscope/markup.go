package dashscope

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ringmaster/internal/speech"
)

// Bounds of the markup: what the service takes in one command, a Chinese
// character counting as two, and the length of a pause.
const (
	maxWeight = 20000
	minBreak  = 50 * time.Millisecond
	maxBreak  = 10 * time.Second
)

// TakesSSML reports that a model is documented to take SSML, with voices that
// are marked for it in the vendor's list.
func TakesSSML(model string) bool {
	for _, m := range []string{"cosyvoice-v2", "cosyvoice-v3-flash", "cosyvoice-v3-plus", "cosyvoice-v3.5-flash", "cosyvoice-v3.5-plus"} {
		if model == m || strings.HasPrefix(model, m+"-") {
			return true
		}
	}
	return false
}

// markup writes an utterance with its hints as SSML: <break> for a pause,
// <phoneme alphabet="py"> for a reading of Mandarin. What is text stays text. A
// hint that does not fit its place is left out.
func markup(u speech.Utterance) string {
	var b strings.Builder
	b.WriteString("<speak>")
	at := 0
	text := func(to int) {
		_ = xml.EscapeText(&b, []byte(clean(u.Text[at:to]))) // into memory
		at = to
	}
	for _, h := range u.Hints {
		if h.Start < at || h.Start > len(u.Text) || h.Start < len(u.Text) && !utf8.RuneStart(u.Text[h.Start]) {
			continue
		}
		if h.Pause > 0 {
			text(h.Start)
			fmt.Fprintf(&b, `<break time="%dms"/>`, min(max(h.Pause, minBreak), maxBreak).Milliseconds())
		}
		if ph, ok := phoneme(u, h); ok {
			text(h.Start)
			fmt.Fprintf(&b, `<phoneme alphabet="py" ph="%s">`, ph)
			text(h.End)
			b.WriteString("</phoneme>")
		}
	}
	text(len(u.Text))
	b.WriteString("</speak>")
	return b.String()
}

// phoneme is the pinyin of a reading as the service spells it: a syllable with
// its tone for each character, ü as v.
func phoneme(u speech.Utterance, h speech.Hint) (string, bool) {
	if h.Reading == "" || u.Language != "cmn" || h.End <= h.Start || h.End > len(u.Text) {
		return "", false
	}
	word := u.Text[h.Start:h.End]
	syllables := strings.Fields(strings.ReplaceAll(strings.ToLower(h.Reading), "ü", "v"))
	if utf8.RuneCountInString(word) != len(syllables) || strings.ContainsFunc(word, func(r rune) bool { return !unicode.Is(unicode.Han, r) }) {
		return "", false
	}
	for _, s := range syllables {
		n := len(s) - 1
		if n < 1 || n > 6 || s[n] < '1' || s[n] > '5' || strings.ContainsFunc(s[:n], func(r rune) bool { return r < 'a' || r > 'z' }) {
			return "", false
		}
	}
	return strings.Join(syllables, " "), true
}

// weight is the length of a text as the service counts it.
func weight(text string) int {
	n := 0
	for _, r := range text {
		if n++; unicode.Is(unicode.Han, r) {
			n++
		}
	}
	return n
}
