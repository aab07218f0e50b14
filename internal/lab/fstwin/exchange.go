package fstwin

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"

	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/lab/twin/sound"
)

// Version is what the twin says it is.
const Version = "1.11.2-twin"

// Config of an exchange. The zero Config answers every dial with 404.
type Config struct {
	// Password of the event socket; empty means FreeSWITCH's own, ClueCon.
	Password string
	// Cast are the subscribers, agents and queues, as for the ARI twin.
	Cast twin.Cast
	// Gateways are the names that sofia/gateway/<name>/ may have; nil allows all.
	Gateways []string
	// Prompts are the sound files, at callee.Rate: by their path, or by their
	// name without folder and extension.
	Prompts map[string][]int16
	// Dialplan are extensions that run one application, such as
	// "socket 127.0.0.1:8084 async full"; an extension that is a queue of the
	// cast needs none.
	Dialplan map[string]string
	// Seed decides everything that is left to chance.
	Seed uint64
	// Keep keeps all that every subscriber heard (16 kB a second and call).
	Keep bool
	// MaxCalls bounds how many past calls are kept for Calls; 0 means 10,000.
	MaxCalls int
	// Heartbeat is the time between HEARTBEAT events; 0 means 20 s.
	Heartbeat time.Duration
	// Lag is how far "show channels" lies behind; 0 means 300 ms.
	Lag time.Duration
	// MaxSessions and SessionsPerSecond refuse calls beyond them; 0 has no limit.
	MaxSessions, SessionsPerSecond int
	// Disorder is the share of events that are overtaken by the next; 0.07 was
	// measured on a busy FreeSWITCH.
	Disorder float64
	// Freezes lets a reader that does not read stop the events of everybody
	// until it is gone, as a FreeSWITCH does after 100,500 events; the twin does
	// when 1 MB waits.
	Freezes bool
	Log     *slog.Logger
}

// Exchange is a running twin. All methods are safe for concurrent use.
type Exchange struct {
	cfg      Config
	listener net.Listener
	clock    *sound.Clock
	stopped  chan struct{}
	life     context.Context //nolint:containedctx // the exchange's own
	end      context.CancelFunc
	running  sync.WaitGroup
	causes   map[cause]int
	apis     map[string]apiFunc
	apps     map[string]appFunc
	sip      *userAgent

	mu       sync.Mutex // signalling: everything below
	rand     *rand.Rand
	core     string
	startup  time.Time
	sequence int64
	channels map[string]*channel
	ghosts   []*channel // dead, and still listed
	conns    map[*conn]bool
	book     *twin.Book
	cast     twin.Cast
	members  map[string]string // contacts of queues, see Member
	globals  map[string]string
	files    map[string]*sound.Tape // recordings by path
	faults   faults
	counters counters
	second   int64 // of the sessions per second
	sessions int
	paused   bool // fsctl pause
	refusing bool
	deaf     bool // half open
	closed   bool
}

type counters struct {
	Channels, Commands, Events, Missed, Restarts, Refused int64
}

// Start listens for event socket connections at addr ("127.0.0.1:0") and
// serves until Close.
func Start(cfg Config, addr string) (*Exchange, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Password == "" {
		cfg.Password = "ClueCon"
	}
	if cfg.MaxCalls == 0 {
		cfg.MaxCalls = 10000
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = 20 * time.Second
	}
	if cfg.Lag == 0 {
		cfg.Lag = 300 * time.Millisecond
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("the event socket twin cannot listen: %w", err)
	}
	ex := &Exchange{
		cfg: cfg, listener: l, stopped: make(chan struct{}), cast: cfg.Cast, causes: causeNumbers(),
		rand: rand.New(rand.NewPCG(cfg.Seed, 2)), //nolint:gosec // a seed must give the same run again
		book: twin.NewBook(cfg.MaxCalls), conns: map[*conn]bool{}, files: map[string]*sound.Tape{},
	}
	ex.life, ex.end = context.WithCancel(context.Background())
	ex.apis, ex.apps = apiTable(), appTable()
	ex.clock = sound.NewClock(ex.stopped, ex.happened)
	if ex.sip, err = newUserAgent(ex); err != nil {
		_ = l.Close()
		ex.end()
		return nil, err
	}
	ex.mu.Lock()
	ex.reset()
	ex.mu.Unlock()
	ex.running.Add(3)
	go func() {
		defer ex.running.Done()
		ex.clock.Run()
	}()
	go func() {
		defer ex.running.Done()
		ex.accept()
	}()
	go func() {
		defer ex.running.Done()
		ex.beat()
	}()
	return ex, nil
}

// reset is a fresh start: a new core, no channels. Needs the lock.
func (ex *Exchange) reset() {
	ex.core, ex.startup = ex.uuid(), time.Now()
	ex.channels, ex.ghosts = map[string]*channel{}, nil
	ex.globals = map[string]string{"core_uuid": ex.core, "hostname": "twin"}
	ex.sequence = 0
}

// Addr is host:port of the event socket.
func (ex *Exchange) Addr() string { return ex.listener.Addr().String() }

