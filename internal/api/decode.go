package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"
)

const (
	maxBody  = 64 << 10
	maxDepth = 8
)

// decode reads one JSON object strictly: bounded in size and depth, UTF-8, no
// unknown and no repeated keys, nothing after it. Errors name the field.
func decode(r *http.Request, into any) ([]byte, error) {
	if ct := r.Header.Get("Content-Type"); ct != "" && !strings.HasPrefix(ct, "application/json") {
		return nil, problem(http.StatusUnsupportedMediaType, "wrong media type", "send application/json")
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		var tooBig *http.MaxBytesError
		if errors.As(err, &tooBig) {
			return nil, problem(http.StatusRequestEntityTooLarge, "body too large", fmt.Sprintf("at most %d bytes", maxBody))
		}
		return nil, problem(http.StatusBadRequest, "body could not be read", "the connection broke")
	}
	if !utf8.Valid(body) {
		return nil, problem(http.StatusBadRequest, "body is not UTF-8", "JSON is UTF-8 (RFC 8259)")
	}
	if err := scan(body); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return nil, decodeProblem(err)
	}
	return body, nil
}

func decodeProblem(err error) *Problem {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return badField(wrong.Field, "must be "+jsonKind(wrong.Type.Kind().String())+", not "+wrong.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name = strings.Trim(name, `"`)
		return badField(clip(name), "is not a field of this request")
	}
	return problem(http.StatusBadRequest, "body is not the JSON that is expected", clip(err.Error()))
}

func jsonKind(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"), strings.HasPrefix(kind, "float"):
		return "a number"
	case kind == "struct", kind == "map":
		return "an object"
	case kind == "slice":
		return "an array"
	case kind == "bool":
		return "true or false"
	}
	return "a " + kind
}

func clip(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	return strings.Map(func(r rune) rune {
		if r < 32 || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// scan walks the tokens once for what encoding/json lets pass: depth, repeated
// keys, trailing text.
func scan(body []byte) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	type level struct {
		keys   map[string]bool // nil in an array
		isKey  bool
		object bool
	}
	var stack []level
	for first := true; ; first = false {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			if first {
				return problem(http.StatusBadRequest, "empty body", "send a JSON object")
			}
			return nil
		}
		if err != nil {
			return problem(http.StatusBadRequest, "body is not JSON", clip(err.Error()))
		}
		if len(stack) == 0 && !first {
			return problem(http.StatusBadRequest, "body is not one JSON object", "there is text after its end")
		}
		if d, ok := tok.(json.Delim); ok && (d == '{' || d == '[') {
			if len(stack) == maxDepth {
				return problem(http.StatusBadRequest, "JSON is nested too deeply", fmt.Sprintf("at most %d levels", maxDepth))
			}
			if n := len(stack); n > 0 {
				stack[n-1].isKey = stack[n-1].object
			}
			stack = append(stack, level{keys: map[string]bool{}, isKey: d == '{', object: d == '{'})
			continue
		}
		if len(stack) == 0 {
			return problem(http.StatusBadRequest, "body is not a JSON object", "send a JSON object")
		}
		top := &stack[len(stack)-1]
		if _, ok := tok.(json.Delim); ok {
			stack = stack[:len(stack)-1]
			if len(stack) == 0 { // look for what follows
				continue
			}
			continue
		}
		if !top.object {
			continue
		}
		if key, ok := tok.(string); ok && top.isKey {
			if top.keys[key] {
				return badField(clip(key), "stands twice in the request")
			}
			top.keys[key] = true
			top.isKey = false
			continue
		}
		top.isKey = true
	}
}
