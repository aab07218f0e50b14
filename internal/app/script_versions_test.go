package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// A running call keeps its version through a publish and a rollback; the next
// call after each commit uses what is in force then; the history says who did
// what. The real compiler and the real check are behind the API.
func TestRow_S4_RunningCallsKeepTheirVersionTheNextCallHasTheOneInForce(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("talks", callee.Script{Ring: 200 * time.Millisecond, Steps: []callee.Step{turnOf(), {Wait: 4 * time.Second}, spoken("没有收到"), turnOf(), {Wait: 20 * time.Second}}})
	ex.Callee("brief", talkative)
	h := newHouse(t, p, "sqlite")
	src, err := os.ReadFile("testdata/scripts/e2e_001.yaml")
	if err != nil {
		t.Fatal(err)
	}
	first := h.history().Current
	newer := strings.Replace(string(src), "好的，我们再寄一份，再见。", "好的，马上给您再寄，再见。", 1)
	second := h.draft(newer, 201)["version"].(string)
	if h.history().Current != first {
		t.Fatal("a draft is in force")
	}
	running := h.ring("talks", "e2e_001")
	h.until("the call is dialled", 20*time.Second, func() bool { // not only prepared: such a call would take the new version
		legs, err := h.app.fleet.named("twin").Legs(t.Context())
		return err == nil && len(legs) > 0
	})
	h.do("POST", "/api/v1/scripts/e2e_001/publish", map[string]any{"version": second, "note": "a friendlier end"}, 200)
	if a := h.attempt(h.ring("brief", "e2e_001"), 1, 60*time.Second); a.ScriptVersion != second || !h.said(a, "好的，马上给您再寄，再见。") {
		t.Errorf("the call after the publish has version %s and said %q", a.ScriptVersion, a.side("us"))
	}
	h.do("POST", "/api/v1/scripts/e2e_001/rollback", map[string]any{"version": first, "note": "it was not"}, 200)
	if a := h.attempt(h.order("brief", "e2e_001"), 1, 60*time.Second); a.ScriptVersion != first || !h.said(a, "好的，我们再寄一份，再见。") {
		t.Errorf("the call after the rollback has version %s and said %q", a.ScriptVersion, a.side("us"))
	}
	if a := h.attempt(running, 1, 60*time.Second); a.ScriptVersion != first || !h.said(a, "好的，我们再寄一份，再见。") {
		t.Errorf("the running call has version %s and said %q", a.ScriptVersion, a.side("us"))
	}
	var told []string
	for _, r := range h.history().History {
		told = append(told, r.Action+" "+r.Version+" "+r.Note)
		if r.Action != "import" && !strings.HasPrefix(r.By, "key/") || r.At.IsZero() {
			t.Errorf("who and when: %+v", r)
		}
	}
	if want := []string{"rollback " + first + " it was not", "publish " + second + " a friendlier end", "import " + first + " "}; !slices.Equal(told, want) {
		t.Errorf("history %q, want %q", told, want)
	}
	_, raw := h.raw("GET", "/api/v1/scripts/e2e_001/diff?from="+first+"&to="+second, nil, nil)
	for _, want := range []string{`"nodes":{"added":[],"removed":[],"changed":["resend"]}`, `"replies":{"added":[],"removed":[],"changed":[]}`, "马上给您再寄"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("diff lacks %s: %s", want, raw)
		}
	}
	h.refusedDrafts(string(src))
	h.stop()
	h.start() // the file is as it was: what was decided by hand stays
	if got := h.history().Current; got != first {
		t.Errorf("after a restart version %s is in force", got)
	}
}

type scriptHistory struct {
	Current string
	History []struct {
		Action, Version, By, Note string
		At                        time.Time
	}
}

func (h *house) history() (out scriptHistory) {
	h.t.Helper()
	status, raw := h.raw("GET", "/api/v1/scripts/e2e_001/versions", nil, nil)
	if err := json.Unmarshal(raw, &out); err != nil || status != http.StatusOK {
		h.t.Fatalf("history: %d %s", status, raw)
	}
	return out
}

func (h *house) draft(src string, want int) (out map[string]any) {
	h.t.Helper()
	status, raw := h.raw("POST", "/api/v1/scripts/e2e_001/drafts", src, map[string]string{"Content-Type": "application/yaml"})
	if status != want {
		h.t.Fatalf("draft: %d %s, want %d", status, raw, want)
	}
	if err := json.Unmarshal(raw, &out); err != nil {
		h.t.Fatal(err)
	}
	return out
}

func (h *house) said(a attempt, words string) bool { return slices.Contains(a.side("us"), words) }

// refusedDrafts: every finding, each with its place, and the conversation that
// leads there.
func (h *house) refusedDrafts(src string) {
	h.t.Helper()
	for name, c := range map[string]struct {
		bad  string
		want []string
	}{
		"two mistakes of syntax": {strings.NewReplacer("goto: more", "goto: moree", "goto: thanks", "goto: thank").Replace(src), []string{"syntax", "more", "thanks"}},
		"no key to stop":         {strings.Replace(src, `  "9": stop`+"\n", "", 1), []string{"exit", "us"}},
	} {
		found, _ := h.draft(c.bad, http.StatusUnprocessableEntity)["findings"].([]any)
		if len(found) == 0 {
			h.t.Errorf("%s: no findings", name)
		}
		text := fmt.Sprint(found)
		for _, want := range append(c.want, "line:", "column:") {
			if !strings.Contains(text, want) {
				h.t.Errorf("%s: %q is not told: %s", name, want, text)
			}
		}
	}
}
