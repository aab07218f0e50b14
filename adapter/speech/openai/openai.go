package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"ringmaster/internal/speech"
)

// Bounds.
const (
	// DefaultRate of samples without a header, in Hz.
	DefaultRate  = 24000
	maxRunes     = 4096 // the endpoint's own limit
	maxComplaint = 4 << 10
)

// Config of a provider.
type Config struct {
	Name string // in errors
	// URL is the base, such as https://api.openai.com/v1.
	URL   string
	Token string // sent as a bearer token when not empty
	Model string
	// Voices is the voice for each language offered when the utterance names
	// none. A language that is not here is ErrUnsupported.
	Voices map[speech.Language]string
	// Rate of samples that come without a header; 0 means DefaultRate.
	Rate int
	// FirstAudio is how long the first sample may take, Stall how long each
	// later one; 0 means 3 s and 2 s.
	FirstAudio, Stall time.Duration
	// MaxAudio is the longest audio that one text may become; 0 means 5 min.
	MaxAudio time.Duration
	Client   *http.Client // nil: one of its own, without redirects
}

// ErrTooLong means that the text has more than 4096 characters, or became more
// audio than Config.MaxAudio.
var ErrTooLong = errors.New("speech endpoint: text too long: split it into several utterances")

// Synthesizer asks the endpoint; safe for concurrent use.
type Synthesizer struct {
	cfg Config
	url string
}

// New checks c; it does not connect.
func New(c Config) (*Synthesizer, error) {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return nil, fmt.Errorf("synthesizer %s: url must be http:// or https:// with a host, such as https://api.openai.com/v1", c.Name)
	case c.Model == "":
		return nil, fmt.Errorf("synthesizer %s: model is missing, such as gpt-4o-mini-tts", c.Name)
	case len(c.Voices) == 0:
		return nil, fmt.Errorf("synthesizer %s: voices is missing: name a voice for each language, such as cmn: alloy", c.Name)
	}
	if c.Rate == 0 {
		c.Rate = DefaultRate
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
		c.Client = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	return &Synthesizer{cfg: c, url: strings.TrimRight(u.String(), "/") + "/audio/speech"}, nil
}

// request is the endpoint's JSON.
type request struct {
	Model  string  `json:"model"`
	Input  string  `json:"input"`
	Voice  string  `json:"voice"`
	Format string  `json:"response_format"`
	Speed  float64 `json:"speed,omitempty"`
}

// Synthesize asks for an utterance. It returns when the endpoint has begun to
// answer; text without anything to pronounce becomes no audio, without asking.
func (s *Synthesizer) Synthesize(ctx context.Context, u speech.Utterance) (speech.Synthesis, error) {
	voice, err := s.check(u)
	if err != nil {
		return nil, err
	}
	text := clean(u.Text)
	if !strings.ContainsFunc(text, pronounceable) {
		return &synthesis{cancel: func(error) {}, done: true}, nil
	}
	body, err := json.Marshal(request{Model: s.cfg.Model, Input: text, Voice: voice, Format: "pcm", Speed: u.Speed})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", speech.ErrProtocol, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	late := fmt.Errorf("%w: %s gave no audio within %v", speech.ErrTimeout, s.cfg.Name, s.cfg.FirstAudio)
	syn := &synthesis{s: s, cancel: cancel, timer: time.AfterFunc(s.cfg.FirstAudio, func() { cancel(late) }), ctx: ctx, rate: u.Format.Rate}
	res, err := s.post(ctx, body)
	if err != nil {
		_ = syn.Close()
		return nil, err
	}
	syn.body = res
	if err := syn.begin(); err != nil {
		_ = syn.Close()
		return nil, err
	}
	return syn, nil
}

// check gives the voice for an utterance, or says why there is none.
func (s *Synthesizer) check(u speech.Utterance) (string, error) {
	if err := u.Format.Validate(); err != nil {
		return "", fmt.Errorf("%w: %w", speech.ErrUnsupported, err)
	}
	if u.Speed != 0 && (u.Speed < 0.25 || u.Speed > 4) {
		return "", fmt.Errorf("%w: speed %g: use 0.25 to 4", speech.ErrUnsupported, u.Speed)
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

func (s *Synthesizer) post(ctx context.Context, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: the URL of %s is not usable", speech.ErrUnavailable, s.cfg.Name)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "audio/pcm, audio/wav;q=0.5, application/octet-stream")
	if s.cfg.Token != "" {
		req.Header.Set("Authorization", "Bearer "+s.cfg.Token)
	}
	res, err := s.cfg.Client.Do(req)
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer func() { _ = res.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(res.Body, maxComplaint)) // what can be read of a complaint is enough
	kind := speech.ErrUnavailable
	switch res.StatusCode {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity:
		kind = speech.ErrUnsupported
	}
	return nil, fmt.Errorf("%w: %s answers HTTP %d: %s", kind, s.cfg.Name, res.StatusCode, complaint(said))
}

// failure names what the client met, without the URL.
func (s *Synthesizer) failure(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return fmt.Errorf("%w: %s", speech.ErrTimeout, s.cfg.Name)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	return fmt.Errorf("%w: %s: %w", speech.ErrUnavailable, s.cfg.Name, err)
}

// complaint is the provider's own words, on one short line.
func complaint(body []byte) string {
	var e struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	text := string(body)
	if json.Unmarshal(body, &e) == nil && e.Error.Message != "" {
		text = e.Error.Message
	}
	text = strings.Join(strings.Fields(clean(text)), " ")
	if r := []rune(text); len(r) > 160 {
		text = string(r[:160]) + "..."
	}
	return text
}

func pronounceable(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsSymbol(r)
}

// clean is valid UTF-8 without control and direction characters.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r == utf8.RuneError || unicode.IsControl(r) || unicode.In(r, unicode.Cf):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}

var _ speech.Synthesizer = (*Synthesizer)(nil)
