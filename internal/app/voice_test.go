package app

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringmaster/adapter/speech/cache"
	"ringmaster/adapter/speech/level"
	"ringmaster/config"
	"ringmaster/internal/audio"
	"ringmaster/internal/campaign"
	"ringmaster/internal/dialogue"
	lab "ringmaster/internal/lab/dashscope"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/recommend"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
	"ringmaster/scripts"
)

// studio is an OpenAI-compatible endpoint that says syllables of noise, as loud
// as it is told, with 200 ms of silence around them.
type studio struct {
	*httptest.Server
	down  atomic.Bool
	mu    sync.Mutex
	asked []string // "voice text speed"
}

func newStudio(t *testing.T, amplitude float64) *studio {
	t.Helper()
	s := &studio{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Voice, Input string
			Speed        float64
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || s.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		s.mu.Lock()
		text := q.Voice + " " + q.Input
		if q.Speed != 0 {
			text += " fast"
		}
		s.asked = append(s.asked, text)
		s.mu.Unlock()
		var b bytes.Buffer
		_ = binary.Write(&b, binary.LittleEndian, noise(len([]rune(q.Input)), amplitude)) // into memory
		_, _ = w.Write(b.Bytes())
	}))
	t.Cleanup(s.Close)
	return s
}

// noise is 180 ms a syllable at 24 kHz.
func noise(syllables int, amplitude float64) []int16 {
	pad := make([]int16, 4800)
	out := slices.Clone(pad)
	random := uint32(1)
	for range syllables {
		for i := range 4320 {
			random = random*1664525 + 1013904223
			out = append(out, int16(amplitude*math.Sin(math.Pi*float64(i)/4320)*(float64(random>>16)/32768-1)))
		}
	}
	return append(out, pad...)
}

func (s *studio) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.asked
	s.asked = nil
	slices.Sort(out) // pieces of one line may come in any order
	return out
}

// threeHouses is a configuration with a quiet studio, a loud one and the cloud.
func threeHouses(t *testing.T) (config.Config, *studio, *studio, *lab.Server) {
	t.Helper()
	quiet, loud := newStudio(t, 2500), newStudio(t, 32000)
	cloud := lab.New(lab.Config{Token: "key", Models: []string{"cosyvoice-v3-flash"}, Voices: []string{"longanyang", "longling"}})
	h := httptest.NewServer(cloud)
	t.Cleanup(func() { h.Close(); cloud.Wait() })
	c := config.Default()
	c.Speech.Cache.Dir = t.TempDir()
	c.Speech.Recognizers = []config.Recognizer{{Name: "x", Kind: "funasr", URL: "ws://127.0.0.1:1"}}
	c.Speech.Synthesizers = []config.Synthesizer{
		{Name: "quiet", Kind: "openai", URL: quiet.URL + "/v1", Timeout: time.Minute, Model: "m", Voices: map[speech.Language]string{"cmn": "q"}},
		{Name: "loud", Kind: "openai", URL: loud.URL + "/v1", Timeout: time.Minute, Model: "m", Voices: map[speech.Language]string{"cmn": "l"}},
		{Name: "cloud", Kind: "dashscope", URL: "ws" + strings.TrimPrefix(h.URL, "http"), Token: config.NewSecret("key"), Timeout: time.Minute, Model: "cosyvoice-v3-flash", Voices: map[speech.Language]string{"cmn": "longanyang"}},
	}
	c.Speech.Voices = []config.Voice{
		{Name: "mei", Provider: "quiet", Voice: "alloy", Gender: "female", Languages: []speech.Language{"cmn"}, Speed: 1.2},
		{Name: "bo", Provider: "loud", Voice: "onyx", Gender: "male", Languages: []speech.Language{"cmn"}, Industries: []string{"finance"}},
		{Name: "an", Provider: "loud", Voice: "nova", Gender: "female", Languages: []speech.Language{"cmn"}},
		{Name: "yang", Provider: "cloud", Voice: "longanyang", Languages: []speech.Language{"cmn"}},
		{Name: "ling", Provider: "cloud", Voice: "longling", Languages: []speech.Language{"yue"}},
	}
	return c, quiet, loud, cloud
}

