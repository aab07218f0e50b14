package scripts

import (
	"context"
	"io/fs"
	"os"
	"strings"
	"testing"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/adapter/nlu/trained"
	"ringmaster/internal/dialogue/rehearse"
	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/classify"
)

// The conversations lead to the same places when a model of the script version
// stands beside the keywords, as it does by default. RINGMASTER_PROVE=1 tries
// every pack, else the one with the most to confuse.
func TestConversationsWithTheModel(t *testing.T) {
	total, elsewhere := 0, 0
	for path, s := range compiled(t) {
		if path != "finance/wealth_consult.yaml" && os.Getenv("RINGMASTER_PROVE") == "" || s.Info().Industry == "demo" {
			continue
		}
		u := trained.New(trained.Options{Keyword: keyword.New(), Source: func(context.Context, string, string, string) ([]classify.Example, error) {
			return trained.Examples(s.Expectations()), nil
		}})
		if err := u.Train(t.Context(), nlu.Question{Script: s.Info().ID, Version: s.Info().Version}); err != nil {
			t.Fatal(err)
		}
		file := strings.TrimSuffix(path, ".yaml") + ".test.yaml"
		src, err := fs.ReadFile(FS(), file)
		if err != nil {
			t.Fatal(err)
		}
		suite, err := rehearse.Load(file, src)
		if err != nil {
			t.Fatal(err)
		}
		rep := suite.Run(t.Context(), s, u)
		u.Close()
		total += len(rep.Results)
		for _, r := range rep.Results {
			for _, p := range r.Problems {
				if !strings.Contains(p, " should mean ") { // another intent may lead to the same place
					elsewhere++
					t.Log(r)
					break
				}
			}
		}
	}
	t.Logf("%d of %d conversations go as written", total-elsewhere, total)
	if elsewhere*100 > total {
		t.Errorf("%d of %d conversations go elsewhere", elsewhere, total)
	}
}
