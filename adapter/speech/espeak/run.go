package espeak

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/speech"
)

// wordsPerMinute is the program's normal speed.
const wordsPerMinute = 175

// command is the program with fixed arguments, killed when ctx ends.
func (s *Synthesizer) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.program, args...)
	cmd.WaitDelay = time.Second
	return cmd
}

// run speaks one part and returns 16-bit samples and their rate.
func (s *Synthesizer) run(ctx context.Context, p part, speed float64) ([]int16, int, error) {
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-ctx.Done():
		return nil, 0, context.Cause(ctx)
	}
	if speed == 0 {
		speed = 1
	}
	running, stop := context.WithCancel(ctx) // kills the program when its audio gets too long
	defer stop()
	cmd := s.command(running, "-b", "1", "-v", p.voice, "-s", strconv.Itoa(int(wordsPerMinute*speed+0.5)), "--stdin", "--stdout")
	cmd.Stdin = strings.NewReader(p.text)
	said := &tail{limit: 2 << 10}
	cmd.Stderr = said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", speech.ErrUnavailable, err)
	}
	if err := cmd.Start(); err != nil {
		if ctx.Err() != nil {
			return nil, 0, context.Cause(ctx)
		}
		return nil, 0, fmt.Errorf("%w: espeak-ng does not start: %w", speech.ErrUnavailable, err)
	}
	samples, rate, readErr := s.collect(out)
	if readErr != nil {
		stop()
	}
	waitErr := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, 0, context.Cause(ctx)
	case readErr != nil:
		return nil, 0, readErr
	case waitErr != nil:
		return nil, 0, fmt.Errorf("%w: espeak-ng: %w: %s", speech.ErrProtocol, waitErr, strings.TrimSpace(said.String()))
	}
	return samples, rate, nil
}

// collect reads the program's WAV. No output at all is no audio: that is how
// the program answers text in which there is nothing to pronounce.
func (s *Synthesizer) collect(r io.Reader) ([]int16, int, error) {
	out := bufio.NewReader(r)
	if first, _ := out.Peek(1); len(first) == 0 {
		return nil, defaultRate, nil
	}
	in, err := audio.NewWAVReader(out)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", speech.ErrProtocol, err)
	}
	if in.Tracks != 1 {
		return nil, 0, fmt.Errorf("%w: %d tracks", speech.ErrProtocol, in.Tracks)
	}
	limit := int(s.cfg.MaxAudio.Seconds() * float64(in.Rate))
	var samples []int16
	buf := make([]int16, 8192)
	for {
		n, err := in.Read(buf)
		samples = append(samples, buf[:n]...)
		if len(samples) > limit {
			return nil, 0, fmt.Errorf("%w: more than %v of audio", ErrTooLong, s.cfg.MaxAudio)
		}
		if errors.Is(err, io.EOF) {
			return samples, in.Rate, nil
		}
		if err != nil {
			return nil, 0, fmt.Errorf("%w: %w", speech.ErrProtocol, err)
		}
	}
}

// defaultRate is the program's own sample rate.
const defaultRate = 22050

// tail keeps the last bytes written to it.
type tail struct {
	bytes.Buffer
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	if len(p) > t.limit {
		p = p[len(p)-t.limit:]
	}
	if over := t.Len() + len(p) - t.limit; over > 0 {
		t.Next(over)
	}
	_, _ = t.Buffer.Write(p) // a bytes.Buffer does not fail
	return n, nil
}
