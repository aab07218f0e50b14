package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/uuid"

	"ringmaster/internal/api"
)

type auditLine struct {
	Actor, Action, Object, Reason string
	Status, Rows                  int
}

// audit is the whole log as the API streams it.
func (b *bed) audit(query string) []auditLine {
	b.Helper()
	var out []auditLine
	in := bufio.NewScanner(b.do("GET", "/api/v1/audit?"+query, "").Body)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var l auditLine
		b.must(json.Unmarshal(in.Bytes(), &l))
		out = append(out, l)
	}
	return out
}

// Each route says what it does with what belongs to persons, and what says
// nothing is not served.
func TestRow_T23_EveryRouteDeclaresWhatItTouches(t *testing.T) {
	b := newBed(t)
	if n := len(api.Undeclared(b.server)); n != 0 {
		t.Errorf("%d routes without a declaration: %v", n, api.Undeclared(b.server))
	}
	if api.ServesUndeclared(b.deps) {
		t.Error("a route that declares nothing is served")
	}
}

// Every reading of personal data and every change leaves a line; without the
// line there is neither data nor change.
func TestRow_T23_NoLineOnTheAuditLogNoDataAndNoChange(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	b.attempt, b.rec = b.recorded()
	b.person("c0")
	before := len(b.audit(""))
	for name, make := range b.things("0") {
		q := make()
		headers := []string{}
		if q.media != "" {
			headers = append(headers, "Content-Type: "+q.media)
		}
		b.do(q.method, q.path, q.body, headers...)
		lines := b.audit("after=" + uuid.Nil.String())
		if declared := api.Touches(name); declared && len(lines) < before+2 { // this one, and the reading of the log before it
			t.Errorf("%s left no line", name)
		}
		before = len(lines)
	}
	deps := b.deps
	deps.Store = unlogged{b.store}
	b.server = api.New(deps)
	rows := b.count()
	for name, make := range b.things("0") {
		if !api.Touches(name) || name == "DELETE /stop" || name == "POST /dnc/remove" || strings.HasPrefix(name, "DELETE /persons") || strings.HasPrefix(name, "DELETE /call") {
			continue // what prepares these counts as a change
		}
		q := make()
		headers := []string{}
		if q.media != "" {
			headers = append(headers, "Content-Type: "+q.media)
		}
		rec := b.do(q.method, q.path, q.body, headers...)
		if rec.Code != http.StatusServiceUnavailable {
			t.Errorf("%s without an audit log: %d %s", name, rec.Code, rec.Body)
		}
		for _, secret := range []string{`"12345"`, "RIFF", canary} {
			if strings.Contains(rec.Body.String(), secret) {
				t.Errorf("%s shows %s without an audit log", name, secret)
			}
		}
	}
	after := b.count()
	for _, table := range []string{"task_contact", "person", "dnc", "attempt"} {
		if rows[table] != after[table] {
			t.Errorf("%s changed without an audit log: %d rows, before %d", table, after[table], rows[table])
		}
	}
}

type unlogged struct{ api.Store }

func (unlogged) SaveAudit(context.Context, api.AuditEntry) error { return errors.New("disk full") }

// A number in full is for who may, for a reason, and on the log with it.
func TestRow_T23_ANumberIsRevealedForAReason(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	b.roleKey("rm_agent", tenant, api.RoleAgent)
	b.must(b.store.SaveAPIKey(t.Context(), api.APIKey{ID: uuid.Must(uuid.NewV7()), Tenant: tenant, Name: "shown", Hash: api.HashKey("rm_shown"), Role: api.RoleAgent, AllowReveal: true}))
	path := "/api/v1/contacts/12345/number"
	b.refused("without a reason", 422, "reason", "GET", path, "")
	b.refused("by an agent", 403, "", "GET", path+"?reason=ticket+7", "", "Authorization: Bearer rm_agent")
	rec := b.do("GET", path+"?reason=ticket+7+"+canary, "", "Authorization: Bearer rm_shown")
	if rec.Code != 200 || !strings.Contains(rec.Body.String(), "+86"+canary) || rec.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d %s %v", rec.Code, rec.Body, rec.Header())
	}
	p, err := b.store.Person(t.Context(), tenant, "12345")
	b.must(err)
	lines := b.audit("action=number.reveal&object=person/" + p.ID.String())
	if len(lines) != 1 || lines[0].Reason != "ticket ****" || lines[0].Status != 200 || lines[0].Actor == "" {
		t.Errorf("%+v", lines)
	}
	if all := b.audit("action=number.reveal"); len(all) != 3 {
		t.Errorf("refusals are not on the log: %+v", all)
	}
}

// The auditor's export streams: its memory does not grow with the log.
// RINGMASTER_AUDIT_ROWS=1000000 makes it a million rows.
func TestRow_T23_AnAuditorsExportStreams(t *testing.T) {
	n := 8_000
	if os.Getenv("RINGMASTER_AUDIT_ROWS") == "1000000" {
		n = 1_000_000
	}
	b := newBed(t)
	if _, err := b.rows.ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO audit (tenant_id, id, at, actor, action, object, detail, reason, request_id)
		SELECT 'acme', unhex(printf('0190000000007000%016x', i)), '2024-06-10 00:00:00.000000', 'key/x', 'contact.read', 'person/x', '{"status":200,"name":"=cmd|calc"}', '', '' FROM n`, n); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"ndjson", "csv"} {
		if format == "csv" && n > 8_000 {
			continue
		}
		w := &measured{header: http.Header{}}
		req := httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1/audit?format="+format, nil)
		req.Header.Set("Authorization", "Bearer "+b.key)
		runtime.GC()
		var start runtime.MemStats
		runtime.ReadMemStats(&start)
		w.base = start.HeapAlloc
		b.server.ServeHTTP(w, req)
		if want := n; w.lines < want {
			t.Errorf("%s: %d lines, want %d", format, w.lines, want)
		}
		t.Logf("%s: %d rows, %.1f MB, heap grew by at most %.1f MB", format, w.lines, float64(w.bytes)/1e6, float64(w.peak)/1e6)
		if w.peak > 64<<20 {
			t.Errorf("%s: the heap grew by %d MB", format, w.peak>>20)
		}
	}
	in := csv.NewReader(bytes.NewReader(b.do("GET", "/api/v1/audit?format=csv&after="+uuid.UUID{1, 0x90, 0, 0, 0, 0, 0x70, 0, 0, 0, 0, 0, 0, byte(n >> 16), byte(n >> 8), byte(n - 3)}.String(), "").Body.Bytes()))
	table, err := in.ReadAll()
	b.must(err)
	for _, row := range table[1:] {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
				t.Fatalf("a spreadsheet would run %q", cell)
			}
		}
	}
}

// measured counts what is written and keeps none of it.
type measured struct {
	header http.Header
	bytes  int
	lines  int
	pages  int
	base   uint64
	peak   uint64
}

func (m *measured) Header() http.Header { return m.header }
func (m *measured) WriteHeader(int)     {}
func (m *measured) Write(b []byte) (int, error) {
	m.bytes += len(b)
	m.lines += bytes.Count(b, []byte("\n"))
	return len(b), nil
}

// Flush is called once a page.
func (m *measured) Flush() {
	if m.pages++; m.pages%5 != 0 {
		return
	}
	runtime.GC()
	var now runtime.MemStats
	runtime.ReadMemStats(&now)
	if now.HeapAlloc > m.base {
		m.peak = max(m.peak, now.HeapAlloc-m.base)
	}
}
