package scripts

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"ringmaster/internal/dialogue"
)

// schema is the part of JSON Schema (draft 2020-12) that schema.json uses.
type schema map[string]any

// validate gives what is wrong with v, empty when nothing is. A word of the
// schema that it does not know is a failure of the test.
func (root schema) validate(s schema, v any, at string) []string {
	var out []string
	bad := func(format string, args ...any) { out = append(out, at+": "+fmt.Sprintf(format, args...)) }
	object, isObject := v.(map[string]any)
	list, isList := v.([]any)
	text, isText := v.(string)
	number, isNumber := v.(float64)
	for word, arg := range s {
		switch word {
		case "$schema", "$id", "title", "description", "$defs":
		case "$ref":
			def, _ := arg.(string)
			out = append(out, root.validate(root.def(def), v, at)...)
		case "type":
			if !ofType(arg, v) {
				bad("is %T, wanted %v", v, arg)
			}
		case "const":
			if !reflect.DeepEqual(arg, v) {
				bad("is %v, wanted %v", v, arg)
			}
		case "enum":
			if !slices.ContainsFunc(arg.([]any), func(e any) bool { return reflect.DeepEqual(e, v) }) {
				bad("%v is none of %v", v, arg)
			}
		case "anyOf":
			if !slices.ContainsFunc(arg.([]any), func(e any) bool { return len(root.validate(e.(map[string]any), v, at)) == 0 }) {
				bad("%v fits no alternative", v)
			}
		case "pattern":
			if isText && !regexp.MustCompile(arg.(string)).MatchString(text) {
				bad("%q does not match %s", text, arg)
			}
		case "maxLength":
			if isText && float64(len(text)) > arg.(float64) {
				bad("too long")
			}
		case "minimum", "maximum":
			if isNumber && (word == "minimum" && number < arg.(float64) || word == "maximum" && number > arg.(float64)) {
				bad("%v is out of range", number)
			}
		case "minItems":
			if isList && float64(len(list)) < arg.(float64) {
				bad("too few items")
			}
		case "items":
			for i, e := range list {
				out = append(out, root.validate(arg.(map[string]any), e, fmt.Sprintf("%s[%d]", at, i))...)
			}
		case "minProperties", "maxProperties":
			if isObject && (word == "minProperties" && float64(len(object)) < arg.(float64) || word == "maxProperties" && float64(len(object)) > arg.(float64)) {
				bad("has %d properties", len(object))
			}
		case "required":
			for _, k := range arg.([]any) {
				if _, ok := object[k.(string)]; isObject && !ok {
					bad("%s is missing", k)
				}
			}
		case "propertyNames":
			for k := range object {
				out = append(out, root.validate(arg.(map[string]any), k, at+"."+k+" (name)")...)
			}
		case "properties", "additionalProperties":
		default:
			bad("the schema uses %q, which this test does not know", word)
		}
	}
	known, _ := s["properties"].(map[string]any)
	for k, e := range object {
		if p, ok := known[k]; ok {
			out = append(out, root.validate(p.(map[string]any), e, at+"."+k)...)
			continue
		}
		switch more := s["additionalProperties"].(type) {
		case bool:
			bad("unknown property %s", k)
		case map[string]any:
			out = append(out, root.validate(more, e, at+"."+k)...)
		}
	}
	return out
}

