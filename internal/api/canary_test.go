package api_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/phone"
)

// No route, however it is asked, gives back a telephone number or a key, and
// none of it reaches the log.
func TestNoNumberAndNoSecretLeavesTheAPI(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	a, rec := b.recorded()
	id, url := a.Contact.ID.String(), "/api/v1/recordings/"+rec.ID.String()
	open := b.post(`{"customer_id":"12345","script_id":"promotion_001"}`)
	num := "+86" + canary
	type ask struct{ method, path, body string }
	asks := []ask{
		{"POST", "/api/v1/contacts", `{"customer_id":"12345","phone":"` + num + `","variables":{"discount":1}}`},
		{"POST", "/api/v1/contacts", `{"customer_id":"12345","phone":"` + canary + `"}`},
		{"POST", "/api/v1/contacts", `{"customer_id":"12345","phone":"138-1234-5678x"}`},
		{"POST", "/api/v1/contacts", `{"customer_id":"12345","phone":"+99` + canary + `"}`},
		{"POST", "/api/v1/contacts", `{"customer_id":"12345","phone":` + canary + `}`},
		{"POST", "/api/v1/contacts", `{"customer_id":"12345","` + num + `":1}`},
		{"POST", "/api/v1/contacts", `{"customer_id":"12345","phone":"` + num + `","phone":"` + num + `"}`},
		{"POST", "/api/v1/contacts", `{"` + canary + `":1,"` + canary + `":2}`},
		{"POST", "/api/v1/contacts", `{"customer_id":"` + num + `","phone":"x"}`},
		{"POST", "/api/v1/contacts", num},
		{"POST", "/api/v1/contacts", `{"time_zone":"` + num + `","customer_id":"1","phone":"` + num + `"}`},
		{"POST", "/api/v1/contacts", `{"customer_id":"1","phone":"` + num + `","variables":{"` + canary + `":1}}`},
		{"POST", "/api/v1/opt-outs", `{"phone":"` + num + `","reason":"asked"}`},
		{"POST", "/api/v1/opt-outs", `{"phone":"` + num + `x","reason":"asked"}`},
		{"POST", "/api/v1/opt-outs", `{"customer_id":"` + num + `","reason":"asked"}`},
		{"POST", tasks, `{"customer_id":"` + num + `","script_id":"promotion_001"}`},
		{"POST", tasks, `{"customer_id":"12345","script_id":"` + num + `"}`},
		{"POST", tasks, `{"customer_id":"12345","script_id":"promotion_001","call_time":"` + num + `"}`},
		{"POST", tasks, `{"customer_id":"12345","script_id":"promotion_001","priority":` + canary + canary + `}`},
		{"POST", tasks, `{"customer_id":"12345","script_id":"promotion_001","priority":` + canary + `}`},
		{"GET", tasks, ""}, {"GET", tasks + "?after=" + canary, ""}, {"GET", tasks + "?limit=" + canary, ""},
		{"GET", tasks + "/" + id, ""}, {"GET", tasks + "/" + id + "/attempts", ""}, {"GET", tasks + "/" + canary, ""}, {"DELETE", tasks + "/" + open.TaskID, ""},
		{"GET", "/api/v1/attempts/" + a.ID.String(), ""}, {"GET", "/api/v1/attempts/" + a.ID.String() + "/transcript", ""}, {"GET", url, ""},
		{"GET", "/api/v1/contacts", ""}, {"GET", "/api/v1/contacts/12345", ""}, {"GET", "/api/v1/contacts/" + canary, ""},
		{"POST", "/api/v1/call/manual", `{"customer_id":"12345","script_id":"promotion_001"}`}, {"POST", "/api/v1/call/manual", `{"customer_id":"` + num + `","script_id":"promotion_001"}`},
		{"GET", "/api/v1/tasks", ""}, {"GET", "/api/v1/tasks/promotion_001/explain", ""}, {"GET", "/api/v1/tasks/" + canary + "/explain", ""},
		{"GET", "/api/v1/contacts/12345/explain?task=promotion_001", ""}, {"GET", "/api/v1/contacts/12345/explain?task=" + canary, ""},
		{"GET", "/api/v1/contacts/12345/number", ""}, {"GET", "/api/v1/contacts/" + canary + "/number?reason=x", ""}, // with a reason it shows the number: that is its purpose
		{"POST", "/api/v1/dnc", `{"phone":"` + num + `","reason":"asked by ` + canary + `"}`}, {"POST", "/api/v1/dnc", `{"phone":"` + num + `","reason":"` + canary + `","layer":"` + canary + `"}`},
		{"GET", "/api/v1/dnc", ""}, {"GET", "/api/v1/dnc?after=" + canary, ""}, {"GET", "/api/v1/dnc/export", ""}, {"GET", "/api/v1/dnc/export?format=csv", ""},
		{"POST", "/api/v1/dnc/import", "phone,reason\n" + num + ",x\n" + canary + "0000," + canary + "\n"}, {"POST", "/api/v1/dnc/remove", `{"phone":"` + num + `","reason":"` + canary + `"}`},
		{"POST", "/api/v1/consents", `{"customer_id":"12345","basis":"explicit","source":"` + canary + `"}`}, {"GET", "/api/v1/consents?customer_id=" + canary, ""},
		{"POST", "/api/v1/consents/" + canary + "/withdraw", ""}, {"GET", "/api/v1/caller-ids", ""}, {"GET", "/api/v1/caller-ids/" + canary, ""},
		{"POST", "/api/v1/caller-ids", `{"number":"` + num + `x","trunk":"` + canary + `"}`}, {"PUT", "/api/v1/caller-ids/" + canary, `{}`}, {"DELETE", "/api/v1/caller-ids/" + canary, ""},
		{"GET", "/api/v1/stop", ""}, {"POST", "/api/v1/stop", `{"scope":"` + canary + `","reason":"x"}`}, {"DELETE", "/api/v1/stop?reason=" + canary, ""},
		{"GET", "/api/v1/persons/" + canary + "/export?reason=x", ""}, {"DELETE", "/api/v1/persons/" + canary + "?reason=x", ""},
		{"GET", "/api/v1/keys", ""}, {"POST", "/api/v1/keys", `{"name":"` + canary + `","role":"agent"}`}, {"DELETE", "/api/v1/keys/" + canary, ""},
		{"GET", "/api/v1/audit", ""}, {"GET", "/api/v1/audit?format=csv", ""}, {"GET", "/api/v1/audit?after=" + canary, ""},
		{"GET", "/api/v1/scripts", ""}, {"GET", "/api/v1/scripts/" + canary + "/versions", ""}, {"GET", "/api/v1/scripts/" + canary + "/versions/1", ""},
		{"GET", "/api/v1/scripts/" + canary + "/diff?from=a&to=b", ""}, {"POST", "/api/v1/scripts/" + canary + "/rollback", `{"version":"` + canary + `"}`},
		{"POST", "/api/v1/scripts/" + canary + "/publish", `{"version":"` + canary + `"}`}, {"POST", "/api/v1/scripts/" + canary + "/drafts", `{"source":"` + canary + `"}`},
		{"GET", "/healthz", ""}, {"GET", "/readyz", ""}, {"GET", "/metrics", ""}, {"GET", "/openapi.json", ""}, {"GET", "/" + canary, ""},
	}
	run := func(what string) {
		t.Helper()
		seen := map[string]bool{}
		for _, k := range asks {
			headers := []string{}
			if strings.HasSuffix(k.path, "/import") {
				headers = append(headers, "Content-Type: text/csv")
			}
			r := b.do(k.method, k.path, k.body, headers...)
			leak(t, what+": "+k.method+" "+k.path+" "+k.body, r.Body.String())
			for name, values := range r.Header() {
				leak(t, what+": header "+name, strings.Join(values, " "))
			}
			seen[k.method+" "+strings.SplitN(k.path, "?", 2)[0]] = true
		}
		if len(seen) < len(b.server.Routes()) {
			t.Fatalf("only %d of %d routes were asked", len(seen), len(b.server.Routes()))
		}
	}
	run("well")
	deps := b.deps
	deps.Store = broken{b.store}
	b.server = api.New(deps)
	run("database broken")
	deps.Store = panics{b.store}
	b.server = api.New(deps)
	run("handler broken")
	leak(t, "log", b.log.String())
	if !strings.Contains(b.log.String(), "request failed") || !strings.Contains(b.log.String(), "handler failed") {
		t.Error("the failures were not logged at all")
	}
}

