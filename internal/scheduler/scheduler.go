package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"ringmaster/internal/campaign"
	"ringmaster/internal/compliance"
	"ringmaster/internal/pacing"
)

// ErrNotNow is wrapped by Prepare for what will pass: the attempt is given
// back. Any other error of Prepare ends the contact, with the error's words.
var ErrNotNow = errors.New("cannot be dialled at this moment")

// Caller turns attempts into calls.
type Caller interface {
	// Free is how many calls may be started now; 0 while no exchange is up.
	Free() int
	// Prepare readies everything that can be ready before the point of no
	// return: exchange, trunk, caller ID, script version, warm prompts.
	Prepare(ctx context.Context, a campaign.Attempt) (Call, error)
	// Adopt ends or takes over the leg of a placed attempt whose controller
	// died, and says what became of it.
	Adopt(ctx context.Context, a campaign.Attempt) (campaign.Outcome, error)
}

// Call is a prepared call. Exactly one of Run and Discard is called.
type Call interface {
	Placement() campaign.Placement
	// Act is what the gates judge.
	Act() compliance.Act
	// Run places the call and returns its one outcome.
	Run(ctx context.Context, log InputLog) campaign.Outcome
	Discard()
}

// InputLog keeps the inputs of a call. Append never blocks the call.
type InputLog interface{ Append(InputRecord) }

// Config of a scheduler. Zero values take the defaults of New.
type Config struct {
	Owner       string        // controller ID
	Pool        string        // default "default"
	Concurrency int           // live calls at most
	CPS         pacing.CPS    // over all trunks
	Tick        time.Duration // longest wait between looks at the database; default 1 s
	Heartbeat   time.Duration // default 2 s
	Dead        time.Duration // a controller silent for so long is dead; default 15 s
	Budget      Budget
	Rules       compliance.Rules
	Region      []string
}

// Scheduler claims, gates, places and runs attempts.
type Scheduler struct {
	cfg      Config
	store    Store
	caller   Caller
	messages func(campaign.Attempt, campaign.Outcome) []Message
	log      *slog.Logger
	wake     chan struct{}
	epoch    int64

	mu    sync.Mutex
	live  map[string]context.CancelFunc // by contact ID
	calls sync.WaitGroup
	stats Stats
}

// Stats count what a scheduler did since its start.
type Stats struct {
	Claimed, Placed, Finished, Postponed, Refused, Orphans, StoreErrors uint64
	Live                                                                int
}

// New makes a scheduler. messages builds what the outbox is to tell about an
// outcome; it may be nil.
func New(cfg Config, store Store, caller Caller, messages func(campaign.Attempt, campaign.Outcome) []Message, log *slog.Logger) *Scheduler {
	if cfg.Pool == "" {
		cfg.Pool = "default"
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 30
	}
	if cfg.Tick == 0 {
		cfg.Tick = time.Second
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 2 * time.Second
	}
	if cfg.Dead == 0 {
		cfg.Dead = 15 * time.Second
	}
	if messages == nil {
		messages = func(campaign.Attempt, campaign.Outcome) []Message { return nil }
	}
	return &Scheduler{cfg: cfg, store: store, caller: caller, messages: messages, log: log,
		wake: make(chan struct{}, 1), live: map[string]context.CancelFunc{}}
}

// Wake makes the scheduler look at the database now.
func (s *Scheduler) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Stats is a snapshot.
func (s *Scheduler) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.stats
	st.Live = len(s.live)
	return st
}

// Cancel hangs up the live call of a contact, if there is one.
func (s *Scheduler) Cancel(contact string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	cancel, ok := s.live[contact]
	if ok {
		cancel()
	}
	return ok
}

// Run works until ctx ends, then lets live calls finish until callCtx ends
// too (the grace), and returns when every call is over. callCtx must outlive
// ctx.
func (s *Scheduler) Run(ctx, callCtx context.Context) error {
	if err := s.register(ctx); err != nil {
		return err
	}
	beat, stopBeat := context.WithCancel(context.WithoutCancel(ctx))
	fenced := make(chan error, 1)
	var beating sync.WaitGroup
	beating.Go(func() { s.heartbeat(beat, fenced) })
	err := s.loop(ctx, callCtx, fenced)
	s.calls.Wait()
	stopBeat()
	beating.Wait()
	return err
}

