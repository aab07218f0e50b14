package funasr

import (
	"encoding/json"

	"ringmaster/internal/speech"
)

var _ speech.Biaser = (*stream)(nil)

// Bias sends other hotwords before the next audio. Only the Python server reads
// them again (with every text message, as hotwords or, in older versions,
// hotword); the C++ server compiles those of the first message and looks at no
// others, so nothing is sent there. Words that cannot be sent are reported in
// the log and change nothing.
func (s *stream) Bias(words map[string]int) {
	if s.config.Hotwords != HotwordsPlain {
		return
	}
	hot, err := hotwords(words, s.config.Hotwords)
	if err != nil {
		s.config.Logger.Warn("hotwords of this node were not sent", "err", err)
		return
	}
	msg, err := json.Marshal(map[string]string{"hotwords": hot, "hotword": hot})
	if err != nil {
		return
	}
	s.bias.Store(&msg)
}

// takeBias is the message to be sent before the next audio; nil for none.
func (s *stream) takeBias() []byte {
	if m := s.bias.Swap(nil); m != nil {
		return *m
	}
	return nil
}
