package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

const tasks = "/api/v1/call/task"

func TestBadTasksAreRefusedByFieldAndStoreNothing(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	b.post(`{"customer_id":"12345","script_id":"promotion_001"}`) // the standing task exists
	good := `{"customer_id":"12345","script_id":"promotion_001"}`
	deep := `{"customer_id":` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `}`
	for _, c := range []struct {
		what, body string
		status     int
		field      string
	}{
		{"unknown script", `{"customer_id":"12345","script_id":"nobody"}`, 422, "script_id"},
		{"unknown customer", `{"customer_id":"nobody","script_id":"promotion_001"}`, 422, "customer_id"},
		{"no customer", `{"script_id":"promotion_001"}`, 422, "customer_id"},
		{"no script", `{"customer_id":"12345"}`, 422, "script_id"},
		{"long customer", `{"customer_id":"` + strings.Repeat("a", 65) + `","script_id":"promotion_001"}`, 422, "customer_id"},
		{"duplicate key", `{"customer_id":"12345","customer_id":"67890","script_id":"promotion_001"}`, 422, "customer_id"},
		{"duplicate key in another case", `{"customer_id":"12345","Customer_ID":"67890","script_id":"promotion_001"}`, 422, "Customer_ID"},
		{"key in another case", `{"customer_id":"12345","SCRIPT_ID":"promotion_001"}`, 422, "SCRIPT_ID"},
		{"unknown field", `{"customer_id":"12345","script_id":"promotion_001","when":"now"}`, 422, "when"},
		{"number as text", `{"customer_id":12345,"script_id":"promotion_001"}`, 422, "customer_id"},
		{"object as text", `{"customer_id":{},"script_id":"promotion_001"}`, 422, "customer_id"},
		{"array as text", `{"customer_id":"12345","script_id":["promotion_001"]}`, 422, "script_id"},
		{"bool as text", `{"customer_id":"12345","script_id":"promotion_001","call_time":true}`, 422, "call_time"},
		{"null", `{"customer_id":"12345","script_id":"promotion_001","priority":null}`, 422, "priority"},
		{"text as number", `{"customer_id":"12345","script_id":"promotion_001","priority":"1"}`, 422, "priority"},
		{"fraction", `{"customer_id":"12345","script_id":"promotion_001","priority":1.5}`, 422, "priority"},
		{"huge number", `{"customer_id":"12345","script_id":"promotion_001","priority":99999999999999999999}`, 422, "priority"},
		{"priority too high", `{"customer_id":"12345","script_id":"promotion_001","priority":101}`, 422, "priority"},
		{"priority too low", `{"customer_id":"12345","script_id":"promotion_001","priority":-1}`, 422, "priority"},
		{"time of no form", `{"customer_id":"12345","script_id":"promotion_001","call_time":"tomorrow"}`, 422, "call_time"},
		{"time that is none", `{"customer_id":"12345","script_id":"promotion_001","call_time":"2026-02-30T14:00:00"}`, 422, "call_time"},
		{"hour 25", `{"customer_id":"12345","script_id":"promotion_001","call_time":"2026-03-02T25:00:00"}`, 422, "call_time"},
		{"long time", `{"customer_id":"12345","script_id":"promotion_001","call_time":"` + strings.Repeat("2", 65) + `"}`, 422, "call_time"},
		{"time of another century", `{"customer_id":"12345","script_id":"promotion_001","call_time":"0001-01-01T00:00:00"}`, 422, "call_time"},
		{"time too far ahead", `{"customer_id":"12345","script_id":"promotion_001","call_time":"2029-03-02T14:00:00"}`, 422, "call_time"},
		{"long ref", `{"customer_id":"12345","script_id":"promotion_001","ref":"` + strings.Repeat("r", 257) + `"}`, 422, "ref"},
		{"ref with a line break", `{"customer_id":"12345","script_id":"promotion_001","ref":"a\nb"}`, 422, "ref"},
		{"trailing garbage", good + `x`, 400, ""},
		{"second object", good + good, 400, ""},
		{"trailing closing brace", good + `}`, 400, ""},
		{"array", `[` + good + `]`, 400, ""},
		{"string", `"call"`, 400, ""},
		{"null body", `null`, 400, ""},
		{"empty", " ", 400, ""},
		{"unfinished", `{"customer_id":"12345"`, 400, ""},
		{"single quotes", `{'customer_id':'12345'}`, 400, ""},
		{"NaN", `{"customer_id":"12345","script_id":"promotion_001","priority":NaN}`, 400, ""},
		{"comment", `{/* */"customer_id":"12345"}`, 400, ""},
		{"invalid UTF-8", "{\"customer_id\":\"1\xff2\",\"script_id\":\"promotion_001\"}", 400, ""},
		{"byte order mark", "\ufeff" + good, 400, ""},
		{"deeply nested", deep, 400, ""},
		{"oversized", `{"customer_id":"` + strings.Repeat("a", 70<<10) + `"}`, 413, ""},
	} {
		b.refused(c.what, c.status, c.field, "POST", tasks, c.body)
	}
	for what, key := range map[string]string{"huge": strings.Repeat("k", 129), "not ASCII": "schlüssel"} {
		b.refused(what+" Idempotency-Key", 422, "Idempotency-Key", "POST", tasks, good, "Idempotency-Key: "+key)
	}
	for _, ct := range []string{"text/plain", "application/x-www-form-urlencoded", "application/jsonp", "application/json; charset=gbk", ";;;", "multipart/form-data; boundary=x"} {
		b.refused("media type "+ct, 415, "", "POST", tasks, good, "Content-Type: "+ct)
	}
}

