package dashscope

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// fallbackRate is asked for when the service does not offer the utterance's.
const fallbackRate = 24000

// synthesis reads one task. It has no goroutine: Read reads from the connection,
// a timer cancels it when nothing comes, Close cancels it at once.
type synthesis struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelCauseFunc
	from   int // Hz asked of the service
	to     int // Hz of the utterance
	task   *task
	next   func(context.Context) (event string, data []byte, err error)
	up     *audio.Resampler
	odd    []byte // half a sample that waits for the next message
	in     []int16
	out    []int16
	taken  int64 // samples given out
	done   bool  // the task has ended well
	once   sync.Once
}

var errClosed = errors.New("the synthesis is closed")

func newSynthesis(ctx context.Context, cancel context.CancelCauseFunc, cfg Config, rate int) (*synthesis, error) {
	s := &synthesis{cfg: cfg, ctx: ctx, cancel: cancel, from: rate, to: rate}
	if !slices.Contains([]int{8000, 16000, 22050, 24000, 44100, 48000}, rate) {
		s.from = fallbackRate
	}
	var err error
	if s.up, err = audio.NewResampler(s.from, s.to); err != nil {
		return nil, fmt.Errorf("%w: %w", speech.ErrUnsupported, err)
	}
	return s, nil
}

// begin opens the task, gives it the text and waits for the first samples.
func (s *synthesis) begin(run runTask, text string) error {
	t, err := dial(s.ctx, s.cfg.Client, s.cfg.URL, s.cfg.Token)
	if err != nil {
		return err
	}
	s.task, s.next = t, t.next
	if err := t.send(s.ctx, "run-task", run); err != nil {
		return err
	}
	switch e, _, err := t.next(s.ctx); {
	case err != nil:
		return err
	case e != taskStarted:
		return fmt.Errorf("%w: %q before task-started", speech.ErrProtocol, e)
	}
	if err := t.send(s.ctx, "continue-task", more{input{text}}); err != nil {
		return err
	}
	if err := t.send(s.ctx, "finish-task", more{}); err != nil {
		return err
	}
	return s.more()
}

// Read implements speech.Synthesis.
func (s *synthesis) Read(dst []int16) (int, error) {
	if s.ctx != nil && s.ctx.Err() != nil && !s.done {
		return 0, context.Cause(s.ctx)
	}
	if len(s.out) == 0 && !s.done {
		late := time.AfterFunc(s.cfg.Stall, s.stalled)
		err := s.more()
		late.Stop()
		if err != nil {
			return 0, err
		}
	}
	if len(s.out) == 0 {
		return 0, io.EOF
	}
	n := copy(dst, s.out)
	s.out = s.out[n:]
	return n, nil
}

// more waits until there are samples or the task has ended, whatever else comes.
func (s *synthesis) more() error {
	for len(s.out) == 0 && !s.done {
		e, data, err := s.next(s.ctx)
		switch {
		case err != nil:
			return err
		case e == taskFinished:
			s.out, s.done = s.up.Flush(s.out), true
		case e == taskStarted:
			return fmt.Errorf("%w: a second task-started", speech.ErrProtocol)
		case e == "":
			s.take(data)
		}
		s.taken += int64(len(s.out))
		if float64(s.taken) > s.cfg.MaxAudio.Seconds()*float64(s.to) {
			return fmt.Errorf("%w: more than %v of audio", ErrTooLong, s.cfg.MaxAudio)
		}
	}
	return nil
}

// take makes samples of 16-bit little-endian bytes, however they are cut.
func (s *synthesis) take(data []byte) {
	data = append(s.odd, data...)
	s.in = s.in[:0]
	for ; len(data) >= 2; data = data[2:] {
		s.in = append(s.in, int16(binary.LittleEndian.Uint16(data))) //nolint:gosec // the sign is the sample's
	}
	s.odd = append([]byte(nil), data...)
	s.out = s.up.Write(s.out[:0], s.in)
}

func (s *synthesis) stalled() {
	s.cancel(fmt.Errorf("%w: %s stopped in mid-utterance for %v", speech.ErrTimeout, s.cfg.Name, s.cfg.Stall))
}

// Marks implements speech.Synthesis: there are none.
func (s *synthesis) Marks() []speech.Mark { return nil }

// Close ends the task.
func (s *synthesis) Close() error {
	s.once.Do(func() {
		s.cancel(errClosed)
		if s.task != nil {
			s.task.close()
		}
	})
	return nil
}
