package api_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/api"
	"ringmaster/internal/audio"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
)

// called takes a task through a whole call and returns its attempt.
func (b *bed) called(o campaign.Outcome) campaign.Attempt {
	b.Helper()
	a := b.claimed()
	act := compliance.Act{Channel: compliance.Voice, Path: compliance.PathTask, Tenant: a.Tenant, Person: a.Person.ID.String(), Contact: a.Contact.ID.String(),
		Task: a.Task.ID.String(), Number: a.Person.Number, Purpose: a.Task.Purpose, DueAt: a.DueAt, Try: a.Try}
	judge := func(time.Time, compliance.Facts) compliance.Judgement {
		v := compliance.Verdict{Decision: compliance.Allow, Rule: "test"}
		return compliance.Judgement{Verdict: v, Verdicts: []compliance.Verdict{v}, Version: "test"}
	}
	b.must(b.store.Place(b.Context(), a.Fence, campaign.Placement{PBX: "main", Trunk: "carrier", ScriptVersion: "v1"}, act, judge, time.Now()))
	b.must(b.store.Finish(b.Context(), a.Fence, o, nil))
	return a
}

func (b *bed) claimed() campaign.Attempt {
	b.Helper()
	epoch, err := b.store.Register(b.Context(), "rm-1")
	b.must(err)
	b.claimable(time.Now().AddDate(1, 0, 0))
	as, err := b.store.Claim(b.Context(), "default", 1, campaign.Fence{Owner: "rm-1", Epoch: epoch})
	b.must(err)
	if len(as) != 1 {
		b.Fatalf("claimed %d", len(as))
	}
	return as[0]
}

func TestDeleteCancelsAndHangsUp(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	body := `{"customer_id":"12345","script_id":"promotion_001"}`
	for _, live := range []bool{false, true} {
		v := b.post(body)
		if live {
			b.claimed()
		}
		for range 2 { // twice is the same as once
			rec := b.do("DELETE", tasks+"/"+v.TaskID, "")
			var after task
			b.must(json.Unmarshal(rec.Body.Bytes(), &after))
			if rec.Code != http.StatusOK || after.State != "cancelled" || after.Reason != "cancelled" {
				t.Errorf("live %v: %d %s", live, rec.Code, rec.Body)
			}
		}
		if n := len(b.cancelled); n == 0 || b.cancelled[n-1] != v.TaskID {
			t.Errorf("the live call was not hung up: %v", b.cancelled)
		}
		if n := b.claimable(time.Now().AddDate(1, 0, 0)); n != 0 {
			t.Errorf("live %v: a cancelled task would be dialled", live)
		}
	}
	done := b.post(body)
	b.called(campaign.Outcome{Disposition: campaign.Completed, StartedAt: time.Now(), EndedAt: time.Now()})
	b.cancelled = nil
	b.refused("one that is done", http.StatusConflict, "", "DELETE", tasks+"/"+done.TaskID, "")
	if len(b.cancelled) != 0 {
		t.Error("something was hung up for a task that was done")
	}
	past := b.post(mission)
	b.refused("one that expired", http.StatusConflict, "", "DELETE", tasks+"/"+past.TaskID, "")
}

func TestListsArePagedInOrder(t *testing.T) {
	b := newBed(t)
	var want []string
	for i := range 7 {
		id := fmt.Sprintf("c%02d", i)
		b.person(id)
		want = append(want, b.post(fmt.Sprintf(`{"customer_id":%q,"script_id":"promotion_001","priority":%d}`, id, i)).TaskID)
	}
	var got, people []string
	for after := ""; ; after = got[len(got)-1] {
		var page struct{ Tasks []task }
		b.must(json.Unmarshal(b.do("GET", tasks+"?limit=3&after="+after, "").Body.Bytes(), &page))
		for _, v := range page.Tasks {
			got = append(got, v.TaskID)
		}
		if len(page.Tasks) < 3 {
			break
		}
	}
	for after := ""; ; after = people[len(people)-1] {
		var page struct {
			Contacts []struct {
				CustomerID string `json:"customer_id"`
			}
		}
		b.must(json.Unmarshal(b.do("GET", "/api/v1/contacts?limit=3&after="+after, "").Body.Bytes(), &page))
		for _, p := range page.Contacts {
			people = append(people, p.CustomerID)
		}
		if len(page.Contacts) < 3 {
			break
		}
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("tasks %v, want %v", got, want)
	}
	if strings.Join(people, " ") != "c00 c01 c02 c03 c04 c05 c06" {
		t.Errorf("contacts %v", people)
	}
}