func TestBadContactsAreRefusedByFieldAndStoreNothing(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	with := func(field string) string {
		return `{"customer_id":"1","phone":"+86` + canary + `",` + field + `}`
	}
	many := make([]string, 0, 101)
	for _, id := range strings.Split(strings.Repeat("v,", 101), ",")[:101] {
		many = append(many, `"`+id+strings.ToLower(strings.ReplaceAll(uuid.NewString(), "-", "_"))+`":1`)
	}
	for _, c := range []struct{ what, body, field string }{
		{"no customer", `{"phone":"+86` + canary + `"}`, "customer_id"},
		{"customer with a slash", `{"customer_id":"a/b","phone":"+86` + canary + `"}`, "customer_id"},
		{"customer with a line break", `{"customer_id":"a\nb","phone":"+86` + canary + `"}`, "customer_id"},
		{"no number", `{"customer_id":"1"}`, "phone"},
		{"number of no form", `{"customer_id":"1","phone":"call me"}`, "phone"},
		{"number too short", `{"customer_id":"1","phone":"+86123"}`, "phone"},
		{"number too long", `{"customer_id":"1","phone":"+86138123456789012"}`, "phone"},
		{"number with SQL", `{"customer_id":"1","phone":"+8613812345678'; DROP TABLE person"}`, "phone"},
		{"number as a number", `{"customer_id":"1","phone":13812345678}`, "phone"},
		{"lab extension without a lab trunk", `{"customer_id":"1","phone":"lab:talks"}`, "phone"},
		{"zone of no land", with(`"time_zone":"Asia/Nowhere"`), "time_zone"},
		{"zone by path", with(`"time_zone":"../../etc/passwd"`), "time_zone"},
		{"zone of this machine", with(`"time_zone":"Local"`), "time_zone"},
		{"language", with(`"language":"xx"`), "language"},
		{"long name", with(`"name":"` + strings.Repeat("名", 70) + `"`), "name"},
		{"variables as text", with(`"variables":"x"`), "variables"},
		{"variable with a bad name", with(`"variables":{"Amount":1}`), "variables.Amount"},
		{"variable with a number for a name", with(`"variables":{"` + canary + `":1}`), "variables.****"},
		{"long variable", with(`"variables":{"a":"` + strings.Repeat("x", 1001) + `"}`), "variables.a"},
		{"repeated variable", with(`"variables":{"a":1,"a":2}`), "a"},
		{"too many variables", with(`"variables":{` + strings.Join(many, ",") + `}`), "variables"},
	} {
		b.refused(c.what, 422, c.field, "POST", "/api/v1/contacts", c.body)
	}
	for _, c := range []struct{ what, body, field string }{
		{"nobody", `{"reason":"asked"}`, "customer_id"},
		{"no reason", `{"customer_id":"12345"}`, "reason"},
		{"unknown customer", `{"customer_id":"nobody","reason":"asked"}`, "customer_id"},
		{"bad number", `{"phone":"12","reason":"asked"}`, "phone"},
		{"bad until", `{"customer_id":"12345","reason":"asked","until":"never"}`, "until"},
		{"unknown field", `{"customer_id":"12345","reason":"asked","x":1}`, "x"},
	} {
		b.refused("opt-out: "+c.what, 422, c.field, "POST", "/api/v1/opt-outs", c.body)
	}
}

