package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/adapter/freeswitch/esl/recorded"
)

// aimEvents is how many events of 2 KB a second are to be taken in.
const aimEvents = 60_000

type benchESL struct {
	each     time.Duration
	address  string
	password string
}

func benchESLCommand() *cobra.Command {
	o := benchESL{}
	cmd := &cobra.Command{
		Use: "esl", Short: "events and commands per second of the FreeSWITCH event socket client", Args: cobra.NoArgs,
		Long: "Reads a recorded stream of FreeSWITCH's events (800 events of loopback calls, 2 KB each) over and over: out of memory with the headers that a call\n" +
			"needs, out of memory with every header, and over a TCP connection of this machine by the whole client, where the order of the events is checked.\n" +
			"With --address commands are measured too, on a FreeSWITCH or on `pbxsim --esl`: one after the other, and by 64 callers at once.",
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), cmd.OutOrStdout()) },
	}
	cmd.Flags().DurationVar(&o.each, "each", 3*time.Second, "how long each measurement lasts")
	cmd.Flags().StringVar(&o.address, "address", "", "host:port of an event socket for the measurement of commands")
	cmd.Flags().StringVar(&o.password, "password", "ClueCon", "its password")
	return cmd
}

// eslRow is one measurement.
type eslRow struct {
	name   string
	events int
	took   time.Duration
	cpu    time.Duration // of all threads, the sender's included
	allocs uint64
	bytes  uint64
}

func (o benchESL) run(ctx context.Context, out io.Writer) error {
	stream, err := recorded.Stream()
	if err != nil {
		return err
	}
	count, err := readEvents(bytes.NewReader(stream), needed)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "machine  %s, %d cores, %s/%s, %s\nstream   %d events, %d bytes each\n\n", processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), count, len(stream)/count)
	was := runtime.GOMAXPROCS(1)
	rows := []eslRow{
		o.memory("parsed, with what a call needs (1 core)", stream, needed),
		o.memory("parsed, every header decoded (1 core)", stream, every),
	}
	runtime.GOMAXPROCS(was)
	wire, err := o.wire(ctx, stream)
	if err != nil {
		return err
	}
	rows = append(rows, wire)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tevents/s\tper second of processor\tallocations each\tbytes each\t")
	for _, r := range rows {
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.1f\t%d\t\n", r.name, float64(r.events)/r.took.Seconds(), float64(r.events)/max(r.cpu.Seconds(), 1e-9),
			float64(r.allocs)/float64(r.events), r.bytes/uint64(r.events))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nThe processor's seconds of the last row are the sender's too. On a busy machine compare those: events/s falls with what is left of it.\n")
	fmt.Fprintf(out, "aim  %d events/s of 2 KB, in order: %s\n", aimEvents, met(float64(wire.events)/min(wire.took, max(wire.cpu, 1)).Seconds() >= aimEvents))
	if o.address == "" {
		return nil
	}
	return o.commands(ctx, out)
}

// needed reads what the adapter reads of an event.
func needed(e *esl.Event) {
	for _, name := range []string{"Unique-ID", "Channel-Presence-Data", "Answer-State", "Hangup-Cause", "Application-UUID", "Bridge-B-Unique-ID", "variable_sip_hangup_disposition", "Job-UUID"} {
		_ = e.Get(name)
	}
}

// every reads all of it, as a library that hands out a map has to.
func every(e *esl.Event) {
	headers := map[string]string{}
	e.Each(func(name, value string) bool { headers[name] = value; return true })
}

func readEvents(r io.Reader, use func(*esl.Event)) (int, error) {
	f := esl.NewFramer(r)
	for n := 0; ; n++ {
		m, err := f.Next()
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		e, err := esl.ParseEvent(m.Body)
		if err != nil {
			return n, err
		}
		use(e)
	}
}

// memory measures parsing alone.
func (o benchESL) memory(name string, stream []byte, use func(*esl.Event)) eslRow {
	r := eslRow{name: name}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin, cpu := time.Now(), cpuTime()
	for r.took < o.each {
		n, err := readEvents(bytes.NewReader(stream), use)
		if err != nil {
			break
		}
		r.events += n
		r.took, r.cpu = time.Since(begin), cpuTime()-cpu
	}
	runtime.ReadMemStats(&after)
	r.allocs, r.bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	return r
}

