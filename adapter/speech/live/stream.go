package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/coder/websocket"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// ErrClosed is what a stream answers after Close, or to Write after CloseWrite.
var ErrClosed = errors.New("the recognition is closed")

// Codec makes results of one provider's messages.
type Codec interface {
	// Parse understands one message of the provider, or says with
	// speech.ErrProtocol why not. It runs beside everything else; what it
	// returns is run under the stream's lock, in the order of the messages.
	Parse(binary bool, data []byte) (Take, error)
	// Rest are the results for an utterance without a final, at a good end.
	Rest() []speech.Result
}

// Take turns a message that was understood into an Answer.
type Take func(h *Hearing) (Answer, error)

// Answer is what a message means to the stream.
type Answer struct {
	Results []speech.Result
	Open    bool // a partial waits for its final
	Mute    bool // it says nothing about the sound: it does not count as an answer
	Last    bool // nothing follows once the end of input was sent
	// Perhaps it was the last: if nothing follows within Config.Drain of it, it
	// was. Read after the end of input only.
	Perhaps bool
}

// Config of one stream. Every field but First, Between and Drain is required.
type Config struct {
	Name   string // of the provider, in errors
	Codec  Codec
	Format audio.Format  // of the frames that are written
	Rate   int           // Hz that the provider is sent
	Stride time.Duration // audio in one message
	First  []byte        // text message before the audio; nil: none
	Last   []byte        // text message after it: the end of input
	// Between gives a text message to be sent before the next audio; nil: none.
	Between func() []byte

	WriteTimeout time.Duration // one message
	// IdleTimeout is how long speech may go in, or a partial wait for its final,
	// with no answer.
	IdleTimeout  time.Duration
	FinalTimeout time.Duration // how long after the end of input the end may take
	Drain        time.Duration // see Answer.Perhaps
	PingInterval time.Duration // a pong later than that is a dead provider
	Queue        int           // frames that wait before the oldest is lost
	MaxMessage   int           // bytes of one answer; in errors, the connection holds the limit
	Logger       *slog.Logger
}

// Stream is one recognition. Three goroutines serve it: send, receive, watch;
// they end together when its context does, and whatever ends first names the
// reason.
type Stream struct {
	config Config
	conn   *websocket.Conn
	up     *audio.Resampler
	ctx    context.Context
	cancel context.CancelCauseFunc
	done   sync.WaitGroup
	queue  *frameQueue

	mu       sync.Mutex
	changed  *sync.Cond // results or over
	hearing  *Hearing
	results  []speech.Result // a partial is only ever the last
	over     bool            // nothing follows results; end is why
	end      error
	owing    time.Time // since when it owes an answer; zero: it does not
	closedAt time.Time // when the end of input was sent
	lastWord time.Time // last answer after that which was perhaps the last
}

// MaxResults is how many finals may wait for Recv.
const MaxResults = 256

// goodbye is how long the closing handshake may take.
const goodbye = 200 * time.Millisecond

// Open starts a stream over conn, which it owns from now on, even on an error.
// It ends with ctx: cancelling ctx makes Recv fail and frees everything, as
// Close does.
func Open(ctx context.Context, conn *websocket.Conn, c Config) (*Stream, error) {
	up, err := audio.NewResampler(c.Format.Rate, c.Rate)
	if err != nil {
		_ = conn.CloseNow()
		return nil, fmt.Errorf("%s: %w: %w", c.Name, speech.ErrUnsupported, err)
	}
	s := &Stream{config: c, conn: conn, up: up, queue: newFrameQueue(c.Queue), hearing: NewHearing(c.Format.Rate)}
	s.changed = sync.NewCond(&s.mu)
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.done.Go(func() { s.fail(s.send()) })
	s.done.Go(func() { s.fail(s.receive()) })
	s.done.Go(func() { s.fail(s.watch()) })
	s.done.Go(func() {
		<-s.ctx.Done()
		s.fail(context.Cause(s.ctx))
		s.hangUp()
	})
	return s, nil
}

// Write queues a frame; it never waits.
func (s *Stream) Write(f audio.Frame) error {
	s.mu.Lock()
	over, end := s.over, s.end
	if !over {
		s.hearing.Hear(f)
		if s.owing.IsZero() && s.hearing.sound.owed() >= minOwed {
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
func (s *Stream) CloseWrite() error {
	s.queue.close()
	return nil
}

// Recv waits for the next result.
func (s *Stream) Recv() (speech.Result, error) {
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
func (s *Stream) Close() error {
	s.fail(ErrClosed)
	s.done.Wait()
	return nil
}

// Dropped is how many frames were lost because the provider did not read them.
func (s *Stream) Dropped() int64 { return s.queue.lost() }

// Done is closed when nothing more will come.
func (s *Stream) Done() <-chan struct{} { return s.ctx.Done() }

// hangUp says goodbye after a good end, and waits for no one.
func (s *Stream) hangUp() {
	if errors.Is(context.Cause(s.ctx), io.EOF) {
		t := time.AfterFunc(goodbye, func() { _ = s.conn.CloseNow() })
		defer t.Stop()
		_ = s.conn.Close(websocket.StatusNormalClosure, "")
	}
	_ = s.conn.CloseNow()
}

// fail ends the stream; the first reason stands. io.EOF is the good one.
func (s *Stream) fail(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	if !s.over {
		if errors.Is(err, io.EOF) {
			s.deliver(s.config.Codec.Rest())
		}
		if errors.Is(err, ErrClosed) {
			s.results = nil
		}
		s.over, s.end = true, err
		s.changed.Broadcast()
		if n := s.queue.lost(); n > 0 {
			s.config.Logger.Warn("the recognizer did not keep up: audio was lost", "provider", s.config.Name, "frames", n)
		}
	}
	s.mu.Unlock()
	s.cancel(err)
}

// deliver queues results: a partial gives way to what follows it.
func (s *Stream) deliver(all []speech.Result) {
	for _, r := range all {
		if n := len(s.results); n > 0 && !s.results[n-1].Final {
			s.results = s.results[:n-1]
		}
		s.results = append(s.results, r)
		s.changed.Broadcast()
	}
}
