package api_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"ringmaster/internal/api"
)

// Every route is documented and every documented route exists, with the scope
// that it really asks for. That answers are as documented is held by bed.do in
// every test of this package.
func TestDocumentAndRoutesAreTheSame(t *testing.T) {
	s := api.New(api.Deps{Metrics: http.NotFoundHandler()})
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/openapi.json", nil))
	if ct := rec.Header().Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type %q", ct)
	}
	doc, err := openapi3.NewLoader().LoadFromData(rec.Body.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var routes, documented []string
	param := regexp.MustCompile(`:([a-z_]+)`)
	for _, r := range s.Routes() {
		routes = append(routes, r.Method+" "+param.ReplaceAllString(r.Path, "{$1}"))
	}
	ids := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			documented = append(documented, method+" "+path)
			if op.OperationID == "" || ids[op.OperationID] || op.Summary == "" {
				t.Errorf("%s %s: operationId %q is missing or not unique, or there is no summary", method, path, op.OperationID)
			}
			ids[op.OperationID] = true
			if op.Security == nil {
				t.Errorf("%s %s does not say who may call it", method, path)
			}
			if open := !strings.HasPrefix(path, "/api/"); open != (len(*op.Security) == 0) {
				t.Errorf("%s %s: security is documented as %v", method, path, *op.Security)
			}
		}
	}
	sort.Strings(routes)
	sort.Strings(documented)
	if strings.Join(routes, "\n") != strings.Join(documented, "\n") {
		t.Errorf("routes:\n%s\ndocumented:\n%s", strings.Join(routes, "\n"), strings.Join(documented, "\n"))
	}
}

// Each operation names its scope, and a key with every other scope is refused.
func TestDocumentedScopesAreTheOnesAskedFor(t *testing.T) {
	b := newBed(t)
	all := append(api.Scopes(), api.SystemFleet)
	rec := b.do("GET", "/openapi.json", "")
	doc, err := openapi3.NewLoader().LoadFromData(rec.Body.Bytes())
	b.must(err)
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if len(*op.Security) == 0 {
				continue
			}
			scope := strings.TrimSuffix(strings.TrimPrefix(op.Description, "Needs the scope "), ".")
			others := []string{}
			for _, s := range all {
				if s != scope {
					others = append(others, s)
				}
			}
			if len(others) != len(all)-1 {
				t.Errorf("%s %s: %q names no scope", method, path, op.Description)
				continue
			}
			key := "rm_all_but_" + op.OperationID
			b.addKey(key, tenant, b.now.AddDate(1, 0, 0), others...)
			at := strings.NewReplacer("{id}", "018f0000-0000-7000-8000-000000000000", "{customer_id}", "12345").Replace(path)
			b.refused(method+" "+path+" without "+scope, 403, "", method, at, "", "Authorization: Bearer "+key)
		}
	}
}
