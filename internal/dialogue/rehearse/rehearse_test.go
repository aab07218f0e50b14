package rehearse

import (
	"context"
	"os"
	"strings"
	"testing"

	"ringmaster/internal/dialogue"
	"ringmaster/internal/nlu"
)

// words understands by a list: enough to test the stage, not the actors.
type words map[string]nlu.Intent

func (w words) Understand(_ context.Context, q nlu.Question) (nlu.Answer, error) {
	return nlu.Answer{Intent: w[q.Said], Confidence: 1, Provider: "words"}, nil
}

func hello(t testing.TB) *dialogue.Script {
	t.Helper()
	src, err := os.ReadFile("../../../scripts/demo/hello.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := dialogue.Compile("hello.yaml", src)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t testing.TB, talk string) Report {
	t.Helper()
	s, err := Load("x.test.yaml", []byte("script: hello\nconversations:\n  - name: one\n"+talk))
	if err != nil {
		t.Fatal(err)
	}
	return s.Run(context.Background(), hello(t), words{"收到了": "affirm", "没有": "deny", "嗯": "affirm"})
}

func TestPasses(t *testing.T) {
	rep := run(t, `    talk:
      - us: 录音
      - {us: 资料了吗, why: the notice has been heard}
      - {barge: 嗯, heard: 0.2, resume: true}
      - {them: 收到了, intent: affirm, node: thanks}
      - not: 再寄
      - us: 谢谢
    expect: {disposition: completed, tags: [received], node: thanks, actions: ["tag: received"]}
`)
	if rep.Failed() != 0 {
		t.Fatal(rep.Results[0])
	}
	if got := Untouched(hello(t).Info().Nodes, rep.Nodes); len(got) != 1 || got[0] != "resend" {
		t.Errorf("untouched nodes: %v", got)
	}
	if got := Untouched(hello(t).Info().Replies, rep.Replies); len(got) != 1 || got[0] != "ask.2" {
		t.Errorf("untouched replies: %v", got)
	}
}

// Each expectation that is not met is told, with its step.
func TestFails(t *testing.T) {
	for talk, want := range map[string]string{
		"    talk: [{us: 优惠}]\n":                                 "step 1: we should say",
		"    talk: [{us: 资料了吗}, {us: 录音}]\n":                     "step 2: we should say",
		"    talk: [{not: 资料}]\n":                                "we should not say",
		"    talk: [{them: 收到了, intent: deny}]\n":                "should mean deny",
		"    talk: [{them: 收到了, node: resend}]\n":                "should lead to node resend",
		"    talk: [{them: 收到了, slots: {x: y}}]\n":               "slot x should be",
		"    talk: [{them: 收到了, why: nothing}]\n":                "the reason should hold",
		"    talk: [{us: 资料了吗, why: nothing}]\n":                 "step 1: the reason should hold",
		"    talk: [{them: 收到了, resume: true}]\n":                "resume should be true",
		"    talk: [{them: 收到了}, {silence: true}]\n":             "has already ended",
		"    talk: [{event: earthquake}]\n":                      "unknown event",
		"    talk: [{them: 收到了}, {barge: 嗯}]\n":                  "",
		"    expect: {disposition: completed}\n":                 "disposition should be",
		"    talk: [{them: 没有}]\n    expect: {tags: [a]}\n":      "tag a is missing",
		"    talk: [{them: 没有}]\n    expect: {actions: [sms]}\n": "action \"sms\" is missing",
		"    expect: {transfer: sales}\n":                        "should be a transfer",
		"    expect: {grade: A}\n":                               "grade should be",
		"    expect: {callback: 2026-10-02T15:00}\n":             "callback should be",
	} {
		rep := run(t, talk)
		if want == "" {
			continue
		}
		if rep.Failed() != 1 || !strings.Contains(rep.Results[0].String(), want) {
			t.Errorf("%q:\n%s\nwanted %q", talk, rep.Results[0], want)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	for src, want := range map[string]string{
		"script: x\n":                                            "no conversations",
		"script: x\nconversation: []\n":                          "unknown field",
		"now: noon\nconversations: [{name: a}]\n":                "is not a time",
		"conversations: [{name: a, talk: [{us: a, them: b}]}]\n": "exactly one",
		"conversations: [{name: a, talk: [{intent: b}]}]\n":      "exactly one",
		"conversations: [":                                       "x.yaml",
	} {
		if _, err := Load("x.yaml", []byte(src)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, wanted %q", src, err, want)
		}
	}
	if _, err := Load("x.yaml", make([]byte, maxFile+1)); err == nil {
		t.Error("a huge file is read")
	}
}
