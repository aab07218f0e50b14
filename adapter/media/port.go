package media

import (
	"context"
	"fmt"
	"time"

	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
)

// The websocket leg as pbx.Media.

// Format implements pbx.Media.
func (w *WebSocket) Format() audio.Format { return w.o.Format }

// Began implements pbx.Media.
func (w *WebSocket) Began() time.Time { return w.in.began() }

// ReadFrame implements pbx.Media.
func (w *WebSocket) ReadFrame(dst *audio.Frame) error { return w.in.read(dst) }

// WriteFrame implements pbx.Media.
func (w *WebSocket) WriteFrame(src audio.Frame) error {
	frames, err := wholeFrames(w.o.Format, len(src.Samples))
	if err != nil {
		return err
	}
	w.mu.Lock()
	flushes := w.flushes
	w.mu.Unlock()
	per := w.o.Format.FrameSamples()
	for at := int64(0); at < frames; {
		n, err := w.accept(src.Samples[int(at)*per:], frames-at, flushes)
		if err != nil {
			return err
		}
		at += n
	}
	return nil
}

// accept takes as many frames as there is room for, waiting for one at least.
func (w *WebSocket) accept(samples []int16, frames, flushes int64) (int64, error) {
	for {
		w.mu.Lock()
		if w.over {
			w.mu.Unlock()
			return 0, pbx.ErrGone
		}
		if w.flushes != flushes {
			w.mu.Unlock()
			return 0, pbx.ErrFlushed
		}
		room := min(maxQueued-w.waiting(time.Now()), frames)
		if room > 0 {
			var err error
			w.queue, err = audio.Encode(w.queue, samples[:int(room)*w.o.Format.FrameSamples()], w.o.Format.Encoding)
			if err == nil {
				w.written += room
			}
			w.mu.Unlock()
			w.poke()
			return room, err
		}
		space := w.space
		w.writers++
		w.mu.Unlock()
		select {
		case <-space:
		case <-w.done:
		}
	}
}

// waiting is how much speech is not yet played, in frames; needs the lock.
func (w *WebSocket) waiting(now time.Time) int64 {
	return int64(len(w.queue)/w.frameBytes) + w.book.speechWaiting(now)
}

// Drain implements pbx.Media.
func (w *WebSocket) Drain(ctx context.Context) error {
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return pbx.ErrGone
	}
	if len(w.queue) == 0 && !w.book.speechUnsettled() {
		w.mu.Unlock()
		return nil
	}
	d := &drain{until: w.written, done: make(chan error, 1)}
	w.drains = append(w.drains, d)
	w.mu.Unlock()
	w.poke()
	select {
	case err := <-d.done:
		return err
	case <-ctx.Done():
		return ctx.Err() // its place stays; the mark is thrown away when it comes
	}
}

// Flush implements pbx.Media. heard is exact when err is nil.
func (w *WebSocket) Flush() (time.Duration, error) {
	b := bargeIn{written: make(chan error, 1), answered: make(chan struct{})}
	select {
	case w.flush <- b:
	case <-w.done:
		return w.Played(), pbx.ErrGone
	}
	if err := <-b.written; err != nil {
		return w.Played(), fmt.Errorf("%w: %w", pbx.ErrUnknown, err)
	}
	t := time.NewTimer(flushTimeout)
	defer t.Stop()
	select {
	case <-b.answered:
		return w.Played(), nil
	case <-w.done:
		return w.Played(), pbx.ErrGone
	case <-t.C:
	}
	w.giveUp(b)
	return w.Played(), fmt.Errorf("%w: the queue was flushed, but how much was heard is an estimate", pbx.ErrUnknown)
}

// giveUp books a flush by the clock; its place among the questions stays.
func (w *WebSocket) giveUp(b bargeIn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.asked {
		if q := &w.asked[i]; q.flush && q.answered == b.answered {
			w.book.settle(q.sent - q.guess)
			w.book.drop(time.Now(), q.sent)
			q.flush, q.drops = false, -1
		}
	}
}

// Played implements pbx.Media.
func (w *WebSocket) Played() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, q := range w.asked {
		if q.flush {
			return w.paused
		}
	}
	return toTime(w.book.heardBy(time.Now()))
}

// Close implements pbx.Media.
func (w *WebSocket) Close() error {
	w.end(nil)
	return nil
}

// Begin implements Session.
func (w *WebSocket) Begin() { w.in.begin(time.Now()) }

// Abort implements Session.
func (w *WebSocket) Abort(err error) { w.end(err) }

// Done implements Session.
func (w *WebSocket) Done() <-chan struct{} { return w.done }

// Err implements Session.
func (w *WebSocket) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// end announces the end to everybody, once.
func (w *WebSocket) end(err error) {
	w.mu.Lock()
	if w.over {
		w.mu.Unlock()
		return
	}
	w.over, w.err = true, err
	for _, d := range w.drains {
		d.done <- pbx.ErrGone
	}
	w.drains = nil
	w.mu.Unlock()
	close(w.done)
	w.in.end()
	_ = w.conn.CloseNow()
	if err != nil {
		w.o.OnEnd(err)
	}
}
