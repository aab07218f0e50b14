package check

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/dialogue"
)

var update = flag.Bool("update", false, "write the counter-examples of the zoo anew: read every one of them before it is committed")

// mark says, in a script of the zoo, which rule is broken in its line.
var mark = regexp.MustCompile(`# <- ([a-z_]+)`)

func zooLibrary(t testing.TB) *dialogue.Library {
	t.Helper()
	src, err := os.ReadFile("testdata/zoo/lexicon.yaml")
	if err != nil {
		t.Fatal(err)
	}
	lib, err := dialogue.NewLibrary(map[string][]byte{"lexicon.yaml": src})
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

// A zoo of bad scripts, one mistake each. The line with the mistake says which
// rule it breaks; beside each stands the finding with its counter-example.
func TestRow_M8_ZooOfBadScripts(t *testing.T) {
	t.Parallel()
	lib := zooLibrary(t)
	files, err := filepath.Glob("testdata/zoo/[0-9]*.yaml")
	if err != nil || len(files) < 40 {
		t.Fatalf("%d scripts, %v; at least 40 are wanted", len(files), err)
	}
	rules, paths := map[Rule]int{}, 0
	for i, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			src, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := Source(lib, filepath.Base(file), src, Options{Understander: keyword.New()})
			line, rule := marked(t, src)
			if len(r.Findings) == 0 {
				t.Fatal("passed")
			}
			if i%7 == 0 {
				if again := Source(lib, filepath.Base(file), src, Options{Understander: keyword.New()}); !reflect.DeepEqual(r, again) {
					t.Errorf("another report the second time:\n%v\n%v", r, again)
				}
			}
			found := r.Findings[0]
			if found.Rule != rule || found.Line != line {
				t.Errorf("wanted %s at line %d, found\n%s", rule, line, found)
			}
			if len(r.Findings) > 1 {
				t.Errorf("one mistake, %d findings:\n%v", len(r.Findings), r.Err())
			}
			rules[rule]++
			if len(found.Path) > 0 {
				paths++
			} else if needsPath(rule) {
				t.Errorf("no counter-example: %s", found)
			}
			golden(t, strings.TrimSuffix(file, ".yaml")+".want", found.Explain()+"\n")
		})
	}
	t.Logf("%d bad scripts refused at the right place, %d with a counter-example; by rule: %v", len(files), paths, rules)
}

// needsPath: a mistake of these rules happens in a conversation. What is never
// reached, and two phrases that are the same, happen in none.
func needsPath(r Rule) bool { return r != Unreachable && r != Exit }

func marked(t *testing.T, src []byte) (line int, rule Rule) {
	t.Helper()
	for i, l := range strings.Split(string(src), "\n") {
		if m := mark.FindStringSubmatch(l); m != nil {
			if line > 0 {
				t.Fatal("two marks: one mistake each")
			}
			line, rule = i+1, Rule(m[1])
		}
	}
	if line == 0 {
		t.Fatal("no mark")
	}
	return line, rule
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("found\n%s\nwanted\n%s", got, want)
	}
}

// The script that every one of the zoo was made from passes.
func TestZooWithoutMistakePasses(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("testdata/zoo/good.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := Source(zooLibrary(t), "good.yaml", src, Options{Understander: keyword.New()})
	for _, f := range r.Findings {
		t.Error(f.Explain())
	}
	t.Log(fmt.Sprint(r.States, " states, ", r.Edges, " ways on"))
}
