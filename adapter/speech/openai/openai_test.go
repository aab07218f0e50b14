package openai

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// endpoint is a server that speaks the real protocol: it checks the request as
// the documentation words it and streams 24 kHz samples in odd pieces.
type endpoint struct {
	*httptest.Server
	t    *testing.T
	asks chan request
	// answer, when set, writes the answer in place of samples.
	answer func(w http.ResponseWriter, r *http.Request)
}

func serve(t *testing.T) *endpoint {
	e := &endpoint{t: t, asks: make(chan request, 100)}
	e.Server = httptest.NewServer(e)
	t.Cleanup(func() { e.CloseClientConnections(); e.Close() })
	return e
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q request
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&q); err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/audio/speech" ||
		r.Header.Get("Content-Type") != "application/json" || q.Model == "" || q.Format != "pcm" {
		http.Error(w, `{"error":{"message":"bad request"}}`, http.StatusBadRequest)
		return
	}
	if r.Header.Get("Authorization") != "Bearer secret-token" {
		http.Error(w, `{"error":{"message":"Incorrect API key provided"}}`, http.StatusUnauthorized)
		return
	}
	if q.Voice == "nobody" {
		http.Error(w, `{"error":{"message":"voice 'nobody' does not exist"}}`, http.StatusBadRequest)
		return
	}
	select {
	case e.asks <- q:
	default:
	}
	if e.answer != nil {
		e.answer(w, r)
		return
	}
	w.Header().Set("Content-Type", "audio/pcm")
	raw := bytesOf(tones(q))
	for n := 1; len(raw) > 0; n = n*7%4001 + 1 {
		n = min(n, len(raw))
		if _, err := w.Write(raw[:n]); err != nil {
			return
		}
		w.(http.Flusher).Flush()
		raw = raw[n:]
	}
}

// tones is 60 ms of a tone for each character.
func tones(q request) []int16 {
	speed := q.Speed
	if speed == 0 {
		speed = 1
	}
	out := make([]int16, int(float64(utf8.RuneCountInString(q.Input))*0.06*DefaultRate/speed))
	for i := range out {
		out[i] = int16(6000 * math.Sin(2*math.Pi*440*float64(i)/DefaultRate))
	}
	return out
}

func bytesOf(samples []int16) []byte {
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, samples)
	return b.Bytes()
}

func (e *endpoint) voice(change ...func(*Config)) *Synthesizer {
	e.t.Helper()
	tr := &http.Transport{}
	e.t.Cleanup(tr.CloseIdleConnections)
	c := Config{Name: "lab", URL: e.URL + "/v1", Token: "secret-token", Model: "tts", Voices: map[speech.Language]string{"cmn": "xiaoyun", "en": "alloy"}, Client: &http.Client{Transport: tr}}
	for _, f := range change {
		f(&c)
	}
	s, err := New(c)
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	speechtest.TestSynthesizer(t, func(t *testing.T) speech.Synthesizer { return serve(t).voice() }, speechtest.SynthesizerOptions{
		Texts: map[speech.Language]string{"cmn": "您好，这里是阳光银行客服中心。", "en": "Hello, this is the bank."},
	})
}

func say(t *testing.T, s *Synthesizer) ([]int16, error) {
	t.Helper()
	syn, err := s.Synthesize(t.Context(), speech.Utterance{Text: "您好，这里是银行", Language: "cmn", Format: audio.FormatSlin})
	if err != nil {
		return nil, err
	}
	defer func() { _ = syn.Close() }()
	return speechtest.ReadAll(syn, audio.FormatSlin, time.Minute)
}

func TestWhatIsAsked(t *testing.T) {
	e := serve(t)
	if _, err := say(t, e.voice()); err != nil {
		t.Fatal(err)
	}
	if q := <-e.asks; q != (request{Model: "tts", Input: "您好，这里是银行", Voice: "xiaoyun", Format: "pcm"}) {
		t.Errorf("%+v", q)
	}
}

// The first sound is given out while the server has not sent the last.
func TestSoundComesAsItIsMade(t *testing.T) {
	e := serve(t)
	rest := make(chan struct{})
	e.answer = func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 24000))
		w.(http.Flusher).Flush()
		select {
		case <-rest:
		case <-r.Context().Done():
			return
		}
		_, _ = w.Write(make([]byte, 24000))
	}
	syn, err := e.voice(func(c *Config) { c.Stall = time.Minute }).Synthesize(t.Context(), speech.Utterance{Text: "您好", Language: "cmn", Format: audio.FormatSlin})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syn.Close() }()
	buf := make([]int16, 1000)
	if n, err := syn.Read(buf); n == 0 || err != nil {
		t.Fatalf("%d samples, %v", n, err)
	}
	close(rest)
	if _, err := speechtest.ReadAll(syn, audio.FormatSlin, time.Minute); err != nil {
		t.Fatal(err)
	}
}

