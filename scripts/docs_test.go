package scripts

import (
	"context"
	"os"
	"strings"
	"testing"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/check"
	"ringmaster/internal/dialogue/rehearse"
)

// The example of docs/scripts.md compiles, fits the schema, and passes its check
// and its conversations.
func TestDocumentedExample(t *testing.T) {
	doc, err := os.ReadFile("../docs/scripts.md")
	if err != nil {
		t.Fatal(err)
	}
	var script, suite string
	for _, block := range strings.Split(string(doc), "```yaml\n")[1:] {
		text, _, _ := strings.Cut(block, "```")
		switch {
		case strings.HasPrefix(text, "format:"):
			script = text
		case strings.HasPrefix(text, "script:"):
			suite = text
		}
	}
	s, err := dialogue.Compile("docs/scripts.md", []byte(script))
	if err != nil {
		t.Fatal(err)
	}
	if r := check.Run(s, check.Options{Understander: keyword.New()}); !r.OK() {
		t.Errorf("who copies the example is refused: %v", r.Err())
	}
	sch := loadSchema(t)
	for _, p := range sch.validate(sch, asJSON(t, []byte(script)), "docs/scripts.md") {
		t.Error(p)
	}
	talk, err := rehearse.Load("docs/scripts.md", []byte(suite))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range talk.Run(context.Background(), s, keyword.New()).Results {
		if len(r.Problems) > 0 {
			t.Error(r)
		}
	}
}
