package sound

import (
	"encoding/binary"
	"slices"
	"sync"

	"ringmaster/internal/lab/twin/callee"
)

// maxTape bounds a recording: ten minutes.
const maxTape = 600 * callee.Rate

// Side is what a tape holds of a telephone's line.
type Side byte

// Sides of a tape.
const (
	From   Side = iota // what came from the telephone
	Mixed              // and what it heard, in one
	Stereo             // left what came from it, right what it heard
)

// Tape is a recording of a line.
type Tape struct {
	side Side

	mu      sync.Mutex
	samples []int16 // interleaved when Stereo
	paused  bool
	muted   bool
}

// NewTape is an empty tape.
func NewTape(side Side) *Tape { return &Tape{side: side} }

// Tape records on t from now on; Untape ends it.
func (l *Line) Tape(t *Tape) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tapes = append(l.tapes, t)
}

// Untape ends a recording.
func (l *Line) Untape(t *Tape) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.tapes, t); i >= 0 {
		l.tapes = append(l.tapes[:i:i], l.tapes[i+1:]...)
	}
}

// Pause leaves time out of the tape while on.
func (t *Tape) Pause(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.paused = on
}

// Mute records silence while on.
func (t *Tape) Mute(on bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.muted = on
}

// Channels is 1, or 2 when Stereo.
func (t *Tape) Channels() int {
	if t.side == Stereo {
		return 2
	}
	return 1
}

// Len is the length in samples of one channel.
func (t *Tape) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.samples) / t.Channels()
}

// Samples are a copy of all samples, left and right in turn when Stereo.
func (t *Tape) Samples() []int16 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.samples)
}

func (t *Tape) take(from, heard []int16) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.paused || len(t.samples) >= maxTape*t.Channels() {
		return
	}
	for i, v := range from {
		var h int16
		if i < len(heard) {
			h = heard[i]
		}
		if t.muted {
			v, h = 0, 0
		}
		switch t.side {
		case Stereo:
			t.samples = append(t.samples, v, h)
		case Mixed:
			t.samples = append(t.samples, int16(max(-32768, min(32767, int(v)+int(h)))))
		default:
			t.samples = append(t.samples, v)
		}
	}
}

// WAV is the tape as a file: 8 kHz, 16 bit.
func (t *Tape) WAV() []byte {
	s := t.Samples()
	n, width := len(s)*2, 2*t.Channels()
	b := make([]byte, 0, 44+n)
	b = append(b, "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(36+n))
	b = append(b, "WAVEfmt "...)
	for _, v := range []uint32{16, 1 | uint32(t.Channels())<<16, callee.Rate, uint32(width) * callee.Rate, uint32(width) | 16<<16} {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(n))
	for _, v := range s {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	return b
}
