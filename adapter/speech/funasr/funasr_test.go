package funasr

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ringmaster/adapter/speech/live"
	"ringmaster/internal/audio"
	"ringmaster/internal/lab/asr"
	"ringmaster/internal/speech"
)

var eight = speech.RecognizeOptions{Format: audio.FormatSlin, Language: "cmn"}

// pour writes pcm a little faster than the queue overflows, and silence after
// it until stop is closed or the stream ends.
func pour(rec speech.Recognition, pcm []int16, stop <-chan struct{}) {
	tick := time.NewTicker(audio.FrameDuration / 2)
	defer tick.Stop()
	var pos int64
	for {
		frame := make([]int16, 160)
		pcm = pcm[copy(frame, pcm):]
		if rec.Write(audio.Frame{Pos: pos, Samples: frame}) != nil {
			return
		}
		pos += 160
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}

// outcome runs one recognition of pcm until it ends by itself or at the limit.
func outcome(t *testing.T, r *Recognizer, pcm []int16, limit time.Duration) (got []speech.Result, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	rec, err := r.Recognize(ctx, eight)
	if err != nil {
		return nil, err
	}
	defer rec.Close()
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		pour(rec, pcm, stop)
	}()
	defer func() {
		close(stop)
		<-done
	}()
	for {
		res, err := rec.Recv()
		if err != nil {
			return got, err
		}
		got = append(got, res)
	}
}

func TestFaultsOfTheServerHaveNames(t *testing.T) {
	text := "您好您好您好您好您好您好"
	quick := Config{IdleTimeout: 900 * time.Millisecond}
	for name, c := range map[string]struct {
		fault  asr.Fault
		want   error
		within time.Duration
	}{
		"silent":       {asr.Fault{Silent: true}, speech.ErrTimeout, 3 * time.Second},
		"partial only": {asr.Fault{PartialOnly: true}, speech.ErrTimeout, 6 * time.Second},
		"dropped":      {asr.Fault{DropAfter: time.Second}, speech.ErrUnavailable, 3 * time.Second},
		"garbage":      {asr.Fault{Garbage: true}, speech.ErrProtocol, 3 * time.Second},
		"refused":      {asr.Fault{Refuse: http.StatusServiceUnavailable}, speech.ErrUnavailable, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			r, s := serve(t, asr.Config{}, quick)
			s.SetFault(c.fault)
			began := time.Now()
			_, err := outcome(t, r, speak(text), 12*time.Second)
			if !errors.Is(err, c.want) || time.Since(began) > c.within {
				t.Errorf("%v after %v, want %v", err, time.Since(began), c.want)
			}
		})
	}
}

func TestSlowServerIsNotADeadOne(t *testing.T) {
	r, s := serve(t, asr.Config{}, Config{IdleTimeout: 1500 * time.Millisecond})
	s.SetFault(asr.Fault{Slow: 500 * time.Millisecond})
	got, err := outcome(t, r, speak("慢一点没有关系"), 4*time.Second)
	if !errors.Is(err, context.DeadlineExceeded) || len(got) == 0 || got[len(got)-1].Text != "慢一点没有关系" {
		t.Errorf("%v, %v", got, err)
	}
}

func TestEndlessPartialsAreBounded(t *testing.T) {
	var a assembler
	h := live.NewHearing(8000)
	var err error
	for i := 0; err == nil; i++ {
		if _, err = a.take(message{kind: partial, text: strings.Repeat("x", 1000)}, h); i > 100 {
			t.Fatal("100 kB of partial text")
		}
	}
	if !errors.Is(err, speech.ErrProtocol) {
		t.Error(err)
	}
}

func TestStalledServerLosesAudioNotTime(t *testing.T) {
	r, s := serve(t, asr.Config{}, Config{Queue: 10, WriteTimeout: 400 * time.Millisecond})
	s.SetFault(asr.Fault{Stall: true})
	rec, err := r.Recognize(t.Context(), eight)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	frame := make([]int16, 160)
	var pos int64
	for began := time.Now(); err == nil; pos += 160 { // flat out until the socket is full
		before := time.Now()
		err = rec.Write(audio.Frame{Pos: pos, Samples: frame})
		if d := time.Since(before); d > 10*audio.FrameDuration { // a busy machine, not a busy server
			t.Fatalf("Write took %v", d)
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("a server that reads nothing is not noticed")
		}
	}
	if !errors.Is(err, speech.ErrTimeout) {
		t.Error(err)
	}
	if n := rec.(*stream).Dropped(); n == 0 {
		t.Error("no frame was dropped")
	}
}

