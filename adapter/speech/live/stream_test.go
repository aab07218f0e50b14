package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain is a provider whose messages are words: "mute", "partial", "final",
// "perhaps", "last"; anything else is not its protocol.
type plain struct{ open bool }

func (p *plain) Parse(_ bool, data []byte) (Take, error) {
	word := string(data)
	return func(h *Hearing) (Answer, error) {
		p.open = word == "partial" || word == "mute" && p.open
		a := Answer{Open: p.open, Mute: word == "mute", Last: word == "last", Perhaps: word == "perhaps"}
		switch word {
		case "partial", "final":
			a.Results = []speech.Result{{Text: word, Final: word == "final", End: h.Now()}}
		case "mute", "perhaps", "last":
		default:
			return a, fmt.Errorf("%w: %q", speech.ErrProtocol, word)
		}
		return a, nil
	}, nil
}

func (p *plain) Rest() []speech.Result {
	if !p.open {
		return nil
	}
	return []speech.Result{{Text: "rest", Final: true}}
}

// got is what a provider was sent.
type got struct {
	mu    sync.Mutex
	texts []string
	bytes int
}

// open starts a stream to a provider that says onAudio at the first audio and
// onEnd at the end of input.
func open(t *testing.T, onAudio, onEnd []string, change func(*Config)) (*Stream, *got) {
	t.Helper()
	g := &got{}
	var live sync.WaitGroup
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		live.Add(1)
		defer live.Done()
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = conn.CloseNow() }()
		say := func(words []string) {
			for _, w := range words {
				if w == "drip" { // mutes for ever: the stream is to end before the protocol is broken
					for range 3000 {
						if conn.Write(r.Context(), websocket.MessageText, []byte("mute")) != nil {
							return
						}
						time.Sleep(10 * time.Millisecond)
					}
				}
				_ = conn.Write(r.Context(), websocket.MessageText, []byte(w))
			}
		}
		for heard := false; ; {
			kind, data, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			g.mu.Lock()
			if kind == websocket.MessageBinary {
				g.bytes += len(data)
			} else {
				g.texts = append(g.texts, string(data))
			}
			g.mu.Unlock()
			switch {
			case kind == websocket.MessageBinary && !heard:
				heard = true
				say(onAudio)
			case string(data) == "end":
				say(onEnd)
			}
		}
	}))
	t.Cleanup(func() { h.Close(); live.Wait() })
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(h.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{
		Name: "plain", Codec: &plain{}, Format: audio.FormatSlin, Rate: 8000, Stride: 20 * time.Millisecond, Last: []byte("end"),
		WriteTimeout: time.Minute, IdleTimeout: time.Minute, FinalTimeout: time.Minute, Drain: time.Minute, PingInterval: time.Minute,
		Queue: 1000, MaxMessage: 1 << 15, Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	s, err := Open(t.Context(), conn, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, g
}

// end reads a stream to its end.
func end(s *Stream) (texts []string, err error) {
	for {
		r, err := s.Recv()
		if err != nil {
			return texts, err
		}
		texts = append(texts, r.Text)
	}
}

// Deadlines hold against a provider that talks but says nothing, and every end
// has its name.
func TestEnds(t *testing.T) {
	brief := func(c *Config) {
		c.IdleTimeout, c.Drain, c.FinalTimeout = 100*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
	}
	for name, c := range map[string]struct {
		onAudio, onEnd []string
		close          bool
		change         func(*Config)
		last           string
		want           error
	}{
		"nothing but mutes":            {[]string{"drip"}, nil, false, brief, "", speech.ErrTimeout},
		"a partial and mutes":          {[]string{"partial", "drip"}, nil, false, brief, "", speech.ErrTimeout},
		"an early last word":           {[]string{"last", "partial"}, nil, false, brief, "", speech.ErrTimeout},
		"the last word":                {[]string{"partial"}, []string{"final", "last"}, true, nil, "final", io.EOF},
		"the last word without final":  {[]string{"partial"}, []string{"last"}, true, nil, "", io.EOF},
		"perhaps the last word":        {nil, []string{"final", "perhaps"}, true, func(c *Config) { c.Drain = 100 * time.Millisecond }, "final", io.EOF},
		"no last word":                 {nil, []string{"final"}, true, brief, "", speech.ErrTimeout},
		"no words":                     {[]string{"<html>"}, nil, false, nil, "", speech.ErrProtocol},
		"the server does not ever end": {nil, []string{"drip"}, true, brief, "", speech.ErrTimeout},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s, _ := open(t, c.onAudio, c.onEnd, c.change)
			for i := range int64(50) { // a second of sound
				if s.Write(tone(i*160, 160)) != nil {
					break
				}
			}
			if c.close {
				_ = s.CloseWrite()
			}
			texts, err := end(s)
			if !errors.Is(err, c.want) || c.last != "" && (len(texts) == 0 || texts[len(texts)-1] != c.last) {
				t.Errorf("%q, %v; want %q, %v", texts, err, c.last, c.want)
			}
		})
	}
}

// tone is a frame of sound.
func tone(pos int64, n int) audio.Frame {
	f := audio.Frame{Pos: pos, Samples: make([]int16, n)}
	for i := range f.Samples {
		f.Samples[i] = 4000 * int16(1-2*(i&1))
	}
	return f
}

// First, what comes between, every sample at the provider's rate, and the end.
func TestWhatIsSent(t *testing.T) {
	between := make(chan []byte, 1)
	between <- []byte("other words")
	s, g := open(t, nil, []string{"last"}, func(c *Config) {
		c.Rate, c.First = 16000, []byte("first")
		c.Between = func() []byte {
			select {
			case m := <-between:
				return m
			default:
				return nil
			}
		}
	})
	for _, pos := range []int64{800, 960, 1600, 80000} { // 60 ms are lost and filled, nine seconds are not
		_ = s.Write(tone(pos, 160))
	}
	_ = s.CloseWrite()
	if _, err := end(s); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	if err := s.Write(tone(0, 160)); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if fmt.Sprint(g.texts) != "[first other words end]" || g.bytes != 2*2*(7*160) {
		t.Errorf("%q, %d bytes", g.texts, g.bytes)
	}
}

// What is not read is lost from its beginning, and Write does not wait.
func TestTheNewestFramesAreKept(t *testing.T) {
	q := newFrameQueue(3)
	for i := range int64(5) {
		q.push(audio.Frame{Pos: i})
	}
	q.close()
	if q.push(audio.Frame{}) || q.lost() != 2 {
		t.Errorf("%d lost", q.lost())
	}
	for want := int64(2); want < 5; want++ {
		if f, err := q.pop(t.Context()); err != nil || f.Pos != want {
			t.Errorf("%d, %v", f.Pos, err)
		}
	}
	if _, err := q.pop(t.Context()); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newFrameQueue(1).pop(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
