package internal_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"sort"
	"strings"
	"testing"
)

// allowed is the import table of docs/architecture.md: package to the packages
// of this module that it may import. A trailing /... stands for the folder and
// everything below it. Test files may import more.
var allowed = map[string]string{
	"internal/phone":   "",
	"internal/audio":   "",
	"internal/mailbox": "",

	"internal/campaign":   "internal/phone internal/speech",
	"internal/speech":     "internal/audio",
	"internal/nlu":        "internal/speech",
	"internal/pbx":        "internal/audio internal/phone",
	"internal/compliance": "internal/campaign internal/phone",
	"internal/pacing":     "",
	"internal/recommend":  "",
	"internal/redact":     "",
	"internal/label":      "internal/audio",
	"internal/vault":      "",
	"internal/turn":       "internal/audio internal/turn/lanes",
	"internal/turn/lanes": "",
	"internal/amd":        "internal/audio internal/turn",
	"internal/dialogue":   "internal/campaign internal/nlu internal/phone internal/speech internal/speech/voices",

	"internal/speech/voices": "internal/speech",

	"internal/dialogue/check":    "internal/campaign internal/dialogue internal/nlu internal/nlu/classify internal/speech internal/speech/voices",
	"internal/dialogue/rehearse": "internal/campaign internal/dialogue internal/nlu internal/speech",
	"internal/dialogue/replay":   "internal/campaign internal/dialogue internal/nlu",
	"internal/dialogue/simulate": "internal/campaign internal/dialogue internal/dialogue/rehearse internal/nlu",

	"internal/compliance/ledger": "internal/compliance",

	"internal/nlu/classify": "",
	"internal/nlu/opinion":  "internal/nlu",
	"internal/nlu/correct":  "internal/speech",

	"internal/call":      "internal/amd internal/audio internal/campaign internal/dialogue internal/mailbox internal/nlu internal/pbx internal/phone internal/redact internal/speech internal/turn",
	"internal/scheduler": "internal/call internal/campaign internal/compliance internal/pacing internal/phone",
	"internal/outbox":    "internal/campaign",
	"internal/api":       "internal/campaign internal/compliance internal/outbox internal/phone internal/scheduler internal/speech",
	"internal/app":       "adapter/... config dialplan internal/... scripts",

	"internal/phone/phonetest": "",

	// Contract suites stand beside their ports.
	"internal/pbx/pbxtest":         "internal/audio internal/mailbox internal/pbx internal/phone internal/lab/twin/callee",
	"internal/speech/speechtest":   "internal/audio internal/speech",
	"internal/nlu/nlutest":         "internal/nlu internal/speech",
	"internal/scheduler/storetest": "internal/api internal/campaign internal/compliance internal/compliance/ledger internal/outbox internal/phone internal/scheduler internal/speech",
	"internal/turn/turntest":       "internal/audio internal/turn",

	// Adapters speak foreign protocols and decide nothing.
	"adapter/asterisk":                "adapter/asterisk/ari adapter/media internal/audio internal/mailbox internal/pbx internal/phone",
	"adapter/asterisk/ari":            "internal/pbx",
	"adapter/asterisk/ari/aritest":    "",
	"adapter/freeswitch":              "adapter/freeswitch/esl adapter/media internal/audio internal/mailbox internal/pbx internal/phone",
	"adapter/freeswitch/esl":          "internal/mailbox internal/pbx",
	"adapter/freeswitch/esl/recorded": "",
	"adapter/freeswitch/esl/esltest":  "",
	"adapter/media":                   "internal/audio internal/pbx",
	"adapter/media/mediabench":        "adapter/media internal/audio internal/pbx internal/turn",
	"adapter/speech/live":             "internal/audio internal/speech",
	"adapter/speech/funasr":           "internal/audio internal/speech adapter/speech/live",
	"adapter/speech/level":            "internal/audio internal/speech",
	"adapter/speech/espeak":           "internal/audio internal/speech adapter/speech/level",
	"adapter/speech/openai":           "internal/audio internal/speech",
	"adapter/speech/dashscope":        "internal/audio internal/speech adapter/speech/live",
	"adapter/speech/cache":            "internal/audio internal/speech adapter/speech/level",
	"adapter/speech/hinted":           "internal/audio internal/speech",
	"adapter/speech/cast":             "adapter/speech/cache internal/speech internal/speech/voices",
	"adapter/nlu/keyword":             "internal/dialogue internal/nlu internal/speech", // dialogue: one table of stop words
	"adapter/nlu/trained":             "internal/nlu internal/nlu/classify internal/nlu/opinion",
	"adapter/nlu/remote":              "internal/nlu internal/nlu/opinion",
	"adapter/nlu/bert":                "adapter/nlu/remote internal/nlu",
	"adapter/nlu/openai":              "adapter/nlu/remote internal/nlu",
	"adapter/store":                   "internal/api internal/campaign internal/compliance internal/compliance/ledger internal/outbox internal/phone internal/scheduler internal/speech internal/vault",
	"adapter/archive/local":           "internal/audio internal/call internal/campaign",
	"adapter/webhook":                 "internal/outbox",

	"config":  "internal/audio internal/compliance internal/phone internal/speech internal/speech/voices",
	"scripts": "",

	"dialplan": "",
	"docker":   "", // tests alone

	"internal/app/bench": "adapter/store config internal/app internal/audio internal/campaign internal/lab/... internal/nlu internal/phone internal/speech",
	"internal/app/demo":  "config internal/app internal/call internal/campaign internal/lab/...",

	"cmd/ringmaster": "adapter/freeswitch/esl adapter/freeswitch/esl/recorded adapter/media/mediabench adapter/nlu/keyword adapter/nlu/trained config internal/app internal/app/bench internal/app/demo internal/compliance/ledger internal/dialogue/... internal/nlu internal/nlu/classify internal/speech internal/speech/voices scripts",
	"cmd/rows":       "",
	"cmd/prove":      "",

	// The lab: instruments and lab parts. Only app (demo, bench), cmd and tests use it.
	"internal/lab":     "internal/lab/...",
	"internal/lab/...": "internal/audio internal/phone internal/speech internal/mailbox internal/pbx internal/lab/...",
	"cmd/pbxsim":       "internal/audio internal/lab/...",
	"cmd/labasr":       "internal/lab/...",
}

