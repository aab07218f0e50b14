package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// proxy stands between the store and a MySQL server and breaks connections where it is told to.
type proxy struct {
	listener net.Listener
	target   string

	// judge is asked at each COMMIT (n counts them from 1): what should become of it?
	judge   atomic.Pointer[func(n int64) fate]
	commits atomic.Int64
	stalled atomic.Pointer[chan struct{}] // while set, nothing is forwarded

	mu    sync.Mutex
	conns map[net.Conn]bool
	wg    sync.WaitGroup
}

type fate int

const (
	pass      fate = iota
	cutBefore      // the server never hears COMMIT
	cutAfter       // the server commits, the client never hears of it
)

// proxied gives c another address: that of a proxy before it.
func proxied(t testing.TB, c Config) (*proxy, Config) {
	t.Helper()
	cfg, err := mysql.ParseDSN(c.DSN)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: cfg.Addr, conns: map[net.Conn]bool{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = l.Close()
		p.resume()
		p.cutAll()
		p.wg.Wait()
	})
	cfg.Addr = l.Addr().String()
	c.DSN = cfg.FormatDSN()
	return p, c
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		l := &link{p: p, client: client, server: server}
		p.wg.Go(l.up)
		p.wg.Go(l.down)
	}
}

func (p *proxy) decide(f func(n int64) fate) { p.judge.Store(&f) }

// stall stops every byte until resume.
func (p *proxy) stall() {
	ch := make(chan struct{})
	p.stalled.Store(&ch)
}

func (p *proxy) resume() {
	if ch := p.stalled.Swap(nil); ch != nil {
		close(*ch)
	}
}

func (p *proxy) wait() {
	if ch := p.stalled.Load(); ch != nil {
		<-*ch
	}
}

func (p *proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
		delete(p.conns, c)
	}
}

// link is one connection through the proxy.
type link struct {
	p              *proxy
	client, server net.Conn
	swallow        atomic.Bool // the next answer of the server is lost with the connection
}

func (l *link) close() {
	_ = errors.Join(l.client.Close(), l.server.Close())
}

// up forwards the client's packets one by one and looks for COMMIT.
func (l *link) up() {
	defer l.close()
	head := make([]byte, 4)
	for {
		if _, err := io.ReadFull(l.client, head); err != nil {
			return
		}
		size := int(binary.LittleEndian.Uint32([]byte{head[0], head[1], head[2], 0}))
		body := make([]byte, size)
		if _, err := io.ReadFull(l.client, body); err != nil {
			return
		}
		l.p.wait()
		if bytes.Equal(body, []byte("\x03COMMIT")) {
			n := l.p.commits.Add(1)
			if judge := l.p.judge.Load(); judge != nil {
				switch (*judge)(n) {
				case cutBefore:
					return
				case cutAfter:
					l.swallow.Store(true)
				}
			}
		}
		if _, err := l.server.Write(slices.Concat(head, body)); err != nil {
			return
		}
	}
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
		if _, err := l.client.Write(buf[:n]); err != nil {
			return
		}
	}
}
