package api_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The examples of docs/api.md are run as they stand there.
func TestExamplesOfTheManual(t *testing.T) {
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	b := newBed(t)
	b.person("12345")
	a, rec := b.recorded()
	vars := strings.NewReplacer("$API", "", "$KEY", b.key, "$TASK", a.Contact.ID.String(), "$ATTEMPT", a.ID.String(), "$RECORDING", rec.ID.String())
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		want := ""
		for line := range strings.SplitSeq(strings.ReplaceAll(block[1], "\\\n", " "), "\n") {
			if comment, ok := strings.CutPrefix(line, "# "); ok {
				want = comment
				continue
			}
			if !strings.HasPrefix(line, "curl ") {
				continue
			}
			method, path, body, headers := curl(t, vars.Replace(line))
			headers = append([]string{"Authorization: "}, headers...) // only what the example itself sends
			got := b.do(method, path, body, headers...)
			if !strings.HasPrefix(want, strconv.Itoa(got.Code)) && !strings.Contains(want, "or "+strconv.Itoa(got.Code)) {
				t.Errorf("%s\n%d %s, the manual says %s", line, got.Code, got.Body, want)
			}
			ran++
		}
	}
	if ran < 17 {
		t.Errorf("only %d examples were found", ran)
	}
	for _, block := range regexp.MustCompile("(?s)```json\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		if !json.Valid([]byte(block[1])) {
			t.Errorf("not JSON:\n%s", block[1])
		}
	}
}

// curl reads a command line of the manual: words, 'single' and "double"
// quotes.
func curl(t *testing.T, line string) (method, path, body string, headers []string) {
	t.Helper()
	var words []string
	for _, m := range regexp.MustCompile(`'([^']*)'|"([^"]*)"|(\S+)`).FindAllStringSubmatch(line, -1) {
		words = append(words, m[1]+m[2]+m[3])
	}
	method = "GET"
	for i := 1; i < len(words); i++ {
		switch words[i] {
		case "-s":
		case "-X":
			i++
			method = words[i]
		case "-H":
			i++
			headers = append(headers, words[i])
		case "-d":
			i++
			body = words[i]
			if method == "GET" {
				method = "POST"
			}
		case "-o":
			i++
		default:
			if path != "" || !strings.HasPrefix(words[i], "/") {
				t.Fatalf("%q in %s", words[i], line)
			}
			path = words[i]
		}
	}
	return method, path, body, headers
}