// taker is a handler that checks the order of a stream that repeats.
type taker struct {
	count atomic.Int64
	want  []string // the Event-Sequence of every event, in the stream's order
	wrong atomic.Int64
	ready chan struct{}
	once  sync.Once
}

func (t *taker) Event(e *esl.Event) {
	n := t.count.Add(1)
	if e.Get("Event-Sequence") != t.want[int(n-1)%len(t.want)] {
		t.wrong.Add(1)
	}
	needed(e)
}
func (*taker) Lost(error)                                     {}
func (*taker) Restored(context.Context, esl.Info, bool) error { return nil }
func (t *taker) Ready()                                       { t.once.Do(func() { close(t.ready) }) }

// wire measures the whole client over TCP.
func (o benchESL) wire(ctx context.Context, stream []byte) (eslRow, error) {
	r := eslRow{name: fmt.Sprintf("over TCP, the whole client, in order (%d cores)", runtime.GOMAXPROCS(0))}
	t := &taker{ready: make(chan struct{})}
	if _, err := readEvents(bytes.NewReader(stream), func(e *esl.Event) { t.want = append(t.want, e.Get("Event-Sequence")) }); err != nil {
		return r, err
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return r, err
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer func() { cancel(); _ = l.Close() }()
	begun := make(chan struct{})
	all.Go(func() { serveESL(ctx, &all, l, stream, begun) })
	c, err := esl.New(esl.Config{Addr: l.Addr().String(), Password: "bench", Events: "ALL", PingPeriod: time.Hour, MaxUnread: 1 << 20}, t)
	if err != nil {
		return r, err
	}
	all.Go(func() { _ = c.Run(ctx) })
	select {
	case <-t.ready:
	case <-time.After(10 * time.Second):
		return r, errors.New("the client did not connect to its own listener")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin, cpu := time.Now(), cpuTime()
	close(begun)
	time.Sleep(o.each)
	r.events, r.took, r.cpu = int(t.count.Load()), time.Since(begin), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	r.allocs, r.bytes = after.Mallocs-before.Mallocs, after.TotalAlloc-before.TotalAlloc
	if t.wrong.Load() != 0 || r.events == 0 {
		return r, fmt.Errorf("%d of %d events were out of order", t.wrong.Load(), r.events)
	}
	return r, nil
}

// serveESL answers the client's few commands and then writes the stream, over
// and over, to whoever subscribed.
func serveESL(ctx context.Context, all *sync.WaitGroup, l net.Listener, stream []byte, start <-chan struct{}) {
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
				have += string(buf[:n])
				for {
					cmd, rest, ok := strings.Cut(have, "\n\n")
					if !ok {
						break
					}
					have = rest
					answerESL(nc, cmd)
					if strings.HasPrefix(cmd, "event ") {
						select {
						case <-start:
						case <-ctx.Done():
							return
						}
						for ctx.Err() == nil {
							if _, err := nc.Write(stream); err != nil {
								return
							}
						}
					}
				}
			}
		})
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

// commands measures a real event socket.
func (o benchESL) commands(ctx context.Context, out io.Writer) error {
	t := &taker{ready: make(chan struct{}), want: []string{""}}
	c, err := esl.New(esl.Config{Addr: o.address, Password: o.password}, t)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	all.Go(func() { _ = c.Run(ctx) })
	select {
	case <-t.ready:
	case <-time.After(10 * time.Second):
		return fmt.Errorf("no event socket at %s, or another password", o.address)
	}
	fmt.Fprintf(out, "\ncommands/s at %s (uuid_exists)\n", o.address)
	for _, callers := range []int{1, 64} {
		var done atomic.Int64
		var failed atomic.Pointer[error]
		var working sync.WaitGroup
		end := time.Now().Add(o.each)
		for range callers {
			working.Go(func() {
				for time.Now().Before(end) {
					if _, err := c.API(ctx, "uuid_exists bench"); err != nil {
						failed.Store(&err)
						return
					}
					done.Add(1)
				}
			})
		}
		working.Wait()
		if err := failed.Load(); err != nil {
			return *err
		}
		fmt.Fprintf(out, "  %2d callers  %.0f\n", callers, float64(done.Load())/o.each.Seconds())
	}
	return nil
}
