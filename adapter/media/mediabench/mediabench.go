package mediabench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/adapter/media"
	"ringmaster/internal/audio"
	"ringmaster/internal/pbx"
	"ringmaster/internal/turn"
)

// Paths by which sound travels.
const (
	SIP       = "sip"       // a media.Endpoint
	WebSocket = "websocket" // chan_websocket
	Echo      = "echo"      // a bare websocket client that sends back what it gets: what the others stand beside
)

// Config of one measurement.
type Config struct {
	Path  string
	Calls int
	For   time.Duration
	Warm  time.Duration // before anything is counted
	// Talk is the share of time in which we speak on every call, 0 to 1.
	Talk float64
	// Ear says whether voice activity detection is on.
	Ear bool
	// CPU tells what this process has used of processors so far.
	CPU func() time.Duration
	// Peer starts the exchange and returns its standard input and output; wait
	// returns when it has ended.
	Peer func(ctx context.Context) (in io.WriteCloser, out io.Reader, wait func() error, err error)
}

// Result of one measurement.
type Result struct {
	Config
	Cores   float64 // that were busy for the calls
	PerCore float64 // calls
	Memory  float64 // bytes a call
	In      Spread  // from the exchange's sending to our reader
	Out     Spread  // how far off the 20 ms beat our frames were
	Frames  uint64  // read
	LostIn  uint64  // frames that the exchange sent and we did not read
	LostOut uint64  // frames that we sent and the exchange did not get
	Heard   uint64  // events of the ears: they were awake
}

// Spread of a delay.
type Spread struct {
	P50, P99, Worst time.Duration
}

// order is what the exchange is told, report what it says.
type order struct {
	Path  string   `json:"path"`
	Calls int      `json:"calls"`
	URIs  []string `json:"uris,omitempty"`
	// Settle is how long what is under way may take to arrive.
	Settle time.Duration `json:"settle,omitempty"`
}

type report struct {
	Addr     string   `json:"addr,omitempty"` // where a websocket exchange listens
	Ready    bool     `json:"ready,omitempty"`
	Sent     uint64   `json:"sent,omitempty"`     // frames
	Received uint64   `json:"received,omitempty"` // frames
	Lost     uint64   `json:"lost,omitempty"`
	Late     []uint64 `json:"late,omitempty"` // a histogram
	Error    string   `json:"error,omitempty"`
}

// ErrPeer is an exchange that did not do its part.
var ErrPeer = errors.New("the exchange of the media measurement failed")

const (
	rate  = 8000
	frame = 160
)

// Run makes one measurement.
func Run(ctx context.Context, cfg Config) (Result, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, out, wait, err := cfg.Peer(ctx)
	if err != nil {
		return Result{}, err
	}
	p := &peerLink{enc: json.NewEncoder(in), dec: json.NewDecoder(out)}
	r, err := measure(ctx, cfg, p)
	_ = in.Close()
	return r, errors.Join(err, wait())
}

type peerLink struct {
	enc *json.Encoder
	dec *json.Decoder
}

func (p *peerLink) hear() (report, error) {
	var r report
	if err := p.dec.Decode(&r); err != nil {
		return r, fmt.Errorf("%w: %w", ErrPeer, err)
	}
	if r.Error != "" {
		return r, fmt.Errorf("%w: %s", ErrPeer, r.Error)
	}
	return r, nil
}

func measure(ctx context.Context, cfg Config, p *peerLink) (Result, error) {
	before := memory()
	b := &bench{cfg: cfg, voice: voice()}
	defer b.close()
	if err := b.connect(ctx, p); err != nil {
		return Result{}, err
	}
	select {
	case <-time.After(cfg.Warm):
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	b.in.reset()
	cpu, begin := cfg.CPU(), time.Now()
	select {
	case <-time.After(cfg.For):
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	spent, took := cfg.CPU()-cpu, time.Since(begin)
	inward := b.in.spread()
	used := memory() - before
	if err := p.enc.Encode(order{}); err != nil {
		return Result{}, fmt.Errorf("%w: %w", ErrPeer, err)
	}
	end, err := p.hear()
	if err != nil {
		return Result{}, err
	}
	b.settle(end.Sent)
	cores := float64(spent) / float64(took)
	r := Result{
		Config: cfg, Cores: cores, PerCore: float64(cfg.Calls) / cores, Memory: used / float64(cfg.Calls),
		In: inward, Out: spreadOf(end.Late), Frames: b.frames.Load(), LostOut: end.Lost, Heard: b.events.Load(),
	}
	if cfg.Path != Echo && end.Sent > r.Frames {
		r.LostIn = end.Sent - r.Frames
	}
	return r, nil
}

// memory is what the heap and the stacks hold after a collection.
func memory() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse)
}

// bench is the controller's side.
type bench struct {
	cfg     Config
	voice   []int16
	in      histogram
	frames  atomic.Uint64
	events  atomic.Uint64
	calls   []pbx.Media
	closers []io.Closer
	work    sync.WaitGroup
}

func (b *bench) close() {
	for _, m := range b.calls {
		_ = m.Close()
	}
	for _, c := range b.closers {
		_ = c.Close()
	}
	b.work.Wait()
}

