package espeak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"ringmaster/adapter/speech/level"
	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// Config of the voice. The zero value is right.
type Config struct {
	// Program is the espeak-ng binary; empty looks for espeak-ng on PATH.
	Program string
	// Timeout bounds one synthesis, waiting for a turn included; 0 means 10 s.
	Timeout time.Duration
	// Concurrency is how many programs run at once; 0 means the number of
	// processors.
	Concurrency int
	// MaxRunes is the longest text; 0 means 2000 characters.
	MaxRunes int
	// MaxAudio is the longest audio that a text may become; 0 means 5 min.
	MaxAudio time.Duration
}

// keptSilence is what is left at each end.
const keptSilence = 20 * time.Millisecond

// ErrTooLong means that the text is longer than Config.MaxRunes, or its audio longer than
// Config.MaxAudio.
var ErrTooLong = errors.New("espeak: text too long: split it into several utterances")

// Synthesizer runs espeak-ng. It is safe for concurrent use.
type Synthesizer struct {
	cfg      Config
	program  string
	turns    chan struct{}
	voices   map[string]bool // languages and voice files
	variants map[string]bool
}

// voiceOf is the voice for each language that is offered.
func voiceOf(l speech.Language) (string, bool) {
	switch l {
	case "cmn":
		return "cmn-latn-pinyin", true
	case "yue", "hak", "ug", "en":
		return string(l), true
	}
	return "", false
}

// Languages are the languages offered.
func Languages() []speech.Language { return []speech.Language{"cmn", "yue", "hak", "ug", "en"} }

// New finds the program and asks it for its voices. speech.ErrUnavailable when
// it is missing or does not run.
func New(ctx context.Context, cfg Config) (*Synthesizer, error) {
	if cfg.Program == "" {
		cfg.Program = "espeak-ng"
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = runtime.NumCPU()
	}
	if cfg.MaxRunes <= 0 {
		cfg.MaxRunes = 2000
	}
	if cfg.MaxAudio <= 0 {
		cfg.MaxAudio = 5 * time.Minute
	}
	path, err := exec.LookPath(cfg.Program)
	if err != nil {
		return nil, fmt.Errorf("%w: espeak-ng is not installed (Debian: apt-get install espeak-ng): %w", speech.ErrUnavailable, err)
	}
	s := &Synthesizer{cfg: cfg, program: path, turns: make(chan struct{}, cfg.Concurrency)}
	ctx, cancel := context.WithTimeout(ctx, cfg.Timeout)
	defer cancel()
	if s.voices, err = s.list(ctx, "--voices"); err != nil {
		return nil, err
	}
	if s.variants, err = s.list(ctx, "--voices=variant"); err != nil {
		return nil, err
	}
	for _, l := range Languages() {
		if voice, _ := voiceOf(l); !s.voices[voice] {
			return nil, fmt.Errorf("%w: this espeak-ng has no voice %s: install espeak-ng-data 1.51 or later", speech.ErrUnavailable, voice)
		}
	}
	return s, nil
}

// list reads a table of voices: the language is the second column, the file the
// fifth, other languages of the voice follow in parentheses.
func (s *Synthesizer) list(ctx context.Context, option string) (map[string]bool, error) {
	out, err := s.command(ctx, option).Output()
	if err != nil {
		return nil, fmt.Errorf("%w: espeak-ng %s: %w", speech.ErrUnavailable, option, err)
	}
	names := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) >= 5 && f[0] != "Pty" {
			names[f[1]] = true
			names[strings.TrimPrefix(f[4], "!v/")] = true
			for _, other := range f[5:] { // "(en", "2)(fr", "5)"
				if _, code, ok := strings.Cut(other, "("); ok {
					names[code] = true
				}
			}
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: espeak-ng %s lists nothing", speech.ErrUnavailable, option)
	}
	return names, nil
}

var voiceForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,31}(\+[A-Za-z0-9_-]{1,31})?$`)

// check gives the voice for an utterance, or says why there is none.
func (s *Synthesizer) check(u speech.Utterance) (voice string, err error) {
	if err := u.Format.Validate(); err != nil {
		return "", fmt.Errorf("%w: %w", speech.ErrUnsupported, err)
	}
	if u.Speed != 0 && (u.Speed < 0.5 || u.Speed > 2.5) {
		return "", fmt.Errorf("%w: speed %g: use 0.5 to 2.5", speech.ErrUnsupported, u.Speed)
	}
	if n := utf8.RuneCountInString(u.Text); n > s.cfg.MaxRunes {
		return "", fmt.Errorf("%w: %d characters, at most %d", ErrTooLong, n, s.cfg.MaxRunes)
	}
	voice, ok := voiceOf(u.Language)
	if !ok {
		return "", fmt.Errorf("%w: espeak-ng is set up for cmn, yue, hak, ug and en, not %q", speech.ErrUnsupported, u.Language)
	}
	if u.Voice == "" {
		return voice, nil
	}
	name, variant, varied := strings.Cut(u.Voice, "+")
	if !voiceForm.MatchString(u.Voice) || !s.voices[name] || varied && !s.variants[variant] {
		return "", fmt.Errorf("%w: espeak-ng has no voice %.64q: see `espeak-ng --voices`", speech.ErrUnsupported, u.Voice)
	}
	return u.Voice, nil
}

// Synthesize starts to speak. Text without anything to pronounce becomes no
// audio at all.
func (s *Synthesizer) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	voice, err := s.check(u)
	if err != nil {
		return nil, err
	}
	parts, err := prepare(u.Text, u.Language, voice, u.Voice != "")
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.Timeout, fmt.Errorf("%w: espeak-ng took longer than %v", speech.ErrTimeout, s.cfg.Timeout))
	syn := &synthesis{cancel: cancel, done: make(chan struct{}), closed: make(chan struct{})}
	go func() {
		defer cancel()
		defer close(syn.done)
		syn.samples, syn.err = s.speak(ctx, parts, u)
	}()
	return syn, nil
}

// speak makes all of an utterance's audio.
func (s *Synthesizer) speak(ctx context.Context, parts []part, u speech.Utterance) ([]int16, error) {
	var all []int16
	for _, p := range parts {
		samples, rate, err := s.run(ctx, p, u.Speed)
		if err != nil {
			return nil, err
		}
		if samples, err = audio.Resample(samples, rate, u.Format.Rate); err != nil {
			return nil, fmt.Errorf("%w: %w", speech.ErrProtocol, err)
		}
		all = append(all, level.Trim(samples, u.Format.Rate, keptSilence)...)
	}
	return level.Apply(all, u.Format.Rate), nil
}

// synthesis is one utterance: made by a goroutine of its own, then read.
type synthesis struct {
	cancel context.CancelFunc
	done   chan struct{} // the goroutine has ended; samples and err stand
	once   sync.Once
	closed chan struct{}

	samples []int16
	err     error
	at      int
}

// Read implements speech.Synthesis.
func (s *synthesis) Read(dst []int16) (int, error) {
	select {
	case <-s.closed:
		return 0, io.ErrClosedPipe
	default:
	}
	select {
	case <-s.done:
	case <-s.closed:
		return 0, io.ErrClosedPipe
	}
	if s.err != nil {
		return 0, s.err
	}
	if s.at == len(s.samples) {
		return 0, io.EOF
	}
	n := copy(dst, s.samples[s.at:])
	s.at += n
	return n, nil
}

// Marks implements speech.Synthesis: the program tells no times.
func (s *synthesis) Marks() []speech.Mark { return nil }

// Close stops the program and waits for its end.
func (s *synthesis) Close() error {
	s.once.Do(func() {
		close(s.closed)
		s.cancel()
	})
	<-s.done
	return nil
}