func (s *Scheduler) register(ctx context.Context) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		epoch, err := s.store.Register(ctx, s.cfg.Owner)
		if err == nil {
			s.epoch = epoch
			return nil
		}
		s.storeError("register", err)
		if !sleep(ctx, wait) {
			return fmt.Errorf("scheduler: the database never answered: %w", err)
		}
	}
}

func (s *Scheduler) heartbeat(ctx context.Context, fenced chan<- error) {
	for sleep(ctx, s.cfg.Heartbeat) {
		err := s.store.Renew(ctx, s.cfg.Owner, s.epoch)
		switch {
		case errors.Is(err, ErrFenced):
			fenced <- fmt.Errorf("scheduler: another process runs as controller %q: give each its own id: %w", s.cfg.Owner, err)
			return
		case err != nil && ctx.Err() == nil:
			s.storeError("heartbeat", err)
		}
	}
}

func (s *Scheduler) loop(ctx, callCtx context.Context, fenced <-chan error) error {
	var rescued time.Time
	for {
		if time.Since(rescued) >= s.cfg.Heartbeat {
			s.rescue(ctx, callCtx)
			rescued = time.Now()
		}
		wait := s.round(ctx, callCtx)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case err := <-fenced:
			timer.Stop()
			return err
		case <-s.wake:
			timer.Stop()
		case <-timer.C:
		}
	}
}

// round starts what may be started now and returns how long to sleep.
func (s *Scheduler) round(ctx, callCtx context.Context) time.Duration {
	if _, err := s.store.Promote(ctx, time.Now(), 1000); err != nil {
		s.storeError("promote", err)
		return s.cfg.Tick
	}
	n := min(s.room(), s.caller.Free())
	asked := n
	if n > 0 {
		n = s.takeCPS(n)
	}
	claimed := 0
	if n > 0 {
		attempts, err := s.store.Claim(ctx, s.cfg.Pool, n, campaign.Fence{Owner: s.cfg.Owner, Epoch: s.epoch})
		if err != nil {
			s.storeError("claim", err)
		}
		claimed = len(attempts)
		s.returnCPS(n - claimed)
		for _, a := range attempts {
			s.start(callCtx, a)
		}
	}
	if claimed == n && n > 0 {
		return 0 // there may be more
	}
	return s.pause(ctx, asked > 0 && n == 0)
}

// pause is how long until something is due, at most a tick.
func (s *Scheduler) pause(ctx context.Context, paced bool) time.Duration {
	wait := s.cfg.Tick
	if paced {
		s.mu.Lock()
		wait = min(wait, s.cfg.CPS.Wait(time.Now()))
		s.mu.Unlock()
	}
	if due, err := s.store.NextDue(ctx); err == nil && !due.IsZero() {
		wait = min(wait, time.Until(due))
	}
	return max(wait, 5*time.Millisecond)
}

func (s *Scheduler) room() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.Concurrency - len(s.live)
}

func (s *Scheduler) takeCPS(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.CPS.Take(time.Now(), n)
}

func (s *Scheduler) returnCPS(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.CPS.Return(n)
}

func (s *Scheduler) start(callCtx context.Context, a campaign.Attempt) {
	ctx, cancel := context.WithCancel(callCtx)
	s.mu.Lock()
	s.stats.Claimed++
	s.live[a.Contact.ID.String()] = cancel
	s.mu.Unlock()
	s.calls.Go(func() {
		defer func() {
			cancel()
			s.mu.Lock()
			delete(s.live, a.Contact.ID.String())
			s.mu.Unlock()
			s.Wake()
		}()
		s.attempt(ctx, a)
	})
}

func (s *Scheduler) storeError(what string, err error) {
	s.mu.Lock()
	s.stats.StoreErrors++
	s.mu.Unlock()
	s.log.Error("the database refused a step of the scheduler; it is tried again", "step", what, "err", err)
}

func (s *Scheduler) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
