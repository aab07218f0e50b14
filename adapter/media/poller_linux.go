package media

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// poller takes the packets of many lines with one goroutine. To put one of its
// own to sleep and to wake it again costs a line as much as to take a packet.
//
// It has an epoll instance of its own, level-triggered, so that one read a
// packet is enough, and Go's poller watches that.
type poller struct {
	file *os.File
	raw  syscall.RawConn
	gone chan struct{}

	mu    sync.Mutex
	last  int32
	seats map[int32]*seat
	of    map[*line]int32

	// Of the goroutine.
	events  [64]syscall.EpollEvent
	found   int
	failed  error
	buf     [2048]byte
	patient []*seat // with packets that wait for an earlier one, the longest waiting first
}

// seat is a line at a poller.
type seat struct {
	l    *line
	ear  *ear
	raw  syscall.RawConn
	take func(fd uintptr) bool
	by   time.Time // when its waiting packets have waited long enough; zero: none wait

	// What take took.
	n    int
	from syscall.RawSockaddrAny
	no   syscall.Errno
}

func newPoller() (*poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("media: epoll: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil { // or Go's poller would not watch it
		return nil, errors.Join(err, syscall.Close(fd))
	}
	p := &poller{file: os.NewFile(uintptr(fd), "epoll"), gone: make(chan struct{}), seats: map[int32]*seat{}, of: map[*line]int32{}}
	if p.raw, err = p.file.SyscallConn(); err == nil {
		err = p.file.SetReadDeadline(time.Time{})
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("media: epoll: %w", err), p.file.Close())
	}
	go p.run()
	return p, nil
}

func (p *poller) close() {
	_ = p.file.Close()
	<-p.gone
}

func (p *poller) load() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.seats)
}

// add gives a line a seat.
func (p *poller) add(l *line) error {
	raw, err := l.conn.SyscallConn()
	if err != nil {
		return err
	}
	s := &seat{l: l, ear: l.newEar(), raw: raw}
	s.take = func(fd uintptr) bool {
		size := uint32(unsafe.Sizeof(s.from))
		n, _, no := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&p.buf[0])), uintptr(len(p.buf)), //nolint:gosec // recvfrom(2) without the allocation that syscall.Recvfrom makes
			syscall.MSG_DONTWAIT, uintptr(unsafe.Pointer(&s.from)), uintptr(unsafe.Pointer(&size))) //nolint:gosec // the same
		s.n, s.no = int(n), no //nolint:gosec // at most the size of the buffer
		return true
	}
	p.mu.Lock()
	p.last++
	id := p.last
	p.seats[id], p.of[l] = s, id
	p.mu.Unlock()
	err = raw.Control(func(fd uintptr) {
		err = p.raw.Control(func(epoll uintptr) {
			err = syscall.EpollCtl(int(epoll), syscall.EPOLL_CTL_ADD, int(fd), &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: id})
		})
	})
	if err != nil {
		p.remove(l)
	}
	return err
}

// remove takes the seat of a line away; the kernel forgets its socket when that
// is closed.
func (p *poller) remove(l *line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.seats, p.of[l])
	delete(p.of, l)
}

func (p *poller) seat(id int32) *seat {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seats[id]
}

func (p *poller) run() {
	defer close(p.gone)
	look := func(fd uintptr) bool {
		p.found, p.failed = syscall.EpollWait(int(fd), p.events[:], 0)
		return p.found != 0 // an error too: it is -1 then
	}
	for {
		err := p.raw.Read(look)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(p.failed, syscall.EINTR):
			p.found = 0
		case err != nil:
			return
		case p.failed != nil:
			p.scatter()
			return
		}
		for _, e := range p.events[:p.found] {
			if s := p.seat(e.Fd); s != nil {
				p.serve(s)
			}
		}
		p.overdue()
	}
}

// scatter lets every line read for itself.
func (p *poller) scatter() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.seats {
		s.l.o.Log.Error("media endpoint: epoll failed, every call reads its own socket now", "err", p.failed)
		go s.l.read()
	}
	clear(p.seats)
	clear(p.of)
}

// serve takes one packet of a line; if there are more the next look says so.
func (p *poller) serve(s *seat) {
	if err := s.raw.Read(s.take); err != nil {
		return // closed: its seat is being taken away
	}
	switch s.no {
	case 0:
		if from, ok := sender(&s.from); ok {
			s.ear.hear(from, p.buf[:s.n])
		}
	case syscall.EAGAIN, syscall.EINTR, syscall.ECONNREFUSED: // nobody has the peer's port just now: it will say BYE, or come back
	default:
		s.l.end(fmt.Errorf("media rtp: %w", s.no))
		return
	}
	if waits := len(s.ear.jitter.waiting) > 0; waits != !s.by.IsZero() {
		if s.by = (time.Time{}); waits {
			s.by = time.Now().Add(jitterWait)
			p.patient = append(p.patient, s)
		} else {
			p.patient = slices.DeleteFunc(p.patient, func(x *seat) bool { return x == s })
		}
		p.alarm()
	}
}

// overdue releases what has waited long enough for a packet that did not come.
func (p *poller) overdue() {
	if len(p.patient) == 0 {
		return
	}
	n, now := 0, time.Now()
	for _, s := range p.patient {
		if s.by.After(now) {
			break
		}
		s.by = time.Time{}
		s.ear.jitter.due(true)
		n++
	}
	if n > 0 {
		p.patient = slices.Delete(p.patient, 0, n)
		p.alarm()
	}
}

// alarm ends the look when the first of the patient has waited long enough.
func (p *poller) alarm() {
	var by time.Time
	if len(p.patient) > 0 {
		by = p.patient[0].by
	}
	_ = p.file.SetReadDeadline(by)
}

// sender of a packet.
func sender(a *syscall.RawSockaddrAny) (netip.AddrPort, bool) {
	port := func(raw *uint16) uint16 { return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(raw))[:]) } //nolint:gosec // sockaddr keeps it in network order
	switch a.Addr.Family {
	case syscall.AF_INET:
		v4 := (*syscall.RawSockaddrInet4)(unsafe.Pointer(a)) //nolint:gosec // that is what the family says
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), port(&v4.Port)), true
	case syscall.AF_INET6:
		v6 := (*syscall.RawSockaddrInet6)(unsafe.Pointer(a)) //nolint:gosec // that is what the family says
		return netip.AddrPortFrom(netip.AddrFrom16(v6.Addr).Unmap(), port(&v6.Port)), true
	}
	return netip.AddrPort{}, false
}
