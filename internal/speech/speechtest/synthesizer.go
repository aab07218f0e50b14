package speechtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// SynthesizerOptions describe the synthesizer under test to TestSynthesizer.
type SynthesizerOptions struct {
	// Texts has a sentence of ten characters or more for each language offered.
	Texts map[speech.Language]string
	// UnknownVoice and UnknownLanguage are not offered; empty means "nobody"
	// and "xx".
	UnknownVoice    string
	UnknownLanguage speech.Language
	// AnyVoice is set where a voice that is not known gets a default instead.
	AnyVoice bool
	// Patience is how long any one step may take; 0 means 20 s.
	Patience time.Duration
}

// MaxSynthesis bounds what a synthesizer may make of one hostile text.
const MaxSynthesis = 10 * time.Minute

// TestSynthesizer is the contract of speech.Synthesizer. open returns a fresh
// synthesizer; it may register cleanups. Leaked goroutines are the business of
// the caller's TestMain.
func TestSynthesizer(t *testing.T, open func(t *testing.T) speech.Synthesizer, o SynthesizerOptions) {
	if o.UnknownVoice == "" {
		o.UnknownVoice = "nobody"
	}
	if o.UnknownLanguage == "" {
		o.UnknownLanguage = "xx"
	}
	if o.Patience <= 0 {
		o.Patience = 20 * time.Second
	}
	c := contract{open: open, o: o}
	for language, text := range o.Texts {
		c.language, c.text = language, text
		t.Run("Speaks_"+string(language), c.speaks)
	}
	t.Run("ReadsInAnySize", c.readsInAnySize)
	t.Run("CloseInMidStream", c.closeInMidStream)
	t.Run("ContextEndsIt", c.contextEndsIt)
	t.Run("UnknownIsUnsupported", c.unknownIsUnsupported)
	t.Run("SpeedChangesLength", c.speedChangesLength)
	t.Run("Concurrent", c.concurrent)
	t.Run("HostileText", c.hostileText)
}

type contract struct {
	open     func(t *testing.T) speech.Synthesizer
	o        SynthesizerOptions
	language speech.Language
	text     string
}

func (c contract) utterance(f audio.Format) speech.Utterance {
	return speech.Utterance{Text: c.text, Language: c.language, Format: f}
}

func (c contract) context(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), c.o.Patience)
	t.Cleanup(cancel)
	return ctx
}

// ReadAll reads a synthesis to its end, at most limit of audio.
func ReadAll(s speech.Synthesis, f audio.Format, limit time.Duration) ([]int16, error) {
	var all []int16
	buf := make([]int16, f.FrameSamples())
	for {
		n, err := s.Read(buf)
		all = append(all, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		if int64(len(all)) > f.Samples(limit) {
			return all, fmt.Errorf("speechtest: more than %v of audio", limit)
		}
	}
}

// speak synthesizes to the end.
func (c contract) speak(t *testing.T, s speech.Synthesizer, u speech.Utterance) []int16 {
	t.Helper()
	syn, err := s.Synthesize(c.context(t), u)
	if err != nil {
		t.Fatalf("Synthesize: %v", err)
	}
	defer closing(syn)
	samples, err := ReadAll(syn, u.Format, MaxSynthesis)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	if n, err := syn.Read(make([]int16, 10)); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("after the end Read gave %d, %v: want 0, io.EOF", n, err)
	}
	checkMarks(t, syn.Marks(), u, len(samples))
	if err := syn.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	return samples
}

func checkMarks(t *testing.T, marks []speech.Mark, u speech.Utterance, samples int) {
	t.Helper()
	var last speech.Mark
	for i, m := range marks {
		if m.Text < last.Text || m.At < last.At {
			t.Errorf("mark %d %+v goes back behind %+v", i, m, last)
		}
		if m.Text > len(u.Text) || m.At > u.Format.Duration(int64(samples))+20*time.Millisecond {
			t.Errorf("mark %d %+v lies outside the text (%d bytes) or the audio (%v)", i, m, len(u.Text), u.Format.Duration(int64(samples)))
		} else if m.Text < len(u.Text) && utf8.ValidString(u.Text) && !utf8.RuneStart(u.Text[m.Text]) {
			t.Errorf("mark %d %+v splits a character", i, m)
		}
		last = m
	}
}

