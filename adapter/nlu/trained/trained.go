package trained

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"ringmaster/internal/nlu"
	"ringmaster/internal/nlu/classify"
	"ringmaster/internal/nlu/opinion"
)

// Provider is the name in every Answer that a model had a part in.
const Provider = "trained"

// Options of the understander.
type Options struct {
	// Keyword answers until a model is ready, and finds the slots.
	Keyword nlu.Understander
	// Source gives all examples of a script version. nil: a model is trained
	// for each set of expectations that is asked with.
	Source func(ctx context.Context, tenant, script, version string) ([]classify.Example, error)
	// Models is how many are kept (the least lately used goes first); 0: 64.
	Models int
	// Workers that one training may use; 0: 1, because calls are going on.
	Workers int
	Log     *slog.Logger // nil: silent
}

// Understander answers by keyword and model. Trainings run one after another
// in the background; Close ends them.
type Understander struct {
	o      Options
	ctx    context.Context //nolint:containedctx // the life of background trainings
	cancel context.CancelFunc
	wg     sync.WaitGroup
	turn   chan struct{} // held by the training that runs

	mu     sync.Mutex
	models map[string]*entry
	clock  uint64
	closed bool
}

type entry struct {
	used  uint64
	ready chan struct{}
	model *classify.Model // nil after ready: it could not be trained
	err   error
	again time.Time // when a training that failed is tried again
	told  bool      // it was logged that keywords answer meanwhile
}

// retry is how long a training that failed is left alone.
const retry = time.Minute

