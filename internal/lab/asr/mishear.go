package asr

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"ringmaster/internal/lab/tone"
)

// checkMishear refuses pairs that would move the times of characters.
func checkMishear(pairs map[string]string) error {
	for word, as := range pairs {
		if word == "" || utf8.RuneCountInString(word) != utf8.RuneCountInString(as) {
			return fmt.Errorf("labasr: mishear %q as %q: as many characters, please", word, as)
		}
	}
	return nil
}

// learn takes hotwords: the C++ server those of the first message only, the
// Python one those of every message.
func (c *session) learn(hotwords string) {
	if c.known != nil && c.server.config.Dialect == CPP {
		return
	}
	c.known = map[string]bool{}
	var weights map[string]int
	if json.Unmarshal([]byte(hotwords), &weights) == nil {
		for w := range weights {
			c.known[strings.ReplaceAll(w, " ", "")] = true
		}
		return
	}
	for _, w := range strings.Fields(hotwords) {
		c.known[w] = true
	}
}

func (c *session) write(text string) string {
	return write(c.server.config.Mishear, c.known, text)
}

func (c *session) mishear(u tone.Utterance) tone.Utterance {
	return Mishear(c.server.config.Mishear, c.known, u)
}

// write puts the wrong words of pairs for those that are not known, the longest
// first.
func write(pairs map[string]string, known map[string]bool, text string) string {
	var words []string
	for w := range pairs {
		if !known[w] {
			words = append(words, w)
		}
	}
	slices.SortFunc(words, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	for _, w := range words {
		text = strings.ReplaceAll(text, w, pairs[w])
	}
	return text
}

// Mishear writes an utterance as a recognizer would that does not know the terms
// of pairs, but for known ones; times stay.
func Mishear(pairs map[string]string, known map[string]bool, u tone.Utterance) tone.Utterance {
	if len(pairs) == 0 {
		return u
	}
	var heard []string
	for _, ch := range u.Chars {
		heard = append(heard, ch.Text)
	}
	if strings.Join(heard, "") != u.Text {
		return u
	}
	u.Chars = slices.Clone(u.Chars)
	u.Text = write(pairs, known, u.Text)
	for i, r := range []rune(u.Text) {
		if i < len(u.Chars) && utf8.RuneCountInString(u.Chars[i].Text) == 1 {
			u.Chars[i].Text = string(r)
		}
	}
	return u
}
