package funasr

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/lab/asr"
	"ringmaster/internal/nlu/correct"
	"ringmaster/internal/speech"
	"ringmaster/scripts"
)

// misheard are terms of a clinic and what the recognizer writes for them
// unless a hotword names them. The last three are too short for the correction to be sure of.
var misheard = map[string]string{
	"CT检查": "西踢检查", "处方药": "除方药", "阿莫西林": "阿磨西林", "心电图": "心店图", "幽门螺杆菌": "优门罗杆菌", "甲状腺结节": "甲状线结节", "医保报销": "一保抱销",
	"核磁共振": "和磁共正", "过敏史": "过民是", "化疗": "画聊", "复诊": "富真", "B超": "逼抄",
}

// one recognizes a single sentence.
func one(t *testing.T, r speech.Recognizer, o speech.RecognizeOptions, said string, begin func(speech.Recognition)) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	rec, err := r.Recognize(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	if begin != nil {
		begin(rec)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		pour(rec, speak(said), stop)
	}()
	defer func() { close(stop); <-done }()
	for {
		res, err := rec.Recv()
		if err != nil {
			t.Error(said, err)
			return ""
		}
		if res.Final {
			return res.Text
		}
	}
}

// Keyword recall through a recognizer on the wire that mishears what it was not
// told: without anything, with the correction dictionary, with the industry's
// hotwords, with both.
func TestRow_S9_RecallThroughTheRecognizer(t *testing.T) {
	terms, err := scripts.Terms("healthcare")
	if err != nil {
		t.Fatal(err)
	}
	var list []correct.Term
	for w, weight := range terms {
		list = append(list, correct.Term{Text: w, Weight: weight})
	}
	slices.SortFunc(list, func(a, b correct.Term) int { return strings.Compare(a.Text, b.Text) })
	dictionary := correct.NewTable().Dictionary(list, nil)
	r, _ := serve(t, asr.Config{Mishear: misheard}, Config{})
	var said []string
	for w := range misheard {
		said = append(said, w)
	}
	slices.Sort(said)
	recall := func(name string, r speech.Recognizer, hot map[string]int) int {
		o := eight
		o.Hotwords = hot
		results := make(chan bool)
		for _, w := range said {
			go func() { results <- strings.Contains(one(t, r, o, "我想问"+w, nil), w) }()
		}
		n := 0
		for range said {
			if <-results {
				n++
			}
		}
		t.Logf("%-28s keyword recall %2d of %d", name, n, len(said))
		return n
	}
	none := recall("neither", r, nil)
	corrected := recall("correction alone", correct.Recognizer(r, dictionary, nil, nil), nil)
	hot := recall("hotwords alone", r, terms)
	both := recall("hotwords and correction", correct.Recognizer(r, dictionary, nil, nil), terms)
	if none != 0 || corrected < 8 || hot != len(said) || both != len(said) {
		t.Errorf("%d without, %d with correction, %d with hotwords, %d with both", none, corrected, hot, both)
	}
}

// The Python server takes other hotwords in mid-stream, the C++ server does
// not: there those of the beginning stay.
func TestHotwordsOfANodeInMidStream(t *testing.T) {
	for _, c := range []struct {
		dialect asr.Dialect
		form    Hotwords
		want    string
	}{{asr.Python, HotwordsPlain, "要复诊"}, {asr.CPP, HotwordsJSON, "要富真"}} {
		r, s := serve(t, asr.Config{Dialect: c.dialect, Mishear: misheard}, Config{Hotwords: c.form})
		o := eight
		o.Hotwords = map[string]int{"化疗": 10}
		got := one(t, r, o, "要复诊", func(rec speech.Recognition) { rec.(speech.Biaser).Bias(map[string]int{"复诊": 20, "B超": 20}) })
		if strings.Trim(got, "。") != c.want {
			t.Errorf("%s: %q, want %q", c.dialect, got, c.want)
		}
		if c.dialect == asr.Python && s.Hotwords() != "B超 复诊" {
			t.Errorf("%q", s.Hotwords())
		}
	}
}
