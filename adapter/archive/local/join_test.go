package local

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/call"
)

func mono(t *testing.T, rate, n int, v int16) *bytes.Buffer {
	t.Helper()
	s := make([]int16, n)
	for i := range s {
		s[i] = v
	}
	var b bytes.Buffer
	if err := audio.WriteWAV(&b, audio.WAV{Rate: rate, Tracks: [][]int16{s}}); err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestJoinMakesTwoTracksOfTwoFiles(t *testing.T) {
	a, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rec, err := a.Join(t.Context(), "acme", "0190", time.Now(), mono(t, 8000, 20001, 100), mono(t, 8000, 12000, -7), call.Publication{})
	if err != nil || rec.Channels != 2 || rec.SHA256 == "" {
		t.Fatalf("%+v, %v", rec, err)
	}
	f, err := a.Open(rec.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	w, err := audio.ReadWAV(f, 1<<20)
	if err != nil || len(w.Tracks[0]) != 20001 {
		t.Fatalf("%d samples, %v", len(w.Tracks[0]), err)
	}
	for i := range w.Tracks[0] {
		right := int16(-7)
		if i >= 12000 {
			right = 0
		}
		if w.Tracks[0][i] != 100 || w.Tracks[1][i] != right {
			t.Fatalf("sample %d: %d %d", i, w.Tracks[0][i], w.Tracks[1][i])
		}
	}
	if _, err := a.Join(t.Context(), "acme", "0191", time.Now(), mono(t, 8000, 10, 1), mono(t, 16000, 10, 1), call.Publication{}); !errors.Is(err, audio.ErrWAV) {
		t.Errorf("two rates: %v", err)
	}
	if _, err := a.Join(t.Context(), "acme", "0191", time.Now(), strings.NewReader("no"), mono(t, 8000, 10, 1), call.Publication{}); err == nil {
		t.Error("rubbish was joined")
	}
}

// A recording that cannot be given its name is listed where it is, and a later
// one of the same call does not write over it.
func TestARecordingThatCannotBeNamedIsNotLost(t *testing.T) {
	root := t.TempDir()
	a, err := New(root)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	tr, err := a.Create(t.Context(), "acme", "0190", audio.FormatULaw, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Write(make([]int16, 160), make([]int16, 160)); err != nil {
		t.Fatal(err)
	}
	final := filepath.Join(root, "acme", now.UTC().Format("2006/01/02"), "0190.wav")
	if err := os.MkdirAll(filepath.Join(final, "in-the-way"), 0o750); err != nil {
		t.Fatal(err)
	}
	rec, err := publish(tr)
	if err != nil || !strings.HasSuffix(rec.Path, "0190-2.wav") {
		t.Fatalf("%q, %v", rec.Path, err)
	}
	if f, err := a.Open(rec.Path); err != nil {
		t.Errorf("the recording is lost: %v", err)
	} else {
		_ = f.Close()
	}
	if err := os.RemoveAll(final); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Create(t.Context(), "acme", "0190", audio.FormatULaw, now); err != nil {
		t.Fatal(err)
	}
	f, err := a.Open(rec.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if st, err := os.Stat(filepath.Join(root, filepath.FromSlash(rec.Path))); err != nil || st.Size() < 640 {
		t.Errorf("the recording was written over: %v %v", st, err)
	}
}
