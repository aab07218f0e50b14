package dashscope

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ringmaster/internal/speech"
)

// maxRunes of one utterance: the service takes 20,000 in one command and counts
// a Chinese character as two.
const maxRunes = 10000

// Config of a Synthesizer.
type Config struct {
	Name string // in errors
	// URL of the service, such as
	// wss://dashscope.aliyuncs.com/api-ws/v1/inference.
	URL   string
	Token string // the API key
	Model string // such as cosyvoice-v3-flash
	// Voices is the voice for each language offered when the utterance names
	// none. A language that is not here is ErrUnsupported.
	Voices map[speech.Language]string
	// FirstAudio is how long the first sample may take, connecting included,
	// Stall how long each later piece; 0 means 3 s and 2 s.
	FirstAudio, Stall time.Duration
	// MaxAudio is the longest audio that one text may become; 0 means 5 min.
	MaxAudio time.Duration
	Client   *http.Client // nil: one of its own, without redirects
	// SSML sends the pauses and readings of an utterance as markup; the model
	// (TakesSSML) and the voice must offer it. Without it they are left out.
	SSML bool
}

// ErrTooLong means that the text has more than 10,000 characters, or became more
// audio than Config.MaxAudio.
var ErrTooLong = errors.New("dashscope: text too long: split it into several utterances")

// Synthesizer opens a task for each utterance; safe for concurrent use.
type Synthesizer struct {
	cfg Config
}

// NewSynthesizer checks c; it does not connect.
func NewSynthesizer(c Config) (*Synthesizer, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "":
		return nil, fmt.Errorf("synthesizer %s: url must be wss:// with a host, such as wss://dashscope.aliyuncs.com/api-ws/v1/inference", c.Name)
	case c.Token == "":
		return nil, fmt.Errorf("synthesizer %s: token is missing: the API key of Model Studio", c.Name)
	case c.Model == "":
		return nil, fmt.Errorf("synthesizer %s: model is missing, such as cosyvoice-v3-flash", c.Name)
	case len(c.Voices) == 0:
		return nil, fmt.Errorf("synthesizer %s: voices is missing: name a voice for each language, such as cmn: longanyang", c.Name)
	}
	if c.FirstAudio <= 0 {
		c.FirstAudio = 3 * time.Second
	}
	if c.Stall <= 0 {
		c.Stall = 2 * time.Second
	}
	if c.MaxAudio <= 0 {
		c.MaxAudio = 5 * time.Minute
	}
	if c.Client == nil {
		c.Client = newClient()
	}
	return &Synthesizer{cfg: c}, nil
}

// runTask is the payload of run-task for CosyVoice.
type runTask struct {
	TaskGroup  string     `json:"task_group"`
	Task       string     `json:"task"`
	Function   string     `json:"function"`
	Model      string     `json:"model"`
	Parameters parameters `json:"parameters"`
	Input      input      `json:"input"`
}

type parameters struct {
	TextType   string  `json:"text_type"`
	Voice      string  `json:"voice"`
	Format     string  `json:"format"`
	SampleRate int     `json:"sample_rate"`
	Rate       float64 `json:"rate,omitempty"` // speed, 0.5 to 2
	SSML       bool    `json:"enable_ssml,omitempty"`
}

type input struct {
	Text string `json:"text,omitempty"`
}

type more struct {
	Input input `json:"input"`
}

// Synthesize opens a task and returns with its first samples; text without
// anything to pronounce becomes no audio, without asking.
func (s *Synthesizer) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	voice, err := s.check(u)
	if err != nil {
		return nil, err
	}
	text := clean(u.Text)
	if !strings.ContainsFunc(text, pronounceable) {
		return &synthesis{cancel: func(error) {}, done: true}, nil
	}
	ssml := s.cfg.SSML && len(u.Hints) > 0
	if ssml {
		if text = markup(u); weight(text) > maxWeight {
			return nil, fmt.Errorf("%w: too long with its markup", ErrTooLong)
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	late := fmt.Errorf("%w: %s gave no audio within %v", speech.ErrTimeout, s.cfg.Name, s.cfg.FirstAudio)
	timer := time.AfterFunc(s.cfg.FirstAudio, func() { cancel(late) })
	defer timer.Stop()
	syn, err := newSynthesis(ctx, cancel, s.cfg, u.Format.Rate)
	if err != nil {
		cancel(err)
		return nil, err
	}
	err = syn.begin(runTask{
		TaskGroup: "audio", Task: "tts", Function: "SpeechSynthesizer", Model: s.cfg.Model,
		Parameters: parameters{TextType: "PlainText", Voice: voice, Format: "pcm", SampleRate: syn.from, Rate: u.Speed, SSML: ssml},
	}, text)
	if err != nil {
		_ = syn.Close()
		return nil, fmt.Errorf("synthesizer %s: %w", s.cfg.Name, err)
	}
	return syn, nil
}

// check gives the voice for an utterance, or says why there is none.
func (s *Synthesizer) check(u speech.Utterance) (string, error) {
	if err := u.Format.Validate(); err != nil {
		return "", fmt.Errorf("%w: %w", speech.ErrUnsupported, err)
	}
	if u.Speed != 0 && (u.Speed < 0.5 || u.Speed > 2) {
		return "", fmt.Errorf("%w: speed %g: use 0.5 to 2", speech.ErrUnsupported, u.Speed)
	}
	if n := utf8.RuneCountInString(u.Text); n > maxRunes {
		return "", fmt.Errorf("%w: %d characters, at most %d", ErrTooLong, n, maxRunes)
	}
	voice, ok := s.cfg.Voices[u.Language]
	if !ok {
		return "", fmt.Errorf("%w: %s has no voice for the language %.16q: name one under voices", speech.ErrUnsupported, s.cfg.Name, u.Language)
	}
	if u.Voice != "" {
		voice = u.Voice
	}
	return voice, nil
}

func pronounceable(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsSymbol(r)
}

var _ speech.Synthesizer = (*Synthesizer)(nil)
