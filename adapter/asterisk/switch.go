package asterisk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/adapter/asterisk/ari"
	"ringmaster/internal/mailbox"
	"ringmaster/internal/pbx"
)

// Limits of what may be unread. A leg whose consumer falls behind by more is
// ended: it has lost its place.
const (
	maxUnreadInputs  = 10000
	maxUnreadEvents  = 10000
	maxUnreadInbound = 1000
)

// errStopping is told to legs that outlive Run.
var errStopping = errors.New("this controller is stopping: the leg may go on without it")

// Switch is one Asterisk. It implements pbx.Switch.
type Switch struct {
	cfg     Config
	ari     *ari.Client
	log     *slog.Logger
	inbound *mailbox.Mailbox[pbx.Inbound]
	dropped atomic.Uint64

	// life ends with Run: background requests hang on it.
	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex // held for map operations only, never during I/O
	legs    map[string]*leg
	routes  map[string]*leg      // channels of a leg: its own, media, snoops
	givenUp map[string]time.Time // IDs whose originate got lost and was found nowhere
	health  pbx.Health
	stopped bool
}

var _ pbx.Switch = (*Switch)(nil)

// New makes a Switch; nothing is sent before Run.
func New(cfg Config) (*Switch, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Switch{
		cfg: cfg, log: cfg.Log, inbound: mailbox.New[pbx.Inbound](maxUnreadInbound),
		legs: map[string]*leg{}, routes: map[string]*leg{}, givenUp: map[string]time.Time{},
		health: pbx.Health{Since: time.Now(), Reason: "not connected yet"},
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.ari, err = ari.New(ari.Config{
		URL: cfg.URL, User: cfg.User, Password: cfg.Password, App: cfg.app(), RequestTimeout: cfg.RequestTimeout,
		PingPeriod: cfg.PingPeriod, MaxConnections: cfg.MaxConnections, BackoffMin: cfg.BackoffMin, BackoffMax: cfg.BackoffMax,
		TLS: cfg.TLS, Log: cfg.Log,
	}, link{s})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return s, nil
}

// Run implements pbx.Switch. It returns ctx's error, or ari.ErrReplaced when
// another process took our application name. Legs that are left get LinkLost
// and Hungup{By: ByUnknown}; the exchange keeps their channels.
func (s *Switch) Run(ctx context.Context) error {
	s.work.Go(func() { s.janitor(ctx) })
	err := s.ari.Run(ctx)
	reason := err
	if reason == nil {
		reason = errStopping
	}
	s.mu.Lock()
	s.stopped = true
	s.health.Up, s.health.Since, s.health.Reason = false, time.Now(), reason.Error()
	s.health.Replaced = errors.Is(err, ari.ErrReplaced)
	legs := s.allLegs()
	s.mu.Unlock()
	for _, l := range legs {
		_ = l.in.Put(input{kind: inShutdown, err: reason})
	}
	s.inbound.Close(nil)
	s.end()
	s.work.Wait()
	s.ari.CloseIdle()
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// Health implements pbx.Switch.
func (s *Switch) Health() pbx.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.health
	for _, l := range s.legs {
		h.Lag += l.in.Len() + l.out.Len()
	}
	h.Dropped = s.dropped.Load()
	return h
}

// allLegs needs the lock.
func (s *Switch) allLegs() []*leg {
	out := make([]*leg, 0, len(s.legs))
	for _, l := range s.legs {
		out = append(out, l)
	}
	return out
}

func (s *Switch) up() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.health.Up {
		return fmt.Errorf("%w (%s)", pbx.ErrUnavailable, s.health.Reason)
	}
	return nil
}

// add registers a leg and starts it; false when its ID is taken.
func (s *Switch) add(l *leg) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.legs[l.id] != nil {
		return false
	}
	s.legs[l.id], s.routes[l.id] = l, l
	delete(s.givenUp, l.id)
	s.work.Go(l.run)
	return true
}

// route makes events of a channel go to a leg.
func (s *Switch) route(channel string, l *leg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.routes[channel] = l
}

func (s *Switch) unroute(channels ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range channels {
		delete(s.routes, c)
	}
}

