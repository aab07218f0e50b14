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

// misheard are the words that are written wrong, the longest first, because no
// hotword names them.
func (c *session) misheard() []string {
	var out []string
	for w := range c.server.config.Mishear {
		if !c.known[w] {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return out
}

func (c *session) write(text string) string {
	for _, w := range c.misheard() {
		text = strings.ReplaceAll(text, w, c.server.config.Mishear[w])
	}
	return text
}

// mishear writes an utterance as a recognizer would that does not know its
// terms; times stay.
func (c *session) mishear(u tone.Utterance) tone.Utterance {
	if len(c.server.config.Mishear) == 0 {
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
	for i, r := range []rune(c.write(u.Text)) {
		if i < len(u.Chars) && utf8.RuneCountInString(u.Chars[i].Text) == 1 {
			u.Chars[i].Text = string(r)
		}
	}
	u.Text = c.write(u.Text)
	return u
}
