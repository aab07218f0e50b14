package dashscope

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"ringmaster/internal/audio"
	lab "ringmaster/internal/lab/dashscope"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const key = "sk-secret-key"

type answer = func(ctx context.Context, conn *websocket.Conn, task string)

// serve starts the instrument and a synthesizer on it.
func serve(t *testing.T, a answer, change func(*Config)) (*Synthesizer, *lab.Server) {
	t.Helper()
	s := lab.New(lab.Config{Token: key, Models: []string{"cosyvoice-v3-flash"}, Voices: []string{"longanyang", "longxiaochun"}, Answer: a})
	h := httptest.NewServer(s)
	t.Cleanup(func() { h.Close(); s.Wait() })
	c := Config{
		Name: "cloud", URL: "ws" + strings.TrimPrefix(h.URL, "http") + "/api-ws/v1/inference", Token: key, Model: "cosyvoice-v3-flash",
		Voices: map[speech.Language]string{"cmn": "longanyang", "en": "longxiaochun"},
	}
	if change != nil {
		change(&c)
	}
	v, err := NewSynthesizer(c)
	if err != nil {
		t.Fatal(err)
	}
	return v, s
}

func TestSynthesizerContract(t *testing.T) {
	speechtest.TestSynthesizer(t, func(t *testing.T) speech.Synthesizer {
		v, _ := serve(t, nil, nil)
		return v
	}, speechtest.SynthesizerOptions{
		Texts: map[speech.Language]string{"cmn": "您好，这里是阳光银行客服中心。", "en": "Hello, this is the bank."},
	})
}

func say(t *testing.T, v *Synthesizer) ([]int16, error) {
	t.Helper()
	syn, err := v.Synthesize(t.Context(), speech.Utterance{Text: "您好，这里是银行", Language: "cmn", Format: audio.FormatSlin, Speed: 1})
	if err != nil {
		return nil, err
	}
	defer func() { _ = syn.Close() }()
	return speechtest.ReadAll(syn, audio.FormatSlin, time.Minute)
}

// What was asked is what the documentation words, and every sample of the
// answer arrives: the tones are read again.
func TestWhatIsAskedAndHeard(t *testing.T) {
	v, s := serve(t, nil, nil)
	samples, err := say(t, v)
	if err != nil {
		t.Fatal(err)
	}
	heard, err := tone.DecodeAll(samples, 8000)
	if err != nil || len(heard) != 1 || heard[0].Text != "您好，这里是银行" {
		t.Errorf("%+v, %v", heard, err)
	}
	want := lab.Asked{Model: "cosyvoice-v3-flash", Voice: "longanyang", Format: "pcm", Text: "您好，这里是银行", SampleRate: 8000, Rate: 1}
	if got := s.Asked(); len(got) != 1 || got[0] != want {
		t.Errorf("%+v", got)
	}
}

// The first sound is given out while the server has not made the last.
func TestSoundComesAsItIsMade(t *testing.T) {
	rest := make(chan struct{})
	v, _ := serve(t, func(ctx context.Context, conn *websocket.Conn, task string) {
		_ = conn.Write(ctx, websocket.MessageBinary, make([]byte, 16000))
		<-rest
		_ = conn.Write(ctx, websocket.MessageBinary, make([]byte, 16000))
		_ = lab.Event(ctx, conn, task, "task-finished", "", "")
	}, func(c *Config) { c.Stall = time.Minute })
	syn, err := v.Synthesize(t.Context(), speech.Utterance{Text: "您好", Language: "cmn", Format: audio.FormatSlin})
	if err != nil {
		close(rest)
		t.Fatal(err)
	}
	defer func() { _ = syn.Close() }()
	n, err := syn.Read(make([]int16, 1000))
	close(rest)
	if n == 0 || err != nil {
		t.Fatalf("%d samples, %v", n, err)
	}
	if got, err := speechtest.ReadAll(syn, audio.FormatSlin, time.Minute); err != nil || n+len(got) != 16000 {
		t.Fatalf("%d samples, %v", n+len(got), err)
	}
}

