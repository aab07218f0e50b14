package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"ringmaster/config"
	"ringmaster/internal/app"
	"ringmaster/internal/campaign"
)

// The aims of live calls.
const (
	aimDialogues = 500
	aimAdded     = 20 * time.Millisecond
	aimPerCall   = 128 << 10 // bytes, with media
	busyLimit    = 0.70      // of a core: above it figures for a core are none
)

// Calls measures live dialogues over the exchange twin: what the controller
// adds to a turn, how fast calls are set up, how many it bears, and what each
// costs.
type Calls struct {
	Steps    []int         // live dialogues, ascending
	Hold     time.Duration // how long each step lasts once it is reached; 0 = 20 s
	Settle   time.Duration // between the last answer and the measurement: greetings are said; 0 = 5 s
	Turns    int           // a step lasts until so many turns were answered too, a minute at most
	DSN      string        // MariaDB or MySQL; empty = an SQLite file of its own
	Command  []string      // starts Twin in a process of its own, before its --cpu
	Unpinned bool          // leaves both processes where the system puts them
	Profiles string        // folder for profiles of processor and heap, one of each step; empty = none
	Out      io.Writer
}

// Step is what was measured with so many dialogues alive.
type Step struct {
	Live       int
	SetUp      float64         // calls a second, from the first order to the last answer
	Added      []time.Duration // of each turn, ascending
	Controller float64         // share of a core, while held
	Exchange   float64
	Waited     float64 // share of the time in which a thread of the controller was ready and had no core: others used it
	RSS, Heap  int64   // bytes over those before the first call
	Errors     []string
}

// Run measures and prints; it returns the steps.
func (c Calls) Run(ctx context.Context) ([]Step, error) {
	c.Hold, c.Settle = orDefault(c.Hold, 20*time.Second), orDefault(c.Settle, 5*time.Second)
	heading(ctx, c.Out, "Live dialogues over the exchange twin")
	all := cores()
	own, other := -1, -1
	if len(all) >= 2 && !c.Unpinned {
		other, own = all[0], all[1]
	}
	if own < 0 {
		_, _ = fmt.Fprintln(c.Out, "cores    not pinned: exchange and controller share what there is")
	} else {
		_, _ = fmt.Fprintf(c.Out, "cores    controller on core %d, exchange twin on core %d\n", own, other)
	}
	ex, err := startTwin(ctx, append(slices.Clone(c.Command), "--cpu", strconv.Itoa(other)))
	if err != nil {
		return nil, err
	}
	defer func() { _ = ex.stop() }()
	if err := pin(own); err != nil {
		return nil, err
	}
	defer unpin(all)
	b, err := newBed(ctx, setup{pbx: twinPBX(ex.url, slices.Max(c.Steps)+10), dsn: c.DSN, lines: slices.Max(c.Steps) + 10, id: "bench_001", script: script, profiles: c.Profiles})
	if err != nil {
		return nil, err
	}
	defer b.close()
	b.ex = ex
	_, _ = fmt.Fprintf(c.Out, "database %s\n\n", map[bool]string{true: "SQLite in the controller's process", false: "MySQL's protocol, another process"}[c.DSN == ""])
	var steps []Step
	for _, n := range c.Steps {
		s, err := b.step(ctx, n, c)
		if err != nil {
			return steps, err
		}
		steps = append(steps, s)
		_, _ = fmt.Fprintf(c.Out, "step     %d live, p99 %s, controller %.0f%%, exchange %.0f%%\n", s.Live, ms(quantile(s.Added, 990)), 100*s.Controller, 100*s.Exchange)
		if len(s.Errors) > 0 {
			break
		}
	}
	c.print(steps)
	return steps, nil
}

// bed is a controller with the twin behind it.
type bed struct {
	ex     *twinProcess
	app    *app.App
	key    string
	dir    string
	script string
	stop   func()

	mu       sync.Mutex
	ended    map[string]int       // outcomes, by why
	cut      map[string]time.Time // when we noted that a line of ours was interrupted, by customer
	orders   int
	profiles string
	rss      int64
	heap     int64
}

const script = `format: ringmaster/1
id: bench_001
title: bench
industry: demo
purpose: service
language: cmn
limits: {turns: 200, visits: 50, duration: 1h, no_match: 5, silence: 5}
disclosure:
  say: {cmn: 我是智能语音助手，本次通话将会录音。}
start: one
voicemail: hang_up
nodes:
  one: {say: {cmn: 请讲。}, expecting: yes_no, expect: [{intent: affirm, goto: two}]}
  two: {say: {cmn: 请再讲。}, expecting: yes_no, expect: [{intent: affirm, goto: three}]}
  three: {say: {cmn: 请接着讲。}, expecting: yes_no, expect: [{intent: affirm, goto: four}]}
  four: {say: {cmn: 请继续讲。}, expecting: yes_no, expect: [{intent: affirm, goto: one}, {intent: deny, goto: bye}]}
  bye: {say: {cmn: 再见。}, end: completed}
`

