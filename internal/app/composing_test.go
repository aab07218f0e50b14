package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/lab/twin/callee"
)

// modelServer speaks the streaming protocol of chat completions; say decides
// by the caller's words what it answers, "" = nothing ever.
type modelServer struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string // the user messages
}

func newModelServer(t *testing.T, say func(said string) string) *modelServer {
	m, done := &modelServer{}, make(chan struct{})
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Messages []struct{ Role, Content string }
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || len(in.Messages) != 2 || r.URL.Path != "/v1/chat/completions" || r.Header.Get("Authorization") != "Bearer model-secret" {
			t.Errorf("request to %s: %+v %v", r.URL.Path, in, err)
			return
		}
		var user struct{ Said string }
		_ = json.Unmarshal([]byte(in.Messages[1].Content), &user)
		m.mu.Lock()
		m.seen = append(m.seen, in.Messages[1].Content)
		m.mu.Unlock()
		words := say(user.Said)
		if words == "" {
			select {
			case <-r.Context().Done():
			case <-done:
			}
			return
		}
		answer, _ := json.Marshal(map[string]any{"say": words, "intent": "", "done": false})
		for _, r := range string(answer) {
			chunk, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"delta": map[string]any{"content": string(r)}}}})
			_, _ = fmt.Fprintf(w, "data: %s\n\n", chunk)
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}))
	t.Cleanup(func() { close(done); m.Close() })
	return m
}

func TestDoctorAsksTheLanguageModel(t *testing.T) {
	model := newModelServer(t, func(string) string { return "课程每周两次。" })
	for url, ok := range map[string]bool{"": true, model.URL + "/v1": true, "http://127.0.0.1:1/v1": false} {
		c := config.Config{Understanding: config.Understanding{Composer: config.Composer{URL: url, Model: "m", Token: config.NewSecret("model-secret"), Timeout: 3 * time.Second}}}
		checkComposer(t.Context(), c, nil, func(f Finding) bool {
			if f.OK != ok || !ok && f.Fix == "" || strings.Contains(f.Detail, "model-secret") {
				t.Errorf("%q: %+v", url, f)
			}
			return true
		})
	}
}

// One call: a language model answers a question, invents a gift (refused), and
// hangs (the silence is filled, the author's line is said). Then the customer
// verifies himself and the account is unlocked, once.
func TestRow_S16_AModelIsHeldToTheFactsAndTheVerifiedAreUnlockedOnce(t *testing.T) {
	t.Parallel()
	model := newModelServer(t, func(said string) string {
		switch {
		case strings.Contains(said, "怎么上课"):
			return "课程每周上两次，每次九十分钟。"
		case strings.Contains(said, "平板"):
			return "免费送您一台平板。"
		}
		return ""
	})
	ex, p := newTwin(t)
	ex.Callee("parent", callee.Script{Ring: 200 * time.Millisecond, Steps: []callee.Step{turnOf(), spoken("怎么上课啊"), turnOf(), spoken("有没有平板"), turnOf(), spoken("那老师呢"),
		{Wait: 3 * time.Second}, turnOf(), spoken("四二"), turnOf(), {Wait: 20 * time.Second}}})
	h := newHouse(t, p, "sqlite", func(c *config.Config) {
		c.Scripts.Dir, c.Scripts.Shipped = "testdata/composing", false
		c.Understanding.Composer = config.Composer{URL: model.URL + "/v1", Model: "m", Token: config.NewSecret("model-secret"), Timeout: 2 * time.Second}
	})
	a := h.attempt(h.ring("parent", "course_chat"), 1, 60*time.Second)
	us := ""
	for _, x := range a.Turns {
		if x.Side == "us" { // cut off or not
			us += x.Text + "/"
		}
	}
	for _, want := range []string{"课程每周上两次，每次九十分钟。", "请同事回复您", "请稍", "请说您的验证码。", "已解锁。"} {
		if !strings.Contains(us, want) {
			a.show(t)
			t.Fatalf("%q was not said", want)
		}
	}
	if strings.Contains(us, "送您") || a.Disposition != "completed" {
		a.show(t)
		t.Errorf("%s: %s", a.Disposition, us)
	}
	for _, line := range []string{`ringmaster_composed_turns_total{result="said"} 1`, `ringmaster_composed_turns_total{result="refused"} 1`, `ringmaster_composed_turns_total{result="failed"} 1`, `ringmaster_degraded_calls_total{part="model"} 1`} {
		if !h.metric(line) {
			t.Errorf("no metric %s", line)
		}
	}
	unlocks := func() (out []map[string]any) {
		h.hooks.mu.Lock()
		defer h.hooks.mu.Unlock()
		for _, b := range h.hooks.bodies {
			if b["event"] == "call.unlock" {
				out = append(out, b)
			}
		}
		return out
	}
	h.until("the CRM is asked to unlock", 10*time.Second, func() bool { return len(unlocks()) > 0 })
	if got := unlocks(); len(got) != 1 || got[0]["unlock"] != "account" || got[0]["key"] == "" || got[0]["attempt_id"] != a.AttemptID || got[0]["customer_id"] == nil {
		t.Errorf("%v", got)
	}
	if logs := h.logs.String(); strings.Contains(logs, "model-secret") || !strings.Contains(logs, "language model gave no words") {
		t.Error("the secret is logged, or the failure is not")
	}
}