// New gives an understander that answers at once, by keyword.
func New(o Options) *Understander {
	if o.Models <= 0 {
		o.Models = 64
	}
	if o.Workers <= 0 {
		o.Workers = 1
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	u := &Understander{o: o, turn: make(chan struct{}, 1), models: map[string]*entry{}}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	return u
}

var _ nlu.Understander = (*Understander)(nil)

// Close ends trainings and waits for them.
func (u *Understander) Close() {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	u.cancel()
	u.wg.Wait()
}

// key of the model that a question needs.
func (u *Understander) key(q nlu.Question) string {
	if u.o.Source != nil {
		return q.Tenant + "\x00" + q.Script + "\x00" + q.Version
	}
	h := sha256.New()
	for _, e := range q.Expect {
		fmt.Fprintf(h, "%q%q%q", e.Intent, e.Keywords, e.Examples)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Train trains the model of a script version and waits for it: what publishing
// a script calls, so that its first call finds the model ready.
func (u *Understander) Train(ctx context.Context, q nlu.Question) error {
	e := u.entry(q)
	if e == nil {
		return fmt.Errorf("%w: it is shutting down", nlu.ErrUnavailable)
	}
	select {
	case <-e.ready:
		return e.err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", nlu.ErrTimeout, ctx.Err())
	}
}

// Ready says whether the model of a question is there.
func (u *Understander) Ready(q nlu.Question) bool {
	u.mu.Lock()
	e := u.models[u.key(q)]
	u.mu.Unlock()
	return e != nil && e.trained() != nil
}

// Prepare starts the training of a script version, if it is not there, and
// does not wait.
func (u *Understander) Prepare(q nlu.Question) { u.entry(q) }

// Stats of the models that are kept.
type Stats struct{ Ready, Training, Failed int }

// Stats counts models by their state now.
func (u *Understander) Stats() Stats {
	u.mu.Lock()
	defer u.mu.Unlock()
	var s Stats
	for _, e := range u.models {
		select {
		case <-e.ready:
			if e.model != nil {
				s.Ready++
			} else {
				s.Failed++
			}
		default:
			s.Training++
		}
	}
	return s
}

// tell logs once that a version is answered by keywords alone.
func (u *Understander) tell(e *entry, q nlu.Question) {
	u.mu.Lock()
	told := e.told
	e.told = true
	u.mu.Unlock()
	if !told {
		u.o.Log.Info("keywords alone answer until the model is ready", "script", q.Script, "version", q.Version)
	}
}

func (e *entry) trained() *classify.Model {
	select {
	case <-e.ready:
		return e.model
	default:
		return nil
	}
}

// stale: it failed, and it is time to try again.
func (e *entry) stale() bool {
	select {
	case <-e.ready:
		return e.err != nil && !time.Now().Before(e.again)
	default:
		return false
	}
}

// Understand answers at once: by keyword alone until the model is ready. Its
// only error is that of a context that has ended.
func (u *Understander) Understand(ctx context.Context, q nlu.Question) (nlu.Answer, error) {
	words, err := u.o.Keyword.Understand(ctx, q)
	if err != nil {
		return words, err
	}
	e := u.entry(q)
	if e == nil || words.Reason == "nothing was said" {
		return words, nil
	}
	m := e.trained()
	if m == nil {
		u.tell(e, q)
		return words, nil
	}
	return opinion.Merge(q, words, think(m, q.Said)), nil
}

// think gives the model's opinion.
func think(m *classify.Model, said string) opinion.Model {
	p := m.Predict(said, 5)
	o := opinion.Model{Provider: Provider, Unknown: !p.Known || p.Label == other}
	if o.Unknown {
		o.Reason = "like nothing that the model knows"
		return o
	}
	o.Reason = fmt.Sprintf("model says %s with %.2f", p.Label, p.Confidence)
	for i, s := range p.Ranked {
		c := nlu.Candidate{Intent: nlu.Intent(s.Label), Confidence: s.Probability}
		if i == 0 {
			c.Confidence = p.Confidence
		} else {
			c.Confidence = min(c.Confidence, 1-p.Confidence)
		}
		if s.Label != other {
			o.Candidates = append(o.Candidates, c)
		}
	}
	return o
}

// entry finds the model's place, or makes one and starts the training.
func (u *Understander) entry(q nlu.Question) *entry {
	key := u.key(q)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.clock++
	e := u.models[key]
	if e != nil && !e.stale() {
		e.used = u.clock
		return e
	}
	if u.closed {
		return nil
	}
	if e == nil {
		u.evict(u.o.Models - 1)
	}
	e = &entry{used: u.clock, ready: make(chan struct{})}
	u.models[key] = e
	tenant, script, version := q.Tenant, q.Script, q.Version
	var expect []nlu.Expectation
	if u.o.Source == nil {
		expect = slices.Clone(q.Expect)
	}
	u.wg.Go(func() { u.train(e, tenant, script, version, expect) })
	return e
}

// evict drops the least lately used models until keep are left; those in
// training stay.
func (u *Understander) evict(keep int) {
	for len(u.models) > keep {
		oldest := ""
		for k, e := range u.models {
			select {
			case <-e.ready:
				if oldest == "" || e.used < u.models[oldest].used {
					oldest = k
				}
			default:
			}
		}
		if oldest == "" {
			return
		}
		delete(u.models, oldest)
	}
}

func (u *Understander) train(e *entry, tenant, script, version string, expect []nlu.Expectation) {
	defer close(e.ready)
	e.again = time.Now().Add(retry)
	select {
	case u.turn <- struct{}{}:
		defer func() { <-u.turn }()
	case <-u.ctx.Done():
		e.err = fmt.Errorf("%w: it is shutting down", nlu.ErrUnavailable)
		return
	}
	own := Examples(expect)
	if u.o.Source != nil {
		if own, e.err = u.o.Source(u.ctx, tenant, script, version); e.err != nil {
			u.o.Log.Warn("no examples for a model; keywords answer", "script", script, "version", version, "err", e.err)
			return
		}
	}
	all, err := withCommon(own)
	if err == nil {
		e.model, err = classify.Train(u.ctx, all, classify.Options{Workers: u.o.Workers})
	}
	if e.err = err; err != nil {
		u.o.Log.Warn("a model could not be trained; keywords answer", "script", script, "version", version, "err", err)
		return
	}
	u.o.Log.Info("model trained", "script", script, "version", version, "examples", len(all), "labels", len(e.model.Labels()))
}