// setup is what a bed stands on.
type setup struct {
	pbx        config.PBX
	lines      int
	dsn        string
	id, script string
	profiles   string
}

func twinPBX(url string, lines int) config.PBX {
	return config.PBX{Name: "twin", Kind: "asterisk", URL: url, User: "ringmaster", Password: config.NewSecret(twinPassword), App: "ringmaster",
		Media:  config.Media{Format: "slin"},
		Trunks: []config.Trunk{{Name: "lab", Endpoint: "PJSIP/{number}@lab", Lab: true, Lines: lines}}}
}

func newBed(ctx context.Context, o setup) (*bed, error) {
	dir, err := os.MkdirTemp("", "ringmaster-bench-")
	if err != nil {
		return nil, err
	}
	b := &bed{dir: dir, script: o.id, ended: map[string]int{}, cut: map[string]time.Time{}, profiles: o.profiles, stop: func() {}}
	cfg, err := b.config(o)
	if err != nil {
		b.close()
		return nil, err
	}
	b.app, err = app.New(ctx, app.Options{Config: cfg, Log: slog.New(slog.DiscardHandler),
		Recognizer: ears{}, Synthesizer: voice{}, Understander: mind{}, Watch: b.saw})
	if err != nil {
		b.close()
		return nil, err
	}
	run, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { _ = b.app.Run(run) })
	b.stop = func() {
		cancel()
		running.Wait()
		_ = b.app.Close()
	}
	if b.key, err = b.app.CreateKey(ctx, "bench", []string{"*"}, time.Time{}); err == nil {
		err = b.until(ctx, "the exchange is ready", func() (bool, error) {
			for _, c := range b.app.Ready(ctx) {
				if !c.OK {
					return false, nil
				}
			}
			return true, nil
		})
	}
	if err != nil {
		b.close()
		return nil, err
	}
	b.rss, b.heap = b.weigh()
	return b, nil
}

func (b *bed) close() {
	b.stop()
	_ = os.RemoveAll(b.dir)
}

func (b *bed) config(o setup) (config.Config, error) {
	cfg := config.Default()
	cfg.Controller.ID, cfg.Controller.Grace = "bench", time.Second
	cfg.Database = config.Database{Dialect: "sqlite", DSN: config.NewSecret(filepath.Join(b.dir, "ringmaster.db")),
		NumberKey: config.NewSecret(strings.Repeat("1f", 32)), CryptKey: config.NewSecret(strings.Repeat("2e", 32))}
	if o.dsn != "" {
		cfg.Database.Dialect, cfg.Database.DSN = "mysql", config.NewSecret(o.dsn)
	}
	cfg.PBX = []config.PBX{o.pbx}
	cfg.Speech.Recognizers = []config.Recognizer{{Name: "none", Kind: "funasr", URL: "ws://127.0.0.1:9"}} // Options replace it
	cfg.Speech.Cache.Dir = filepath.Join(b.dir, "prompts")
	cfg.Recordings.Dir = filepath.Join(b.dir, "recordings")
	cfg.Recordings.Label.FlagOnly = true // the notice is a note here, and nobody would find it
	cfg.Scripts.Dir = filepath.Join(b.dir, "scripts")
	cfg.Understanding.Embedded, cfg.Understanding.Reports = "keyword", ""
	cfg.Dialling.Concurrency, cfg.Dialling.CPS, cfg.Dialling.RingTimeout = o.lines, 0, 20*time.Second
	cfg.Dialling.Retry = config.Retry{MaxTries: 1}
	cfg.Compliance.Caps = []config.Cap{{ID: "person_24h", Subject: "person", Per: "24h", AtMost: 100}}
	if err := os.MkdirAll(cfg.Scripts.Dir, 0o755); err != nil {
		return cfg, err
	}
	return cfg, os.WriteFile(filepath.Join(cfg.Scripts.Dir, o.id+".yaml"), []byte(o.script), 0o600)
}

