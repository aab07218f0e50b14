package bert

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/adapter/nlu/remote"
	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/nlutest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// model is a small server with a mind of its own: it knows 贵 and how to join.
func model(t *testing.T, shape Shape, nested bool) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Inputs, Text string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		said, label, score := in.Inputs+in.Text, "_none", 0.9
		switch {
		case shape == Classify && in.Inputs == "" || shape == Rasa && in.Text == "":
			http.Error(w, "wrong request", http.StatusUnprocessableEntity)
			return
		case strings.Contains(said, "贵"):
			label, score = "LABEL_7", 0.93
		case strings.Contains(said, "掏空钱包"):
			label, score = "LABEL_7", 0.88
		}
		switch {
		case shape == Rasa:
			fmt.Fprintf(w, `{"text":%q,"intent":{"id":7,"name":%q,"confidence":%v},"entities":[],"intent_ranking":[{"name":%q,"confidence":%v},{"name":"deny","confidence":0.02}]}`, "x", label, score, label, score)
		case nested:
			fmt.Fprintf(w, `[[{"label":"deny","score":0.02},{"label":%q,"score":%v}]]`, label, score)
		default:
			fmt.Fprintf(w, `[{"label":%q,"score":%v},{"label":"deny","score":0.02}]`, label, score)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func labels() map[string]nlu.Intent { return map[string]nlu.Intent{"LABEL_7": "price_objection"} }

func open(t *testing.T, o Options) *remote.Understander {
	t.Helper()
	tr := &http.Transport{}
	o.Client = &http.Client{Transport: tr}
	t.Cleanup(tr.CloseIdleConnections)
	o.Embedded, o.Labels = keyword.New(), labels()
	u, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestContract(t *testing.T) {
	for name, c := range map[string]struct {
		shape  Shape
		nested bool
	}{"classify": {Classify, false}, "classify nested": {Classify, true}, "rasa": {Rasa, false}} {
		t.Run(name, func(t *testing.T) {
			s := model(t, c.shape, c.nested)
			u := open(t, Options{URL: s.URL + "/x", Shape: c.shape, Timeout: 2 * time.Second})
			nlutest.Run(t, func(*testing.T) nlu.Understander { return u }, nlutest.Options{Deadline: 5 * time.Second})
			if st := u.Stats(); st.Answered == 0 || st.FellBack != 0 {
				t.Errorf("the model was not used: %+v", st)
			}
		})
	}
}

func TestRow_S10_ABERTServerUnderstandsWhatKeywordsDoNot(t *testing.T) {
	for _, shape := range []Shape{Classify, Rasa} {
		u := open(t, Options{URL: model(t, shape, false).URL, Shape: shape, Timeout: 2 * time.Second})
		q := nlutest.Question("这是要掏空钱包啊")
		if a, _ := keyword.New().Understand(context.Background(), q); a.Intent != "" {
			t.Fatalf("keywords know it: %v", a)
		}
		a, err := u.Understand(context.Background(), q)
		if err != nil || a.Intent != "price_objection" || a.Provider != Provider || a.Confidence < 0.8 || a.Confidence > 0.95 {
			t.Errorf("%s: %+v %v", shape, a, err)
		}
	}
}

// A provider that is slow, gone, silent, talkative or mad costs its time-out
// and nothing else: the embedded understander answers, and it is counted.
func TestRow_T21_EveryProviderFailureFallsBackInTime(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	say := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    error
	}{
		"slow": {func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}, nlu.ErrTimeout},
		"slow after the header": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, `[{"label":`)
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}, nlu.ErrTimeout},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nlu.ErrUnavailable},
		"500":      {say(500, "boom"), nlu.ErrUnavailable},
		"404":      {say(404, `[{"label":"affirm","score":1}]`), nlu.ErrUnavailable},
		"moved": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		}, nlu.ErrUnavailable},
		"not JSON":      {say(200, "<html>"), nlu.ErrProtocol},
		"empty":         {say(200, ""), nlu.ErrProtocol},
		"empty list":    {say(200, "[]"), nlu.ErrProtocol},
		"nested empty":  {say(200, "[[]]"), nlu.ErrProtocol},
		"two answers":   {say(200, `[[{"label":"a","score":1}],[{"label":"b","score":1}]]`), nlu.ErrProtocol},
		"wrong shape":   {say(200, `{"label":"affirm","score":1}`), nlu.ErrProtocol},
		"wrong types":   {say(200, `[{"label":1,"score":"x"}]`), nlu.ErrProtocol},
		"no score":      {say(200, `[{"label":"affirm"}]`), nlu.ErrProtocol},
		"score of 17":   {say(200, `[{"label":"affirm","score":17}]`), nlu.ErrProtocol},
		"negative":      {say(200, `[{"label":"affirm","score":-1}]`), nlu.ErrProtocol},
		"error object":  {say(200, `{"error":"Model is currently loading","estimated_time":20}`), nlu.ErrProtocol},
		"huge":          {say(200, "["+strings.Repeat(" ", 2<<20)+"]"), nlu.ErrProtocol},
		"deeply nested": {say(200, strings.Repeat("[", 100000)), nlu.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			s := httptest.NewServer(c.handler)
			s.Config.ErrorLog = nil
			defer s.Close()
			var failed atomic.Pointer[error]
			u := open(t, Options{URL: s.URL + "/secret-path", Timeout: 150 * time.Millisecond, Failed: func(err error) { failed.Store(&err) }})
			start := time.Now()
			a, err := u.Understand(context.Background(), nlutest.Question("怎么参加啊"))
			took := time.Since(start)
			if err != nil || a.Intent != "how_to_join" || a.Provider != keyword.Provider {
				t.Errorf("%+v %v", a, err)
			}
			if took > 2*time.Second {
				t.Errorf("took %s", took)
			}
			if e := failed.Load(); e == nil || !errors.Is(*e, c.want) || strings.Contains((*e).Error(), "secret-path") {
				t.Errorf("failure %v, want %v without the URL", e, c.want)
			}
			if st := u.Stats(); st.FellBack != 1 || st.TimedOut+st.Unavailable+st.Protocol != 1 {
				t.Errorf("%+v", st)
			}
		})
	}
}

