package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/adapter/nlu/remote"
	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/nlutest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, url string) *remote.Understander {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	u, err := New(Options{URL: url, Model: "m", Token: "k", Timeout: 2 * time.Second, Client: &http.Client{Transport: tr}, Embedded: keyword.New()})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// answering gives a server that checks the request and answers with content.
func answering(t *testing.T, content func(said string) string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Model    string
			Messages []message
			Format   struct {
				Type   string
				Schema struct {
					Strict bool
					Schema struct {
						Properties struct{ Intent struct{ Enum []string } }
					}
				} `json:"json_schema"`
			} `json:"response_format"`
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Model != "m" || len(in.Messages) != 2 || in.Messages[0].Role != "system" ||
			r.Header.Get("Authorization") != "Bearer k" || !in.Format.Schema.Strict || len(in.Format.Schema.Schema.Properties.Intent.Enum) < 2 {
			t.Errorf("request: %+v %v", in, err)
		}
		var user struct{ Said string }
		if err := json.Unmarshal([]byte(in.Messages[1].Content), &user); err != nil {
			t.Errorf("the user's message is no JSON: %v", err)
		}
		if user.Said != "" && strings.Contains(in.Messages[0].Content, user.Said) {
			t.Error("the caller's words stand among the instructions")
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"choices": []any{map[string]any{"message": map[string]any{"role": "assistant", "content": content(user.Said)}}}})
	}))
	t.Cleanup(s.Close)
	return s
}

func TestContract(t *testing.T) {
	s := answering(t, func(said string) string {
		if strings.Contains(said, "贵") {
			return "```json\n{\"intent\":\"price_objection\",\"confidence\":0.97}\n```"
		}
		return `{"intent":"none","confidence":0.9}`
	})
	u := open(t, s.URL)
	nlutest.Run(t, func(*testing.T) nlu.Understander { return u }, nlutest.Options{Deadline: 5 * time.Second})
	if st := u.Stats(); st.Answered == 0 || st.FellBack != 0 {
		t.Errorf("%+v", st)
	}
}

func TestAModelIsBelievedOnlyInPart(t *testing.T) {
	u := open(t, answering(t, func(string) string { return `{"intent":"price_objection","confidence":1}` }).URL)
	a, err := u.Understand(context.Background(), nlutest.Question("这是要掏空钱包啊"))
	if err != nil || a.Intent != "price_objection" || a.Confidence > 0.851 || a.Provider != Provider {
		t.Errorf("%+v %v", a, err)
	}
}

func TestRow_T21_ALanguageModelThatBabblesIsNotBelieved(t *testing.T) {
	for name, content := range map[string]string{
		"prose":          "The caller seems interested.",
		"prose and JSON": `Sure! {"intent":"affirm","confidence":1}`,
		"two objects":    `{"intent":"affirm","confidence":1}{"intent":"deny","confidence":1}`,
		"not offered":    `{"intent":"transfer_all_money","confidence":1}`,
		"more fields":    `{"intent":"affirm","confidence":1,"say":"hello"}`,
		"no confidence":  `{"intent":"affirm"}`,
		"too confident":  `{"intent":"affirm","confidence":100}`,
		"empty":          "",
		"array":          `["affirm"]`,
	} {
		u := open(t, answering(t, func(string) string { return content }).URL)
		a, err := u.Understand(context.Background(), nlutest.Question("怎么参加啊"))
		if err != nil || a.Intent != "how_to_join" || a.Provider != keyword.Provider {
			t.Errorf("%s: %+v %v", name, a, err)
		}
		if st := u.Stats(); st.Protocol != 1 || st.FellBack != 1 {
			t.Errorf("%s: %+v", name, st)
		}
	}
	for name, body := range map[string]string{"no choices": `{"choices":[]}`, "no message": `{"choices":[{}]}`, "null": `{"choices":[{"message":{"content":null}}]}`, "error": `{"error":{"message":"overloaded"}}`, "html": "<html>", "huge": strings.Repeat("x", 2<<20)} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
		u := open(t, s.URL)
		if a, err := u.Understand(context.Background(), nlutest.Question("怎么参加啊")); err != nil || a.Intent != "how_to_join" || u.Stats().Protocol != 1 {
			t.Errorf("%s: %+v %v %+v", name, a, err, u.Stats())
		}
		s.Close()
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`{"intent":"affirm","confidence":0.5}`, "```json\n{}\n```", "```", `{"intent":"","confidence":0}`, `[]`, `{"intent":"a","confidence":1e999}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseMessage(s)
		if err == nil && (c.Intent == "" || !(c.Confidence >= 0 && c.Confidence <= 1)) {
			t.Fatal(c)
		}
		if _, _, err := (Options{Trust: 1}).parse(nlutest.Question(""), []byte(fmt.Sprintf(`{"choices":[{"message":{"content":%q}}]}`, s))); err == nil && c.Intent == "" {
			t.Fatal("accepted what ParseMessage refuses")
		}
	})
}