func TestFixturesOfTheWire(t *testing.T) {
	for name, absolute := range map[string]bool{"cpp-2pass.jsonl": true, "python-2pass.jsonl": false} {
		f, err := os.Open(filepath.Join("..", "..", "..", "internal", "lab", "asr", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var a assembler
		h := live.NewHearing(16000)
		// what the adapter would have heard: the three utterances of the scene
		for _, s := range [][2]int64{{700, 3260}, {4160, 5920}, {6420, 7600}} {
			h.Hear(loud(s[0]*16, int(s[1]-s[0])*16))
		}
		var sent int64
		last, finals := "", []speech.Result{}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			var l struct {
				From  string
				Text  string
				Audio int64 `json:"audio_bytes"`
			}
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				t.Fatal(err)
			}
			h.Send(audio.Frame{Pos: sent, Samples: make([]int16, l.Audio/2)})
			sent += l.Audio / 2
			if l.From != "server" {
				continue
			}
			m, err := parseMessage([]byte(l.Text))
			if err != nil {
				t.Fatal(err)
			}
			got, err := a.take(m, h)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range got {
				if !strings.HasPrefix(r.Text, last) {
					t.Errorf("%s: %q does not continue %q", name, r.Text, last)
				}
				if last = r.Text; r.Final {
					last = ""
					finals = append(finals, r)
				}
			}
		}
		want := []string{"您好，我想问一下贷款的事情。", "别打了，谢谢 bye", "别打了，谢谢"}
		if len(finals) != len(want) {
			t.Fatalf("%s: %v", name, finals)
		}
		for i, r := range finals {
			if r.Text != want[i] || len(r.Words) == 0 {
				t.Errorf("%s: %+v, want %q", name, r, want[i])
			}
		}
		if w := finals[1].Words; len(w) != 6 || w[5].Text != "bye" || (w[0].Start-4160*time.Millisecond).Abs() > 20*time.Millisecond {
			t.Errorf("%s (absolute %v): words %+v", name, absolute, w)
		}
	}
}

