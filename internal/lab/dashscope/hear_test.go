package dashscope

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"ringmaster/internal/lab/tone"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type line struct {
	Conn       int64
	From, Text string
	Audio      int `json:"audio_bytes"`
}

// scene is what the vendor's client was given to say (testdata/capture).
func scene(rate int) []byte {
	quiet := func(ms int) []int16 { return make([]int16, rate*ms/1000) }
	pcm := append(quiet(500), tone.Encode("您好，我想问一下贷款的事情。", rate)...)
	pcm = append(append(pcm, quiet(900)...), tone.Encode("别打了，谢谢 bye", rate)...)
	var b bytes.Buffer
	_ = binary.Write(&b, binary.LittleEndian, append(pcm, quiet(1200)...)) // into memory
	return b.Bytes()
}

func fixture(t *testing.T) map[int64][]line {
	t.Helper()
	f, err := os.Open("testdata/paraformer.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	out := map[int64][]line{}
	for s := bufio.NewScanner(f); s.Scan(); {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		out[l.Conn] = append(out[l.Conn], l)
	}
	return out
}

// What the vendor's own client once sent is answered today as it was then.
func TestTheVendorsClientIsAnsweredAsBefore(t *testing.T) {
	s := New(Config{Token: "k", Models: []string{"paraformer-realtime-v2", "paraformer-realtime-8k-v2"}, Vocabularies: map[string][]string{"vocab-lab-1": nil}})
	h := httptest.NewServer(s)
	defer func() { h.Close(); s.Wait() }()
	for conn, lines := range fixture(t) {
		rate := 16000
		if conn == 2 {
			rate = 8000
		}
		pcm := scene(rate)
		c, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(h.URL, "http"), &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer k"}}})
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, l := range lines {
			switch {
			case l.From == "server":
				want = append(want, l.Text)
			case l.Text != "":
				err = c.Write(t.Context(), websocket.MessageText, []byte(l.Text))
			default:
				err = c.Write(t.Context(), websocket.MessageBinary, pcm[:l.Audio])
				pcm = pcm[l.Audio:]
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for i, w := range want {
			_, got, err := c.Read(t.Context())
			if err != nil {
				t.Fatalf("connection %d, answer %d of %d: %v", conn, i, len(want), err)
			}
			var a, b any
			_, _ = json.Unmarshal(got, &a), json.Unmarshal([]byte(w), &b)
			if !reflect.DeepEqual(a, b) {
				t.Errorf("connection %d, answer %d:\n%s, want\n%s", conn, i, got, w)
			}
		}
		_ = c.Close(websocket.StatusNormalClosure, "")
	}
	if heard := s.Heard(); len(heard) != 2 {
		t.Errorf("%+v", heard)
	}
}

// A client that leaves the documentation is told so.
func TestStrict(t *testing.T) {
	s := New(Config{Token: "k", Models: []string{"paraformer-realtime-v2", "paraformer-realtime-8k-v2"}})
	h := httptest.NewServer(s)
	defer func() { h.Close(); s.Wait() }()
	run := `{"header":{"action":"run-task","task_id":"t","streaming":"duplex"},"payload":{"task_group":"audio","task":"asr","function":"recognition","model":"paraformer-realtime-v2","parameters":{"format":"pcm","sample_rate":16000},"input":{}}}`
	for name, c := range map[string][2]string{
		"another format":     {`"pcm"`, `"mp3"`},
		"unknown parameter":  {`"sample_rate"`, `"hotwords":"x","sample_rate"`},
		"unknown vocabulary": {`"sample_rate"`, `"vocabulary_id":"x","sample_rate"`},
		"unknown language":   {`"sample_rate"`, `"language_hints":["xx"],"sample_rate"`},
		"too short silence":  {`"sample_rate"`, `"max_sentence_silence":100,"sample_rate"`},
		"a model of 8 kHz":   {`realtime-v2`, `realtime-8k-v2`},
		"no such model":      {`realtime-v2`, `realtime-v7`},
		"no such task":       {`"asr"`, `"ocr"`},
		"not duplex":         {`duplex`, `out`},
		"finish first":       {`run-task`, `finish-task`},
		"not JSON":           {`{"header"`, `<header`},
	} {
		c0, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(h.URL, "http"), &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer k"}}})
		if err != nil {
			t.Fatal(err)
		}
		_ = c0.Write(t.Context(), websocket.MessageText, []byte(strings.Replace(run, c[0], c[1], 1)))
		if _, got, err := c0.Read(t.Context()); err != nil || !strings.Contains(string(got), "task-failed") {
			t.Errorf("%s: %s, %v", name, got, err)
		}
		_ = c0.CloseNow()
	}
}