func TestRow_T21_ADeadProviderIsLeftAloneAWhile(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer s.Close()
	u := open(t, Options{URL: s.URL})
	for range 50 {
		if a, err := u.Understand(context.Background(), nlutest.Question("怎么参加啊")); err != nil || a.Intent != "how_to_join" {
			t.Fatal(a, err)
		}
	}
	if n := asked.Load(); n != 5 {
		t.Errorf("asked %d times, want 5", n)
	}
	if st := u.Stats(); st.FellBack != 50 || st.Rested != 45 {
		t.Errorf("%+v", st)
	}
}

func TestAWordOfUrgencyAsksNobody(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	u := open(t, Options{URL: s.URL})
	for said, want := range map[string]nlu.Intent{"别打了": "stop", "我要投诉": "complaint", "转人工": "human"} {
		if a, _ := u.Understand(context.Background(), nlutest.Question(said)); a.Intent != want {
			t.Errorf("%s: %+v", said, a)
		}
	}
	if asked.Load() != 0 {
		t.Error("the caller was kept waiting")
	}
}

func TestTemperature(t *testing.T) {
	o := Options{Temperature: 2}
	cs, _, err := o.scored([]nlu.Candidate{{Intent: "a", Confidence: 0.99}, {Intent: "b", Confidence: 0.01}}, nil)
	if err != nil || cs[0].Confidence > 0.92 || cs[0].Confidence < 0.9 {
		t.Errorf("%v %v", cs, err)
	}
}

func TestWrongOptions(t *testing.T) {
	for _, o := range []Options{{URL: ""}, {URL: "ftp://x/"}, {URL: "http://"}, {URL: "http://x", Shape: "odd", Embedded: keyword.New()}, {URL: "http://x"}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{`[{"label":"a","score":0.5}]`, `[[{"label":"a","score":0.5}]]`, `{"intent":{"name":"a","confidence":1},"intent_ranking":[]}`, `[]`, `{}`, `[[`, `[{"label":"a","score":1e999}]`, `{"intent":{"name":null,"confidence":0}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, parse := range []func([]byte) ([]nlu.Candidate, error){ParseClassify, ParseRasa} {
			cs, err := parse(b)
			if (err == nil) != (len(cs) > 0) {
				t.Fatal(cs, err)
			}
			for i, c := range cs {
				if c.Intent == "" || !(c.Confidence >= 0 && c.Confidence <= 1.0001) || i > 0 && c.Confidence > cs[i-1].Confidence {
					t.Fatalf("%+v", cs)
				}
			}
		}
	})
}
