package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// ErrPermanent is wrapped by a Sender for what no retry can mend: the message
// is buried at once.
var ErrPermanent = errors.New("receiver will never take this message")

// ErrNoAnswer is wrapped by a Sender when the message was sent and no answer
// came. It is resent only to a receiver that honours the message ID.
var ErrNoAnswer = errors.New("receiver gave no answer: it may have the message already")

// Sender delivers one message; status is the receiver's own code, for the log.
type Sender interface {
	Send(ctx context.Context, d Delivery) (status int, err error)
	// Idempotent says whether a destination drops a second copy by message ID.
	Idempotent(destination string) bool
}

// Config of a worker. Zero values take the defaults of New.
type Config struct {
	Owner    string
	Batch    int           // messages leased at once; default 32
	Parallel int           // deliveries at once; default 16
	Lease    time.Duration // longer than Timeout and writing down what came of it; default 25 s
	Timeout  time.Duration // of one delivery; default 10 s
	MaxTries int           // then it is buried; default 15
	Tick     time.Duration // longest wait between looks; default 1 s
	Flush    time.Duration // how long Run goes on with what is due when it is to end; default 5 s
}

// Worker delivers what the store holds.
type Worker struct {
	cfg   Config
	store Store
	send  Sender
	log   *slog.Logger
	wake  chan struct{}

	mu    sync.Mutex
	busy  map[string]int // deliveries under way, by destination
	stats Stats
}

// Stats since the start.
type Stats struct{ Delivered, Retried, Buried uint64 }

// New makes a worker.
func New(cfg Config, store Store, send Sender, log *slog.Logger) *Worker {
	if cfg.Batch == 0 {
		cfg.Batch = 32
	}
	if cfg.Parallel == 0 {
		cfg.Parallel = 16
	}
	if cfg.Lease == 0 {
		cfg.Lease = 25 * time.Second
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 10 * time.Second
	}
	if cfg.MaxTries == 0 {
		cfg.MaxTries = 15
	}
	if cfg.Tick == 0 {
		cfg.Tick = time.Second
	}
	if cfg.Flush == 0 {
		cfg.Flush = 5 * time.Second
	}
	return &Worker{cfg: cfg, store: store, send: send, log: log, wake: make(chan struct{}, 1), busy: map[string]int{}}
}

// Wake makes the worker look at the store now.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Stats is a snapshot.
func (w *Worker) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

// Run delivers until ctx ends; then it goes on with what is due for at most
// Config.Flush, and returns when no delivery is under way. A slow receiver
// holds at most a quarter of the Parallel places and blocks no other.
func (w *Worker) Run(ctx context.Context) error {
	var deliveries sync.WaitGroup
	defer deliveries.Wait()
	for {
		leased, full := w.round(ctx, &deliveries)
		if leased > 0 && full {
			continue // there may be more
		}
		timer := time.NewTimer(w.cfg.Tick)
		select {
		case <-ctx.Done():
			timer.Stop()
			w.flush(&deliveries)
			return nil
		case <-w.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// flush delivers what is due, until nothing is or the time is over.
func (w *Worker) flush(deliveries *sync.WaitGroup) {
	ctx, cancel := context.WithTimeout(context.Background(), w.cfg.Flush)
	defer cancel()
	for ctx.Err() == nil {
		if leased, _ := w.round(ctx, deliveries); leased > 0 {
			continue
		}
		if w.idle() {
			return
		}
		select { // the end of a delivery may make the next one due
		case <-w.wake:
		case <-ctx.Done():
		}
	}
}

// round leases what there is room for and starts delivering it. full says
// that the room was the limit.
func (w *Worker) round(ctx context.Context, deliveries *sync.WaitGroup) (leased int, full bool) {
	n, except := w.room()
	if n == 0 || ctx.Err() != nil {
		return 0, false
	}
	leaseCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	due, err := w.store.NextDue(leaseCtx) // nothing waits: no write transaction for it
	var ds []Delivery
	if err == nil && !due.IsZero() {
		ds, err = w.store.Lease(leaseCtx, w.cfg.Owner, n, w.cfg.Lease, except...)
	}
	if err != nil {
		w.log.Error("outbox cannot be read; it is tried again", "err", err)
		return 0, false
	}
	for _, d := range ds {
		w.take(d.Destination, 1)
		deliveries.Go(func() {
			defer func() { w.take(d.Destination, -1); w.Wake() }()
			w.deliver(d)
		})
	}
	return len(ds), len(ds) == n
}

// room is how many messages may be leased, and the receivers that have their
// share already. The lease is no larger than one share, so that it cannot
// exceed it by more than that.
func (w *Worker) room() (n int, except []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	busy := 0
	n = w.share()
	for destination, m := range w.busy {
		busy += m
		if m >= w.share() {
			except = append(except, destination)
		} else {
			n = min(n, w.share()-m)
		}
	}
	return max(0, min(n, w.cfg.Parallel-busy, w.cfg.Batch)), except
}

func (w *Worker) share() int { return max(1, w.cfg.Parallel/4) }

func (w *Worker) idle() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.busy) == 0
}

func (w *Worker) take(destination string, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.busy[destination] += n; w.busy[destination] == 0 {
		delete(w.busy, destination)
	}
}

// deliver sends one message and writes down what came of it. It is not cut
// off by our own end: whether it had arrived could not be known.
func (w *Worker) deliver(d Delivery) {
	status, err := 0, ErrNoAnswer
	if !d.Lapsed || w.send.Idempotent(d.Destination) {
		ctx, cancel := context.WithTimeout(context.Background(), w.cfg.Timeout)
		status, err = w.send.Send(ctx, d)
		cancel()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	log := w.log.With("message", d.ID, "event", d.Event, "destination", d.Destination, "tries", d.Tries+1)
	var write error
	switch {
	case err == nil:
		w.count(func(s *Stats) { s.Delivered++ })
		write = w.store.Delivered(ctx, w.cfg.Owner, d.ID, status)
	case errors.Is(err, ErrPermanent), d.Tries+1 >= w.cfg.MaxTries, errors.Is(err, ErrNoAnswer) && !w.send.Idempotent(d.Destination):
		w.count(func(s *Stats) { s.Buried++ })
		log.Error("message is a dead letter: mend the receiver, then re-drive it", "err", err)
		write = w.store.Bury(ctx, w.cfg.Owner, d.ID, err.Error())
	default:
		w.count(func(s *Stats) { s.Retried++ })
		at := time.Now().Add(Backoff(d.Tries + 1))
		log.Warn("message could not be delivered; it is tried again", "at", at, "err", err)
		write = w.store.Retry(ctx, w.cfg.Owner, d.ID, at, err.Error())
	}
	if write != nil {
		log.Error("delivery could not be written down; it is done over when its lease ends", "err", write)
	}
}

func (w *Worker) count(f func(*Stats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.stats)
}

// Backoff is how long to wait after the n-th failure: 1 s doubling to 1 h,
// with a fifth of jitter.
func Backoff(n int) time.Duration {
	d := time.Hour
	if n < 13 {
		d = min(d, time.Second<<max(0, n-1))
	}
	return d + time.Duration(rand.Int64N(int64(d)/5+1))
}
