package asr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// Instrument is what the server says of itself wherever it shows itself.
const Instrument = "laboratory instrument: hears only tone text, recognizes no human speech"

// Dialect is whose server is imitated where the two differ.
type Dialect string

// The dialects.
const (
	CPP    Dialect = "cpp"
	Python Dialect = "python"
)

// Fault makes the server misbehave, for tests of those who talk to it. The zero
// Fault is a good server.
type Fault struct {
	Refuse      int           // answer the handshake with this HTTP status
	Silent      bool          // take everything, answer nothing
	PartialOnly bool          // never send a final
	Endless     bool          // once text was heard, send it again and again, never a final
	DropAfter   time.Duration // cut the connection after so much audio
	Garbage     bool          // answer with things that are not the protocol
	Slow        time.Duration // every answer is so late
	Stall       bool          // stop reading after the first message
}

// Config of a Server; the zero Config is useful.
type Config struct {
	Dialect Dialect // CPP when empty
	// EndSilence ends a text that broke off; 800 ms (as both servers) when 0.
	EndSilence time.Duration
	Fault      Fault
	// Mishear writes words as others of as many characters (CT检查 as 西踢检查),
	// unless a hotword of the connection names them.
	Mishear map[string]string
	Logger  *slog.Logger
	// Tap sees every message in order of one connection, audio included.
	Tap func(Frame)
}

// Frame is one websocket message, for Config.Tap.
type Frame struct {
	Conn       int64
	At         time.Duration // since the connection was accepted
	FromClient bool
	Binary     bool
	Data       []byte
}

// Stats counts what a Server did.
type Stats struct {
	Open, Connections, Finals, Partials int64
	AudioBytes                          int64
}

// Server recognizes tone text. It is an http.Handler; Serve runs it.
type Server struct {
	config Config
	log    *slog.Logger

	mu    sync.Mutex
	fault Fault
	hot   string // of the latest connection
	lang  string

	live                                            sync.WaitGroup
	open, connections, finals, partials, audioBytes atomic.Int64
}

// New prepares a Server.
func New(c Config) *Server {
	if c.Dialect == "" {
		c.Dialect = CPP
	}
	if c.EndSilence <= 0 {
		c.EndSilence = 800 * time.Millisecond
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Server{config: c, log: c.Logger, fault: c.Fault}
}

// SetFault changes how connections opened from now on are treated.
func (s *Server) SetFault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = f
}

// Hotwords is the text of the hotwords field of the latest configuration.
func (s *Server) Hotwords() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hot
}

// Language is the svs_lang of the latest configuration.
func (s *Server) Language() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lang
}

// Stats so far.
func (s *Server) Stats() Stats {
	return Stats{s.open.Load(), s.connections.Load(), s.finals.Load(), s.partials.Load(), s.audioBytes.Load()}
}

// Limits on what a client may send.
const (
	maxMessage = 4 << 20
	maxBacklog = 64 // answers waiting for a slow client
)

// ServeHTTP upgrades to the websocket and serves one stream.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	w.Header().Set("Server", "ringmaster labasr ("+Instrument+")")
	if fault.Refuse != 0 {
		http.Error(w, "refused by the instrument's fault setting", fault.Refuse)
		return
	}
	s.live.Add(1)
	defer s.live.Done()
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"binary"}, InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer conn.CloseNow()
	conn.SetReadLimit(maxMessage)
	s.open.Add(1)
	defer s.open.Add(-1)
	id := s.connections.Add(1)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	c := newSession(s, conn, id, fault)
	err = c.run(ctx)
	if err != nil && websocket.CloseStatus(err) == -1 && !errors.Is(err, io.EOF) && !errors.Is(err, errDropped) {
		s.log.Info("labasr: connection ended", "conn", id, "err", err)
	}
}

// Serve listens on l until ctx ends.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	s.log.Info("labasr listens ("+Instrument+")", "url", "ws://"+l.Addr().String(), "dialect", string(s.config.Dialect))
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		_ = h.Close()
	})
	err := h.Serve(l)
	if stop() {
		return fmt.Errorf("labasr: %w", err)
	}
	<-stopped
	return nil
}

// Start serves on addr (host:port, port 0 for any) in the background. stop ends
// it and waits until every connection is closed.
func (s *Server) Start(addr string) (url string, stop func(), err error) {
	if err := checkMishear(s.config.Mishear); err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("labasr: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(ctx, l)
	}()
	return "ws://" + l.Addr().String(), func() {
		cancel()
		<-done
		s.live.Wait() // http.Server does not wait for hijacked connections
	}, nil
}
