package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/audio"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
)

// ErrWithheld is wrapped by every error of a recording that nobody may hear.
var ErrWithheld = errors.New("recording is withheld")

// tracks is a recording in progress. Its file has a name that is never served
// until Publish has silenced in it what must not be heard: the samples are
// overwritten where they stand, so that no second file holds them.
type tracks struct {
	archive *Archive
	tenant  string
	id      uuid.UUID
	file    *os.File
	out     output
	wav     *audio.WAVWriter
	path    string // relative, final
	part    string
	rate    int
}

// Write appends what both sides said in the same stretch of time.
func (t *tracks) Write(them, us []int16) error { return t.wav.WriteStereo(them, us) }

// Close ends the recording. It can be published, and not yet be heard.
func (t *tracks) Close() error {
	err := t.wav.Close()
	if failed := t.out.settle(); failed != nil { // it is what err comes from, if there is one
		err = failed
	}
	if err != nil {
		return fmt.Errorf("recording is incomplete: %w", err)
	}
	return nil
}

// Publish silences the recording, writes its metadata, syncs it, and gives it
// its hash and its final name. When any of that fails it is removed.
func (t *tracks) Publish(p call.Publication) (rec campaign.Recording, err error) {
	rec = campaign.Recording{ID: t.id, Rate: t.rate, Channels: 2, Silenced: p.Silence, Label: campaign.LabelNone}
	_ = t.out.settle() // Close has told of its error
	size, sound, broken := audio.WAVSize(t.file)
	rec.Duration = sound
	defer func() {
		if cerr := t.file.Close(); err == nil && cerr != nil {
			err = cerr
		}
		if err == nil {
			return
		}
		err = fmt.Errorf("%w: %w", ErrWithheld, err)
		rec.Path, rec.SHA256, rec.Bytes, rec.Withheld = "", "", 0, err.Error()
		if rerr := os.Remove(t.part); rerr != nil && !errors.Is(rerr, os.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("and its file could not be removed: %w", rerr))
		}
	}()
	if t.archive.vault != nil {
		if err := t.original(); err != nil {
			return rec, err
		}
	}
	if p.Withhold != "" {
		return rec, errors.New(p.Withhold)
	}
	if broken != nil {
		return rec, broken
	}
	if err := t.finish(size, p.Silence); err != nil {
		return rec, err
	}
	if rec.SHA256, rec.Bytes, err = t.hash(); err != nil {
		return rec, err
	}
	rec.Path, err = t.name()
	return rec, err
}

// original gives the file, as it was recorded, to the vault.
func (t *tracks) original() error {
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := t.archive.vault(t.tenant, t.id, t.file); err != nil {
		return fmt.Errorf("its original could not be put into the vault: %w", err)
	}
	return nil
}

// finish silences and marks the file.
func (t *tracks) finish(size int64, silence []campaign.Silence) error {
	if err := t.file.Truncate(size); err != nil { // what an interrupted write left behind it
		return err
	}
	for _, s := range silence {
		track := -1
		switch s.Leg {
		case campaign.Them:
			track = 0
		case campaign.Us:
			track = 1
		}
		from, to := s.FromMS*int64(t.rate)/1000, (s.ToMS*int64(t.rate)+999)/1000
		if err := audio.SilenceWAV(t.file, size, 2, track, from, to); err != nil {
			return fmt.Errorf("a number could not be silenced: %w", err)
		}
	}
	if t.archive.chunks != nil {
		if _, err := audio.AppendChunks(t.file, size, t.archive.chunks(t.id)...); err != nil {
			return err
		}
	}
	return t.file.Sync()
}

// name gives the file its final name, or the next one if something is in the
// way, and returns it.
func (t *tracks) name() (string, error) {
	path := t.path
	err := os.Rename(t.part, filepath.Join(t.archive.root, path))
	for n := 2; err != nil && n < 10; n++ {
		if path = fmt.Sprintf("%s-%d.wav", strings.TrimSuffix(t.path, ".wav"), n); t.archive.taken(filepath.Join(t.archive.root, strings.TrimSuffix(path, ".wav"))) {
			continue
		}
		err = os.Rename(t.part, filepath.Join(t.archive.root, path))
	}
	if err != nil {
		return "", fmt.Errorf("it could not be given its name: %w", err)
	}
	return filepath.ToSlash(path), syncDir(filepath.Dir(t.part))
}

func (t *tracks) hash() (string, int64, error) {
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	h := sha256.New()
	n, err := io.Copy(h, t.file)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// Leftover is a recording whose call never ended: a killed process left it.
type Leftover struct {
	Tenant, Attempt string
	Changed         time.Time
	path            string
}

// Leftovers lists what killed processes left. The calls of others that still
// run are among them.
func (a *Archive) Leftovers() ([]Leftover, error) {
	parts, err := a.Broken()
	var out []Leftover
	for _, p := range parts {
		rel, rerr := filepath.Rel(a.root, p)
		st, serr := os.Stat(p)
		if rerr != nil || serr != nil {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(p), partSuffix)
		tenant, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		if len(name) > 36 { // a second recording of the attempt
			name = name[:36]
		}
		out = append(out, Leftover{Tenant: tenant, Attempt: name, Changed: st.ModTime(), path: p})
	}
	return out, err
}

// Discard removes what a killed process left: what was said in it is not known,
// so nothing in it can be told from a number. The vault, if there is one, keeps
// the original.
func (a *Archive) Discard(l Leftover) (recording uuid.UUID, err error) {
	recording = uuid.Must(uuid.NewV7())
	if a.vault != nil {
		f, err := os.Open(l.path)
		if err != nil {
			return recording, err
		}
		err = a.vault(l.Tenant, recording, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return recording, fmt.Errorf("what a killed call recorded could not be put into the vault: %w", err)
		}
	}
	return recording, os.Remove(l.path)
}
