package local

import (
	"errors"
	"io"
	"sync"
)

// ErrSlow is a disk that takes recordings more slowly than calls make them.
var ErrSlow = errors.New("the disk does not take recordings as fast as calls make them: give the recording folder a disk that is faster, or has room")

const (
	// spoolWriters write at the same time. A disk that stands still, as behind
	// a journal's commit, holds so many threads and no call.
	spoolWriters = 4
	// spoolMost is what one recording may have waiting, in bytes: 16 s of two
	// tracks at 8 kHz. Then it ends, and the call goes on.
	spoolMost = 512 << 10
)

// spool writes files beside the calls that fill them.
type spool struct {
	mu      sync.Mutex
	due     []*spooled
	writers int
}

// give lets a writer come to f.
func (s *spool) give(f *spooled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.due = append(s.due, f)
	if s.writers < spoolWriters {
		s.writers++
		go s.write()
	}
}

func (s *spool) write() {
	for {
		s.mu.Lock()
		if len(s.due) == 0 {
			s.writers--
			s.mu.Unlock()
			return
		}
		f := s.due[0]
		s.due = append(s.due[:0], s.due[1:]...)
		s.mu.Unlock()
		f.catchUp()
	}
}

// spooled is a file whose writing is done later, in order. Its first error is
// that of every write after it; what was taken before is written if it can be.
type spooled struct {
	spool *spool
	to    io.WriterAt

	mu      sync.Mutex
	idle    sync.Cond
	waiting []chunk
	bytes   int  // of them
	busy    bool // a writer is on its way
	broken  bool // what waits cannot be written
	err     error
}

type chunk struct {
	data []byte
	at   int64
}

func (s *spool) file(to io.WriterAt) *spooled {
	f := &spooled{spool: s, to: to}
	f.idle.L = &f.mu
	return f
}

// WriteAt implements io.WriterAt; it keeps a copy and never waits for the disk.
func (f *spooled) WriteAt(p []byte, at int64) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil && f.bytes+len(p) > spoolMost {
		f.err = ErrSlow
	}
	if f.err != nil {
		return 0, f.err
	}
	f.waiting, f.bytes = append(f.waiting, chunk{append([]byte(nil), p...), at}), f.bytes+len(p)
	if !f.busy {
		f.busy = true
		f.spool.give(f)
	}
	return len(p), nil
}

// catchUp writes everything that waits.
func (f *spooled) catchUp() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.waiting) > 0 && !f.broken {
		c := f.waiting[0]
		f.waiting = f.waiting[1:]
		f.mu.Unlock()
		_, err := f.to.WriteAt(c.data, c.at)
		f.mu.Lock()
		f.bytes -= len(c.data)
		if err != nil {
			f.broken, f.err = true, err
		}
	}
	f.busy, f.waiting, f.bytes = false, nil, 0
	f.idle.Broadcast()
}

// settle waits until nothing is waiting.
func (f *spooled) settle() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.busy {
		f.idle.Wait()
	}
	return f.err
}