func sound(t *testing.T, v *cache.Cache, u speech.Utterance) []int16 {
	t.Helper()
	u.Format = audio.FormatSlin
	if u.Language == "" {
		u.Language = "cmn"
	}
	syn, err := v.Synthesize(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syn.Close() }()
	samples, err := speechtest.ReadAll(syn, audio.FormatSlin, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return samples
}

// The voice that is named speaks, with its hints in the form that its provider
// takes; when its provider is down, one of the same gender does.
func TestVoicesOfTheCatalogueSpeak(t *testing.T) {
	c, quiet, loud, cloud := threeHouses(t)
	voice, cast, err := newVoice(t.Context(), Options{Config: c, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = voice.Close() }()
	const text = "这里是重庆银行"
	at := strings.Index(text, "重")
	hints := []speech.Hint{{Start: at, End: at, Pause: 300 * time.Millisecond}, {Start: at, End: at + 6, Reading: "chong2 qing4"}}
	say := func(name string, l speech.Language, want string, by interface{ take() []string }) {
		t.Helper()
		sound(t, voice, speech.Utterance{Text: text, Voice: name, Language: l, Hints: hints})
		if got := strings.Join(by.take(), "; "); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	say("mei", "cmn", "alloy 虫庆银行 fast; alloy 这里是 fast", quiet)
	say("bo", "cmn", "onyx 虫庆银行; onyx 这里是", loud)
	sound(t, voice, speech.Utterance{Text: text, Voice: "ling", Language: "yue", Hints: hints})
	if got := cloud.Asked(); len(got) != 1 || got[0].Voice != "longling" || got[0].Text != `<speak>这里是<break time="300ms"/>重庆银行</speak>` {
		t.Errorf("%+v", got)
	}
	sound(t, voice, speech.Utterance{Text: text, Voice: "yang", Hints: hints})
	if got := cloud.Asked(); len(got) != 2 || got[1].Readings != "重庆 chong2 qing4" {
		t.Errorf("%+v", got)
	}
	quiet.down.Store(true)
	say("mei", "cmn", "", loud) // kept
	sound(t, voice, speech.Utterance{Text: "再见", Voice: "mei"})
	if got := strings.Join(loud.take(), "; "); got != "nova 再见" {
		t.Errorf("while the first is down: %s", got)
	}
	if n := len(cast.Substitutions()); n != 1 {
		t.Errorf("%v", cast.Substitutions())
	}
	// Another voice behind the same name is another prompt.
	quiet.down.Store(false)
	c.Speech.Voices[0].Voice = "shimmer"
	again, _, err := newVoice(t.Context(), Options{Config: c, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	voice = again
	say("mei", "cmn", "shimmer 虫庆银行 fast; shimmer 这里是 fast", quiet)
}

// Prompts and filled-in lines of every provider join within 1 dB and 40 ms, in
// one piece or in several.
func TestProvidersJoinWithoutAStep(t *testing.T) {
	c, _, _, _ := threeHouses(t)
	voice, _, err := newVoice(t.Context(), Options{Config: c, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = voice.Close() }()
	pause := []speech.Hint{{Start: 12, End: 12, Pause: 250 * time.Millisecond}}
	var prompts [][]int16
	for _, name := range []string{"mei", "bo", "yang"} {
		for _, hints := range [][]speech.Hint{nil, pause} {
			u := speech.Utterance{Text: "您好这里是客服中心", Voice: name, Hints: hints}
			prompts = append(prompts, sound(t, voice, u), sound(t, voice, u)) // while it is made, and kept
		}
	}
	quiet := level.Amplitude(level.Silence)
	ends := func(s []int16) (before, after time.Duration) {
		i, j := 0, len(s)
		for ; i < j && math.Abs(float64(s[i])) <= quiet; i++ {
		}
		for ; j > i && math.Abs(float64(s[j-1])) <= quiet; j-- {
		}
		return audio.FormatSlin.Duration(int64(i)), audio.FormatSlin.Duration(int64(len(s) - j))
	}
	low, high, gap := 100.0, -100.0, time.Duration(0)
	for _, a := range prompts {
		l, ok := level.Active(a, 8000)
		if !ok {
			t.Fatal("silence")
		}
		low, high = min(low, l), max(high, l)
		_, after := ends(a)
		for _, b := range prompts {
			before, _ := ends(b)
			gap = max(gap, after+before)
		}
	}
	t.Logf("%d prompts of 3 providers: %.2f to %.2f dBFS, the longest silence where two join %v", len(prompts), low, high, gap)
	if high-low > 1 || gap > 40*time.Millisecond {
		t.Errorf("a step of %.2f dB (at most 1), a gap of %v (at most 40 ms)", high-low, gap)
	}
}

// A voice that is not in the catalogue is refused when a script is checked, and
// told by the doctor; a person's dialect is spoken where the script has it.
func TestScriptsAreHeldAgainstTheCatalogue(t *testing.T) {
	c, _, _, _ := threeHouses(t)
	src, err := os.ReadFile("testdata/scripts/e2e_001.yaml")
	if err != nil {
		t.Fatal(err)
	}
	bad := strings.Replace(string(src), "\nlanguage: cmn\n", "\nlanguage: cmn\nvoices: {cmn: bob, yue: ling}\n", 1)
	if bad == string(src) {
		t.Fatal("the script has another form")
	}
	catalogue, err := c.Speech.Catalogue()
	if err != nil {
		t.Fatal(err)
	}
	l := &library{voices: catalogue, checks: make(chan struct{}, 1)}
	got, err := l.Check(t.Context(), []byte(bad))
	if err != nil || len(got.Findings) != 1 || !strings.Contains(string(got.Findings[0]), `did you mean \"bo\"?`) {
		t.Errorf("%s %v", got.Findings, err)
	}
	c.Scripts.Dir = t.TempDir()
	if err := os.WriteFile(filepath.Join(c.Scripts.Dir, "bad.yaml"), []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Database = config.Database{Dialect: "sqlite", DSN: config.NewSecret(filepath.Join(t.TempDir(), "none", "none.db"))}
	found := map[string]Finding{}
	check := func(yield func(Finding) bool) { checkCatalogue(t.Context(), c, slog.New(slog.DiscardHandler), yield) }
	for f := range check {
		found[f.Part] = f
	}
	for _, name := range []string{"voice mei", "voice bo", "voice yang", "voice ling"} {
		if !found[name].OK {
			t.Errorf("%s: %+v", name, found[name])
		}
	}
	if f := found["voices of scripts"]; f.OK || !strings.Contains(f.Detail, `bad.yaml:`) || !strings.Contains(f.Detail, `voice "bob"`) || f.Fix == "" {
		t.Errorf("%+v", f)
	}
	c.Speech.Voices[4].Voice = "nobody"
	for f := range check {
		if f.Part == "voice ling" && (f.OK || !strings.Contains(f.Fix, "hints: spelled for cloud")) {
			t.Errorf("%+v", f)
		}
	}
	shared, err := scripts.Shared()
	if err != nil {
		t.Fatal(err)
	}
	lib, err := dialogue.NewLibrary(shared)
	if err != nil {
		t.Fatal(err)
	}
	if l.courses, err = recommend.Shipped(); err != nil {
		t.Fatal(err)
	}
	sc := loadPack(t, lib, "healthcare/health_education", "diabetes, to the end", time.Now()).sc
	for dialect, want := range map[any]speech.Language{"yue": "yue", "ug": "ug", "hak": "cmn", "sichuan": "cmn", 3: "cmn"} {
		if got := l.customer(campaign.Person{Vars: map[string]any{"dialect": dialect}}, sc).Language; got != want {
			t.Errorf("dialect %v: %s", dialect, got)
		}
	}
}

// A whole call: every line is asked for by the voice that the catalogue has for
// the script's industry.
func TestACallIsSpokenByTheVoiceOfItsIndustry(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("listens", callee.Script{Steps: []callee.Step{{Wait: time.Second}, {Hangup: true}}})
	h := newHouse(t, p, "sqlite", func(c *config.Config) {
		c.Speech.Voices = []config.Voice{
			{Name: "all", Provider: "espeak", Languages: []speech.Language{"cmn"}},
			{Name: "anna", Provider: "espeak", Languages: []speech.Language{"cmn"}, Industries: []string{"demo"}},
		}
	})
	if a := h.attempt(h.ring("listens", "e2e_001"), 1, 60*time.Second); len(h.voice.Calls()) == 0 {
		a.show(t)
		t.Error("nothing was said")
	}
	for _, u := range h.voice.Calls() {
		if u.Voice != "anna" {
			t.Errorf("%q is spoken by %q", u.Text, u.Voice)
		}
	}
}
