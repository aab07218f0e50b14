package asr

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/tone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, c Config) (*Server, string) {
	t.Helper()
	s := New(c)
	url, stop, err := s.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return s, url
}

func dial(t *testing.T, url string) (*websocket.Conn, context.Context) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	client := &http.Client{Transport: &http.Transport{}}
	conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"binary"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn, ctx
}

func sendText(t *testing.T, ctx context.Context, c *websocket.Conn, s string) {
	t.Helper()
	if err := c.Write(ctx, websocket.MessageText, []byte(s)); err != nil {
		t.Fatal(err)
	}
}

func wire(pcm []int16) []byte {
	b, _ := audio.Encode(nil, pcm, audio.Linear)
	return b
}

func silence(d time.Duration, rate int) []int16 {
	return make([]int16, int(d*time.Duration(rate)/time.Second))
}

// scene is the audio of the fixtures (see testdata/README.md).
func scene() []int16 {
	var all []int16
	b := tone.Encode("别打了，谢谢 bye", 16000)
	all = append(all, silence(700*time.Millisecond, 16000)...)
	all = append(all, tone.Encode("您好，我想问一下贷款的事情。", 16000)...)
	all = append(all, silence(900*time.Millisecond, 16000)...)
	all = append(all, b...)
	all = append(all, silence(500*time.Millisecond, 16000)...)
	all = append(all, b[:len(b)*2/3]...)
	return append(all, silence(1500*time.Millisecond, 16000)...)
}

type fixtureLine struct {
	From  string `json:"from"`
	Audio int    `json:"audio_bytes"`
	Text  string `json:"text"`
}

func fixture(t *testing.T, name string) (lines []fixtureLine) {
	t.Helper()
	f, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		var l fixtureLine
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
	return lines
}

// normal is a message without what differs from run to run.
func normal(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	if _, epoch := m["timestamp"].(float64); epoch {
		m["timestamp"] = "epoch"
	}
	return m
}

// TestFixtures sends what the vendor's client sent and wants what it was answered.
func TestFixtures(t *testing.T) {
	for name, d := range map[string]Dialect{"cpp-2pass.jsonl": CPP, "cpp-online.jsonl": CPP, "python-2pass.jsonl": Python, "python-offline.jsonl": Python} {
		t.Run(name, func(t *testing.T) {
			_, url := start(t, Config{Dialect: d})
			conn, ctx := dial(t, url)
			rest := wire(scene())
			for i, l := range fixture(t, name) {
				switch {
				case l.From == "server":
					_, got, err := conn.Read(ctx)
					if err != nil {
						t.Fatalf("line %d: %v, want %s", i+1, err, l.Text)
					}
					if a, b := normal(t, string(got)), normal(t, l.Text); !reflect.DeepEqual(a, b) {
						t.Fatalf("line %d:\n got %v\nwant %v", i+1, a, b)
					}
				case l.Audio > 0:
					if err := conn.Write(ctx, websocket.MessageBinary, rest[:l.Audio]); err != nil {
						t.Fatal(err)
					}
					rest = rest[l.Audio:]
				default:
					sendText(t, ctx, conn, l.Text)
				}
			}
			if len(rest) > 0 {
				t.Errorf("%d bytes of the scene are left", len(rest))
			}
		})
	}
}

const hello = `{"mode":"2pass","wav_name":"t","wav_format":"pcm","audio_fs":8000,"chunk_size":[5,10,5],"is_speaking":true,"hotwords":"{\"贷款\":20}","svs_lang":"zh"}`

func TestEightKilohertzAndHotwords(t *testing.T) {
	s, url := start(t, Config{})
	conn, ctx := dial(t, url)
	sendText(t, ctx, conn, hello)
	all := wire(append(silence(time.Second, 8000), tone.Encode("八千赫兹", 8000)...))
	for len(all) > 0 { // odd sizes: samples are cut in two
		n := min(333, len(all))
		if err := conn.Write(ctx, websocket.MessageBinary, all[:n]); err != nil {
			t.Fatal(err)
		}
		all = all[n:]
	}
	sendText(t, ctx, conn, `{"is_speaking":false}`)
	for {
		_, data, err := conn.Read(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if m := normal(t, string(data)); m["mode"] == "2pass-offline" {
			if m["text"] != "八千赫兹" || m["start_time"].(float64) < 990 || m["start_time"].(float64) > 1010 {
				t.Errorf("final %v", m)
			}
			break
		}
	}
	if s.Hotwords() != `{"贷款":20}` || s.Language() != "zh" {
		t.Errorf("hotwords %q, language %q", s.Hotwords(), s.Language())
	}
}

func TestFaults(t *testing.T) {
	speech := wire(append(tone.Encode("您好您好您好您好", 8000), silence(3*time.Second, 8000)...))
	listen := func(t *testing.T, f Fault) (got []string, err error) {
		s, url := start(t, Config{})
		s.SetFault(f)
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
		if err != nil {
			return nil, err
		}
		defer conn.CloseNow()
		sendText(t, ctx, conn, hello)
		for i := 0; i < len(speech); i += 960 {
			if conn.Write(ctx, websocket.MessageBinary, speech[i:min(i+960, len(speech))]) != nil {
				break
			}
		}
		for {
			_, data, err := conn.Read(ctx)
			if err != nil {
				return got, err
			}
			got = append(got, string(data))
		}
	}
	finals := func(got []string) int { return strings.Count(strings.Join(got, ""), "2pass-offline") }

	if got, _ := listen(t, Fault{}); finals(got) != 1 || len(got) < 3 {
		t.Errorf("good: %q", got)
	}
	if got, _ := listen(t, Fault{Silent: true}); len(got) != 0 {
		t.Errorf("silent: %q", got)
	}
	if got, _ := listen(t, Fault{PartialOnly: true}); finals(got) != 0 || len(got) < 2 {
		t.Errorf("partial only: %q", got)
	}
	if got, _ := listen(t, Fault{Endless: true}); finals(got) != 0 || len(got) < 6 {
		t.Errorf("endless: %q", got)
	}
	if got, err := listen(t, Fault{DropAfter: time.Second}); errors.Is(err, context.DeadlineExceeded) || finals(got) != 0 {
		t.Errorf("drop: %q, %v", got, err)
	}
	if got, _ := listen(t, Fault{Slow: 300 * time.Millisecond}); finals(got) != 1 {
		t.Errorf("slow: %q", got)
	}
	if got, _ := listen(t, Fault{Garbage: true}); len(got) == 0 || strings.Contains(got[0], `"mode":"2pass-online"`) && json.Valid([]byte(got[0])) {
		t.Errorf("garbage: %q", got)
	}
	if _, err := listen(t, Fault{Refuse: 503}); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("refuse: %v", err)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(hello))
	f.Add([]byte(`{"chunk_size":"5, 10, 5","is_speaking":false,"is_end":true}`))
	f.Add([]byte(`{"audio_fs":1e300,"chunk_size":[0,-1]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range []Dialect{CPP, Python} {
			c := newSession(New(Config{Dialect: d}), nil, 1, Fault{})
			if c.text(data) == nil {
				_ = c.audio([]byte{1, 2, 3})
				_ = c.text([]byte(`{"is_speaking":false,"is_end":true}`))
			}
		}
	})
}
