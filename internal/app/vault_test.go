package app

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/audio"
	"ringmaster/internal/lab/twin/callee"
)

// original checks that the original of a call is kept encrypted: who says why
// reads the number in it, nobody else does, and rotation does not change the
// file.
func original(t *testing.T, h *house, recording uuid.UUID, number string) {
	t.Helper()
	var out bytes.Buffer
	if err := ReadOriginal(t.Context(), h.app.store, h.cfg, recording, "ann", "", &out); err == nil || out.Len() > 0 {
		t.Error("it was read without a reason")
	}
	files, err := filepath.Glob(filepath.Join(h.cfg.Recordings.Dir, "vault", "*", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v %v", files, err)
	}
	before, err := os.ReadFile(files[0])
	if err != nil || bytes.Contains(before, []byte("WAVE")) {
		t.Fatalf("the original lies open: %v", err)
	}
	if n, err := h.app.store.RotateVault(t.Context(), h.cfg.Tenant.ID); n != len(files) || err != nil {
		t.Fatalf("%d of %d, %v", n, len(files), err)
	}
	if after, _ := os.ReadFile(files[0]); !bytes.Equal(before, after) {
		t.Error("rotation touched the file")
	}
	if err := ReadOriginal(t.Context(), h.app.store, h.cfg, recording, "ann", "complaint 4711 of 2026", &out); err != nil {
		t.Fatal(err)
	}
	wav, err := audio.ReadWAV(&out, 8000*600)
	if err != nil {
		t.Fatal(err)
	}
	if said := words(t, wav.Tracks[0], wav.Rate); !strings.Contains(strings.Join(said, "/"), number) {
		t.Errorf("the original says %q", said)
	}
}

// What a killed call recorded is removed once nobody has the call any more.
func TestWhatAKilledCallRecordedIsRemoved(t *testing.T) {
	t.Parallel()
	ex, p := newTwin(t)
	ex.Callee("talks", callee.Script{Reject: 486})
	h := newHouse(t, p, "sqlite")
	a := h.attempt(h.ring("talks", "brief_001"), 1, 30*time.Second)
	raw := func(attempt string, old bool) string {
		tr, err := h.app.archive.Create(t.Context(), h.cfg.Tenant.ID, attempt, audio.FormatULaw, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Write(make([]int16, 16000), make([]int16, 16000)); err != nil {
			t.Fatal(err)
		}
		left, err := h.app.archive.Leftovers()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range left {
			if l.Attempt == attempt {
				path := filepath.Join(h.cfg.Recordings.Dir, l.Tenant, time.Now().UTC().Format("2006/01/02"), attempt+".part.wav")
				if old {
					past := time.Now().Add(-time.Hour)
					if err := os.Chtimes(path, past, past); err != nil {
						t.Fatal(err)
					}
				}
				return path
			}
		}
		t.Fatalf("%s is not among %v", attempt, left)
		return ""
	}
	finished, fresh, unknown := raw(a.AttemptID, true), raw("01890000-0000-7000-8000-000000000001", false), raw("01890000-0000-7000-8000-000000000002", true)
	h.app.examiner.sweep(t.Context())
	for path, want := range map[string]bool{finished: false, fresh: true, unknown: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", filepath.Base(path), err == nil, want)
		}
	}
	if _, err := h.app.archive.Open(strings.TrimPrefix(fresh, h.cfg.Recordings.Dir+"/")); err == nil {
		t.Error("a recording in progress was opened")
	}
}
