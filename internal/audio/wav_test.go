package audio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

func ramp(n int) []int16 {
	out := make([]int16, n)
	for i := range out {
		out[i] = int16(i * 7)
	}
	return out
}

func TestWAVRoundTrip(t *testing.T) {
	for _, tracks := range []int{1, 2, 3} {
		wav := WAV{Rate: 16000}
		for k := range tracks {
			wav.Tracks = append(wav.Tracks, ramp(5000 + k)[k:])
		}
		var b bytes.Buffer
		if err := WriteWAV(&b, wav); err != nil {
			t.Fatal(err)
		}
		got, err := ReadWAV(&b, 5000)
		if err != nil {
			t.Fatal(err)
		}
		if got.Rate != 16000 || len(got.Tracks) != tracks || got.Duration() != 312500*time.Microsecond {
			t.Fatalf("%d Hz, %d tracks, %v", got.Rate, len(got.Tracks), got.Duration())
		}
		for k := range tracks {
			if !slices.Equal(got.Tracks[k], wav.Tracks[k]) {
				t.Errorf("track %d of %d differs", k, tracks)
			}
		}
	}
}

// A process that dies leaves a file whose every announced sample is there.
func TestWAVWriterIsValidAtEveryMoment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "call.wav")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := NewWAVWriter(f, 8000, 2)
	if err != nil {
		t.Fatal(err)
	}
	left, right := ramp(160), ramp(161)[1:]
	for i := range 175 { // 3.5 s
		if err := w.WriteStereo(left, right); err != nil {
			t.Fatal(err)
		}
		on, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadWAV(bytes.NewReader(on), 8000*10)
		if err != nil {
			t.Fatalf("after frame %d: %v", i, err)
		}
		if missing := w.Duration() - got.Duration(); missing < 0 || missing > time.Second {
			t.Fatalf("after frame %d a crash would lose %v", i, missing)
		}
		if int(binary.LittleEndian.Uint32(on[40:])) > len(on)-44 {
			t.Fatalf("after frame %d the header counts %d bytes of %d", i, binary.LittleEndian.Uint32(on[40:]), len(on)-44)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(left); err == nil {
		t.Error("wrote after Close")
	}
	on, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadWAV(bytes.NewReader(on), 8000*10)
	if err != nil || got.Duration() != 3500*time.Millisecond {
		t.Fatalf("%v, %v", got.Duration(), err)
	}
	if !slices.Equal(got.Tracks[0][160:320], left) || !slices.Equal(got.Tracks[1][160:320], right) {
		t.Error("the sides are mixed up")
	}
}

type brokenFile struct {
	*os.File
	after int
}

func (b *brokenFile) WriteAt(p []byte, off int64) (int, error) {
	if b.after -= len(p); b.after < 0 {
		return 0, errors.New("no space left")
	}
	return b.File.WriteAt(p, off)
}

func TestWAVWriterKeepsItsFirstError(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "full.wav"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w, err := NewWAVWriter(&brokenFile{f, 20000}, 8000, 1)
	if err != nil {
		t.Fatal(err)
	}
	var last error
	for range 200 {
		last = w.Write(ramp(160))
	}
	if last == nil || w.Close() == nil {
		t.Error("a full disk went unnoticed")
	}
	size, sound, err := WAVSize(f)
	if st, serr := f.Stat(); err != nil || serr != nil || size > st.Size() || size < 44+16000 || sound != time.Duration(size-44)*time.Second/16000 {
		t.Errorf("%d bytes are relied on, %v, %v", size, sound, errors.Join(err, serr))
	}
}

func TestWAVOfPipesAndOtherPrograms(t *testing.T) {
	header := func(tag, tracks, bits uint16, rate, size uint32) []byte {
		b := wavHeader(int(rate), int(tracks), size)
		binary.LittleEndian.PutUint16(b[20:], tag)
		binary.LittleEndian.PutUint16(b[34:], bits)
		return b
	}
	pcm, _ := Encode(nil, ramp(100), Linear)
	ulaw, _ := Encode(nil, ramp(100), ULaw)
	good := map[string][]byte{
		"streamed":  append(header(1, 1, 16, 22050, 0x7ffff000), pcm...),
		"unknown":   append(header(1, 1, 16, 22050, 0xffffffff), pcm...),
		"truncated": append(header(1, 1, 16, 8000, 9999), pcm...),
		"mu-law":    append(header(7, 1, 8, 8000, 100), ulaw...),
		"odd end":   append(append(header(1, 1, 16, 8000, 0xffffffff), pcm...), 1),
	}
	for name, b := range good {
		w, err := ReadWAV(bytes.NewReader(b), 1000)
		if err != nil || len(w.Tracks[0]) != 100 {
			t.Errorf("%s: %d samples, %v", name, len(w.Tracks), err)
		}
	}
	extra := slices.Insert(header(1, 1, 16, 8000, 200), 36, []byte("LIST\x03\x00\x00\x00abc\x00")...)
	if w, err := ReadWAV(bytes.NewReader(append(extra, pcm...)), 1000); err != nil || len(w.Tracks[0]) != 100 {
		t.Errorf("with a LIST chunk: %v", err)
	}
	bad := map[string]struct {
		b    []byte
		want error
	}{
		"empty":     {nil, ErrWAV},
		"not riff":  {[]byte("OggS            "), ErrWAV},
		"no fmt":    {append([]byte("RIFF\x00\x00\x00\x00WAVEdata\x04\x00\x00\x00"), 1, 2, 3, 4), ErrWAV},
		"float":     {header(3, 1, 32, 8000, 0), ErrWAVFormat},
		"24 bit":    {header(1, 1, 24, 8000, 0), ErrWAVFormat},
		"no tracks": {header(1, 0, 16, 8000, 0), ErrWAVFormat},
		"rate 0":    {header(1, 1, 16, 0, 0), ErrWAVFormat},
		"too long":  {append(header(1, 1, 16, 8000, 0xffffffff), make([]byte, 4000)...), ErrWAVTooLong},
		"huge skip": {append([]byte("RIFF\x00\x00\x00\x00WAVELIST"), 0xff, 0xff, 0xff, 0xff), ErrWAV},
	}
	for name, c := range bad {
		if _, err := ReadWAV(bytes.NewReader(c.b), 1000); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func FuzzReadWAV(f *testing.F) {
	var b bytes.Buffer
	_ = WriteWAV(&b, WAV{Rate: 8000, Tracks: [][]int16{ramp(20), ramp(20)}})
	f.Add(b.Bytes())
	f.Add([]byte("RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := ReadWAV(bytes.NewReader(b), 4096)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := WriteWAV(&out, w); err != nil {
			t.Fatal(err)
		}
		again, err := ReadWAV(&out, 4096)
		if err != nil || again.Rate != w.Rate || len(again.Tracks) != len(w.Tracks) {
			t.Fatalf("written and read again: %v", err)
		}
		for i := range w.Tracks {
			if len(w.Tracks[i]) > 4096 || !slices.Equal(w.Tracks[i], again.Tracks[i]) {
				t.Fatalf("track %d differs", i)
			}
		}
	})
}