func (c contract) speaks(t *testing.T) {
	s := c.open(t)
	runes := utf8.RuneCountInString(c.text)
	var lengths []time.Duration
	for _, f := range []audio.Format{audio.FormatSlin, audio.FormatSlin16} {
		samples := c.speak(t, s, c.utterance(f))
		d := f.Duration(int64(len(samples)))
		lengths = append(lengths, d)
		if d < time.Duration(runes)*30*time.Millisecond || d > time.Duration(runes)*time.Second {
			t.Errorf("%v of audio for %d characters at %d Hz", d, runes, f.Rate)
		}
		if level := rms(samples); level < -40 || level > -6 {
			t.Errorf("%.1f dBFS at %d Hz: not the loudness of speech", level, f.Rate)
		}
	}
	if diff := (lengths[0] - lengths[1]).Abs(); diff > 100*time.Millisecond {
		t.Errorf("%v at 8 kHz but %v at 16 kHz", lengths[0], lengths[1])
	}
	long := c.utterance(audio.FormatSlin)
	long.Text = c.text + "\n" + c.text
	if d := long.Format.Duration(int64(len(c.speak(t, s, long)))); d < lengths[0]*3/2 {
		t.Errorf("twice the text takes %v, once %v", d, lengths[0])
	}
}

// closing ends a synthesis whose end is not what is tested.
func closing(s speech.Synthesis) { _ = s.Close() }

func rms(samples []int16) float64 {
	var sum float64
	for _, s := range samples {
		sum += float64(s) * float64(s)
	}
	return 10 * math.Log10(sum/float64(max(len(samples), 1))/32768/32768+1e-12)
}