// settle waits until everything that the exchange sent has been read, or
// nothing more comes.
func (b *bench) settle(sent uint64) {
	for last := uint64(0); b.frames.Load() < sent && b.frames.Load() != last; {
		last = b.frames.Load()
		<-time.After(min(b.cfg.For, 300*time.Millisecond))
	}
}

func (b *bench) connect(ctx context.Context, p *peerLink) error {
	o := order{Path: b.cfg.Path, Calls: b.cfg.Calls, Settle: min(b.cfg.For, 500*time.Millisecond)}
	var expected []*media.Expected
	if b.cfg.Path == SIP {
		e, err := media.ListenEndpoint(media.EndpointConfig{
			Listen: "127.0.0.1:0", Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Patience: 5 * time.Minute,
		})
		if err != nil {
			return err
		}
		b.closers = append(b.closers, e)
		for range b.cfg.Calls {
			x, err := e.Expect(audio.FormatULaw)
			if err != nil {
				return err
			}
			expected = append(expected, x)
			o.URIs = append(o.URIs, x.URI())
		}
	}
	if err := p.enc.Encode(o); err != nil {
		return fmt.Errorf("%w: %w", ErrPeer, err)
	}
	hello, err := p.hear()
	if err != nil {
		return err
	}
	for i := range b.cfg.Calls {
		if b.cfg.Path == Echo {
			if err := b.echo(ctx, hello.Addr); err != nil {
				return err
			}
			continue
		}
		var m pbx.Media
		if b.cfg.Path == SIP {
			m, err = expected[i].Await(ctx)
		} else {
			m, err = media.DialWebSocket(ctx, hello.Addr, nil, media.Options{Format: audio.FormatULaw})
		}
		if err != nil {
			return err
		}
		b.calls = append(b.calls, m)
		if err := b.carry(m, i); err != nil {
			return err
		}
	}
	_, err = p.hear()
	return err
}

// carry runs the two goroutines that a call has for its sound: one listens,
// one speaks.
func (b *bench) carry(m pbx.Media, n int) error {
	ear, err := turn.New(turn.Config{Rate: rate})
	if err != nil {
		return err
	}
	var speaking atomic.Bool
	b.work.Go(func() { b.listen(m, ear, &speaking) })
	if b.cfg.Talk > 0 {
		b.work.Go(func() { b.speak(m, n, &speaking) })
	}
	return nil
}

func (b *bench) listen(m pbx.Media, ear *turn.Taker, speaking *atomic.Bool) {
	var f audio.Frame
	code := make([]byte, 0, stampSamples)
	events := make([]turn.Event, 0, 64)
	at := 0
	for m.ReadFrame(&f) == nil {
		b.frames.Add(1)
		code, _ = audio.Encode(code[:0], f.Samples[:stampSamples], audio.ULaw)
		if sent, ok := readStamp(code); ok {
			b.in.add(time.Since(sent))
		}
		if !b.cfg.Ear {
			continue
		}
		var ours []int16
		if speaking.Load() {
			ours = b.voice[at : at+frame]
			at = (at + frame) % (len(b.voice) - frame)
		}
		events = ear.Frame(turn.Frame{Pos: f.Pos, Mic: f.Samples, Ref: ours, Speaking: ours != nil}, events[:0])
		b.events.Add(uint64(len(events)))
	}
}

// speak says a sentence, pauses, and so on, in the pieces in which a
// synthesizer delivers: 100 ms.
func (b *bench) speak(m pbx.Media, n int, speaking *atomic.Bool) {
	const cycle = 6 * time.Second
	say := time.Duration(float64(cycle) * b.cfg.Talk).Round(100 * time.Millisecond)
	random := rand.New(rand.NewPCG(1, uint64(n))) //nolint:gosec // calls are out of step, the same way every time
	pause := time.Duration(random.Int64N(int64(cycle - say + 1)))
	for {
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-done(m):
			t.Stop()
			return
		}
		speaking.Store(true)
		for left, at := say, 0; left > 0; left -= 100 * time.Millisecond {
			if m.WriteFrame(audio.Frame{Samples: b.voice[at : at+5*frame]}) != nil {
				return
			}
			at = (at + 5*frame) % (len(b.voice) - 5*frame)
		}
		if m.Drain(context.Background()) != nil {
			return
		}
		speaking.Store(false)
		pause = cycle - say
	}
}

func done(m pbx.Media) <-chan struct{} {
	if s, ok := m.(media.Session); ok {
		return s.Done()
	}
	return nil
}

// voice is ten seconds of something like speech: syllables of harmonics.
func voice() []int16 {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same every time
	out := make([]int16, 10*rate)
	for at := 0; at < len(out); {
		n := min(len(out)-at, rate/10+random.IntN(rate/5))
		pitch := 100 + random.IntN(120)
		for i := range n {
			v := 0
			for h := 1; h <= 8; h++ {
				phase := (i * pitch * h * 64 / rate) % 64
				v += (phase - 32) * 6000 / (32 * h)
			}
			out[at+i] = int16(v / 2)
		}
		at += n + random.IntN(rate/8)
	}
	return out
}
