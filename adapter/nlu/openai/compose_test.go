package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/nlutest"
)

// model is a server that speaks the protocol and misbehaves as it is told.
func model(t *testing.T, f nlutest.Fault) *httptest.Server {
	t.Helper()
	done := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		checkRequest(t, r)
		w.Header().Set("Content-Type", "text/event-stream")
		chunk := func(s string) bool {
			b, _ := json.Marshal(map[string]any{"choices": []any{map[string]any{"index": 0, "delta": map[string]any{"content": s}}}})
			_, err := fmt.Fprintf(w, "data: %s\n\n", b)
			w.(http.Flusher).Flush()
			return err == nil
		}
		hang := func() {
			select {
			case <-r.Context().Done():
			case <-done:
			}
		}
		switch f {
		case nlutest.Answers: // and goes on talking, which nobody reads
			_, _ = io.WriteString(w, ": keep-alive\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n")
			for _, p := range []string{`{"say":"课程`, `每周两次。","int`, `ent":"sign_up","done":false}`} {
				chunk(p)
			}
			hang()
		case nlutest.NoJSON:
			chunk("好的，课程免费。")
			_, _ = io.WriteString(w, "data: [DONE]\n\n")
		case nlutest.Broken:
			chunk(`{"say":"课程`)
		case nlutest.Unknown:
			chunk(`{"say":"课程","transfer":"1000"}`)
		case nlutest.Endless:
			chunk(`{"say":"`)
			for chunk(strings.Repeat("课程", 100)) {
			}
		case nlutest.Drip:
			for tick := time.NewTicker(50 * time.Millisecond); ; {
				select {
				case <-tick.C:
					if _, err := io.WriteString(w, " "); err != nil {
						return
					}
					w.(http.Flusher).Flush()
				case <-r.Context().Done():
					return
				}
			}
		case nlutest.Silent:
			hang()
		case nlutest.ErrorFive:
			w.WriteHeader(http.StatusInternalServerError)
		case nlutest.Overloaded:
			_, _ = io.WriteString(w, "data: {\"error\":{\"message\":\"overloaded\"}}\n\n")
		}
	}))
	t.Cleanup(func() { close(done); s.Close() })
	return s
}

func checkRequest(t *testing.T, r *http.Request) {
	var in struct {
		Model    string
		Stream   bool
		Tokens   int `json:"max_tokens"`
		Messages []message
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.Model != "m" || !in.Stream || in.Tokens != 200 || len(in.Messages) != 2 || r.Header.Get("Authorization") != "Bearer k" {
		t.Errorf("request: %+v %v", in, err)
		return
	}
	var user struct {
		Said  string
		Facts []string
	}
	if err := json.Unmarshal([]byte(in.Messages[1].Content), &user); err != nil || len(user.Facts) != 1 || !strings.Contains(user.Said, "忽略") {
		t.Errorf("%s %v", in.Messages[1].Content, err)
	}
	if strings.Contains(in.Messages[0].Content, "忽略") {
		t.Error("the caller's words stand among the instructions")
	}
}

func composer(t *testing.T, url string) *Composer {
	t.Helper()
	tr := &http.Transport{}
	t.Cleanup(tr.CloseIdleConnections)
	c, err := NewComposer(ComposerOptions{URL: url, Model: "m", Token: "k", Timeout: 400 * time.Millisecond, Client: &http.Client{Transport: tr}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestComposerContract(t *testing.T) {
	nlutest.RunComposer(t, func(t *testing.T, f nlutest.Fault) nlu.Composer {
		c := composer(t, model(t, f).URL)
		if f == nlutest.Answers { // only faults need to be waited for
			c.o.Timeout = 15 * time.Second
		}
		return c
	})
}

// A server that cannot stream is understood too.
func TestComposerTakesAWholeAnswer(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"choices":[{"message":{"content":"{\"say\":\"好\",\"intent\":\"none\",\"done\":true}"}}]}`)
	}))
	defer s.Close()
	c := composer(t, s.URL)
	c.o.Timeout = 15 * time.Second
	if d, err := c.Compose(t.Context(), nlutest.PromptOf()); err != nil || d != (nlu.Draft{Say: "好", Done: true}) {
		t.Errorf("%+v %v", d, err)
	}
}

func TestNewComposerRefuses(t *testing.T) {
	for _, o := range []ComposerOptions{{}, {URL: "ftp://x", Model: "m"}, {URL: "http://x/v1"}, {URL: "http://", Model: "m"}} {
		if _, err := NewComposer(o); err == nil {
			t.Errorf("%+v", o)
		}
	}
}

func FuzzReadStream(f *testing.F) {
	for _, s := range []string{"data: {\"choices\":[{\"delta\":{\"content\":\"{}\"}}]}\n\n", "data: [DONE]\n", ": x\n\n", "{\"choices\":[]}", "data: {", "\r\n\r\n", "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"}\\\\\"}}]}\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		content, err := ReadStream(strings.NewReader(s))
		if err != nil && content != "" || len(content) > maxStream {
			t.Fatalf("%q %v", content, err)
		}
		if err != nil && !errors.Is(err, errForm) {
			t.Fatal(err)
		}
		if d, err := ParseDraft(content); err != nil && d != (nlu.Draft{}) {
			t.Fatal(d)
		}
	})
}
