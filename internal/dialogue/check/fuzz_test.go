package check

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
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
	for i, file := range files {
		if i%8 > 0 { // they differ in a line
			continue
		}
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
	f.Fuzz(func(t *testing.T, src []byte) {
		h := fnv.New64a()
		_, _ = h.Write(src)
		judgeAny(t, lib, src, rand.New(rand.NewPCG(h.Sum64(), 1)))
	})
}

// judgeAny checks a script that nobody wrote; false when it does not compile.
func judgeAny(t *testing.T, lib *dialogue.Library, src []byte, g *rand.Rand) bool {
	t.Helper()
	sc, err := lib.Compile("fuzz.yaml", src)
	if err != nil {
		Source(lib, "fuzz.yaml", src, Options{}) // a missing notice is shown, and nothing else happens
		return false
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
		return true
	}
	m, now := sc.Model(), time.Date(2026, 10, 1, 14, 0, 0, 0, time.UTC)
	for range 3 {
		walkCovered(t, c, m, now, 25, g)
	}
	return true
}

// Packs with lines taken out, exchanged and doubled: of those that still
// compile the model covers everything that the engine does.
func TestMangledPacks(t *testing.T) {
	t.Parallel()
	shared, err := scripts.Shared()
	if err != nil {
		t.Fatal(err)
	}
	packs, err := dialogue.NewLibrary(shared)
	if err != nil {
		t.Fatal(err)
	}
	lib := packs.With(zooLibrary(t))
	all, err := scripts.All()
	if err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile("testdata/zoo/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all = append(all, scripts.File{Path: "zoo/good.yaml", Source: good})
	tries := 60
	if n, err := strconv.Atoi(os.Getenv("RINGMASTER_CHECK_MANGLED")); err == nil { // make prove
		tries = n
	}
	compiled := 0
	g := rand.New(rand.NewPCG(4, 4))
	for range tries {
		f := all[g.IntN(len(all))]
		src := mangled(string(f.Source), g)
		if judgeAny(t, lib, []byte(src), g) {
			compiled++
		}
		if t.Failed() {
			t.Fatalf("%s\n%s", f.Path, src)
		}
	}
	t.Logf("%d of %d mangled packs compiled and were judged", compiled, tries)
	if compiled < tries/50 {
		t.Error("too few to prove much")
	}
}

var word = regexp.MustCompile(`(goto|then|intent|slot|when|failed|worn_out): *[^ ,}\n]+`)

// mangled changes a pack in one to three places.
func mangled(src string, g *rand.Rand) string {
	for range 1 + g.IntN(3) {
		lines := strings.Split(src, "\n")
		i := g.IntN(len(lines))
		switch g.IntN(5) {
		case 0:
			lines = slices.Delete(lines, i, i+1)
		case 1:
			lines = slices.Insert(lines, i, lines[i])
		case 2:
			j := g.IntN(len(lines))
			lines[i], lines[j] = lines[j], lines[i]
		default: // one name for another of its kind
			all := word.FindAllString(src, -1)
			if len(all) < 2 {
				break
			}
			from := all[g.IntN(len(all))]
			key, _, _ := strings.Cut(from, ":")
			to := all[g.IntN(len(all))]
			for k := 0; !strings.HasPrefix(to, key) && k < 50; k++ {
				to = all[g.IntN(len(all))]
			}
			_, value, _ := strings.Cut(to, ":")
			at := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, from) })
			for k := range lines { // not always the first
				if l := (i + k) % len(lines); strings.Contains(lines[l], from) {
					at = l
					break
				}
			}
			lines[at] = strings.Replace(lines[at], from, key+":"+value, 1)
		}
		src = strings.Join(lines, "\n")
	}
	return src
}
