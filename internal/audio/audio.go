package audio

import (
	"fmt"
	"time"
)

// FrameDuration is the packet time of every media leg (RFC 3551 default
// packetisation for G.711).
const FrameDuration = 20 * time.Millisecond

// Encoding is how samples travel on the wire of a media leg. Inside the
// process they are always linear.
type Encoding string

// The encodings that both PBX brands can honour.
const (
	ULaw   Encoding = "ulaw"   // G.711 mu-law, 8 kHz
	ALaw   Encoding = "alaw"   // G.711 A-law, 8 kHz
	Linear Encoding = "linear" // signed 16-bit little endian at Rate
)

// Format of a media leg. The zero Format is invalid.
type Format struct {
	Encoding Encoding
	Rate     int // samples per second: 8000 or 16000
}

// Formats that media legs offer.
var (
	FormatULaw   = Format{ULaw, 8000}
	FormatALaw   = Format{ALaw, 8000}
	FormatSlin   = Format{Linear, 8000}
	FormatSlin16 = Format{Linear, 16000}
)

// Validate reports a format that no media leg carries.
func (f Format) Validate() error {
	switch f {
	case FormatULaw, FormatALaw, FormatSlin, FormatSlin16:
		return nil
	}
	return fmt.Errorf("audio: format %s is not offered: use ulaw, alaw, slin or slin16", f)
}

// String is the format's name in configuration and in Asterisk.
func (f Format) String() string {
	switch f {
	case FormatSlin:
		return "slin"
	case FormatSlin16:
		return "slin16"
	case FormatULaw, FormatALaw:
		return string(f.Encoding)
	}
	return fmt.Sprintf("%s/%d", f.Encoding, f.Rate)
}

// ParseFormat reads ulaw, alaw, slin or slin16.
func ParseFormat(s string) (Format, error) {
	for _, f := range []Format{FormatULaw, FormatALaw, FormatSlin, FormatSlin16} {
		if f.String() == s {
			return f, nil
		}
	}
	return Format{}, fmt.Errorf("audio: unknown format %q: use ulaw, alaw, slin or slin16", s)
}

// FrameSamples is the number of samples in one 20 ms frame.
func (f Format) FrameSamples() int { return f.Rate / 50 }

// FrameBytes is the number of wire bytes in one 20 ms frame.
func (f Format) FrameBytes() int {
	if f.Encoding == Linear {
		return f.FrameSamples() * 2
	}
	return f.FrameSamples()
}

// Samples is d expressed in samples at this rate, rounded down.
func (f Format) Samples(d time.Duration) int64 {
	return int64(d) * int64(f.Rate) / int64(time.Second)
}

// Duration is how long n samples last.
func (f Format) Duration(n int64) time.Duration {
	return time.Duration(n) * time.Second / time.Duration(f.Rate)
}

// Frame is a run of linear samples with its place on the leg's sample clock.
// A reader owns Samples until its next ReadFrame; a writer keeps its own.
type Frame struct {
	// Pos is the position of the first sample, counted in samples since the
	// media leg started, losses included: the clock that turn times use.
	Pos int64
	// Lost is the number of samples that are missing directly before Pos.
	Lost int
	// Samples is linear PCM at the leg's rate, normally FrameSamples of it.
	Samples []int16
}
