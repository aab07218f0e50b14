package funasr

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"ringmaster/internal/speech"
)

// Limits on one answer.
const (
	maxDepth  = 16
	maxStamps = 8192
	maxText   = 16 << 10 // bytes of one utterance
)

// message is one answer of a server, understood.
type message struct {
	kind     kind
	text     string
	native   bool       // the C++ server wrote it
	complete bool       // and it is the last
	stamps   [][2]int64 // ms; nil when none or senseless
	absolute bool       // stamps count from the beginning of the stream
	tokens   []string   // texts of stamps when the server names them
	fault    string     // the server's own words on a failure
}

type kind int

const (
	other   kind = iota // nothing for us, or an end marker without text
	partial             // a new piece of the open utterance
	final               // the whole utterance
	ended               // is_end: nothing more comes
)

type rawMessage struct {
	Mode       *string         `json:"mode"`
	Text       string          `json:"text"`
	IsFinal    bool            `json:"is_final"`
	IsEnd      bool            `json:"is_end"`
	Error      string          `json:"error"`
	Timestamp  json.RawMessage `json:"timestamp"`
	StampSents json.RawMessage `json:"stamp_sents"`
	SliceType  *int            `json:"slice_type"`
}

// parseMessage understands an answer, or says with speech.ErrProtocol why not.
func parseMessage(data []byte) (message, error) {
	if len(data) > maxMessage || !shallow(data) {
		return message{}, fmt.Errorf("%w: an answer of %d bytes that is too large or nested too deeply", speech.ErrProtocol, len(data))
	}
	var r rawMessage
	if err := json.Unmarshal(data, &r); err != nil {
		return message{}, fmt.Errorf("%w: %w: %.80q", speech.ErrProtocol, err, data)
	}
	m := message{text: clean(r.Text), fault: clean(r.Error)}
	if len(m.text) > maxText {
		return message{}, fmt.Errorf("%w: a text of %d bytes", speech.ErrProtocol, len(m.text))
	}
	mode := ""
	if r.Mode != nil {
		mode = *r.Mode
	}
	switch {
	case r.IsEnd:
		m.kind = ended
		return m, nil
	case mode == "2pass-online" || mode == "online":
		m.kind = partial
	case mode == "2pass-offline" || mode == "offline":
		m.kind = final
	case mode != "":
		return message{}, fmt.Errorf("%w: mode %.40q", speech.ErrProtocol, mode)
	case m.text != "":
		m.fault, m.text = m.text, ""
	}
	m.stamps, m.absolute, m.native = parseStamps(r.Timestamp)
	m.native = m.native || r.Mode == nil || r.SliceType != nil || len(r.StampSents) > 0
	m.complete = m.native && r.IsFinal
	m.tokens = tokensOf(r.StampSents, len(m.stamps))
	return m, nil
}

// shallow reports whether data nests no deeper than maxDepth.
func shallow(data []byte) bool {
	depth, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '[' || c == '{':
			if depth++; depth > maxDepth {
				return false
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return true
}

// clean makes text safe to keep and show: valid UTF-8 without control characters.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, s)
}

// parseStamps reads a timestamp field: a string of a list (C++, from the
// beginning of the stream), a list (Python, from the beginning of the segment),
// or a number (C++, wall clock: no stamps). Stamps out of order are dropped all.
func parseStamps(raw json.RawMessage) (stamps [][2]int64, absolute, cpp bool) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, false, false
	}
	switch raw[0] {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return nil, false, true
		}
		return pairs(s), true, true
	case '[':
		return pairs(string(raw)), false, false
	}
	return nil, false, true
}

// pairs takes the numbers of s two by two. The C++ server glues lists together
// when two segments end at once ("[[1,2]][[1,2][3,4]]"), so brackets are not
// trusted; a list that starts over is read from its last start.
func pairs(s string) [][2]int64 {
	var out [][2]int64
	var n [2]int64
	have, digits, fraction := 0, 0, false
	push := func() bool {
		if digits == 0 {
			return true
		}
		have, digits, fraction = have+1, 0, false
		if have < 2 {
			return true
		}
		have = 0
		p := n
		n = [2]int64{}
		if p[1] < p[0] {
			return false
		}
		switch n := len(out); {
		case n > 0 && p[0] <= out[0][0]:
			out = out[:0]
		case n > 0 && p[0] < out[n-1][0]:
			return false
		}
		out = append(out, p)
		return len(out) <= maxStamps
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			if !fraction {
				n[have] = n[have]*10 + int64(c-'0')
			}
			if digits++; digits > 12 {
				return nil
			}
		case c == '.':
			fraction = true
		case c == ',' || c == ']' || c == ' ' || c == '[':
			if !push() {
				return nil
			}
		default: // a sign, an exponent, a name
			return nil
		}
	}
	if !push() || have != 0 {
		return nil
	}
	return out
}

// tokensOf reads the words of stamp_sents; nil unless there is one for each stamp.
func tokensOf(raw json.RawMessage, n int) []string {
	if len(raw) == 0 || raw[0] != '[' || n == 0 {
		return nil
	}
	var sents []struct {
		TextSeg string `json:"text_seg"`
	}
	if json.Unmarshal(raw, &sents) != nil {
		return nil
	}
	var out []string
	for _, s := range sents {
		out = append(out, strings.Fields(clean(s.TextSeg))...)
		if len(out) > n {
			return nil
		}
	}
	if len(out) != n {
		return nil
	}
	return out
}

// split cuts text as the servers do to give times to its parts: a Chinese
// character, a digit, or a run of other letters; punctuation has no time.
func split(text string) []string {
	var out []string
	open := false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r), unicode.IsPunct(r) && r != '\'':
			open = false
		case unicode.Is(unicode.Han, r) || unicode.IsDigit(r):
			out, open = append(out, string(r)), false
		case open:
			out[len(out)-1] += string(r)
		default:
			out, open = append(out, string(r)), true
		}
	}
	return out
}
