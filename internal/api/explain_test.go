package api_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"os"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/api"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/phone"
)

// population is a task with n contacts in every sort of state, written behind
// the store's back: half have a consent, some refused, some were called, some
// are over, some are due tomorrow.
func (b *bed) population(n int) campaign.Task {
	b.Helper()
	b.person("seed")
	b.post(`{"customer_id":"seed","script_id":"promotion_001"}`)
	task, err := b.store.Task(b.Context(), tenant, uuid.Nil, script)
	b.must(err)
	exec := func(sql string, args ...any) {
		b.Helper()
		_, err := b.rows.ExecContext(b.Context(), sql, args...)
		b.must(err)
	}
	at := b.now.UTC().Format("2006-01-02 15:04:05.000000")
	series := `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ` + strconv.Itoa(n-1) + `) `
	exec(`INSERT INTO person (tenant_id, id, external_id, name, number_id, zone, language, vars, created_at, updated_at) `+series+
		`SELECT 'acme', unhex(printf('019000000000700100%014x', i)), CAST('p' || i AS BLOB), '', (SELECT number_id FROM person WHERE external_id = CAST('seed' AS BLOB)),
		CASE WHEN i % 5 = 0 THEN 'Asia/Urumqi' WHEN i % 7 = 0 THEN 'Nowhere/Land' ELSE '' END, '', '{"discount":8}', ?, ? FROM n`, at, at)
	exec(`INSERT INTO task_contact (tenant_id, id, task_id, person_id, pool, state, claim_rank, due_at, reason, call_time, call_zone, tries, ref, created_at, updated_at) `+series+
		`SELECT 'acme', unhex(printf('019000000000700200%014x', i)), ?, unhex(printf('019000000000700100%014x', i)), 'default',
		CASE i % 11 WHEN 0 THEN 'done' WHEN 1 THEN 'blocked' WHEN 2 THEN 'cancelled' WHEN 3 THEN 'claimed' WHEN 4 THEN 'parked' WHEN 5 THEN 'ready' ELSE 'scheduled' END, 0,
		CASE WHEN i % 3 = 0 THEN ? ELSE ? END, '', '', '', i % 4, '', ?, ? FROM n`, task.ID[:], b.now.Add(6*time.Hour).UTC().Format("2006-01-02 15:04:05.000000"), at, at, at)
	exec(`INSERT INTO consent (tenant_id, id, person_id, purpose, kind, basis, channel, source, proof, obtained_at, expires_at, withdrawn_at, created_at, created_by) `+series+
		`SELECT 'acme', unhex(printf('019000000000700300%014x', i)), unhex(printf('019000000000700100%014x', i)), '', 'explicit', 'explicit', '', 'web', '', '2026-01-01 00:00:00.000000',
		CASE WHEN i % 6 = 0 THEN '2026-03-02 08:00:00.000000' END, CASE WHEN i % 13 = 0 THEN '2026-02-01 00:00:00.000000' END, ?, '' FROM n WHERE i % 2 = 0 OR i % 3 = 0`, at)
	exec(`INSERT INTO dnc (tenant_id, layer, task_id, kind, subject, reason, words, expires_at, created_at, updated_at, source, created_by) `+series+
		`SELECT 'acme', CASE WHEN i % 2 = 0 THEN 'tenant' ELSE 'task' END, CASE WHEN i % 2 = 0 THEN x'' ELSE ? END, 'person', unhex(printf('019000000000700100%014x', i)), 'asked', '',
		CASE WHEN i % 4 = 0 THEN '2026-03-02 06:00:00.000000' END, ?, ?, 'person', '' FROM n WHERE i % 17 = 0`, task.ID[:], at, at)
	exec(`INSERT INTO budget_entry (tenant_id, person_id, ref_id, channel, at, number_hmac, task_id, contact_id, path, purpose, answered, talked_at, ended_at) `+series+
		`SELECT 'acme', unhex(printf('019000000000700100%014x', i)), unhex(printf('019000000000700400%014x', i)), 'voice', '2026-03-01 12:00:00.000000', NULL, ?,
		unhex(printf('019000000000700200%014x', i)), 'task', 'marketing', i % 2, CASE WHEN i % 2 = 0 THEN '2026-03-01 12:01:00.000000' END, '2026-03-01 12:01:00.000000' FROM n WHERE i % 9 = 0`, task.ID[:])
	exec(`INSERT INTO budget (tenant_id, kind, subject, life, updated_at) `+series+`SELECT 'acme', 'person', unhex(printf('019000000000700100%014x', i)), 1, ? FROM n WHERE i % 9 = 0`, at)
	return task
}

