package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// Whatever comes, decode answers with a problem of 4xx or with an object whose
// keys are fields, each once, and that encoding/json reads the same way.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"customer_id":"12345","script_id":"promotion_001","call_time":"2023-10-01T14:00:00"}`, `{}`, `[]`, `null`, `"x"`, `1`, ``, ` `, `{"a":1}`, `{"priority":1e400}`,
		`{"customer_id":"a","customer_id":"b"}`, `{"customer_id":"a","CUSTOMER_ID":"b"}`, `{"ref":null}`, `{"ref":"\ud800"}`, `{"ref":"\u0000"}`, `{"customer_id":{"a":[[[[[[[[[]]]]]]]]]}}`,
		`{"ref":"x"}}`, `{"ref":"x"} {}`, "{\"ref\":\"\xff\"}", "\ufeff{}", `{"ref":"x",}`, `{"":""}`, `{"priority":-0}`, `{"cuſtomer_id":"1"}`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, body string) {
		var req taskRequest
		got, err := decode(httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(body)), &req)
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) || p.Status < 400 || p.Status > 499 {
				t.Fatalf("%q: %v", body, err)
			}
			if out, err := json.Marshal(p); err != nil || !utf8.Valid(out) || len(out) > 1000 {
				t.Fatalf("%q: the problem is no JSON of a modest size: %s", body, out)
			}
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(got, &members); err != nil {
			t.Fatalf("%q was taken: %v", body, err)
		}
		for k := range members {
			switch k {
			case "customer_id", "script_id", "call_time", "priority", "ref":
			default:
				t.Fatalf("%q: the key %q was taken", body, k)
			}
		}
		if n := strings.Count(body, `"customer_id"`); n > 1 && !strings.Contains(body, `\`) && strings.Count(body, ":") == n {
			t.Fatalf("%q: a repeated key was taken", body)
		}
	})
}

// A time that is taken is the one that was written: printed in its zone it
// reads as the text did.
func FuzzResolveCallTime(f *testing.F) {
	zones := []string{"Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Africa/Monrovia", "Pacific/Apia", "UTC", "", "Local", "Nowhere/Land"}
	for i, s := range []string{"2023-10-01T14:00:00", "2026-03-08T02:30:00", "2026-11-01T01:30:00", "2011-12-30T12:00", "2026-04-05 01:45:00", "2023-10-01T14:00:00+08:00", "2023-10-01T14:00Z", "", "x", "0000-00-00T00:00:00", "9999-12-31T23:59:59", "2023-10-01T24:00:00", "2016-12-31T23:59:60Z", "2023-10-01T14:00:00.123456789"} {
		f.Add(s, i%len(zones))
	}
	f.Fuzz(func(t *testing.T, text string, zone int) {
		name := zones[((zone%len(zones))+len(zones))%len(zones)]
		at, used, err := resolveCallTime(text, name, "Asia/Tokyo")
		if err != nil {
			if len(err.Error()) > 300 {
				t.Fatalf("a long error: %v", err)
			}
			return
		}
		if strings.HasPrefix(used, "+") || strings.HasPrefix(used, "-") {
			return // it had its own offset
		}
		loc, err := time.LoadLocation(used)
		if err != nil {
			t.Fatalf("%q in %q was resolved by %q", text, name, used)
		}
		const layout = "2006-01-02T15:04"
		if got := at.In(loc).Format(layout); got != strings.Replace(text, " ", "T", 1)[:len(layout)] {
			t.Fatalf("%q in %s became %s", text, used, got)
		}
		if earlier := at.Add(-2 * time.Hour); earlier.In(loc).Format(time.DateTime) == at.In(loc).Format(time.DateTime) {
			t.Fatalf("%q in %s is the second of two", text, used)
		}
	})
}

func TestLocalTimesAcrossTheYear(t *testing.T) {
	for _, c := range []struct{ text, zone, want string }{
		{"2026-03-08T01:59:59", "America/New_York", "2026-03-08T06:59:59Z"},
		{"2026-03-08T02:00:00", "America/New_York", ""},
		{"2026-03-08T02:59:59", "America/New_York", ""},
		{"2026-03-08T03:00:00", "America/New_York", "2026-03-08T07:00:00Z"},
		{"2026-11-01T00:59:59", "America/New_York", "2026-11-01T04:59:59Z"},
		{"2026-11-01T01:00:00", "America/New_York", "2026-11-01T05:00:00Z"},
		{"2026-11-01T01:59:59", "America/New_York", "2026-11-01T05:59:59Z"},
		{"2026-11-01T02:00:00", "America/New_York", "2026-11-01T07:00:00Z"},
		{"2026-04-05T01:45:00", "Australia/Lord_Howe", "2026-04-04T14:45:00Z"}, // half an hour comes twice
		{"2026-10-04T02:15:00", "Australia/Lord_Howe", ""},
		{"2011-12-30T12:00:00", "Pacific/Apia", ""}, // a whole day was left out
		{"2026-10-25T02:30:00", "Europe/Berlin", "2026-10-25T00:30:00Z"},
	} {
		at, _, err := resolveCallTime(c.text, c.zone)
		switch {
		case c.want == "" && err == nil:
			t.Errorf("%s in %s does not exist and became %s", c.text, c.zone, at.UTC())
		case c.want != "" && (err != nil || at.UTC().Format(time.RFC3339) != c.want):
			t.Errorf("%s in %s: %s, %v, want %s", c.text, c.zone, at.UTC().Format(time.RFC3339), err, c.want)
		}
	}
}

func TestClipKeepsNumbersOut(t *testing.T) {
	for in, want := range map[string]string{
		"+8613812345678": "+****", "138 1234 5678": "****", "(010) 6552-1234": "(****", "priority": "priority", "v12": "v12", "a\nb\x7f\xff": "a?b??", strings.Repeat("x", 99): strings.Repeat("x", 64),
	} {
		if got := clip(in); got != want {
			t.Errorf("clip(%q) = %q, want %q", in, got, want)
		}
	}
	if p := badField("x", ""); p.Status != http.StatusUnprocessableEntity {
		t.Error("status of a bad field")
	}
}
