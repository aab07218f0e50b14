package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const shippedPromotion = "../../scripts/retail/promotion_001.yaml"

// script runs a subcommand with what somebody types.
func script(t *testing.T, typed string, args ...string) (string, error) {
	t.Helper()
	cmd := scriptCommand()
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	var out bytes.Buffer
	cmd.SetIn(strings.NewReader(typed))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(args)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

// beside puts a shipped script and conversations of our own into a folder.
func beside(t *testing.T, talk string) string {
	t.Helper()
	src, err := os.ReadFile(shippedPromotion)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "promotion_001.yaml")
	if err := os.WriteFile(file, src, 0o600); err != nil {
		t.Fatal(err)
	}
	if talk != "" {
		if err := os.WriteFile(strings.TrimSuffix(file, ".yaml")+".test.yaml", []byte(talk), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

const declines = `script: promotion_001
now: 2026-10-01T14:00:00+08:00
customer: {id: "1", name: 张三, vars: {ends: 2026-10-07}}
conversations:
  - name: declines
    talk:
      - us: 本次通话将会录音
      - {them: 方便, node: offer}
      - {them: 不用了, node: ask_reason}
    expect: {tags: [offer_heard]}
`

func TestScriptTestPlaysTheConversationsBesideAScript(t *testing.T) {
	out, err := script(t, "", "test", "--understanding", "keyword", beside(t, declines))
	if err != nil || !strings.Contains(out, "promotion_001") || !strings.Contains(out, "confirm") {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err = script(t, "", "test", "--json", "--understanding", "keyword", beside(t, strings.Replace(declines, "node: ask_reason", "node: confirm", 1)))
	if err == nil || !strings.Contains(err.Error(), "1 of 1") {
		t.Fatalf("a conversation that goes elsewhere: %v", err)
	}
	var all []rehearsal
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if len(all) != 1 || all[0].Failed != 1 || len(all[0].Problems) != 1 || len(all[0].Problems[0].Transcript) == 0 || len(all[0].NodesMissed) == 0 {
		t.Fatalf("%+v", all)
	}
	for name, file := range map[string]string{"no conversations": beside(t, ""), "another script's": beside(t, strings.Replace(declines, "promotion_001", "other", 1)),
		"not YAML": beside(t, "conversations: [")} {
		if out, err := script(t, "", "test", "--understanding", "keyword", file); err == nil || !strings.Contains(out, "cannot be tested") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if _, err := script(t, "", "test", "--understanding", "magic", shippedPromotion); err == nil {
		t.Error("an understanding that does not exist")
	}
}

func TestScriptChatIsAConversation(t *testing.T) {
	file := beside(t, declines)
	out, err := script(t, "\n/keys x\n/help\n方便，你说吧\n可以\n食品\n没有了\n", "chat", "--understanding", "keyword", "--name", "李四", file)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"us: 您好，我是", "李四", "heard: affirm", "[category]", "slots: category=food", "+ tag signed_up", "/keys takes digits", "there are /silence",
		"= completed", "grade A"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not shown", want)
		}
	}
	for typed, want := range map[string]string{"别打了\n": "= opted_out", "/keys 9\n": "= opted_out", "/voicemail\n": "= voicemail", "/silence\n/silence\n/silence\n/silence\n": "= no_input",
		"转人工\n": "+ ticket human_wanted", "/quit\n": "> ", "": "> "} {
		out, err := script(t, typed, "chat", "--understanding", "keyword", file)
		if err != nil || !strings.Contains(out, want) {
			t.Errorf("%q: %v, no %q in\n%s", typed, err, want, out)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
	if _, err := script(t, "", "chat", "../../scripts/retail"); err == nil || !strings.Contains(err.Error(), "name one") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := script(t, "", "chat", file, "--var", "brnad=x"); err == nil || !strings.Contains(err.Error(), "the script has the variables gender") {
		t.Errorf("a variable that the script has not: %v", err)
	}
	if out, err := script(t, "/quit\n", "chat", "--understanding", "keyword", file); err != nil || !strings.Contains(out, "us: 张") {
		t.Errorf("the customer of the conversations beside it is not talked to: %v\n%s", err, out)
	}
}
