package speechtest

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

func TestScriptedKeepsTheContract(t *testing.T) {
	s := new(Scripted)
	TestRecognizer(t, func(*testing.T) speech.Recognizer { return s }, s.Speak)
}

func TestScriptedCues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Scripted{Cues: []Cue{
			{At: 2 * time.Second, Result: speech.Result{Text: "喂", Final: true}},
			{At: time.Second, Result: speech.Result{Text: "喂"}},
			{At: 3 * time.Second, Err: speech.ErrTimeout},
		}}
		began := time.Now()
		rec, err := s.Recognize(t.Context(), speech.RecognizeOptions{Format: audio.FormatSlin, Hotwords: map[string]int{"x": 1}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			r, err := rec.Recv()
			if err != nil || r.Final != (i == 1) || time.Since(began) != time.Duration(i+1)*time.Second {
				t.Errorf("%v after %v, %v", r, time.Since(began), err)
			}
		}
		s.Push(speech.Result{Text: "pushed"})
		if r, _ := rec.Recv(); r.Text != "pushed" {
			t.Errorf("%v", r)
		}
		if _, err := rec.Recv(); !errors.Is(err, speech.ErrTimeout) {
			t.Error(err)
		}
		if len(s.Opened()) != 1 || s.Opened()[0].Hotwords["x"] != 1 {
			t.Errorf("%v", s.Opened())
		}
		_ = rec.Close()
		s.Refuse = speech.ErrUnavailable
		if _, err := s.Recognize(t.Context(), speech.RecognizeOptions{Format: audio.FormatSlin}); !errors.Is(err, speech.ErrUnavailable) {
			t.Error(err)
		}
	})
}

func TestScriptedFails(t *testing.T) {
	s := new(Scripted)
	rec, err := s.Recognize(t.Context(), speech.RecognizeOptions{Format: audio.FormatSlin})
	if err != nil {
		t.Fatal(err)
	}
	defer rec.Close()
	s.Fail(io.ErrUnexpectedEOF)
	if _, err := rec.Recv(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}
