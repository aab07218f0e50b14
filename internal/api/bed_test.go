package api_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	_ "github.com/glebarez/go-sqlite" // counts rows behind the store's back
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"ringmaster/adapter/archive/local"
	"ringmaster/adapter/store"
	"ringmaster/config"
	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tenant = "acme"
	script = "promotion_001"
	// canary is the customer's number in every form that could leak.
	canary = "13812345678"
)

// bed is the API over a real SQLite store, with a key that may do everything.
type bed struct {
	*testing.T
	store   *store.Store
	archive *local.Archive
	rows    *sql.DB
	server  *api.Server
	key     string
	log     *lockedBuffer
	router  routers.Router
	deps    api.Deps
	shown   phone.Number // caller ID of the trunk
	fleet   twoExchanges
	attempt campaign.Attempt
	rec     campaign.Recording

	mu        sync.Mutex
	now       time.Time
	woken     int
	cancelled []string
	checks    []api.Check
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// twoExchanges are an exchange that is up and one that is not.
type twoExchanges struct{ reloads int }

func (f *twoExchanges) Reload() { f.reloads++ }

func (f *twoExchanges) Exchanges() []api.Exchange {
	return []api.Exchange{
		{Name: "main", Kind: "asterisk", Up: true, Busy: 3, Trunks: []api.TrunkNow{{Name: "carrier", Lines: 30, Busy: 3}},
			Drained: &api.Drained{Since: time.Date(2026, 3, 2, 1, 2, 3, 0, time.UTC), By: "key/ops", Reason: "maintenance"}},
		{Name: "spare", Kind: "freeswitch", Reason: "connection refused", Trunks: []api.TrunkNow{}},
	}
}

func newBed(t *testing.T) *bed {
	t.Helper()
	b := &bed{T: t, log: &lockedBuffer{}, key: "rm_test_key_that_may_do_everything", now: shanghai("2026-03-02T11:00:00")}
	log := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	dsn := filepath.Join(t.TempDir(), "ringmaster.db")
	var err error
	b.store, err = store.Open(t.Context(), store.Config{Dialect: store.SQLite, DSN: dsn, NumberKey: bytes.Repeat([]byte{1}, 32), Crypt: bytes.Repeat([]byte{2}, 32), Log: log})
	b.must(err)
	t.Cleanup(func() { _ = b.store.Close() })
	_, err = b.store.Migrate(t.Context(), store.Latest)
	b.must(err)
	b.rows, err = sql.Open("sqlite", dsn+"?_pragma=busy_timeout(5000)")
	b.must(err)
	t.Cleanup(func() { _ = b.rows.Close() })
	b.archive, err = local.New(filepath.Join(t.TempDir(), "recordings"))
	b.must(err)
	b.router = document(t)
	law, err := config.Shipped()
	b.must(err)
	hours := compliance.Hours{Set: law}
	b.shown, err = phone.Short("95511")
	b.must(err)
	rules := compliance.New(law, compliance.Options{Regions: []string{"CN"}, Late: 10 * time.Minute,
		CallerIDs: []compliance.OwnCallerID{{Number: b.shown, Trunk: "carrier", Voice: true}}})
	b.deps = api.Deps{
		Store: b.store, Archive: b.archive, Log: log, TenantZone: "Asia/Shanghai", TenantRegion: "CN",
		Script: func(_ context.Context, _, id string) (api.ScriptInfo, bool, error) {
			if id != script {
				return api.ScriptInfo{}, false, nil
			}
			return api.ScriptInfo{ID: id, Version: "v1", Purpose: campaign.Marketing, Missing: func(p campaign.Person) []string {
				if p.Vars["discount"] == nil {
					return []string{"discount: what is offered"}
				}
				return nil
			}}, true, nil
		},
		Hours: func(at time.Time, p campaign.Person, purpose campaign.Purpose) compliance.Verdict {
			return hours.Check(at, compliance.Act{Channel: compliance.Voice, Number: p.Number, Purpose: purpose, Lab: p.Number.IsLab(), DueAt: at}, compliance.Facts{Zone: p.Zone})
		},
		Task: func(tenant, script string, purpose campaign.Purpose) campaign.Task {
			return campaign.Task{ID: uuid.Must(uuid.NewV7()), Tenant: tenant, Name: script, Script: script, Purpose: purpose, Standing: true,
				State: campaign.TaskRunning, Pool: "default", Retry: campaign.DefaultRetry(), CreatedAt: time.Now()}
		},
		Rules: rules, Fleet: &b.fleet,
		Act: func(t campaign.Task, m api.Member) compliance.Act {
			a := compliance.Act{Channel: compliance.Voice, Path: compliance.PathTask, Tenant: t.Tenant, Person: m.Person.ID.String(), Task: t.ID.String(), Number: m.Person.Number,
				Purpose: t.Purpose, LegalBasis: t.LegalBasis, Jurisdiction: t.Jurisdiction, Script: t.Script, Trunk: "carrier", CallerID: b.shown, DueAt: m.Contact.DueAt, Try: m.Contact.Tries + 1}
			if m.Contact.Path != "" {
				a.Path = compliance.Path(m.Contact.Path)
			}
			if m.Contact.ID != uuid.Nil {
				a.Contact = m.Contact.ID.String()
			}
			a.Needs = rules.Needs(a)
			return a
		},
		HangUp: func(string) int { return 1 },
		Desk:   desk{},
		Wake:   func() { b.mu.Lock(); b.woken++; b.mu.Unlock() },
		Cancel: func(id string) bool { b.mu.Lock(); b.cancelled = append(b.cancelled, id); b.mu.Unlock(); return true },
		Ready: func(context.Context) []api.Check {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.checks
		},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; version=0.0.4")
			_, _ = io.WriteString(w, "ringmaster_calls_live 0\n")
		}),
		Now: func() time.Time { b.mu.Lock(); defer b.mu.Unlock(); return b.now },
	}
	b.checks = []api.Check{{Name: "database", OK: true}, {Name: "pbx", OK: true}}
	b.server = api.New(b.deps)
	b.addKey(b.key, tenant, time.Time{}, "*")
	return b
}

