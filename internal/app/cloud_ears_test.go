package app

import (
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/lab/dashscope"
	"ringmaster/internal/lab/twin/callee"
)

const (
	cloudKey   = "sk-cloud-secret"
	cloudModel = "paraformer-realtime-8k-v2"
)

// cloudEars configures the instrument of Model Studio, which hears CT检查 wrong.
func cloudEars(t *testing.T) config.Recognizer {
	t.Helper()
	s := dashscope.New(dashscope.Config{Token: cloudKey, Models: []string{cloudModel}, Mishear: map[string]string{"CT检查": "西踢检查"}, Vocabularies: map[string][]string{"vocab-clinic": {"CT检查"}}})
	h := httptest.NewServer(s)
	t.Cleanup(func() { h.Close(); s.Wait() })
	return config.Recognizer{Name: "cloud", Kind: "dashscope", URL: "ws" + strings.TrimPrefix(h.URL, "http") + "/api-ws/v1/inference", Token: config.NewSecret(cloudKey), Model: cloudModel}
}

// A whole call is heard by Paraformer, after an account that has lost its
// vocabulary was refused: words, turns and the end are those of any other
// recognizer, and the correction dictionary does what hotwords would.
func TestACallIsHeardByTheCloud(t *testing.T) {
	t.Parallel()
	ears := cloudEars(t)
	broken := ears
	broken.Name, broken.Vocabulary = "broken", "vocab-gone"
	ex, p := newTwin(t)
	ex.Callee("patient", callee.Script{Ring: 200 * time.Millisecond, Steps: []callee.Step{turnOf(), spoken("约一个CT检查"), turnOf(), {Wait: 20 * time.Second}}})
	h := newHouse(t, p, "sqlite", func(c *config.Config) {
		c.Scripts.Dir, c.Speech.Recognizers = "testdata/hearing", []config.Recognizer{broken, ears}
	})
	h.do("POST", "/api/v1/contacts", map[string]any{"customer_id": "patient", "name": "王晓丽", "phone": "lab:patient", "language": "cmn",
		"variables": map[string]any{"doctor": "陈建国", "city": "石家庄"}}, 0)
	a := h.attempt(h.order("patient", "clinic_001"), 1, 60*time.Second)
	if a.Disposition != "completed" || !slices.Equal(a.side("them"), []string{"约一个CT检查"}) || !slices.Equal(a.intents(), []string{"ct"}) || len(a.Degraded) > 0 {
		a.show(t)
		t.Errorf("%s: understood %v", a.Disposition, a.intents())
	}
	if !h.metric(`ringmaster_asr_corrections_total{script="clinic_001"} 1`) {
		t.Error("the correction is not counted")
	}
	h.stop()
	if n := h.asr.Stats().Connections; n != 0 {
		t.Errorf("%d connections to the other recognizer", n)
	}
	if logs := h.logs.String(); strings.Contains(logs, cloudKey) || strings.Contains(logs, "王晓丽") {
		t.Error("the key or the customer stands in the log")
	}
}

// doctor opens a task, says what becomes of hotwords, and what to do when the
// service refuses.
func TestDoctorOfTheCloudEars(t *testing.T) {
	t.Parallel()
	ears := cloudEars(t)
	look := func(change func(*config.Recognizer)) Finding {
		r := ears
		change(&r)
		var f Finding
		checkRecognizers(t.Context(), config.Config{Speech: config.Speech{Recognizers: []config.Recognizer{r}}}, slog.New(slog.DiscardHandler), func(x Finding) bool { f = x; return true })
		return f
	}
	for name, c := range map[string]struct {
		change func(*config.Recognizer)
		ok     bool
		says   string
	}{
		"good":                {func(*config.Recognizer) {}, true, "no hotwords are sent (vocabulary is not set)"},
		"with a vocabulary":   {func(r *config.Recognizer) { r.Vocabulary = "vocab-clinic" }, true, "hotwords are those of vocab-clinic"},
		"another key":         {func(r *config.Recognizer) { r.Token = config.NewSecret("sk-other") }, false, "is the API key right"},
		"another model":       {func(r *config.Recognizer) { r.Model = "paraformer-realtime-8k-v9" }, false, "allowed to use paraformer-realtime-8k-v9"},
		"vocabulary is gone":  {func(r *config.Recognizer) { r.Vocabulary = "vocab-gone" }, false, "vocabulary is not found"},
		"nobody is listening": {func(r *config.Recognizer) { r.URL = "ws://127.0.0.1:1/x" }, false, "unavailable"},
	} {
		f := look(c.change)
		if all := f.Detail + f.Fix; f.OK != c.ok || !strings.Contains(all, c.says) || strings.Contains(all, cloudKey) || strings.Contains(all, "sk-other") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}