func TestConfigurationMessage(t *testing.T) {
	r, s := serve(t, asr.Config{}, Config{Languages: map[speech.Language]string{"yue": "yue", "ug": "auto"}})
	o := eight
	o.Language = "yue"
	o.Hotwords = map[string]int{"贷款": 20, "CT 检查": 300, `"}`: 0}
	rec, err := r.Recognize(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	_ = rec.CloseWrite()
	if _, err := rec.Recv(); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	_ = rec.Close()
	var got map[string]int
	if err := json.Unmarshal([]byte(s.Hotwords()), &got); err != nil || got["贷款"] != 20 || got["CT 检查"] != 100 || got[`"}`] != 1 {
		t.Errorf("hotwords %q, %v", s.Hotwords(), err)
	}
	if s.Language() != "yue" {
		t.Errorf("svs_lang %q", s.Language())
	}
	if text, err := hotwords(map[string]int{"b": 1, "a c": 2}, HotwordsPlain); err != nil || text != "ac b" {
		t.Errorf("plain hotwords %q, %v", text, err)
	}
	if _, err := hotwords(map[string]int{" ": 1}, HotwordsJSON); !errors.Is(err, speech.ErrUnsupported) {
		t.Error(err)
	}
}

func TestSecureSocket(t *testing.T) {
	h := httptest.NewUnstartedServer(asr.New(asr.Config{}))
	h.Config.ErrorLog = log.New(io.Discard, "", 0)
	h.StartTLS()
	defer h.Close()
	pool := x509.NewCertPool()
	pool.AddCert(h.Certificate())
	url := "wss" + strings.TrimPrefix(h.URL, "https")
	r, err := New(Config{URL: url, TLS: &tls.Config{RootCAs: pool}})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := r.Recognize(t.Context(), eight)
	if err != nil {
		t.Fatal(err)
	}
	_ = rec.Close()
	r, _ = New(Config{URL: url})
	if _, err := r.Recognize(t.Context(), eight); !errors.Is(err, speech.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("unknown certificate: %v", err)
	}
}

func TestUnreachableSaysSoWithoutTheToken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts and stays silent
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, url := range []string{"ws://127.0.0.1:1/?token=geheim", "ws://" + l.Addr().String() + "/?token=geheim"} {
		r, err := New(Config{URL: url, ConnectTimeout: 200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		_, err = r.Recognize(t.Context(), eight)
		if !errors.Is(err, speech.ErrUnavailable) || strings.Contains(err.Error(), "geheim") || time.Since(began) > 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	}
}

func TestConfigIsChecked(t *testing.T) {
	for _, c := range []Config{
		{}, {URL: "http://x"}, {URL: "ws://"}, {URL: "ws://x", Mode: "online"}, {URL: "ws://x", Hotwords: "xml"},
		{URL: "ws://x", ChunkSize: [3]int{5, 0, 5}}, {URL: "ws://x", ChunkInterval: -1}, {URL: "ws://x", ChunkInterval: 1000},
		{URL: "ws://x", Queue: -1}, {URL: "ws://x", IdleTimeout: -1},
	} {
		if _, err := New(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// scriptServer answers the end of input, or the first audio, with given messages.
func scriptServer(t *testing.T, onAudio, onEnd []string, closeAfter bool) string {
	t.Helper()
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		conn, err := websocket.Accept(w, req, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		say := func(all []string) {
			for _, m := range all {
				_ = conn.Write(req.Context(), websocket.MessageText, []byte(m))
			}
		}
		for first := true; ; {
			kind, data, err := conn.Read(req.Context())
			switch {
			case err != nil:
				return
			case kind == websocket.MessageBinary && first:
				first = false
				say(onAudio)
			case strings.Contains(string(data), `"is_speaking":false`):
				say(onEnd)
				if closeAfter {
					_ = conn.Close(websocket.StatusNormalClosure, "")
					return
				}
			}
		}
	}))
	t.Cleanup(h.Close)
	return "ws" + strings.TrimPrefix(h.URL, "http")
}

// TestEndsOfOtherVersions: how servers of several years end a stream.
func TestEndsOfOtherVersions(t *testing.T) {
	online := `{"mode":"2pass-online","text":"你","wav_name":"x","is_final":false}`
	for name, c := range map[string]struct {
		onAudio, onEnd []string
		close          bool
		want           string
		err            error
		atLeast        time.Duration
	}{
		"C++ 2024":    {[]string{online}, []string{`{"is_final":true,"mode":"2pass-offline","stamp_sents":[],"text":"你好。","timestamp":"[[0,5]]","wav_name":"x"}`}, false, "你好。", io.EOF, 0},
		"C++ empty":   {nil, []string{`{"is_final":true,"text":"","wav_name":"x"}`}, false, "", io.EOF, 0},
		"Python 2025": {[]string{online}, []string{`{"mode":"2pass-offline","text":"你好","wav_name":"x","is_final":false}`}, false, "你好", io.EOF, 200 * time.Millisecond},
		"Python 2026": {[]string{online}, []string{`{"mode":"2pass-offline","text":"你好","is_final":true}`, `{"mode":"2pass","is_final":true,"is_end":true}`}, false, "你好", io.EOF, 0},
		"closes":      {[]string{online}, nil, true, "你", io.EOF, 0},
		"never":       {[]string{online}, nil, false, "", speech.ErrTimeout, 500 * time.Millisecond},
		"fails":       {nil, []string{`{"mode":"2pass","is_final":false,"is_end":true,"error":"vad inference failed"}`}, false, "", speech.ErrUnavailable, 0},
		"not pcm":     {nil, []string{`{"text":"ERROR. ONLY SUPPORT PCM stream.","wav_name":"x","is_final":true}`}, false, "", speech.ErrUnavailable, 0},
		"binary":      {[]string{"\x00"}, nil, false, "", speech.ErrProtocol, 0},
		"huge":        {[]string{strings.Repeat(" ", maxMessage+1)}, nil, false, "", speech.ErrProtocol, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := New(Config{URL: scriptServer(t, c.onAudio, c.onEnd, c.close), Drain: 200 * time.Millisecond, FinalTimeout: 500 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			rec, err := r.Recognize(t.Context(), eight)
			if err != nil {
				t.Fatal(err)
			}
			defer rec.Close()
			_ = rec.Write(audio.Frame{Samples: make([]int16, 1600)})
			if len(c.onAudio) > 0 {
				_, _ = rec.Recv()
			}
			began := time.Now()
			_ = rec.CloseWrite()
			text := ""
			var end error
			for end == nil {
				var res speech.Result
				if res, end = rec.Recv(); res.Final {
					text += res.Text
				}
			}
			if d := time.Since(began); text != c.want || !errors.Is(end, c.err) || d < c.atLeast || d > c.atLeast+2*time.Second {
				t.Errorf("%q, %v after %v; want %q, %v", text, end, d, c.want, c.err)
			}
		})
	}
}

// TestEverySampleArrives: a short loss is filled with silence, the tail of the
// resampler is sent.
func TestEverySampleArrives(t *testing.T) {
	for _, o := range []speech.RecognizeOptions{eight, {Format: audio.FormatSlin16}} {
		r, s := serve(t, asr.Config{}, Config{})
		rec, err := r.Recognize(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		n := o.Format.FrameSamples()
		for _, place := range []int{50, 51, 52, 56, 57} { // three frames are lost
			if err := rec.Write(audio.Frame{Pos: int64(place * n), Samples: make([]int16, n)}); err != nil {
				t.Fatal(err)
			}
		}
		_ = rec.CloseWrite()
		if _, err := rec.Recv(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
		_ = rec.Close()
		if got, want := s.Stats().AudioBytes, int64(8*320*2); got != want {
			t.Errorf("%v: %d bytes of 16 kHz audio arrived, want %d", o.Format, got, want)
		}
	}
}

func TestFloodOfFinalsIsBounded(t *testing.T) {
	var flood []string
	for i := range 2 * live.MaxResults {
		flood = append(flood, fmt.Sprintf(`{"mode":"2pass-offline","text":"%d"}`, i))
	}
	r, _ := New(Config{URL: scriptServer(t, flood, nil, false)})
	rec, err := r.Recognize(t.Context(), eight)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	_ = rec.Write(audio.Frame{Samples: make([]int16, 1600)})
	s := rec.(*stream)
	<-s.Done()
	for err == nil {
		_, err = rec.Recv()
	}
	if !errors.Is(err, speech.ErrProtocol) {
		t.Error(err)
	}
}
