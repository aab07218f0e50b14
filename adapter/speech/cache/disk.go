package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// errCorrupt: a file that is not what its name says.
var errCorrupt = errors.New("cache: damaged prompt file")

const (
	magic     = "RMPROMPT"
	suffix    = ".prompt"
	temporary = "making-"
	// header: magic, key, rate, samples, marks.
	headerSize = len(magic) + sha256.Size + 4 + 8 + 4
	markSize   = 12
	maxMarks   = 1 << 20
)

// disk is a folder of prompts, in two levels so that no folder gets large.
type disk struct {
	dir   string
	limit int64

	mu    sync.Mutex
	files lru[key, struct{}] // weight: bytes
}

type file struct {
	key  key
	size int64
	used time.Time
}

// openDisk makes the folder and looks what is in it. Left-overs of a killed
// process are removed.
func openDisk(dir string, limit int64) (*disk, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cache: cannot use the folder for prompts: %w", err)
	}
	d := &disk{dir: dir, limit: limit}
	var found []file
	var left []string // by a killed process
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another process was faster
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(e.Name(), temporary) {
			if time.Since(info.ModTime()) > time.Hour {
				left = append(left, path)
			}
			return nil
		}
		if k, ok := keyOfFile(e.Name()); ok {
			found = append(found, file{k, info.Size(), info.ModTime()})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cache: cannot read the folder for prompts: %w", err)
	}
	for _, path := range left {
		_ = os.Remove(path) // it costs room, nothing else
	}
	slices.SortFunc(found, func(a, b file) int { return a.used.Compare(b.used) })
	for _, f := range found {
		d.files.put(f.key, struct{}{}, f.size)
	}
	d.evict()
	return d, nil
}

// keyOfFile reads a file's name; false when it is not ours.
func keyOfFile(name string) (key, bool) {
	name, ok := strings.CutSuffix(name, suffix)
	raw, err := hex.DecodeString(name)
	if !ok || err != nil || len(raw) != sha256.Size {
		return key{}, false
	}
	return key(raw), true
}

func (d *disk) path(k key) string {
	name := hex.EncodeToString(k[:])
	return filepath.Join(d.dir, name[:2], name+suffix)
}

func (d *disk) has(k key) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files.has(k)
}

func (d *disk) size() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files.weight
}

// store writes a complete prompt and returns how many others had to go.
func (d *disk) store(p *prompt) (evicted int, err error) {
	p.mu.Lock()
	data := encode(p.key, p.rate, p.samples, p.marks)
	p.mu.Unlock()
	if int64(len(data)) > d.limit {
		return 0, nil
	}
	path := d.path(p.key)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, fmt.Errorf("cache: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), temporary+"*")
	if err != nil {
		return 0, fmt.Errorf("cache: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("cache: %w", err), os.Remove(f.Name()))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files.put(p.key, struct{}{}, int64(len(data)))
	return d.evict(), nil
}

// evict removes the files used longest ago until the rest fits. The caller
// holds d.mu, or is the only one.
func (d *disk) evict() int {
	n := 0
	for d.files.weight > d.limit {
		k, _ := d.files.dropOldest()
		_ = os.Remove(d.path(k)) // whatever is left of it, we no longer count on it
		n++
	}
	return n
}

// load reads a prompt and checks it. A file that does not fit is removed.
func (d *disk) load(k key, rate int, longest time.Duration) (*prompt, error) {
	if !d.has(k) {
		return nil, fs.ErrNotExist
	}
	path := d.path(k)
	p, err := read(path, k, rate, longest)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		if errors.Is(err, errCorrupt) {
			_ = os.Remove(path)
			d.files.remove(k)
		} else if errors.Is(err, fs.ErrNotExist) {
			d.files.remove(k)
		}
		return nil, err
	}
	d.files.get(k) // used now
	now := time.Now()
	_ = os.Chtimes(path, now, now) // only the order after a restart depends on it
	return p, nil
}

func read(path string, k key, rate int, longest time.Duration) (*prompt, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	limit := int64(headerSize) + sha256.Size + int64(maxMarks)*markSize + int64(longest.Seconds()*float64(rate))*2
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: too large", errCorrupt)
	}
	return decode(data, k, rate)
}

// encode is the file of a prompt: header, marks, samples, and the SHA-256 of
// all that. Numbers are little endian.
func encode(k key, rate int, samples []int16, marks []speech.Mark) []byte {
	b := make([]byte, 0, headerSize+len(marks)*markSize+len(samples)*2+sha256.Size)
	b = append(b, magic...)
	b = append(b, k[:]...)
	b = binary.LittleEndian.AppendUint32(b, uint32(rate))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(samples)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(marks)))
	for _, m := range marks {
		b = binary.LittleEndian.AppendUint32(b, uint32(m.Text))
		b = binary.LittleEndian.AppendUint64(b, uint64(m.At))
	}
	b, _ = audio.Encode(b, samples, audio.Linear) // linear never fails
	sum := sha256.Sum256(b)
	return append(b, sum[:]...)
}

// decode reads a file of a prompt and accepts it only whole.
func decode(b []byte, k key, rate int) (*prompt, error) {
	if len(b) < headerSize+sha256.Size || string(b[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: not a prompt", errCorrupt)
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, fmt.Errorf("%w: checksum", errCorrupt)
	}
	body = body[len(magic):]
	if !bytes.Equal(body[:sha256.Size], k[:]) {
		return nil, fmt.Errorf("%w: another prompt's file", errCorrupt)
	}
	body = body[sha256.Size:]
	gotRate := binary.LittleEndian.Uint32(body)
	samples, marks := binary.LittleEndian.Uint64(body[4:]), binary.LittleEndian.Uint32(body[12:])
	body = body[16:]
	if int64(gotRate) != int64(rate) || marks > maxMarks || uint64(len(body)) != uint64(marks)*markSize+samples*2 || samples > 1<<40 {
		return nil, fmt.Errorf("%w: header", errCorrupt)
	}
	p := &prompt{key: k, rate: rate}
	for range marks {
		p.marks = append(p.marks, speech.Mark{
			Text: int(binary.LittleEndian.Uint32(body)),
			At:   time.Duration(binary.LittleEndian.Uint64(body[4:])),
		})
		body = body[markSize:]
	}
	p.samples, _ = audio.Decode(make([]int16, 0, samples), body, audio.Linear)
	return p, nil
}
