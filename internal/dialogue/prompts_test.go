package dialogue

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A script may word the engine's lines otherwise; before the notice has been
// heard the engine's own are said, so both are synthesized before the call, and
// the engine's own are known to hold no business.
func TestEnginesOwnLinesArePromptsBesideTheScripts(t *testing.T) {
	t.Parallel()
	src := strings.Replace(writtenByHand, "start: remind", "lines:\n  stop: {cmn: 好的，再见。}\nstart: remind", 1)
	sc, err := Compile("hand.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	who := Customer{ID: "1", Name: "王芳", Vars: map[string]any{"at": "2026-11-23T14:30"}}
	st, _ := sc.Start(who, time.Unix(1_790_000_000, 0))
	_, mv := sc.Next(st, Input{Kind: Heard, Text: "别打了"}, time.Unix(1_790_000_000, 0))
	if len(mv.Lines) == 0 {
		t.Fatal("a stop into the notice is not answered")
	}
	own := mv.Lines[len(mv.Lines)-1]
	prompts := sc.PromptsAt(who, time.Unix(1_790_000_000, 0))
	for text, fixed := range map[string]bool{own.Text: true, "好的，再见。": false} {
		if !slices.ContainsFunc(prompts, func(l Line) bool { return l.Text == text && l.Fixed == fixed }) {
			t.Errorf("%q (the engine's own: %v) is not among the prompts", text, fixed)
		}
	}
	if own.Text == "好的，再见。" || !own.Fixed {
		t.Errorf("before the notice %+v is said", own)
	}
}
