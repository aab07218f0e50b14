package funasr

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"ringmaster/adapter/speech/live"
	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

func TestPairs(t *testing.T) {
	for in, want := range map[string][][2]int64{
		"":                       nil,
		"[]":                     nil,
		"[[1,2],[3,4]]":          {{1, 2}, {3, 4}},
		"[[ 1, 2 ], [3.7, 4.2]]": {{1, 2}, {3, 4}},
		"[[1,2]][[1,2][3,4]]":    {{1, 2}, {3, 4}}, // two segments at once, as the C++ server glues them
		"[[5,2]]":                nil,
		"[[1,2],[3]]":            nil,
		"[[1e3,2]]":              nil,
		"[[-1,2]]":               nil,
		"[[9999999999999,1]]":    nil,
	} {
		if got := pairs(in); len(got) != len(want) || len(got) > 0 && !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v, want %v", in, got, want)
		}
	}
	var many strings.Builder
	for i := range maxStamps + 5 {
		fmt.Fprintf(&many, "[%d,%d],", i, i+1)
	}
	if got := pairs(many.String()); got != nil {
		t.Errorf("%d stamps", len(got))
	}
}

func TestSplit(t *testing.T) {
	for in, want := range map[string][]string{
		"您好，12 it's ok。":     {"您", "好", "1", "2", "it's", "ok"},
		"ياخشىمۇسىز، دوستۇم": {"ياخشىمۇسىز", "دوستۇم"},
		"":                   nil,
	} {
		if got := split(in); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q", in, got)
		}
	}
}

func TestHostileMessages(t *testing.T) {
	for _, in := range []string{
		"", "null garbage", "[]", `{"mode":7}`, `{"mode":"2pass-online","text":["a"]}`, `{"mode":"shell","text":"x"}`,
		strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 40), strings.Repeat("[", 100000), "\xff\xfe",
		`{"mode":"offline","text":"` + strings.Repeat("长", maxText) + `"}`,
	} {
		if m, err := parseMessage([]byte(in)); !errors.Is(err, speech.ErrProtocol) {
			t.Errorf("%.60q: %+v, %v", in, m, err)
		} else if len(err.Error()) > 800 {
			t.Errorf("%.60q: an error of %d bytes", in, len(err.Error()))
		}
	}
	m, err := parseMessage([]byte("{\"mode\":\"offline\",\"text\":\"a\\u0000\\u001b[31mb\xff\",\"timestamp\":{\"x\":1},\"stamp_sents\":\"\"}"))
	if err != nil || m.text != "a[31mb\uFFFD" || m.stamps != nil {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestSenselessStampsAreNotBelieved(t *testing.T) {
	h := live.NewHearing(8000)
	h.Send(audio.Frame{Samples: make([]int16, 8000*5)})
	for _, stamps := range [][][2]int64{{{0, 900_000}}, {{4000, 4100}, {4100, 60_000}}} {
		var a assembler
		got, _ := a.take(message{kind: final, text: "好", stamps: stamps, absolute: true}, h)
		if len(got) != 1 || got[0].End > 5*time.Second || got[0].Start > got[0].End || got[0].Words != nil {
			t.Errorf("%v: %+v", stamps, got)
		}
	}
}

// loud is a frame of n samples that sound like speech.
func loud(pos int64, n int) audio.Frame {
	f := audio.Frame{Pos: pos, Samples: make([]int16, n)}
	for i := range f.Samples {
		f.Samples[i] = 4000 * int16(1-2*(i&1))
	}
	return f
}

func FuzzMessage(f *testing.F) {
	for _, name := range []string{"cpp-2pass.jsonl", "cpp-online.jsonl", "python-2pass.jsonl", "python-offline.jsonl"} {
		file, err := os.Open(filepath.Join("..", "..", "..", "internal", "lab", "asr", "testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			var l struct{ From, Text string }
			if json.Unmarshal(lines.Bytes(), &l) == nil && l.From == "server" {
				f.Add([]byte(l.Text))
			}
		}
		_ = file.Close()
	}
	f.Add([]byte(`{"mode":"offline","text":"a b","timestamp":"[[1,2]][[1,2][3,4]]","stamp_sents":[{"text_seg":"a b"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseMessage(data)
		if err != nil {
			return
		}
		h := live.NewHearing(8000)
		h.Send(audio.Frame{Pos: 160000, Samples: make([]int16, 80000)})
		h.Hear(loud(160800, 7200))
		h.Hear(loud(200000, 1000))
		var a assembler
		for range 3 {
			got, err := a.take(m, h)
			if err != nil {
				return
			}
			for _, r := range append(got, a.rest()...) {
				if !utf8.ValidString(r.Text) || r.Start < 0 || r.End < r.Start || r.End > time.Minute {
					t.Fatalf("%+v of %q", r, data)
				}
				for _, w := range r.Words {
					if w.End < w.Start || w.Start < r.Start || w.Text == "" {
						t.Fatalf("word %+v of %+v of %q", w, r, data)
					}
				}
			}
		}
	})
}
