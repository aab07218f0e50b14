package funasr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// ErrClosed is what a stream answers after Close, or to Write after CloseWrite.
var ErrClosed = errors.New("funasr: the recognition is closed")

// stream is one recognition. Three goroutines serve it: send, receive, watch;
// they end together when ctx does, and whatever ends first names the reason.
type stream struct {
	config *Config
	conn   *websocket.Conn
	rate   int
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   sync.WaitGroup

	queue *frameQueue
	bias  atomic.Pointer[[]byte] // other hotwords, not sent yet

	mu       sync.Mutex
	changed  *sync.Cond // results or over
	clock    timeline
	sound    activity
	join     assembler
	results  []speech.Result // a partial is only ever the last
	native   bool            // it is the C++ server, which always acknowledges
	over     bool            // nothing follows results; end is why
	end      error
	owing    time.Time // since when it owes an answer; zero: it does not
	closedAt time.Time // when the end of input was sent
	lastWord time.Time // last answer after that, from a server that may not acknowledge
}

// maxResults is how many finals may wait for Recv.
const maxResults = 256

// goodbye is how long the closing handshake may take.
const goodbye = 200 * time.Millisecond

func newStream(ctx context.Context, c *Config, conn *websocket.Conn, f audio.Format, up *audio.Resampler, first []byte) *stream {
	s := &stream{
		config: c, conn: conn, rate: f.Rate, queue: newFrameQueue(c.Queue),
		clock: timeline{rate: f.Rate}, sound: activity{rate: f.Rate, floor: -60},
	}
	s.changed = sync.NewCond(&s.mu)
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.done.Go(func() { s.fail(s.send(first, up)) })
	s.done.Go(func() { s.fail(s.receive()) })
	s.done.Go(func() { s.fail(s.watch()) })
	s.done.Go(func() {
		<-s.ctx.Done()
		s.fail(context.Cause(s.ctx))
		s.hangUp()
	})
	return s
}

// Write queues a frame; it never waits.
func (s *stream) Write(f audio.Frame) error {
	s.mu.Lock()
	over, end := s.over, s.end
	if !over {
		s.sound.hear(f)
		if s.owing.IsZero() && s.sound.owed() >= minOwed {
			s.owing = time.Now()
		}
	}
	s.mu.Unlock()
	if over {
		if end == nil || errors.Is(end, io.EOF) {
			return ErrClosed
		}
		return end
	}
	if !s.queue.push(f) {
		return ErrClosed
	}
	return nil
}

// CloseWrite ends the input.
func (s *stream) CloseWrite() error {
	s.queue.close()
	return nil
}

// Recv waits for the next result.
func (s *stream) Recv() (speech.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.results) == 0 && !s.over {
		s.changed.Wait()
	}
	if len(s.results) == 0 {
		return speech.Result{}, s.end
	}
	r := s.results[0]
	s.results = s.results[1:]
	return r, nil
}

// Close frees everything.
func (s *stream) Close() error {
	s.fail(ErrClosed)
	s.done.Wait()
	return nil
}

// Dropped is how many frames were lost because the server did not read them.
func (s *stream) Dropped() int64 { return s.queue.lost() }

// hangUp says goodbye after a good end, and waits for no one.
func (s *stream) hangUp() {
	if errors.Is(context.Cause(s.ctx), io.EOF) {
		t := time.AfterFunc(goodbye, func() { _ = s.conn.CloseNow() })
		defer t.Stop()
		_ = s.conn.Close(websocket.StatusNormalClosure, "")
	}
	_ = s.conn.CloseNow()
}

// fail ends the stream; the first reason stands. io.EOF is the good one.
func (s *stream) fail(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	if !s.over {
		if errors.Is(err, io.EOF) {
			s.deliver(s.join.rest())
		}
		if errors.Is(err, ErrClosed) {
			s.results = nil
		}
		s.over, s.end = true, err
		s.changed.Broadcast()
		if n := s.queue.lost(); n > 0 {
			s.config.Logger.Warn("funasr: the server did not keep up: audio was lost", "frames", n)
		}
	}
	s.mu.Unlock()
	s.cancel(err)
}

// deliver queues results: a partial gives way to what follows it.
func (s *stream) deliver(all []speech.Result) {
	for _, r := range all {
		if n := len(s.results); n > 0 && !s.results[n-1].Final {
			s.results = s.results[:n-1]
		}
		s.results = append(s.results, r)
		s.changed.Broadcast()
	}
}

// receive reads answers until the server has said the last.
func (s *stream) receive() error {
	for {
		kind, data, err := s.conn.Read(s.ctx)
		if err != nil {
			return s.lost(err)
		}
		if kind != websocket.MessageText {
			return fmt.Errorf("funasr: %w: a binary answer of %d bytes", speech.ErrProtocol, len(data))
		}
		m, err := parseMessage(data)
		if err != nil {
			return fmt.Errorf("funasr: %w", err)
		}
		if err := s.take(m); err != nil {
			return err
		}
	}
}

func (s *stream) take(m message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	closing := !s.closedAt.IsZero()
	s.native = s.native || m.native
	if closing && !s.native && m.kind != partial {
		s.lastWord = now
	}
	results, err := s.join.take(m, &s.clock, &s.sound)
	if err != nil {
		return fmt.Errorf("funasr: %w", err)
	}
	if s.owing = (time.Time{}); s.join.open() || s.sound.owed() >= minOwed {
		s.owing = now
	}
	s.deliver(results)
	if len(s.results) > maxResults {
		return fmt.Errorf("funasr: %w: more than %d finals wait to be read", speech.ErrProtocol, maxResults)
	}
	if closing && (m.kind == ended || m.complete) {
		return io.EOF
	}
	return nil
}

// lost gives the end of the connection its name.
func (s *stream) lost(err error) error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	s.mu.Lock()
	closing := !s.closedAt.IsZero()
	s.mu.Unlock()
	switch status := websocket.CloseStatus(err); {
	case status == websocket.StatusNormalClosure && closing:
		return io.EOF
	case errors.Is(err, websocket.ErrMessageTooBig):
		return fmt.Errorf("funasr: %w: an answer of more than %d bytes", speech.ErrProtocol, maxMessage)
	case status == websocket.StatusProtocolError || status == websocket.StatusInvalidFramePayloadData:
		return fmt.Errorf("funasr: %w: %w", speech.ErrProtocol, err)
	}
	return fmt.Errorf("funasr: %w: connection lost in mid-stream: %w", speech.ErrUnavailable, err)
}
