package cache

import (
	"context"
	"reflect"
	"sync"
	"testing"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
	"ringmaster/internal/speech/speechtest"
)

// told is a recognizer that notes the hotwords that reach it.
type told struct {
	speech.Recognizer
	mu   sync.Mutex
	with []map[string]int
}

func (r *told) note(h map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.with = append(r.with, h)
}

func (r *told) Recognize(ctx context.Context, o speech.RecognizeOptions) (speech.Recognition, error) {
	r.note(o.Hotwords)
	rec, err := r.Recognizer.Recognize(ctx, o)
	if err != nil {
		return nil, err
	}
	return &toldStream{rec, r}, nil
}

type toldStream struct {
	speech.Recognition
	r *told
}

func (s *toldStream) Bias(h map[string]int) { s.r.note(h) }

// Hotwords that change in mid-stream reach the provider in use, and the one
// that takes over begins with them.
func TestHotwordsReachTheProviderThatTakesOver(t *testing.T) {
	one, two := map[string]int{"处方药": 10}, map[string]int{"复诊": 20}
	first, second := &told{Recognizer: &speechtest.Scripted{}}, &told{Recognizer: &speechtest.Scripted{}}
	r := FallbackRecognizer(first, second, RecognitionTimeouts{})
	rec, err := r.Recognize(t.Context(), speech.RecognizeOptions{Format: audio.FormatSlin, Hotwords: one})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rec.Close() }()
	rec.(speech.Biaser).Bias(two)   //nolint:forcetypeassert // it is one
	s := rec.(*fallbackRecognition) //nolint:forcetypeassert // it is one
	p, err := s.connect(r.secondary)
	if err != nil {
		t.Fatal(err)
	}
	defer p.stop()
	if !reflect.DeepEqual(first.with, []map[string]int{one, two}) || !reflect.DeepEqual(second.with, []map[string]int{two}) {
		t.Errorf("first %v, second %v", first.with, second.with)
	}
}
