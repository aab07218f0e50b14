package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/coder/websocket"

	"ringmaster/internal/speech"
)

// receive reads answers until the provider has said the last.
func (s *Stream) receive() error {
	for {
		kind, data, err := s.conn.Read(s.ctx)
		if err != nil {
			return s.lost(err)
		}
		take, err := s.config.Codec.Parse(kind == websocket.MessageBinary, data)
		if err != nil {
			return fmt.Errorf("%s: %w", s.config.Name, err)
		}
		if err := s.take(take); err != nil {
			return err
		}
	}
}

func (s *Stream) take(take Take) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	closing := !s.closedAt.IsZero()
	a, err := take(s.hearing)
	if err != nil {
		return fmt.Errorf("%s: %w", s.config.Name, err)
	}
	if closing && a.Perhaps {
		s.lastWord = now
	}
	if !a.Mute {
		s.owing = time.Time{}
		if a.Open || s.hearing.sound.owed() >= minOwed {
			s.owing = now
		}
	}
	s.deliver(a.Results)
	if len(s.results) > MaxResults {
		return fmt.Errorf("%s: %w: more than %d finals wait to be read", s.config.Name, speech.ErrProtocol, MaxResults)
	}
	if closing && a.Last {
		return io.EOF
	}
	return nil
}

// lost gives the end of the connection its name.
func (s *Stream) lost(err error) error {
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
		return fmt.Errorf("%s: %w: an answer of more than %d bytes", s.config.Name, speech.ErrProtocol, s.config.MaxMessage)
	case status == websocket.StatusProtocolError || status == websocket.StatusInvalidFramePayloadData:
		return fmt.Errorf("%s: %w: %w", s.config.Name, speech.ErrProtocol, err)
	}
	return fmt.Errorf("%s: %w: connection lost in mid-stream: %w", s.config.Name, speech.ErrUnavailable, err)
}

const (
	minOwed   = 600 * time.Millisecond // sound that deserves an answer
	watchStep = 50 * time.Millisecond
)

// watch ends a stream whose provider has fallen silent.
func (s *Stream) watch() error {
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
				return fmt.Errorf("%s: %w: no pong within %v", s.config.Name, speech.ErrTimeout, s.config.PingInterval)
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

func (s *Stream) ping() error {
	ctx, cancel := context.WithTimeout(s.ctx, s.config.PingInterval)
	defer cancel()
	return s.conn.Ping(ctx)
}

func (s *Stream) overdue(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closedAt.IsZero():
		if !s.owing.IsZero() && now.Sub(s.owing) > s.config.IdleTimeout {
			return fmt.Errorf("%s: %w: speech or a partial waited %v", s.config.Name, speech.ErrTimeout, s.config.IdleTimeout)
		}
	case !s.lastWord.IsZero():
		if now.Sub(s.lastWord) > s.config.Drain {
			return io.EOF
		}
	case now.Sub(s.closedAt) > s.config.FinalTimeout:
		return fmt.Errorf("%s: %w: nothing for %v after the end of input", s.config.Name, speech.ErrTimeout, s.config.FinalTimeout)
	}
	return nil
}
