package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

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
	// Adopt takes over or ends the leg of a placed attempt whose controller
	// died, and says what became of it. A call that goes on opens its log, once,
	// at the number of its next input. An error says that nothing was done yet.
	Adopt(ctx context.Context, a campaign.Attempt, open func(seq int64) InputLog) (campaign.Outcome, error)
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
	Last        time.Duration // how long writes are still tried after callCtx ended; default 15 s
	Rules       compliance.Rules
}

// Scheduler claims, gates, places and runs attempts.
type Scheduler struct {
	cfg      Config
	store    Store
	caller   Caller
	messages func(campaign.Attempt, campaign.Outcome) []Message
	log      *slog.Logger
	inputs   *inputWriter
	wake     chan struct{}
	epoch    int64
	beaten   atomic.Int64    // Unix nanoseconds of the last heartbeat that was written
	closing  <-chan struct{} // of callCtx: calls are hung up now

	mu    sync.Mutex
	live  map[string]liveCall  // by contact ID
	put   map[uuid.UUID]putOff // by contact
	calls sync.WaitGroup
	stats Stats
	// taking is the context of calls that come in; nil while none is taken.
	taking context.Context //nolint:containedctx // of the whole Run, handed over by it
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
	if cfg.Last == 0 {
		cfg.Last = 15 * time.Second
	}
	if messages == nil {
		messages = func(campaign.Attempt, campaign.Outcome) []Message { return nil }
	}
	return &Scheduler{cfg: cfg, store: store, caller: caller, messages: messages, log: log, inputs: newInputWriter(store),
		wake: make(chan struct{}, 1), live: map[string]liveCall{}, put: map[uuid.UUID]putOff{}}
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
	call, ok := s.live[contact]
	if ok {
		call.cancel()
	}
	return ok
}

// liveCall is a call under way on this controller.
type liveCall struct {
	tenant string
	cancel context.CancelFunc
}

// HangUp hangs up the live calls of a tenant on this controller (of every one
// when it is empty) and says how many there were.
func (s *Scheduler) HangUp(tenant string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, call := range s.live {
		if tenant == "" || call.tenant == tenant {
			call.cancel()
			n++
		}
	}
	return n
}

// Run works until ctx ends, then lets live calls finish until callCtx ends
// too (the grace), and returns when every call is over. callCtx must outlive
// ctx. When another process takes this controller's ID it ends the live calls
// and returns an error: the other one hangs them up anyway.
func (s *Scheduler) Run(ctx, callCtx context.Context) error {
	if err := s.register(ctx); err != nil {
		return err
	}
	callCtx, endCalls := context.WithCancel(callCtx)
	defer endCalls()
	s.closing = callCtx.Done()
	beat, stopBeat := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBeat()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	fenced := make(chan error, 1)
	var beating, rescuing sync.WaitGroup
	beating.Go(func() { s.heartbeat(beat, fenced) })
	rescuing.Go(func() { s.rescuer(ctx, callCtx) })
	s.open(callCtx)
	err := s.loop(ctx, callCtx, fenced)
	s.shut()
	if err != nil {
		endCalls()
	}
	stop()
	rescuing.Wait()
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
			s.beaten.Store(time.Now().UnixNano())
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
		case err == nil:
			s.beaten.Store(time.Now().UnixNano())
		case errors.Is(err, ErrFenced):
			fenced <- fmt.Errorf("scheduler: another process runs as controller %q: give each its own id: %w", s.cfg.Owner, err)
			return
		case ctx.Err() == nil:
			s.storeError("heartbeat", err)
		}
	}
}

// alive says that the others still take us for alive. A controller that is not
// claims nothing: what it claimed would be taken from it in mid-call.
func (s *Scheduler) alive() bool {
	return time.Since(time.Unix(0, s.beaten.Load())) < s.cfg.Dead/2
}

func (s *Scheduler) loop(ctx, callCtx context.Context, fenced <-chan error) error {
	for {
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

// look is how often the exchanges are asked for a free line while there is
// none. It costs no query.
const look = 50 * time.Millisecond

// round starts what may be started now and returns how long to sleep.
func (s *Scheduler) round(ctx, callCtx context.Context) time.Duration {
	room := s.room()
	if room <= 0 || !s.alive() {
		return s.cfg.Tick // the end of a call wakes us
	}
	asked := min(room, s.caller.Free())
	if asked <= 0 {
		return min(look, s.cfg.Tick)
	}
	n := s.takeCPS(asked)
	if n == 0 {
		return s.paced()
	}
	due, err := s.promote(ctx)
	if err != nil {
		s.returnCPS(n)
		return s.cfg.Tick
	}
	claimed := s.claim(ctx, callCtx, n)
	s.returnCPS(n - claimed)
	switch {
	case claimed == n: // there may be more
		return 0
	case due.IsZero():
		return s.cfg.Tick
	}
	return max(min(s.cfg.Tick, time.Until(due)), 5*time.Millisecond)
}

// promote makes ready what is due and returns when the next contact is. As
// long as nothing is due it only reads.
func (s *Scheduler) promote(ctx context.Context) (due time.Time, err error) {
	if due, err = s.store.NextDue(ctx); err == nil && !due.IsZero() && !due.After(time.Now()) {
		if _, err = s.store.Promote(ctx, time.Now(), 1000); err == nil {
			due, err = s.store.NextDue(ctx)
		}
	}
	if err != nil && ctx.Err() == nil {
		s.storeError("promote", err)
	}
	return due, err
}

// claim starts up to n attempts. One that is under way when ctx ends is
// carried through and its attempts are given back: nobody else could.
func (s *Scheduler) claim(ctx, callCtx context.Context, n int) int {
	if ctx.Err() != nil {
		return 0
	}
	claimCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	attempts, err := s.store.Claim(claimCtx, s.cfg.Pool, n, campaign.Fence{Owner: s.cfg.Owner, Epoch: s.epoch})
	if err != nil {
		s.storeError("claim", err)
	}
	for _, a := range attempts {
		if ctx.Err() != nil {
			s.postpone(callCtx, a, a.DueAt, "shutting_down")
			continue
		}
		s.start(callCtx, a)
	}
	return len(attempts)
}

// paced is how long until the CPS limit lets another call start.
func (s *Scheduler) paced() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(min(s.cfg.Tick, s.cfg.CPS.Wait(time.Now())), time.Millisecond)
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
	s.live[a.Contact.ID.String()] = liveCall{a.Tenant, cancel}
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
