package audio

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func recorded(t *testing.T, n int) (*os.File, int64) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "x.wav"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	w, err := NewWAVWriter(f, 8000, 2)
	if err != nil {
		t.Fatal(err)
	}
	left, right := make([]int16, n), make([]int16, n)
	for i := range left {
		left[i], right[i] = int16(i%1000+1), int16(-(i%1000 + 1))
	}
	if err := w.WriteStereo(left, right); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return f, st.Size()
}

func TestSilenceIsExactAndLeavesTheRest(t *testing.T) {
	f, size := recorded(t, 20000)
	if err := SilenceWAV(f, size, 2, -1, 100, 9000); err != nil {
		t.Fatal(err)
	}
	if err := SilenceWAV(f, size, 2, 0, 15000, 1<<40); err != nil {
		t.Fatal(err)
	}
	if err := SilenceWAV(f, size, 2, 2, 0, 1); err == nil {
		t.Error("a track that is not there was silenced")
	}
	data, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	w, err := ReadWAV(bytes.NewReader(data), 1<<20)
	if err != nil || len(w.Tracks[0]) != 20000 {
		t.Fatalf("%d samples, %v", len(w.Tracks[0]), err)
	}
	for i := range w.Tracks[0] {
		quiet := i >= 100 && i < 9000
		if (w.Tracks[0][i] == 0) != (quiet || i >= 15000) || (w.Tracks[1][i] == 0) != quiet {
			t.Fatalf("sample %d: %d %d", i, w.Tracks[0][i], w.Tracks[1][i])
		}
	}
}

func TestChunksStandBehindTheSamples(t *testing.T) {
	f, size := recorded(t, 1001)
	now, err := AppendChunks(f, size, Chunk{"LIST", []byte("INFOx")}, Chunk{"_PMX", []byte("<x/>")})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(f.Name())
	if err != nil || int64(len(data)) != now {
		t.Fatalf("%d bytes, said %d, %v", len(data), now, err)
	}
	if w, err := ReadWAV(bytes.NewReader(data), 1<<20); err != nil || len(w.Tracks[0]) != 1001 {
		t.Fatalf("the samples do not read any more: %v", err)
	}
	got, err := ReadChunks(bytes.NewReader(data))
	if err != nil || len(got) != 2 || got[0].ID != "LIST" || string(got[0].Data) != "INFOx" || string(got[1].Data) != "<x/>" {
		t.Fatalf("%v %v", got, err)
	}
	if _, err := AppendChunks(f, now, Chunk{"toolong", nil}); err == nil {
		t.Error("a chunk of seven characters")
	}
}

func FuzzReadChunks(f *testing.F) {
	f.Add([]byte("RIFF\x00\x00\x00\x00WAVEfmt \x02\x00\x00\x00abLIST\x01\x00\x00\x00x\x00"))
	f.Add([]byte("RIFF"))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, _ := ReadChunks(bytes.NewReader(data))
		if len(got) > maxChunks {
			t.Fatal("unbounded")
		}
	})
}