// Each contact is told why, through a day: dialable and the reasons
// are the contacts at every tick, and the facts that are read for all at once
// are those that Place reads for one. RINGMASTER_EXPLAIN_DAY=1
// asks 10,000 contacts at 96 ticks.
func TestRow_M1_TheReasonsOfATasksContactsSumUpAllDay(t *testing.T) {
	b := newBed(t)
	n := 150
	if os.Getenv("RINGMASTER_EXPLAIN_DAY") != "" {
		n = 10_000
	}
	task := b.population(n)
	members, acts := b.everybody(task)
	if len(members) != n {
		t.Fatalf("%d members", len(members))
	}
	sometimes := map[string]int{}
	ticks := []time.Duration{3 * time.Hour, 11 * time.Hour, 23 * time.Hour}
	if os.Getenv("RINGMASTER_EXPLAIN_DAY") != "" { // every quarter of an hour
		for ticks = nil; len(ticks) < 96; {
			ticks = append(ticks, time.Duration(len(ticks))*15*time.Minute)
		}
	}
	for _, tick := range ticks {
		at := shanghai("2026-03-02T00:00:00").Add(tick)
		rec := b.do("GET", "/api/v1/tasks/promotion_001/explain?at="+strings.ReplaceAll(at.Format(time.RFC3339), "+", "%2B"), "")
		var v struct {
			Contacts, Dialable int
			Reasons            map[string]int
		}
		b.must(json.Unmarshal(rec.Body.Bytes(), &v))
		sum := v.Dialable
		for reason, k := range v.Reasons {
			sum += k
			sometimes[reason] += k
		}
		if rec.Code != http.StatusOK || v.Contacts != n || sum != n {
			t.Fatalf("%s: dialable %d and reasons %v are %d, of %d contacts", at, v.Dialable, v.Reasons, sum, v.Contacts)
		}
		sometimes["dialable"] += v.Dialable
	}
	for _, want := range []string{"dialable", "do_not_call", "not_due", "contact_done", "contact_blocked", "contact_cancelled", "in_progress", "outside_calling_hours"} {
		if sometimes[want] == 0 {
			t.Errorf("nobody was ever %s: %v", want, sometimes)
		}
	}
	t.Logf("%d contacts, %d ticks of a day, each sum equal; over the day: %v", n, len(ticks), sometimes)
	at := b.now
	facts, err := b.store.FactsOf(t.Context(), acts, at)
	b.must(err)
	pick := rand.New(rand.NewPCG(1, 2))
	for range 40 {
		i := pick.IntN(n)
		one, err := b.store.Facts(t.Context(), acts[i], at)
		b.must(err)
		for _, f := range []*compliance.Facts{&one, &facts[i]} {
			sort.Slice(f.Spent, func(a, c int) bool { return f.Spent[a].At.Before(f.Spent[c].At) })
			if len(f.Spent) == 0 {
				f.Spent = nil
			}
		}
		if !reflect.DeepEqual(one, facts[i]) {
			t.Fatalf("contact %d: Place would read\n%+v\nExplain judges by\n%+v", i, one, facts[i])
		}
	}
}

