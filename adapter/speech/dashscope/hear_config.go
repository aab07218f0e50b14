package dashscope

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"ringmaster/internal/speech"
)

// HearConfig of a Recognizer. URL, Token and Model are required; a zero duration
// or number is replaced by its default.
type HearConfig struct {
	Name string // in errors
	// URL of the service, such as
	// wss://dashscope.aliyuncs.com/api-ws/v1/inference.
	URL   string
	Token string // the API key
	// Model is paraformer-realtime-v2 (8 or 16 kHz), paraformer-realtime-8k-v2
	// (8 kHz, Mandarin only) or another one that speaks their protocol.
	Model string
	// Vocabulary is the ID of a list of hotwords that was made beforehand
	// (vocabulary_id); empty: none.
	Vocabulary string
	// Languages that may be asked for and their language_hints, which an 8 kHz
	// model is not sent. Default: cmn zh en, yue yue, en en; cmn alone for an
	// 8 kHz model.
	Languages map[speech.Language][]string
	// EndSilence ends an utterance (max_sentence_silence, 200 ms to 6 s) where
	// the call does not say; 500 ms.
	EndSilence time.Duration
	// SemanticPunctuation ends sentences by their meaning instead of by silence:
	// better written, later. Not for conversations.
	SemanticPunctuation bool
	NoITN               bool // leave numbers as they were spoken

	ConnectTimeout time.Duration // handshake and task-started; 3 s
	WriteTimeout   time.Duration // one message; 5 s
	// IdleTimeout is how long speech may go in, or a partial stay as it is, with
	// no answer; 10 s.
	IdleTimeout time.Duration
	// FinalTimeout is how long after CloseWrite the end may take; 5 s.
	FinalTimeout time.Duration
	// PingInterval of the websocket; a pong later than that is a dead service; 10 s.
	PingInterval time.Duration
	// Queue is how many frames wait for a slow service before the oldest is lost; 100.
	Queue  int
	Client *http.Client // nil: one of its own, without redirects
	Logger *slog.Logger
}

// ErrConfig is wrapped by every complaint about a HearConfig.
var ErrConfig = errors.New("dashscope: bad configuration of recognition")

// Limits of max_sentence_silence.
const (
	minEndSilence = 200 * time.Millisecond
	maxEndSilence = 6 * time.Second
)

func (c *HearConfig) check() error {
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "":
		return fmt.Errorf("%w: the URL must be wss:// with a host, such as wss://dashscope.aliyuncs.com/api-ws/v1/inference", ErrConfig)
	case c.Token == "":
		return fmt.Errorf("%w: the token is missing: the API key of Model Studio", ErrConfig)
	case c.Model == "":
		return fmt.Errorf("%w: the model is missing, such as paraformer-realtime-8k-v2", ErrConfig)
	}
	c.EndSilence = cmp.Or(c.EndSilence, 500*time.Millisecond)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 3*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 5*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 10*time.Second)
	c.FinalTimeout = cmp.Or(c.FinalTimeout, 5*time.Second)
	c.PingInterval = cmp.Or(c.PingInterval, 10*time.Second)
	c.Queue = cmp.Or(c.Queue, 100)
	if c.Languages == nil {
		c.Languages = map[speech.Language][]string{"cmn": {"zh", "en"}, "yue": {"yue"}, "en": {"en"}}
		if c.eight() {
			c.Languages = map[speech.Language][]string{"cmn": nil}
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Client == nil {
		c.Client = newClient()
	}
	switch {
	case c.EndSilence < minEndSilence || c.EndSilence > maxEndSilence:
		return fmt.Errorf("%w: an end silence of %v: the service takes %v to %v", ErrConfig, c.EndSilence, minEndSilence, maxEndSilence)
	case min(c.ConnectTimeout, c.WriteTimeout, c.IdleTimeout, c.FinalTimeout, c.PingInterval) < 0 || c.Queue < 1:
		return fmt.Errorf("%w: times and queue must be positive", ErrConfig)
	}
	return nil
}

// eight tells whether the model takes 8 kHz only.
func (c *HearConfig) eight() bool { return strings.Contains(c.Model, "-8k") }
