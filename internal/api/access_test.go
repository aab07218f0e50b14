package api_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/api"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

// matrix reads docs/access.md: route by role, "yes" or "-".
func matrix(t *testing.T) map[string]map[api.Role]bool {
	t.Helper()
	text, err := os.ReadFile("../../docs/access.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[api.Role]bool{}
	for _, line := range strings.Split(string(text), "\n") {
		cells := strings.Split(strings.Trim(line, "| "), "|")
		if len(cells) != 2+len(api.Roles()) {
			continue
		}
		route := strings.Trim(cells[0], " `")
		if !regexp.MustCompile(`^(GET|POST|PUT|DELETE) /`).MatchString(route) {
			continue
		}
		out[route] = map[api.Role]bool{}
		for i, role := range api.Roles() {
			switch strings.TrimSpace(cells[2+i]) {
			case "yes":
				out[route][role] = true
			case "-":
			default:
				t.Errorf("docs/access.md: %s for %s is %q", route, role, cells[2+i])
			}
		}
	}
	return out
}

// thing is what a route is asked about: an object of the first tenant.
type thing struct {
	method, path, body string
	status             int    // of who may, in the own tenant
	absent             string // the same question about what does not exist; empty = the route names nothing
	absentBody         string
	media              string
}

// things is one question a route, each about an object made for it.
func (b *bed) things(n string) map[string]func() thing {
	const gone = "018f0000-0000-7000-8000-000000000000"
	customer := "c" + n
	order := func() string { return b.post(`{"customer_id":"` + customer + `","script_id":"promotion_001"}`).TaskID }
	id := func(make func(id uuid.UUID) error) string {
		u := uuid.Must(uuid.NewV7())
		b.must(make(u))
		return u.String()
	}
	p, err := b.store.Person(b.Context(), tenant, customer)
	b.must(err)
	get := func(path, missing string) func() thing {
		return func() thing { return thing{method: "GET", path: path, status: 200, absent: missing} }
	}
	consent := func() string {
		return id(func(u uuid.UUID) error {
			return b.store.SaveConsent(b.Context(), api.ConsentRecord{ID: u, Tenant: tenant, Person: p.ID, Consent: compliance.Consent{Basis: "explicit", Source: "web", ObtainedAt: b.now}})
		})
	}
	shown := func() string {
		return id(func(u uuid.UUID) error {
			num, err := phone.Short("1069" + digitsOf(u))
			b.must(err)
			return b.store.SaveCallerID(b.Context(), api.CallerID{ID: u, Tenant: tenant, Number: num, Trunk: "carrier", Voice: true, State: "active"}, true)
		})
	}
	callerBody := func() string {
		return `{"number":"1069` + digitsOf(uuid.Must(uuid.NewV7())) + `","trunk":"carrier","voice":true}`
	}
	with := func(method, path, body string, status int) func() thing {
		return func() thing { return thing{method: method, path: path, body: body, status: status} }
	}
	a, rec := b.attempt, b.rec
	return map[string]func() thing{
		"POST /call/task": func() thing {
			return thing{method: "POST", path: tasks, body: `{"customer_id":"` + customer + `","script_id":"promotion_001"}`, status: 201, absent: tasks, absentBody: `{"customer_id":"nobody","script_id":"promotion_001"}`}
		},
		"GET /call/task":     get(tasks, ""),
		"GET /call/task/:id": get(tasks+"/"+a.Contact.ID.String(), tasks+"/"+gone),
		"DELETE /call/task/:id": func() thing {
			return thing{method: "DELETE", path: tasks + "/" + order(), status: 200, absent: tasks + "/" + gone}
		},
		"GET /call/task/:id/attempts":  get(tasks+"/"+a.Contact.ID.String()+"/attempts", tasks+"/"+gone+"/attempts"),
		"GET /attempts/:id":            get("/api/v1/attempts/"+a.ID.String(), "/api/v1/attempts/"+gone),
		"GET /attempts/:id/transcript": get("/api/v1/attempts/"+a.ID.String()+"/transcript", "/api/v1/attempts/"+gone+"/transcript"),
		"GET /recordings/:id":          get("/api/v1/recordings/"+rec.ID.String(), "/api/v1/recordings/"+gone),
		"POST /call/manual": func() thing {
			return thing{method: "POST", path: "/api/v1/call/manual", body: `{"customer_id":"` + customer + `","script_id":"promotion_001"}`, status: 409, // no consent: judged, and told why
				absent: "/api/v1/call/manual", absentBody: `{"customer_id":"nobody","script_id":"promotion_001"}`}
		},
		"GET /tasks":                         get("/api/v1/tasks", ""),
		"GET /tasks/:id/explain":             get("/api/v1/tasks/"+a.Task.ID.String()+"/explain", "/api/v1/tasks/"+gone+"/explain"),
		"POST /contacts":                     with("POST", "/api/v1/contacts", `{"customer_id":"new`+n+`","phone":"+8613800001111"}`, 201),
		"GET /contacts":                      get("/api/v1/contacts", ""),
		"GET /contacts/:customer_id":         get("/api/v1/contacts/"+customer, "/api/v1/contacts/nobody"),
		"GET /contacts/:customer_id/explain": get("/api/v1/contacts/"+customer+"/explain?task=promotion_001", "/api/v1/contacts/nobody/explain?task=promotion_001"),
		"GET /contacts/:customer_id/number":  get("/api/v1/contacts/"+customer+"/number?reason=ticket", "/api/v1/contacts/nobody/number?reason=ticket"),
		"POST /opt-outs": func() thing {
			return thing{method: "POST", path: "/api/v1/opt-outs", body: `{"customer_id":"` + customer + `","reason":"asked"}`, status: 204, absent: "/api/v1/opt-outs", absentBody: `{"customer_id":"nobody","reason":"asked"}`}
		},
		"GET /dnc": get("/api/v1/dnc", ""),
		"POST /dnc": func() thing {
			return thing{method: "POST", path: "/api/v1/dnc", body: `{"customer_id":"` + customer + `","reason":"asked"}`, status: 204, absent: "/api/v1/dnc", absentBody: `{"customer_id":"nobody","reason":"asked"}`}
		},
		"POST /dnc/remove": func() thing {
			num, err := phone.Parse("+86139"+digitsOf(uuid.Must(uuid.NewV7()))[:8], "CN")
			b.must(err)
			_, err = b.store.AddDNC(b.Context(), []api.DNCEntry{{DNCKey: api.DNCKey{Tenant: tenant, Layer: compliance.LayerTenant, Number: num}, Reason: "x", Source: "operator"}})
			b.must(err)
			return thing{method: "POST", path: "/api/v1/dnc/remove", body: `{"phone":"` + num.Reveal() + `","reason":"mistake"}`, status: 204, absent: "/api/v1/dnc/remove", absentBody: `{"phone":"+8613700000000","reason":"mistake"}`}
		},
		"POST /dnc/import": func() thing {
			return thing{method: "POST", path: "/api/v1/dnc/import", body: "phone\n+8613700001234\n", status: 200, media: "text/csv"}
		},
		"GET /dnc/export": get("/api/v1/dnc/export?format=csv", ""),
		"GET /consents":   get("/api/v1/consents?customer_id="+customer, "/api/v1/consents?customer_id=nobody"),
		"POST /consents": func() thing {
			return thing{method: "POST", path: "/api/v1/consents", body: `{"customer_id":"` + customer + `","basis":"explicit","source":"web"}`, status: 201, absent: "/api/v1/consents", absentBody: `{"customer_id":"nobody","basis":"explicit","source":"web"}`}
		},
		"POST /consents/:id/withdraw": func() thing {
			return thing{method: "POST", path: "/api/v1/consents/" + consent() + "/withdraw", status: 204, absent: "/api/v1/consents/" + gone + "/withdraw"}
		},
		"GET /caller-ids": get("/api/v1/caller-ids", ""),
		"POST /caller-ids": func() thing {
			return thing{method: "POST", path: "/api/v1/caller-ids", body: callerBody(), status: 201}
		},
		"GET /caller-ids/:id": func() thing { return get("/api/v1/caller-ids/"+shown(), "/api/v1/caller-ids/"+gone)() },
		"PUT /caller-ids/:id": func() thing {
			body := callerBody()
			return thing{method: "PUT", path: "/api/v1/caller-ids/" + shown(), body: body, status: 200, absent: "/api/v1/caller-ids/" + gone, absentBody: body}
		},
		"DELETE /caller-ids/:id": func() thing {
			return thing{method: "DELETE", path: "/api/v1/caller-ids/" + shown(), status: 204, absent: "/api/v1/caller-ids/" + gone}
		},
		"GET /stop":  get("/api/v1/stop", ""),
		"POST /stop": with("POST", "/api/v1/stop", `{"scope":"tenant","reason":"drill"}`, 201),
		"DELETE /stop": func() thing {
			_, err := b.store.PressStop(b.Context(), api.Stop{ID: uuid.Must(uuid.NewV7()), Tenant: tenant, Reason: "drill", At: b.now})
			b.must(err)
			return thing{method: "DELETE", path: "/api/v1/stop", status: 204}
		},
		"GET /exchanges":                get("/api/v1/exchanges", ""),
		"POST /exchanges/:name/drain":   with("POST", "/api/v1/exchanges/main/drain", `{"reason":"maintenance"}`, 201),
		"DELETE /exchanges/:name/drain": with("DELETE", "/api/v1/exchanges/main/drain", "", 204),
		"GET /scripts":                  get("/api/v1/scripts", ""),
		"POST /scripts/:script_id/drafts": func() thing {
			return thing{method: "POST", path: "/api/v1/scripts/drafted/drafts", body: "id: drafted\nnode a: " + digitsOf(uuid.Must(uuid.NewV7())) + "\n", status: 201, media: "application/yaml"}
		},
		"POST /scripts/:script_id/publish": func() thing {
			body := `{"version":"` + b.drafted() + `","note":"x"}`
			return thing{method: "POST", path: "/api/v1/scripts/sale/publish", body: body, status: 200, absent: "/api/v1/scripts/none/publish", absentBody: body}
		},
		"POST /scripts/:script_id/rollback": func() thing {
			was := b.drafted()
			b.release(was)
			b.release(b.drafted())
			body := `{"version":"` + was + `","note":"x"}`
			return thing{method: "POST", path: "/api/v1/scripts/sale/rollback", body: body, status: 200, absent: "/api/v1/scripts/none/rollback", absentBody: body}
		},
		"GET /scripts/:script_id/versions": func() thing {
			b.drafted()
			return get("/api/v1/scripts/sale/versions", "/api/v1/scripts/none/versions")()
		},
		"GET /scripts/:script_id/versions/:version": func() thing {
			v := b.drafted()
			return get("/api/v1/scripts/sale/versions/"+v, "/api/v1/scripts/none/versions/"+v)()
		},
		"GET /scripts/:script_id/diff": func() thing {
			v := b.drafted()
			return get("/api/v1/scripts/sale/diff?from="+v+"&to="+v, "/api/v1/scripts/none/diff?from="+v+"&to="+v)()
		},
		"GET /persons/:customer_id/export": get("/api/v1/persons/"+customer+"/export?reason=asked", "/api/v1/persons/nobody/export?reason=asked"),
		"DELETE /persons/:customer_id": func() thing {
			u := "gone" + digitsOf(uuid.Must(uuid.NewV7()))
			b.person(u)
			return thing{method: "DELETE", path: "/api/v1/persons/" + u + "?reason=asked", status: 200, absent: "/api/v1/persons/nobody?reason=asked"}
		},
		"GET /keys":  get("/api/v1/keys", ""),
		"POST /keys": with("POST", "/api/v1/keys", `{"name":"k","role":"agent"}`, 201),
		"DELETE /keys/:id": func() thing {
			u := id(func(u uuid.UUID) error {
				return b.store.SaveAPIKey(b.Context(), api.APIKey{ID: u, Tenant: tenant, Name: "x", Role: api.RoleAgent, Hash: api.HashKey(u.String())})
			})
			return thing{method: "DELETE", path: "/api/v1/keys/" + u, status: 204, absent: "/api/v1/keys/" + gone}
		},
		"GET /audit": get("/api/v1/audit", ""),
	}
}

// digitsOf are nine digits that no other ID gives.
func digitsOf(u uuid.UUID) string {
	var out []byte
	for _, c := range u[7:] {
		out = append(out, '0'+c%10)
	}
	return string(out)
}

// The authorisation matrix of docs/access.md is what the server does: every
// route by every role, in the own tenant and from a foreign one. What belongs
// to another tenant answers as what does not exist.
func TestRow_T23_EveryRouteEveryRoleOwnAndForeignTenant(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	b.attempt, b.rec = b.recorded()
	want := matrix(t)
	asked := 0
	for i, role := range api.Roles() {
		own, foreign := "rm_own_"+string(role), "rm_foreign_"+string(role)
		b.roleKey(own, tenant, role)
		b.roleKey(foreign, "other", role)
		b.person("c" + string(rune('0'+i)))
		things := b.things(string(rune('0' + i)))
		for _, r := range b.server.Routes() {
			path, protected := strings.CutPrefix(r.Path, "/api/v1")
			if !protected {
				continue
			}
			name := r.Method + " " + path
			make, line := things[name], want[name]
			if make == nil || line == nil {
				t.Fatalf("%s has no line in the matrix or no question in this test", name)
			}
			asked += b.cell(name, role, line[role], make, own, foreign)
		}
	}
	for name := range want {
		if !slices.ContainsFunc(b.server.Routes(), func(r api.RouteInfo) bool { return r.Method+" "+strings.TrimPrefix(r.Path, "/api/v1") == name }) {
			t.Errorf("docs/access.md has %s, which is no route", name)
		}
	}
	t.Logf("%d answers over %d routes", asked, len(want))
}

// cell asks one route by one role.
func (b *bed) cell(name string, role api.Role, may bool, make func() thing, own, foreign string) int {
	b.Helper()
	q := make()
	headers := []string{}
	if q.media != "" {
		headers = append(headers, "Content-Type: "+q.media)
	}
	// The foreign tenant first: nothing that it asks changes ours.
	theirs := b.do(q.method, q.path, q.body, append(headers, "Authorization: Bearer "+foreign)...)
	switch {
	case !may:
		if theirs.Code != http.StatusForbidden {
			b.Errorf("%s by a foreign %s: %d, want 403", name, role, theirs.Code)
		}
	case q.absent != "":
		body := q.absentBody
		none := b.do(q.method, q.absent, body, append(headers, "Authorization: Bearer "+foreign)...)
		if theirs.Code != none.Code || theirs.Body.String() != none.Body.String() {
			b.Errorf("%s by a foreign %s tells that it exists: %d %s, of what does not exist %d %s", name, role, theirs.Code, theirs.Body, none.Code, none.Body)
		}
		if strings.Contains(name, "/:") && theirs.Code != http.StatusNotFound {
			b.Errorf("%s by a foreign %s: %d, want 404", name, role, theirs.Code)
		}
	case strings.Contains(theirs.Body.String(), `"12345"`) || !strings.HasSuffix(name, "/audit") && strings.Contains(theirs.Body.String(), b.attempt.ID.String()):
		b.Errorf("%s shows a foreign %s ours: %s", name, role, theirs.Body)
	}
	ours := b.do(q.method, q.path, q.body, append(headers, "Authorization: Bearer "+own)...)
	status := http.StatusForbidden
	if may {
		status = q.status
	}
	if ours.Code != status {
		b.Errorf("%s by %s: %d %s, want %d", name, role, ours.Code, ours.Body, status)
	}
	if _, err := b.rows.ExecContext(b.Context(), "UPDATE stop SET released_at = at WHERE released_at IS NULL"); err != nil {
		b.Fatal(err)
	}
	return 2
}

func (b *bed) roleKey(key, of string, role api.Role) {
	b.Helper()
	b.must(b.store.SaveAPIKey(b.Context(), api.APIKey{ID: uuid.Must(uuid.NewV7()), Tenant: of, Name: "the " + string(role), Hash: api.HashKey(key), Role: role, CreatedAt: b.now}))
}

// A key makes no key that may do more than itself, and what reaches beyond a
// tenant needs a system key.
func TestRow_T23_NobodyHandsOutMoreThanTheyHave(t *testing.T) {
	b := newBed(t)
	b.addKey("rm_keys", tenant, time.Time{}, api.KeysWrite, api.TasksRead)
	b.addKey("rm_system", tenant, time.Time{}, "*", "system:*")
	for body, status := range map[string]int{
		`{"name":"a","scopes":["tasks:read"]}`: 201, `{"name":"a","scopes":["tasks:write"]}`: 403, `{"name":"a","scopes":["*"]}`: 403, `{"name":"a","role":"admin"}`: 403,
		`{"name":"a","role":"agent"}`: 403, `{"name":"a","scopes":["tasks:*"]}`: 403, `{"name":"a","scopes":["tasks:read"],"allow_reveal":true}`: 403,
		`{"name":"a","scopes":["system:stop"]}`: 403, `{"name":"a","scopes":["nonsense"]}`: 422, `{"name":"","role":"agent"}`: 422, `{"name":"a"}`: 422, `{"name":"a","role":"king"}`: 422,
		`{"name":"a","scopes":["tasks:read"],"expires_at":"2020-01-01T00:00:00Z"}`: 422, `{"name":"13812345678","scopes":["tasks:read"]}`: 422,
	} {
		if rec := b.do("POST", "/api/v1/keys", body, "Authorization: Bearer rm_keys"); rec.Code != status {
			t.Errorf("%s: %d %s, want %d", body, rec.Code, rec.Body, status)
		}
	}
	if rec := b.do("POST", "/api/v1/keys", `{"name":"a","scopes":["system:*"]}`); rec.Code != 403 {
		t.Errorf("an admin made a system key: %d", rec.Code)
	}
	if rec := b.do("POST", "/api/v1/keys", `{"name":"a","scopes":["system:*"]}`, "Authorization: Bearer rm_system"); rec.Code != 201 {
		t.Errorf("a system key cannot make one: %d %s", rec.Code, rec.Body)
	}
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/api/v1/stop", `{"scope":"all","reason":"drill"}`}, {"POST", "/api/v1/dnc", `{"phone":"+8613800001111","layer":"system","reason":"regulator"}`}, {"GET", "/api/v1/dnc?layer=system", ""},
	} {
		if rec := b.do(c.method, c.path, c.body); rec.Code != 403 {
			t.Errorf("%s %s by an admin: %d %s", c.method, c.path, rec.Code, rec.Body)
		}
		if rec := b.do(c.method, c.path, c.body, "Authorization: Bearer rm_system"); rec.Code >= 300 {
			t.Errorf("%s %s by a system key: %d %s", c.method, c.path, rec.Code, rec.Body)
		}
	}
}

