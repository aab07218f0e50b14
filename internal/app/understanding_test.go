package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/config"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/lab/asr"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/classify"
)

// What the callers of these tests say: no keyword is in it, and its letters
// are too far from every example.
const (
	spareMoney = "最近有笔余钱不知怎么打理"
	noLosses   = "赔了本金就完了我可不敢冒险"
)

const businessFile = "testdata/understanding/business_001.yaml"

func business(t *testing.T) *dialogue.Script {
	t.Helper()
	sc, err := compileFile(businessFile)
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

// understands is a house whose calls are understood by the default understander.
func understands(t *testing.T) func(*config.Config) {
	return func(c *config.Config) {
		c.Understanding = config.Default().Understanding
		c.Understanding.Reports = filepath.Join(t.TempDir(), "reports")
		c.Scripts.Dir, c.Scripts.Shipped = filepath.Dir(businessFile), false
	}
}

// neverByWords: keywords and examples alone do not understand it.
func neverByWords(t *testing.T, node, said string) {
	t.Helper()
	if a, err := keyword.New().Understand(t.Context(), business(t).Question(dialogue.State{Node: node, Phase: dialogue.Talking}, said)); err != nil || a.Intent != "" {
		t.Fatalf("keywords alone understand %q as %s: it proves nothing here (%v)", said, a.Intent, err)
	}
}

func (h *house) modelsReady() {
	h.t.Helper()
	h.until("the model is ready", 60*time.Second, func() bool { return h.metric(`ringmaster_nlu_models{state="ready"} 1`) })
}

// A caller says what no keyword knows. The default understander, a model that
// was trained when the script was imported, takes the call to the right node;
// the version was measured and the measurement lies where its author looks.
func TestRow_S10_TheTrainedModelMovesTheCall(t *testing.T) {
	t.Parallel()
	neverByWords(t, "ask", spareMoney)
	ex, p := newTwin(t)
	ex.Callee("saver", callee.Script{Ring: 200 * time.Millisecond, Steps: []callee.Step{turnOf(), spoken(spareMoney), turnOf(), {Hangup: true}}})
	h := newHouse(t, p, "sqlite", understands(t))
	h.modelsReady()
	a := h.attempt(h.ring("saver", "business_001"), 1, 60*time.Second)
	if us := a.side("us"); len(us) == 0 || us[len(us)-1] != "您能接受亏损吗？" || !slices.Equal(a.intents(), []string{"wealth"}) {
		a.show(t)
		t.Errorf("%s, intents %v", a.Disposition, a.intents())
	}
	if !h.metric(`ringmaster_nlu_answers_total{by="trained",result="understood"} 1`) {
		t.Error("the model's answers are not counted")
	}
	dir := filepath.Join(h.cfg.Understanding.Reports, h.cfg.Tenant.ID, "business_001", business(t).Info().Version[:12])
	h.until("the version is measured", 60*time.Second, func() bool { _, err := os.Stat(filepath.Join(dir, "report.json")); return err == nil })
	text, err := os.ReadFile(filepath.Join(dir, "report.txt"))
	if err != nil || !strings.Contains(string(text), "macro F1") {
		t.Errorf("%v %s", err, text)
	}
	if svg, err := os.ReadFile(filepath.Join(dir, "confusion.svg")); err != nil || !strings.HasPrefix(string(svg), "<svg") {
		t.Errorf("confusion matrix: %v", err)
	}
	if _, raw := h.raw("GET", "/metrics", nil, nil); !strings.Contains(string(raw), `ringmaster_nlu_macro_f1{script="business_001"} 0.`) {
		t.Error("macro F1 is no metric")
	}
}

// intents of what the customer said, in order.
func (a attempt) intents() []string {
	var out []string
	for _, t := range a.Turns {
		if t.Side == "them" {
			out = append(out, t.Intent)
		}
	}
	return out
}

// bertServer answers in the shape of the inference servers. What it is asked
// is decided by hear: an answer, and how long it takes (-1: it hangs).
func bertServer(t *testing.T, hear func(said string) (label string, after time.Duration)) *httptest.Server {
	t.Helper()
	done := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Inputs string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("Authorization") != "Bearer bert-secret-token" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		label, after := hear(in.Inputs)
		if after < 0 {
			after = time.Hour
		}
		select {
		case <-time.After(after):
		case <-r.Context().Done():
			return
		case <-done:
			return
		}
		_, _ = fmt.Fprintf(w, `[[{"label":%q,"score":0.98},{"label":"LABEL_9","score":0.01}]]`, label)
	}))
	t.Cleanup(func() { close(done); s.Close() })
	return s
}