func TestAWAVAnswerIsReadByItsHeader(t *testing.T) {
	e := serve(t)
	e.answer = func(w http.ResponseWriter, _ *http.Request) {
		_ = audio.WriteWAV(w, audio.WAV{Rate: 16000, Tracks: [][]int16{make([]int16, 16000)}})
	}
	samples, err := say(t, e.voice())
	if err != nil || len(samples) != 8000 {
		t.Errorf("%d samples of 8 kHz for one second, %v", len(samples), err)
	}
}

// Every failure has its name, none holds the token or the URL, and nothing
// waits for ever.
func TestFaults(t *testing.T) {
	status := func(code int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); _, _ = io.WriteString(w, body) }
	}
	hang := func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		change func(*Config)
		want   error
	}{
		"wrong token":    {nil, func(c *Config) { c.Token = "other" }, speech.ErrUnavailable},
		"quota":          {status(429, `{"error":{"message":"You exceeded your current quota"}}`), nil, speech.ErrUnavailable},
		"down":           {status(503, "<html>upstream</html>"), nil, speech.ErrUnavailable},
		"redirect":       {status(302, ""), nil, speech.ErrUnavailable},
		"no such model":  {status(404, `{"error":{"message":"The model does not exist"}}`), nil, speech.ErrUnsupported},
		"JSON for sound": {status(200, `{"audio":"..."}`), nil, speech.ErrProtocol},
		"HTML for sound": {status(200, `<html>`), nil, speech.ErrProtocol},
		"MP3 for sound":  {status(200, "ID3\x04abc"), nil, speech.ErrProtocol},
		"Ogg for sound":  {status(200, "OggSabc"), nil, speech.ErrProtocol},
		"broken WAV":     {status(200, "RIFF....WAVE????"), nil, speech.ErrProtocol},
		"silent":         {hang, func(c *Config) { c.FirstAudio = 50 * time.Millisecond }, speech.ErrTimeout},
		"no address":     {nil, func(c *Config) { c.URL = "http://127.0.0.1:1/v1" }, speech.ErrUnavailable},
		"header only":    {func(w http.ResponseWriter, r *http.Request) { w.(http.Flusher).Flush(); <-r.Context().Done() }, func(c *Config) { c.FirstAudio = 50 * time.Millisecond }, speech.ErrTimeout},
		"stops in middle": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write(make([]byte, 999))
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, func(c *Config) { c.Stall = 50 * time.Millisecond }, speech.ErrTimeout},
		"breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "9000")
			_, _ = w.Write(make([]byte, 999))
		}, nil, speech.ErrUnavailable},
		"never ends": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 48000)); err != nil {
					return
				}
			}
		}, func(c *Config) { c.MaxAudio = 3 * time.Second }, ErrTooLong},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			e := serve(t)
			e.answer = c.answer
			if c.change == nil {
				c.change = func(*Config) {}
			}
			_, err := say(t, e.voice(c.change))
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			for _, secret := range []string{"secret-token", "/audio/speech", e.URL} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q stands in %q", secret, err)
				}
			}
		})
	}
}

func TestBadConfigurations(t *testing.T) {
	good := Config{URL: "https://host/v1", Model: "m", Voices: map[speech.Language]string{"cmn": "v"}}
	for name, change := range map[string]func(*Config){
		"no url": func(c *Config) { c.URL = "" }, "file": func(c *Config) { c.URL = "file:///etc/passwd" },
		"no model": func(c *Config) { c.Model = "" }, "no voices": func(c *Config) { c.Voices = nil },
	} {
		c := good
		change(&c)
		if _, err := New(c); err == nil {
			t.Error(name)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

// Whatever bytes come as an answer: samples or an error, in bounded time.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"", "R", "RIFF", "RIFF\x24\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x04\x00\x00\x00\x01\x02\x03\x04", "{}", "ID3", "\x00", "abc"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &Synthesizer{cfg: Config{Name: "fuzz", Rate: DefaultRate, Stall: time.Minute, MaxAudio: time.Minute}}
		syn := &synthesis{s: s, ctx: t.Context(), cancel: func(error) {}, timer: time.NewTimer(time.Hour), rate: 8000, body: io.NopCloser(bytes.NewReader(body))}
		defer func() { _ = syn.Close() }()
		if err := syn.begin(); err != nil {
			return
		}
		if _, err := speechtest.ReadAll(syn, audio.FormatSlin, 2*time.Minute); err != nil && !errors.Is(err, speech.ErrUnavailable) && !errors.Is(err, ErrTooLong) {
			t.Fatal(fmt.Errorf("%w of %d bytes", err, len(body)))
		}
	})
}
