package scripts

import (
	"context"
	"io/fs"
	"strings"
	"testing"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/rehearse"
)

// library holds what the shipped scripts share.
func library(t testing.TB) *dialogue.Library {
	t.Helper()
	shared, err := Shared()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := dialogue.NewLibrary(shared)
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

func compiled(t testing.TB) map[string]*dialogue.Script {
	t.Helper()
	all, err := All()
	if err != nil || len(all) < 3 {
		t.Fatalf("%d scripts, %v", len(all), err)
	}
	lib := library(t)
	out := map[string]*dialogue.Script{}
	for _, f := range all {
		s, err := lib.Compile(f.Path, f.Source)
		if err != nil {
			t.Fatalf("%v", err)
		}
		out[f.Path] = s
	}
	return out
}

// Every shipped script is rehearsed by the conversations beside it, and they
// reach every node and nearly every reply. `go test -v -run Conversations
// ./scripts` prints the coverage.
func TestConversations(t *testing.T) {
	for path, s := range compiled(t) {
		t.Run(path, func(t *testing.T) {
			file := strings.TrimSuffix(path, ".yaml") + ".test.yaml"
			src, err := fs.ReadFile(FS(), file)
			if err != nil {
				t.Fatalf("no conversation tests beside it: %v", err)
			}
			suite, err := rehearse.Load(file, src)
			if err != nil {
				t.Fatal(err)
			}
			if suite.Script != s.Info().ID {
				t.Errorf("the conversations are for %q, the script is %q", suite.Script, s.Info().ID)
			}
			rep := suite.Run(context.Background(), s, keyword.New())
			for _, r := range rep.Results {
				if len(r.Problems) > 0 {
					t.Errorf("%s", r)
				}
			}
			info := s.Info()
			nodes, replies := rehearse.Untouched(info.Nodes, rep.Nodes), rehearse.Untouched(info.Replies, rep.Replies)
			t.Logf("%s: %d conversations, %d of %d nodes, %d of %d replies; replies not taken: %v", info.ID, len(rep.Results),
				len(info.Nodes)-len(nodes), len(info.Nodes), len(info.Replies)-len(replies), len(info.Replies), replies)
			if len(nodes) > 0 {
				t.Errorf("no conversation reaches %v", nodes)
			}
			if info.Industry == "demo" {
				return
			}
			if len(replies)*10 > len(info.Replies) {
				t.Errorf("more than a tenth of the replies is never taken: %v", replies)
			}
			ends := map[string]bool{}
			for _, c := range suite.Conversations {
				ends[c.Expect.Disposition] = true
			}
			if len(suite.Conversations) < 8 || !ends["opted_out"] || !ends["complaint"] {
				t.Errorf("%d conversations that end as %v: at least 8 are wanted, a stop and a complaint among them", len(suite.Conversations), ends)
			}
		})
	}
}
