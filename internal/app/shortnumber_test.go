package app

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/compliance"
	"ringmaster/internal/lab/twin/callee"
)

const (
	shortNumber = "106998765432" // the institution's
	patient     = "13907554186"
)

// Only the institution's short number is shown, and only when it is registered
// as a voice caller ID for the trunk that carries it; the patient's number
// stands in no log, on no page and in no file.
func TestRow_S24_OnlyTheRegisteredShortNumberIsShownAndThePatientsNowhere(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("86"+patient, callee.Script{Ring: 200 * time.Millisecond, Steps: []callee.Step{turnOf(), spoken("没有收到"), turnOf(), {Wait: 20 * time.Second}}})
	ex.Callee("desk", callee.Script{Reject: 486})
	p.Trunks[0].CallerID = shortNumber
	p.Trunks = append(p.Trunks, config.Trunk{Name: "carrier", Endpoint: "PJSIP/{number}@carrier", StripPlus: true, Lines: 10, CallerID: shortNumber})
	laws, scripts := hospital(t)
	h := newHouse(t, p, "sqlite", func(c *config.Config) {
		c.Scripts.Dir, c.Compliance.Dir = scripts, laws
		c.Compliance.LegalBasis = map[compliance.Purpose]string{"service": "contract"}
	})
	s := newSeek(t, []canary{{digits: patient}, {digits: patient[3:]}})
	status, raw := h.raw("POST", "/api/v1/contacts", map[string]any{"customer_id": "patient-7", "name": "张三", "phone": patient, "language": "cmn"}, nil)
	if s.in("the answer to the contact", raw); status != 201 {
		t.Fatalf("%d %s", status, raw)
	}
	h.contact("desk-1", "desk")

	// By nobody but the configuration, which does not call it fit for voice.
	h.refused("patient-7", "caller_id_sms_only")
	h.refused("desk-1", "caller_id_sms_only") // the lab makes no exception
	// For messages alone; then for voice, but elsewhere, which does not count here.
	id := h.registerCallerID("carrier", `"sms":true`)
	h.registerCallerID("other", `"voice":true,"sms":true`)
	h.refused("patient-7", "caller_id_sms_only")
	h.changeCallerID(id, "carrier", `"voice":true,"state":"suspended"`)
	h.refused("patient-7", "caller_id_suspended")
	if calls := ex.Calls(""); len(calls) != 0 {
		t.Fatalf("%d calls rang although their caller ID was refused", len(calls))
	}

	h.changeCallerID(id, "carrier", `"voice":true,"sms":true`)
	task := h.order("patient-7", "e2e_001")
	a := h.attempt(task, 1, 60*time.Second)
	if a.Disposition != "completed" || len(a.Recordings) != 1 {
		a.show(t)
		t.Fatalf("%s with %d recordings", a.Disposition, len(a.Recordings))
	}
	calls := ex.Calls("")
	if len(calls) != 1 || calls[0].Trunk != "carrier" {
		t.Fatalf("%d calls: %+v", len(calls), calls)
	}
	if c := calls[0]; c.ShownNumber != shortNumber || c.ShownName != "" {
		t.Errorf("the phone displayed %q %q", c.ShownName, c.ShownNumber)
	}
	for k, v := range calls[0].Headers {
		s.in("the header "+k, []byte(v))
	}
	for k, v := range calls[0].Variables {
		s.in("the channel variable "+k, []byte(v))
	}
	h.refused("desk-1", "caller_id_sms_only") // registered for the carrier is not registered for the lab

	h.hooks.about(h, a.AttemptID)
	s.everyPage(h, task, a)
	// Struck off the registry: as before.
	h.do("DELETE", "/api/v1/caller-ids/"+id, nil, 204)
	h.refused("patient-7", "caller_id_sms_only")
	h.stop()
	s.in("the log", []byte(h.logs.String()))
	s.files(filepath.Dir(h.cfg.Database.DSN.Reveal()), h.cfg.Recordings.Dir, h.cfg.Speech.Cache.Dir)
	if n := len(ex.Calls("")); n != 1 {
		t.Errorf("%d calls in the end", n)
	}
}

