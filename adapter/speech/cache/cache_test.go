package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, next speech.Synthesizer, cfg Config) *Cache {
	t.Helper()
	c, err := New(next, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func say(text string) speech.Utterance {
	return speech.Utterance{Text: text, Language: "cmn", Format: audio.FormatSlin}
}

func play(t *testing.T, s speech.Synthesizer, u speech.Utterance) ([]int16, []speech.Mark, error) {
	t.Helper()
	syn, err := s.Synthesize(t.Context(), u)
	if err != nil {
		return nil, nil, err
	}
	defer syn.Close()
	samples, err := speechtest.ReadAll(syn, u.Format, time.Hour)
	return samples, syn.Marks(), err
}

func TestContract(t *testing.T) {
	texts := speechtest.SynthesizerOptions{Texts: map[speech.Language]string{"cmn": "您好，这里是阳光银行客服中心。"}}
	t.Run("Memory", func(t *testing.T) {
		speechtest.TestSynthesizer(t, func(t *testing.T) speech.Synthesizer {
			return open(t, &speechtest.Tones{PerRune: 35 * time.Millisecond}, Config{})
		}, texts)
	})
	t.Run("Disk", func(t *testing.T) {
		dir := t.TempDir() // shared: most of it is read back by another cache
		speechtest.TestSynthesizer(t, func(t *testing.T) speech.Synthesizer {
			return open(t, &speechtest.Tones{PerRune: 35 * time.Millisecond}, Config{Dir: dir, MemoryBytes: 1})
		}, texts)
	})
	t.Run("Fallback", func(t *testing.T) {
		texts := texts
		texts.AnyVoice = true
		speechtest.TestSynthesizer(t, func(*testing.T) speech.Synthesizer {
			return Fallback(&speechtest.Tones{Fail: speech.ErrUnavailable}, &speechtest.Tones{PerRune: 35 * time.Millisecond}, SynthesisTimeouts{})
		}, texts)
	})
	t.Run("NoFallbackNeeded", func(t *testing.T) {
		speechtest.TestSynthesizer(t, func(*testing.T) speech.Synthesizer {
			return Fallback(&speechtest.Tones{PerRune: 35 * time.Millisecond}, &speechtest.Tones{Fail: speech.ErrUnsupported}, SynthesisTimeouts{})
		}, texts)
	})
}

// A prompt that was warmed plays without asking anybody and without waiting,
// from memory and, after a restart, from disk.
func TestRow_S11_CachedPromptPlaysWithoutSynthesis(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		slow := &speechtest.Tones{FirstAudio: 700 * time.Millisecond}
		u := say("您好，这里是阳光银行。")
		c := open(t, slow, Config{Provider: "slow 1", Dir: dir})
		begun := time.Now()
		want, marks, err := play(t, c, u)
		if err != nil || time.Since(begun) != 700*time.Millisecond {
			t.Fatalf("the first time took %v, %v", time.Since(begun), err)
		}
		before := c.Stats()
		begun = time.Now()
		got, gotMarks, err := play(t, c, u)
		after := c.Stats()
		if err != nil || !slices.Equal(got, want) || !slices.Equal(gotMarks, marks) {
			t.Errorf("the second time differs: %d and %d samples, %v", len(got), len(want), err)
		}
		if d := time.Since(begun); d != 0 || after.Synths != before.Synths || after.Hits != before.Hits+1 || len(slow.Calls()) != 1 {
			t.Errorf("the second time took %v and %d synthesizer calls: %+v", d, len(slow.Calls()), after)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		// Another process; the provider is gone.
		gone := &speechtest.Tones{Fail: speech.ErrUnavailable}
		c = open(t, gone, Config{Provider: "slow 1", Dir: dir})
		begun = time.Now()
		got, gotMarks, err = play(t, c, u)
		if err != nil || !slices.Equal(got, want) || !slices.Equal(gotMarks, marks) {
			t.Errorf("after a restart it differs: %d and %d samples, %v", len(got), len(want), err)
		}
		if s := c.Stats(); time.Since(begun) != 0 || len(gone.Calls()) != 0 || s.Synths != 0 || s.DiskHits != 1 {
			t.Errorf("after a restart it took %v and %d synthesizer calls: %+v", time.Since(begun), len(gone.Calls()), s)
		}
	})
}

func TestWarmMakesEverythingOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tones := &speechtest.Tones{FirstAudio: 100 * time.Millisecond}
		c := open(t, tones, Config{WarmConcurrency: 4})
		var us []speech.Utterance
		for i := range 20 {
			us = append(us, say(fmt.Sprintf("prompt %d", i/2))) // every one twice
		}
		var seen []int
		begun := time.Now()
		if err := c.Warm(t.Context(), us, func(done, total int) {
			if total != 20 {
				t.Errorf("total %d", total)
			}
			seen = append(seen, done)
		}); err != nil {
			t.Fatal(err)
		}
		if len(tones.Calls()) != 10 || !slices.IsSorted(seen) || len(seen) != 20 || seen[19] != 20 {
			t.Errorf("%d syntheses of 10 prompts, progress %v", len(tones.Calls()), seen)
		}
		if d := time.Since(begun); d > 600*time.Millisecond {
			t.Errorf("took %v: 4 at once need about 500 ms", d)
		}
		for _, u := range us {
			if !c.Cached(u) {
				t.Errorf("%s is not cached", u.Text)
			}
		}
		tones.Fail = errors.New("no quota")
		err := c.Warm(t.Context(), append(us, say("new")), nil)
		if !errors.Is(err, tones.Fail) || !strings.Contains(err.Error(), "1 of 21") {
			t.Errorf("%v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := c.Warm(ctx, us, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

func TestEverythingThatShapesTheSoundIsInTheKey(t *testing.T) {
	c := open(t, &speechtest.Tones{}, Config{Provider: "a"})
	other := open(t, &speechtest.Tones{}, Config{Provider: "b"})
	u := say("你好")
	keys := map[key]string{c.keyOf(u): "plain", other.keyOf(u): "provider"}
	for name, change := range map[string]func(*speech.Utterance){
		"text":     func(u *speech.Utterance) { u.Text = "你好 " },
		"language": func(u *speech.Utterance) { u.Language = "yue" },
		"voice":    func(u *speech.Utterance) { u.Voice = "x" },
		"speed":    func(u *speech.Utterance) { u.Speed = 1.1 },
		"rate":     func(u *speech.Utterance) { u.Format = audio.FormatSlin16 },
		"shifted":  func(u *speech.Utterance) { u.Voice, u.Language = "c", "mn" },
	} {
		v := u
		change(&v)
		if before, ok := keys[c.keyOf(v)]; ok {
			t.Errorf("%s has the key of %s", name, before)
		}
		keys[c.keyOf(v)] = name
	}
	v := u
	v.Speed = 1
	if c.keyOf(v) != c.keyOf(u) {
		t.Error("speed 0 means 1 but has another key")
	}
}

func TestCallersShareOneSynthesisAndHearItGrow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tones := &speechtest.Tones{FirstAudio: time.Second}
		c := open(t, tones, Config{})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if samples, _, err := play(t, c, say("一起")); err != nil || len(samples) != 1280 {
					t.Errorf("%d samples, %v", len(samples), err)
				}
			})
		}
		wg.Wait()
		if n := len(tones.Calls()); n != 1 {
			t.Errorf("%d syntheses for 50 callers", n)
		}
		tones.BreakAfter = 80 * time.Millisecond // then nothing more: the beginning must come all the same
		syn, err := c.Synthesize(t.Context(), say("一二三"))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadFull(reader{syn}, make([]byte, 1280)); err != nil {
			t.Errorf("%d bytes before the stall, %v", n, err)
		}
		_ = syn.Close()
		synctest.Wait()
		if tones.Open() != 0 {
			t.Error("nobody listens, but the provider still works")
		}
		if c.Cached(say("一二三")) {
			t.Error("half a prompt was kept")
		}
	})
}

