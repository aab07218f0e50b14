package funasr

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"ringmaster/internal/speech"
)

// Mode is the protocol's recognition mode.
type Mode string

// The modes that yield finals; the protocol's third, online, does not say where
// an utterance ends and is not offered.
const (
	TwoPass Mode = "2pass"   // partials while speech goes on, corrected finals
	Offline Mode = "offline" // finals only
)

// Hotwords is how the server wants the hotwords field.
type Hotwords string

// The forms: the C++ server reads a JSON object of weights, the Python server
// words between spaces.
const (
	HotwordsJSON  Hotwords = "json"
	HotwordsPlain Hotwords = "plain"
)

// Config of a Recognizer. Only URL is required; a zero duration or number is
// replaced by its default.
type Config struct {
	URL    string      // ws://host:10095 or wss://host:10095
	TLS    *tls.Config // for wss; nil is the system's trust
	Header http.Header // sent with the handshake, for a proxy in front of the server

	Mode     Mode     // TwoPass
	Hotwords Hotwords // HotwordsJSON
	NoITN    bool     // leave numbers as they were spoken (inverse text normalisation off)
	// ChunkSize is look-back, chunk and look-ahead in steps of 60 ms (5,10,5): a
	// partial comes every ChunkSize[1]*60 ms. A chunk is sent in ChunkInterval
	// messages (10).
	ChunkSize     [3]int
	ChunkInterval int
	// Languages that the server's model hears, and their svs_lang (read by
	// SenseVoice models, ignored by others): cmn zh, yue yue, en en.
	Languages map[speech.Language]string

	ConnectTimeout time.Duration // handshake; 3 s
	WriteTimeout   time.Duration // one message; 5 s
	// IdleTimeout is how long speech may go in, or a partial wait for its final,
	// with no message from the server; 10 s.
	IdleTimeout time.Duration
	// FinalTimeout is how long after CloseWrite the end may take; 5 s.
	FinalTimeout time.Duration
	// Drain is the silence after CloseWrite that ends the stream of a server
	// which does not acknowledge; 1.5 s.
	Drain time.Duration
	// PingInterval of the websocket; a pong later than that is a dead server; 10 s.
	PingInterval time.Duration
	// Queue is how many frames wait for a slow server before the oldest is lost; 100.
	Queue  int
	Logger *slog.Logger
}

// ErrConfig is wrapped by every complaint about a Config.
var ErrConfig = errors.New("funasr: bad configuration")

func (c *Config) check() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss" {
		return fmt.Errorf("%w: the URL must be ws://host:port or wss://host:port", ErrConfig)
	}
	c.Mode = cmp.Or(c.Mode, TwoPass)
	c.Hotwords = cmp.Or(c.Hotwords, HotwordsJSON)
	c.ChunkSize = cmp.Or(c.ChunkSize, [3]int{5, 10, 5})
	c.ChunkInterval = cmp.Or(c.ChunkInterval, 10)
	c.ConnectTimeout = cmp.Or(c.ConnectTimeout, 3*time.Second)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, 5*time.Second)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, 10*time.Second)
	c.FinalTimeout = cmp.Or(c.FinalTimeout, 5*time.Second)
	c.Drain = cmp.Or(c.Drain, 1500*time.Millisecond)
	c.PingInterval = cmp.Or(c.PingInterval, 10*time.Second)
	c.Queue = cmp.Or(c.Queue, 100)
	if c.Languages == nil {
		c.Languages = map[speech.Language]string{"cmn": "zh", "yue": "yue", "en": "en"}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Mode != TwoPass && c.Mode != Offline:
		return fmt.Errorf("%w: mode %q: use 2pass or offline (online does not say where an utterance ends)", ErrConfig, c.Mode)
	case c.Hotwords != HotwordsJSON && c.Hotwords != HotwordsPlain:
		return fmt.Errorf("%w: hotwords %q: use json or plain", ErrConfig, c.Hotwords)
	case c.ChunkSize[0] < 0 || c.ChunkSize[1] < 1 || c.ChunkSize[1] > 100 || c.ChunkSize[2] < 0:
		return fmt.Errorf("%w: chunk size %v: the middle number must be 1 to 100", ErrConfig, c.ChunkSize)
	case c.ChunkInterval < 1 || c.stride() < 10*time.Millisecond:
		return fmt.Errorf("%w: chunk interval %d makes messages of %v: 10 ms are the least", ErrConfig, c.ChunkInterval, c.stride())
	case min(c.ConnectTimeout, c.WriteTimeout, c.IdleTimeout, c.FinalTimeout, c.Drain, c.PingInterval) < 0 || c.Queue < 1:
		return fmt.Errorf("%w: times and queue must be positive", ErrConfig)
	}
	return nil
}

// stride is how much audio one message carries.
func (c *Config) stride() time.Duration {
	return time.Duration(c.ChunkSize[1]) * 60 * time.Millisecond / time.Duration(max(1, c.ChunkInterval))
}