// everyPage asks for everything that the API shows of a call, a person and the
// house without being asked to reveal a number.
func (s *seek) everyPage(h *house, task string, a attempt) {
	s.t.Helper()
	pages := []string{"/metrics", "/readyz", "/healthz", "/api/v1/contacts/patient-7", "/api/v1/contacts/patient-7/explain?task=e2e_001",
		"/api/v1/call/task/" + task, "/api/v1/call/task/" + task + "/attempts", "/api/v1/attempts/" + a.AttemptID, "/api/v1/attempts/" + a.AttemptID + "/transcript"}
	for _, list := range []string{"call/task", "tasks", "contacts", "dnc", "dnc/export", "consents?customer_id=patient-7", "caller-ids", "stop", "scripts", "keys", "audit"} {
		pages = append(pages, "/api/v1/"+list)
	}
	for _, page := range pages {
		status, raw := h.raw("GET", page, nil, nil)
		if status != 200 {
			s.t.Errorf("%s: %d %s", page, status, raw)
		}
		s.in(page, raw)
	}
	// The pages are the right ones: they name the person, and the number masked.
	if _, raw := h.raw("GET", "/api/v1/contacts", nil, nil); !bytes.Contains(raw, []byte("+86139******86")) || !bytes.Contains(raw, []byte("patient-7")) {
		s.t.Errorf("the list of contacts: %s", raw)
	}
	h.hooks.mu.Lock()
	defer h.hooks.mu.Unlock()
	for _, body := range h.hooks.bodies {
		raw, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		s.in("a webhook", raw)
	}
}

// On a real Asterisk a registration goes before the configuration: for messages
// alone nothing rings, for voice the real phone displays the number.
func testShortNumber(t *testing.T, h *house, r *real) {
	before := len(callsOf(r.phone, "busy"))
	h.contact("busy", "busy")
	body := func(rest string) string { return `{"number":"10690001","trunk":"lab",` + rest + `}` }
	id := h.do("POST", "/api/v1/caller-ids", body(`"sms":true`), 201)["caller_id"].(string)
	h.refused("busy", "caller_id_sms_only")
	h.do("PUT", "/api/v1/caller-ids/"+id, body(`"voice":true,"sms":true`), 200)
	task := h.order("busy", "e2e_001")
	if a := h.attempt(task, 1, 30*time.Second); a.Disposition != "busy" {
		t.Errorf("%s (%s)", a.Disposition, a.Reason)
	}
	h.do("DELETE", "/api/v1/call/task/"+task, nil, 0)
	h.do("DELETE", "/api/v1/caller-ids/"+id, nil, 204)
	calls := callsOf(r.phone, "busy")[before:]
	if len(calls) != 1 {
		t.Fatalf("the phone rang %d times", len(calls))
	}
	inv := calls[0].Record().Invite
	if inv.FromUser != "10690001" || inv.FromDisplay != "" && inv.FromDisplay != "10690001" || inv.Asserted != "" && !strings.Contains(inv.Asserted, "10690001") {
		t.Errorf("the phone displayed %q %q, asserted %q", inv.FromDisplay, inv.FromUser, inv.Asserted)
	}
}

// refused orders a call and sees it refused for its caller ID.
func (h *house) refused(customer, reason string) {
	h.t.Helper()
	task := h.order(customer, "e2e_001")
	var got map[string]any
	h.until("the call is refused", 10*time.Second, func() bool {
		got = h.do("GET", "/api/v1/call/task/"+task, nil, 200)
		return got["state"] == "blocked"
	})
	if why, _ := got["reason"].(string); !strings.Contains(why, reason) {
		h.t.Errorf("%s is refused with %q, want %s", customer, why, reason)
	}
}

func (h *house) registerCallerID(trunk, rest string) (id string) {
	h.t.Helper()
	return h.do("POST", "/api/v1/caller-ids", `{"number":"`+shortNumber+`","trunk":"`+trunk+`",`+rest+`}`, 201)["caller_id"].(string)
}

func (h *house) changeCallerID(id, trunk, rest string) {
	h.t.Helper()
	h.do("PUT", "/api/v1/caller-ids/"+id, `{"number":"`+shortNumber+`","trunk":"`+trunk+`",`+rest+`}`, 200)
}

// hospital is a folder with the law of China whose calling hours never end, so
// that a test may ring a real number of the twin's at any hour, and one with a
// script whose notice names who calls, as that law demands.
func hospital(t *testing.T) (laws, scripts string) {
	t.Helper()
	return edited(t, "../../config/jurisdictions/CN.yaml", `["08:00-22:00"]`, `["00:00-24:00"]`),
		edited(t, "testdata/scripts/e2e_001.yaml", "我是智能语音助手", "我是市一医院的人工智能语音助手")
}

// edited is a folder that holds the file alone, with one thing changed.
func edited(t *testing.T, file, was, now string) (dir string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(was)) {
		t.Fatalf("%s has no %s", file, was)
	}
	dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), bytes.Replace(text, []byte(was), []byte(now), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
