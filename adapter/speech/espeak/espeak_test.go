package espeak

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringmaster/adapter/speech/level"
	"ringmaster/internal/audio"
	"ringmaster/internal/lab/env"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, cfg Config) *Synthesizer {
	t.Helper()
	env.Need(t, env.Espeak)
	s, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func say(t *testing.T, s *Synthesizer, u speech.Utterance) ([]int16, error) {
	t.Helper()
	if u.Format.Rate == 0 {
		u.Format = audio.FormatSlin
	}
	syn, err := s.Synthesize(t.Context(), u)
	if err != nil {
		return nil, err
	}
	defer syn.Close()
	return speechtest.ReadAll(syn, u.Format, time.Hour)
}

func TestContract(t *testing.T) {
	env.Need(t, env.Espeak)
	speechtest.TestSynthesizer(t, func(t *testing.T) speech.Synthesizer { return open(t, Config{}) }, speechtest.SynthesizerOptions{
		Texts: map[speech.Language]string{
			"cmn": "您好，这里是阳光银行客服中心，请问是王先生吗？",
			"yue": "你好，呢度係陽光銀行，請問係咪王先生？",
			"hak": "ngi2 ho2, ngai2 he4 ngin2 hong2.",
			"ug":  "ياخشىمۇسىز، سىز بىلەن پاراڭلاشسام بولامدۇ؟",
			"en":  "Hello, this is the bank. May I speak to Mr Wang?",
		},
	})
}

func TestLoudnessIsTheSameInEveryLanguage(t *testing.T) {
	s := open(t, Config{})
	for language, text := range map[speech.Language]string{
		"cmn": "您好，这里是阳光银行客服中心。", "yue": "你好，呢度係陽光銀行。", "ug": "ياخشىمۇسىز، بۇ بانكا.", "en": "Hello, this is the bank.",
	} {
		for _, f := range []audio.Format{audio.FormatSlin, audio.FormatSlin16} {
			samples, err := say(t, s, speech.Utterance{Text: text, Language: language, Format: f})
			if err != nil {
				t.Fatal(err)
			}
			got, _ := level.Active(samples, f.Rate)
			if math.Abs(got-level.Target) > 0.5 {
				t.Errorf("%s at %d Hz: %.1f dBFS, want %.0f", language, f.Rate, got, level.Target)
			}
			quiet := int16(level.Amplitude(level.Silence))
			kept := int(0.060 * float64(f.Rate))
			for name, end := range map[string][]int16{"beginning": samples[:kept], "end": samples[len(samples)-kept:]} {
				loud := false
				for _, v := range end {
					loud = loud || v > quiet || v < -quiet
				}
				if !loud {
					t.Errorf("%s at %d Hz: more than 60 ms of silence at the %s", language, f.Rate, name)
				}
			}
			for _, v := range samples {
				if math.Abs(float64(v)) > level.Amplitude(level.PeakLimit)+1 {
					t.Fatalf("%s at %d Hz: a peak of %d", language, f.Rate, v)
				}
			}
		}
	}
}

// Length and likeness to pinyin show whether text was read as Chinese.
func TestMandarinIsReadAsMandarin(t *testing.T) {
	s := open(t, Config{})
	length := func(l speech.Language, text string) time.Duration {
		t.Helper()
		samples, err := say(t, s, speech.Utterance{Text: text, Language: l})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		return audio.FormatSlin.Duration(int64(len(samples)))
	}
	for _, l := range []speech.Language{"cmn", "yue"} {
		four := length(l, "你好先生")
		if four > 1800*time.Millisecond {
			t.Errorf("%s: four syllables take %v: characters are spelled out", l, four)
		}
		if d := length(l, "3.5元") - length(l, "35元"); d < -100*time.Millisecond {
			t.Errorf("%s: the decimal point is not said (%v)", l, d)
		}
	}
	pinyin, err := say(t, s, speech.Utterance{Text: "ni3 hao3", Language: "cmn", Voice: "cmn-latn-pinyin"})
	if err != nil {
		t.Fatal(err)
	}
	characters, err := say(t, s, speech.Utterance{Text: "你好", Language: "cmn"})
	if err != nil || !slices.Equal(pinyin, characters) {
		t.Errorf("characters sound different from their pinyin (%v): is the voice cmn in use?", err)
	}
	if d := length("en", "Hello Mr 王."); d < 700*time.Millisecond || d > 2*time.Second {
		t.Errorf("a Chinese name in English makes it %v", d)
	}
}

func TestHakkaInCharactersIsRefused(t *testing.T) {
	s := open(t, Config{})
	if _, err := say(t, s, speech.Utterance{Text: "你好", Language: "hak"}); !errors.Is(err, speech.ErrUnsupported) {
		t.Errorf("%v, want ErrUnsupported", err)
	}
}

func TestTextThatSaysNothingIsNoAudio(t *testing.T) {
	s := open(t, Config{})
	for _, text := range []string{"", "  ", "。，！", "\x00\x01"} {
		if samples, err := say(t, s, speech.Utterance{Text: text, Language: "cmn"}); err != nil || len(samples) != 0 {
			t.Errorf("%q: %d samples, %v", text, len(samples), err)
		}
	}
}

func TestVoicesAndSpeed(t *testing.T) {
	s := open(t, Config{})
	for voice, want := range map[string]error{
		"en-us": nil, "cmn-latn-pinyin+f3": nil, "en+zzz": speech.ErrUnsupported, "-v": speech.ErrUnsupported,
		"../../etc/passwd": speech.ErrUnsupported, "en;id": speech.ErrUnsupported,
	} {
		if _, err := say(t, s, speech.Utterance{Text: "hello", Language: "en", Voice: voice}); !errors.Is(err, want) {
			t.Errorf("voice %s: %v, want %v", voice, err, want)
		}
	}
	if _, err := say(t, s, speech.Utterance{Text: "hello", Language: "en", Speed: 9}); !errors.Is(err, speech.ErrUnsupported) {
		t.Errorf("speed 9: %v", err)
	}
}

func TestBounds(t *testing.T) {
	s := open(t, Config{MaxRunes: 50, MaxAudio: 2 * time.Second})
	if _, err := say(t, s, speech.Utterance{Text: strings.Repeat("好", 51), Language: "cmn"}); !errors.Is(err, ErrTooLong) {
		t.Errorf("51 characters: %v", err)
	}
	if _, err := say(t, s, speech.Utterance{Text: strings.Repeat("好", 50), Language: "cmn"}); !errors.Is(err, ErrTooLong) {
		t.Errorf("ten seconds of audio: %v", err)
	}
}

func TestMissingProgramNamesWhatToInstall(t *testing.T) {
	_, err := New(t.Context(), Config{Program: "no-such-espeak"})
	if !errors.Is(err, speech.ErrUnavailable) || !strings.Contains(err.Error(), "apt-get install espeak-ng") {
		t.Errorf("%v", err)
	}
}

// fake writes a program that lists the voices and then behaves as told.
func fake(t *testing.T, then string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "espeak-ng")
	script := "#!/bin/sh\ncase \"$1\" in --voices*) for v in cmn-latn-pinyin yue hak ug en; do echo \"5 $v --/M x $v\"; done; exit;; esac\n" + then
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestProgramThatMisbehaves(t *testing.T) {
	u := speech.Utterance{Text: "hello", Language: "en"}
	for name, c := range map[string]struct {
		then string
		want error
	}{
		"hangs":       {"exec sleep 60", speech.ErrTimeout},
		"fails":       {"cat >/dev/null; echo broken >&2; exit 3", speech.ErrProtocol},
		"no wav":      {"cat >/dev/null; echo this is not a wav file at all", speech.ErrProtocol},
		"never stops": {"printf 'RIFF\\377\\377\\377\\377WAVEfmt \\020\\000\\000\\000\\001\\000\\001\\000\\042\\126\\000\\000\\104\\254\\000\\000\\002\\000\\020\\000data\\377\\377\\377\\377'; exec cat /dev/zero", ErrTooLong},
	} {
		s, err := New(t.Context(), Config{Program: fake(t, c.then), Timeout: time.Second})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := say(t, s, u); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%s: took %v", name, d)
		}
	}
}

