package dashscope

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"ringmaster/internal/audio"
	lab "ringmaster/internal/lab/dashscope"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/nlu/correct"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
	"ringmaster/scripts"
)

const (
	wide  = "paraformer-realtime-v2"
	eight = "paraformer-realtime-8k-v2"
)

// listen starts the instrument and a recognizer on it.
func listen(t *testing.T, server lab.Config, change func(*HearConfig)) (*Recognizer, *lab.Server) {
	t.Helper()
	server.Token, server.Models = key, []string{wide, eight}
	s := lab.New(server)
	h := httptest.NewServer(s)
	t.Cleanup(func() { h.Close(); s.Wait() })
	c := HearConfig{Name: "cloud", URL: "ws" + strings.TrimPrefix(h.URL, "http") + "/api-ws/v1/inference", Token: key, Model: eight}
	c.ConnectTimeout, c.IdleTimeout, c.FinalTimeout, c.Queue = time.Minute, time.Minute, time.Minute, 10000 // a busy machine is no fault of the service
	if change != nil {
		change(&c)
	}
	r, err := NewRecognizer(c)
	if err != nil {
		t.Fatal(err)
	}
	return r, s
}

func TestRecognizerContract(t *testing.T) {
	speechtest.TestRecognizer(t, func(t *testing.T) speech.Recognizer {
		r, _ := listen(t, lab.Config{}, nil)
		return r
	}, func(text string) []int16 { return tone.Encode(text, 8000) })
}

var slin = speech.RecognizeOptions{Format: audio.FormatSlin, Language: "cmn"}

