package funasr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

const (
	maxFill   = time.Second            // of silence put in for lost audio; a longer gap only moves the clock
	minOwed   = 600 * time.Millisecond // sound that deserves an answer
	watchStep = 50 * time.Millisecond
)

// frameQueue keeps the newest frames for a slow connection.
type frameQueue struct {
	mu      sync.Mutex
	frames  []audio.Frame
	limit   int
	dropped int64
	closed  bool
	ready   chan struct{} // of 1
}

func newFrameQueue(limit int) *frameQueue {
	return &frameQueue{limit: limit, ready: make(chan struct{}, 1)}
}

func (q *frameQueue) push(f audio.Frame) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	if len(q.frames) == q.limit {
		q.frames = append(q.frames[:0], q.frames[1:]...)
		q.dropped++
	}
	f.Samples = slices.Clone(f.Samples)
	q.frames = append(q.frames, f)
	q.wake()
	return true
}

func (q *frameQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.wake()
}

func (q *frameQueue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

func (q *frameQueue) lost() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// pop waits for a frame; io.EOF after the last.
func (q *frameQueue) pop(ctx context.Context) (audio.Frame, error) {
	for {
		q.mu.Lock()
		if len(q.frames) > 0 {
			f := q.frames[0]
			q.frames = append(q.frames[:0], q.frames[1:]...)
			q.mu.Unlock()
			return f, nil
		}
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return audio.Frame{}, io.EOF
		}
		select {
		case <-ctx.Done():
			return audio.Frame{}, context.Cause(ctx)
		case <-q.ready:
		}
	}
}

// send carries the configuration, the audio and the end of input. It returns nil
// when all is sent: the stream then lives on until the server's last word.
func (s *stream) send(first []byte, up *audio.Resampler) error {
	if err := s.write(websocket.MessageText, first); err != nil {
		return err
	}
	stride := int(s.config.stride()*serverRate/time.Second) * 2
	var buffer []byte
	flush := func(pcm []int16, all bool) error {
		for _, v := range pcm {
			buffer = append(buffer, byte(v), byte(uint16(v)>>8))
		}
		for len(buffer) >= stride || all && len(buffer) > 0 {
			n := min(stride, len(buffer))
			if err := s.write(websocket.MessageBinary, buffer[:n]); err != nil {
				return err
			}
			buffer = append(buffer[:0], buffer[n:]...)
		}
		return nil
	}
	for {
		f, err := s.queue.pop(s.ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if m := s.takeBias(); m != nil {
			if err := s.write(websocket.MessageText, m); err != nil {
				return err
			}
		}
		if err := flush(up.Write(nil, s.place(f)), false); err != nil {
			return err
		}
	}
	if err := flush(up.Flush(nil), true); err != nil {
		return err
	}
	s.mu.Lock()
	s.closedAt = time.Now()
	s.lastWord = time.Time{}
	s.mu.Unlock()
	return s.write(websocket.MessageText, []byte(endOfInput))
}

// place puts f on the clock: a short gap before it is filled with silence.
func (s *stream) place(f audio.Frame) []int16 {
	s.mu.Lock()
	defer s.mu.Unlock()
	samples := f.Samples
	if s.clock.sent > 0 {
		gap := f.Pos - s.clock.next()
		if gap > 0 && gap <= s.sound.samples(maxFill) {
			samples = append(make([]int16, gap, int(gap)+len(f.Samples)), f.Samples...)
			f.Pos -= gap
		}
	}
	s.clock.set(f.Pos)
	s.clock.sent += int64(len(samples))
	return samples
}

// write sends one message. A server that does not read it in time ends the
// stream by that name, before the connection is closed: the reader would
// otherwise report a connection that was lost.
func (s *stream) write(kind websocket.MessageType, data []byte) error {
	limit := time.AfterFunc(s.config.WriteTimeout, func() {
		s.fail(fmt.Errorf("funasr: %w: it did not read for %v", speech.ErrTimeout, s.config.WriteTimeout))
	})
	defer limit.Stop()
	if err := s.conn.Write(s.ctx, kind, data); err != nil && s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return nil // a connection that broke: receive knows how
}

// watch ends a stream whose server has fallen silent.
func (s *stream) watch() error {
	t := time.NewTicker(watchStep)
	defer t.Stop()
	pinged := time.Now()
	pong := make(chan error, 1)
	for waiting := false; ; {
		select {
		case <-s.ctx.Done():
			return nil
		case err := <-pong:
			if waiting = false; err != nil && s.ctx.Err() == nil {
				return fmt.Errorf("funasr: %w: no pong within %v", speech.ErrTimeout, s.config.PingInterval)
			}
		case now := <-t.C:
			if err := s.overdue(now); err != nil {
				return err
			}
			if !waiting && now.Sub(pinged) >= s.config.PingInterval {
				waiting, pinged = true, now
				s.done.Go(func() { pong <- s.ping() })
			}
		}
	}
}

func (s *stream) ping() error {
	ctx, cancel := context.WithTimeout(s.ctx, s.config.PingInterval)
	defer cancel()
	return s.conn.Ping(ctx)
}

func (s *stream) overdue(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closedAt.IsZero():
		if !s.owing.IsZero() && now.Sub(s.owing) > s.config.IdleTimeout {
			return fmt.Errorf("funasr: %w: speech or a partial waited %v", speech.ErrTimeout, s.config.IdleTimeout)
		}
	case !s.lastWord.IsZero():
		if now.Sub(s.lastWord) > s.config.Drain {
			return io.EOF
		}
	case now.Sub(s.closedAt) > s.config.FinalTimeout:
		return fmt.Errorf("funasr: %w: nothing for %v after the end of input", speech.ErrTimeout, s.config.FinalTimeout)
	}
	return nil
}
