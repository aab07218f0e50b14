package twin

import (
	"time"

	"ringmaster/internal/audio"
)

// Marker is the first sample of a frame from which Config.Reacted counts; no
// voice and no G.711 line reaches it.
const Marker = 32000

// mark notes that a marked frame goes to the controller; needs the lock.
func (m *media) mark(f []int16) {
	if m.ch.ex.cfg.Reacted != nil && len(f) > 1 && f[0] >= Marker {
		m.marked = time.Now()
	}
}

// reacted tells of the first sound after a marked frame; needs the lock.
func (m *media) reacted(b []byte) {
	if m.marked.IsZero() {
		return
	}
	samples, err := audio.Decode(nil, b[:min(len(b), m.format.FrameBytes())], m.format.Encoding)
	if err != nil {
		return
	}
	for _, v := range samples {
		if v > 500 || v < -500 {
			m.ch.ex.cfg.Reacted(time.Since(m.marked))
			m.marked = time.Time{}
			return
		}
	}
}
