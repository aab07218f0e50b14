package fstwin

import (
	"strings"
)

// endpoint is one place to be dialled.
type endpoint struct {
	target string
	vars   []pair // of [..]
}

// dialString is what originate and bridge take: variables for all, then places
// to be tried one after the other (|), each time several at once (,).
type dialString struct {
	vars  []pair
	tries [][]endpoint
}

// separate cuts text at a character outside of single quotes, as
// switch_separate_string does: quotes vanish, a backslash protects the
// character, a quote and itself; \n \r \t \s are what they stand for.
func separate(s string, at byte) []string {
	var out []string
	var cur []byte
	quoted := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s) && (s[i+1] == at || s[i+1] == '\'' || s[i+1] == '"' || s[i+1] == '\\'):
			i++
			cur = append(cur, s[i])
		case c == '\\' && i+1 < len(s) && strings.IndexByte("nrts", s[i+1]) >= 0:
			i++
			cur = append(cur, map[byte]byte{'n': '\n', 'r': '\r', 't': '\t', 's': ' '}[s[i]])
		case c == '\'' && (quoted || strings.IndexByte(s[i+1:], '\'') >= 0):
			quoted = !quoted
		case c == at && !quoted:
			if at == ' ' && len(cur) == 0 {
				continue
			}
			out = append(out, string(cur))
			cur = cur[:0]
		default:
			cur = append(cur, c)
		}
	}
	if len(cur) > 0 || at != ' ' {
		out = append(out, string(cur))
	}
	return out
}

// brackets takes a leading {..}, [..] off a dial string; false when it does not end.
func brackets(s string, open, end byte) (vars []pair, rest string, ok bool) {
	s = strings.TrimLeft(s, " ")
	for len(s) > 0 && s[0] == open {
		depth, at := 0, -1
		for i := range len(s) {
			if s[i] == open {
				depth++
			} else if s[i] == end {
				if depth--; depth == 0 {
					at = i
					break
				}
			}
		}
		if at < 0 {
			return nil, "", false
		}
		inner := s[1:at]
		s = strings.TrimLeft(s[at+1:], " ")
		by := byte(',')
		if strings.HasPrefix(inner, "^^") && len(inner) > 2 {
			by, inner = inner[2], inner[3:]
		}
		for _, kv := range separate(inner, by) {
			if name, value, cut := strings.Cut(kv, "="); cut && strings.TrimSpace(name) != "" {
				vars = append(vars, pair{strings.TrimSpace(name), value})
			}
		}
	}
	return vars, s, true
}

// parseDial reads a dial string; false is what FreeSWITCH calls malformed.
func parseDial(s string) (dialString, bool) {
	var d dialString
	vars, rest, ok := brackets(s, '{', '}')
	if !ok || strings.TrimSpace(rest) == "" {
		return d, false
	}
	d.vars = vars
	for try := range strings.SplitSeq(rest, "|") {
		var at []endpoint
		for _, one := range commas(try) {
			own, target, ok := brackets(one, '[', ']')
			if !ok {
				return d, false
			}
			if target = strings.TrimSpace(target); target != "" {
				at = append(at, endpoint{target, own})
			}
		}
		if len(at) > 0 {
			d.tries = append(d.tries, at)
		}
	}
	return d, len(d.tries) > 0
}

// commas cuts at commas outside of brackets.
func commas(s string) []string {
	var out []string
	depth, from := 0, 0
	for i := range len(s) {
		switch s[i] {
		case '[', '{':
			depth++
		case ']', '}':
			depth--
		case ',':
			if depth == 0 {
				out = append(out, s[from:i])
				from = i + 1
			}
		}
	}
	return append(out, s[from:])
}

// value is the last of a name; "" when there is none.
func value(vars []pair, name string) string {
	v := ""
	for _, p := range vars {
		if p.name == name {
			v = p.value
		}
	}
	return v
}

// isTrue is FreeSWITCH's idea of it.
func isTrue(s string) bool {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "enabled", "active", "allow", "1", "t", "y":
		return true
	}
	return atoi(s) > 0
}
