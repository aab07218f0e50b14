package bench

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/env"
)

// The measurement itself, over stocks so small that their figures mean
// nothing: every way claims from both, and nothing is left on the server.
func TestClaimsMeasuresEveryWay(t *testing.T) {
	t.Parallel()
	env.Need(t, env.MariaDB)
	var out bytes.Buffer
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	c := Claims{Small: 200, Large: 400, Rounds: 1, Each: 10 * time.Millisecond, Out: &out}
	if err := c.Run(ctx); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, w := range ways() {
		row := regexp.MustCompile(regexp.QuoteMeta(w.name) + ` +\d+ +\d+ +[1-9]\d* +[1-9]\d* `)
		if !row.MatchString(out.String()) {
			t.Errorf("no figures of %q", w.name)
		}
	}
	for _, want := range []string{"machine ", "commit ", "MariaDB", "claims/s of 200", "of 400", "ratio of the two stocks"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, out.String())
		}
	}
}
