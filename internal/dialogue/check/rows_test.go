package check

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"ringmaster/internal/dialogue"
	"ringmaster/scripts"
)

// matrix is a script whose one question has a wording of one tone, reached by
// customers of every segment, or of those that a condition leaves.
func matrix(tone, when string) string {
	skip := ""
	if when != "" {
		skip = "    skip: [{when: '" + when + "', goto: bye}]\n"
	}
	return `format: ringmaster/1
id: matrix
title: Matrix
industry: collections
purpose: collections
language: cmn
variables: {days: {type: number, required: true}, able: {type: bool, default: true}}
segments:
  - {name: late, when: vars.days > 60}
  - {name: mid, when: vars.days > 30 and vars.able}
  - {name: early}
tone: {ceilings: {early: soft, mid: firm, late: strong}, otherwise: soft}
limits: {turns: 10, no_match: 2, silence: 2}
disclosure: {say: 我是人工智能语音助手，本次通话将会录音。}
start: hello
nodes:
  hello:
    say: 您好，方便说话吗？
    expect: [{intent: affirm, goto: ask}, {intent: deny, goto: bye}]
  ask:
` + skip + `    say:
      - {text: 您什么时候还款？, tone: ` + tone + `}
    expect: [{intent: affirm, goto: bye}, {intent: deny, goto: bye}]
  bye: {say: 再见。, end: completed}
`
}

// Segment by tone: a line is refused for exactly those segments whose ceiling
// it is over, unless they are led another way; the finding names them.
func TestRow_S17_CeilingsAreEnforcedByTheCheck(t *testing.T) {
	t.Parallel()
	ceilings := map[string]dialogue.Tone{"early": dialogue.Soft, "mid": dialogue.Firm, "late": dialogue.Strong}
	cells, refused := 0, 0
	for tone, level := range map[string]dialogue.Tone{"soft": dialogue.Soft, "firm": dialogue.Firm, "strong": dialogue.Strong} {
		for segment, ceiling := range ceilings {
			others := []string{}
			for s := range ceilings {
				if s != segment {
					others = append(others, fmt.Sprintf("segment == %q", s))
				}
			}
			slices.Sort(others)
			r := Source(nil, "matrix.yaml", []byte(matrix(tone, strings.Join(others, " or "))), Options{})
			cells++
			if level <= ceiling {
				if !r.OK() {
					t.Errorf("%s to %s is within the ceiling: %v", tone, segment, r.Err())
				}
				continue
			}
			refused++
			if len(r.Findings) != 1 || r.Findings[0].Rule != Tone || r.Findings[0].Whom != "segment is "+segment || len(r.Findings[0].Path) < 4 {
				t.Errorf("%s to %s is over the ceiling: %v", tone, segment, r.Err())
			}
		}
	}
	t.Logf("%d cells of segment x tone, %d over the ceiling, every one refused and no other", cells, refused)

	// In the shipped pack: every line said to everybody in each tone.
	shared, err := scripts.Shared()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := dialogue.NewLibrary(shared)
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile("../../../scripts/finance/collections.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m := tree(t, src)
	raised := 0
	change(get(m, "nodes"), func(s string) string { // each soft wording taken away, one at a time
		if s == "soft" {
			return "strong"
		}
		return s
	}, func(x any) {
		raised++
		if r := Source(lib, "collections.yaml", text(t, with(m, "nodes", x)), Options{}); !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Rule == Tone }) {
			t.Errorf("a soft wording made strong passes: %v", r.Err())
		}
	})
	tone := get(m, "tone").(yaml.MapSlice)
	for _, seg := range keysIn(get(tone, "ceilings")) {
		t.Logf("ceiling of %s: %v", seg, get(get(tone, "ceilings").(yaml.MapSlice), seg))
	}
	t.Logf("%d wordings of the pack raised, all refused", raised)
}

