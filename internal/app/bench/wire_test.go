package bench

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/env"
)

// At telephones behind a real Asterisk, with the detection of machines under
// way: from the answer to our first audible sample, and from speech into our
// line to our last one. Every call must have both; the figures are printed. 4
// calls always, with no assertion about time; 40 with RINGMASTER_PROVE=1,
// where the first audio must be there within 600 ms in 95 of 100 calls.
func TestRow_M11_FirstAudioAfterTheAnswerAtTheTelephone(t *testing.T) {
	t.Parallel()
	env.Need(t, env.Asterisk)
	var out bytes.Buffer
	w := Wire{Calls: 4, Together: 4, Out: &out}
	prove := os.Getenv("RINGMASTER_PROVE") != ""
	if prove {
		w.Calls = 40
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	h, err := w.Run(ctx)
	t.Log("\n" + out.String())
	if err != nil {
		t.Fatal(err)
	}
	if len(h.First) != w.Calls || len(h.Stopped) != w.Calls || len(h.Errors) > 0 {
		t.Fatalf("%d of %d calls were answered audibly, %d interrupted: %v", len(h.First), w.Calls, len(h.Stopped), h.Errors)
	}
	if p95 := quantile(h.First, 950); prove && p95 > aimFirstSound {
		t.Errorf("95 of 100 calls hear us %v after the answer, want %v at most", p95, aimFirstSound)
	}
	for _, want := range []string{"machine ", "commit ", "answer to first audio: p95 at most 600ms", "interruption to silence: p95 at most 300ms", "noticing to silence: p95 at most 150ms"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q", want)
		}
	}
}