func (c contract) readsInAnySize(t *testing.T) {
	s := c.open(t)
	u := c.utterance(audio.FormatSlin)
	whole := c.speak(t, s, u)
	syn, err := s.Synthesize(c.context(t), u)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(syn)
	var pieces []int16
	sizes := []int{1, 7, 160, 0, 1000, 3}
	for i := 0; ; i++ {
		buf := make([]int16, sizes[i%len(sizes)])
		n, err := syn.Read(buf)
		if n > len(buf) {
			t.Fatalf("Read gave %d samples for room of %d", n, len(buf))
		}
		pieces = append(pieces, buf[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if len(pieces) > 10*len(whole)+1000 {
			t.Fatal("no end")
		}
	}
	if len(pieces) != len(whole) {
		t.Errorf("%d samples in pieces, %d at once", len(pieces), len(whole))
	}
}

func (c contract) closeInMidStream(t *testing.T) {
	s := c.open(t)
	u := c.utterance(audio.FormatSlin)
	u.Text = strings.Repeat(c.text+"\n", 5)
	syn, err := s.Synthesize(c.context(t), u)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := syn.Read(make([]int16, 160)); err != nil {
		t.Fatal(err)
	}
	if err := syn.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := syn.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	within(t, c.o.Patience, "Read after Close", func() {
		buf := make([]int16, 4096)
		for range 100000 {
			if _, err := syn.Read(buf); err != nil {
				return
			}
		}
		t.Error("Read goes on after Close")
	})
	// Closing before the first read, while it is being made.
	syn, err = s.Synthesize(c.context(t), u)
	if err != nil {
		t.Fatal(err)
	}
	within(t, c.o.Patience, "Close", func() { _ = syn.Close() })
}

func (c contract) contextEndsIt(t *testing.T) {
	s := c.open(t)
	u := c.utterance(audio.FormatSlin)
	u.Text = strings.Repeat(c.text+"\n", 5)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	syn, err := s.Synthesize(ended, u)
	if err == nil {
		_, err = ReadAll(syn, u.Format, MaxSynthesis)
		_ = syn.Close()
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a context that had ended: %v, want context.Canceled", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	syn, err = s.Synthesize(ctx, u)
	if err != nil {
		t.Fatal(err)
	}
	defer closing(syn)
	stop()
	within(t, c.o.Patience, "Read after the context ended", func() {
		if _, err := ReadAll(syn, u.Format, MaxSynthesis); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("Read: %v, want context.Canceled (or the rest)", err)
		}
	})
}

func (c contract) unknownIsUnsupported(t *testing.T) {
	s := c.open(t)
	for name, change := range map[string]func(*speech.Utterance){
		"voice":    func(u *speech.Utterance) { u.Voice = c.o.UnknownVoice },
		"language": func(u *speech.Utterance) { u.Language = c.o.UnknownLanguage },
		"format":   func(u *speech.Utterance) { u.Format = audio.Format{Encoding: "mp3", Rate: 44100} },
	} {
		if name == "voice" && c.o.AnyVoice {
			continue
		}
		u := c.utterance(audio.FormatSlin)
		change(&u)
		syn, err := s.Synthesize(c.context(t), u)
		if err == nil {
			_, err = ReadAll(syn, audio.FormatSlin, MaxSynthesis)
			_ = syn.Close()
		}
		if !errors.Is(err, speech.ErrUnsupported) {
			t.Errorf("unknown %s: %v, want speech.ErrUnsupported", name, err)
		}
	}
}

func (c contract) speedChangesLength(t *testing.T) {
	s := c.open(t)
	u := c.utterance(audio.FormatSlin)
	normal := len(c.speak(t, s, u))
	u.Speed = 1.5
	if fast := len(c.speak(t, s, u)); float64(fast) > 0.9*float64(normal) {
		t.Errorf("%d samples at speed 1.5, %d at 1", fast, normal)
	}
}

func (c contract) concurrent(t *testing.T) {
	s := c.open(t)
	u := c.utterance(audio.FormatSlin)
	want := len(c.speak(t, s, u))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			syn, err := s.Synthesize(c.context(t), u)
			if err != nil {
				t.Error(err)
				return
			}
			defer closing(syn)
			samples, err := ReadAll(syn, u.Format, MaxSynthesis)
			if err != nil {
				t.Error(err)
			}
			if diff := len(samples) - want; diff > want/4 || -diff > want/4 {
				t.Errorf("%d samples beside others, %d alone", len(samples), want)
			}
		})
	}
	wg.Wait()
}

// HostileTexts are texts that have broken synthesizers, or would run commands
// in careless ones.
func HostileTexts() []string {
	return []string{
		"", " ", "\n\r\t", "。，！？", "\x00", "a\x00b", "\x01\x02\x1b[31mx\x7f", "\xff\xfe\x80",
		"<speak><audio src=\"/etc/passwd\"/>hello</speak>", "<break time='9999s'/>x", "&lt;&#0;&amp;",
		"[[hello]] ]] [[", "$(id) `id` ; id | id & id > /tmp/x", "--help", "-v en -w /tmp/x", "%s%n%d",
		"../../../etc/passwd", "\u202ehello\u202c\u200b\ufeff", strings.Repeat("a", 5000), strings.Repeat("1", 500),
		strings.Repeat("你", 3000), strings.Repeat("!", 3000), "😀👨‍👩‍👧‍👦", "\U0010ffff", "e" + strings.Repeat("\u0301", 200),
	}
}

func (c contract) hostileText(t *testing.T) {
	s := c.open(t)
	for _, text := range HostileTexts() {
		u := c.utterance(audio.FormatSlin)
		u.Text = text
		within(t, 2*c.o.Patience, fmt.Sprintf("%.40q", text), func() {
			syn, err := s.Synthesize(c.context(t), u)
			if err != nil {
				return // refusing is a good answer
			}
			defer closing(syn)
			if samples, err := ReadAll(syn, u.Format, MaxSynthesis); err == nil {
				checkMarks(t, syn.Marks(), u, len(samples))
			}
		})
	}
	c.speak(t, s, c.utterance(audio.FormatSlin)) // and it still works
}

// within fails the test if f takes longer than d.
func within(t *testing.T, d time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		t.Fatalf("%s took longer than %v", what, d)
	}
}
