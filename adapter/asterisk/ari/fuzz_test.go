package ari

import (
	"errors"
	"testing"
)

// What the exchange answers to a request: read within bounds, or refused by
// name. Nothing nested deeper than we allow is handed to a decoder.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		`{"id":"a","name":"PJSIP/a-1","state":"Up","caller":{"name":"x","number":"1"},"creationtime":"2026-01-02T03:04:05.678+0000","channelvars":{"A":"b"},"dialplan":{"app_name":"Stasis","app_data":"rm"}}`,
		`[{"id":"a"},{"id":1},null]`, `{"id":"b","channels":["a",null,1]}`, `{"message":"Channel not found"}`, `{"error":"Allocation failed"}`, `"x"`, `[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[`, "{\"a\":\"\\\"[[[\"}", "\x00", ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, into := range []any{&Channel{}, &[]Channel{}, &Bridge{}, &[]Bridge{}, &Playback{}, &Recording{}} {
			tolerated, err := decode(data, into)
			if err != nil && tolerated {
				t.Fatalf("%q: refused and tolerated", data)
			}
			if err == nil && deepest(data) > maxDepth {
				t.Fatalf("%q was read", data)
			}
			if errors.Is(err, ErrHostile) && deepest(data) <= maxDepth {
				t.Fatalf("%q is not nested that deep: %v", data, err)
			}
		}
		if text := refusalText(data); len(text) > len(data)*3 { // an escape grows by less
			t.Fatalf("%d bytes became %d", len(data), len(text))
		}
	})
}

// deepest is the nesting of brackets that are not in a text.
func deepest(data []byte) (most int) {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{', c == '[':
			depth++
			most = max(most, depth)
		case c == '}', c == ']':
			depth--
		}
	}
	return most
}