// A key that was revoked or has expired is none.
func TestRow_T23_RevokedKeysAreNone(t *testing.T) {
	b := newBed(t)
	rec := b.do("POST", "/api/v1/keys", `{"name":"crm","role":"auditor","expires_at":"2026-03-03T00:00:00+08:00"}`)
	var k struct {
		KeyID string `json:"key_id"`
		Key   string
	}
	b.read(rec, &k)
	auth := "Authorization: Bearer " + k.Key
	if got := b.do("GET", "/api/v1/contacts", "", auth); got.Code != 200 {
		t.Fatalf("a new key: %d", got.Code)
	}
	if got := b.do("GET", "/api/v1/keys", ""); strings.Contains(got.Body.String(), k.Key) || !strings.Contains(got.Body.String(), k.KeyID) {
		t.Error("the list shows a key, or does not show its ID")
	}
	if got := b.do("DELETE", "/api/v1/keys/"+k.KeyID, ""); got.Code != 204 {
		t.Fatalf("revoke: %d", got.Code)
	}
	if got := b.do("GET", "/api/v1/contacts", "", auth); got.Code != 401 {
		t.Errorf("a revoked key: %d", got.Code)
	}
}

func (b *bed) read(rec *httptest.ResponseRecorder, into any) {
	b.Helper()
	b.must(jsonInto(bytes.NewReader(rec.Body.Bytes()), into))
}
