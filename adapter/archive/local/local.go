// Package local is the recording tier on a local disk: two-track WAV files in
// <root>/<tenant>/<yyyy>/<mm>/<dd>/<attempt>.wav, written while the call runs
// so that a killed process leaves a file that plays, and named finally only
// when they are whole.
package local

import (
	"context"
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
)

// ErrPath is a path that does not belong to the archive.
var ErrPath = errors.New("path does not belong to the recording archive")

// partSuffix is how the file of a recording ends that is not published yet.
const partSuffix = ".part.wav"

// Archive keeps recordings under a root folder.
type Archive struct {
	root string
	// Chunks makes what every file carries besides its samples; nil = nothing.
	chunks func(recording uuid.UUID) []audio.Chunk
	// Vault takes an original before anything is silenced in it; nil = originals
	// are not kept.
	vault func(tenant string, recording uuid.UUID, r io.Reader) error
	spool spool
}

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

// Mark lets every file carry what chunks makes (implicit AI metadata). Before
// the first recording.
func (a *Archive) Mark(chunks func(recording uuid.UUID) []audio.Chunk) { a.chunks = chunks }

// KeepOriginals gives every original to the vault before it is silenced. Before
// the first recording.
func (a *Archive) KeepOriginals(vault func(tenant string, recording uuid.UUID, r io.Reader) error) {
	a.vault = vault
}

var safe = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Create starts a recording. The file is <attempt>.part.wav until Close. It is
// written beside its call, which never waits for the disk.
func (a *Archive) Create(_ context.Context, tenant, attempt string, f audio.Format, at time.Time) (call.Tracks, error) {
	return a.create(tenant, attempt, f, at, func(file *os.File) output { return a.spool.file(file) })
}

// output is where a recording's bytes go.
type output interface {
	io.WriterAt
	settle() error // everything is written, or never will be
}

// direct is a file that its writer waits for.
type direct struct{ *os.File }

func (direct) settle() error { return nil }

func (a *Archive) create(tenant, attempt string, f audio.Format, at time.Time, to func(*os.File) output) (*tracks, error) {
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
	t := &tracks{archive: a, tenant: tenant, id: uuid.Must(uuid.NewV7()), path: filepath.Join(dir, name+".wav"), part: filepath.Join(a.root, dir, name+partSuffix)}
	var err error
	if t.file, err = os.OpenFile(t.part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err != nil {
		return nil, fmt.Errorf("recording cannot be started: %w", err)
	}
	t.out = to(t.file)
	if t.wav, err = audio.NewWAVWriter(t.out, f.Rate, 2); err != nil {
		return nil, errors.Join(err, t.file.Close())
	}
	t.rate = f.Rate
	return t, nil
}

// taken reports a recording of that name, finished or not: what could not be
// finished is not written over.
func (a *Archive) taken(path string) bool {
	for _, suffix := range []string{".wav", partSuffix} {
		if _, err := os.Lstat(path + suffix); err == nil {
			return true
		}
	}
	return false
}

// Open opens a finished recording by the path that Close gave.
func (a *Archive) Open(path string) (io.ReadSeekCloser, error) {
	if !filepath.IsLocal(path) || strings.HasSuffix(path, partSuffix) { // what is not published is for nobody
		return nil, ErrPath
	}
	return os.OpenInRoot(a.root, path) // no symbolic link leads out either
}

// Broken lists recordings whose call never ended: what a killed process left.
func (a *Archive) Broken() ([]string, error) {
	var found []string
	err := filepath.WalkDir(a.root, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(p, partSuffix) {
			found = append(found, p)
		}
		return err
	})
	return found, err
}

// syncDir makes a file's new name outlive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
