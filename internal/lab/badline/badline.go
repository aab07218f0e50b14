package badline

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Line listens before one server. Its methods may be called from any goroutine.
type Line struct {
	listener net.Listener
	target   string
	live     sync.WaitGroup

	mu     sync.Mutex
	over   bool
	conns  map[*pair]bool
	cutAt  int64         // bytes of the server after which a connection ends; 0 never
	frozen chan struct{} // closed when bytes pass again; nil: they do
	slow   time.Duration // between two pieces of 512 bytes from the server; 0: none
	cuts   int
}

type pair struct {
	client, server net.Conn
	once           sync.Once
}

func (p *pair) close() {
	p.once.Do(func() { _ = errors.Join(p.client.Close(), p.server.Close()) })
}

// New listens on a free port of loopback until Close; target is host:port.
func New(target string) (*Line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("bad line: %w", err)
	}
	b := &Line{listener: l, target: target, conns: map[*pair]bool{}}
	b.live.Go(b.accept)
	return b, nil
}

// Addr is host:port.
func (b *Line) Addr() string { return b.listener.Addr().String() }

// Close ends the port and every connection.
func (b *Line) Close() {
	_ = b.listener.Close()
	b.mu.Lock()
	b.over = true
	b.mu.Unlock()
	b.Mend()
	b.drop()
	b.live.Wait()
}

// CutAfter ends each connection, old and new, when n more bytes of the server
// have passed: wherever in a message that is.
func (b *Line) CutAfter(n int64) { b.set(func() { b.cutAt = n }) }

// Freeze lets nothing pass any more, in either direction, and closes nothing:
// both ends believe that the other is there.
func (b *Line) Freeze() {
	b.set(func() {
		if b.frozen == nil {
			b.frozen = make(chan struct{})
		}
	})
}

// Slow passes 512 bytes of the server, and then none for so long.
func (b *Line) Slow(pause time.Duration) { b.set(func() { b.slow = pause }) }

// Mend makes the line a good one; what was frozen goes on.
func (b *Line) Mend() {
	b.set(func() {
		b.cutAt, b.slow = 0, 0
		if b.frozen != nil {
			close(b.frozen)
			b.frozen = nil
		}
	})
}

// Cuts is how many connections CutAfter has ended.
func (b *Line) Cuts() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cuts
}

func (b *Line) set(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *Line) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for p := range b.conns {
		p.close()
	}
}

func (b *Line) accept() {
	for {
		client, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.live.Go(func() { b.connect(client) })
	}
}

// connect while frozen waits, as a SYN does that nobody answers.
func (b *Line) connect(client net.Conn) {
	b.pass()
	server, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", b.target)
	if err != nil {
		_ = client.Close()
		return
	}
	p := &pair{client: client, server: server}
	b.mu.Lock()
	if b.over {
		b.mu.Unlock()
		p.close()
		return
	}
	b.conns[p] = true
	b.mu.Unlock()
	b.live.Go(func() { b.carry(p, client, server, false) })
	b.live.Go(func() { b.carry(p, server, client, true) })
}

// pass waits while the line is frozen, and tells its pace.
func (b *Line) pass() (slow time.Duration) {
	for {
		b.mu.Lock()
		frozen, pace := b.frozen, b.slow
		b.mu.Unlock()
		if frozen == nil {
			return pace
		}
		<-frozen
	}
}

func (b *Line) carry(p *pair, from, to net.Conn, down bool) {
	defer func() {
		p.close()
		b.set(func() { delete(b.conns, p) })
	}()
	buf := make([]byte, 32<<10)
	var passed, mark, limit int64
	for {
		size := len(buf)
		pace := b.pass()
		if down && pace > 0 {
			size = 512
		}
		n, err := from.Read(buf[:size])
		if n > 0 {
			b.pass()
			last := false
			if down {
				b.mu.Lock()
				if b.cutAt != limit { // told anew: counted from here
					limit, mark = b.cutAt, passed
				}
				b.mu.Unlock()
				if limit > 0 && passed+int64(n) >= mark+limit {
					n, last = int(max(0, mark+limit-passed)), true
				}
				passed += int64(n)
			}
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
			if last {
				b.set(func() { b.cuts++ })
				return
			}
			if down && pace > 0 {
				<-time.NewTimer(pace).C
			}
		}
		if err != nil {
			return
		}
	}
}
