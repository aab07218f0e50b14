package dialogue

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

var (
	glued    = regexp.MustCompile(`^\s*(?:- +)?[A-Za-z_]+:[^\s:/]`) // key:value
	fullKey  = regexp.MustCompile(`^\s*(?:- +)?([A-Za-z_"]+)\s*：`)  // key：value
	afterKey = regexp.MustCompile(`^\s*(?:- +)?(?:[A-Za-z_]+: +)?(.*)$`)
)

// yamlHint says what somebody who does not know YAML has to do about a line
// that cannot be read. The place of the parser's error may be a line late: the
// line is looked at first, then the ones before it.
func yamlHint(src []byte, line int, text string) string {
	if strings.Contains(text, "already defined") {
		return "give one of them another name, or take it out"
	}
	lines := strings.Split(string(src), "\n")
	for n := line; n >= 1 && n > line-3; n-- {
		if n <= len(lines) {
			if hint := lineHint(lines[n-1]); hint != "" {
				return hint
			}
		}
	}
	if strings.Contains(text, "end character") {
		return "close the quotes at the end of the text"
	}
	return "indent the line as deep as its neighbours, with spaces; a text with signs in it goes into quotes: say: \"...\""
}

func lineHint(l string) string {
	body := strings.TrimLeft(l, " ")
	if strings.HasPrefix(body, "\t") {
		return "indent with spaces, not with a tab"
	}
	if m := fullKey.FindStringSubmatch(l); m != nil {
		return "write the half-width colon and a space, " + m[1] + ": ..., not ："
	}
	if glued.MatchString(l) {
		return "write a space after the colon"
	}
	value := afterKey.FindStringSubmatch(l)[1]
	if value == "" {
		return ""
	}
	switch first, _ := utf8.DecodeRuneInString(value); {
	case strings.HasPrefix(value, "{{"):
		return "a text that begins with {{ goes into quotes: say: \"{{name}}...\""
	case strings.ContainsRune("@`%*&!|>", first):
		return "a text that begins with " + string(first) + " goes into quotes: say: \"...\""
	case !strings.ContainsRune("\"'{[", first) && strings.Contains(value, ": "):
		return "a text with a colon and a space in it goes into quotes: say: \"...\""
	case first == '"' && strings.Count(value, `"`) == 1:
		return "close the quotes at the end of the text"
	}
	return ""
}
