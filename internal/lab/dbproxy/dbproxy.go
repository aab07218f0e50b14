package dbproxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
)

// Fate is what becomes of a COMMIT.
type Fate int

// The fates.
const (
	Pass        Fate = iota
	CutBefore        // the server never hears it, and the connection is lost
	CutAfter         // the server commits, the client never hears of it
	Deadlock         // rolled back, and answered with error 1213
	LockTimeout      // not carried out, and answered with error 1205: the client has to roll back
)

// Proxy listens before one server. Its methods may be called from any goroutine.
type Proxy struct {
	listener net.Listener
	target   string
	judge    atomic.Pointer[func(n int64) Fate]
	commits  atomic.Int64
	stalled  atomic.Pointer[chan struct{}] // while set, nothing is forwarded

	mu    sync.Mutex
	over  bool
	conns map[net.Conn]bool
	live  sync.WaitGroup
}

// New listens on a free port of loopback until Close; target is host:port.
func New(target string) (*Proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("database proxy: %w", err)
	}
	p := &Proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	p.live.Go(p.accept)
	return p, nil
}

// Addr is host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Close ends the port and every connection.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	p.Resume()
	p.Cut()
	p.live.Wait()
}

// Decide sets what becomes of each COMMIT; n counts them from 1.
func (p *Proxy) Decide(f func(n int64) Fate) { p.judge.Store(&f) }

// Commits so far.
func (p *Proxy) Commits() int64 { return p.commits.Load() }

// Stall stops every byte until Resume.
func (p *Proxy) Stall() {
	ch := make(chan struct{})
	if old := p.stalled.Swap(&ch); old != nil {
		close(*old)
	}
}

// Resume ends a Stall.
func (p *Proxy) Resume() {
	if ch := p.stalled.Swap(nil); ch != nil {
		close(*ch)
	}
}

// Cut ends every connection; new ones are taken.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

func (p *Proxy) wait() {
	if ch := p.stalled.Load(); ch != nil {
		<-*ch
	}
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		if p.over {
			p.mu.Unlock()
			_ = errors.Join(client.Close(), server.Close())
			return
		}
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		l := &link{p: p, client: client, server: server}
		p.live.Go(l.up)
		p.live.Go(l.down)
	}
}

// link is one connection through the proxy.
type link struct {
	p              *Proxy
	client, server net.Conn
	swallow        atomic.Bool            // the next answer of the server is lost with the connection
	instead        atomic.Pointer[[]byte] // what the client gets for the next answer
}

func (l *link) close() {
	_ = errors.Join(l.client.Close(), l.server.Close())
	l.p.mu.Lock()
	delete(l.p.conns, l.client)
	delete(l.p.conns, l.server)
	l.p.mu.Unlock()
}

// up forwards the client's packets one by one and looks for COMMIT.
func (l *link) up() {
	defer l.close()
	head := make([]byte, 4)
	for {
		if _, err := io.ReadFull(l.client, head); err != nil {
			return
		}
		body := make([]byte, int(binary.LittleEndian.Uint32([]byte{head[0], head[1], head[2], 0})))
		if _, err := io.ReadFull(l.client, body); err != nil {
			return
		}
		l.p.wait()
		if bytes.Equal(body, []byte("\x03COMMIT")) {
			var gone bool
			if body, gone = l.commit(body); gone {
				return
			}
			if body == nil {
				continue
			}
			binary.LittleEndian.PutUint32(head, uint32(len(body))) //nolint:gosec // a command of some bytes; its number is 0
		}
		if _, err := l.server.Write(slices.Concat(head, body)); err != nil {
			return
		}
	}
}

// commit is what is sent in place of a COMMIT, nil for nothing.
func (l *link) commit(body []byte) (send []byte, gone bool) {
	n := l.p.commits.Add(1)
	judge := l.p.judge.Load()
	if judge == nil {
		return body, false
	}
	switch (*judge)(n) {
	case CutBefore:
		return nil, true
	case CutAfter:
		l.swallow.Store(true)
	case Deadlock:
		e := refusal(1213, "40001", "Deadlock found when trying to get lock; try restarting transaction")
		l.instead.Store(&e)
		return []byte("\x03ROLLBACK"), false
	case LockTimeout:
		_, err := l.client.Write(refusal(1205, "HY000", "Lock wait timeout exceeded; try restarting transaction"))
		return nil, err != nil
	case Pass:
	}
	return body, false
}

// refusal is an ERR packet that answers a command.
func refusal(code uint16, state, text string) []byte {
	body := append([]byte{0xff}, binary.LittleEndian.AppendUint16(nil, code)...)
	body = append(body, '#')
	body = append(append(body, state...), text...)
	return append([]byte{byte(len(body)), 0, 0, 1}, body...)
}

func (l *link) down() {
	defer l.close()
	buf := make([]byte, 32<<10)
	for {
		n, err := l.server.Read(buf)
		if err != nil || l.swallow.Load() {
			return
		}
		l.p.wait()
		out := buf[:n]
		if e := l.instead.Swap(nil); e != nil { // the OK of a ROLLBACK is one packet, and one read
			out = *e
		}
		if _, err := l.client.Write(out); err != nil {
			return
		}
	}
}
