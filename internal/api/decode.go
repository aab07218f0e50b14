package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxBody  = 64 << 10
	maxDepth = 8
)

var digits = regexp.MustCompile(`[0-9][0-9 ().-]{3,}[0-9]`)

// decode reads one JSON object strictly: bounded in size and depth, UTF-8, no
// unknown and no repeated keys, nothing after it. Errors name the field.
func decode(r *http.Request, into any) ([]byte, error) {
	if err := mediaType(r.Header.Get("Content-Type")); err != nil {
		return nil, err
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
	if err := exact(body, into); err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return nil, decodeProblem(err)
	}
	return body, nil
}

// mediaType admits JSON in UTF-8, and a request that names no type.
func mediaType(header string) error {
	if header == "" {
		return nil
	}
	kind, params, err := mime.ParseMediaType(header)
	charset := params["charset"]
	if err != nil || kind != "application/json" || charset != "" && !strings.EqualFold(charset, "utf-8") {
		return problem(http.StatusUnsupportedMediaType, "wrong media type", "send application/json")
	}
	return nil
}

// exact holds the keys of the object to the names of into's fields, which
// encoding/json compares without case: "Phone" beside "phone" would be a
// repeated key in disguise. A null is not a value of any field.
func exact(body []byte, into any) error {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(body, &given); err != nil {
		return problem(http.StatusBadRequest, "body is not JSON", clip(err.Error()))
	}
	known := map[string]bool{}
	for t, i := reflect.TypeOf(into).Elem(), 0; i < t.NumField(); i++ {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		known[name] = true
	}
	var unknown, null []string
	for name, value := range given {
		if !known[name] {
			unknown = append(unknown, name)
		} else if string(value) == "null" {
			null = append(null, name)
		}
	}
	switch {
	case len(unknown) > 0:
		return badField(clip(slices.Min(unknown)), "is not a field of this request")
	case len(null) > 0:
		return badField(slices.Min(null), "must not be null: leave it out")
	}
	return nil
}

func decodeProblem(err error) *Problem {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		value, _, _ := strings.Cut(wrong.Value, " ") // what follows is the value itself
		return badField(clip(wrong.Field), "must be "+jsonKind(wrong.Type.Kind().String())+", not "+article(value))
	}
	return problem(http.StatusBadRequest, "body is not the JSON that is expected", clip(err.Error()))
}

func article(kind string) string {
	switch kind {
	case "number", "string":
		return "a " + kind
	case "object", "array":
		return "an " + kind
	}
	return kind
}

func jsonKind(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return "a whole number"
	case strings.HasPrefix(kind, "float"):
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

// clip makes a client's own words fit for an answer: short, printable, and
// without anything that may be part of a telephone number.
func clip(s string) string {
	if len(s) > 64 {
		s = s[:64]
	}
	s = strings.Map(func(r rune) rune {
		if r < 32 || r == 127 || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	return digits.ReplaceAllString(s, "****")
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
		if first && tok != json.Delim('{') {
			return problem(http.StatusBadRequest, "body is not a JSON object", "send a JSON object")
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
		top := &stack[len(stack)-1]
		if _, ok := tok.(json.Delim); ok { // what follows the last one is looked at too
			stack = stack[:len(stack)-1]
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

// hasControl reports text that does not belong on one line.
func hasControl(s string) bool {
	return strings.ContainsFunc(s, unicode.IsControl) || !utf8.ValidString(s)
}