func (b *bed) saw(s app.Sight) {
	if s.Note != nil && s.Note.Turn != nil && s.Note.Turn.Interrupted && s.Note.Turn.Side == campaign.Us {
		b.mu.Lock()
		b.cut[s.Attempt.Contact.Customer] = time.Now()
		b.mu.Unlock()
	}
	if s.Outcome == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended[string(s.Outcome.Disposition)+" "+s.Outcome.Reason]++
}

// troubles are the calls that ended: none of these subscribers hangs up.
func (b *bed) troubles() (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for why, n := range b.ended {
		out = append(out, fmt.Sprintf("%d calls ended: %s", n, why))
	}
	slices.Sort(out)
	return out
}

// step raises the number of live dialogues to n and holds it.
func (b *bed) step(ctx context.Context, n int, c Calls) (Step, error) {
	before := b.orders
	// Ordered while the stop button is pressed: the API is not what is measured.
	if err := b.ask(ctx, http.MethodPost, "/api/v1/stop", map[string]any{"scope": "tenant", "reason": "bench"}); err != nil {
		return Step{}, err
	}
	for b.orders < n {
		if err := b.order(ctx, fmt.Sprintf("p%x%d", b.orders%16, b.orders)); err != nil {
			return Step{}, err
		}
		b.orders++
	}
	began := time.Now()
	if err := b.ask(ctx, http.MethodDelete, "/api/v1/stop?scope=tenant", nil); err != nil {
		return Step{}, err
	}
	s := Step{Live: n}
	err := b.until(ctx, fmt.Sprintf("%d calls talk", n), func() (bool, error) {
		got, err := b.ex.look()
		return got.Talking >= n, err
	})
	if s.Errors = b.troubles(); err != nil {
		s.Errors = append(s.Errors, err.Error())
		return s, ctx.Err()
	}
	s.SetUp = float64(n-before) / time.Since(began).Seconds()
	if err := wait(ctx, c.Settle); err != nil {
		return s, err
	}
	first, err := b.ex.look()
	if err != nil {
		return s, err
	}
	own, waited, start := cpuTime(), coreWait(), time.Now()
	profiled, err := b.profile(n)
	if err != nil {
		return s, err
	}
	err = wait(ctx, c.Hold)
	var last seen
	for end := start.Add(c.Hold + time.Minute); err == nil; err = wait(ctx, 100*time.Millisecond) {
		if last, err = b.ex.look(); err != nil {
			break
		}
		if s.Added = append(s.Added, last.Reactions...); len(s.Added) >= c.Turns || time.Now().After(end) {
			break
		}
	}
	profiled()
	if err != nil {
		return s, err
	}
	took := time.Since(start).Seconds()
	s.Controller, s.Exchange = (cpuTime()-own).Seconds()/took, (last.CPU-first.CPU).Seconds()/took
	s.Waited = (coreWait() - waited).Seconds() / took
	slices.Sort(s.Added)
	rss, heap := b.weigh()
	if err := b.heapProfile(n); err != nil {
		return s, err
	}
	s.RSS, s.Heap = rss-b.rss, heap-b.heap
	s.Errors = b.troubles()
	if len(s.Added) == 0 {
		s.Errors = append(s.Errors, "no turn was answered")
	}
	return s, nil
}

// profile writes where the processor's time goes, until it is stopped.
func (b *bed) profile(n int) (stop func(), err error) {
	if b.profiles == "" {
		return func() {}, nil
	}
	f, err := os.Create(filepath.Join(b.profiles, fmt.Sprintf("cpu-%d.pprof", n)))
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

func (b *bed) heapProfile(n int) error {
	if b.profiles == "" {
		return nil
	}
	f, err := os.Create(filepath.Join(b.profiles, fmt.Sprintf("heap-%d.pprof", n)))
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(f), f.Close())
}

// weigh is the memory of this process: resident, and live on the heap.
func (b *bed) weigh() (rss, heap int64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var kib int64
	if _, err := fmt.Sscan(lineOf("/proc/self/status", "VmRSS"), &kib); err == nil {
		rss = kib << 10
	}
	return rss, int64(m.HeapAlloc) + int64(m.StackInuse) //nolint:gosec // memory of this machine
}

func (b *bed) order(ctx context.Context, extension string) error {
	if err := b.ask(ctx, http.MethodPost, "/api/v1/contacts", map[string]any{"customer_id": extension, "name": "张三", "phone": "lab:" + extension, "language": "cmn"}); err != nil {
		return err
	}
	return b.ask(ctx, http.MethodPost, "/api/v1/call/task", map[string]any{"customer_id": extension, "script_id": b.script})
}