// hear runs one recognition of a text until its first final, or the end if all
// is set. It speaks twice as fast as people do, with silence after it.
func hear(t *testing.T, r speech.Recognizer, o speech.RecognizeOptions, text string, all bool) (got []speech.Result, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	rec, err := r.Recognize(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rec.Close() }()
	stop, done := make(chan struct{}), make(chan struct{})
	defer func() { close(stop); <-done }()
	go func() {
		defer close(done)
		tick := time.NewTicker(audio.FrameDuration / 2)
		defer tick.Stop()
		pcm := tone.Encode(text, o.Format.Rate)
		for pos := int64(0); ; pos += int64(o.Format.FrameSamples()) {
			frame := make([]int16, o.Format.FrameSamples())
			pcm = pcm[copy(frame, pcm):]
			if rec.Write(audio.Frame{Pos: pos, Samples: frame}) != nil {
				return
			}
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
	for {
		res, err := rec.Recv()
		if err != nil {
			return got, err
		}
		if got = append(got, res); res.Final && !all {
			return got, rec.CloseWrite()
		}
	}
}

// What the service is asked for is what its documentation words.
func TestWhatIsAskedOfTheEar(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*HearConfig)
		o      speech.RecognizeOptions
		want   lab.Heard
	}{
		"telephone": {nil, slin, lab.Heard{Model: eight, SampleRate: 8000, EndSilence: 500, Heartbeat: true}},
		"a wide leg to a telephone model": {nil, speech.RecognizeOptions{Format: audio.FormatSlin16, Language: "cmn", EndSilence: time.Millisecond},
			lab.Heard{Model: eight, SampleRate: 8000, EndSilence: 200, Heartbeat: true}},
		"wide": {func(c *HearConfig) { c.Model, c.Vocabulary = wide, "vocab-clinic" }, speech.RecognizeOptions{Format: audio.FormatSlin16, Language: "yue", EndSilence: 900 * time.Millisecond},
			lab.Heard{Model: wide, SampleRate: 16000, EndSilence: 900, Heartbeat: true, Vocabulary: "vocab-clinic", Languages: []string{"yue"}}},
		"by meaning": {func(c *HearConfig) { c.Model, c.SemanticPunctuation = wide, true }, slin,
			lab.Heard{Model: wide, SampleRate: 8000, EndSilence: 800, Heartbeat: true, Semantic: true, Languages: []string{"zh", "en"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, s := listen(t, lab.Config{Vocabularies: map[string][]string{"vocab-clinic": nil}}, c.change)
			rec, err := r.Recognize(t.Context(), c.o)
			if err != nil {
				t.Fatal(err)
			}
			frame := make([]int16, c.o.Format.FrameSamples())
			for i := range int64(7) { // three frames are lost, and filled
				if i < 2 || i > 4 {
					_ = rec.Write(audio.Frame{Pos: 1000*160 + i*int64(len(frame)), Samples: frame})
				}
			}
			_ = rec.CloseWrite()
			if _, err := rec.Recv(); !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			_ = rec.Close()
			c.want.Bytes = int64(7 * c.want.SampleRate / 50 * 2)
			if got := s.Heard(); len(got) != 1 || !reflect.DeepEqual(got[0], c.want) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
	r, _ := listen(t, lab.Config{}, nil)
	for _, l := range []speech.Language{"yue", "ug"} {
		if _, err := r.Recognize(t.Context(), speech.RecognizeOptions{Format: audio.FormatSlin, Language: l}); !errors.Is(err, speech.ErrUnsupported) {
			t.Errorf("%s through a model of Mandarin: %v", l, err)
		}
	}
}

// Every failure has its name, none holds the key or the address, and nothing
// waits for ever.
func TestFaultsOfTheEar(t *testing.T) {
	text := func(s string) answer {
		return func(ctx context.Context, conn *websocket.Conn, _ string) {
			_ = conn.Write(ctx, websocket.MessageText, []byte(s))
			deaf(ctx, conn)
		}
	}
	event := func(name, code, message string) answer {
		return func(ctx context.Context, conn *websocket.Conn, task string) {
			_ = lab.Event(ctx, conn, task, name, code, message)
			deaf(ctx, conn)
		}
	}
	brief := func(c *HearConfig) { c.IdleTimeout = 700 * time.Millisecond }
	after := func(code string) lab.Config {
		return lab.Config{Fault: lab.Fault{FailAfter: 200 * time.Millisecond, Code: code, Message: "so it is"}}
	}
	for name, c := range map[string]struct {
		server lab.Config
		change func(*HearConfig)
		want   error
	}{
		"wrong key":             {lab.Config{}, func(c *HearConfig) { c.Token = "other" }, speech.ErrUnavailable},
		"no address":            {lab.Config{}, func(c *HearConfig) { c.URL = "ws://127.0.0.1:1/x" }, speech.ErrUnavailable},
		"no such model":         {lab.Config{}, func(c *HearConfig) { c.Model = "paraformer-realtime-8k-v9" }, speech.ErrUnsupported},
		"no such vocabulary":    {lab.Config{}, func(c *HearConfig) { c.Vocabulary = "vocab-gone" }, speech.ErrUnsupported},
		"throttled":             {after("Throttling.RateQuota"), nil, speech.ErrUnavailable},
		"no money":              {after("Arrearage"), nil, speech.ErrUnavailable},
		"client error":          {after("CLIENT_ERROR"), nil, speech.ErrUnavailable},
		"no speech in mid-call": {after("NO_VALID_AUDIO_ERROR"), nil, speech.ErrUnavailable},
		"bad parameter":         {after("InvalidParameter"), nil, speech.ErrUnsupported},
		"silent":                {lab.Config{Fault: lab.Fault{Silent: true}}, brief, speech.ErrTimeout},
		"partial only":          {lab.Config{Fault: lab.Fault{PartialOnly: true}}, brief, speech.ErrTimeout},
		"endless":               {lab.Config{Fault: lab.Fault{Endless: true}}, brief, speech.ErrTimeout},
		"garbage":               {lab.Config{Answer: text("<html>")}, nil, speech.ErrProtocol},
		"0 bytes":               {lab.Config{Answer: text("")}, nil, speech.ErrProtocol},
		"huge":                  {lab.Config{Answer: text(strings.Repeat("a", maxMessage+1))}, nil, speech.ErrProtocol},
		"binary": {lab.Config{Answer: func(ctx context.Context, conn *websocket.Conn, _ string) {
			_ = conn.Write(ctx, websocket.MessageBinary, nil)
			deaf(ctx, conn)
		}}, nil, speech.ErrProtocol},
		"another task":         {lab.Config{Answer: text(`{"header":{"task_id":"x","event":"result-generated"}}`)}, nil, speech.ErrProtocol},
		"no sentence":          {lab.Config{Answer: event(resultGenerated, "", "")}, nil, speech.ErrProtocol},
		"started twice":        {lab.Config{Answer: event(taskStarted, "", "")}, nil, speech.ErrProtocol},
		"finished in mid-call": {lab.Config{Answer: event(taskFinished, "", "")}, nil, speech.ErrUnavailable},
		"closes":               {lab.Config{Answer: func(context.Context, *websocket.Conn, string) {}}, nil, speech.ErrUnavailable},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			r, _ := listen(t, c.server, c.change)
			_, err := hear(t, r, slin, "您好您好", true)
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

// deaf reads and says nothing until the client has gone.
func deaf(ctx context.Context, conn *websocket.Conn) {
	for {
		if _, _, err := conn.Read(ctx); err != nil {
			return
		}
	}
}

// A service that does not start the task is not waited for; one that is no
// service has its name.
func TestNoTaskStarts(t *testing.T) {
	mute := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		deaf(r.Context(), conn)
		_ = conn.CloseNow()
	}))
	defer mute.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }))
	defer page.Close()
	for _, u := range []string{mute.URL, page.URL} {
		r, _ := listen(t, lab.Config{}, func(c *HearConfig) {
			c.URL, c.ConnectTimeout = "ws"+strings.TrimPrefix(u, "http"), 100*time.Millisecond
			if u == page.URL {
				c.ConnectTimeout = time.Minute
			}
		})
		if _, err := r.Recognize(t.Context(), slin); !errors.Is(err, speech.ErrUnavailable) {
			t.Error(err)
		}
	}
	r, _ := listen(t, lab.Config{}, func(c *HearConfig) { c.URL, c.ConnectTimeout = "ws"+strings.TrimPrefix(mute.URL, "http"), time.Minute })
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := r.Recognize(ctx, slin); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// The vendor calls a task in which nobody spoke a failure; a call in which the
// customer said nothing has not failed.
func TestACallWithoutAWordEndsWell(t *testing.T) {
	r, _ := listen(t, lab.Config{Answer: func(ctx context.Context, conn *websocket.Conn, task string) {
		for {
			kind, _, err := conn.Read(ctx)
			if err != nil {
				return
			}
			if kind == websocket.MessageText {
				_ = lab.Event(ctx, conn, task, taskFailed, "NO_VALID_AUDIO_ERROR", "NO_VALID_AUDIO_ERROR")
				deaf(ctx, conn)
				return
			}
		}
	}}, nil)
	rec, err := r.Recognize(t.Context(), slin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rec.Close() }()
	_ = rec.Write(audio.Frame{Samples: make([]int16, 160)})
	_ = rec.CloseWrite()
	if got, err := rec.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("%+v, %v", got, err)
	}
}