// person is a customer who can be called with the script.
func (b *bed) person(id string, more ...string) {
	b.Helper()
	extra := ""
	if len(more) > 0 {
		extra = "," + strings.Join(more, ",")
	}
	if !strings.Contains(extra, `"phone"`) {
		extra += `,"phone":"+86` + canary + `"`
	}
	r := b.do("POST", "/api/v1/contacts", `{"customer_id":"`+id+`","variables":{"discount":8}`+extra+`}`)
	if r.Code != http.StatusCreated {
		b.Fatalf("contact %s: %d %s", id, r.Code, r.Body)
	}
}

func (b *bed) addKey(key, tenant string, expires time.Time, scopes ...string) {
	b.Helper()
	b.must(b.store.SaveAPIKey(b.Context(), api.APIKey{ID: uuid.Must(uuid.NewV7()), Tenant: tenant, Name: "test", Hash: api.HashKey(key), Scopes: scopes, ExpiresAt: expires, CreatedAt: time.Now()}))
}

func (b *bed) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// counted are the tables that a refused request must leave as they are.
var counted = []string{"task", "task_contact", "person", "number", "attempt", "dnc", "outbox", "idempotency", "api_key", "cdr"}

// count is how many rows each table has.
func (b *bed) count() map[string]int {
	b.Helper()
	out := map[string]int{}
	for _, table := range counted {
		n := 0
		b.must(b.rows.QueryRowContext(b.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n))
		out[table] = n
	}
	return out
}

// do sends a request with the bed's key; headers are "Name: value". The answer
// is held to the OpenAPI document.
func (b *bed) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	b.Helper()
	req := httptest.NewRequestWithContext(b.Context(), method, path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+b.key)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if value == "" {
			req.Header.Del(name)
			continue
		}
		req.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	b.server.ServeHTTP(rec, req)
	b.conform(req, body, rec)
	return rec
}

