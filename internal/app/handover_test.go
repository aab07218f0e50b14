package app

import (
	"slices"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/lab/twin/callee"
)

// After a hand-over the exchange records; the outcome lists that recording
// beside ours, with the words of both. A leg on which the two talk on when the
// controller stops is not swept by its next life.
func TestHandedOver(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	p.Agents = []config.Agent{{Name: "agent1", Endpoint: "PJSIP/agent1"}}
	wants := []callee.Step{turnOf(), spoken("转人工"), turnOf(), turnOf(), spoken("你好啊"), {Wait: time.Minute}}
	ex.Callee("wants", callee.Script{Ring: 200 * time.Millisecond, Steps: wants})
	ex.Callee("stays", callee.Script{Ring: 200 * time.Millisecond, Steps: wants})
	ex.Agent("agent1", callee.Script{Ring: 200 * time.Millisecond, Steps: []callee.Step{{Wait: time.Second}, spoken("我是人工客服"), {Wait: 4 * time.Second}, {Hangup: true}}})
	h := newHouse(t, p, "sqlite", func(c *config.Config) { c.Recordings.Handover = config.KeepHandover })
	a := h.attempt(h.ring("wants", "e2e_001"), 1, 60*time.Second)
	if a.Disposition != "transferred" || len(a.Recordings) != 2 || slices.Contains(a.Degraded, "recording") {
		a.show(t)
		t.Fatalf("%s, recordings %+v, degraded %v\n%s", a.Disposition, a.Recordings, a.Degraded, tail(h.logs.String(), 2000))
	}
	if line := `ringmaster_calls_total{disposition="transferred",pbx="twin",trunk="lab"} 1`; !h.metric(line) {
		t.Error("no metric " + line)
	}
	a.Recordings = a.Recordings[1:]
	them, person, _ := h.recording(a)
	if !slices.Contains(them, "你好啊") || !slices.Contains(person, "我是人工客服") {
		t.Errorf("the exchange recorded them %q, the person %q", them, person)
	}

	ex.Agent("agent1", callee.Script{Ring: 200 * time.Millisecond, Steps: []callee.Step{{Wait: 5 * time.Minute}}})
	h.ring("stays", "e2e_001")
	legs := func() int {
		l, err := h.app.fleet.named("twin").Legs(t.Context())
		if err != nil {
			return -1
		}
		return len(l)
	}
	h.until("customer and person talk", 40*time.Second, func() bool { return h.seen("handed_over") == 2 && legs() == 2 })
	h.stop()
	h.start()
	h.app.janitor.age = 0
	h.until("the exchange is back", 10*time.Second, func() bool { return legs() == 2 })
	h.app.janitor.sweep(t.Context())
	if n := legs(); n != 2 {
		t.Errorf("%d legs are left of a conversation that had been handed over\n%s", n, tail(h.logs.String(), 2000))
	}
}

// seen counts the calls that came into a phase.
func (h *house) seen(phase string) (n int) {
	h.sights.mu.Lock()
	defer h.sights.mu.Unlock()
	for _, s := range h.sights.all {
		if s.Note != nil && s.Note.Turn == nil && string(s.Note.Phase) == phase {
			n++
		}
	}
	return n
}
