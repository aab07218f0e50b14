package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringmaster/internal/dialogue/simulate"
)

func TestScriptSimulatePrintsAndDraws(t *testing.T) {
	file, picture := beside(t, declines), filepath.Join(t.TempDir(), "funnel.svg")
	args := []string{"simulate", "--understanding", "keyword", "--calls", "100", "--seed", "3", "--goal", "confirm", "-o", picture, file}
	out, err := script(t, "", args...)
	if err != nil || !strings.Contains(out, "goal: confirm") || !strings.Contains(out, "cooperative") {
		t.Fatalf("%v\n%s", err, out)
	}
	if again, err := script(t, "", args...); err != nil || again != out {
		t.Errorf("the same seed: %v\n%s\n%s", err, out, again)
	}
	if svg, err := os.ReadFile(picture); err != nil || !strings.HasPrefix(string(svg), "<svg") {
		t.Errorf("picture: %v", err)
	}
	out, err = script(t, "", "simulate", "--understanding", "keyword", "--calls", "10", "--json", "--weights", "silent=1", file)
	var r simulate.Report
	if err != nil || json.Unmarshal([]byte(out), &r) != nil || r.Calls != 10 || len(r.Personas) != 1 {
		t.Errorf("%v\n%s", err, out)
	}
	for _, bad := range [][]string{{"--calls", "0"}, {"--goal", "nowhere"}, {"--weights", "nobody=1"}, {"--weights", "silent=0"}, {"--now", "today"}} {
		if _, err := script(t, "", append([]string{"simulate", "--understanding", "keyword", file}, bad...)...); err == nil {
			t.Errorf("%v is taken", bad)
		}
	}
}

func TestScriptReplayTellsWhatItNeeds(t *testing.T) {
	file := beside(t, "")
	for _, bad := range [][]string{{"--last", "0"}, {"--understanding", "magic"}, {"--config", filepath.Join(t.TempDir(), "none.yaml")}} {
		if out, err := script(t, "", append([]string{"replay", file}, bad...)...); err == nil {
			t.Errorf("%v is taken: %s", bad, out)
		}
	}
}