// remove forgets a leg that is over.
func (s *Switch) remove(l *leg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.legs[l.id] == l {
		delete(s.legs, l.id)
	}
	if s.routes[l.id] == l {
		delete(s.routes, l.id)
	}
}

func (s *Switch) find(id string) *leg {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.legs[id]
}

func (s *Switch) owner(channel string) *leg {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.routes[channel]
}

// spawn runs f in the background unless Run is ending: then nothing more is
// asked of the exchange.
func (s *Switch) spawn(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.work.Go(f)
	}
}

// background makes requests that outlive the command that caused them.
func (s *Switch) background() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(s.life), 2*s.cfg.RequestTimeout)
}

// link is the Switch as the client's handler: what the reader calls. Nothing
// here blocks.
type link struct{ *Switch }

var _ ari.Handler = link{}

// Event routes one event to the leg whose channel it is about.
func (s link) Event(e *ari.Event) {
	id := e.ChannelID()
	switch e.Type {
	case ari.TypePlaybackStarted, ari.TypePlaybackFinished:
		id = strings.TrimPrefix(e.Playback.Target, "channel:")
	case ari.TypeRecordingDone, ari.TypeRecordingFailed:
		id = strings.TrimPrefix(e.Recording.Target, "channel:")
	}
	if id == "" {
		return
	}
	l := s.owner(id)
	if l == nil && e.Type == ari.TypeDial {
		l = s.owner(e.Caller.ID) // a queue dials for a leg of ours
	}
	if l != nil {
		if errors.Is(l.in.Put(input{kind: inEvent, ev: e}), mailbox.ErrOverflow) {
			s.log.Error("asterisk: a leg fell too far behind its events and is ended", "leg", l.id)
		}
		return
	}
	switch {
	case s.isGivenUp(id):
		if e.Type != ari.TypeChannelDestroyed {
			s.log.Warn("asterisk: a leg that was given up came after all and is ended", "leg", id)
			s.hangupLater(id, pbx.CauseTemporary)
		}
	case e.Type == ari.TypeStasisStart:
		s.stranger(e)
	}
}

// giveUpFor is how long a lost originate may still come to life.
const giveUpFor = 10 * time.Minute

// giveUp notes that a leg was placed, perhaps, and cannot be found: should its
// request arrive after all, nobody is to be rung up by it.
func (s *Switch) giveUp(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for old, at := range s.givenUp {
		if now.Sub(at) > giveUpFor || len(s.givenUp) >= 10000 {
			delete(s.givenUp, old)
		}
	}
	s.givenUp[id] = now
}

// isGivenUp says so once for each ID.
func (s *Switch) isGivenUp(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.givenUp[id]
	delete(s.givenUp, id)
	return ok && time.Since(at) < giveUpFor
}

// Lost tells every leg.
func (s link) Lost(err error) {
	s.mu.Lock()
	if s.health.Up || s.health.StartedAt.IsZero() {
		s.health.Since = time.Now()
	}
	s.health.Up, s.health.Reason = false, err.Error()
	legs := s.allLegs()
	s.mu.Unlock()
	for _, l := range legs {
		_ = l.in.Put(input{kind: inLost, err: err})
	}
}

// Restored compares what is on the exchange with what we hold.
func (s link) Restored(ctx context.Context, info ari.Info, restarted bool) error {
	s.mu.Lock()
	s.health.Version, s.health.StartedAt = info.Version, info.StartedAt
	s.mu.Unlock()
	w, err := s.look(ctx)
	if err != nil {
		return err
	}
	w.restarted = restarted
	s.mu.Lock()
	legs := s.allLegs()
	s.mu.Unlock()
	for _, l := range legs {
		_ = l.in.Put(input{kind: inWorld, world: w})
	}
	s.clean(ctx, w)
	return nil
}

// Ready allows dialling.
func (s link) Ready() {
	s.mu.Lock()
	s.health.Up, s.health.Since, s.health.Reason = true, time.Now(), ""
	v := s.health.Version
	s.mu.Unlock()
	s.log.Info("asterisk: connected", "app", s.cfg.app(), "version", v)
}
