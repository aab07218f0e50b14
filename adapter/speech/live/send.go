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

// send carries the first message, the audio and the end of input. It returns
// nil when all is sent: the stream then lives on until the provider's last word.
func (s *Stream) send() error {
	if s.config.First != nil {
		if err := s.write(websocket.MessageText, s.config.First); err != nil {
			return err
		}
	}
	p := packer{write: s.write, stride: max(2, int(s.config.Stride*time.Duration(s.config.Rate)/time.Second)*2)}
	for {
		f, err := s.queue.pop(s.ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if s.config.Between != nil {
			if m := s.config.Between(); m != nil {
				if err := s.write(websocket.MessageText, m); err != nil {
					return err
				}
			}
		}
		s.mu.Lock()
		samples := s.hearing.Send(f)
		s.mu.Unlock()
		if err := p.pack(s.up.Write(nil, samples), false); err != nil {
			return err
		}
	}
	if err := p.pack(s.up.Flush(nil), true); err != nil {
		return err
	}
	s.mu.Lock()
	s.closedAt, s.hearing.ended = time.Now(), true
	s.lastWord = time.Time{}
	s.mu.Unlock()
	return s.write(websocket.MessageText, s.config.Last)
}

// packer makes binary messages of stride bytes out of samples.
type packer struct {
	write  func(websocket.MessageType, []byte) error
	stride int
	buffer []byte
}

// pack sends whole messages, and what is left too if it is all.
func (p *packer) pack(pcm []int16, all bool) error {
	for _, v := range pcm {
		p.buffer = append(p.buffer, byte(v), byte(uint16(v)>>8)) //nolint:gosec // 16-bit little-endian
	}
	for len(p.buffer) >= p.stride || all && len(p.buffer) > 0 {
		n := min(p.stride, len(p.buffer))
		if err := p.write(websocket.MessageBinary, p.buffer[:n]); err != nil {
			return err
		}
		p.buffer = append(p.buffer[:0], p.buffer[n:]...)
	}
	return nil
}

// write sends one message. A provider that does not read it in time ends the
// stream by that name, before the connection is closed: the reader would
// otherwise report a connection that was lost.
func (s *Stream) write(kind websocket.MessageType, data []byte) error {
	limit := time.AfterFunc(s.config.WriteTimeout, func() {
		s.fail(fmt.Errorf("%s: %w: it did not read for %v", s.config.Name, speech.ErrTimeout, s.config.WriteTimeout))
	})
	defer limit.Stop()
	if err := s.conn.Write(s.ctx, kind, data); err != nil && s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	return nil // a connection that broke: receive knows how
}
