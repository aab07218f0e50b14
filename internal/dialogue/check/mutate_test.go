package check

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"ringmaster/internal/dialogue"
	"ringmaster/scripts"
)

// tree is a pack as an ordered tree, to take things out of.
func tree(t *testing.T, src []byte) yaml.MapSlice {
	t.Helper()
	var out yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(src, &out, yaml.UseOrderedMap()); err != nil {
		t.Fatal(err)
	}
	return out
}

func text(t *testing.T, m yaml.MapSlice) []byte {
	t.Helper()
	b, err := yaml.MarshalWithOptions(m, yaml.JSON())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// without gives the tree without what the path names; ok is false when there
// is no such thing.
func without(v any, path ...string) (out any, ok bool) {
	m, isMap := v.(yaml.MapSlice)
	if !isMap {
		return v, false
	}
	m = slices.Clone(m)
	for i, e := range m {
		if fmt.Sprint(e.Key) != path[0] {
			continue
		}
		if len(path) == 1 {
			return slices.Delete(m, i, i+1), true
		}
		if m[i].Value, ok = without(e.Value, path[1:]...); ok {
			return m, true
		}
	}
	return v, false
}

// change replaces every text below v that f changes, one at a time.
func change(v any, f func(string) string, each func(any)) {
	switch v := v.(type) {
	case string:
		if s := f(v); s != v {
			each(s)
		}
	case []any:
		for i := range v {
			change(v[i], f, func(x any) {
				c := slices.Clone(v)
				c[i] = x
				each(c)
			})
		}
	case yaml.MapSlice:
		for i := range v {
			change(v[i].Value, f, func(x any) {
				c := slices.Clone(v)
				c[i].Value = x
				each(c)
			})
		}
	}
}

func get(m yaml.MapSlice, key string) any {
	for _, e := range m {
		if fmt.Sprint(e.Key) == key {
			return e.Value
		}
	}
	return nil
}

func with(m yaml.MapSlice, key string, v any) yaml.MapSlice {
	m = slices.Clone(m)
	for i, e := range m {
		if fmt.Sprint(e.Key) == key {
			m[i].Value = v
		}
	}
	return m
}

func keysIn(v any) []string {
	var out []string
	if m, ok := v.(yaml.MapSlice); ok {
		for _, e := range m {
			out = append(out, fmt.Sprint(e.Key))
		}
	}
	return out
}

var (
	recorded = regexp.MustCompile(`[^，。,.]*(录音|record|ئۈن|خاتىر)[^，。,.]*[，。,.]?`)
	machines = regexp.MustCompile(`人工智能|智能|语音助手|机器人|AI|automated|artificial|virtual|سۈنئىي|ئەقلىي|assistant`)
)

// mutants of a pack: what is taken out, and the text that is left. The notice:
// as a whole, in one language, the sentence of recording, the word for the
// machine. The exits: each key that stops or reaches a person, taken out or
// given another meaning. The bounds of loops: each that the text writes.
func mutants(t *testing.T, file scripts.File, sc *dialogue.Script) map[string][]byte {
	t.Helper()
	m := tree(t, file.Source)
	out := map[string][]byte{}
	take := func(kind string, path ...string) {
		t.Helper()
		left, ok := without(m, path...)
		if !ok {
			t.Fatalf("%s: there is no %v", file.Path, path)
		}
		out[kind+" "+strings.Join(path, ".")] = text(t, left.(yaml.MapSlice))
	}
	take("disclosure", "disclosure")
	notice := get(m, "disclosure").(yaml.MapSlice)
	if say := get(notice, "say"); len(keysIn(say)) > 1 {
		for _, lang := range keysIn(say) {
			take("disclosure", "disclosure", "say", lang)
		}
	}
	n := 0
	for name, from := range map[string]*regexp.Regexp{"recorded": recorded, "machine": machines} {
		change(notice, func(s string) string { return from.ReplaceAllString(s, "") }, func(x any) {
			n++
			out[fmt.Sprint("disclosure without ", name, " ", n)] = text(t, with(m, "disclosure", x))
		})
	}
	for _, path := range exitKeys(m) {
		take("exit", path...)
		out["exit turned "+strings.Join(path, ".")] = text(t, turned(m, path...).(yaml.MapSlice))
	}
	for _, b := range sc.Written().Bounds {
		if b.Written && (b.At.File == "" || b.At.File == file.Path) {
			take("bound", boundPath(b)...)
		}
	}
	return out
}

func boundPath(b dialogue.Bound) []string {
	switch {
	case b.Owner == "":
		return []string{"limits", b.What}
	case b.What == "depth":
		return []string{"objections", b.Owner, "depth"}
	case b.What == "compose":
		return []string{"nodes", b.Owner, "compose", "turns"}
	}
	return []string{"nodes", b.Owner, b.What, "limit"}
}

// exitKeys are the keys of the script and of its nodes that lead out.
func exitKeys(m yaml.MapSlice) [][]string {
	var out [][]string
	look := func(keys any, path ...string) {
		if k, ok := keys.(yaml.MapSlice); ok {
			for _, e := range k {
				if e.Value == "stop" || e.Value == "human" {
					out = append(out, append(slices.Clone(path), fmt.Sprint(e.Key)))
				}
			}
		}
	}
	look(get(m, "keys"), "keys")
	if nodes, ok := get(m, "nodes").(yaml.MapSlice); ok {
		for _, e := range nodes {
			if n, ok := e.Value.(yaml.MapSlice); ok {
				look(get(n, "keys"), "nodes", fmt.Sprint(e.Key), "keys")
			}
		}
	}
	return out
}

// turned gives a key another meaning: it says the last words again.
func turned(v any, path ...string) any {
	m, ok := v.(yaml.MapSlice)
	if !ok {
		return v
	}
	m = slices.Clone(m)
	for i, e := range m {
		if fmt.Sprint(e.Key) == path[0] {
			if len(path) == 1 {
				m[i].Value = "repeat"
			} else {
				m[i].Value = turned(e.Value, path[1:]...)
			}
		}
	}
	return m
}

// Taking any notice, any exit or any bound of a loop out of any shipped pack
// is refused, every time.
func TestRow_M8_MutatedPacksAreRefused(t *testing.T) {
	t.Parallel()
	shared, err := scripts.Shared()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := dialogue.NewLibrary(shared)
	if err != nil {
		t.Fatal(err)
	}
	all, err := scripts.All()
	if err != nil {
		t.Fatal(err)
	}
	kinds, packs := map[string]int{}, shipped(t)
	var mu sync.Mutex
	count := func(kind string) {
		mu.Lock()
		defer mu.Unlock()
		kinds[kind]++
	}
	var wg sync.WaitGroup
	for _, f := range all {
		wg.Go(func() { mutate(t, lib, f, packs[f.Path], count) })
	}
	wg.Wait()
	t.Logf("%d packs, %d mutants, all refused: %v", len(all), kinds["disclosure"]+kinds["exit"]+kinds["bound"], kinds)
	if kinds["disclosure"] < 2*len(all) || kinds["bound"] < 3*len(all) || kinds["exit"] < 2 {
		t.Errorf("too few mutants to prove much: %v", kinds)
	}
}

// mutate checks every mutant of one pack.
func mutate(t *testing.T, lib *dialogue.Library, f scripts.File, sc *dialogue.Script, count func(kind string)) {
	if r := Source(lib, f.Path, text(t, tree(t, f.Source)), Options{}); !r.OK() {
		t.Errorf("%s, rewritten, is refused: %v", f.Path, r.Err())
		return
	}
	for name, src := range mutants(t, f, sc) {
		kind, _, _ := strings.Cut(name, " ")
		r := Source(lib, f.Path, src, Options{})
		if r.OK() && kind == "bound" && !hasLoop(sc, name) {
			count("bounds of loops that the pack has not")
			continue
		}
		count(kind)
		if r.OK() {
			t.Errorf("%s without %s passes", f.Path, name)
			continue
		}
		want := map[string][]Rule{"disclosure": {Disclosure, Unreachable, Syntax}, "exit": {Exit}, "bound": {Loop}}[kind]
		if !slices.ContainsFunc(r.Findings, func(f Finding) bool { return slices.Contains(want, f.Rule) }) {
			t.Errorf("%s without %s is refused for another reason: %v", f.Path, name, r.Err())
		}
	}
}

// hasLoop, found without the checker: nodes that lead back to themselves for
// limits.visits, objections for limits.objections. A pack may write the bound
// of a loop that it has not; taking it out then takes nothing away.
func hasLoop(sc *dialogue.Script, bound string) bool {
	m := sc.Model()
	switch bound {
	case "bound limits.objections":
		return len(m.Objections) > 0
	case "bound limits.visits":
	default:
		return true
	}
	to := map[string][]string{}
	put := func(from string, t dialogue.TargetModel) {
		switch t.Goal {
		case "node":
			to[from] = append(to[from], t.Node)
		case "return":
			for _, n := range m.Nodes {
				to[from] = append(to[from], n.ID)
			}
		case "transfer":
			for _, failed := range []*dialogue.TargetModel{t.Failed, m.Handover} {
				for ; failed != nil; failed = failed.Failed {
					to[from] = append(to[from], failed.Node)
				}
			}
		}
	}
	for _, n := range m.Nodes {
		for _, list := range [][]dialogue.ReplyModel{n.Replies, n.Keys, n.Skip, n.Route, m.Keys} {
			for _, r := range list {
				put(n.ID, r.To)
			}
		}
		put(n.ID, n.NoMatch.Then)
		put(n.ID, n.Silence.Then)
		for _, o := range m.Objections {
			put(n.ID, o.To)
			put(n.ID, o.Worn)
		}
		if m.Handover != nil {
			put(n.ID, *m.Handover)
		}
	}
	for _, n := range m.Nodes {
		seen, queue := map[string]bool{}, slices.Clone(to[n.ID])
		for len(queue) > 0 {
			id := queue[0]
			queue = queue[1:]
			if id == n.ID && n.Listens {
				return true
			}
			if !seen[id] {
				seen[id] = true
				queue = append(queue, to[id]...)
			}
		}
	}
	return false
}

// The engine says nothing before the notice has been heard. Should it ever,
// after whatever has happened, the check sees it.
func TestRow_M8_AnEngineThatSpeaksTooEarlyIsRefused(t *testing.T) {
	t.Parallel()
	for path, sc := range shipped(t) {
		for _, when := range []dialogue.InputKind{dialogue.Silence, dialogue.Heard, dialogue.KeysPressed, dialogue.Deaf, dialogue.Machine, dialogue.TransferFailed} {
			c := newChecker(sc, Options{File: path})
			c.next = func(st dialogue.State, in dialogue.Input, now time.Time) (dialogue.State, dialogue.Move) {
				next, mv := sc.Next(st, in, now)
				if in.Kind == when && !st.Disclosed && st.Notices > 1 { // the second time only
					mv.Lines = append(mv.Lines, dialogue.Line{ID: "offer.0", Text: "全场八折"})
				}
				return next, mv
			}
			c.explore()
			c.noticeFirst()
			if !slices.ContainsFunc(c.out.list, func(f Finding) bool { return f.Rule == Disclosure && len(f.Path) > 2 }) {
				t.Errorf("%s: business after %s passes", path, when)
			}
		}
	}
}

// The engine gives every node its exits. Should it ever lose one, at one node,
// the check sees it: the engine itself is tried.
func TestRow_M8_AnEngineWithoutAnExitIsRefused(t *testing.T) {
	t.Parallel()
	total := 0
	for path, sc := range shipped(t) {
		for _, n := range newChecker(sc, Options{}).m.nodes {
			if !n.listens || n.engine {
				continue
			}
			for _, e := range exitsOf() {
				c := newChecker(sc, Options{File: path})
				c.next = func(st dialogue.State, in dialogue.Input, now time.Time) (dialogue.State, dialogue.Move) {
					if st.Node == n.id && in.Text == e.words {
						in.Text = "嗯嗯" // not heard
					}
					return sc.Next(st, in, now)
				}
				c.explore()
				c.exits()
				total++
				if !slices.ContainsFunc(c.out.list, func(f Finding) bool { return f.Rule == Exit && f.Node == n.id && len(f.Path) > 1 }) {
					t.Errorf("%s: node %s without %s passes", path, n.id, e.kind)
				}
			}
		}
	}
	t.Logf("%d exits taken away, all refused", total)
}