func TestCloseKillsTheProgram(t *testing.T) {
	s, err := New(t.Context(), Config{Program: fake(t, "exec sleep 60"), Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.Synthesize(t.Context(), speech.Utterance{Text: "hello", Language: "en", Format: audio.FormatSlin})
	if err != nil {
		t.Fatal(err)
	}
	// The only turn is taken: the second waits, and gives up with its context.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	second, err := s.Synthesize(ctx, speech.Utterance{Text: "hello", Language: "en", Format: audio.FormatSlin})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Read(make([]int16, 10)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a turn: %v", err)
	}
	start := time.Now()
	_ = second.Close()
	_ = first.Close()
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("Close took %v", d)
	}
}

func TestPrepare(t *testing.T) {
	for _, c := range []struct {
		language speech.Language
		text     string
		want     string
	}{
		{"cmn", "共3.5元", "cmn-latn-pinyin:共3点5元"},
		{"cmn", "12,345.67元", "cmn-latn-pinyin:12345点6 7元"},
		{"yue", "升咗-5.2%", "yue:升咗負百分之5點2"},
		{"cmn", "电话13800138000", "cmn-latn-pinyin:电话1 3 8 0 0 1 3 8 0 0 0"},
		{"cmn", "2023年10月01日", "cmn-latn-pinyin:2023年10月0 1日"},
		{"en", "3.5 and 0.25, 1,000", "en:3.5 and 0.25, 1,000"},
		{"en", "Mr 王 is here", "en:Mr |cmn-latn-pinyin:王 |en:is here"},
		{"cmn", "您好ياخشى吗", "cmn-latn-pinyin:您好|ug:ياخشى|cmn-latn-pinyin:吗"},
		{"en", "a[[[b]] \x01200Ac\x00\u202e", "en:a[ [ [b]] 200Ac"},
		{"cmn", "。", ""},
	} {
		voice, _ := voiceOf(c.language)
		parts, err := prepare(c.text, c.language, voice, false)
		var got []string
		for _, p := range parts {
			got = append(got, p.voice+":"+p.text)
		}
		if err != nil || strings.Join(got, "|") != c.want {
			t.Errorf("%s %q: %q, %v, want %q", c.language, c.text, strings.Join(got, "|"), err, c.want)
		}
	}
}