// Three providers fail in one call and the caller is served: the recognizer
// refuses (the next one hears), the understanding provider is slow (the silence
// is filled, its answer counts), then hangs (its time runs out, the embedded
// model answers).
func TestRow_T21_ProviderTimeOutsFallbackAndFillers(t *testing.T) {
	t.Parallel()
	neverByWords(t, "plan", noLosses)
	bert := bertServer(t, func(said string) (string, time.Duration) {
		if said == spareMoney {
			return "LABEL_1", 1800 * time.Millisecond
		}
		return "", -1
	})
	refuses := asr.New(asr.Config{Fault: asr.Fault{Refuse: http.StatusServiceUnavailable}})
	deaf, stop, err := refuses.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	ex, p := newTwin(t)
	ex.Callee("saver", callee.Script{Ring: 200 * time.Millisecond, Steps: []callee.Step{turnOf(), spoken(spareMoney), turnOf(), spoken(noLosses), turnOf(), {Wait: 20 * time.Second}}})
	h := newHouse(t, p, "sqlite", understands(t), func(c *config.Config) {
		c.Speech.Recognizers = append([]config.Recognizer{{Name: "down", Kind: "funasr", URL: deaf}}, c.Speech.Recognizers...)
		c.Understanding.Provider = config.Provider{Kind: "bert", URL: bert.URL, Token: config.NewSecret("bert-secret-token"), Timeout: 2 * time.Second, Labels: map[string]string{"LABEL_1": "wealth"}}
	})
	h.modelsReady()
	a := h.attempt(h.ring("saver", "business_001"), 1, 60*time.Second)
	us := a.side("us")
	if a.Disposition != "completed" || !slices.Equal(a.intents(), []string{"wealth", "careful"}) || len(us) == 0 || us[len(us)-1] != "好的，为您推荐稳健产品，再见。" {
		a.show(t)
		t.Errorf("%s, intents %v", a.Disposition, a.intents())
	}
	fillers := 0
	for _, x := range a.Turns {
		if x.Side == "us" && x.Text != "" && (strings.HasPrefix("嗯，请稍等。", x.Text) || strings.HasPrefix("好的，请稍等一下。", x.Text)) {
			fillers++
		}
	}
	if fillers == 0 { // it was long twice; a machine that is late may be cut off before a word of it is heard
		a.show(t)
		t.Error("the silence was not filled")
	}
	for _, line := range []string{
		`ringmaster_nlu_answers_total{by="bert",result="understood"} 1`, `ringmaster_nlu_answers_total{by="trained",result="understood"} 1`,
		`ringmaster_nlu_provider_total{provider="bert",result="answered"} 1`, `ringmaster_nlu_provider_total{provider="bert",result="timed_out"} 1`,
		`ringmaster_nlu_provider_total{provider="bert",result="fell_back"} 1`,
	} {
		if !h.metric(line) {
			t.Errorf("no metric %s", line)
		}
	}
	if logs := h.logs.String(); !strings.Contains(logs, "understanding provider failed") || strings.Contains(logs, "bert-secret-token") {
		t.Error("the failure is not logged, or the secret is")
	}
}