func TestBadPathsAndQueries(t *testing.T) {
	b := newBed(t)
	ids := []string{"1", "not-a-uuid", "00000000-0000-0000-0000-00000000000g", "{" + uuid.NewString() + "}", "urn:uuid:" + uuid.NewString(), strings.ReplaceAll(uuid.NewString(), "-", ""), "%00", "..%2f..", uuid.NewString() + "x"}
	for _, id := range ids {
		for _, path := range []string{tasks + "/" + id, tasks + "/" + id + "/attempts", "/api/v1/attempts/" + id, "/api/v1/attempts/" + id + "/transcript", "/api/v1/recordings/" + id} {
			b.refused(path, 404, "", "GET", path, "")
		}
		b.refused("DELETE "+id, 404, "", "DELETE", tasks+"/"+id, "")
	}
	unknown := uuid.NewString()
	for _, path := range []string{tasks + "/" + unknown, tasks + "/" + unknown + "/attempts", "/api/v1/attempts/" + unknown, "/api/v1/attempts/" + unknown + "/transcript", "/api/v1/recordings/" + unknown, "/api/v1/contacts/nobody"} {
		b.refused(path, 404, "", "GET", path, "")
	}
	for _, q := range []string{"limit=0", "limit=-1", "limit=501", "limit=x", "limit=1e3", "limit=99999999999999999999"} {
		b.refused(q, 422, "limit", "GET", tasks+"?"+q, "")
		b.refused(q, 422, "limit", "GET", "/api/v1/contacts?"+q, "")
	}
	b.refused("after", 422, "after", "GET", tasks+"?after=x", "")
	b.refused("no route", 404, "", "GET", "/api/v2/call/task", "")
	b.refused("slash at the end", 404, "", "POST", tasks+"/", `{}`)
	b.refused("method", 405, "", "PATCH", tasks, `{}`)
	b.refused("method on one", 405, "", "PUT", tasks+"/"+unknown, `{}`)
}

func TestKeysScopesAndTenants(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	mine := b.post(`{"customer_id":"12345","script_id":"promotion_001"}`)
	b.addKey("rm_expired", tenant, b.now.Add(-time.Second), "*")
	b.addKey("rm_reader", tenant, b.now.Add(time.Hour), "tasks:read")
	b.addKey("rm_foreign", "other", time.Time{}, "*")
	order := `{"customer_id":"12345","script_id":"promotion_001"}`
	for _, path := range []string{tasks, "/api/v1/contacts"} {
		for what, auth := range map[string]string{
			"missing": "", "unknown": "Bearer rm_nobody", "expired": "Bearer rm_expired", "another scheme": "Basic " + b.key, "empty": "Bearer  ", "huge": "Bearer " + strings.Repeat("k", 300),
		} {
			b.refused(what+" key", 401, "", "POST", path, order, "Authorization: "+auth)
		}
		b.refused("wrong scope", 403, "", "POST", path, order, "Authorization: Bearer rm_reader")
	}
	if rec := b.do("POST", tasks, order, "Authorization: "); rec.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Error("401 without WWW-Authenticate")
	}
	if rec := b.do("GET", tasks, "", "Authorization: ", "X-API-Key: rm_reader"); rec.Code != http.StatusOK {
		t.Errorf("X-API-Key: %d", rec.Code)
	}
	if rec := b.do("GET", tasks, "", "Authorization: bearer rm_reader"); rec.Code != http.StatusOK {
		t.Errorf("the scheme's case matters: %d", rec.Code)
	}
	b.mu.Lock()
	b.now = b.now.Add(2 * time.Hour)
	b.mu.Unlock()
	b.refused("key that expired since", 401, "", "GET", tasks, "", "Authorization: Bearer rm_reader")

	foreign := "Authorization: Bearer rm_foreign"
	b.refused("foreign task", 404, "", "GET", tasks+"/"+mine.TaskID, "", foreign)
	b.refused("foreign attempts", 404, "", "GET", tasks+"/"+mine.TaskID+"/attempts", "", foreign)
	b.refused("foreign cancel", 404, "", "DELETE", tasks+"/"+mine.TaskID, "", foreign)
	b.refused("foreign contact", 404, "", "GET", "/api/v1/contacts/12345", "", foreign)
	b.refused("foreign customer", 422, "customer_id", "POST", tasks, order, foreign)
	b.refused("foreign opt-out", 422, "customer_id", "POST", "/api/v1/opt-outs", `{"customer_id":"12345","reason":"x"}`, foreign)
	for _, path := range []string{tasks, "/api/v1/contacts"} {
		if rec := b.do("GET", path, "", foreign); rec.Code != 200 || strings.Contains(rec.Body.String(), "12345") {
			t.Errorf("%s shows another tenant's: %d %s", path, rec.Code, rec.Body)
		}
	}
	if len(b.cancelled) != 0 {
		t.Errorf("another tenant hung up %v", b.cancelled)
	}
}
