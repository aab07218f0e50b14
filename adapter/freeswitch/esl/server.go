package esl

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// ServerConfig of a Server.
type ServerConfig struct {
	// Listen is host:port for the dialplan's socket application.
	Listen string
	// Allow says which addresses may hand calls over; nil is loopback alone.
	Allow func(netip.Addr) bool
	// Call gets every call that is handed over, on a goroutine of its own; the
	// call goes on after it returns, until Close or its end.
	Call    func(*Call)
	Timeout time.Duration // of the handshake; 5 s if zero
	Max     int           // calls at once; 5000 if zero
	Log     *slog.Logger  // nil discards
}

// Server listens for calls that the dialplan hands over by
// <action application="socket" data="host:port async full"/>. A channel whose
// socket closes is hung up by FreeSWITCH, unless socket_resume=true.
type Server struct {
	cfg ServerConfig
	l   net.Listener

	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

// Call is one channel that was handed over.
type Call struct {
	// Channel is what FreeSWITCH tells of it: Unique-ID, Caller-*, variable_*.
	Channel *Event
	nc      net.Conn
	done    chan struct{}
}

// Done is closed when FreeSWITCH has ended the connection, or we have.
func (c *Call) Done() <-chan struct{} { return c.done }

// Close lets go of the channel.
func (c *Call) Close() { _ = c.nc.Close() }

// Listen opens the port.
func Listen(cfg ServerConfig) (*Server, error) {
	if cfg.Timeout <= 0 {
		cfg.Timeout = 5 * time.Second
	}
	if cfg.Max <= 0 {
		cfg.Max = 5000
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Allow == nil {
		cfg.Allow = netip.Addr.IsLoopback
	}
	if cfg.Call == nil {
		return nil, fmt.Errorf("%w: nobody takes the calls", ErrConfig)
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("%w: outbound event socket: %w", ErrConfig, err)
	}
	return &Server{cfg: cfg, l: l, conns: map[net.Conn]bool{}}, nil
}

// Addr is where it listens.
func (s *Server) Addr() string { return s.l.Addr().String() }

// Close stops a server that was never run.
func (s *Server) Close() error { return s.l.Close() }

// Run serves until ctx ends, and then closes every connection.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, s.shut)
	defer stop()
	var all sync.WaitGroup
	defer all.Wait()
	defer s.shut()
	for {
		nc, err := s.l.Accept()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return ctx.Err()
			}
			s.cfg.Log.Warn("esl: outbound socket", "err", err)
			t := time.NewTimer(50 * time.Millisecond) // out of descriptors, mostly
			select {
			case <-ctx.Done():
				t.Stop()
				return ctx.Err()
			case <-t.C:
			}
			continue
		}
		if !s.add(nc) {
			_ = nc.Close()
			continue
		}
		all.Go(func() {
			defer s.drop(nc)
			if err := s.serve(nc); err != nil {
				s.cfg.Log.Warn("esl: a call was not taken over", "err", err)
			}
		})
	}
}

func (s *Server) add(nc net.Conn) bool {
	from, err := netip.ParseAddrPort(nc.RemoteAddr().String())
	if err != nil || !s.cfg.Allow(from.Addr().Unmap()) {
		s.cfg.Log.Warn("esl: a connection from an address that hands over no calls was closed", "from", nc.RemoteAddr().String())
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.conns) >= s.cfg.Max {
		return false
	}
	s.conns[nc] = true
	return true
}

func (s *Server) drop(nc net.Conn) {
	_ = nc.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, nc)
}

func (s *Server) shut() {
	_ = s.l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for nc := range s.conns {
		_ = nc.Close()
	}
}

// serve is one connection from its beginning to its end.
func (s *Server) serve(nc net.Conn) error {
	_ = nc.SetDeadline(time.Now().Add(s.cfg.Timeout))
	if _, err := nc.Write([]byte("connect\n\n")); err != nil {
		return fmt.Errorf("outbound event socket: %w", err)
	}
	f := NewFramer(nc)
	m, err := f.Next()
	if err != nil {
		return fmt.Errorf("outbound event socket: %w", err)
	}
	ch := ParseConnect(m)
	if ch.Get("Unique-ID") == "" {
		return hostile("an outbound socket that names no channel")
	}
	_ = nc.SetDeadline(time.Time{})
	c := &Call{Channel: ch, nc: nc, done: make(chan struct{})}
	defer close(c.done)
	s.cfg.Call(c)
	for { // the channel's own events come by the other connection
		if _, err := f.Next(); err != nil {
			return nil
		}
	}
}
