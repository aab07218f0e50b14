package app

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
)

func newTwin(t *testing.T) (*twin.Exchange, config.PBX) {
	t.Helper()
	ex, err := twin.Start(twin.Config{User: "ringmaster", Password: "twin-password"}, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ex.Close)
	return ex, config.PBX{Name: "twin", Kind: "asterisk", URL: ex.URL(), User: "ringmaster", Password: config.NewSecret("twin-password"), App: "ringmaster",
		Media:  config.Media{Format: "slin"},
		Trunks: []config.Trunk{{Name: "lab", Endpoint: "PJSIP/{number}@lab", Lab: true, Lines: 100}}}
}

func fault(t *testing.T, ex *twin.Exchange, k twin.Kind) {
	t.Helper()
	if err := ex.Inject(twin.Fault{Kind: k}); err != nil {
		t.Fatal(err)
	}
}

func spoken(text string) callee.Step {
	return callee.Step{Say: tone.Encode(text, callee.Rate), Text: text}
}

func turnOf() callee.Step {
	return callee.Step{Listen: &callee.Listen{Silence: 700 * time.Millisecond}}
}

var talkative = callee.Script{Ring: 200 * time.Millisecond, Steps: []callee.Step{turnOf(), spoken("没有收到"), turnOf(), {Wait: 20 * time.Second}}}

