package twin

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/internal/lab/twin/callee"
	"ringmaster/internal/lab/twin/sound"
)

// Version is what the twin says it is.
const Version = "22.10.1-twin"

// Config of an exchange. The zero Config answers every dial with 404.
type Config struct {
	// User and Password of ARI; an empty User lets everyone in.
	User, Password string
	// Cast are the subscribers, agents and queues.
	Cast Cast
	// Trunks are the endpoint names that may follow the @ of a dial string; nil
	// allows every name.
	Trunks []string
	// Prompts are the sound files: "sound:<name>" finds them, at callee.Rate.
	Prompts map[string][]int16
	// ChannelVars are shown in every channel (ari.conf, channelvars).
	ChannelVars []string
	// Seed decides everything that is left to chance.
	Seed uint64
	// Keep keeps all that every subscriber heard (16 kB a second and call).
	Keep bool
	// MaxCalls bounds how many past calls are kept for Calls; 0 means 10,000.
	MaxCalls int
	// WriteTimeout is how long a write to an event socket may block before the
	// socket is closed (ari.conf, websocket_write_timeout); 0 means 2 s.
	WriteTimeout time.Duration
	Log          *slog.Logger
	// Reacted is told how long a controller took from a frame that begins with
	// Marker to its first sound after it: from when the frame is queued for the
	// media socket until the message has been read from it. It must not block;
	// nil = nobody wants to know.
	Reacted func(time.Duration)
}

// Exchange is a running twin. All methods are safe for concurrent use.
type Exchange struct {
	cfg      Config
	mux      *http.ServeMux
	listener net.Listener
	server   *http.Server
	clock    *sound.Clock
	stopped  chan struct{}
	running  sync.WaitGroup

	mu        sync.Mutex // signalling: everything below
	rand      *rand.Rand
	apps      map[string]*app
	channels  map[string]*channel
	bridges   map[string]*bridge
	playbacks map[string]*playback
	live      map[string]*recording
	stored    map[string]*recording
	media     map[string]*channel // by connection id
	faults    faults
	conflicts map[string]bool // connections that had a 409
	startup   time.Time
	serial    int
	cast      Cast
	book      *Book
	counters  counters
	closed    bool
	refusing  atomic.Bool
}

// Start listens at addr ("127.0.0.1:0") and serves until Close.
func Start(cfg Config, addr string) (*Exchange, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.MaxCalls == 0 {
		cfg.MaxCalls = 10000
	}
	if cfg.WriteTimeout == 0 {
		cfg.WriteTimeout = 2 * time.Second
	}
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("the exchange twin cannot listen: %w", err)
	}
	ex := &Exchange{
		cfg: cfg, listener: l, stopped: make(chan struct{}), cast: cfg.Cast,
		rand: rand.New(rand.NewPCG(cfg.Seed, 1)), //nolint:gosec // a seed must give the same run again
		book: NewBook(cfg.MaxCalls),
	}
	ex.reset()
	ex.clock = sound.NewClock(ex.stopped, ex.happened)
	ex.mux = ex.routes()
	ex.server = &http.Server{Handler: ex, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(cfg.Log.Handler(), slog.LevelDebug)}
	ex.running.Add(2)
	go func() {
		defer ex.running.Done()
		ex.clock.Run()
	}()
	go func() {
		defer ex.running.Done()
		if err := ex.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			cfg.Log.Error("the exchange twin stopped serving", "err", err)
		}
	}()
	return ex, nil
}

// reset forgets everything that a restart of an exchange forgets.
func (ex *Exchange) reset() {
	ex.apps, ex.channels, ex.bridges = map[string]*app{}, map[string]*channel{}, map[string]*bridge{}
	ex.playbacks, ex.live, ex.media = map[string]*playback{}, map[string]*recording{}, map[string]*channel{}
	if ex.stored == nil {
		ex.stored = map[string]*recording{}
	}
	ex.conflicts = map[string]bool{}
	ex.startup = time.Now()
}

// Addr is host:port of the listener.
func (ex *Exchange) Addr() string { return ex.listener.Addr().String() }

// URL is the base of ARI: http://host:port/ari.
func (ex *Exchange) URL() string { return "http://" + ex.Addr() + "/ari" }

// Close ends every call and everything that was started.
func (ex *Exchange) Close() {
	ex.mu.Lock()
	if !ex.closed {
		ex.closed = true
		ex.wipe()
		close(ex.stopped)
	}
	ex.mu.Unlock()
	_ = ex.server.Close()
	ex.running.Wait()
}

// Callee puts a subscriber on the exchange in front of all others: number is
// what is dialled, or a pattern of the cast.
func (ex *Exchange) Callee(number string, s callee.Script) { ex.join(Rule{Number: number, Script: s}) }

// Agent puts an agent's telephone, PJSIP/<name>, on the exchange.
func (ex *Exchange) Agent(name string, s callee.Script) { ex.join(Rule{Agent: name, Script: s}) }

// Queue puts a queue on the exchange; s is whoever takes its calls.
func (ex *Exchange) Queue(name string, s callee.Script) { ex.join(Rule{Queue: name, Script: s}) }

func (ex *Exchange) join(r Rule) {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	ex.cast.Rules = append([]Rule{r}, ex.cast.Rules...)
}

// ServeHTTP implements http.Handler: ARI, the media sockets and /twin/.
func (ex *Exchange) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if ex.refusing.Load() && !isControl(r) {
		cut(w)
		return
	}
	ex.mux.ServeHTTP(w, r)
}

func (ex *Exchange) allowed(r *http.Request) bool {
	if ex.cfg.User == "" {
		return true
	}
	user, password, ok := r.BasicAuth()
	if !ok {
		key := r.URL.Query().Get("api_key")
		for i := range len(key) {
			if key[i] == ':' {
				user, password, ok = key[:i], key[i+1:], true
				break
			}
		}
	}
	same := subtle.ConstantTimeCompare([]byte(user), []byte(ex.cfg.User)) &
		subtle.ConstantTimeCompare([]byte(password), []byte(ex.cfg.Password))
	return ok && same == 1
}

// uuid is an id that Asterisk would have made up. Needs the lock.
func (ex *Exchange) uuid() string {
	a, b := ex.rand.Uint64(), ex.rand.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>48&0x3fff|0x8000, b&0xffffffffffff)
}

func (ex *Exchange) next() int {
	ex.serial++
	return ex.serial
}

// wipe ends everything without a word, as a crash does. Needs the lock.
func (ex *Exchange) wipe() {
	for _, ch := range ex.channels {
		ch.vanish()
	}
	for _, a := range ex.apps {
		a.leave()
	}
	ex.reset()
}
