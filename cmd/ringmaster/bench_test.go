package main

import (
	"strings"
	"testing"
	"time"
)

// The bench names the machine and the script, has a row for each way to
// decide, and says of every aim whether it is met.
func TestBenchDialoguePrintsItsTable(t *testing.T) {
	var out strings.Builder
	if err := (benchDialogue{script: "education/course_consult.yaml", each: 20 * time.Millisecond}).run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"machine ", "1 core used", "course_consult (", "decisions alone", "with keywords", "with the trained model", "memory of a dialogue", "decisions/s a core: ", "p99 1ms", "32 KiB a dialogue: met"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
	if err := (benchDialogue{script: "nowhere.yaml"}).run(t.Context(), &out); err == nil || !strings.Contains(err.Error(), "education/course_consult.yaml") {
		t.Errorf("%v", err)
	}
}
