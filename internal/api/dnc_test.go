package api_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/text/encoding/simplifiedchinese"

	"ringmaster/internal/api"
	"ringmaster/internal/compliance"
)

// blocks are the entries that a call of the customer would meet.
func (b *bed) blocks(customer string, task ...string) []compliance.Block {
	b.Helper()
	p, err := b.store.Person(b.Context(), tenant, customer)
	b.must(err)
	act := compliance.Act{Tenant: tenant, Person: p.ID.String(), Number: p.Number}
	if len(task) > 0 {
		act.Task = task[0]
	}
	f, err := b.store.Facts(b.Context(), act, b.now)
	b.must(err)
	return f.Blocks
}

func TestRow_T3_ThreeLayersWithExpiryAndReason(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	b.addKey("rm_system", tenant, time.Time{}, "*", "system:*")
	b.post(`{"customer_id":"12345","script_id":"promotion_001"}`)
	task, err := b.store.Task(t.Context(), tenant, [16]byte{}, script)
	b.must(err)
	add := func(body string, headers ...string) {
		t.Helper()
		if rec := b.do("POST", "/api/v1/dnc", body, headers...); rec.Code != 204 {
			t.Fatalf("%s: %d %s", body, rec.Code, rec.Body)
		}
	}
	num := "+86" + canary
	add(`{"phone":"`+num+`","layer":"system","reason":"regulator","source":"regulator"}`, "Authorization: Bearer rm_system")
	add(`{"customer_id":"12345","reason":"complaint","until":"2026-04-01T00:00:00+08:00"}`)
	add(`{"phone":"` + num + `","layer":"task","task_id":"promotion_001","reason":"bought already"}`)
	got := b.blocks("12345", task.ID.String())
	var layers []string
	for _, k := range got {
		layers = append(layers, string(k.Layer)+" "+k.Kind+" "+k.Reason)
	}
	if want := []string{"system number regulator", "tenant number complaint", "tenant person complaint", "task number bought already"}; !slices.Equal(layers, want) {
		t.Errorf("%q, want %q", layers, want)
	}
	if other := b.blocks("12345"); len(other) != 3 {
		t.Errorf("the layer of a task holds outside of it: %v", other)
	}
	b.mu.Lock()
	b.now = b.now.AddDate(0, 2, 0)
	b.mu.Unlock()
	if left := b.blocks("12345"); len(left) != 1 {
		t.Errorf("what expired holds: %v", left)
	}
	if rec := b.do("GET", "/api/v1/dnc", ""); rec.Code != 200 || strings.Contains(rec.Body.String(), canary) || strings.Count(rec.Body.String(), `"layer"`) != 3 {
		t.Errorf("list: %d %s", rec.Code, rec.Body)
	}
	if rec := b.do("POST", "/api/v1/dnc/remove", `{"phone":"`+num+`","layer":"task","task_id":"promotion_001","reason":"wrong list"}`); rec.Code != 204 {
		t.Errorf("remove: %d %s", rec.Code, rec.Body)
	}
	b.refused("twice", 404, "", "POST", "/api/v1/dnc/remove", `{"phone":"`+num+`","layer":"task","task_id":"promotion_001","reason":"wrong list"}`)
}

// What the person refused is not a campaign manager's to take back, however it
// was entered since.
func TestRow_T3_APersonsOwnRefusalIsTakenBackByAnAdminWithAReason(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	b.roleKey("rm_manager", tenant, api.RoleCampaignManager)
	manager := "Authorization: Bearer rm_manager"
	if rec := b.do("POST", "/api/v1/opt-outs", `{"customer_id":"12345","reason":"asked by letter"}`, manager); rec.Code != 204 {
		t.Fatal(rec.Code)
	}
	if rec := b.do("POST", "/api/v1/dnc", `{"customer_id":"12345","reason":"list","until":"2026-03-05"}`, manager); rec.Code != 204 {
		t.Fatal(rec.Code)
	}
	b.refused("by a manager", 403, "", "POST", "/api/v1/dnc/remove", `{"customer_id":"12345","reason":"wants calls again"}`, manager)
	b.refused("without a reason", 422, "reason", "POST", "/api/v1/dnc/remove", `{"customer_id":"12345"}`)
	b.mu.Lock()
	b.now = b.now.AddDate(1, 0, 0)
	b.mu.Unlock()
	if len(b.blocks("12345")) != 2 {
		t.Error("a shorter entry shortened the refusal")
	}
	if rec := b.do("POST", "/api/v1/dnc/remove", `{"customer_id":"12345","reason":"asked by letter to be called again"}`); rec.Code != 204 {
		t.Errorf("by an admin: %d %s", rec.Code, rec.Body)
	}
	if left := b.blocks("12345"); len(left) != 0 {
		t.Errorf("%v", left)
	}
}