// A two-track recording with its name, hash and length; a folder that cannot
// be written is an alarm and not the end of the call.
func TestRow_T18_RecordingIsStereoHashedAndItsFailureIsLoud(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("talks", talkative)
	h := newHouse(t, p, "sqlite")
	a := h.attempt(h.ring("talks", "e2e_001"), 1, 60*time.Second)
	them, us, wav := h.recording(a)
	if !slices.Equal(them, []string{"没有收到"}) || !slices.Equal(us, a.side("us")) {
		t.Errorf("recording: them %q, us %q", them, us)
	}
	last := a.Turns[len(a.Turns)-1]
	if d := wav.Duration(); d < time.Duration(last.EndMS)*time.Millisecond-300*time.Millisecond || d > time.Duration(last.EndMS)*time.Millisecond+3*time.Second {
		t.Errorf("a recording of %v for a call whose last word ends at %d ms", d, last.EndMS)
	}
	if a.Recordings[0].Incomplete != "" {
		t.Errorf("incomplete: %s", a.Recordings[0].Incomplete)
	}
	// The disk is gone in the next call.
	if err := os.RemoveAll(h.cfg.Recordings.Dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.cfg.Recordings.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a = h.attempt(h.order("talks", "e2e_001"), 1, 60*time.Second)
	if a.Disposition != "completed" || !slices.Contains(a.Degraded, "recording") {
		a.show(t)
		t.Errorf("%s, degraded %v: a call that cannot be recorded must say so", a.Disposition, a.Degraded)
	}
	if !strings.Contains(h.logs.String(), "this call is not recorded") || !h.metric(`ringmaster_degraded_calls_total{part="recording"} 1`) {
		t.Error("no alarm was raised")
	}
}

func (h *house) metric(line string) bool {
	_, raw := h.raw("GET", "/metrics", nil, nil)
	return bytes.Contains(raw, []byte(line))
}

// The event socket breaks in mid-call: the conversation goes on, its end is
// seen after the resync; a leg that nobody owns is hung up; lag is a metric.
func TestRow_T20_ReconnectResyncJanitorAndLag(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("talks", talkative)
	ex.Callee("orphan", callee.Script{Steps: []callee.Step{{Wait: 10 * time.Minute}}})
	h := newHouse(t, p, "sqlite")
	h.app.janitor.age = 0
	task := h.ring("talks", "e2e_001")
	h.until("the call is live", 10*time.Second, func() bool { return h.app.scheduler.Stats().Live == 1 })
	time.Sleep(time.Second)
	fault(t, ex, twin.DropSockets)
	a := h.attempt(task, 1, 60*time.Second)
	if a.Disposition != "completed" || !slices.Equal(a.side("them"), []string{"没有收到"}) {
		a.show(t)
		t.Errorf("the call did not survive the loss of its event socket: %s", a.Disposition)
	}
	if !h.metric(`ringmaster_pbx_event_lag{pbx="twin"} 0`) || !h.metric(`ringmaster_pbx_up{pbx="twin"} 1`) {
		t.Error("lag or state of the link is no metric")
	}
	// Somebody's crash left a leg of our application.
	req, _ := http.NewRequest(http.MethodPost, ex.URL()+"/channels/01890000-0000-7000-8000-000000000001?endpoint=PJSIP/orphan@lab&app=ringmaster-test", nil)
	req.SetBasicAuth("ringmaster", "twin-password")
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	h.until("the leg is up", 5*time.Second, func() bool {
		legs, err := h.app.fleet.named("twin").Legs(t.Context())
		return err == nil && len(legs) == 1
	})
	h.app.janitor.sweep(t.Context())
	h.noLegs()
	if h.app.janitor.count() != 1 {
		t.Errorf("%d legs were swept", h.app.janitor.count())
	}
}

// The exchange is away: ready says no, the task waits, nothing is lost, and it
// is dialled when the exchange is back.
func TestExchangeAwayTasksWait(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("talks", talkative)
	h := newHouse(t, p, "sqlite")
	fault(t, ex, twin.Refuse)
	h.until("ready says no", 20*time.Second, func() bool { s, _ := h.raw("GET", "/readyz", nil, nil); return s == 503 })
	task := h.ring("talks", "e2e_001")
	time.Sleep(2 * time.Second)
	if st := h.do("GET", "/api/v1/call/task/"+task, nil, 200)["state"]; st != "scheduled" && st != "ready" {
		t.Fatalf("without an exchange the task is %v", st)
	}
	fault(t, ex, twin.Restore)
	if a := h.attempt(task, 1, 60*time.Second); a.Disposition != "completed" || a.Try != 1 {
		t.Fatalf("%s, try %d", a.Disposition, a.Try)
	}
}

// The exchange dies in mid-call: the call is written as failed with its
// reason, and the retry policy decides.
func TestExchangeDiesInMidCall(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("talks", talkative)
	h := newHouse(t, p, "sqlite")
	task := h.ring("talks", "e2e_001")
	h.until("the call is answered", 10*time.Second, func() bool {
		h.sights.mu.Lock()
		defer h.sights.mu.Unlock()
		for _, s := range h.sights.all {
			if s.Note != nil && s.Note.Phase == "talking" {
				return true
			}
		}
		return false
	})
	fault(t, ex, twin.Restart)
	a := h.attempt(task, 1, 40*time.Second)
	a.show(t)
	if a.Disposition != "failed" || a.Reason == "" {
		t.Errorf("%s (%s)", a.Disposition, a.Reason)
	}
	if st := h.do("GET", "/api/v1/call/task/"+task, nil, 200)["state"]; st != "scheduled" {
		t.Errorf("afterwards the task is %v", st)
	}
	h.hooks.about(h, a.AttemptID)
}

// A call ordered for a moment ahead rings within a second of it.
func TestRow_S33_OrderedForAMomentAhead(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("talks", callee.Script{Reject: 486})
	h := newHouse(t, p, "sqlite")
	h.contact("12345", "talks")
	due := time.Now().Add(3 * time.Second).Truncate(time.Second).Add(time.Second)
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	out := h.do("POST", "/api/v1/call/task", map[string]any{"customer_id": "12345", "script_id": "promotion_001", "call_time": due.In(zone).Format("2006-01-02T15:04:05")}, 201)
	if out["state"] != "scheduled" || out["call_time_resolved"] != due.In(zone).Format(time.RFC3339) {
		t.Fatalf("%v", out)
	}
	a := h.attempt(out["task_id"].(string), 1, 30*time.Second)
	calls := ex.Calls("talks")
	if len(calls) != 1 || a.Disposition != "busy" {
		t.Fatalf("%d rings, %s", len(calls), a.Disposition)
	}
	if late := calls[0].Rang.Sub(due); late < 0 || late > time.Second {
		t.Errorf("rang %v after its time", late)
	}
	// The mission's body, verbatim: its time has passed, nobody is dialled.
	status, raw := h.raw("POST", "/api/v1/call/task", `{"customer_id":"12345","script_id":"promotion_001","call_time":"2023-10-01T14:00:00"}`, nil)
	if status != 201 || !bytes.Contains(raw, []byte(`"state":"expired"`)) || !bytes.Contains(raw, []byte(`"call_time_resolved":"2023-10-01T14:00:00+08:00"`)) {
		t.Errorf("%d %s", status, raw)
	}
}

// No number, key or secret of this test may stand in any log or file.
func TestNothingLeaksIntoLogsOrFiles(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("talks", talkative)
	h := newHouse(t, p, "sqlite")
	h.do("POST", "/api/v1/contacts", map[string]any{"customer_id": "c1", "phone": "13812345678"}, 201)
	h.do("POST", "/api/v1/call/task", map[string]any{"customer_id": "c1", "script_id": "e2e_001"}, 201)
	h.attempt(h.ring("talks", "e2e_001"), 1, 60*time.Second)
	secrets := []string{"13812345678", "12345678", "twin-password", "0123456789abcdef", h.key}
	logs := h.logs.String()
	h.stop()
	for _, s := range secrets {
		if strings.Contains(logs, s) {
			t.Errorf("%q stands in the log", s[:4]+"…")
		}
	}
	dir := filepath.Dir(h.cfg.Database.DSN.Reveal())
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		for _, s := range secrets {
			if bytes.Contains(data, []byte(s)) {
				t.Errorf("%q stands in %s", s[:4]+"…", filepath.Base(path))
			}
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}
