package dashscope

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ringmaster/adapter/speech/live"
	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// fixtureLine is one message between the vendor's own client and the instrument.
type fixtureLine struct {
	Conn       int64
	From, Text string
	Audio      int64 `json:"audio_bytes"`
}

func fixture(t testing.TB) []fixtureLine {
	f, err := os.Open(filepath.Join("..", "..", "..", "internal", "lab", "dashscope", "testdata", "paraformer.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var out []fixtureLine
	for s := bufio.NewScanner(f); s.Scan(); {
		var l fixtureLine
		if err := json.Unmarshal(s.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		out = append(out, l)
	}
	return out
}

// tell gives a message to a listener.
func tell(l *listener, h *live.Hearing, text string) (live.Answer, error) {
	take, err := l.Parse(false, []byte(text))
	if err != nil {
		return live.Answer{}, err
	}
	return take(h)
}

func TestFramesOfTheWire(t *testing.T) {
	want := []string{"您好，我想问一下贷款的事情。", "别打了，谢谢 bye", "您好，我想问一下贷款的事情。", "别打了，谢谢 bye"}
	var l *listener
	var h *live.Hearing
	var sent int64
	conn, rate := int64(0), 16000
	var finals []speech.Result
	for _, m := range fixture(t) {
		if m.Conn == 3 { // refused
			break
		}
		if m.Conn != conn {
			if conn = m.Conn; conn == 2 {
				rate = 8000
			}
			l, h, sent = &listener{}, live.NewHearing(rate), 0
		}
		h.Send(audio.Frame{Pos: sent, Samples: make([]int16, m.Audio/2)})
		sent += m.Audio / 2
		if m.From != "server" || strings.Contains(m.Text, `"task-started"`) || strings.Contains(m.Text, `"task-finished"`) {
			continue
		}
		var e event
		_ = json.Unmarshal([]byte(m.Text), &e)
		l.task = e.Header.TaskID
		a, err := tell(l, h, m.Text)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range a.Results {
			if r.Final {
				finals = append(finals, r)
			}
		}
	}
	if len(finals) != len(want) {
		t.Fatalf("%+v", finals)
	}
	for i, r := range finals {
		words := []int{12, 6}[i%2]
		from := []time.Duration{500 * time.Millisecond, 3960 * time.Millisecond}[i%2]
		if r.Text != want[i] || len(r.Words) != words || (r.Start-from).Abs() > 20*time.Millisecond || !r.SpeechEnd {
			t.Errorf("%+v, want %q", r, want[i])
		}
	}
	if w := finals[1].Words[5]; w.Text != "bye" || w.End > finals[1].End {
		t.Errorf("%+v", w)
	}
}

// result is a result-generated of the task t.
func result(sentence string) string {
	return `{"header":{"task_id":"t","event":"result-generated"},"payload":{"output":{"sentence":` + sentence + `}}}`
}

func TestAnswersOfOtherVersions(t *testing.T) {
	heard := func() *live.Hearing {
		h := live.NewHearing(8000)
		h.Send(audio.Frame{Pos: 80000, Samples: make([]int16, 40000)}) // from 10 s, 5 s of it
		return h
	}
	for name, c := range map[string]struct {
		sentences []string
		want      speech.Result // the last
		words     int
	}{
		"the end is told by its time": {[]string{`{"begin_time":1000,"end_time":2000,"text":"好"}`},
			speech.Result{Text: "好", Final: true, Start: 11 * time.Second, End: 12 * time.Second}, 0},
		"the end has no time": {[]string{`{"begin_time":1000,"end_time":null,"sentence_end":true,"text":"好","words":[{"begin_time":1000,"end_time":1500,"text":"好"}]}`},
			speech.Result{Text: "好", Final: true, Start: 11 * time.Second, End: 11500 * time.Millisecond}, 1},
		"times from another world": {[]string{`{"begin_time":900000,"end_time":-7,"sentence_end":true,"text":"好","words":[{"begin_time":900000,"end_time":1,"text":"好"}]}`},
			speech.Result{Text: "好", Final: true, Start: 15 * time.Second, End: 15 * time.Second}, 0},
		"words out of order": {[]string{`{"begin_time":0,"end_time":2000,"sentence_end":true,"text":"好的","words":[{"begin_time":1000,"end_time":1500,"text":"好"},{"begin_time":10,"end_time":20,"text":"的"}]}`},
			speech.Result{Text: "好的", Final: true, Start: 10 * time.Second, End: 12 * time.Second}, 0},
		"an end before the end": {[]string{`{"begin_time":0,"end_time":2000,"sentence_end":false,"text":"好的"}`},
			speech.Result{Text: "好的", Start: 10 * time.Second, End: 15 * time.Second}, 0},
		"a final takes back what was heard": {[]string{`{"begin_time":1000,"end_time":null,"sentence_end":false,"text":"好"}`, `{"begin_time":1000,"end_time":2000,"sentence_end":true,"text":""}`},
			speech.Result{Final: true, Start: 11 * time.Second, End: 12 * time.Second}, 0},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			l, h := &listener{task: "t"}, heard()
			var got []speech.Result
			for _, s := range c.sentences {
				a, err := tell(l, h, result(s))
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, a.Results...)
			}
			if len(got) != len(c.sentences) {
				t.Fatalf("%+v", got)
			}
			r := got[len(got)-1]
			if r.Text != c.want.Text || r.Final != c.want.Final || r.SpeechEnd != c.want.Final || r.Start != c.want.Start || r.End != c.want.End || len(r.Words) != c.words {
				t.Errorf("%+v, want %+v with %d words", r, c.want, c.words)
			}
		})
	}
}

