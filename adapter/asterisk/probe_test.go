package asterisk

import (
	"errors"
	"testing"

	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// The doctor's question, on the real exchange: every format opens and closes,
// and leaves no channel behind.
func TestRealProbeMedia(t *testing.T) {
	for _, transport := range []string{TransportWebSocket, TransportRTP} {
		t.Run(transport, func(t *testing.T) {
			s := newStage(t, realAsterisk(t), talker, func(c *Config) { c.Media.Transport = transport }).sw
			for _, f := range []audio.Format{audio.FormatULaw, audio.FormatALaw, audio.FormatSlin} {
				if err := s.ProbeMedia(t.Context(), f); err != nil {
					t.Errorf("%s: %v", f, err)
				}
			}
			if err := s.ProbeMedia(t.Context(), audio.Format{Encoding: "opus", Rate: 48000}); !errors.Is(err, pbx.ErrRefused) {
				t.Errorf("a format that does not exist: %v", err)
			}
		})
	}
}