func (root schema) def(ref string) schema {
	d, ok := root["$defs"].(map[string]any)[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	if !ok {
		return schema{"no such definition " + ref: true}
	}
	return d
}

func ofType(want, v any) bool {
	if list, ok := want.([]any); ok {
		return slices.ContainsFunc(list, func(w any) bool { return ofType(w, v) })
	}
	switch want {
	case "object":
		_, ok := v.(map[string]any)
		return ok
	case "array":
		_, ok := v.([]any)
		return ok
	case "string":
		_, ok := v.(string)
		return ok
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "number", "integer":
		f, ok := v.(float64)
		return ok && (want == "number" || f == float64(int64(f)))
	}
	return false
}

func loadSchema(t testing.TB) schema {
	t.Helper()
	var s schema
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func asJSON(t testing.TB, src []byte) any {
	t.Helper()
	b, err := yaml.YAMLToJSON(src)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSchemaTakesTheShippedScripts(t *testing.T) {
	s := loadSchema(t)
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		for _, p := range s.validate(s, asJSON(t, f.Source), f.Path) {
			t.Error(p)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	s := loadSchema(t)
	all, _ := All()
	src := string(all[0].Source)
	for old, bad := range map[string]string{
		"purpose: service":        "purpose: serve",
		"start: ask":              "begin: ask",
		"expecting: yes_no":       "expecting: yesno",
		"- intent: affirm":        "- itent: affirm",
		"end: completed":          "end: finished",
		"do: [{tag: received}]":   "do: [{mail: received}]",
		"format: ringmaster/1":    "format: ringmaster/9",
		"  say:\n    cmn: 您好":     "  say:\n    zh: 您好",
		"do: [{tag: received}]\n": "do: [{tag: a, sms: b}]\n",
	} {
		if !strings.Contains(src, old) {
			t.Fatalf("%q is not in %s", old, all[0].Path)
		}
		if len(s.validate(s, asJSON(t, []byte(strings.Replace(src, old, bad, 1))), "x")) == 0 {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// The schema and the compiler know the same fields everywhere: the compiler
// is asked by an unknown field, which it answers with those that it knows.
func TestSchemaKnowsEveryField(t *testing.T) {
	s := loadSchema(t)
	properties := func(d schema) []string {
		var out []string
		p, _ := d["properties"].(map[string]any)
		for k := range p {
			out = append(out, k)
		}
		if len(out) == 0 { // an open mapping with an enumeration of names
			if names, ok := d["propertyNames"].(map[string]any); ok {
				for _, n := range names["enum"].([]any) {
					out = append(out, n.(string))
				}
			}
		}
		sort.Strings(out)
		return out
	}
	object := func(d schema) schema { // the alternative that is a mapping
		for _, alt := range d["anyOf"].([]any) {
			if m, ok := alt.(map[string]any); ok && m["type"] == "object" {
				return m
			}
		}
		t.Fatal("no mapping among the alternatives")
		return nil
	}
	top := s["properties"].(map[string]any)
	const base = "format: ringmaster/1\nid: x\ntitle: x\npurpose: service\nlanguage: cmn\ndisclosure: {say: 通话录音。%s}\nstart: a\nslots: {s: digits%s}\n%snodes:\n  a:\n    say: 好吗？\n%s"
	reply := "    expect: [{intent: affirm, end: completed%s}]\n"
	plain := fmt.Sprintf(reply, "")
	for what, c := range map[string]struct {
		src  string
		want []string
	}{
		"script":     {fmt.Sprintf(base, "", "", "zzzzzz: 1\n", plain), properties(s)},
		"disclosure": {fmt.Sprintf(base, ", zzzzzz: 1", "", "", plain), properties(top["disclosure"].(map[string]any))},
		"slot":       {fmt.Sprintf(base, "", ", y: {kind: digits, zzzzzz: 1}", "", plain), properties(object(s.def("slot")))},
		"variable":   {fmt.Sprintf(base, "", "", "variables: {v: {type: text, zzzzzz: 1}}\n", plain), properties(object(s.def("variable")))},
		"limits":     {fmt.Sprintf(base, "", "", "limits: {zzzzzz: 1}\n", plain), properties(s.def("limits"))},
		"lines":      {fmt.Sprintf(base, "", "", "lines: {zzzzzz: x}\n", plain), properties(top["lines"].(map[string]any))},
		"handover":   {fmt.Sprintf(base, "", "", "handover: {queue: q, zzzzzz: x}\n", plain), properties(s.def("handover"))},
		"global":     {fmt.Sprintf(base, "", "", "globals: {thanks: {say: x, zzzzzz: x}}\n", plain), properties(s.def("global"))},
		"objection":  {fmt.Sprintf(base, "", "", "objections: {p: {intent: price_objection, rounds: [x], zzzzzz: x}}\n", plain), properties(s.def("objection"))},
		"key":        {fmt.Sprintf(base, "", "", "keys: {\"1\": {say: x, zzzzzz: x}}\n", plain), properties(s.def("bare"))},
		"grade":      {fmt.Sprintf(base, "", "", "grade: [{grade: A, zzzzzz: x}]\n", plain), properties(top["grade"].(map[string]any)["items"].(map[string]any))},
		"voicemail":  {fmt.Sprintf(base, "", "", "voicemail: {say: x, zzzzzz: x}\n", plain), properties(object(top["voicemail"].(map[string]any)))},
		"node":       {fmt.Sprintf(base, "", "", "", plain+"    zzzzzz: 1\n"), properties(s.def("node"))},
		"reply":      {fmt.Sprintf(base, "", "", "", fmt.Sprintf(reply, ", zzzzzz: 1")), properties(s.def("reply"))},
		"end":        {fmt.Sprintf(base, "", "", "", "    expect: [{intent: affirm, end: {zzzzzz: 1}}]\n"), properties(object(s.def("end")))},
		"tone":       {fmt.Sprintf(base, "", "", "segments: [a]\ntone: {ceilings: {a: soft}, zzzzzz: x}\n", plain), properties(top["tone"].(map[string]any))},
		"segment":    {fmt.Sprintf(base, "", "", "segments: [{name: a, zzzzzz: x}]\n", plain), properties(object(top["segments"].(map[string]any)["items"].(map[string]any)))},
		"offer":      {fmt.Sprintf(base, "", "", "segments: [a]\noffers: {o: {say: x, tiers: [a], zzzzzz: x}}\n", plain), properties(top["offers"].(map[string]any)["additionalProperties"].(map[string]any))},
		"advice":     {fmt.Sprintf(base, "", "", "advice: {o: {say: x, zzzzzz: x}}\n", plain), properties(top["advice"].(map[string]any)["additionalProperties"].(map[string]any))},
		"unlock":     {fmt.Sprintf(base, "", "", "unlocks: {o: {when: \"turns > 1\", zzzzzz: x}}\n", plain), properties(top["unlocks"].(map[string]any)["additionalProperties"].(map[string]any))},
		"use":        {fmt.Sprintf(base, "", "", "use: {o: {part: x, zzzzzz: x}}\n", plain), properties(object(top["use"].(map[string]any)["additionalProperties"].(map[string]any)))},
		"variant":    {fmt.Sprintf(base, "", "", "", "    again: {text: x, zzzzzz: x}\n"+plain), properties(object(s.def("variant")))},
		"compose":    {fmt.Sprintf(base, "", "", "", "    compose: {task: x, facts: [x], fallback: x, then: a, zzzzzz: x}\n"+plain), properties(s.def("compose"))},
		"advise":     {fmt.Sprintf(base, "", "", "advice: {o: {say: x}}\n", "    advise: {items: [o], zzzzzz: x}\n"+plain), properties(object(s.def("node")["properties"].(map[string]any)["advise"].(map[string]any)))},
		"do":         {fmt.Sprintf(base, "", "", "", plain+"    do: [{zzzzzz: x}]\n"), properties(s.def("do")["items"].(map[string]any))},
		"no_match":   {fmt.Sprintf(base, "", "", "", plain+"    no_match: {zzzzzz: x}\n"), properties(s.def("retry"))},
		"then":       {fmt.Sprintf(base, "", "", "", plain+"    silence: {then: {end: completed, zzzzzz: x}}\n"), properties(object(s.def("then")))},
		"skip":       {fmt.Sprintf(base, "", "", "", plain+"    skip: [{when: \"true\", end: completed, zzzzzz: x}]\n"), properties(s.def("route"))},
	} {
		_, err := dialogue.Compile(what, []byte(c.src))
		var ps dialogue.Problems
		if !errors.As(err, &ps) {
			t.Errorf("%s: %v", what, err)
			continue
		}
		found := false
		for _, p := range ps {
			if known, ok := strings.CutPrefix(p.Suggest, "known: "); ok && strings.Contains(p.Text, "zzzzzz") {
				found = true
				if want := strings.Join(c.want, ", "); known != want {
					t.Errorf("%s: the compiler knows\n%s\nthe schema\n%s", what, known, want)
				}
			}
		}
		if !found {
			t.Errorf("%s: %v", what, err)
		}
	}
}