func leak(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range []string{canary, "12345678", "rm_test_key"} {
		if strings.Contains(text, secret) {
			t.Errorf("%s gives away %q: %s", where, secret, text)
		}
	}
}

// broken is a database whose every answer is an error that knows a number, as
// the number masks itself.
type broken struct{ api.Store }

func (broken) Person(context.Context, string, string) (campaign.Person, error) {
	return campaign.Person{}, number()
}

func (broken) SavePerson(context.Context, campaign.Person) (campaign.Person, bool, error) {
	return campaign.Person{}, false, number()
}

func (broken) People(context.Context, string, string, int) ([]campaign.Person, error) {
	return nil, number()
}

type panics struct{ api.Store }

func (panics) Person(context.Context, string, string) (campaign.Person, error) {
	panic(number())
}

func number() error {
	n, _ := phone.Parse("+86"+canary, "CN")
	return &numberError{n}
}

type numberError struct{ n phone.Number }

func (e *numberError) Error() string { return "row of " + e.n.String() + " cannot be read" }

func TestABrokenDatabaseSaysTryAgain(t *testing.T) {
	b := newBed(t)
	deps := b.deps
	deps.Store = broken{b.store}
	b.server = api.New(deps)
	rec := b.do("GET", "/api/v1/contacts/12345", "")
	if rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
		t.Errorf("%d %v", rec.Code, rec.Header())
	}
	deps.Store = panics{b.store}
	b.server = api.New(deps)
	if rec := b.do("GET", "/api/v1/contacts/12345", ""); rec.Code != http.StatusInternalServerError || b.problemOf(rec).Title != "internal error" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
