package funasr

import (
	"encoding/json"
	"log/slog"
	"sync/atomic"

	"ringmaster/internal/speech"
)

var _ speech.Biaser = (*stream)(nil)

// Bias sends other hotwords before the next audio. Only the Python server reads
// them again (with every text message, as hotwords or, in older versions,
// hotword); the C++ server compiles those of the first message and looks at no
// others, so nothing is sent there. Words that cannot be sent are reported in
// the log and change nothing.
func (s *stream) Bias(words map[string]int) { s.bias.set(words) }

// bias holds other hotwords that were not sent yet.
type bias struct {
	form    Hotwords
	log     *slog.Logger
	message atomic.Pointer[[]byte]
}

func (b *bias) set(words map[string]int) {
	if b.form != HotwordsPlain {
		return
	}
	hot, err := hotwords(words, b.form)
	if err != nil {
		b.log.Warn("hotwords of this node were not sent", "err", err)
		return
	}
	msg, err := json.Marshal(map[string]string{"hotwords": hot, "hotword": hot})
	if err != nil {
		return
	}
	b.message.Store(&msg)
}

// take is the message to be sent before the next audio; nil for none.
func (b *bias) take() []byte {
	if m := b.message.Swap(nil); m != nil {
		return *m
	}
	return nil
}
