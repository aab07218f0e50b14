package freeswitch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/adapter/media"
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

// events are what we subscribe to, CUSTOM last: everything after it is a
// subclass.
const events = "CHANNEL_CREATE CHANNEL_PROGRESS CHANNEL_PROGRESS_MEDIA CHANNEL_ANSWER CHANNEL_BRIDGE CHANNEL_UNBRIDGE CHANNEL_PARK " +
	"CHANNEL_HANGUP_COMPLETE CHANNEL_EXECUTE_COMPLETE PLAYBACK_START PLAYBACK_STOP RECORD_STOP DTMF BACKGROUND_JOB HEARTBEAT SHUTDOWN"

// errStopping is told to legs that outlive Run.
var errStopping = errors.New("this controller is stopping: the leg may go on without it")

// Switch is one FreeSWITCH. It implements pbx.Switch.
type Switch struct {
	cfg      Config
	esl      *esl.Client
	log      *slog.Logger
	inbound  *mailbox.Mailbox[pbx.Inbound]
	endpoint *media.Endpoint
	server   *esl.Server
	dropped  atomic.Uint64

	// life ends with Run: background requests hang on it.
	life context.Context
	end  context.CancelFunc
	work sync.WaitGroup

	mu       sync.Mutex // held for map operations only, never during I/O
	legs     map[string]*leg
	routes   map[string]*leg      // channels of a leg: its own and its media legs'
	givenUp  map[string]time.Time // IDs whose originate got lost and was found nowhere
	health   pbx.Health
	load     string // what the last heartbeat said of sessions
	folders  folders
	stopped  bool
	watching map[string]*time.Timer // strangers that were answered
}

// folders are the exchange's own, asked for at every connection.
type folders struct{ recordings string }

var _ pbx.Switch = (*Switch)(nil)

