package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ringmaster/adapter/freeswitch/esl"
	"ringmaster/adapter/freeswitch/esl/recorded"
)

// aimEvents is how many events of 2 KB a second are to be taken in, aimBeside
// how many times those of the fastest other library.
const (
	aimEvents = 60_000
	aimBeside = 3
)

type benchESL struct {
	each     time.Duration
	address  string
	password string
	endpoint string
	sim      string
	beside   []string
	self     []string // how this program is started again
	pace     int      // the last of the ladder, calls a second
}

func benchESLCommand() *cobra.Command {
	o := benchESL{}
	cmd := &cobra.Command{
		Use: "esl", Short: "events, commands and calls per second of the FreeSWITCH event socket client, beside others", Args: cobra.NoArgs,
		Long: "Reads a recorded stream of FreeSWITCH's events (800 events of loopback calls, 2 KB each) over and over: out of memory with the headers that a call\n" +
			"needs, out of memory with every header, and over a TCP connection of this machine by the whole client in a process of its own, where the order of\n" +
			"the events is checked. --beside starts a program of yours that reads the same stream and puts its figures into the same table (the contract of such\n" +
			"a program is in docs/freeswitch.md). Then commands a second, and calls from originate to answer a second until the first error: on the FreeSWITCH of\n" +
			"--address, or on a pbxsim that is started in a process of its own.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			o.self = []string{self}
			if o.address == "" && o.sim == "" {
				if beside := filepath.Join(filepath.Dir(self), "pbxsim"); executable(beside) {
					o.sim = beside
				}
			}
			return o.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().DurationVar(&o.each, "each", 3*time.Second, "how long each measurement lasts")
	cmd.Flags().StringArrayVar(&o.beside, "beside", nil, "a program, and its arguments, that reads the same stream (repeatable)")
	cmd.Flags().StringVar(&o.address, "address", "", "host:port of an event socket for commands and calls")
	cmd.Flags().StringVar(&o.password, "password", "ClueCon", "its password")
	cmd.Flags().StringVar(&o.endpoint, "endpoint", "sofia/gateway/bench/1001", "whom to call for the set-up rate: somebody who answers at once, as often as asked")
	cmd.Flags().StringVar(&o.sim, "sim", "", "the program pbxsim; the one that lies beside this program if empty")
	cmd.Flags().IntVar(&o.pace, "pace", lastPace, "calls a second at which the ladder ends if there was no error; 0 makes no calls")
	cmd.AddCommand(benchReaderCommand())
	return cmd
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// eslRow is one measurement.
type eslRow struct {
	name   string
	events int
	took   time.Duration
	cpu    time.Duration // of all threads
	allocs uint64        // 0 is not told
	wrong  int           // events that came before an earlier one; -1 where none can
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
	wire, err := o.read(ctx, stream, append(slices.Clone(o.self), "bench", "esl", "reader"))
	if err != nil {
		return err
	}
	wire.name = fmt.Sprintf("over TCP, the whole client, in order (%d cores)", runtime.NumCPU())
	rows = append(rows, wire)
	var failed []string
	for _, program := range o.beside {
		r, err := o.read(ctx, stream, strings.Fields(program))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil { // one that cannot read the stream does not hide the others
			failed = append(failed, fmt.Sprintf("%q read nothing: %v", program, err))
			continue
		}
		rows = append(rows, r)
	}
	if err := printESL(out, rows); err != nil {
		return err
	}
	for _, why := range failed {
		fmt.Fprintln(out, why)
	}
	if wire.wrong != 0 || wire.events == 0 {
		return fmt.Errorf("%d of %d events were out of order", wire.wrong, wire.events)
	}
	fmt.Fprintf(out, "\nThe processor's seconds over TCP are the reader's, without the sender's. On a busy machine compare those: events/s falls with what is left of it.\n")
	fmt.Fprintf(out, "aim  %d events/s of 2 KB, in order: %s\n", aimEvents, met(float64(wire.events)/min(wire.took, max(wire.cpu, 1)).Seconds() >= aimEvents))
	compareESL(out, wire, rows[3:])
	return o.calls(ctx, out)
}

func printESL(out io.Writer, rows []eslRow) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tevents/s\tper second of processor\tallocations each\tout of order\t")
	for _, r := range rows {
		allocs, wrong := "-", "-"
		if r.allocs > 0 {
			allocs = fmt.Sprintf("%.1f", float64(r.allocs)/float64(max(r.events, 1)))
		}
		if r.wrong >= 0 {
			wrong = strconv.Itoa(r.wrong)
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%s\t%s\t\n", r.name, r.perSecond(), r.perProcessor(), allocs, wrong)
	}
	return w.Flush()
}

func (r eslRow) perSecond() float64    { return float64(r.events) / max(r.took.Seconds(), 1e-9) }
func (r eslRow) perProcessor() float64 { return float64(r.events) / max(r.cpu.Seconds(), 1e-9) }

// compareESL says how far the client is ahead of the fastest of the others.
func compareESL(out io.Writer, own eslRow, others []eslRow) {
	if len(others) == 0 {
		return
	}
	clock, processor := math.Inf(1), math.Inf(1)
	for _, r := range others {
		clock = min(clock, own.perSecond()/max(r.perSecond(), 1))
		processor = min(processor, own.perProcessor()/max(r.perProcessor(), 1))
	}
	fmt.Fprintf(out, "aim  %d x the fastest beside it: %.1f x by the clock, %.1f x by the processor: %s\n", aimBeside, clock, processor, met(min(clock, processor) >= aimBeside))
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
	r := eslRow{name: name, wrong: -1}
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
	r.allocs = after.Mallocs - before.Mallocs
	return r
}
