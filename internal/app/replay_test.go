package app

import (
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/replay"
)

// A real call, from the exchange's twin through the database, is told again
// exactly; and a version in which something else is asked goes elsewhere.
func TestStoredCallIsReplayed(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("talks", talkative)
	h := newHouse(t, p, "sqlite")
	a := h.attempt(h.ring("talks", "e2e_001"), 1, 60*time.Second)
	talks, err := PastTalks(t.Context(), h.app.cfg, h.app.store, "e2e_001", 5)
	if err != nil || len(talks) != 1 {
		t.Fatalf("%d calls, %v", len(talks), err)
	}
	was := talks[0]
	if was.Wrong != "" || was.Script == nil || len(was.Talk.Steps) == 0 {
		a.show(t)
		t.Fatalf("the stored call is not told again: %q (%d steps)", was.Wrong, len(was.Talk.Steps))
	}
	same, err := replay.Compare(was.Script, was.Script, was.Customer, was.Talk, nil)
	if err != nil || !same.Same() || string(same.After.Disposition) != a.Disposition {
		t.Errorf("the same version: %v, %+v", err, same)
	}
	src := strings.Replace(string(was.Script.Source()), "do: [{tag: not_received}]\n        goto: resend", "do: [{tag: not_received}]\n        goto: more", 1)
	after, err := dialogue.Compile("e2e_001.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	other, err := replay.Compare(was.Script, after, was.Customer, was.Talk, nil)
	if err != nil || !other.Elsewhere || !other.Ends || !slices.Equal(other.After.Nodes, []string{"disclosure", "ask", "more"}) {
		t.Errorf("another version: %v, %+v", err, other.After)
	}
	if none, err := PastTalks(t.Context(), h.app.cfg, h.app.store, "nothing", 5); err != nil || len(none) != 0 {
		t.Errorf("a script that was never called with: %d, %v", len(none), err)
	}
}
