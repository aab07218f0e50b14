package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// ErrEnded is wrapped when a child ended before it was ready; the text holds the end of its log.
var ErrEnded = errors.New("the program ended by itself")

// Config says what to run.
type Config struct {
	Path string   // the program, as seen inside Root
	Args []string // without the program's name
	Env  []string // whole environment; nil: a small fixed one
	Root string   // folder to chroot into; empty: none
	Dir  string   // working folder, as seen inside Root; empty: /
	Log  string   // file that gets stdout and stderr, appended; empty: thrown away
}

// Process is a running child. Its methods may be called from any goroutine.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

// Start runs c and returns as soon as the program is executing.
func Start(c Config) (*Process, error) {
	cmd := Command(context.Background(), c)
	if c.Log != "" {
		log, err := os.OpenFile(c.Log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		defer func() { _ = log.Close() }() // the child has its own copy of the descriptor
		cmd.Stdout, cmd.Stderr = log, log
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Pdeathsig fires when the thread that started the child ends, so this thread stays with the child to its end.
		runtime.LockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		started <- nil
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	return p, nil
}

// Command prepares a short program that runs in the same surroundings as a child (a command line client). It dies with ctx.
func Command(ctx context.Context, c Config) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.Path, c.Args...)
	cmd.Path = c.Path // as seen inside Root, so nothing to look up here
	cmd.Err = nil
	cmd.Dir = c.Dir
	if cmd.Dir == "" {
		cmd.Dir = "/"
	}
	cmd.Env = c.Env
	if cmd.Env == nil {
		cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8", "TZ=UTC"}
	}
	cmd.SysProcAttr = attributes(c.Root)
	return cmd
}

// PID is the child's process number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended and was reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running says whether the child has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Kill ends the child without giving it a chance to tidy up (SIGKILL), and waits until it is gone.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // an error means that it is gone already
	<-p.done
}

// Stop asks the child to end (SIGTERM), waits at most grace or until ctx is done, and then kills it. When it returns the child is
// gone; the error says that it had to be killed.
func (p *Process) Stop(ctx context.Context, grace time.Duration) error {
	if !p.Running() {
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
		p.Kill()
		return fmt.Errorf("%s did not end within %s and was killed", p.cmd.Path, grace)
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s was killed: %w", p.cmd.Path, ctx.Err())
	}
}

// Ready calls probe every 20 ms until it returns nil. It gives up when ctx is done or the child ends; log is the file whose end
// goes into the error's text.
func (p *Process) Ready(ctx context.Context, log string, probe func(context.Context) error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		last := probe(ctx)
		if last == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%w: %s: %s\n%s", ErrEnded, p.cmd.Path, p.cmd.ProcessState, Tail(log, 2000))
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (last look: %w)\n%s", p.cmd.Path, ctx.Err(), last, Tail(log, 2000))
		case <-tick.C:
		}
	}
}

// Tail returns at most the last n bytes of a file, or why it cannot be read.
func Tail(path string, n int) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return string(b)
}