func TestContactsAreUpdatedInPlace(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	rec := b.do("POST", "/api/v1/contacts", `{"customer_id":"12345","phone":"138 1234 5678","name":"张三","language":"yue","time_zone":"Asia/Shanghai","variables":{"discount":9,"plan":"gold"}}`)
	if rec.Code != http.StatusOK {
		t.Fatalf("update: %d %s", rec.Code, rec.Body)
	}
	var p struct {
		Name, Phone, Language string
		Variables             map[string]any
	}
	b.must(json.Unmarshal(b.do("GET", "/api/v1/contacts/12345", "").Body.Bytes(), &p))
	if p.Name != "张三" || p.Phone != "+86138******78" || p.Language != "yue" || p.Variables["plan"] != "gold" || p.Variables["discount"] != 9.0 {
		t.Errorf("%+v", p)
	}
	b.must(json.Unmarshal(b.do("POST", "/api/v1/contacts", `{"customer_id":"bare","phone":"+8613812345678"}`).Body.Bytes(), &p))
	b.refused("a contact without what the script says", 422, "variables.discount", "POST", tasks, `{"customer_id":"bare","script_id":"promotion_001"}`)
}

func TestOptOutKeepsTheNumberFromBeingDialled(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	for _, body := range []string{`{"customer_id":"12345","reason":"asked"}`, `{"phone":"+8613987654321","reason":"letter","until":"2027-01-02T15:04:05+08:00"}`} {
		if rec := b.do("POST", "/api/v1/opt-outs", body); rec.Code != http.StatusNoContent || rec.Body.Len() != 0 {
			t.Fatalf("%s: %d %s", body, rec.Code, rec.Body)
		}
	}
	p, err := b.store.Person(t.Context(), tenant, "12345")
	b.must(err)
	f, err := b.store.Facts(t.Context(), compliance.Act{Tenant: tenant, Person: p.ID.String(), Number: p.Number}, time.Now())
	if err != nil || len(f.Blocks) == 0 || !strings.Contains(f.Blocks[0].Reason, "asked") {
		t.Errorf("blocked by %+v, %v", f.Blocks, err)
	}
}

// recorded is a finished call with a recording of one second.
func (b *bed) recorded() (campaign.Attempt, campaign.Recording) {
	b.Helper()
	b.post(`{"customer_id":"12345","script_id":"promotion_001"}`)
	tracks, err := b.archive.Create(b.Context(), tenant, uuid.NewString(), audio.FormatULaw, time.Now())
	b.must(err)
	them, us := make([]int16, 8000), make([]int16, 8000)
	for i := range them {
		them[i], us[i] = int16(i), int16(-i)
	}
	b.must(tracks.Write(them, us))
	b.must(tracks.Close())
	rec, err := tracks.Publish(call.Publication{})
	b.must(err)
	at := time.Now()
	a := b.called(campaign.Outcome{Disposition: campaign.Completed, StartedAt: at, AnsweredAt: at.Add(time.Second), EndedAt: at.Add(9 * time.Second), SIP: 200, Q850: 16,
		By: "remote", AMD: "human", Grade: "A", Tags: []string{"interested"}, Slots: map[string]string{"day": "周一"}, Recordings: []campaign.Recording{rec},
		Disclosure: &campaign.Disclosure{Text: "本次通话将被录音", Line: "notice", Script: script, Version: "v1", PlayedAt: at.Add(3 * time.Second), StartMS: 300, EndMS: 2800, Complete: true},
		Turns: []campaign.Turn{{Seq: 0, Side: campaign.Us, Text: "您好", StartMS: 100, EndMS: 900, Node: "hello", Interrupted: true, Planned: "您好，这里是"},
			{Seq: 1, Side: campaign.Them, Text: "喂", StartMS: 1000, EndMS: 1200, Intent: "greet", Confidence: 0.9}}})
	return a, rec
}