// Close ends every call and everything that was started.
func (ex *Exchange) Close() {
	ex.mu.Lock()
	if ex.closed {
		ex.mu.Unlock()
		ex.running.Wait()
		return
	}
	ex.closed = true
	ex.wipe()
	ex.mu.Unlock()
	close(ex.stopped)
	ex.end()
	_ = ex.listener.Close()
	ex.sip.close()
	ex.running.Wait()
}

// wipe ends everything without a word, as a crash does. Needs the lock.
func (ex *Exchange) wipe() {
	for _, ch := range ex.channels {
		ch.vanish()
	}
	for c := range ex.conns {
		c.cut()
	}
	ex.reset()
}

// Callee puts a subscriber on the exchange in front of all others: number is
// what is dialled over a gateway, or a pattern of the cast.
func (ex *Exchange) Callee(number string, s callee.Script) {
	ex.join(twin.Rule{Number: number, Script: s})
}

// Agent puts an agent's telephone, user/<name>, on the exchange.
func (ex *Exchange) Agent(name string, s callee.Script) { ex.join(twin.Rule{Agent: name, Script: s}) }

// Queue puts a queue on the exchange; s is whoever takes its calls.
func (ex *Exchange) Queue(name string, s callee.Script) { ex.join(twin.Rule{Queue: name, Script: s}) }

// Member makes a dial string the contact of whoever takes a queue's calls,
// instead of a scripted telephone: sofia/internal/bob@10.0.0.7:5060.
func (ex *Exchange) Member(queue, contact string) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	if ex.members == nil {
		ex.members = map[string]string{}
	}
	ex.members[queue] = contact
}

func (ex *Exchange) join(r twin.Rule) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.cast.Rules = append([]twin.Rule{r}, ex.cast.Rules...)
}

// Extension puts an extension into the dialplan, see Config.Dialplan.
func (ex *Exchange) Extension(name, application string) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	plan := map[string]string{name: application}
	for k, v := range ex.cfg.Dialplan {
		if _, ok := plan[k]; !ok {
			plan[k] = v
		}
	}
	ex.cfg.Dialplan = plan
}

// Calls are the rings of a number so far, oldest first, as far as they are
// kept; "" is every number, "agent:<name>" and "queue:<name>" name those.
func (ex *Exchange) Calls(number string) []twin.Call {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	return ex.book.Calls(number)
}

// Rings counts every ring since the start, by what it was for.
func (ex *Exchange) Rings() []twin.RingCount {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	return ex.book.Rings()
}

// Recording is the WAV file that uuid_record or record_session wrote to a
// path, nil when there is none.
func (ex *Exchange) Recording(path string) []byte {
	ex.mu.Lock()
	t := ex.files[path]
	ex.mu.Unlock()
	if t == nil {
		return nil
	}
	return t.WAV()
}

// Stats is a snapshot, in the words of the ARI twin: Requests are commands,
// MediaLegs SIP legs to outside.
func (ex *Exchange) Stats() twin.Stats {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	return ex.statsLocked()
}

func (ex *Exchange) statsLocked() twin.Stats {
	c, ticks := ex.counters, ex.clock.Stats()
	s := twin.Stats{
		Live: len(ex.channels), Requests: c.Commands, Refused: c.Refused, Events: c.Events, Missed: c.Missed, Restarts: c.Restarts,
		Ticks: ticks.Ticks, Late: ticks.Late, LostTicks: ticks.Lost, MaxLagMS: ticks.MaxLag.Milliseconds(),
	}
	ex.book.Count(&s)
	for _, ch := range ex.channels {
		switch {
		case ch.leg != nil:
			s.MediaLegs++
		case ch.answered:
			s.LiveUp++
		}
		if ch.bridged != nil && ch.first {
			s.Bridges++
		}
	}
	return s
}

// uuid is an id that FreeSWITCH would have made up. Needs the lock.
func (ex *Exchange) uuid() string {
	a, b := ex.rand.Uint64(), ex.rand.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

// beat sends HEARTBEAT.
func (ex *Exchange) beat() {
	t := time.NewTicker(ex.cfg.Heartbeat)
	defer t.Stop()
	for {
		select {
		case <-ex.stopped:
			return
		case <-t.C:
		}
		ex.mu.Lock()
		limit := ex.cfg.MaxSessions
		if limit == 0 {
			limit = 1000
		}
		up := time.Since(ex.startup)
		ex.emit(ex.newEvent("HEARTBEAT").add("Event-Info", "System Ready",
			"Up-Time", fmt.Sprintf("0 years, 0 days, %d hours, %d minutes, %d seconds", int(up.Hours()), int(up.Minutes())%60, int(up.Seconds())%60),
			"FreeSWITCH-Version", Version, "Uptime-msec", strconv.FormatInt(up.Milliseconds(), 10),
			"Session-Count", strconv.Itoa(len(ex.channels)), "Max-Sessions", strconv.Itoa(limit),
			"Session-Per-Sec", "30", "Session-Per-Sec-Last", "0", "Session-Per-Sec-Max", "0", "Session-Per-Sec-FiveMin", "0",
			"Session-Since-Startup", strconv.FormatInt(ex.counters.Channels, 10), "Session-Peak-Max", "0", "Session-Peak-FiveMin", "0",
			"Idle-CPU", "90.000000"))
		ex.mu.Unlock()
	}
}
