package check

import (
	"testing"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/dialogue"
	"ringmaster/scripts"
)

// shipped are the packs that are shipped, compiled with what they share.
func shipped(t testing.TB) map[string]*dialogue.Script {
	t.Helper()
	shared, err := scripts.Shared()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := dialogue.NewLibrary(shared)
	if err != nil {
		t.Fatal(err)
	}
	all, err := scripts.All()
	if err != nil || len(all) < 3 {
		t.Fatalf("%d packs, %v", len(all), err)
	}
	out := map[string]*dialogue.Script{}
	for _, f := range all {
		if out[f.Path], err = lib.Compile(f.Path, f.Source); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// The check finds nothing in what is shipped.
func TestShippedPacksPass(t *testing.T) {
	for path, sc := range shipped(t) {
		r := Run(sc, Options{File: path, Understander: keyword.New()})
		t.Logf("%s: %d nodes, %d states, %d edges", path, r.Nodes, r.States, r.Edges)
		for _, f := range r.Findings {
			t.Errorf("%s", f.Explain())
		}
	}
}
