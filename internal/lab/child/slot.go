package child

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// ErrNoSlot means that every slot is in use by a live process, or unusable for the reason in the text.
var ErrNoSlot = errors.New("no free slot: end other runs of the tests or the demo on this machine")

// Slot is a numbered folder that belongs to this process alone until Release, or until the process ends.
type Slot struct {
	Number int
	Dir    string // absolute, empty when taken
	lock   *os.File
}

// TakeSlot takes the lowest of the slots 0..n-1 under base that is free and for which usable (may be nil) returns nil. Slots whose
// owner is dead are cleaned on the way: their children are killed, their folders emptied.
func TakeSlot(base string, n int, usable func(number int) error) (*Slot, error) {
	if err := os.MkdirAll(base, 0o755); err != nil {
		return nil, err
	}
	var mine *Slot
	var why error
	for i := range n {
		s, err := open(base, i)
		if err != nil {
			why = errors.Join(why, err)
			continue
		}
		if s == nil {
			continue // another process lives in it
		}
		err = s.clean()
		if err == nil && mine == nil && usable != nil {
			err = usable(i)
		}
		if err != nil || mine != nil {
			why = errors.Join(why, err, s.lock.Close())
			continue
		}
		mine = s
	}
	if mine == nil {
		return nil, fmt.Errorf("%w (%d in %s): %w", ErrNoSlot, n, base, why)
	}
	if err := os.Mkdir(mine.Dir, 0o755); err != nil {
		return nil, errors.Join(err, mine.lock.Close())
	}
	return mine, nil
}

// open returns the locked slot, or nil when its owner lives.
func open(base string, number int) (*Slot, error) {
	dir := filepath.Join(base, fmt.Sprintf("slot-%02d", number))
	f, err := lockFile(dir + ".lock")
	if errors.Is(err, os.ErrPermission) {
		return nil, nil // another user's
	}
	if err != nil {
		return nil, err
	}
	if err := lock(f); err != nil {
		cerr := f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, cerr
		}
		return nil, errors.Join(fmt.Errorf("lock %s: %w", f.Name(), err), cerr)
	}
	return &Slot{Number: number, Dir: dir, lock: f}, nil
}

// lockFile opens the file, which every user of the machine may lock, and makes it where there is none. The two steps are apart
// because Linux refuses O_CREATE on another user's file in a shared folder (sysctl fs.protected_regular).
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if !errors.Is(err, os.ErrNotExist) {
		return f, err
	}
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	if errors.Is(err, os.ErrExist) {
		return os.OpenFile(path, os.O_RDWR, 0) // somebody was quicker
	}
	if err != nil {
		return nil, err
	}
	return f, f.Chmod(0o666) // whatever the umask
}

// Adopt writes down which child runs in the slot, so that a later owner can kill what we leave behind.
func (s *Slot) Adopt(p *Process) error {
	start, err := born(p.PID())
	if err != nil {
		return err
	}
	return os.WriteFile(s.pidFile(), []byte(strconv.Itoa(p.PID())+" "+start+"\n"), 0o644)
}

// Release empties the slot and gives it up. The children in it have to be stopped before.
func (s *Slot) Release() error {
	return errors.Join(s.clean(), s.lock.Close())
}

func (s *Slot) pidFile() string { return s.Dir + ".pid" }

func (s *Slot) clean() error {
	b, err := os.ReadFile(s.pidFile())
	if err == nil {
		pid, start, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
		if n, err := strconv.Atoi(pid); err == nil && n > 1 && start != "" {
			if now, err := born(n); err == nil && now == start {
				if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
					return fmt.Errorf("kill process %d that an earlier run left in %s: %w", n, s.Dir, err)
				}
			}
		}
		if err := os.Remove(s.pidFile()); err != nil {
			return err
		}
	}
	return os.RemoveAll(s.Dir)
}
