package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ringmaster/adapter/freeswitch/esl"
)

// benchCast are the subscribers of a pbxsim that is measured: all answer at
// once and stay.
const benchCast = "format: pbxsim/1\ncallees:\n  - {name: answers, number: \"*\", ring: 0s}\n"

// exchangeOf is the exchange that is measured: that of --address, or a pbxsim
// of our own. pid is 0 where its processor time cannot be read.
func (o benchESL) exchangeOf(ctx context.Context) (addr, password string, pid int, stop func(), err error) {
	if o.address != "" {
		return o.address, o.password, 0, func() {}, nil
	}
	dir, err := os.MkdirTemp("", "ringmaster-bench-")
	if err != nil {
		return "", "", 0, nil, err
	}
	cast := filepath.Join(dir, "cast.yaml")
	if err := os.WriteFile(cast, []byte(benchCast), 0o600); err != nil {
		return "", "", 0, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, o.sim, "--listen", "127.0.0.1:0", "--esl", "127.0.0.1:0", "--esl-password", benchPassword, "--callees", cast, "--quiet") //nolint:gosec // named on our command line
	cmd.WaitDelay = 5 * time.Second
	said, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		cancel()
		return "", "", 0, nil, err
	}
	stop = func() { cancel(); _ = cmd.Wait(); _ = os.RemoveAll(dir) }
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if a, ok := strings.CutPrefix(lines.Text(), "ESL "); ok {
			return strings.TrimSpace(a), benchPassword, cmd.Process.Pid, stop, nil
		}
	}
	stop()
	return "", "", 0, nil, fmt.Errorf("%s did not say where its event socket is", o.sim)
}

// calls measures commands and calls on an exchange.
func (o benchESL) calls(ctx context.Context, out io.Writer) error {
	if o.address == "" && o.sim == "" {
		fmt.Fprintln(out, "\nCommands and calls were not measured: no --address, and no pbxsim beside this program (make build) or by --sim.")
		return nil
	}
	addr, password, pid, stop, err := o.exchangeOf(ctx)
	if err != nil {
		return err
	}
	defer stop()
	b := &caller{endpoint: o.endpoint, pid: pid, ready: make(chan struct{}), jobs: make(chan struct{}, 1<<16), answered: make(chan string, 1<<16), live: map[string]*setUp{}}
	if b.c, err = esl.New(esl.Config{Addr: addr, Password: password, Events: "BACKGROUND_JOB CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE"}, b); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { _ = b.c.Run(ctx) })
	select {
	case <-b.ready:
	case <-time.After(10 * time.Second):
		return fmt.Errorf("no event socket at %s, or another password", addr)
	}
	where := addr
	if pid != 0 {
		where = "a pbxsim in a process of its own"
	}
	fmt.Fprintf(out, "\ncommands/s at %s (uuid_exists)\n", where)
	for _, callers := range []int{1, 64} {
		for _, job := range []bool{false, true} {
			n, err := b.commands(ctx, o.each, callers, job)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "  %-5s %2d at once  %.0f\n", map[bool]string{false: "api", true: "bgapi"}[job], callers, n/o.each.Seconds())
		}
	}
	for range 4 {
		all.Go(func() { b.end(ctx) })
	}
	return b.ladder(ctx, out, o.each, o.pace)
}

// commands counts round trips: of an api command, or of a job to its end.
func (b *caller) commands(ctx context.Context, each time.Duration, callers int, job bool) (float64, error) {
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var working sync.WaitGroup
	end := time.Now().Add(each)
	for range callers {
		working.Go(func() {
			for time.Now().Before(end) {
				if err := b.command(ctx, job); err != nil {
					failed.Store(&err)
					return
				}
				done.Add(1)
			}
		})
	}
	working.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()), nil
}

func (b *caller) command(ctx context.Context, job bool) error {
	if !job {
		_, err := b.c.API(ctx, "uuid_exists bench")
		return err
	}
	if err := b.c.BgAPI(ctx, "bench."+strconv.FormatInt(b.count.Add(1), 10), "uuid_exists bench"); err != nil {
		return err
	}
	select {
	case <-b.jobs: // any job's end: as many come as were sent
		return nil
	case <-time.After(10 * time.Second):
		return errors.New("the end of a background job never came")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// setUp is one call of the ladder.
type setUp struct {
	sent time.Time
	took time.Duration
	step *step
}

// caller makes calls and times them.
type caller struct {
	c        *esl.Client
	endpoint string
	pid      int
	ready    chan struct{}
	once     sync.Once
	jobs     chan struct{}
	answered chan string // channels to be hung up
	count    atomic.Int64

	mu   sync.Mutex
	live map[string]*setUp
}

func (*caller) Lost(error)                                     {}
func (*caller) Restored(context.Context, esl.Info, bool) error { return nil }
func (b *caller) Ready()                                       { b.once.Do(func() { close(b.ready) }) }

// Event implements esl.Handler.
func (b *caller) Event(e *esl.Event) {
	switch e.Name {
	case esl.NameBackgroundJob:
		job := e.Get("Job-UUID")
		if strings.HasPrefix(job, "bench.") {
			select {
			case b.jobs <- struct{}{}:
			default:
			}
			return
		}
		if words := strings.TrimSpace(string(e.Body)); !strings.HasPrefix(words, "+OK") {
			b.over(strings.TrimPrefix(job, "call."), esl.Clean(words, 80))
		}
	case esl.NameAnswer:
		id := e.Get("Unique-ID")
		b.mu.Lock()
		s := b.live[id]
		if s != nil && s.took == 0 {
			s.took = time.Since(s.sent)
			s.step.took(s.took)
		}
		b.mu.Unlock()
		if s != nil {
			select {
			case b.answered <- id:
			default:
			}
		}
	case esl.NameHangupComplete:
		b.over(e.Get("Unique-ID"), "ended by "+esl.Clean(e.Get("Hangup-Cause"), 48))
	}
}

// over: a call is gone; before its answer that is an error.
func (b *caller) over(id, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.live[id]
	if s == nil {
		return
	}
	delete(b.live, id)
	if s.took == 0 {
		s.step.fail(why)
	}
	s.step.left.Done()
}

// end hangs answered calls up.
func (b *caller) end(ctx context.Context) {
	for {
		select {
		case id := <-b.answered:
			_, _ = b.c.API(ctx, "uuid_kill "+id)
		case <-ctx.Done():
			return
		}
	}
}

// place originates one call.
func (b *caller) place(ctx context.Context, s *step) {
	id := fmt.Sprintf("bench-%d-%d", os.Getpid(), b.count.Add(1))
	b.mu.Lock()
	b.live[id] = &setUp{sent: time.Now(), step: s}
	b.mu.Unlock()
	if err := b.c.BgAPI(ctx, "call."+id, "originate {origination_uuid="+id+",ignore_early_media=true,originate_timeout=10}"+b.endpoint+" &park()"); err != nil {
		b.over(id, err.Error())
	}
}

// processorOf is what another process has used of processors so far, where this
// system tells it (Linux: /proc, in ticks of a hundredth of a second).
func processorOf(pid int) time.Duration {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil || pid == 0 {
		return 0
	}
	_, rest, _ := strings.Cut(string(raw), ") ")
	f := strings.Fields(rest)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64)
	system, _ := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond
}

func cores(used, took time.Duration) string {
	return fmt.Sprintf("%.2f of %d cores", used.Seconds()/max(took.Seconds(), 1e-9), runtime.NumCPU())
}
