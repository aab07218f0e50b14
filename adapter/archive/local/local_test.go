package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
)

func publish(t call.Tracks) (campaign.Recording, error) {
	if err := t.Close(); err != nil {
		return campaign.Recording{}, err
	}
	return t.Publish(call.Publication{})
}

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
	rec, err := publish(tr)
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
	rec2, err := publish(again)
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

// A link in the archive does not lead out of it, and a folder is no recording.
func TestLinksLeadNowhere(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := New(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"file.wav": filepath.Join(outside, "secret"), "dir": outside, "rel.wav": "../../../../../../../../etc/passwd"} {
		if err := os.Symlink(target, filepath.Join(root, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []string{"file.wav", "dir/secret", "rel.wav"} {
		if f, err := a.Open(p); err == nil {
			_ = f.Close()
			t.Errorf("%s was opened", p)
		}
	}
}

// What a killed process leaves has no final name, plays, and is listed.
func TestAKilledRecordingIsListedAndNotServed(t *testing.T) {
	root := t.TempDir()
	a, err := New(root)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := a.Create(t.Context(), "acme", "0191", audio.FormatULaw, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Write(make([]int16, 8000), make([]int16, 8000)); err != nil {
		t.Fatal(err)
	}
	again, err := New(root) // the next life
	if err != nil {
		t.Fatal(err)
	}
	left, err := again.Broken()
	if err != nil || len(left) != 1 || !strings.HasSuffix(left[0], "0191.part.wav") {
		t.Errorf("%v, %v", left, err)
	}
	if _, err := publish(tr); err != nil {
		t.Fatal(err)
	}
}