func TestAttemptsTranscriptAndRecording(t *testing.T) {
	b := newBed(t)
	b.person("12345")
	a, rec := b.recorded()
	var list struct{ Attempts []map[string]any }
	b.must(json.Unmarshal(b.do("GET", tasks+"/"+a.Contact.ID.String()+"/attempts", "").Body.Bytes(), &list))
	if len(list.Attempts) != 1 || list.Attempts[0]["disposition"] != "completed" || list.Attempts[0]["number"] != "+86138******78" || list.Attempts[0]["state"] != "finished" {
		t.Fatalf("%v", list)
	}
	var one struct{ Turns []campaign.Turn }
	for _, path := range []string{"/api/v1/attempts/" + a.ID.String(), "/api/v1/attempts/" + a.ID.String() + "/transcript"} {
		one.Turns = nil
		b.must(json.Unmarshal(b.do("GET", path, "").Body.Bytes(), &one))
		if len(one.Turns) != 2 || one.Turns[1].Text != "喂" || one.Turns[1].StartMS != 1000 || !one.Turns[0].Interrupted {
			t.Errorf("%s: %+v", path, one)
		}
	}
	url := "/api/v1/recordings/" + rec.ID.String()
	whole := b.do("GET", url, "")
	sum := sha256.Sum256(whole.Body.Bytes())
	if whole.Code != 200 || hex.EncodeToString(sum[:]) != rec.SHA256 || whole.Header().Get("Content-Type") != "audio/wav" || whole.Header().Get("Accept-Ranges") != "bytes" {
		t.Fatalf("%d %v", whole.Code, whole.Header())
	}
	etag := whole.Header().Get("ETag")
	if etag != `"`+rec.SHA256+`"` {
		t.Errorf("ETag %q", etag)
	}
	part := b.do("GET", url, "", "Range: bytes=100-199")
	if part.Code != http.StatusPartialContent || part.Body.String() != whole.Body.String()[100:200] {
		t.Errorf("range: %d, %d bytes", part.Code, part.Body.Len())
	}
	if r := b.do("GET", url, "", "If-None-Match: "+etag); r.Code != http.StatusNotModified || r.Body.Len() != 0 {
		t.Errorf("If-None-Match: %d", r.Code)
	}
	if r := b.do("GET", url, "", "Range: bytes=100-199", `If-Range: "other"`); r.Code != http.StatusOK || r.Body.Len() != whole.Body.Len() {
		t.Errorf("If-Range of another file: %d", r.Code)
	}
	if r := b.do("GET", url, "", "Range: bytes=99999999-"); r.Code != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("range behind the end: %d", r.Code)
	}
	b.addKey("rm_tasks", tenant, time.Time{}, "tasks:read")
	b.refused("a key without the scope", 403, "", "GET", url, "", "Authorization: Bearer rm_tasks")
	b.addKey("rm_foreign", "other", time.Time{}, "*")
	b.refused("another tenant's recording", 404, "", "GET", url, "", "Authorization: Bearer rm_foreign")
	b.refused("another tenant's attempt", 404, "", "GET", "/api/v1/attempts/"+a.ID.String(), "", "Authorization: Bearer rm_foreign")

	f, err := b.archive.Open(rec.Path)
	b.must(err)
	name := f.(*os.File).Name()
	b.must(f.Close())
	b.must(os.Remove(filepath.Clean(name)))
	b.refused("a file that is gone", 404, "", "GET", url, "")
	deps := b.deps
	deps.Archive = nil
	b.server = api.New(deps)
	b.refused("recordings disabled", 404, "", "GET", url, "")
}

func TestHealthReadyAndMetrics(t *testing.T) {
	b := newBed(t)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/metrics": 200, "/openapi.json": 200} {
		if rec := b.do("GET", path, "", "Authorization: "); rec.Code != want {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
	b.mu.Lock()
	b.checks = []api.Check{{Name: "database", OK: true}, {Name: "pbx", Why: "main: connection refused"}}
	b.mu.Unlock()
	if rec := b.do("GET", "/readyz", ""); rec.Code != http.StatusServiceUnavailable || !strings.Contains(rec.Body.String(), "connection refused") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
	if rec := b.do("GET", "/healthz", ""); rec.Code != 200 {
		t.Errorf("the process lives: %d", rec.Code)
	}
}
