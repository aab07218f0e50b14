package webhook

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What docs/webhooks.md tells receivers to do takes our signature and no other.
func TestSnippetsOfTheManualVerify(t *testing.T) {
	text, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	snippet := func(language string) string {
		m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindStringSubmatch(string(text))
		if m == nil {
			t.Fatalf("no %s in the manual", language)
		}
		return m[1]
	}
	if !json.Valid([]byte(snippet("json"))) {
		t.Error("the event is not JSON")
	}
	dir := t.TempDir()
	body := `{"words":"您好"}`
	now := strconv.FormatInt(time.Now().Unix(), 10)
	old := strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)
	good := Sign(secret, "id-1", now, []byte(body))
	// want, id, timestamp, signature, body
	cases := [][5]string{
		{"true", "id-1", now, good, body}, {"false", "id-2", now, good, body}, {"false", "id-1", now, good, body + " "}, {"false", "id-1", now, "v1,", body},
		{"false", "id-1", now, "", body}, {"false", "id-1", "", good, body}, {"false", "id-1", old, Sign(secret, "id-1", old, []byte(body)), body},
	}
	check := func(language, out string, err error) {
		t.Helper()
		want := ""
		for _, c := range cases {
			want += c[0] + "\n"
		}
		if err != nil || strings.ToLower(strings.ReplaceAll(out, "\r", "")) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", language, err, out, want)
		}
	}

	var program strings.Builder
	program.WriteString("package main\nimport (\n\"crypto/hmac\"\n\"crypto/sha256\"\n\"encoding/base64\"\n\"fmt\"\n\"net/http\"\n\"strconv\"\n\"time\"\n)\n" + snippet("go") + "func main() {\n")
	for _, c := range cases {
		fmt.Fprintf(&program, "fmt.Println(Verify([]byte(%q), http.Header{\"Webhook-Id\": {%q}, \"Webhook-Timestamp\": {%q}, \"Webhook-Signature\": {%q}}, []byte(%q), time.Now()))\n", secret, c[1], c[2], c[3], c[4])
	}
	program.WriteString("}\n")
	file := filepath.Join(dir, "main.go")
	if err := os.WriteFile(file, []byte(program.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", "run", file).CombinedOutput()
	check("Go", string(out), err)

	python, err := exec.LookPath("python3")
	if err != nil {
		t.Log("no python3 here: its snippet is checked where there is one")
		return
	}
	program.Reset()
	program.WriteString(snippet("python"))
	for _, c := range cases {
		headers, _ := json.Marshal(map[string]string{"webhook-id": c[1], "webhook-timestamp": c[2], "webhook-signature": c[3]})
		fmt.Fprintf(&program, "\nprint(verify(%q.encode(), %s, %q.encode()))", secret, headers, c[4])
	}
	out, err = exec.CommandContext(t.Context(), python, "-c", program.String()+"\n").CombinedOutput()
	check("Python", string(out), err)
}
