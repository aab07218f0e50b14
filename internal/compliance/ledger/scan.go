package ledger

import (
	"bytes"
	"encoding/json"
)

// fields walks a JSON object and hands each of its keys with the bytes of its value to see, in their order; it stops when see says so.
// It is quick because it looks at what it must only: what a value holds is for others to judge. ok is false when the bytes are no object.
func fields(b []byte, see func(key, value []byte) bool) (ok bool) {
	i := space(b, 0)
	if i >= len(b) || b[i] != '{' {
		return false
	}
	if i = space(b, i+1); i < len(b) && b[i] == '}' {
		return space(b, i+1) == len(b)
	}
	for {
		end := past(b, i)
		if end < 0 || b[i] != '"' {
			return false
		}
		key := b[i+1 : end-1]
		if i = space(b, end); i >= len(b) || b[i] != ':' {
			return false
		}
		i = space(b, i+1)
		if end = past(b, i); end < 0 {
			return false
		}
		if !see(key, b[i:end]) {
			return false
		}
		switch i = space(b, end); {
		case i >= len(b):
			return false
		case b[i] == '}':
			return space(b, i+1) == len(b)
		case b[i] != ',':
			return false
		}
		i = space(b, i+1)
	}
}

// elements walks a JSON array as fields does an object.
func elements(b []byte, see func(value []byte) bool) (ok bool) {
	i := space(b, 0)
	if i >= len(b) || b[i] != '[' {
		return false
	}
	if i = space(b, i+1); i < len(b) && b[i] == ']' {
		return space(b, i+1) == len(b)
	}
	for {
		end := past(b, i)
		if end < 0 || !see(b[i:end]) {
			return false
		}
		switch i = space(b, end); {
		case i >= len(b):
			return false
		case b[i] == ']':
			return space(b, i+1) == len(b)
		case b[i] != ',':
			return false
		}
		i = space(b, i+1)
	}
}

// space is the next index that is no white space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// past is the index after the value that begins at i; negative when there is none.
func past(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return quoted(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				if i = quoted(b, i); i < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return -1
	case ',', ':', '}', ']':
		return -1
	}
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' && b[i] != ' ' {
		i++
	}
	return i
}

// quoted is the index after the string that begins at i.
func quoted(b []byte, i int) int {
	for i++; i < len(b); {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		end := i + n
		slashes := 0
		for j := end - 1; j >= i && b[j] == '\\'; j-- {
			slashes++
		}
		if slashes%2 == 0 {
			return end + 1
		}
		i = end + 1
	}
	return -1
}

// text is a string's content.
func text(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1]), true
	}
	var s string
	return s, json.Unmarshal(value, &s) == nil
}
