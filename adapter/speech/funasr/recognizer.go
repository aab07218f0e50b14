package funasr

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/coder/websocket"

	"ringmaster/adapter/speech/live"
	"ringmaster/internal/speech"
)

// Limits on what is sent and on what a server may answer.
const (
	serverRate  = 16000
	maxHotwords = 1000
	maxHotword  = 200     // bytes
	maxMessage  = 1 << 20 // bytes of one answer
)

// Recognizer opens one connection for each recognition.
type Recognizer struct {
	config Config
	client *http.Client
}

// New checks c and prepares a Recognizer; it does not connect.
func New(c Config) (*Recognizer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: c.TLS, DisableKeepAlives: true}
	return &Recognizer{config: c, client: &http.Client{Transport: t}}, nil
}

// start is the configuration message. Every field is sent always: the C++ server
// throws when hotwords is not a string.
type start struct {
	Mode          Mode   `json:"mode"`
	WavName       string `json:"wav_name"`
	WavFormat     string `json:"wav_format"`
	AudioFS       int    `json:"audio_fs"`
	IsSpeaking    bool   `json:"is_speaking"`
	ChunkSize     [3]int `json:"chunk_size"`
	ChunkInterval int    `json:"chunk_interval"`
	EncoderBack   int    `json:"encoder_chunk_look_back"`
	DecoderBack   int    `json:"decoder_chunk_look_back"`
	Hotwords      string `json:"hotwords"`
	Hotword       string `json:"hotword,omitempty"` // its name in older Python servers
	ITN           bool   `json:"itn"`
	Language      string `json:"svs_lang"`
	LanguageITN   bool   `json:"svs_itn"`
}

const endOfInput = `{"is_speaking":false,"is_end":true}`

// Recognize connects and starts a stream. It ends with ctx: cancelling ctx makes
// Recv fail and frees everything, as Close does.
func (r *Recognizer) Recognize(ctx context.Context, o speech.RecognizeOptions) (speech.Recognition, error) {
	first, err := r.start(o)
	if err != nil {
		return nil, err
	}
	conn, err := r.dial(ctx)
	if err != nil {
		return nil, err
	}
	b := &bias{form: r.config.Hotwords, log: r.config.Logger}
	s, err := live.Open(ctx, conn, r.config.settings(o.Format, first, b))
	if err != nil {
		return nil, err
	}
	return &stream{Stream: s, bias: b}, nil
}

func (r *Recognizer) dial(ctx context.Context) (*websocket.Conn, error) {
	dialCtx, cancel := context.WithTimeout(ctx, r.config.ConnectTimeout)
	defer cancel()
	conn, resp, err := websocket.Dial(dialCtx, r.config.URL, &websocket.DialOptions{
		HTTPClient: r.client, HTTPHeader: r.config.Header, Subprotocols: []string{"binary"},
	})
	if err == nil {
		conn.SetReadLimit(maxMessage)
		return conn, nil
	}
	var u *url.Error // names the whole URL, which may hold a token
	if errors.As(err, &u) {
		err = u.Err
	}
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("funasr: %w", context.Cause(ctx))
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, fmt.Errorf("funasr: %w: handshake answered with HTTP %d", speech.ErrUnavailable, resp.StatusCode)
	case dialCtx.Err() != nil:
		return nil, fmt.Errorf("funasr: %w: no handshake within %v", speech.ErrUnavailable, r.config.ConnectTimeout)
	}
	return nil, fmt.Errorf("funasr: %w: %w", speech.ErrUnavailable, err)
}

func (r *Recognizer) start(o speech.RecognizeOptions) ([]byte, error) {
	if err := o.Format.Validate(); err != nil {
		return nil, fmt.Errorf("funasr: %w: %w", speech.ErrUnsupported, err)
	}
	language, ok := r.config.Languages[o.Language]
	if o.Language == "" {
		language, ok = "auto", true
	}
	if !ok {
		return nil, fmt.Errorf("funasr: %w: language %q is not among those configured for the server", speech.ErrUnsupported, o.Language)
	}
	hot, err := hotwords(o.Hotwords, r.config.Hotwords)
	if err != nil {
		return nil, err
	}
	older := ""
	if r.config.Hotwords == HotwordsPlain {
		older = hot
	}
	var id [8]byte
	_, _ = rand.Read(id[:])
	return json.Marshal(start{
		Mode: r.config.Mode, WavName: "rm-" + hex.EncodeToString(id[:]), WavFormat: "pcm", AudioFS: serverRate, IsSpeaking: true,
		ChunkSize: r.config.ChunkSize, ChunkInterval: r.config.ChunkInterval, EncoderBack: 4,
		Hotwords: hot, Hotword: older, ITN: !r.config.NoITN, Language: language, LanguageITN: !r.config.NoITN,
	})
}

func hotwords(words map[string]int, form Hotwords) (string, error) {
	if len(words) == 0 {
		return "", nil
	}
	if len(words) > maxHotwords {
		return "", fmt.Errorf("funasr: %w: %d hotwords, %d are the limit", speech.ErrUnsupported, len(words), maxHotwords)
	}
	list := make([]string, 0, len(words))
	weights := make(map[string]int, len(words))
	for w, weight := range words {
		w = strings.Join(strings.Fields(w), " ")
		if w == "" || len(w) > maxHotword {
			return "", fmt.Errorf("funasr: %w: a hotword of %d bytes: 1 to %d are offered", speech.ErrUnsupported, len(w), maxHotword)
		}
		weights[w] = max(1, min(100, weight))
		list = append(list, strings.ReplaceAll(w, " ", ""))
	}
	if form == HotwordsPlain {
		slices.Sort(list)
		return strings.Join(list, " "), nil
	}
	b, err := json.Marshal(weights)
	return string(b), err
}
