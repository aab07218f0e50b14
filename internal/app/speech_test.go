package app

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"ringmaster/config"
	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
)

// A voice behind the endpoint speaks; a language that it has no voice for, and
// everything once it is down, is spoken by the next.
func TestVoiceBehindAnEndpointAndTheNextOne(t *testing.T) {
	var down bool
	studio := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down || r.URL.Path != "/v1/audio/speech" || r.Header.Get("Authorization") != "Bearer secret" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(make([]byte, 2*24000)) // a second
	}))
	defer studio.Close()
	next := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 2*16000/2)) // half a second
	}))
	defer next.Close()
	c := config.Default()
	c.Speech.Cache.Dir = t.TempDir()
	c.Speech.Synthesizers = []config.Synthesizer{
		{Name: "studio", Kind: "openai", URL: studio.URL + "/v1", Token: config.NewSecret("secret"), Model: "m", Voices: map[speech.Language]string{"cmn": "v"}},
		{Name: "next", Kind: "openai", URL: next.URL + "/v1", Model: "m", Rate: 16000, Voices: map[speech.Language]string{"cmn": "v", "yue": "v"}},
	}
	voice, _, err := newVoice(t.Context(), Options{Config: c})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = voice.Close() }()
	length := func(text string, l speech.Language) time.Duration {
		t.Helper()
		syn, err := voice.Synthesize(t.Context(), speech.Utterance{Text: text, Language: l, Format: audio.FormatSlin})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = syn.Close() }()
		samples, err := speechtest.ReadAll(syn, audio.FormatSlin, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return audio.FormatSlin.Duration(int64(len(samples)))
	}
	if d := length("您好", "cmn"); d != time.Second {
		t.Errorf("the first voice gave %v", d)
	}
	if d := length("你好", "yue"); d != time.Second/2 {
		t.Errorf("a language that the first lacks: %v", d)
	}
	down = true
	if d := length("再见", "cmn"); d != time.Second/2 {
		t.Errorf("while the first is down: %v", d)
	}
	if d := length("您好", "cmn"); d != time.Second {
		t.Errorf("what the first had said is kept: %v", d)
	}
}
