package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ringmaster/adapter/media/mediabench"
)

// aimMedia is how many calls a core shall carry.
const aimMedia = 1000

type benchMedia struct {
	calls int
	each  time.Duration
	warm  time.Duration
	talk  float64
	path  string
	only  string
	cores int
	peer  bool
	prof  string
	start func(ctx context.Context) (io.WriteCloser, io.Reader, func() error, error)
}

func benchMediaCommand() *cobra.Command {
	o := benchMedia{}
	cmd := &cobra.Command{
		Use: "media", Short: "calls per core, delay and memory of the media legs", Args: cobra.NoArgs,
		Long: "Carries calls over the loopback interface, with a second process in the place of the exchange: over the SIP/RTP endpoint that serves FreeSWITCH and\n" +
			"over the websocket that serves Asterisk, with voice activity detection on every call, beside a bare websocket client that only sends back what it\n" +
			"gets. Calls per core are the calls divided by the processors that they kept busy; delays are by the clock, so a busy machine shows in them.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.peer {
				return mediabench.Peer(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
			}
			return o.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().IntVar(&o.calls, "calls", 500, "how many calls at once")
	cmd.Flags().DurationVar(&o.each, "each", 10*time.Second, "how long each measurement lasts")
	cmd.Flags().DurationVar(&o.warm, "warm", 3*time.Second, "how long the calls run before it begins")
	cmd.Flags().Float64Var(&o.talk, "talk", 0.4, "share of the time in which we speak")
	cmd.Flags().StringVar(&o.path, "path", "", "measure only this one: sip, websocket, echo")
	cmd.Flags().StringVar(&o.only, "only", "", "measure only the row of this name")
	cmd.Flags().IntVar(&o.cores, "cores", 1, "processors that the calls may use; 0 is all")
	cmd.Flags().StringVar(&o.prof, "profile", "", "write where the processor time goes to this file, for go tool pprof")
	cmd.Flags().BoolVar(&o.peer, "peer", false, "play the exchange, on standard input and output")
	cobra.CheckErr(cmd.Flags().MarkHidden("peer"))
	return cmd
}

// another starts this program again, as the exchange.
func another(ctx context.Context) (io.WriteCloser, io.Reader, func() error, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, nil, err
	}
	c := exec.CommandContext(ctx, self, "bench", "media", "--peer")
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, nil, nil, err
	}
	return in, out, c.Wait, c.Start()
}

// way is one row of the table.
type way struct {
	name string
	path string
	ear  bool
	talk float64
}

// ways are the rows; --only picks one.
func (o benchMedia) ways() []way {
	all := []way{
		{"SIP/RTP alone", mediabench.SIP, false, o.talk},
		{"SIP/RTP, ear on, we listen", mediabench.SIP, true, 0},
		{"SIP/RTP, ear on", mediabench.SIP, true, o.talk},
		{"websocket alone", mediabench.WebSocket, false, o.talk},
		{"websocket, ear on, we listen", mediabench.WebSocket, true, 0},
		{"websocket, ear on", mediabench.WebSocket, true, o.talk},
		{"bare websocket echo", mediabench.Echo, false, 0},
	}
	var out []way
	for _, w := range all {
		if (o.path == "" || o.path == w.path) && (o.only == "" || o.only == w.name) {
			out = append(out, w)
		}
	}
	return out
}

func (o benchMedia) run(ctx context.Context, out io.Writer) error {
	ways := o.ways()
	if o.calls < 1 || len(ways) == 0 || o.talk < 0 || o.talk > 1 {
		return errors.New("bench media: --calls is 1 or more, --talk is 0 to 1, --path is sip, websocket or echo")
	}
	if o.start == nil {
		o.start = another
	}
	if o.cores > 0 {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(o.cores))
	}
	stop, err := o.profile()
	if err != nil {
		return err
	}
	defer stop()
	fmt.Fprintf(out, "machine  %s, %d cores, %s/%s, %s, %d used\n", processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.GOMAXPROCS(0))
	fmt.Fprintf(out, "calls    %d at once, PCMU in frames of 20 ms, we speak %.0f %% of the time\n\n", o.calls, 100*o.talk)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tcalls a core\tcores busy\tin p50\tin p99\toff the beat p99\tlost by us\tKiB a call\t")
	verdicts, lost := map[string]string{}, uint64(0)
	for _, x := range ways {
		r, err := mediabench.Run(ctx, mediabench.Config{
			Path: x.path, Calls: o.calls, For: o.each, Warm: o.warm, Talk: x.talk, Ear: x.ear, CPU: cpuTime, Peer: o.start,
		})
		if err != nil {
			return err
		}
		beat := "-"
		if x.path == mediabench.SIP {
			beat = r.Out.P99.String()
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%v\t%v\t%s\t%d in, %d out\t%.1f\t\n", x.name, r.PerCore, r.Cores, r.In.P50, r.In.P99, beat, r.LostIn, r.LostOut, r.Memory/1024)
		if x.path == mediabench.Echo {
			continue
		}
		lost += r.LostIn + r.LostOut
		if x.ear && x.talk > 0 {
			verdicts[x.path] = judgeMedia(r)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, path := range []string{mediabench.SIP, mediabench.WebSocket} {
		if v := verdicts[path]; v != "" {
			fmt.Fprintf(out, "aim  %d calls a core over %s with the ear on: %s\n", aimMedia, path, v)
		}
	}
	fmt.Fprintf(out, "aim  no frame lost by us: %s\n", met(lost == 0))
	return nil
}

// judgeMedia: a machine that could not carry the calls has measured nothing.
func judgeMedia(r mediabench.Result) string {
	if r.LostIn+r.LostOut > 0 {
		return "not measured: frames were lost, so this was more than the machine had to give"
	}
	return met(r.PerCore >= aimMedia)
}

func (o benchMedia) profile() (stop func(), err error) {
	if o.prof == "" {
		return func() {}, nil
	}
	f, err := os.Create(o.prof)
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
