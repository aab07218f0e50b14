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
	Lease    time.Duration // default 1 min
	Timeout  time.Duration // of one delivery; default 10 s
	MaxTries int           // then it is buried; default 15
	Tick     time.Duration // longest wait between looks; default 1 s
}

// Worker delivers what the store holds.
type Worker struct {
	cfg   Config
	store Store
	send  Sender
	log   *slog.Logger
	wake  chan struct{}

	mu    sync.Mutex
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
		cfg.Lease = time.Minute
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
	return &Worker{cfg: cfg, store: store, send: send, log: log, wake: make(chan struct{}, 1)}
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

// Run delivers until ctx ends, and returns when no delivery is under way. A
// slow receiver holds one of Parallel places and blocks no other receiver.
func (w *Worker) Run(ctx context.Context) error {
	places := make(chan struct{}, w.cfg.Parallel)
	var busy sync.WaitGroup
	defer busy.Wait()
	for {
		free := w.cfg.Parallel - len(places)
		leased := 0
		if free > 0 {
			ds, err := w.store.Lease(ctx, w.cfg.Owner, min(free, w.cfg.Batch), w.cfg.Lease)
			if err != nil && ctx.Err() == nil {
				w.log.Error("outbox cannot be read; it is tried again", "err", err)
			}
			leased = len(ds)
			for _, d := range ds {
				places <- struct{}{}
				busy.Go(func() {
					defer func() { <-places; w.Wake() }()
					w.deliver(ctx, d)
				})
			}
		}
		if leased > 0 && leased == free {
			continue
		}
		timer := time.NewTimer(w.cfg.Tick)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-w.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

func (w *Worker) deliver(ctx context.Context, d Delivery) {
	sendCtx, cancel := context.WithTimeout(ctx, w.cfg.Timeout)
	status, err := w.send.Send(sendCtx, d)
	cancel()
	// What became of it is written even while we shut down.
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	log := w.log.With("message", d.ID, "event", d.Event, "destination", d.Destination, "tries", d.Tries+1)
	var write error
	switch why := ""; {
	case err == nil:
		w.count(func(s *Stats) { s.Delivered++ })
		write = w.store.Delivered(ctx, w.cfg.Owner, d.ID, status)
	case errors.Is(err, ErrPermanent):
		why = err.Error()
		fallthrough
	case d.Tries+1 >= w.cfg.MaxTries:
		fallthrough
	case errors.Is(err, ErrNoAnswer) && !w.send.Idempotent(d.Destination):
		if why == "" {
			why = err.Error()
		}
		w.count(func(s *Stats) { s.Buried++ })
		log.Error("message is a dead letter: mend the receiver, then re-drive it", "err", err)
		write = w.store.Bury(ctx, w.cfg.Owner, d.ID, why)
	default:
		w.count(func(s *Stats) { s.Retried++ })
		at := time.Now().Add(Backoff(d.Tries + 1))
		log.Warn("message could not be delivered; it is tried again", "at", at, "err", err)
		write = w.store.Retry(ctx, w.cfg.Owner, d.ID, at, err.Error())
	}
	if write != nil {
		log.Error("delivery could not be written down; the message may be sent once more", "err", write)
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
