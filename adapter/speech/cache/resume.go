package cache

import (
	"strings"
	"time"
	"unicode"

	"ringmaster/internal/speech"
)

// How long a character takes at normal speed, for want of marks: Chinese is
// spoken at four to five characters a second, alphabets at about fourteen.
const (
	perHan    = 230 * time.Millisecond
	perLetter = 70 * time.Millisecond
)

// resumeAt is the byte offset in text from which to speak again after heard of
// it was played: behind the last mark, or at the beginning of the clause that
// was being spoken by estimate.
func resumeAt(text string, heard time.Duration, marks []speech.Mark) int {
	if heard <= 0 {
		return 0
	}
	if n := len(marks); n > 0 {
		return min(max(marks[n-1].Text, 0), len(text))
	}
	clause := 0
	var spoken time.Duration
	for i, r := range text {
		switch {
		case unicode.Is(unicode.Han, r):
			spoken += perHan
		case unicode.IsLetter(r), unicode.IsDigit(r), r == ' ':
			spoken += perLetter
		}
		if spoken > heard {
			return clause
		}
		if strings.ContainsRune("，。！？、；：,.!?;:،؟؛\n", r) {
			clause = i + len(string(r))
		}
	}
	return clause
}