// onlyIn says in which folders a foreign package may be imported.
var onlyIn = map[string]string{
	"gorm.io/":                   "adapter/store",
	"github.com/glebarez/sqlite": "adapter/store",
	"github.com/pressly/goose":   "adapter/store",
	"github.com/gin-gonic/gin":   "internal/api",
	"github.com/spf13/cobra":     "cmd",
	"github.com/emiago/sipgo":    "internal/lab adapter/media",
	"github.com/mozillazg/":      "internal/nlu/correct",
}

type listed struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "ringmaster/...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestImportsFollowTheTable(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, "ringmaster/")
		if name == "internal" { // this test
			continue
		}
		rule, entry, ok := ruleFor(name)
		if !ok {
			t.Errorf("%s is not in the import table: decide where it belongs and add a line", name)
			continue
		}
		seen[entry] = true
		for _, imp := range p.Imports {
			if own, ok := strings.CutPrefix(imp, "ringmaster/"); ok {
				if !permits(rule, own) {
					t.Errorf("%s imports %s: the table has no such arrow", name, own)
				}
				continue
			}
			for foreign, where := range onlyIn {
				if strings.HasPrefix(imp, foreign) && !under(name, where) {
					t.Errorf("%s imports %s, which belongs to %s only", name, imp, where)
				}
			}
		}
	}
	var stale []string
	for entry := range allowed {
		if !seen[entry] {
			stale = append(stale, entry)
		}
	}
	sort.Strings(stale)
	if len(stale) > 0 {
		t.Errorf("the table has lines for packages that do not exist: %s", strings.Join(stale, ", "))
	}
}

// The lab holds instruments: no product default may stand on one.
func TestOnlyDemoAndMeasurementsStandOnTheLab(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, "ringmaster/")
		for _, imp := range p.Imports {
			if strings.HasPrefix(imp, "ringmaster/internal/lab") && !strings.HasPrefix(imp, "ringmaster/internal/label") && !under(name, "internal/lab internal/app/bench internal/app/demo cmd/pbxsim cmd/labasr internal/pbx/pbxtest") {
				t.Errorf("%s imports %s: only the demo, the measurements, cmd and tests may use an instrument", name, imp)
			}
		}
	}
}

func ruleFor(name string) (rule, entry string, ok bool) {
	if rule, ok = allowed[name]; ok {
		return rule, name, true
	}
	for entry, rule := range allowed {
		if dir, wild := strings.CutSuffix(entry, "/..."); wild && strings.HasPrefix(name, dir+"/") {
			return rule, entry, true
		}
	}
	return "", "", false
}

func permits(rule, imp string) bool {
	for _, r := range strings.Fields(rule) {
		if dir, wild := strings.CutSuffix(r, "/..."); r == imp || wild && (imp == dir || strings.HasPrefix(imp, dir+"/")) {
			return true
		}
	}
	return false
}

func under(name, dirs string) bool {
	for _, d := range strings.Fields(dirs) {
		if name == d || strings.HasPrefix(name, d+"/") {
			return true
		}
	}
	return false
}
