package freeswitch

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// variable is one channel variable of a dial string.
type variable struct{ name, value string }

var errDialString = errors.New("that cannot be part of a dial string")

// delimiters of {^^:a=b:c=d}, tried in this order: the first that is in no
// value. None of them means anything else to FreeSWITCH.
const delimiters = ":~#!%*+@"

// dialString is {^^:name=value:...}endpoint, which FreeSWITCH reads as exactly
// one endpoint with these variables. It is taken apart there three times (at
// blanks, at the delimiter, at =), each time undoing quotes and backslashes
// (switch_utils.c, switch_separate_string); so values that hold what those
// steps act on are refused, and a blank is written \s, which every step leaves
// as it is or makes a blank. The delimiter is one of ours because the usual
// comma cannot be quoted, and :_: would dial a second endpoint.
func dialString(vars []variable, endpoint string) (string, error) {
	if err := checkDialString(endpoint); err != nil {
		return "", err
	}
	if len(vars) == 0 || len(vars) > 64 {
		return "", fmt.Errorf("%w: %d variables", errDialString, len(vars))
	}
	var all strings.Builder
	for _, v := range vars {
		if v.name == "" || len(v.name) > 64 || !identifier(strings.ReplaceAll(v.name, "-", "_")) {
			return "", fmt.Errorf("%w: a variable of that name", errDialString)
		}
		if err := checkValue(v.value); err != nil {
			return "", fmt.Errorf("%w: %s: %w", errDialString, v.name, err)
		}
		_, _ = all.WriteString(v.value)
	}
	i := strings.IndexFunc(delimiters, func(d rune) bool { return !strings.ContainsRune(all.String(), d) })
	if i < 0 {
		return "", fmt.Errorf("%w: the values hold every one of %s", errDialString, delimiters)
	}
	var b strings.Builder
	_, _ = b.WriteString("{^^" + delimiters[i:i+1])
	for n, v := range vars {
		if n > 0 {
			_ = b.WriteByte(delimiters[i])
		}
		_, _ = b.WriteString(v.name + "=" + strings.ReplaceAll(v.value, " ", `\s`))
	}
	_, _ = b.WriteString("}" + endpoint)
	return b.String(), nil
}

// checkValue refuses what any of the three readings acts on.
func checkValue(s string) error {
	switch {
	case s == "" || len(s) > 512:
		return errors.New("a value is 1 to 512 bytes")
	case !utf8.ValidString(s):
		return errors.New("a value is UTF-8")
	case s != strings.TrimSpace(s):
		return errors.New("blanks at either end")
	case strings.Contains(s, "^^") || strings.Contains(s, ":_:"):
		return errors.New("^^ and :_: separate dial strings")
	}
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f || strings.IndexByte("'\"\\{}[]<>$|`", c) >= 0 {
			return fmt.Errorf("a value cannot contain %q", rune(c))
		}
	}
	return nil
}

// checkDialString refuses what is more than one endpoint of a technology that
// dials, and what FreeSWITCH would expand.
func checkDialString(s string) error {
	tech, rest, ok := strings.Cut(s, "/")
	if !ok || rest == "" || len(s) > 200 {
		return fmt.Errorf("%w: an endpoint is <technology>/<resource>, at most 200 bytes", errDialString)
	}
	switch tech {
	case "sofia", "user":
	default:
		return fmt.Errorf("%w: technology %q: use sofia/gateway/<name>/{number} or sofia/<profile>/<user>@<host> (loopback would reach any dialplan context)", errDialString, tech)
	}
	if strings.Contains(s, ":_:") {
		return fmt.Errorf("%w: :_: separates endpoints", errDialString)
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || strings.IndexByte("&,|\"'`$(){}[]<>\\^", c) >= 0 {
			return fmt.Errorf("%w: an endpoint cannot contain %q", errDialString, rune(c))
		}
	}
	return nil
}