// ask is one request, without a socket: the API's own cost is not the wire's.
func (b *bed) ask(ctx context.Context, method, path string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+b.key)
	w := answer{header: http.Header{}, code: http.StatusOK}
	b.app.Handler().ServeHTTP(&w, req)
	if w.code >= 300 {
		return fmt.Errorf("%s: %d %s", path, w.code, w.body.String())
	}
	return nil
}

// answer takes what a handler writes.
type answer struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answer) WriteHeader(code int)        { a.code = code }

// until waits for a condition, a minute at most, and no longer once calls fail.
func (b *bed) until(ctx context.Context, what string, ok func() (bool, error)) error {
	for end := time.Now().Add(time.Minute); ; {
		if yes, err := ok(); err != nil || yes {
			return err
		}
		if time.Now().After(end) || len(b.troubles()) > 0 {
			return errors.New("not reached: " + what)
		}
		if err := wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c Calls) print(steps []Step) {
	rows := [][]string{{"live dialogues", "set up a second", "turns", "added p50", "p95", "p99", "longest", "controller's core", "exchange's core", "ready, but without a core", "resident a call", "heap a call", "errors"}}
	kib := func(n int64, live int) string { return fmt.Sprintf("%.0f KiB", float64(n)/1024/float64(live)) }
	percent := func(v float64) string { return fmt.Sprintf("%.0f%%", 100*v) }
	for _, s := range steps {
		rows = append(rows, []string{strconv.Itoa(s.Live), fmt.Sprintf("%.0f", s.SetUp), strconv.Itoa(len(s.Added)), ms(quantile(s.Added, 500)), ms(quantile(s.Added, 950)), ms(quantile(s.Added, 990)), ms(quantile(s.Added, 1000)),
			percent(s.Controller), percent(s.Exchange), percent(s.Waited), kib(s.RSS, s.Live), kib(s.Heap, s.Live), orDefault(strings.Join(s.Errors, "; "), "none")})
	}
	_, _ = fmt.Fprintln(c.Out)
	table(c.Out, rows)
	_, _ = fmt.Fprint(c.Out, `
Added is what the controller adds to a turn, on the exchange's clock: a subscriber speaks, is silent for longer than the end of a turn is
waited for, and then one marked frame is queued for the controller's media socket. On that frame a recognizer of zero latency gives its
final, so that the turn is decided there and then; understanding and voice are of zero latency too. The time ends when the exchange has
read the first message with our sound. It holds both ways through the kernel and the exchange's own delay. A core's share is the
processor time of each process itself; recordings are written, the script is a loop of short questions, calls are spread over 16 paces.
Ready, but without a core: how much of the time threads of the controller waited while somebody else had the core, each counted: far above
nothing the other figures say more of the machine's other work than of the controller. Memory is over that before the first call, resident memory includes the garbage that the collector has not yet returned.
`)
	c.summary(steps)
}

func (c Calls) summary(steps []Step) {
	var base, whole, last *Step // below the limit on both cores; with the aimed number; without errors
	for i := range steps {
		s := &steps[i]
		if len(s.Errors) > 0 {
			continue
		}
		last = s
		if s.Controller < busyLimit && s.Exchange < busyLimit && s.Waited < 0.2 { // else it would have used more
			base = s
		}
		if s.Live >= aimDialogues && whole == nil {
			whole = s
		}
	}
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(c.Out, format+"\n", args...) }
	p("")
	if base != nil {
		p("per core: %d dialogues cost %.2f of the controller's core (both processes below %.0f %%), that is %.2f %% of a core each", base.Live, base.Controller, 100*busyLimit, 100*base.Controller/float64(base.Live))
		p("extrapolated, not measured: a full core would bear %.0f dialogues", float64(base.Live)/base.Controller)
	} else {
		p("per core: no step left both processes below %.0f %% and the controller its core: no figure", 100*busyLimit)
	}
	if last != nil {
		p("most without an error in this run: %d live dialogues", last.Live)
	}
	p("")
	all := []Aim{{What: fmt.Sprintf("p99 of what is added at most %v at %d live dialogues", aimAdded, aimDialogues), Got: "not reached"}}
	if whole != nil {
		p99 := quantile(whole.Added, 990)
		all[0].Got, all[0].Met = fmt.Sprintf("%s at %d", ms(p99), whole.Live), p99 <= aimAdded
	}
	if last != nil {
		each := last.RSS / int64(last.Live)
		all = append(all, Aim{fmt.Sprintf("at most %d KiB of memory a live call with media (resident)", aimPerCall>>10), fmt.Sprintf("%d KiB at %d", each>>10, last.Live), each <= aimPerCall})
	}
	aims(c.Out, all)
}
