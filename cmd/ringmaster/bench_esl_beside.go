package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"ringmaster/adapter/freeswitch/esl"
)

// What a program beside ours is told in its environment; the address is its
// last argument too. docs/freeswitch.md has the whole contract.
const (
	envBenchAddress  = "RINGMASTER_BENCH_ESL"
	envBenchPassword = "RINGMASTER_BENCH_ESL_PASSWORD"
	envBenchTime     = "RINGMASTER_BENCH_ESL_MILLISECONDS"
	benchPassword    = "bench"
)

// numbered is a stream whose events are numbered anew each time it is sent:
// twelve digits of Event-Sequence that grow by one.
type numbered struct {
	bytes []byte
	at    []int // where the digits are
	next  uint64
}

func newNumbered(stream []byte) (*numbered, error) {
	n := &numbered{next: 1}
	f := esl.NewFramer(bytes.NewReader(stream))
	for {
		m, err := f.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		before, after, ok := bytes.Cut(m.Body, []byte("\nEvent-Sequence: "))
		_, rest, ended := bytes.Cut(after, []byte("\n"))
		if !ok || !ended {
			return nil, errors.New("the recorded stream has an event without a number")
		}
		const digits = "000000000000"
		body := fmt.Appendf(nil, "%s\nEvent-Sequence: ", before)
		at := len(body)
		body = fmt.Appendf(body, "%s\n%s", digits, rest)
		n.bytes = fmt.Appendf(n.bytes, "Content-Length: %d\nContent-Type: text/event-plain\n\n", len(body))
		n.at = append(n.at, len(n.bytes)+at)
		n.bytes = append(n.bytes, body...)
	}
	if len(n.at) == 0 {
		return nil, errors.New("the recorded stream is empty")
	}
	return n, nil
}

// write sends the stream once.
func (n *numbered) write(w io.Writer) error {
	for _, at := range n.at {
		for i, v := 11, n.next; i >= 0; i, v = i-1, v/10 {
			n.bytes[at+i] = byte('0' + v%10)
		}
		n.next++
	}
	_, err := w.Write(n.bytes)
	return err
}

// read starts a program that reads the stream, and measures it.
func (o benchESL) read(ctx context.Context, stream []byte, program []string) (eslRow, error) {
	r := eslRow{}
	if len(program) == 0 {
		return r, errors.New("--beside needs a program")
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.each+20*time.Second)
	var all sync.WaitGroup
	defer all.Wait()
	defer func() { cancel(); _ = l.Close() }()
	var sent atomic.Uint64
	all.Go(func() { serveESL(ctx, &all, l, stream, &sent) })

	cmd := exec.CommandContext(ctx, program[0], append(program[1:], l.Addr().String())...) //nolint:gosec // named on our command line
	cmd.Env = append(os.Environ(), envBenchAddress+"="+l.Addr().String(), envBenchPassword+"="+benchPassword, envBenchTime+"="+strconv.FormatInt(o.each.Milliseconds(), 10))
	var said, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &complaint
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("it did not end %v after the time that it had", 20*time.Second)
		}
		return r, fmt.Errorf("%s: %w %s", program[0], err, esl.Clean(complaint.String(), 300))
	}
	if r, err = readLine(said.String()); err != nil {
		return r, fmt.Errorf("%s: %w", program[0], err)
	}
	if uint64(r.events) > sent.Load() {
		return r, fmt.Errorf("%s says that it read %d events, %d were sent", program[0], r.events, sent.Load())
	}
	r.took, r.cpu = o.each, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	return r, nil
}

// readLine is what a program says: name, events, inversions, mallocs.
func readLine(said string) (eslRow, error) {
	line, _, _ := strings.Cut(strings.TrimSpace(said), "\n")
	f := strings.Fields(line)
	bad := fmt.Errorf("one line is wanted on its output: name, events, inversions, mallocs; it said %q", esl.Clean(line, 120))
	if len(f) != 4 {
		return eslRow{}, bad
	}
	var n [3]uint64
	for i := range n {
		v, err := strconv.ParseUint(f[i+1], 10, 62)
		if err != nil {
			return eslRow{}, bad
		}
		n[i] = v
	}
	return eslRow{name: esl.Clean(f[0], 48), events: int(n[0]), wrong: int(n[1]), allocs: n[2]}, nil //nolint:gosec // 62 bits
}

