package espeak

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// Whatever the program prints: samples of at most the longest audio and a rate,
// or an error by name.
func FuzzCollect(f *testing.F) {
	var b bytes.Buffer
	_ = audio.WriteWAV(&b, audio.WAV{Rate: 22050, Tracks: [][]int16{make([]int16, 50)}})
	f.Add(b.Bytes())
	f.Add([]byte{})
	f.Add([]byte("RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x02\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\xff\xff\xff\xff\x01"))
	f.Add([]byte("espeak-ng: error while loading shared libraries"))
	s := &Synthesizer{cfg: Config{MaxAudio: time.Second}}
	f.Fuzz(func(t *testing.T, out []byte) {
		samples, rate, err := s.collect(bytes.NewReader(out))
		switch {
		case err != nil && !errors.Is(err, speech.ErrProtocol) && !errors.Is(err, ErrTooLong):
			t.Fatalf("%q: %v", out, err)
		case err == nil && (rate <= 0 || len(samples) > rate+8192 || 2*len(samples) > len(out)):
			t.Fatalf("%q: %d samples of %d a second", out, len(samples), rate)
		}
	})
}
