package local

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/call"
)

// disk is a file that stands still, or fails, when it is told to.
type disk struct {
	*os.File
	mu   sync.Mutex
	wait sync.Cond
	held bool
	room int // bytes; negative = enough
}

func (d *disk) WriteAt(p []byte, at int64) (int, error) {
	d.mu.Lock()
	for d.held {
		d.wait.Wait()
	}
	if d.room >= 0 {
		if d.room -= len(p); d.room < 0 {
			d.mu.Unlock()
			return 0, errors.New("no space left on device")
		}
	}
	d.mu.Unlock()
	return d.File.WriteAt(p, at)
}

func (d *disk) hold(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = on
	d.wait.Broadcast()
}

// recordOn starts a recording on a disk of ours.
func recordOn(t *testing.T, a *Archive, attempt string) (*disk, *tracks) {
	t.Helper()
	d := &disk{room: -1}
	d.wait.L = &d.mu
	tr, err := a.create("acme", attempt, audio.FormatULaw, time.Now(), func(f *os.File) output {
		d.File = f
		return a.spool.file(d)
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, tr
}

// second is a second of sound, in frames, that tells which second it is.
func second(t *testing.T, tr *tracks, n int) (err error) {
	t.Helper()
	them, us := make([]int16, 160), make([]int16, 160)
	for i := range them {
		them[i], us[i] = int16(n*160+i), int16(-(n*160 + i))
	}
	for range 50 {
		if err = tr.Write(them, us); err != nil {
			return err
		}
	}
	return nil
}

// A disk that stands still for 5 s holds up no call, however many there are, and nothing is lost.
func TestADiskThatStandsStillHoldsUpNoCall(t *testing.T) {
	a, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const calls, seconds = 20, 5
	var disks []*disk
	var all []*tracks
	for i := range calls {
		d, tr := recordOn(t, a, string(rune('a'+i)))
		d.hold(true)
		disks, all = append(disks, d), append(all, tr)
	}
	written := make(chan error, 1)
	go func() {
		for n := range seconds {
			for _, tr := range all {
				if err := second(t, tr, n); err != nil {
					written <- err
					return
				}
			}
		}
		written <- nil
	}()
	select {
	case err := <-written:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("calls wait for the disk")
	}
	a.spool.mu.Lock()
	if a.spool.writers > spoolWriters {
		t.Errorf("%d writers wait for the disk, want %d at most", a.spool.writers, spoolWriters)
	}
	a.spool.mu.Unlock()
	for _, d := range disks {
		d.hold(false)
	}
	for _, tr := range all {
		rec, err := publish(tr)
		if err != nil || rec.Duration != seconds*time.Second {
			t.Fatalf("%+v, %v", rec, err)
		}
		f, err := a.Open(rec.Path)
		if err != nil {
			t.Fatal(err)
		}
		wav, err := audio.ReadWAV(f, 8000*(seconds+1))
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		for i, s := range wav.Tracks[0] {
			if want := int16(i/8000*160 + i%160); s != want || wav.Tracks[1][i] != -want {
				t.Fatalf("sample %d is %d and %d, want %d", i, s, wav.Tracks[1][i], want)
			}
		}
	}
}

// A disk that never comes back ends the recording, not the call; what it took before can be heard.
func TestADiskThatIsTooSlowEndsTheRecording(t *testing.T) {
	a, err := New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d, tr := recordOn(t, a, "slow")
	d.hold(true)
	n := 0
	for ; err == nil && n < 60; n++ {
		err = second(t, tr, n)
	}
	if !errors.Is(err, ErrSlow) || n < 10 || n > 20 {
		t.Fatalf("after %d s: %v", n, err)
	}
	d.hold(false)
	if err := tr.Close(); !errors.Is(err, ErrSlow) {
		t.Errorf("close: %v", err)
	}
	rec, err := tr.Publish(call.Publication{})
	if err != nil || rec.Duration < time.Duration(n-2)*time.Second || rec.Duration > time.Duration(n)*time.Second {
		t.Fatalf("%+v, %v after %d s", rec, err, n)
	}
}

// A disk that fills up is told of while the call runs, and the file holds what its header counts.
func TestADiskThatFillsUp(t *testing.T) {
	root := t.TempDir()
	a, err := New(root)
	if err != nil {
		t.Fatal(err)
	}
	d, tr := recordOn(t, a, "full")
	d.mu.Lock()
	d.room = 70000
	d.mu.Unlock()
	for n := 0; err == nil && n < 500; n++ {
		err = second(t, tr, n)
		time.Sleep(time.Millisecond) // the writer is another goroutine
	}
	if err == nil || errors.Is(err, ErrSlow) {
		t.Fatalf("write: %v", err)
	}
	if err := tr.Close(); err == nil {
		t.Error("a recording that is not whole was closed as if it were")
	}
	rec, err := tr.Publish(call.Publication{})
	if err != nil || rec.Duration < time.Second || rec.Duration > 3*time.Second {
		t.Fatalf("%+v, %v", rec, err)
	}
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(rec.Path)))
	if err != nil {
		t.Fatal(err)
	}
	wav, err := audio.ReadWAV(bytes.NewReader(data), 80000)
	if err != nil || wav.Duration() != rec.Duration {
		t.Errorf("%v, %v", wav.Duration(), err)
	}
}
