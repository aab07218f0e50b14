package cache

import "ringmaster/internal/speech"

var _ speech.Biaser = (*fallbackRecognition)(nil)

// Bias implements speech.Biaser: for the provider in use, and for the one that
// may take over.
func (s *fallbackRecognition) Bias(hotwords map[string]int) {
	s.hot.Store(&hotwords)
	s.mu.Lock()
	p := s.pump
	s.mu.Unlock()
	if p == nil {
		return
	}
	if b, ok := p.rec.(speech.Biaser); ok {
		b.Bias(hotwords)
	}
}

// options are those of the stream with the hotwords of now.
func (s *fallbackRecognition) options() speech.RecognizeOptions {
	o := s.o
	if h := s.hot.Load(); h != nil {
		o.Hotwords = *h
	}
	return o
}
