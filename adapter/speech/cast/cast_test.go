package cast

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
	"ringmaster/internal/speech/voices"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// house is a provider with voices of its own, for some languages.
type house struct {
	*speechtest.Tones
	langs []speech.Language
}

func (h house) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	if !slices.Contains(h.langs, u.Language) {
		return nil, fmt.Errorf("%w: %s", speech.ErrUnsupported, u.Language)
	}
	return h.Tones.Synthesize(ctx, u)
}

func catalogue(t *testing.T) *voices.Catalogue {
	t.Helper()
	c, err := voices.New([]voices.Voice{
		{Name: "mei", Provider: "cloud", Own: "longmei", Gender: voices.Female, Languages: []speech.Language{"cmn"}, Speed: 1.25},
		{Name: "ling", Provider: "cloud", Own: "longling", Gender: voices.Female, Languages: []speech.Language{"yue"}},
		{Name: "shu", Provider: "cloud", Own: "longshu", Gender: voices.Male, Languages: []speech.Language{"cmn"}, Dialect: "sichuan"},
		{Name: "bo", Provider: "studio", Own: "onyx", Gender: voices.Male, Languages: []speech.Language{"cmn"}},
		{Name: "an", Provider: "studio", Own: "alloy", Gender: voices.Female, Languages: []speech.Language{"cmn"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func say(c *Cast, voice string, l speech.Language) error {
	syn, err := c.Synthesize(context.Background(), speech.Utterance{Text: "你好", Voice: voice, Language: l, Format: audio.FormatSlin})
	if err != nil {
		return err
	}
	_, err = speechtest.ReadAll(syn, audio.FormatSlin, time.Minute)
	return errors.Join(err, syn.Close())
}

// Each line goes to the provider that has its voice; when that fails, to the
// nearest voice of the next, and a Cantonese line to nobody who has no Cantonese.
func TestTheProviderOfTheVoiceSpeaks(t *testing.T) {
	down := speech.ErrUnavailable
	for _, x := range []struct {
		voice        string
		lang         speech.Language
		cloud        error
		speaks, lost string
		fails        error
	}{
		{"mei", "cmn", nil, "cloud longmei 1.25", "", nil},
		{"bo", "cmn", nil, "studio onyx 0", "", nil},
		{"mei", "cmn", down, "studio alloy 0", "", nil},
		{"shu", "cmn", down, "studio onyx 0", "dialect", nil},
		{"ling", "yue", nil, "cloud longling 0", "", nil},
		{"ling", "yue", down, "", "", speech.ErrUnsupported},
		{"", "cmn", nil, "cloud  0", "", nil},
		{"longmei", "cmn", nil, "cloud  0", "", nil},
		{"ling", "cmn", nil, "cloud  0", "", nil},
	} {
		cloud := house{&speechtest.Tones{Fail: x.cloud}, []speech.Language{"cmn", "yue"}}
		studio := house{&speechtest.Tones{}, []speech.Language{"cmn"}}
		logs := &bytes.Buffer{}
		c, err := New(Config{Catalogue: catalogue(t), Log: slog.New(slog.NewTextHandler(logs, nil)), Providers: []Provider{{Name: "cloud", Synthesizer: cloud}, {Name: "studio", Synthesizer: studio}}})
		if err != nil {
			t.Fatal(err)
		}
		err = say(c, x.voice, x.lang)
		if !errors.Is(err, x.fails) {
			t.Errorf("%s %s: %v", x.voice, x.lang, err)
		}
		if x.fails != nil { // what failed first is in the error too
			if !errors.Is(err, x.cloud) || len(studio.Calls()) != 0 {
				t.Errorf("%v; the other provider was given %v", err, studio.Calls())
			}
			continue
		}
		who, calls := "studio", studio.Calls()
		if len(calls) == 0 {
			who, calls = "cloud", cloud.Calls()
		}
		if got := fmt.Sprintf("%s %s %g", who, calls[0].Voice, calls[0].Speed); got != x.speaks || calls[0].Language != x.lang {
			t.Errorf("%s %s: %s, want %s", x.voice, x.lang, got, x.speaks)
		}
		want := map[Substitution]int64{}
		if x.cloud != nil {
			want[Substitution{"cloud", "studio", x.lost}] = 1
			if !strings.Contains(logs.String(), "voice="+x.voice) || !strings.Contains(logs.String(), "instead=studio") || !strings.Contains(logs.String(), x.lost) {
				t.Errorf("the log says %q", logs)
			}
		}
		if got := c.Substitutions(); !maps.Equal(got, want) {
			t.Errorf("%s: %v", x.voice, got)
		}
	}
}

// A language that the first provider does not offer is spoken by the next as by
// the first: that is no failure, and its prompts are kept.
func TestAnotherLanguageIsNoFailure(t *testing.T) {
	studio := house{&speechtest.Tones{}, []speech.Language{"cmn"}}
	espeak := house{&speechtest.Tones{}, []speech.Language{"cmn", "ug"}}
	c, err := New(Config{Providers: []Provider{{Name: "studio", Synthesizer: studio, Speaks: studio.langs}, {Name: "espeak", Synthesizer: espeak, Speaks: espeak.langs}}})
	if err != nil {
		t.Fatal(err)
	}
	syn, err := c.Synthesize(t.Context(), speech.Utterance{Text: "ياق", Voice: "own", Language: "ug", Format: audio.FormatSlin})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := speechtest.ReadAll(syn, audio.FormatSlin, time.Minute); err != nil {
		t.Fatal(err)
	}
	if d, ok := syn.(interface{ Degraded() bool }); !ok || d.Degraded() || len(c.Substitutions()) != 0 || len(studio.Calls()) != 0 || espeak.Calls()[0].Voice != "" {
		t.Errorf("%v, %v, %v", ok, c.Substitutions(), espeak.Calls())
	}
	_ = syn.Close()
	if err := say(c, "", "yue"); !errors.Is(err, speech.ErrUnsupported) {
		t.Errorf("%v", err)
	}
}

// The log of an outage is short; its count is not.
func TestAnOutageIsToldOnceAMinute(t *testing.T) {
	logs := &bytes.Buffer{}
	c, err := New(Config{Log: slog.New(slog.NewTextHandler(logs, nil)), Providers: []Provider{{Name: "a", Synthesizer: &speechtest.Tones{Fail: speech.ErrUnavailable}}, {Name: "b", Synthesizer: &speechtest.Tones{}}}})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := say(c, "", "cmn"); err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(logs.String(), "\n"); n != 1 || c.Substitutions()[Substitution{"a", "b", ""}] != 5 {
		t.Errorf("%d lines, %v", n, c.Substitutions())
	}
	if _, err := New(Config{}); !errors.Is(err, ErrNoProvider) {
		t.Errorf("%v", err)
	}
}

// Without a catalogue a name is the first provider's; with one, a prompt is
// kept by who really speaks it.
func TestIdentity(t *testing.T) {
	a := &speechtest.Tones{Fail: speech.ErrUnavailable}
	b := &speechtest.Tones{}
	plain, err := New(Config{Providers: []Provider{{Name: "a", Synthesizer: a}, {Name: "b", Synthesizer: b}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := say(plain, "xiaoyan", "cmn"); err != nil || a.Calls()[0].Voice != "xiaoyan" || b.Calls()[0].Voice != "" {
		t.Errorf("%v %v %v", err, a.Calls(), b.Calls())
	}
	u := speech.Utterance{Voice: "mei", Language: "cmn"}
	if got := plain.Identity(u); got != "mei" {
		t.Errorf("%q", got)
	}
	seen := map[string]bool{}
	for _, key := range []string{"", "model 1", "model 2"} {
		for _, providers := range [][]string{{"cloud", "studio"}, {"other", "studio"}} {
			c, err := New(Config{Catalogue: catalogue(t), Providers: []Provider{{Name: providers[0], Synthesizer: a, Key: key}, {Name: providers[1], Synthesizer: b}}})
			if err != nil {
				t.Fatal(err)
			}
			seen[c.Identity(u)] = true
		}
	}
	if len(seen) != 6 {
		t.Errorf("%d identities: %q", len(seen), slices.Sorted(maps.Keys(seen)))
	}
}