type imported struct {
	Rows, Accepted, Duplicate, Invalid int
	Verdicts                           []struct {
		Line                int
		Verdict, Why, Phone string
	}
}

func (b *bed) load(body, media string) imported {
	b.Helper()
	rec := b.do("POST", "/api/v1/dnc/import", body, "Content-Type: "+media)
	if rec.Code != http.StatusOK {
		b.Fatalf("import: %d %s", rec.Code, rec.Body)
	}
	leak(b.T, "import", rec.Body.String())
	var v imported
	b.must(json.Unmarshal(rec.Body.Bytes(), &v))
	if v.Accepted+v.Duplicate+v.Invalid != v.Rows || len(v.Verdicts) != v.Rows {
		b.Errorf("%d accepted + %d duplicate + %d invalid are not %d rows (%d verdicts)", v.Accepted, v.Duplicate, v.Invalid, v.Rows, len(v.Verdicts))
	}
	return v
}

func TestRow_T3_ImportGivesEveryRowAVerdict(t *testing.T) {
	b := newBed(t)
	list := "手机号,原因,到期\n13812345678,投诉,\n+8613812345678,again,\n=\"013800001111\",,\n010-65521234,座机,2026-12-31\n'+8613800002222,apostrophe,\n" +
		"1.38E+10,,\n=HYPERLINK(\"x\"),,\n,,\n12,,\n13800003333,,yesterday\n\"13800004444\",\"a, b\",\n13800005555,=cmd|calc,\n"
	gbk, err := simplifiedchinese.GBK.NewEncoder().String(list)
	b.must(err)
	first := b.load(list, "text/csv; charset=utf-8")
	var verdicts []string
	for _, v := range first.Verdicts {
		verdicts = append(verdicts, v.Verdict[:1])
	}
	if got := strings.Join(verdicts, ""); got != "ada"+"aa"+"iiii"+"i"+"aa" && got != "adi"+"aa"+"iiii"+"i"+"aa" {
		t.Errorf("verdicts %s: %+v", got, first.Verdicts)
	}
	for what, body := range map[string]string{"again": list, "with a byte order mark": "\ufeff" + list, "in GBK": gbk, "with CRLF": strings.ReplaceAll(list, "\n", "\r\n")} {
		again := b.load(body, "text/csv")
		if again.Accepted != 0 || again.Invalid != first.Invalid || again.Rows != first.Rows {
			t.Errorf("%s: %d accepted, %d invalid of %d", what, again.Accepted, again.Invalid, again.Rows)
		}
	}
	for what, c := range map[string]struct {
		body, media string
		status      int
	}{"no header": {"13812345678\n", "text/csv", 422}, "empty": {"", "text/csv", 422}, "JSON": {"phone\n", "application/json", 415},
		"too large": {"phone\n" + strings.Repeat("x", 9<<20), "text/csv", 413}, "charset": {"phone\n", "text/csv; charset=ebcdic", 415}} {
		if rec := b.do("POST", "/api/v1/dnc/import", c.body, "Content-Type: "+c.media); rec.Code != c.status {
			t.Errorf("%s: %d %s, want %d", what, rec.Code, rec.Body, c.status)
		}
	}
}

