package openai

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// synthesis reads one answer. It has no goroutine: Read reads from the
// connection, a timer cancels it when nothing comes, Close cancels it at once.
type synthesis struct {
	s      *Synthesizer
	ctx    context.Context
	cancel context.CancelCauseFunc
	timer  *time.Timer
	rate   int // asked for
	body   io.ReadCloser
	read   func(dst []int16) (int, error) // samples at the provider's rate
	up     *audio.Resampler
	in     []int16
	out    []int16
	taken  int64 // samples at rate
	done   bool  // the answer has been read to its end
	once   sync.Once
}

var errClosed = errors.New("the synthesis is closed")

// begin waits for the first bytes and finds out what they are.
func (s *synthesis) begin() error {
	r := bufio.NewReaderSize(s.body, 8<<10)
	head, err := r.Peek(4)
	s.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) {
		return s.s.failure(s.ctx, err)
	}
	rate := s.s.cfg.Rate
	s.read = (&pcm{r: r}).Read
	switch {
	case bytes.Equal(head, []byte("RIFF")):
		w, err := audio.NewWAVReader(r)
		if err != nil || w.Tracks != 1 {
			return s.protocol("a WAV file that cannot be used: %v", err)
		}
		rate, s.read = w.Rate, w.Read
	case len(head) > 0 && bytes.ContainsAny(head[:1], "{<"), bytes.HasPrefix(head, []byte("ID3")), bytes.Equal(head, []byte("OggS")), bytes.Equal(head, []byte("fLaC")):
		return s.protocol("%.4q... where samples were asked for: does this server offer response_format pcm?", head)
	}
	if s.up, err = audio.NewResampler(rate, s.rate); err != nil {
		return s.protocol("samples of %d Hz: %v", rate, err)
	}
	s.in = make([]int16, 2048)
	return nil
}

func (s *synthesis) protocol(format string, args ...any) error {
	return fmt.Errorf("%w: %s answers with "+format, append([]any{speech.ErrProtocol, s.s.cfg.Name}, args...)...)
}

// Read implements speech.Synthesis.
func (s *synthesis) Read(dst []int16) (int, error) {
	if s.ctx != nil && s.ctx.Err() != nil && !s.done {
		return 0, context.Cause(s.ctx)
	}
	for len(s.out) == 0 {
		if s.done {
			return 0, io.EOF
		}
		if err := s.more(); err != nil {
			return 0, err
		}
	}
	n := copy(dst, s.out)
	s.out = s.out[n:]
	return n, nil
}

// more takes the next piece of the answer.
func (s *synthesis) more() error {
	late := time.AfterFunc(s.s.cfg.Stall, s.stalled)
	n, err := s.read(s.in)
	late.Stop()
	s.out = s.up.Write(s.out[:0], s.in[:n])
	s.taken += int64(len(s.out))
	if float64(s.taken) > s.s.cfg.MaxAudio.Seconds()*float64(s.rate) {
		return fmt.Errorf("%w: more than %v of audio", ErrTooLong, s.s.cfg.MaxAudio)
	}
	switch {
	case errors.Is(err, io.EOF):
		s.out, s.done = s.up.Flush(s.out), true
		return nil
	case err != nil:
		return s.s.failure(s.ctx, err)
	}
	return nil
}

func (s *synthesis) stalled() {
	s.cancel(fmt.Errorf("%w: %s stopped in mid-utterance for %v", speech.ErrTimeout, s.s.cfg.Name, s.s.cfg.Stall))
}

// Marks implements speech.Synthesis: the endpoint tells no times.
func (s *synthesis) Marks() []speech.Mark { return nil }

// Close ends the request.
func (s *synthesis) Close() error {
	s.once.Do(func() {
		s.cancel(errClosed)
		if s.timer != nil {
			s.timer.Stop()
		}
		if s.body != nil {
			_ = s.body.Close() // the answer is not wanted any more
		}
	})
	return nil
}

// pcm reads 16-bit little-endian samples however the bytes are cut.
type pcm struct {
	r    io.Reader
	buf  [4096]byte
	have int
}

// Read gives at least one sample, or an error. An odd byte at the end is lost.
func (p *pcm) Read(dst []int16) (int, error) {
	want := min(2*len(dst), len(p.buf))
	for p.have < 2 {
		n, err := p.r.Read(p.buf[p.have:want])
		p.have += n
		if err != nil && p.have < 2 {
			return 0, err
		}
	}
	n := p.have / 2
	for i := range n {
		dst[i] = int16(binary.LittleEndian.Uint16(p.buf[2*i:])) //nolint:gosec // the sign is the sample's
	}
	if p.have%2 == 1 {
		p.buf[0] = p.buf[p.have-1]
	}
	p.have %= 2
	return n, nil
}