type reader struct{ s speech.Synthesis }

func (r reader) Read(p []byte) (int, error) {
	n, err := r.s.Read(make([]int16, len(p)/2))
	return 2 * n, err
}

func TestFailuresAreNotKept(t *testing.T) {
	tones := &speechtest.Tones{Fail: speech.ErrUnavailable}
	c := open(t, tones, Config{Dir: t.TempDir()})
	if _, _, err := play(t, c, say("a")); !errors.Is(err, speech.ErrUnavailable) {
		t.Error(err)
	}
	tones.Fail = nil
	if _, _, err := play(t, c, say("a")); err != nil {
		t.Error(err)
	}
	if s := c.Stats(); s.Errors != 1 || s.Synths != 2 {
		t.Errorf("%+v", s)
	}
}

// What the second provider said in an emergency is not said for ever.
func TestFallbackAudioIsNotKept(t *testing.T) {
	dir := t.TempDir()
	primary, secondary := &speechtest.Tones{Fail: speech.ErrUnavailable}, &speechtest.Tones{PerRune: 40 * time.Millisecond}
	c := open(t, Fallback(primary, secondary, SynthesisTimeouts{}), Config{Dir: dir})
	if samples, _, err := play(t, c, say("a")); err != nil || len(samples) != 320 {
		t.Fatalf("%d samples, %v", len(samples), err)
	}
	c.workers.Wait()
	if c.Cached(say("a")) || len(files(t, dir)) != 0 {
		t.Error("the second provider's voice was kept")
	}
	primary.Fail = nil
	if samples, _, err := play(t, c, say("a")); err != nil || len(samples) != 640 {
		t.Errorf("%d samples, %v", len(samples), err)
	}
	if !c.Cached(say("a")) {
		t.Error("the first provider's voice was not kept")
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestDamagedFilesAreMadeAnew(t *testing.T) {
	for name, damage := range map[string]func(b []byte) []byte{
		"one bit":   func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"truncated": func(b []byte) []byte { return b[:len(b)-100] },
		"empty":     func([]byte) []byte { return nil },
		"foreign":   func([]byte) []byte { return []byte(strings.Repeat("x", 500)) },
	} {
		dir := t.TempDir()
		u := say("你好")
		c := open(t, &speechtest.Tones{}, Config{Dir: dir})
		want, _, err := play(t, c, u)
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		path := files(t, dir)[0]
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, damage(b), 0o600); err != nil {
			t.Fatal(err)
		}
		c = open(t, &speechtest.Tones{}, Config{Dir: dir})
		got, _, err := play(t, c, u)
		if s := c.Stats(); err != nil || !slices.Equal(got, want) || s.Corrupt != 1 || s.Synths != 1 {
			t.Errorf("%s: %d samples, %v, %+v", name, len(got), err, s)
		}
		_ = c.Close()
		if on, err := os.ReadFile(path); err != nil || len(on) < len(want)*2 {
			t.Errorf("%s: the file was not made anew: %d bytes, %v", name, len(on), err)
		}
	}
}

func TestBoundsForgetTheLeastRecentlyUsed(t *testing.T) {
	dir := t.TempDir()
	tones := &speechtest.Tones{}
	// One character is 640 samples: 1280 bytes and some. Room for three.
	c := open(t, tones, Config{Dir: dir, MemoryBytes: 4500, DiskBytes: 4500})
	for _, text := range []string{"a", "b", "c", "a", "d"} { // b is the oldest when d comes
		if _, _, err := play(t, c, say(text)); err != nil {
			t.Fatal(err)
		}
		c.workers.Wait() // its file is written
	}
	if len(tones.Calls()) != 4 {
		t.Fatalf("%d syntheses", len(tones.Calls()))
	}
	c.mu.Lock()
	for text, want := range map[string]bool{"a": true, "b": false, "c": true, "d": true} {
		if ok := c.kept.has(c.keyOf(say(text))); ok != want {
			t.Errorf("%s in memory: %v", text, ok)
		}
	}
	c.mu.Unlock()
	s := c.Stats()
	if s.Memory > 4500 || s.Disk > 4500 || s.Evictions < 2 || len(files(t, dir)) != 3 {
		t.Errorf("%+v, %d files", s, len(files(t, dir)))
	}
	_ = c.Close()
	// A smaller bound at the next start is kept, too.
	c = open(t, tones, Config{Dir: dir, DiskBytes: 1600})
	if n := len(files(t, dir)); n != 1 || c.Stats().Disk > 1600 {
		t.Errorf("%d files, %d bytes", n, c.Stats().Disk)
	}
}

func TestFolderThatCannotBeUsed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(&speechtest.Tones{}, Config{Dir: path}); err == nil {
		t.Error("a file was taken for a folder")
	}
	dir := t.TempDir()
	c := open(t, &speechtest.Tones{}, Config{Dir: dir})
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := play(t, c, say("a")); err != nil {
		t.Errorf("a disk that fails must not silence the voice: %v", err)
	}
}

func TestClosedCache(t *testing.T) {
	c := open(t, &speechtest.Tones{BreakAfter: time.Millisecond}, Config{})
	syn, err := c.Synthesize(t.Context(), say("abc"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := speechtest.ReadAll(syn, audio.FormatSlin, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("a reading of a closed cache: %v", err)
	}
	_ = syn.Close()
	if _, err := c.Synthesize(t.Context(), say("a")); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func FuzzDecode(f *testing.F) {
	k := key{1, 2, 3}
	f.Add(encode(k, 8000, []int16{1, 2, 3}, []speech.Mark{{Text: 1, At: 5}}))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decode(b, k, 8000)
		if err == nil && !slices.Equal(encode(k, 8000, p.samples, p.marks), b) {
			t.Error("accepted bytes that are not what it would write")
		}
	})
}