// What is exported can be imported, and no cell is a formula.
func TestRow_T3_ExportAndImportAreEachOthersReverse(t *testing.T) {
	b := newBed(t)
	b.load("phone,reason\n13812345678,=cmd|calc\n13800001111,complaint\n", "text/csv")
	masked := b.do("GET", "/api/v1/dnc/export?format=csv", "")
	leak(t, "export", masked.Body.String())
	b.refused("in full without a reason", 422, "reason", "GET", "/api/v1/dnc/export?format=csv&full=true", "")
	full := b.do("GET", "/api/v1/dnc/export?format=csv&full=true&reason=to+the+carrier", "").Body.String()
	table, err := csv.NewReader(strings.NewReader(full)).ReadAll()
	b.must(err)
	if len(table) != 3 {
		t.Fatalf("%q", full)
	}
	for _, row := range table {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
				t.Errorf("a spreadsheet would run %q", cell)
			}
		}
	}
	if again := b.load(full, "text/csv"); again.Duplicate != 2 || again.Rows != 2 {
		t.Errorf("%+v", again)
	}
	if lines := b.audit("action=dnc.export"); len(lines) != 3 || lines[2].Rows != 2 || lines[2].Reason != "to the carrier" {
		t.Errorf("%+v", lines)
	}
}

// Consents: recorded with evidence, in force from and until, withdrawn for
// good; the rules see what the registry says.
func TestRow_T31_ConsentsAreRecordedWithEvidenceAndWithdrawn(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	ask := func() string {
		t.Helper()
		var v struct {
			Dialable bool
			Reason   string
			Gates    []struct{ Gate, Decision, Reason string }
		}
		b.must(json.Unmarshal(b.do("GET", "/api/v1/contacts/12345/explain?task=promotion_001", "").Body.Bytes(), &v))
		for _, g := range v.Gates {
			if g.Gate == "consent" {
				return g.Decision + " " + g.Reason
			}
		}
		return "no such gate"
	}
	b.post(`{"customer_id":"12345","script_id":"promotion_001"}`)
	without := ask()
	sum := strings.Repeat("ab", 32)
	rec := b.do("POST", "/api/v1/consents", `{"customer_id":"12345","basis":"explicit","purpose":"marketing","channel":"voice","source":"web form","proof":"form 7","evidence_sha256":"`+sum+
		`","obtained_at":"2026-01-01T00:00:00+08:00","expires_at":"2027-01-01T00:00:00+08:00"}`)
	var c struct {
		ConsentID string `json:"consent_id"`
		InForce   bool   `json:"in_force"`
		Evidence  string `json:"evidence_sha256"`
	}
	b.must(json.Unmarshal(rec.Body.Bytes(), &c))
	if rec.Code != 201 || !c.InForce || c.Evidence != sum {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	with := ask()
	if !strings.HasPrefix(without, "refuse") || !strings.HasPrefix(with, "allow") {
		t.Errorf("marketing without consent: %q, with: %q", without, with)
	}
	if rec := b.do("POST", "/api/v1/consents/"+c.ConsentID+"/withdraw", ""); rec.Code != 204 {
		t.Fatal(rec.Code)
	}
	if got := ask(); !strings.HasPrefix(got, "refuse") {
		t.Errorf("withdrawn: %q", got)
	}
	if list := b.do("GET", "/api/v1/consents?customer_id=12345", "").Body.String(); !strings.Contains(list, "withdrawn_at") || !strings.Contains(list, sum) {
		t.Errorf("the evidence is gone: %s", list)
	}
	for body, field := range map[string]string{
		`{"customer_id":"12345","basis":"whim","source":"x"}`:                                          "basis",
		`{"customer_id":"12345","basis":"explicit"}`:                                                   "source",
		`{"customer_id":"nobody","basis":"explicit","source":"x"}`:                                     "customer_id",
		`{"customer_id":"12345","basis":"explicit","source":"x","obtained_at":"2030-01-01T00:00:00Z"}`: "obtained_at",
		`{"customer_id":"12345","basis":"explicit","source":"x","expires_at":"2020-01-01T00:00:00Z"}`:  "expires_at",
		`{"customer_id":"12345","basis":"explicit","source":"x","evidence_sha256":"abc"}`:              "evidence_sha256",
		`{"customer_id":"12345","basis":"explicit","source":"call 13812345678"}`:                       "source",
		`{"customer_id":"12345","basis":"explicit","source":"x","purpose":"fun"}`:                      "purpose",
	} {
		b.refused(body, 422, field, "POST", "/api/v1/consents", body)
	}
}
