package scheduler

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

const (
	// maxQueuedInputs of one call wait for the database; more are lost, and
	// said to be.
	maxQueuedInputs = 4096
	// gatherInputs is how long inputs of all calls gather for one write.
	gatherInputs = 200 * time.Millisecond
	// checkpointCalls is how many calls share a write at most.
	checkpointCalls = 256
	checkpointTime  = 10 * time.Second
)

// inputWriter writes the inputs of all calls behind their backs, many calls in
// one transaction: a call never waits for the database. It has a goroutine
// while there is something to write.
type inputWriter struct {
	store Store

	mu      sync.Mutex
	due     []*inputLog // with something queued, longest waiting first
	running bool
	hurry   chan struct{} // somebody waits for his last inputs
}

func newInputWriter(store Store) *inputWriter {
	return &inputWriter{store: store, hurry: make(chan struct{}, 1)}
}

// inputLog is the log of one call.
type inputLog struct {
	w   *inputWriter
	log *slog.Logger

	// Under w.mu.
	next    Inputs // what waits
	writing bool
	lost    int
	idle    sync.Cond
}

// open is the log of a call, whose next input is seq.
func (w *inputWriter) open(f Inputs, log *slog.Logger) *inputLog {
	l := &inputLog{w: w, log: log, next: f}
	l.idle.L = &w.mu
	return l
}

// Append queues one input.
func (l *inputLog) Append(r InputRecord) {
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(l.next.Records)
	if n >= maxQueuedInputs {
		l.lost++
		return
	}
	r.Seq = l.next.Seq + int64(n)
	l.next.Records = append(l.next.Records, r)
	if n == 0 {
		w.due = append(w.due, l)
	}
	if !w.running {
		w.running = true
		go w.run()
	}
}

// close returns when everything is written or lost.
func (l *inputLog) close() {
	w := l.w
	w.mu.Lock()
	for len(l.next.Records) > 0 || l.writing {
		select {
		case w.hurry <- struct{}{}:
		default:
		}
		l.idle.Wait()
	}
	lost := l.lost
	w.mu.Unlock()
	if lost > 0 {
		l.log.Error("inputs of this call are missing from its log: it cannot be replayed", "lost", lost)
	}
}

func (w *inputWriter) run() {
	for {
		timer := time.NewTimer(gatherInputs)
		select {
		case <-timer.C:
		case <-w.hurry:
		}
		timer.Stop()
		logs, batch := w.take()
		if len(logs) == 0 {
			return
		}
		w.settle(logs, batch, w.write(batch))
	}
}

// take takes what is written next; with nothing the goroutine ends.
func (w *inputWriter) take() (logs []*inputLog, batch []Inputs) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := min(len(w.due), checkpointCalls)
	logs = append(logs, w.due[:n]...)
	w.due = append(w.due[:0], w.due[n:]...)
	for _, l := range logs {
		batch = append(batch, l.next)
		l.next.Seq += int64(len(l.next.Records))
		l.next.Records, l.writing = nil, true
	}
	w.running = n > 0
	return logs, batch
}

// write says for each call why its inputs could not be written. A write that
// fails as a whole is tried call by call: one call's inputs must not cost all
// others theirs.
func (w *inputWriter) write(batch []Inputs) []error {
	ctx, cancel := context.WithTimeout(context.Background(), checkpointTime)
	defer cancel()
	refused, err := w.store.Checkpoint(ctx, batch)
	if err == nil {
		return refused
	}
	refused = make([]error, len(batch))
	if len(batch) == 1 {
		refused[0] = err
		return refused
	}
	alone, stop := context.WithTimeout(context.Background(), checkpointTime)
	defer stop()
	for i := range batch {
		one, err := w.store.Checkpoint(alone, batch[i:i+1])
		if refused[i] = err; err == nil {
			refused[i] = one[0]
		}
	}
	return refused
}

// settle tells who waits.
func (w *inputWriter) settle(logs []*inputLog, batch []Inputs, refused []error) {
	w.mu.Lock()
	for i, l := range logs {
		l.writing = false
		if refused[i] != nil {
			l.lost += len(batch[i].Records)
		}
		l.idle.Broadcast()
	}
	w.mu.Unlock()
	for i, l := range logs {
		if refused[i] != nil && !errors.Is(refused[i], ErrFenced) {
			l.log.Warn("inputs of a call could not be written", "count", len(batch[i].Records), "err", refused[i])
		}
	}
}
