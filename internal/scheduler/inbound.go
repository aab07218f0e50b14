package scheduler

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"ringmaster/internal/campaign"
	"ringmaster/internal/phone"
)

// Arrival is a call that came in.
type Arrival struct {
	Tenant string
	From   phone.Number // zero = withheld
	Called phone.Number // zero = not a number that we know
	Leg    string       // the exchange's name of the leg
	PBX    string
	Trunk  string
	// ScriptVersion is what it is answered by.
	ScriptVersion string
	// Contact is whom we had called; zero = nobody, then Task takes the call.
	Contact uuid.UUID
	Task    uuid.UUID
}

// Receiver is the durable side of calls that come in.
type Receiver interface {
	// Receive writes the attempt of a call before it is answered: placed from
	// its birth, without budget, permit or try, since nobody was dialled. It ends
	// by Store.Finish; a crash makes it an orphan like any other.
	Receive(ctx context.Context, f campaign.Fence, in Arrival, now time.Time) (campaign.Attempt, error)
}

// Reasons not to take a call that came in.
var (
	ErrFull     = errors.New("as many calls as dialling.concurrency are under way")
	ErrStopping = errors.New("the controller starts or stops and takes no calls")
)

// Incoming stays with a call that came in until its outcome is written. It
// counts among the live calls, and run's context ends as that of a dialled
// call does. On an error run was not called: nothing was written.
func (s *Scheduler) Incoming(ctx context.Context, r Receiver, in Arrival, run func(context.Context, campaign.Attempt, InputLog) campaign.Outcome) error {
	f := campaign.Fence{Attempt: uuid.Must(uuid.NewV7()), Owner: s.cfg.Owner}
	callCtx, leave, err := s.admit(&f, in.Tenant)
	if err != nil {
		return err
	}
	defer leave()
	a, err := r.Receive(ctx, f, in, time.Now())
	if err != nil {
		s.storeError("receive", err)
		return err
	}
	failpoint("received")
	inputs := s.inputs.open(Inputs{Fence: a.Fence}, s.log.With("attempt", a.ID))
	o := run(callCtx, a, inputs)
	inputs.close()
	failpoint("inbound_ended")
	s.finish(callCtx, a, o)
	return nil
}

// admit gives a call that came in a place among the live ones.
func (s *Scheduler) admit(f *campaign.Fence, tenant string) (context.Context, func(), error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.taking == nil:
		return nil, nil, ErrStopping
	case len(s.live) >= s.cfg.Concurrency:
		return nil, nil, ErrFull
	}
	ctx, cancel := context.WithCancel(s.taking)
	f.Epoch = s.epoch
	key := "in:" + f.Attempt.String()
	s.live[key] = liveCall{tenant, cancel}
	s.calls.Add(1)
	return ctx, func() {
		cancel()
		s.mu.Lock()
		delete(s.live, key)
		s.mu.Unlock()
		s.calls.Done()
		s.Wake()
	}, nil
}

// open lets calls come in, and shut ends that.
func (s *Scheduler) open(callCtx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taking = callCtx
}

func (s *Scheduler) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taking = nil
}
