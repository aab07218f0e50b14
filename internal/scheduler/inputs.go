package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"ringmaster/internal/campaign"
)

// inputWriter writes a call's inputs behind the call's back, in batches: the
// call never waits for the database. What cannot be written is counted and
// said, and the call goes on.
type inputWriter struct {
	store Store
	fence campaign.Fence
	log   *slog.Logger

	mu     sync.Mutex
	queue  []InputRecord
	seq    int64
	lost   int
	wake   chan struct{}
	done   chan struct{}
	closed bool
}

const maxQueuedInputs = 4096

func newInputWriter(store Store, f campaign.Fence, log *slog.Logger, seq int64) *inputWriter {
	w := &inputWriter{store: store, fence: f, log: log, seq: seq, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go w.run()
	return w
}

// Append queues one input.
func (w *inputWriter) Append(r InputRecord) {
	w.mu.Lock()
	if len(w.queue) < maxQueuedInputs {
		w.queue = append(w.queue, r)
	} else {
		w.lost++
	}
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *inputWriter) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	<-w.done
	if w.lost > 0 {
		w.log.Error("inputs of this call are missing from its log: it cannot be replayed", "lost", w.lost)
	}
}

func (w *inputWriter) run() {
	defer close(w.done)
	for {
		<-w.wake
		// Let a burst gather: one write for many inputs.
		timer := time.NewTimer(200 * time.Millisecond)
		for gathering := !w.isClosed(); gathering; {
			select {
			case <-timer.C:
				gathering = false
			case <-w.wake:
				gathering = !w.isClosed()
			}
		}
		timer.Stop()
		if w.flush() {
			return
		}
	}
}

func (w *inputWriter) isClosed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

// flush writes what is queued and reports whether that was the last.
func (w *inputWriter) flush() bool {
	w.mu.Lock()
	batch, closed := w.queue, w.closed
	w.queue = nil
	seq := w.seq
	w.seq += int64(len(batch))
	w.mu.Unlock()
	if len(batch) > 0 {
		for i := range batch {
			batch[i].Seq = seq + int64(i)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		err := w.store.Checkpoint(ctx, w.fence, seq, batch)
		cancel()
		if err != nil {
			w.mu.Lock()
			w.lost += len(batch)
			w.mu.Unlock()
			if !errors.Is(err, ErrFenced) {
				w.log.Warn("inputs of a call could not be written", "count", len(batch), "err", err)
			}
		}
	}
	return closed
}