// misheard are terms of a clinic and what the recognizer writes for them unless
// its vocabulary has them.
var misheard = map[string]string{
	"CT检查": "西踢检查", "处方药": "除方药", "阿莫西林": "阿磨西林", "心电图": "心店图", "幽门螺杆菌": "优门罗杆菌", "甲状腺结节": "甲状线结节", "化疗": "画聊", "复诊": "富真",
}

// Hotwords of a call do not reach this service: terms come out right through a
// vocabulary that was made beforehand, and most of them through the correction
// dictionary.
func TestRow_S9_RecallThroughAVocabulary(t *testing.T) {
	terms, err := scripts.Terms("healthcare")
	if err != nil {
		t.Fatal(err)
	}
	var list []correct.Term
	var words []string
	for w, weight := range terms {
		list, words = append(list, correct.Term{Text: w, Weight: weight}), append(words, w)
	}
	slices.SortFunc(list, func(a, b correct.Term) int { return strings.Compare(a.Text, b.Text) })
	dictionary := correct.NewTable().Dictionary(list, nil)
	server := lab.Config{Mishear: misheard, Vocabularies: map[string][]string{"vocab-clinic": words}}
	bare, _ := listen(t, server, nil)
	with, _ := listen(t, server, func(c *HearConfig) { c.Vocabulary = "vocab-clinic" })
	o := slin
	o.Hotwords = terms // which change nothing here
	recall := map[string]chan bool{}
	for name, r := range map[string]speech.Recognizer{"neither": bare, "correction alone": correct.Recognizer(bare, dictionary, nil, nil), "vocabulary alone": with} {
		results := make(chan bool)
		recall[name] = results
		for w := range misheard {
			go func() {
				got, err := hear(t, r, o, "我想问"+w, false)
				if err != nil {
					t.Error(w, err)
				}
				results <- err == nil && strings.Contains(got[len(got)-1].Text, w)
			}()
		}
	}
	for name, least := range map[string]int{"neither": 0, "correction alone": 5, "vocabulary alone": len(misheard)} {
		n := 0
		for range misheard {
			if <-recall[name] {
				n++
			}
		}
		t.Logf("%-17s keyword recall %d of %d", name, n, len(misheard))
		if n < least || name == "neither" && n > 0 {
			t.Errorf("%s: %d, want %d", name, n, least)
		}
	}
}

func TestBadConfigurationsOfTheEar(t *testing.T) {
	good := HearConfig{URL: "wss://host/api-ws/v1/inference", Token: "k", Model: eight}
	for name, change := range map[string]func(*HearConfig){
		"no url": func(c *HearConfig) { c.URL = "" }, "http": func(c *HearConfig) { c.URL = "https://host" }, "no key": func(c *HearConfig) { c.Token = "" },
		"no model": func(c *HearConfig) { c.Model = "" }, "hasty": func(c *HearConfig) { c.EndSilence = time.Millisecond }, "slow": func(c *HearConfig) { c.EndSilence = time.Minute },
		"queue": func(c *HearConfig) { c.Queue = -1 }, "timeout": func(c *HearConfig) { c.IdleTimeout = -1 },
	} {
		c := good
		change(&c)
		if _, err := NewRecognizer(c); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewRecognizer(good); err != nil {
		t.Error(err)
	}
}