// conform holds an answer, and a request that was taken, to the document.
func (b *bed) conform(req *http.Request, body string, rec *httptest.ResponseRecorder) {
	b.Helper()
	route, params, err := b.router.FindRoute(req)
	if err != nil { // a path or method that does not exist has no document
		if rec.Code != http.StatusNotFound && rec.Code != http.StatusMethodNotAllowed {
			b.Errorf("%s %s answered %d and is not documented: %v", req.Method, req.URL.Path, rec.Code, err)
		}
		return
	}
	req = req.Clone(req.Context())
	req.Body = io.NopCloser(strings.NewReader(body))
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}}
	if rec.Code < 300 {
		if err := openapi3filter.ValidateRequest(b.Context(), in); err != nil {
			b.Errorf("%s %s was taken although the document forbids it: %v", req.Method, req.URL.Path, err)
		}
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: rec.Code, Header: rec.Header(), Options: in.Options}
	out.SetBodyBytes(rec.Body.Bytes())
	if err := openapi3filter.ValidateResponse(b.Context(), out); err != nil {
		b.Errorf("%s %s: the answer %d is not as documented: %v", req.Method, req.URL.Path, rec.Code, err)
	}
}

// document is the served document made strict: an answer with a member that
// is not documented fails.
func document(t *testing.T) routers.Router {
	t.Helper()
	rec := httptest.NewRecorder()
	api.New(api.Deps{}).ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/openapi.json", nil))
	doc, err := openapi3.NewLoader().LoadFromData(rec.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatalf("the OpenAPI document is not valid: %v", err)
	}
	no := false
	for name, s := range doc.Components.Schemas {
		if s.Value.Type.Is("object") {
			doc.Components.Schemas[name].Value.AdditionalProperties = openapi3.AdditionalProperties{Has: &no}
		}
	}
	for _, kind := range []string{"audio/wav", "text/csv", "application/x-ndjson", "application/yaml"} {
		openapi3filter.RegisterBodyDecoder(kind, openapi3filter.FileBodyDecoder)
	}
	r, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// problemOf reads a problem+json answer.
func (b *bed) problemOf(rec *httptest.ResponseRecorder) api.Problem {
	b.Helper()
	var p api.Problem
	if ct := rec.Header().Get("Content-Type"); ct != "application/problem+json" {
		b.Fatalf("%d is %q: %s", rec.Code, ct, rec.Body)
	}
	b.must(json.Unmarshal(rec.Body.Bytes(), &p))
	if p.Status != rec.Code {
		b.Errorf("status %d in a problem with %d", p.Status, rec.Code)
	}
	return p
}

// refused sends a request that must change nothing and come back with status
// and, unless it is empty, the field named.
func (b *bed) refused(what string, status int, field, method, path, body string, headers ...string) {
	b.Helper()
	before := fmt.Sprint(b.count())
	rec := b.do(method, path, body, headers...)
	if rec.Code != status {
		b.Errorf("%s: %d %s, want %d", what, rec.Code, rec.Body, status)
		return
	}
	p := b.problemOf(rec)
	named := field == ""
	for _, e := range p.Errors {
		named = named || e.Field == field
	}
	if !named {
		b.Errorf("%s: field %q is not named in %s", what, field, rec.Body)
	}
	if after := fmt.Sprint(b.count()); after != before {
		b.Errorf("%s: something was stored: %s, before %s", what, after, before)
	}
}

type task struct {
	TaskID           string `json:"task_id"`
	State            string `json:"state"`
	Reason           string `json:"reason"`
	CustomerID       string `json:"customer_id"`
	CallTime         string `json:"call_time"`
	CallTimeResolved string `json:"call_time_resolved"`
	CallTimeZone     string `json:"call_time_zone"`
	OpensAt          string `json:"opens_at"`
	Ref              string `json:"ref"`
	Priority         int    `json:"priority"`
}

// post orders a call and wants it accepted.
func (b *bed) post(body string, headers ...string) task {
	b.Helper()
	rec := b.do("POST", "/api/v1/call/task", body, headers...)
	if rec.Code != http.StatusCreated {
		b.Fatalf("%s: %d %s", body, rec.Code, rec.Body)
	}
	var v task
	b.must(json.Unmarshal(rec.Body.Bytes(), &v))
	return v
}

// claimable is how many contacts a scheduler would dial at a time.
func (b *bed) claimable(at time.Time) int {
	b.Helper()
	n, err := b.store.Promote(b.Context(), at, 1000)
	b.must(err)
	return n
}

func shanghai(text string) time.Time {
	loc, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		panic(err)
	}
	t, err := time.ParseInLocation("2006-01-02T15:04:05", text, loc)
	if err != nil {
		panic(err)
	}
	return t
}

func jsonInto(r io.Reader, into any) error { return json.NewDecoder(r).Decode(into) }
