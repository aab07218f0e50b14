package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ringmaster/internal/audio"
)

func TestRecordingIsWholeHashedAndFound(t *testing.T) {
	root := t.TempDir()
	a, err := New(root)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := a.Create(t.Context(), "acme", "0190", audio.FormatULaw, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	them, us := make([]int16, 160), make([]int16, 160)
	for i := range 50 {
		them[0], us[0] = int16(i), int16(-i)
		if err := tr.Write(them, us); err != nil {
			t.Fatal(err)
		}
	}
	if b, _ := a.Broken(); len(b) != 1 {
		t.Fatalf("a running recording must be seen as unfinished: %v", b)
	}
	rec, err := tr.Close()
	if err != nil || rec.Duration != time.Second {
		t.Fatalf("%+v, %v", rec, err)
	}
	f, err := a.Open(rec.Path)
	if err != nil {
		t.Fatal(err)
	}
	data, _ := io.ReadAll(f)
	_ = f.Close()
	if h := sha256.Sum256(data); hex.EncodeToString(h[:]) != rec.SHA256 || int64(len(data)) != rec.Bytes {
		t.Fatal("hash or length does not match the file")
	}
	if b, _ := a.Broken(); len(b) != 0 {
		t.Fatalf("left over: %v", b)
	}
	again, err := a.Create(t.Context(), "acme", "0190", audio.FormatULaw, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	rec2, err := again.Close()
	if err != nil || rec2.Path == rec.Path {
		t.Fatalf("a second recording of the attempt overwrote the first: %v, %v", rec2.Path, err)
	}
}

func TestHostilePaths(t *testing.T) {
	a, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"../etc/passwd", "/etc/passwd", "a/../../x"} {
		if _, err := a.Open(p); !errors.Is(err, ErrPath) {
			t.Errorf("Open(%q): %v", p, err)
		}
	}
	for _, tenant := range []string{"..", "a/b", "", "a\x00"} {
		if _, err := a.Create(t.Context(), tenant, "x", audio.FormatULaw, time.Now()); err == nil {
			t.Errorf("tenant %q was accepted", tenant)
		}
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(filepath.Join(file, "below")); err == nil {
		t.Error("a folder below a file was accepted")
	}
}
