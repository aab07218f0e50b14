package live

import (
	"context"
	"io"
	"slices"
	"sync"

	"ringmaster/internal/audio"
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
