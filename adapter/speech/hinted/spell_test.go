package hinted

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mozillazg/go-pinyin"

	"ringmaster/internal/speech"
)

// Every entry is right by a dictionary of readings that is not ours: the
// character may be read so, and the one written for it is read so first.
func TestHomophonesAreRead(t *testing.T) {
	read := func(r rune) []string {
		a := pinyin.NewArgs()
		a.Style, a.Heteronym = pinyin.Tone3, true
		out := pinyin.SinglePinyin(r, a)
		for i, s := range out {
			out[i] = strings.ReplaceAll(s, "ü", "v")
		}
		return out
	}
	n, sole := 0, 0
	seen := map[string]bool{}
	for _, e := range strings.Fields(homophones) {
		r, size := utf8.DecodeRuneInString(e)
		same, last := utf8.DecodeLastRuneInString(e)
		syllable := e[size : len(e)-last]
		if size != 3 || last != 3 || seen[e[:len(e)-last]] {
			t.Errorf("%s is not of the form, or stands twice", e)
		}
		seen[e[:len(e)-last]] = true
		n++
		if !slices.Contains(read(r), syllable) {
			t.Errorf("%s: %c is read %v", e, r, read(r))
		}
		got := read(same)
		if len(got) == 0 || got[0] != syllable {
			t.Errorf("%s: %c is read %v", e, same, got)
		}
		if len(got) == 1 {
			sole++
		}
	}
	t.Logf("%d readings; %d are written with a character that has no other reading even in a dictionary of rare ones", n, sole)
}

func TestSpelled(t *testing.T) {
	for _, x := range []struct {
		text, word, reading, want string
		left                      int
	}{
		{"欢迎来到重庆银行。", "重庆", "chong2 qing4", "欢迎来到虫庆银行。", 0},
		{"欢迎来到重庆银行。", "银行", "yin2 hang2", "欢迎来到重庆银航。", 0},
		{"率先", "率先", "shuai4 xian1", "帅先", 0},
		{"效率", "效率", "xiao4 lü4", "效律", 0},
		{"省会", "省会", "sheng3 hui4", "省会", 2},
		{"您好", "您好", "nin2", "您好", 0}, // no reading of it
		{"a好", "a好", "a1 hao4", "a浩", 0},
	} {
		i := strings.Index(x.text, x.word)
		got, left := spelled(x.text, []speech.Hint{{Start: i, End: i + len(x.word), Reading: x.reading}})
		if got != x.want || left != x.left || len(got) != len(x.text) {
			t.Errorf("%s as %s: %s, %d left; want %s, %d", x.text, x.reading, got, left, x.want, x.left)
		}
	}
}