func (b *bed) everybody(task campaign.Task) (members []api.Member, acts []compliance.Act) {
	b.Helper()
	var after uuid.UUID
	for {
		page, err := b.store.Members(b.Context(), tenant, task.ID, after, 1000)
		b.must(err)
		for _, m := range page {
			members = append(members, m)
			acts = append(acts, b.deps.Act(task, m))
		}
		if len(page) < 1000 {
			return members, acts
		}
		after = page[len(page)-1].Contact.ID
	}
}

// An operator who may not call reads at once why not, gate by gate; one who
// may has called.
func TestRow_M1_AManualCallIsToldWhyNotAtOnce(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	order := `{"customer_id":"12345","script_id":"promotion_001"}`
	b.roleKey("rm_agent", tenant, api.RoleAgent)
	agent := "Authorization: Bearer rm_agent"
	rec := b.do("POST", "/api/v1/call/manual", order, agent)
	var p struct {
		Detail  string
		Explain struct {
			Gate, Reason string
			Gates        []struct{ Gate, Decision string }
		}
	}
	b.must(json.Unmarshal(rec.Body.Bytes(), &p))
	if rec.Code != http.StatusConflict || p.Explain.Reason == "" || len(p.Explain.Gates) < 8 || p.Detail == "" {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if b.count()["task_contact"] != 0 {
		t.Error("a refused call was ordered")
	}
	b.do("POST", "/api/v1/consents", `{"customer_id":"12345","basis":"explicit","source":"web","obtained_at":"2026-01-01T00:00:00Z"}`)
	rec = b.do("POST", "/api/v1/call/manual", order, agent)
	if rec.Code != http.StatusCreated {
		t.Fatalf("with consent: %d %s", rec.Code, rec.Body)
	}
	if n := b.claimable(b.now); n != 1 {
		t.Errorf("%d calls are due", n)
	}
	members, _ := b.everybody(func() campaign.Task {
		task, err := b.store.Task(t.Context(), tenant, uuid.Nil, script)
		b.must(err)
		return task
	}())
	if members[0].Contact.Path != string(compliance.PathManual) {
		t.Errorf("its path is %q", members[0].Contact.Path)
	}
	b.do("POST", "/api/v1/stop", `{"scope":"tenant","reason":"complaints"}`)
	rec = b.do("POST", "/api/v1/call/manual", order, agent)
	b.must(json.Unmarshal(rec.Body.Bytes(), &p))
	if rec.Code != http.StatusConflict || p.Explain.Gate != "stop" {
		t.Errorf("stopped: %d %s", rec.Code, rec.Body)
	}
}

// A number that is shown is registered for its trunk and carries voice; what is
// not is refused by name.
func TestRow_S24_ACallerIDIsRegisteredForVoiceOnItsTrunkOrRefused(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	b.do("POST", "/api/v1/consents", `{"customer_id":"12345","basis":"explicit","source":"web","obtained_at":"2026-01-01T00:00:00Z"}`)
	b.post(`{"customer_id":"12345","script_id":"promotion_001"}`)
	b.short("106912345678")
	reason := func() string {
		t.Helper()
		var v struct {
			Gates []struct{ Gate, Decision, Reason string }
		}
		b.must(json.Unmarshal(b.do("GET", "/api/v1/contacts/12345/explain?task=promotion_001", "").Body.Bytes(), &v))
		for _, g := range v.Gates {
			if g.Gate == "caller_id" {
				return g.Decision + " " + g.Reason
			}
		}
		return "no such gate"
	}
	seen := []string{reason()}
	body := func(voice, trunk, state string) string {
		return `{"number":"106912345678","trunk":"` + trunk + `","sms":true,"voice":` + voice + `,"licence":"MIIT 7","state":"` + state + `"}`
	}
	var d struct {
		CallerID string `json:"caller_id"`
	}
	b.must(json.Unmarshal(b.do("POST", "/api/v1/caller-ids", body("false", "carrier", "active")).Body.Bytes(), &d))
	b.refused("twice", 409, "", "POST", "/api/v1/caller-ids", body("true", "carrier", "active"))
	seen = append(seen, reason())
	for _, change := range []string{body("true", "other", "active"), body("true", "carrier", "suspended"), body("true", "carrier", "active")} {
		if rec := b.do("PUT", "/api/v1/caller-ids/"+d.CallerID, change); rec.Code != 200 {
			t.Fatalf("%s: %d %s", change, rec.Code, rec.Body)
		}
		seen = append(seen, reason())
	}
	for i, want := range []string{"refuse", "refuse", "refuse", "refuse", "allow"} {
		if !strings.HasPrefix(seen[i], want) {
			t.Errorf("unregistered, SMS only, another trunk, suspended, voice: %q", seen)
			break
		}
	}
	if rec := b.do("DELETE", "/api/v1/caller-ids/"+d.CallerID, ""); rec.Code != 204 || !strings.HasPrefix(reason(), "refuse") {
		t.Errorf("struck off and still shown: %d", rec.Code)
	}
	t.Logf("%q", seen)
}

func (b *bed) short(digits string) {
	b.Helper()
	var err error
	b.shown, err = phone.Short(digits)
	b.must(err)
}

// A person who asks gets what is kept of them, and to be forgotten; what must
// stay, stays without a name.
func TestRow_T32_ExportAndErasureOfAPerson(t *testing.T) {
	b := newBed(t)
	b.person("12345", `"name":"王芳"`)
	_, rec := b.recorded()
	b.do("POST", "/api/v1/consents", `{"customer_id":"12345","basis":"explicit","source":"web","proof":"form 7"}`)
	b.do("POST", "/api/v1/opt-outs", `{"customer_id":"12345","reason":"asked"}`)
	file := b.do("GET", "/api/v1/persons/12345/export?reason=asked+by+letter", "")
	for _, want := range []string{"王芳", "+86" + canary, "turns", "asked", "explicit", rec.ID.String()} {
		if !strings.Contains(file.Body.String(), want) {
			t.Errorf("the file lacks %q: %s", want, file.Body)
		}
	}
	done := b.do("DELETE", "/api/v1/persons/12345?reason=asked+by+letter", "")
	if done.Code != 200 || !strings.Contains(done.Body.String(), `"recordings_deleted":1`) {
		t.Fatalf("%d %s", done.Code, done.Body)
	}
	b.refused("forgotten", 404, "", "GET", "/api/v1/contacts/12345", "")
	for _, q := range []string{"SELECT COUNT(*) FROM person WHERE name <> '' OR vars NOT IN ('{}', 'null')", "SELECT COUNT(*) FROM number", "SELECT COUNT(*) FROM turn WHERE said <> '' OR planned <> ''",
		"SELECT COUNT(*) FROM recording WHERE path <> ''", "SELECT COUNT(*) FROM call_event", "SELECT COUNT(*) FROM person_key WHERE sealed IS NOT NULL", "SELECT COUNT(*) FROM consent WHERE proof <> ''"} {
		n := 0
		b.must(b.rows.QueryRowContext(t.Context(), q).Scan(&n))
		if n != 0 {
			t.Errorf("%s: %d", q, n)
		}
	}
	for q, want := range map[string]int{"SELECT COUNT(*) FROM cdr": 1, "SELECT COUNT(*) FROM dnc": 2, "SELECT COUNT(*) FROM audit WHERE action = 'person.erase' AND reason = 'asked by letter'": 1} {
		n := 0
		b.must(b.rows.QueryRowContext(t.Context(), q).Scan(&n))
		if n != want {
			t.Errorf("%s: %d, want %d", q, n, want)
		}
	}
	if _, err := b.archive.Open(rec.Path); err == nil {
		t.Error("the recording is still there")
	}
	b.person("new") // the same number again, as another customer
	if len(b.blocks("new")) == 0 {
		t.Error("the refusal was forgotten with the person")
	}
}
