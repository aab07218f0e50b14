package freeswitch

import (
	"maps"
	"strings"
	"testing"
)

// FreeSWITCH's own reading of an originate command, after switch_utils.c,
// switch_event.c and mod_commands.c of 1.11.2, in so far as a command of ours
// can meet it.

// separate is switch_separate_string: at delim, quotes and backslashes undone.
// The last of limit parts keeps the rest.
func separate(s string, delim byte, limit int) []string {
	if len(s) > 4 && strings.HasPrefix(s, "^^") {
		delim, s = s[2], s[3:]
	}
	var parts []string
	quoted, begin := false, 0
	started := false
	for i := 0; i < len(s) && (len(parts) < limit); i++ {
		if !started {
			parts, begin, started = append(parts, ""), i, true
			if len(parts) == limit {
				break
			}
			if delim != ' ' {
				continue // the first byte of a part is never looked at
			}
		}
		switch {
		case s[i] == '\\':
			i++
		case s[i] == '\'' && (quoted || delim == ' ' || strings.Contains(s[i+1:], "'")):
			quoted = !quoted
		case s[i] == delim && !quoted:
			parts[len(parts)-1] = s[begin:i]
			started = false
			for delim == ' ' && i+1 < len(s) && s[i+1] == ' ' {
				i++
			}
		}
	}
	if started {
		parts[len(parts)-1] = s[begin:]
	}
	for i := range parts {
		parts[i] = cleanup(parts[i], delim)
	}
	return parts
}

// cleanup is cleanup_separated_string.
func cleanup(s string, delim byte) string {
	if delim == ' ' {
		delim = 0
	}
	s = strings.TrimLeft(s, " ")
	if !strings.ContainsAny(s, "\\'") {
		return strings.TrimRight(s, " ")
	}
	out := make([]byte, 0, len(s))
	end, quoted := 0, false
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			e := s[i+1]
			un := byte(0)
			if at := strings.IndexByte("nrts", e); at >= 0 {
				un = "\n\r\t "[at]
			}
			if e == '\'' || e == '"' || delim != 0 && e == delim || e == '\\' {
				un = e
			}
			if un != 0 {
				out, i = append(out, un), i+1
				end = len(out)
				continue
			}
		}
		if s[i] == '\'' && (quoted || strings.Contains(s[i+1:], "'")) {
			if quoted = !quoted; quoted {
				end = len(out)
			}
			continue
		}
		out = append(out, s[i])
		if s[i] != ' ' || quoted {
			end = len(out)
		}
	}
	return string(out[:end])
}

// endParen is switch_find_end_paren.
func endParen(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// readOriginate takes a whole command apart: the variables, the endpoints and
// what is done with the call.
func readOriginate(t *testing.T, command string) (vars map[string]string, endpoints []string, do []string) {
	t.Helper()
	rest, ok := strings.CutPrefix(command, "originate ")
	if !ok || strings.ContainsAny(command, "\r\n\x00") {
		t.Fatalf("no originate, or more than one line: %q", command)
	}
	args := separate(rest, ' ', 10)
	if len(args) < 2 {
		t.Fatalf("%d arguments: %q", len(args), args)
	}
	return readDialString(t, args[0], args[1:])
}

func readDialString(t *testing.T, s string, do []string) (map[string]string, []string, []string) {
	t.Helper()
	vars := map[string]string{}
	if strings.Contains(s, ":_:") {
		return nil, strings.Split(s, ":_:"), do
	}
	if strings.Contains(s, "${") || strings.Contains(s, "$${") {
		t.Fatalf("something would be expanded: %q", s)
	}
	for strings.HasPrefix(s, "{") {
		end := endParen(s)
		if end < 0 {
			t.Fatalf("no end of the variables: %q", s)
		}
		inner, delim := s[1:end], byte(',')
		if strings.HasPrefix(inner, "^^") && len(inner) > 2 {
			delim, inner = inner[2], inner[3:]
		}
		for _, v := range separate(inner, delim, 1024) {
			if kv := separate(v, '=', 2); len(kv) == 2 {
				vars[kv[0]] = kv[1]
			}
		}
		s = strings.TrimLeft(s[end+1:], " ")
	}
	var endpoints []string
	for _, or := range separate(s, '|', 128) {
		endpoints = append(endpoints, separate(or, ',', 128)...)
	}
	return vars, endpoints, do
}

func TestDialStringsAreReadAsTheyWereMeant(t *testing.T) {
	want := map[string]string{
		"origination_uuid": "0190-a", "origination_caller_id_name": "银行 X-Evil 1", "sip_h_X-Task": "7;a=b,c", "sip_h_X-Odd": "a:b~c#d", "execute_on_answer": "sched_hangup +30 allotted_timeout",
		"sip_h_X-Tn": "nsrt=n",
	}
	var vars []variable
	for name, value := range want {
		vars = append(vars, variable{name, value})
	}
	d, err := dialString(vars, "sofia/gateway/carrier/+8613800138000")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // as an originate, and as the argument of bridge
		got, endpoints, do := readOriginate(t, "originate "+d+" &park()")
		if !maps.Equal(got, want) || len(endpoints) != 1 || endpoints[0] != "sofia/gateway/carrier/+8613800138000" || len(do) != 1 || do[0] != "&park()" {
			t.Errorf("%q is read as %q %q %q", d, got, endpoints, do)
		}
		got, endpoints, _ = readDialString(t, d, nil)
		if !maps.Equal(got, want) || len(endpoints) != 1 {
			t.Errorf("%q is read as %q %q", d, got, endpoints)
		}
	}
	for name, bad := range map[string]string{
		"expansion": "${global}", "dollar": "a$b", "brace": "a}sofia/x", "open brace": "a{b", "bar": "a|b", "quote": "it's", "double": `a"b`, "backslash": `a\b`, "line": "a\nb", "return": "a\rb",
		"zero": "a\x00b", "escape": "a\x1bb", "delete": "a\x7fb", "enterprise": "a:_:b", "carets": "^^;", "angle": "<a>", "square": "[a]", "latin": "a\xff", "empty": "", "blank": " a", "long": strings.Repeat("x", 600),
		"all delimiters": delimiters, "backtick": "`id`",
	} {
		if d, err := dialString([]variable{{"x", bad}}, "sofia/internal/1@127.0.0.1"); err == nil {
			t.Errorf("%s: %q became %q", name, bad, d)
		}
	}
	for name, bad := range map[string]string{
		"nothing": "", "no technology": "1234", "loopback": "loopback/1/default", "two": "sofia/a/1,sofia/a/2", "or": "sofia/a/1|sofia/a/2", "enterprise": "sofia/a/1:_:sofia/a/2", "blank": "sofia/a/1 2",
		"variables": "{a=b}sofia/a/1", "local variables": "[a=b]sofia/a/1", "application": "sofia/a/1&park", "expansion": "sofia/a/${x}", "line": "sofia/a/1\n", "group": "group/all", "error": "error/USER_BUSY",
		"high": "sofia/a/é", "quote": "sofia/a/'1'",
	} {
		if err := checkDialString(bad); err == nil {
			t.Errorf("%s: %q was taken", name, bad)
		}
	}
	for _, name := range []string{"", "a=b", "a b", "a}b", strings.Repeat("x", 70)} {
		if _, err := dialString([]variable{{name, "v"}}, "sofia/internal/1@127.0.0.1"); err == nil {
			t.Errorf("a variable named %q", name)
		}
	}
}
