package env

import (
	"os"
	"strings"
)

// TB is the part of testing.TB that Need uses; named here so that programs which use Find do not link package testing.
type TB interface {
	Helper()
	Name() string
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
	Logf(format string, args ...any)
}

// Full says whether every part has to be there (RINGMASTER_TEST_ENV=full, set by `make test`).
func Full() bool { return os.Getenv("RINGMASTER_TEST_ENV") == "full" }

// Need ends the test unless every part is there: it fails where all is said to be installed (see Full) and is skipped by name
// otherwise. Call it first in a test.
func Need(t TB, parts ...Part) {
	t.Helper()
	for _, p := range parts {
		_, err := Find(p)
		if err == nil {
			continue
		}
		why := givenUp(p)
		if Full() && why == "" {
			t.Fatalf("%s needs %s: %v", t.Name(), p, err)
			return
		}
		if why == "" {
			why = err.Error()
		}
		t.Skipf("%s needs %s: %s", t.Name(), p, why)
		return
	}
}

// givenUp returns setup's reason why an optional part could not be installed, or "".
func givenUp(p Part) string {
	w, ok := table(p)
	if !ok || !w.optional {
		return ""
	}
	path, err := Local("stamps", string(p)+".missing")
	if err != nil {
		return ""
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.Join(strings.Fields(string(b)), " ")
}