// Every vague and every banned phrase of every shipped lexicon, put into a line
// of a script of that industry, is refused at its place; the line without it
// passes.
func TestRow_S23_VagueWordsFailTheCheck(t *testing.T) {
	t.Parallel()
	shared, err := scripts.Shared()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := dialogue.NewLibrary(shared)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[Rule]int{}
	for _, path := range sortedKeys(shared) {
		industry, name, _ := strings.Cut(path, "/")
		if name != "lexicon.yaml" {
			continue
		}
		src := func(words string) []byte {
			m := strings.Replace(matrix("soft", ""), "industry: collections", "industry: "+industry, 1)
			return []byte(strings.Replace(m, "您什么时候还款？", words, 1))
		}
		if r := Source(lib, "vague.yaml", src("张先生，您预约的明天上午10点血糖复查，请空腹前往。"), Options{}); !r.OK() {
			t.Errorf("%s: %v", industry, r.Err())
		}
		for rule, list := range map[Rule]string{Vague: "vague", Banned: "banned"} {
			for _, p := range phrasesIn(t, shared[path], list) {
				r := Source(lib, "vague.yaml", src("您好，"+p+"，可以吗？"), Options{})
				counts[rule]++
				if len(r.Findings) == 0 || r.Findings[0].Line != 22 || len(r.Findings[0].Path) < 4 || r.Findings[0].Rule != rule && r.Findings[0].Rule != Banned {
					t.Errorf("%s: %q passes: %v", industry, p, r.Err())
				}
			}
		}
	}
	t.Logf("phrases put into scripts, all refused: %v", counts)
	if counts[Vague] < 20 || counts[Banned] < 20 {
		t.Errorf("too few phrases to prove much: %v", counts)
	}
}

func phrasesIn(t *testing.T, lexicon []byte, list string) []string {
	t.Helper()
	var out []string
	for _, e := range get(tree(t, lexicon), list).([]any) {
		switch e := e.(type) {
		case string:
			out = append(out, e)
		case yaml.MapSlice:
			out = append(out, fmt.Sprint(get(e, "phrase")))
		}
	}
	return out
}

// An offer outside the customer's tier: in every pack with offers, each
// fallback of an offer taken away, so that everybody would hear it, is
// refused.
func TestRow_S29_OfferOutsideItsTierFailsTheCheck(t *testing.T) {
	t.Parallel()
	shared, err := scripts.Shared()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := dialogue.NewLibrary(shared)
	if err != nil {
		t.Fatal(err)
	}
	total := 0
	for path, sc := range shipped(t) {
		model := sc.Model()
		if len(model.Offers) == 0 {
			continue
		}
		src, err := scripts.FS().(interface{ ReadFile(string) ([]byte, error) }).ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m := tree(t, src)
		for _, o := range model.Offers {
			left := tree(t, src)
			end := yaml.MapSlice{{Key: "say", Value: "给您{{offer." + o.ID + "}}，再见。"}, {Key: "end", Value: "completed"}}
			nodes := append(slices.Clone(get(left, "nodes").(yaml.MapSlice)), yaml.MapItem{Key: "bye_with_offer", Value: end})
			start := fmt.Sprint(get(m, "start"))
			first := get(nodes, start).(yaml.MapSlice)
			list, _ := get(first, "expect").([]any)
			list = append([]any{yaml.MapSlice{{Key: "intent", Value: "greeting"}, {Key: "goto", Value: "bye_with_offer"}}}, list...)
			r := Source(lib, path, text(t, with(left, "nodes", with(nodes, start, with(first, "expect", list)))), Options{})
			total++
			if i := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Rule == Offer }); i < 0 || len(r.Findings[i].Path) < 3 || !strings.Contains(r.Findings[i].Whom, " is ") {
				t.Errorf("%s: offer %s to everybody passes: %v", path, o.ID, r.Err())
			}
		}
	}
	t.Logf("%d offers said to everybody, all refused", total)
	if total == 0 {
		t.Error("no pack has offers")
	}
}