// New makes a Switch; nothing is sent before Run. The media endpoint and the
// listener for inbound calls are opened here, so that a port that is taken is
// told at once.
func New(cfg Config) (*Switch, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Switch{
		cfg: cfg, log: cfg.Log, inbound: mailbox.New[pbx.Inbound](maxUnreadInbound),
		legs: map[string]*leg{}, routes: map[string]*leg{}, givenUp: map[string]time.Time{}, watching: map[string]*time.Timer{},
		health: pbx.Health{Since: time.Now(), Reason: "not connected yet"},
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.esl, err = esl.New(esl.Config{
		Addr: cfg.Addr, User: cfg.User, Password: cfg.Password, Events: events, RequestTimeout: cfg.RequestTimeout, PingPeriod: cfg.PingPeriod,
		BackoffMin: cfg.BackoffMin, BackoffMax: cfg.BackoffMax, Log: cfg.Log,
	}, link{s})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if s.endpoint = cfg.Media.Endpoint; s.endpoint == nil {
		s.endpoint, err = media.ListenEndpoint(media.EndpointConfig{
			Listen: cfg.Media.Listen, Advertise: cfg.Media.Advertise, Allow: cfg.Media.Allow, PortMin: cfg.Media.PortMin, PortMax: cfg.Media.PortMax,
			Dropped: &s.dropped, Log: cfg.Log,
		})
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	if cfg.Inbound != "" {
		s.server, err = esl.Listen(esl.ServerConfig{Listen: cfg.Inbound, Allow: s.allows, Call: s.inboundCall, Timeout: cfg.RequestTimeout, Log: cfg.Log})
		if err != nil {
			_ = s.Close()
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	return s, nil
}

// Close frees the ports of a Switch that was never run; Run does it itself.
func (s *Switch) Close() error {
	var errs []error
	if s.cfg.Media.Endpoint == nil {
		errs = append(errs, s.endpoint.Close())
	}
	if s.server != nil {
		if err := s.server.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Run implements pbx.Switch. Legs that are left get LinkLost and Hungup{By:
// ByUnknown}; the exchange keeps their channels, without our audio.
func (s *Switch) Run(ctx context.Context) error {
	if s.server != nil {
		s.work.Go(func() { _ = s.server.Run(ctx) })
	}
	err := s.esl.Run(ctx)
	s.mu.Lock()
	s.stopped = true
	s.health.Up, s.health.Since, s.health.Reason = false, time.Now(), errStopping.Error()
	legs := s.allLegs()
	for _, t := range s.watching {
		t.Stop()
	}
	s.mu.Unlock()
	for _, l := range legs {
		_ = l.in.Put(input{kind: inShutdown, err: errStopping})
	}
	s.inbound.Close(nil)
	s.end()
	s.work.Wait()
	if cerr := s.Close(); cerr != nil {
		s.log.Warn("freeswitch: closing", "err", cerr)
	}
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
	h.Lag = s.esl.Lag()
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

func (s *Switch) unroute(channel string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.routes, channel)
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

// link is the Switch as the client's handler: what the dispatcher calls.
// Nothing here blocks.
type link struct{ *Switch }

var _ esl.Handler = link{}

// Event routes one event to the leg whose channel it is about.
func (s link) Event(e *esl.Event) {
	switch e.Name {
	case esl.NameBackgroundJob:
		if id, ok := strings.CutPrefix(e.Get("Job-UUID"), jobMark); ok {
			if l := s.find(id); l != nil {
				s.put(l, input{kind: inJob, why: strings.TrimSpace(string(e.Body))})
			}
		}
		return
	case esl.NameHeartbeat:
		s.mu.Lock()
		s.load = fmt.Sprintf("%s of %s sessions, %s of %s new ones a second", number(e.Get("Session-Count")), number(e.Get("Max-Sessions")),
			number(e.Get("Session-Per-Sec-Last")), number(e.Get("Session-Per-Sec")))
		s.mu.Unlock()
		return
	}
	id := e.Get("Unique-ID")
	if id == "" {
		return
	}
	if l := s.owner(id); l != nil {
		s.put(l, input{kind: inEvent, ev: e, id: id})
		return
	}
	s.unheld(e, id)
}

// put gives an input to a leg; one that has fallen too far behind ends.
func (s *Switch) put(l *leg, in input) {
	if errors.Is(l.in.Put(in), mailbox.ErrOverflow) {
		s.log.Error("freeswitch: a leg fell too far behind its events and is ended", "leg", l.id)
	}
}

// number keeps what is digits.
func number(s string) string {
	if s == "" || len(s) > 12 || strings.Trim(s, "0123456789.") != "" {
		return "?"
	}
	return s
}

// unheld is about a channel that no leg holds.
func (s link) unheld(e *esl.Event, id string) {
	switch e.Name {
	case esl.NameCreate, esl.NameProgress, esl.NameProgressMedia, esl.NameAnswer:
	case esl.NameHangupComplete:
		s.mu.Lock()
		if t := s.watching[id]; t != nil {
			t.Stop()
			delete(s.watching, id)
		}
		s.mu.Unlock()
		return
	default:
		return
	}
	if s.isGivenUp(id) {
		s.log.Warn("freeswitch: a leg that was given up came after all and is ended", "leg", id)
		s.killLater(id, pbx.CauseTemporary)
		return
	}
	if _, ours := s.tagOf(e.Get("Channel-Presence-Data")); ours && e.Name == esl.NameAnswer {
		s.stranger(id)
	}
}

// strangerGrace is how long a channel of ours that nobody holds may live after
// its answer.
const strangerGrace = 5 * time.Second

// stranger: the callee took a call that nobody speaks on.
func (s *Switch) stranger(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.watching[id] != nil {
		return
	}
	s.watching[id] = time.AfterFunc(strangerGrace, func() {
		s.mu.Lock()
		delete(s.watching, id)
		held := s.legs[id] != nil
		s.mu.Unlock()
		if !held {
			s.log.Warn("freeswitch: a leg that nobody holds was answered and is ended", "leg", id)
			s.killLater(id, pbx.CauseTemporary)
		}
	})
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
		s.put(l, input{kind: inLost, err: err})
	}
}

// Restored lets every leg look itself up: the list of channels is late by up to
// 300 ms, the channel itself is not.
func (s link) Restored(ctx context.Context, info esl.Info, restarted bool) error {
	dir, err := s.esl.API(ctx, "global_getvar recordings_dir")
	if err != nil && !errors.Is(err, pbx.ErrRefused) {
		return err
	}
	s.mu.Lock()
	s.health.Version, s.health.StartedAt = info.Version, info.StartedAt
	if dir = strings.TrimSpace(dir); pathLike(dir) {
		s.folders.recordings = dir
	}
	legs := s.allLegs()
	s.mu.Unlock()
	for _, l := range legs {
		s.put(l, input{kind: inWorld, restarted: restarted})
	}
	return nil
}

// Ready allows dialling.
func (s link) Ready() {
	s.mu.Lock()
	s.health.Up, s.health.Since, s.health.Reason = true, time.Now(), ""
	v := s.health.Version
	s.mu.Unlock()
	s.log.Info("freeswitch: connected", "version", v)
}