// serveESL answers a client's few commands and writes the stream, over and
// over, to whoever subscribes.
func serveESL(ctx context.Context, all *sync.WaitGroup, l net.Listener, stream []byte, sent *atomic.Uint64) {
	for {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = nc.Close() })
		all.Go(func() {
			defer stop()
			defer func() { _ = nc.Close() }()
			_, _ = io.WriteString(nc, "Content-Type: auth/request\n\n")
			buf, have := make([]byte, 4096), ""
			for {
				n, err := nc.Read(buf)
				if err != nil {
					return
				}
				have += strings.ReplaceAll(string(buf[:n]), "\r", "")
				for {
					cmd, rest, ok := strings.Cut(have, "\n\n")
					if !ok {
						break
					}
					have = rest
					cmd = strings.TrimSpace(cmd)
					answerESL(nc, cmd)
					if strings.HasPrefix(cmd, "event ") {
						pour(ctx, nc, stream, sent)
						return
					}
				}
			}
		})
	}
}

func pour(ctx context.Context, nc net.Conn, stream []byte, sent *atomic.Uint64) {
	n, err := newNumbered(stream)
	for err == nil && ctx.Err() == nil {
		sent.Add(uint64(len(n.at))) // before they are: a reader may have them at once
		err = n.write(nc)
	}
}

func answerESL(w io.Writer, cmd string) {
	text := map[string]string{"api version": "FreeSWITCH bench", "api global_getvar core_uuid": "bench", "api uptime ms": "1000"}[cmd]
	if text == "" {
		_, _ = io.WriteString(w, "Content-Type: command/reply\nReply-Text: +OK accepted\n\n")
		return
	}
	_, _ = io.WriteString(w, "Content-Type: api/response\nContent-Length: "+strconv.Itoa(len(text))+"\n\n"+text)
}

// benchReaderCommand is our client as such a program.
func benchReaderCommand() *cobra.Command {
	return &cobra.Command{
		Use: "reader ADDRESS", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ms, err := strconv.ParseInt(os.Getenv(envBenchTime), 10, 32)
			if err != nil || ms <= 0 {
				return errors.New("this is started by bench esl")
			}
			return readESL(cmd.Context(), cmd.OutOrStdout(), args[0], time.Duration(ms)*time.Millisecond)
		},
	}
}

// taker counts what comes, from the first event on.
type taker struct {
	last   uint64
	wrong  int
	events atomic.Int64
	begun  chan struct{}
	before runtime.MemStats
}

func (t *taker) Event(e *esl.Event) {
	n, err := strconv.ParseUint(e.Get("Event-Sequence"), 10, 64)
	if err != nil || n != t.last+1 { // stricter than the contract: none may be missing either
		t.wrong++
	}
	t.last = n
	if t.events.Add(1) == 1 {
		runtime.ReadMemStats(&t.before)
		close(t.begun)
	}
	needed(e)
}
func (*taker) Lost(error)                                     {}
func (*taker) Restored(context.Context, esl.Info, bool) error { return nil }
func (*taker) Ready()                                         {}

func readESL(ctx context.Context, out io.Writer, address string, each time.Duration) error {
	t := &taker{begun: make(chan struct{})}
	c, err := esl.New(esl.Config{Addr: address, Password: benchPassword, Events: "ALL", PingPeriod: time.Hour, MaxUnread: 1 << 20}, t)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() { defer close(done); _ = c.Run(ctx) }()
	select {
	case <-t.begun:
	case <-time.After(20 * time.Second):
		return errors.New("no event came")
	}
	time.Sleep(each)
	events := t.events.Load()
	var after runtime.MemStats
	runtime.ReadMemStats(&after)
	cancel()
	<-done
	_, err = fmt.Fprintf(out, "ringmaster %d %d %d\n", events, t.wrong, after.Mallocs-t.before.Mallocs)
	return err
}
