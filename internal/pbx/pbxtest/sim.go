package pbxtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sort"
	"strings"
	"sync"
	"time"
	"unicode"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/mailbox"
	"ringmaster/internal/pbx"
	"ringmaster/internal/phone"
)

const frame = 20 * time.Millisecond

// ErrReplaced is what a cut link reports in tests that give no reason.
var ErrReplaced = errors.New("the test cut the link")

// Options of a Sim; the zero Options is fine.
type Options struct {
	// Causes gives the exchange's own Q.850 for a SIP status; nil is
	// AsteriskCause.
	Causes func(sip int) pbx.Cause
	// Prompts are the files that Play finds: "file:<name>" at callee.Rate.
	Prompts map[string][]int16
	// MediaDelay is how late audio arrives in each direction, in whole frames;
	// 0 is none.
	MediaDelay time.Duration
}

// Sim is an exchange in memory with scripted subscribers. It is connected from
// the start; Run only waits. Close it (or hang up every leg) before a
// synctest bubble ends.
type Sim struct {
	opts Options

	mu       sync.Mutex
	scripts  map[string]callee.Script
	calls    map[string][]*callee.Call
	legs     map[pbx.LegID]*simLeg // alive on the exchange
	lost     map[pbx.LegID]*simLeg // ended while the link was down
	faults   map[string][]Fault
	health   pbx.Health
	inbound  *mailbox.Mailbox[pbx.Inbound]
	closed   bool
	stopping chan struct{}
	running  sync.WaitGroup
}

// Fault makes one command fail. Done says that the exchange carries it out all
// the same (the answer got lost: use it with pbx.ErrUnknown).
type Fault struct {
	Err  error
	Done bool
}

var _ pbx.Switch = (*Sim)(nil)

// NewSim makes an exchange with nobody on it.
func NewSim(o Options) *Sim {
	if o.Causes == nil {
		o.Causes = AsteriskCause
	}
	now := time.Now()
	return &Sim{
		opts: o, scripts: map[string]callee.Script{}, calls: map[string][]*callee.Call{},
		legs: map[pbx.LegID]*simLeg{}, lost: map[pbx.LegID]*simLeg{}, faults: map[string][]Fault{},
		health:  pbx.Health{Up: true, Since: now, StartedAt: now, Version: "sim"},
		inbound: mailbox.New[pbx.Inbound](1000), stopping: make(chan struct{}),
	}
}

// Callee puts a subscriber on the exchange: number is what is dialled
// (phone.Number.Dial). An unknown number answers 404.
func (s *Sim) Callee(number string, script callee.Script) { s.subscribe("n:"+number, script) }

// Agent puts an agent's telephone on the exchange.
func (s *Sim) Agent(name string, script callee.Script) { s.subscribe("a:"+name, script) }

// Queue puts a queue on the exchange: script is whoever takes its calls.
func (s *Sim) Queue(name string, script callee.Script) { s.subscribe("q:"+name, script) }

func (s *Sim) subscribe(key string, script callee.Script) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[key] = script
}

// Calls are the rings of a number so far, oldest first; AgentCalls and
// QueueCalls those of an agent and a queue.
func (s *Sim) Calls(number string) []callee.Call { return s.callsOf("n:" + number) }

// AgentCalls are the rings of an agent so far.
func (s *Sim) AgentCalls(name string) []callee.Call { return s.callsOf("a:" + name) }

// QueueCalls are the calls that reached a queue so far.
func (s *Sim) QueueCalls(name string) []callee.Call { return s.callsOf("q:" + name) }

func (s *Sim) callsOf(key string) []callee.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []callee.Call
	for _, c := range s.calls[key] {
		out = append(out, c.Clone())
	}
	return out
}

// Fail makes the next command of that name (originate, attach, legs, answer,
// play, record, mute, stop, dtmf, bridge, transfer, monitor, hangup, media)
// fail. Several calls queue up.
func (s *Sim) Fail(command string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults[command] = append(s.faults[command], f)
}

// CutLink takes the link to the exchange down: calls go on, events are lost,
// commands find the exchange unavailable. err is told to the legs.
func (s *Sim) CutLink(err error) {
	if err == nil {
		err = ErrReplaced
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.health.Up {
		return
	}
	s.health.Up, s.health.Since, s.health.Reason = false, time.Now(), err.Error()
	for _, l := range s.legs {
		l.put(pbx.LinkLost{At: time.Now(), Err: err})
		l.deaf = true
	}
}

// RestoreLink brings the link back: every leg is looked up.
func (s *Sim) RestoreLink() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.health.Up || s.closed {
		return
	}
	now := time.Now()
	s.health.Up, s.health.Since, s.health.Reason = true, now, ""
	for _, l := range s.legs {
		l.deaf = false
		l.put(pbx.LinkRestored{At: now, Up: l.up})
	}
	for id, l := range s.lost {
		l.deaf = false
		l.put(pbx.Hungup{At: now, By: pbx.ByUnknown, Answered: l.up, Raw: "gone after the link came back"})
		l.events.Close(nil)
		delete(s.lost, id)
	}
}

// Restart ends every call on the exchange as a crash does, takes the link down
// and brings it back.
func (s *Sim) Restart() {
	s.CutLink(errors.New("exchange restarted"))
	s.mu.Lock()
	for _, l := range s.legs {
		l.end(pbx.Hungup{By: pbx.ByUnknown})
	}
	s.health.StartedAt = time.Now()
	s.mu.Unlock()
	s.RestoreLink()
}