func FuzzPrepare(f *testing.F) {
	for _, text := range speechtest.HostileTexts() {
		f.Add(text[:min(len(text), 200)], 0)
	}
	f.Add("共-3.5%,1,234.5 A王", 1)
	f.Fuzz(func(t *testing.T, text string, l int) {
		language := Languages()[((l%5)+5)%5]
		voice, _ := voiceOf(language)
		parts, err := prepare(text, language, voice, false)
		if err != nil && !errors.Is(err, speech.ErrUnsupported) {
			t.Error(err)
		}
		for _, p := range parts {
			if strings.Contains(p.text, "[[") || strings.ContainsFunc(p.text, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%q reaches the program as %q", text, p.text)
			}
			if !strings.ContainsFunc(p.text, pronounceable) {
				t.Errorf("%q has a part with nothing to say: %q", text, p.text)
			}
		}
	})
}

func TestLimiterHoldsEveryPeak(t *testing.T) {
	samples := make([]int16, 8000)
	for i := range samples {
		samples[i] = int16(600 * math.Sin(float64(i)/4))
	}
	samples[4000], samples[4001], samples[100] = 30000, -30000, 29000
	for i, v := range level.Apply(samples, 8000) {
		if math.Abs(float64(v)) > level.Amplitude(level.PeakLimit)+1 {
			t.Errorf("sample %d is %d", i, v)
		}
	}
}
