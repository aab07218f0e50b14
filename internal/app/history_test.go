package app

import (
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/twin/callee"
)

// What became of the calls before decides what the next one says.
func TestRow_S6_TheNextCallKnowsTheOneBefore(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("again", callee.Script{Reject: 486})
	h := newHouse(t, p, "sqlite")
	first := h.ring("again", "history_001")
	if a := h.attempt(first, 1, 30*time.Second); a.Disposition != "busy" {
		t.Fatalf("%s (%s)", a.Disposition, a.Reason)
	}
	h.do("DELETE", "/api/v1/call/task/"+first, nil, 0)
	ex.Callee("again", callee.Script{Steps: []callee.Step{turnOf(), {Wait: 20 * time.Second}}})
	a := h.attempt(h.order("again", "history_001"), 1, 60*time.Second)
	if us := strings.Join(a.side("us"), "/"); a.Disposition != "completed" || !strings.Contains(us, "上次您在通话中。") {
		a.show(t)
		t.Errorf("%s, said %s", a.Disposition, us)
	}
}