// Ring makes an inbound call: from rings called, args is what the dialplan
// passes, script is what the person does once we answer.
func (s *Sim) Ring(id pbx.LegID, called string, from phone.Number, script callee.Script, args ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	script.Never = true // answered by us, not by the script
	l := s.newLeg(pbx.OriginateRequest{ID: id}, "in:"+called, script)
	l.ringing, l.inbound = true, true
	_ = s.inbound.Put(pbx.Inbound{Leg: l, Called: called, From: from, Args: args})
	s.start(l)
}

// Close ends every call and waits for the exchange's goroutines.
func (s *Sim) Close() {
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		for _, l := range s.legs {
			l.end(pbx.Hungup{By: pbx.ByNetwork, Raw: "exchange closed"})
		}
		for _, l := range s.lost {
			l.events.Close(nil)
		}
		close(s.stopping)
		s.inbound.Close(nil)
		s.health.Up, s.health.Reason = false, "exchange closed"
	}
	s.mu.Unlock()
	s.running.Wait()
}

// Run waits for ctx.
func (s *Sim) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.stopping:
		return nil
	}
}

// Originate implements pbx.Switch. A living ID is refused: one ring.
func (s *Sim) Originate(ctx context.Context, req pbx.OriginateRequest) (pbx.Leg, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", pbx.ErrUnavailable, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	done, err := s.allow("originate")
	if err != nil && !done {
		return nil, err
	}
	key, script, refused := s.route(req)
	if refused != nil {
		return nil, refused
	}
	if s.legs[req.ID] != nil {
		return nil, fmt.Errorf("%w: leg %s exists already", pbx.ErrRefused, req.ID)
	}
	l := s.newLeg(req, key, script)
	s.start(l)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// route checks a request and finds who is dialled.
func (s *Sim) route(req pbx.OriginateRequest) (string, callee.Script, error) {
	if !validID(string(req.ID)) {
		return "", callee.Script{}, fmt.Errorf("%w: leg ID is 1 to 64 of [A-Za-z0-9._-]", pbx.ErrRefused)
	}
	if req.RingTimeout < time.Second || req.RingTimeout > 180*time.Second {
		return "", callee.Script{}, fmt.Errorf("%w: ring timeout %v is not 1 s to 180 s", pbx.ErrRefused, req.RingTimeout)
	}
	for name, value := range req.Headers {
		if strings.ContainsFunc(name+value, unicode.IsControl) {
			return "", callee.Script{}, fmt.Errorf("%w: a control character in a SIP header", pbx.ErrRefused)
		}
	}
	if (req.To.Agent == "") == req.To.Number.IsZero() {
		return "", callee.Script{}, fmt.Errorf("%w: dial either a number or an agent", pbx.ErrRefused)
	}
	if req.To.Agent != "" {
		script, ok := s.scripts["a:"+req.To.Agent]
		if !ok {
			return "", script, fmt.Errorf("%w: no agent of that name", pbx.ErrRefused)
		}
		return "a:" + req.To.Agent, script, nil
	}
	key := "n:" + req.To.Number.Dial()
	script, ok := s.scripts[key]
	if !ok {
		script = callee.Script{Silent: true, Reject: 404}
	}
	return key, script, nil
}

func validID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for _, c := range id {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-'
		if !ok {
			return false
		}
	}
	return true
}

// allow consumes a fault, or reports the link. done: carry it out anyway.
func (s *Sim) allow(command string) (done bool, err error) {
	if s.closed || !s.health.Up {
		return false, fmt.Errorf("%w: %s", pbx.ErrUnavailable, s.health.Reason)
	}
	queue := s.faults[command]
	if len(queue) == 0 {
		return true, nil
	}
	s.faults[command] = queue[1:]
	return queue[0].Done, queue[0].Err
}

// Attach implements pbx.Switch: the first event is LinkRestored.
func (s *Sim) Attach(_ context.Context, id pbx.LegID) (pbx.Leg, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done, err := s.allow("attach"); err != nil && !done {
		return nil, err
	}
	l := s.legs[id]
	if l == nil {
		return nil, fmt.Errorf("%w: %s", pbx.ErrGone, id)
	}
	l.put(pbx.LinkRestored{At: time.Now(), Up: l.up})
	return l, nil
}

// Accept implements pbx.Switch.
func (s *Sim) Accept(ctx context.Context) (pbx.Inbound, error) { return s.inbound.Next(ctx) }

// Legs implements pbx.Switch.
func (s *Sim) Legs(context.Context) ([]pbx.LegInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if done, err := s.allow("legs"); err != nil && !done {
		return nil, err
	}
	out := []pbx.LegInfo{}
	for _, l := range s.legs {
		out = append(out, pbx.LegInfo{ID: l.req.ID, Up: l.up, Created: l.created, Tag: l.req.Tag})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out, nil
}

// Health implements pbx.Switch.
func (s *Sim) Health() pbx.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.health
	for _, l := range s.legs {
		h.Lag += l.events.Len()
	}
	return h
}

// newLeg needs the lock.
func (s *Sim) newLeg(req pbx.OriginateRequest, key string, script callee.Script) *simLeg {
	call := &callee.Call{
		ID: string(req.ID), Rang: time.Now(),
		ShownNumber: req.CallerID.Number.Dial(), ShownName: oneLine(req.CallerID.Name), Headers: maps.Clone(req.Headers),
	}
	call.Record.FirstAudible = -1
	s.calls[key] = append(s.calls[key], call)
	return &simLeg{
		sim: s, req: req, script: script, call: call, created: time.Now(),
		events: mailbox.New[pbx.Event](10000), plays: map[string]*simPlay{}, records: map[string]time.Time{},
		stop: make(chan struct{}),
	}
}

// oneLine leaves out what would end a line of SIP.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s)
}

// start needs the lock.
func (s *Sim) start(l *simLeg) {
	s.legs[l.req.ID] = l
	s.running.Add(1)
	go l.run()
}