// Every failure has its name, none holds the key or the address, and nothing
// waits for ever.
func TestFaults(t *testing.T) {
	event := func(name, code, message string) answer {
		return func(ctx context.Context, conn *websocket.Conn, task string) {
			_ = lab.Event(ctx, conn, task, name, code, message)
			_, _, _ = conn.Read(ctx)
		}
	}
	text := func(s string) answer {
		return func(ctx context.Context, conn *websocket.Conn, _ string) {
			_ = conn.Write(ctx, websocket.MessageText, []byte(s))
			_, _, _ = conn.Read(ctx)
		}
	}
	gone := func(ctx context.Context, conn *websocket.Conn) {
		for {
			if _, _, err := conn.Read(ctx); err != nil {
				return
			}
		}
	}
	short := func(c *Config) { c.FirstAudio = 100 * time.Millisecond }
	for name, c := range map[string]struct {
		answer answer
		change func(*Config)
		want   error
	}{
		"wrong key":     {nil, func(c *Config) { c.Token = "other" }, speech.ErrUnavailable},
		"no address":    {nil, func(c *Config) { c.URL = "ws://127.0.0.1:1/x" }, speech.ErrUnavailable},
		"no such model": {nil, func(c *Config) { c.Model = "cosyvoice-v9" }, speech.ErrUnsupported},
		"quota":         {event("task-failed", "Throttling.RateQuota", "Requests rate limit exceeded, please try again later."), nil, speech.ErrUnavailable},
		"bad parameter": {event("task-failed", "InvalidParameter", "request timeout after 23 seconds."), nil, speech.ErrUnsupported},
		"unknown event": {event("task-dancing", "", ""), nil, speech.ErrProtocol},
		"started twice": {event("task-started", "", ""), nil, speech.ErrProtocol},
		"garbage":       {text("<html>"), nil, speech.ErrProtocol},
		"another task":  {text(`{"header":{"task_id":"x","event":"task-finished"}}`), nil, speech.ErrProtocol},
		"huge event":    {text(`{"header":"` + strings.Repeat("a", maxEvent) + `"}`), nil, speech.ErrProtocol},
		"huge message":  {text(strings.Repeat("a", maxMessage+1)), nil, speech.ErrProtocol},
		"silent":        {func(ctx context.Context, conn *websocket.Conn, _ string) { gone(ctx, conn) }, short, speech.ErrTimeout},
		"closes":        {func(context.Context, *websocket.Conn, string) {}, nil, speech.ErrUnavailable},
		"events, no sound": {endless(func(ctx context.Context, conn *websocket.Conn, task string) error {
			return lab.Event(ctx, conn, task, "result-generated", "", "")
		}), short, speech.ErrTimeout},
		"never ends": {endless(func(ctx context.Context, conn *websocket.Conn, _ string) error {
			return conn.Write(ctx, websocket.MessageBinary, make([]byte, 48000))
		}), func(c *Config) { c.MaxAudio = 3 * time.Second }, ErrTooLong},
		"stops in the midst": {func(ctx context.Context, conn *websocket.Conn, _ string) {
			_ = conn.Write(ctx, websocket.MessageBinary, make([]byte, 999))
			gone(ctx, conn)
		}, func(c *Config) { c.Stall = 100 * time.Millisecond }, speech.ErrTimeout},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			v, _ := serve(t, c.answer, c.change)
			_, err := say(t, v)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			for _, secret := range []string{key, "api-ws", "ws://"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%q stands in %q", secret, err)
				}
			}
		})
	}
}

func endless(send func(ctx context.Context, conn *websocket.Conn, task string) error) answer {
	return func(ctx context.Context, conn *websocket.Conn, task string) {
		for send(ctx, conn, task) == nil {
		}
	}
}

// A server that speaks before the task has started, or not the websocket.
func TestNotTheService(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"web page": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
	} {
		s := httptest.NewServer(h)
		v, _ := serve(t, nil, func(c *Config) { c.URL = "ws" + strings.TrimPrefix(s.URL, "http") })
		if _, err := say(t, v); !errors.Is(err, speech.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

func TestBadConfigurations(t *testing.T) {
	good := Config{URL: "wss://host/api-ws/v1/inference", Token: "k", Model: "m", Voices: map[speech.Language]string{"cmn": "v"}}
	for name, change := range map[string]func(*Config){
		"no url": func(c *Config) { c.URL = "" }, "http": func(c *Config) { c.URL = "http://host" }, "no key": func(c *Config) { c.Token = "" },
		"no model": func(c *Config) { c.Model = "" }, "no voices": func(c *Config) { c.Voices = nil },
	} {
		c := good
		change(&c)
		if _, err := NewSynthesizer(c); err == nil {
			t.Error(name)
		}
	}
	if _, err := NewSynthesizer(good); err != nil {
		t.Error(err)
	}
}

// Whatever messages come (lines; those that begin with # are binary): samples
// or an error with a name.
func FuzzMessages(f *testing.F) {
	for _, s := range []string{
		"", "#ab\n#c\n#d\n" + `{"header":{"task_id":"t","event":"result-generated"},"payload":{"output":{"sentence":{"words":[]}}}}` + "\n" + `{"header":{"task_id":"t","event":"task-finished"}}`,
		`{"header":{"task_id":"t","event":"task-failed","error_code":"InvalidParameter","error_message":"x\u0000"}}`, "null", "[]", `{"header":7}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		lines := bytes.Split(body, []byte("\n"))
		ctx, cancel := context.WithCancelCause(t.Context())
		syn, err := newSynthesis(ctx, cancel, Config{Name: "fuzz", Stall: time.Minute, MaxAudio: time.Minute}, 8000)
		if err != nil {
			t.Fatal(err)
		}
		syn.next = func(context.Context) (string, []byte, error) {
			if len(lines) == 0 {
				return "", nil, speech.ErrUnavailable
			}
			line := lines[0]
			lines = lines[1:]
			if bytes.HasPrefix(line, []byte("#")) {
				return "", line[1:], nil
			}
			e, err := parseEvent(line, "t")
			return e, nil, err
		}
		defer func() { _ = syn.Close() }()
		_, err = speechtest.ReadAll(syn, audio.FormatSlin, 2*time.Minute)
		if err != nil && !errors.Is(err, speech.ErrUnavailable) && !errors.Is(err, speech.ErrProtocol) && !errors.Is(err, speech.ErrUnsupported) && !errors.Is(err, ErrTooLong) {
			t.Fatal(err)
		}
	})
}
