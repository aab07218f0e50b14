package check

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ringmaster/internal/dialogue"
	"ringmaster/scripts"
)

// Whatever the compiler accepts, the check neither panics nor hangs nor grows
// without bound, and its model covers what the engine does with it.
func FuzzCheck(f *testing.F) {
	files, err := filepath.Glob("testdata/zoo/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	all, err := scripts.All()
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range all {
		f.Add(s.Source)
	}
	shared, err := scripts.Shared()
	if err != nil {
		f.Fatal(err)
	}
	packs, err := dialogue.NewLibrary(shared)
	if err != nil {
		f.Fatal(err)
	}
	lib := packs.With(zooLibrary(f))
	now := time.Date(2026, 10, 1, 14, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, src []byte) {
		sc, err := lib.Compile("fuzz.yaml", src)
		if err != nil {
			Source(lib, "fuzz.yaml", src, Options{}) // the missing notice is shown, and nothing else happens
			return
		}
		c := newChecker(sc, Options{File: "fuzz.yaml"})
		r := c.run()
		if r.States > maxStates+1 || len(r.Findings) > maxFindings {
			t.Fatalf("%d states, %d findings", r.States, len(r.Findings))
		}
		for _, x := range r.Findings {
			if x.Line < 1 || x.Column < 1 || x.File == "" || x.Text == "" {
				t.Errorf("a finding without its place: %+v", x)
			}
		}
		Draw(sc, nil)
		if c.x.large {
			return
		}
		h := fnv.New64a()
		_, _ = h.Write(src)
		g := rand.New(rand.NewPCG(h.Sum64(), 1))
		m := sc.Model()
		for range 3 {
			walkCovered(t, c, m, now, 25, g)
		}
	})
}
