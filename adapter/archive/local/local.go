// Package local is the recording tier on a local disk: two-track WAV files in
// <root>/<tenant>/<yyyy>/<mm>/<dd>/<attempt>.wav, written while the call runs
// so that a killed process leaves a file that plays, and named finally only
// when they are whole.
package local

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/audio"
	"ringmaster/internal/call"
	"ringmaster/internal/campaign"
)

// ErrPath is a path that does not belong to the archive.
var ErrPath = errors.New("path does not belong to the recording archive")

// Archive keeps recordings under a root folder.
type Archive struct{ root string }

// New makes the root folder if need be and proves that it can be written.
func New(root string) (*Archive, error) {
	if err := os.MkdirAll(root, 0o750); err != nil {
		return nil, fmt.Errorf("recording folder cannot be made: give ringmaster a folder that it may write: %w", err)
	}
	probe, err := os.CreateTemp(root, ".probe-*")
	if err != nil {
		return nil, fmt.Errorf("recording folder cannot be written: %w", err)
	}
	_ = probe.Close()
	return &Archive{root: root}, os.Remove(probe.Name())
}

var safe = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Create starts a recording. The file is <attempt>.part.wav until Close.
func (a *Archive) Create(_ context.Context, tenant, attempt string, f audio.Format, at time.Time) (call.Tracks, error) {
	if !safe.MatchString(tenant) || !safe.MatchString(attempt) || strings.HasPrefix(tenant, ".") {
		return nil, ErrPath
	}
	dir := filepath.Join(tenant, at.UTC().Format("2006/01/02"))
	if err := os.MkdirAll(filepath.Join(a.root, dir), 0o750); err != nil {
		return nil, fmt.Errorf("recording folder of today cannot be made: %w", err)
	}
	name := attempt
	for n := 2; a.taken(filepath.Join(a.root, dir, name)); n++ { // media that was reopened within one call
		name = fmt.Sprintf("%s-%d", attempt, n)
	}
	t := &tracks{archive: a, path: filepath.Join(dir, name+".wav"), part: filepath.Join(a.root, dir, name+".part.wav")}
	var err error
	if t.file, err = os.OpenFile(t.part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o640); err != nil {
		return nil, fmt.Errorf("recording cannot be started: %w", err)
	}
	if t.wav, err = audio.NewWAVWriter(t.file, f.Rate, 2); err != nil {
		return nil, errors.Join(err, t.file.Close())
	}
	t.rate = f.Rate
	return t, nil
}

// taken reports a recording of that name, finished or not: what could not be
// finished is not written over.
func (a *Archive) taken(path string) bool {
	for _, suffix := range []string{".wav", ".part.wav"} {
		if _, err := os.Lstat(path + suffix); err == nil {
			return true
		}
	}
	return false
}

// Open opens a finished recording by the path that Close gave.
func (a *Archive) Open(path string) (io.ReadSeekCloser, error) {
	if !filepath.IsLocal(path) {
		return nil, ErrPath
	}
	return os.OpenInRoot(a.root, path) // no symbolic link leads out either
}

// Broken lists recordings whose call never ended: what a killed process left.
func (a *Archive) Broken() ([]string, error) {
	var found []string
	err := filepath.WalkDir(a.root, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(p, ".part.wav") {
			found = append(found, p)
		}
		return err
	})
	return found, err
}

type tracks struct {
	archive *Archive
	file    *os.File
	wav     *audio.WAVWriter
	path    string // relative, final
	part    string
	rate    int
}

// Write appends what both sides said in the same stretch of time.
func (t *tracks) Write(them, us []int16) error { return t.wav.WriteStereo(them, us) }

// Close finishes the file, syncs it, gives it its final name and its hash.
func (t *tracks) Close() (campaign.Recording, error) {
	part, err := filepath.Rel(t.archive.root, t.part)
	if err != nil {
		return campaign.Recording{}, err
	}
	// Until it is whole it is found where it is.
	rec := campaign.Recording{ID: uuid.Must(uuid.NewV7()), Path: filepath.ToSlash(part), Rate: t.rate, Channels: 2, Duration: t.wav.Duration()}
	err = t.wav.Close()
	if err == nil {
		err = t.file.Sync()
	}
	if err == nil {
		rec.SHA256, rec.Bytes, err = t.hash()
	}
	if cerr := t.file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return rec, fmt.Errorf("recording is incomplete: %w", err)
	}
	if err := os.Rename(t.part, filepath.Join(t.archive.root, t.path)); err != nil {
		return rec, fmt.Errorf("recording could not be given its name: %w", err)
	}
	rec.Path = filepath.ToSlash(t.path)
	return rec, syncDir(filepath.Dir(t.part))
}

// syncDir makes a file's new name outlive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (t *tracks) hash() (string, int64, error) {
	if _, err := t.file.Seek(0, io.SeekStart); err != nil {
		return "", 0, err
	}
	h := sha256.New()
	n, err := io.Copy(h, t.file)
	return hex.EncodeToString(h.Sum(nil)), n, err
}