// A new version of a script is trained and measured against the one before;
// one that is imported again is not measured again. Closing ends it all.
func TestRow_S10_APublishedVersionIsMeasuredAgainstTheOneBefore(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	src, err := os.ReadFile(businessFile)
	if err != nil {
		t.Fatal(err)
	}
	compile := func(src string) *dialogue.Script {
		sc, err := dialogue.Compile("business_001.yaml", []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		return sc
	}
	old := compile(string(src))
	// The author moves half of the examples to the wrong intent.
	worse := compile(strings.Replace(string(src), "[我的银行卡不见了,", "[手里有些积蓄想买点稳健的产品啊, 闲置的资金怎么打理比较好啊, 想让存款的收益高一些啊, 家里有点余钱不知道投什么啊, 我的银行卡不见了,", 1))
	dir, logs := t.TempDir(), &buffer{}
	u, err := newUnderstanding(Options{Config: config.Config{Understanding: config.Understanding{Embedded: "trained", Models: 4, Reports: dir}}, Log: slog.New(slog.NewTextHandler(logs, nil))},
		(&library{compiled: map[string]*dialogue.Script{"t/business_001/" + worse.Info().Version: worse}}).examples)
	if err != nil {
		t.Fatal(err)
	}
	u.publish(published{tenant: "t", script: worse, before: old})
	u.work.Wait()
	report := filepath.Join(dir, "t", "business_001", worse.Info().Version[:12])
	text, err := os.ReadFile(filepath.Join(report, "report.txt"))
	if err != nil || !strings.Contains(string(text), "(before:") || !strings.Contains(string(text), "no longer understood") {
		t.Errorf("%v\n%s", err, text)
	}
	if s := logs.String(); !strings.Contains(s, "level=WARN msg=\"understanding of a published script measured\"") || !strings.Contains(s, "macro_f1_before") {
		t.Errorf("the author is not warned: %s", s)
	}
	if err := os.Remove(filepath.Join(report, "report.txt")); err != nil {
		t.Fatal(err)
	}
	u.publish(published{tenant: "t", script: worse, before: old})
	u.close()
	if _, err := os.Stat(filepath.Join(report, "report.txt")); err == nil {
		t.Error("a version that was measured is measured again")
	}
}

// Until the model is there keywords answer, readiness says so, and the log
// once.
func TestKeywordsAnswerUntilTheModelIsReady(t *testing.T) {
	sc, logs := business(t), &buffer{}
	wait := make(chan struct{})
	lib := &library{compiled: map[string]*dialogue.Script{"t/business_001/" + sc.Info().Version: sc}}
	u, err := newUnderstanding(Options{Config: config.Config{Understanding: config.Understanding{Embedded: "trained", Models: 4}}, Log: slog.New(slog.NewTextHandler(logs, nil))}, slowly(wait, lib.examples))
	if err != nil {
		t.Fatal(err)
	}
	defer u.close()
	u.publish(published{tenant: "t", script: sc})
	q := sc.Question(dialogue.State{Node: "ask", Phase: dialogue.Talking}, "我要理财")
	q.Tenant = "t"
	for range 3 {
		if a, err := u.Understand(t.Context(), q); err != nil || a.Intent != "wealth" || a.Provider != keyword.Provider {
			t.Fatalf("%+v %v", a, err)
		}
	}
	if c := u.check(); !c.OK || !strings.Contains(c.Why, "1 in training") {
		t.Errorf("readiness: %+v", c)
	}
	if n := strings.Count(logs.String(), "keywords alone answer"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	close(wait)
	if err := u.model.Train(t.Context(), q); err != nil {
		t.Fatal(err)
	}
	q.Said = spareMoney
	if a, err := u.Understand(t.Context(), q); err != nil || a.Intent != "wealth" || a.Provider != "trained" {
		t.Errorf("%+v %v", a, err)
	}
	if c := u.check(); !c.OK || c.Why != "" {
		t.Errorf("readiness: %+v", c)
	}
}

// slowly gives examples only after wait is closed.
func slowly(wait <-chan struct{}, examples examplesOf) examplesOf {
	return func(ctx context.Context, tenant, script, version string) ([]classify.Example, error) {
		select {
		case <-wait:
			return examples(ctx, tenant, script, version)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// The doctor asks the configured provider one question.
func TestDoctorAsksTheUnderstandingProvider(t *testing.T) {
	good := bertServer(t, func(string) (string, time.Duration) { return "affirm", 0 })
	find := func(p config.Provider) (f Finding) {
		checkUnderstanding(t.Context(), config.Config{Understanding: config.Understanding{Embedded: "trained", Provider: p}}, slog.New(slog.DiscardHandler), func(x Finding) bool { f = x; return true })
		return f
	}
	if f := find(config.Provider{Kind: "bert", URL: good.URL, Token: config.NewSecret("bert-secret-token")}); !f.OK {
		t.Errorf("%+v", f)
	}
	if f := find(config.Provider{Kind: "bert", URL: good.URL, Token: config.NewSecret("wrong")}); f.OK || !strings.Contains(f.Detail, "401") || f.Fix == "" {
		t.Errorf("%+v", f)
	}
	if f := find(config.Provider{Kind: "openai", Model: "m", URL: "http://127.0.0.1:1/v1"}); f.OK || strings.Contains(f.Detail, "127.0.0.1:1/v1") {
		t.Errorf("%+v", f)
	}
	if f := find(config.Provider{}); !f.OK {
		t.Errorf("%+v", f)
	}
}

// A base URL and a whole one are the same endpoint.
func TestOpenAIBaseURL(t *testing.T) {
	var paths []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		_, _ = w.Write([]byte(`{"choices":[{"message":{"content":"{\"intent\":\"wealth\",\"confidence\":0.99}"}}]}`))
	}))
	defer s.Close()
	for _, url := range []string{s.URL + "/v1", s.URL + "/v1/", s.URL + "/v1/chat/completions"} {
		p, err := newProvider(config.Provider{Kind: "openai", Model: "m", URL: url}, keyword.New(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if a, err := p.Understand(t.Context(), nlu.Question{Said: spareMoney, Language: "cmn", Expect: []nlu.Expectation{{Intent: "wealth"}}}); err != nil || a.Intent != "wealth" {
			t.Errorf("%+v %v", a, err)
		}
	}
	if want := slices.Repeat([]string{"/v1/chat/completions"}, 3); !slices.Equal(paths, want) {
		t.Errorf("%v", paths)
	}
}

// With a configuration a file is compared with the version that is published
// in its database, and with nothing when it is that version.
func TestAFileIsComparedWithThePublishedVersion(t *testing.T) {
	c := labConfig(t, config.PBX{}, "sqlite", filepath.Join(t.TempDir(), "x.db"), "", "")
	st, err := OpenStore(t.Context(), c, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	publish := func(sc *dialogue.Script) {
		if err := st.SaveScript(t.Context(), c.Tenant.ID, sc.Info().ID, sc.Info().Version, sc.Source(), "test"); err != nil {
			t.Fatal(err)
		}
	}
	find := func() *dialogue.Script {
		sc, err := publishedScript(t.Context(), c, business(t).Info())
		if err != nil {
			t.Fatal(err)
		}
		return sc
	}
	if sc := find(); sc != nil {
		t.Error("a version of nothing")
	}
	src, err := os.ReadFile(businessFile)
	if err != nil {
		t.Fatal(err)
	}
	old, err := dialogue.Compile("business_001.yaml", []byte(strings.Replace(string(src), "卡丢在出租车上了, ", "", 1)))
	if err != nil {
		t.Fatal(err)
	}
	publish(old)
	if sc := find(); sc == nil || sc.Info().Version != old.Info().Version {
		t.Errorf("%v", sc)
	}
	publish(business(t))
	if sc := find(); sc != nil {
		t.Error("a version is compared with itself")
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}