// What says nothing new does not keep a service alive that owes a final.
func TestWhatIsNoAnswer(t *testing.T) {
	l, h := &listener{task: "t"}, live.NewHearing(8000)
	h.Send(audio.Frame{Samples: make([]int16, 16000)})
	beat := result(`{"begin_time":0,"end_time":null,"text":"","heartbeat":true,"sentence_end":false}`)
	partial := result(`{"begin_time":0,"end_time":null,"text":"好","sentence_end":false}`)
	for i, c := range []struct {
		text       string
		mute, open bool
		results    int
	}{{beat, false, false, 0}, {partial, false, true, 1}, {partial, true, true, 0}, {beat, true, true, 0}} {
		if a, err := tell(l, h, c.text); err != nil || a.Mute != c.mute || a.Open != c.open || len(a.Results) != c.results {
			t.Errorf("%d: %+v, %v", i, a, err)
		}
	}
	if rest := l.Rest(); len(rest) != 1 || rest[0].Text != "好" || !rest[0].Final || l.Rest() != nil {
		t.Errorf("%+v", rest)
	}
}

func TestASentenceWithoutEndIsBounded(t *testing.T) {
	l, h := &listener{task: "t"}, live.NewHearing(8000)
	var err error
	for i := int64(0); err == nil; i++ {
		if i > 400 {
			t.Fatal("a sentence of 400 s")
		}
		h.Send(audio.Frame{Pos: i * 8000, Samples: make([]int16, 8000)})
		_, err = tell(l, h, result(fmt.Sprintf(`{"begin_time":0,"end_time":null,"text":"%d","sentence_end":false}`, i%2)))
	}
	if !errors.Is(err, speech.ErrTimeout) {
		t.Error(err)
	}
	if _, err := tell(l, h, result(`{"text":"`+strings.Repeat("长", maxText)+`"}`)); !errors.Is(err, speech.ErrProtocol) {
		t.Error(err)
	}
}

// Whatever comes: results that make sense, or an error with a name.
func FuzzListener(f *testing.F) {
	for _, m := range fixture(f) {
		if m.From == "server" {
			f.Add([]byte(m.Text))
		}
	}
	for _, s := range []string{
		"null", "[]", "7", `{"header":7}`, `{"header":{"task_id":"t","event":"task-failed","error_code":"x","error_message":"\u202e"}}`, `{"header":{"task_id":"t","event":"task-finished"}}`,
		result("null"), result(`{"text":"\ud800\u0000","words":[null,{}],"end_time":9e18}`), result(`{"begin_time":1e3,"text":7}`), result(`{"begin_time":-1,"end_time":9223372036854775807,"text":"a","sentence_end":true,"words":[{"begin_time":1,"end_time":1,"text":"a"}]}`),
		strings.Repeat("[", 20000),
	} {
		f.Add([]byte(s))
	}
	known := []error{speech.ErrProtocol, speech.ErrUnavailable, speech.ErrUnsupported, speech.ErrTimeout}
	f.Fuzz(func(t *testing.T, data []byte) {
		var e event
		_ = json.Unmarshal(data, &e)
		l, h := &listener{task: e.Header.TaskID}, live.NewHearing(8000)
		h.Send(audio.Frame{Pos: 80000, Samples: make([]int16, 80000)})
		for range 2 {
			a, err := tell(l, h, string(data))
			if err != nil {
				if !slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) }) || !utf8.ValidString(err.Error()) || len(err.Error()) > 1000 {
					t.Fatalf("%q: %v", data, err)
				}
				return
			}
			for _, r := range append(a.Results, l.Rest()...) {
				if !utf8.ValidString(r.Text) || r.Start < 0 || r.End < r.Start || r.End > 20*time.Second+slack {
					t.Fatalf("%+v of %q", r, data)
				}
				for _, w := range r.Words {
					if w.Text == "" || w.Start < r.Start || w.End < w.Start || w.End > r.End+slack {
						t.Fatalf("word %+v of %+v", w, r)
					}
				}
			}
		}
	})
}
