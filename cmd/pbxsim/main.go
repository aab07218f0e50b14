// Command pbxsim is an exchange without telephones: it speaks the Asterisk
// REST Interface, its events and its media websocket on one port, and with
// --esl FreeSWITCH's event socket on another, with the same scripted
// subscribers behind both. For demonstrations, tests and load.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"ringmaster/internal/lab/fstwin"
	"ringmaster/internal/lab/tone"
	"ringmaster/internal/lab/twin"
	"ringmaster/internal/lab/twin/callee"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "pbxsim:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, diag io.Writer) error {
	fs := flag.NewFlagSet("pbxsim", flag.ContinueOnError)
	fs.SetOutput(diag)
	listen := fs.String("listen", "127.0.0.1:8088", "address of ARI and of the media websockets")
	callees := fs.String("callees", "", "YAML file of subscribers (format pbxsim/1); empty: the built-in six")
	user := fs.String("user", "ringmaster", "ARI user; empty lets everyone in")
	password := fs.String("password", "", "ARI password")
	esl := fs.String("esl", "", "address of a FreeSWITCH event socket, such as 127.0.0.1:8021; empty: none")
	eslPassword := fs.String("esl-password", "ClueCon", "password of the event socket")
	handOver := fs.String("hand-over", "", "host:port of a controller's outbound socket: the extension \"inbound\" of the FreeSWITCH hands its calls there")
	seed := fs.Uint64("seed", 1, "decides everything that is left to chance")
	keep := fs.Bool("keep", false, "keep all that subscribers heard, in memory")
	quiet := fs.Bool("quiet", false, "log errors only")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	level := slog.LevelInfo
	if *quiet {
		level = slog.LevelError
	}
	cast, err := load(*callees)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(diag, &slog.HandlerOptions{Level: level}))
	ex, err := twin.Start(twin.Config{
		User: *user, Password: *password, Cast: cast, Seed: *seed, Keep: *keep,
		Log: log,
	}, *listen)
	if err != nil {
		return err
	}
	defer ex.Close()
	_, _ = fmt.Fprintf(out, "ARI    %s\nevents ws://%s/ari/events?app=<name>\nstats  http://%s/twin/stats\n", ex.URL(), ex.Addr(), ex.Addr())
	all := map[string]func() twin.Stats{"ARI": ex.Stats}
	if *esl != "" {
		cfg := fstwin.Config{Password: *eslPassword, Cast: cast, Seed: *seed, Keep: *keep, Log: log}
		if *handOver != "" {
			cfg.Dialplan = map[string]string{"inbound": "socket " + *handOver + " async full"}
		}
		fs, err := fstwin.Start(cfg, *esl)
		if err != nil {
			return err
		}
		defer fs.Close()
		all["ESL"] = fs.Stats
		_, _ = fmt.Fprintf(out, "ESL    %s\nstats  api twin stats\n", fs.Addr())
	}
	<-ctx.Done()
	for _, name := range []string{"ARI", "ESL"} {
		if stats := all[name]; stats != nil {
			s := stats()
			_, _ = fmt.Fprintf(out, "%s: %d rings, %d answered, %d live at the end, outcomes %v\n", name, s.Rings, s.Answered, s.Live, s.Outcomes)
		}
	}
	return nil
}

// load reads a callees file; its words are spoken in the tone alphabet.
func load(file string) (twin.Cast, error) {
	speak := func(text string) ([]int16, error) { return tone.Encode(text, callee.Rate), nil }
	if file == "" {
		return twin.DemoCast(speak)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return twin.Cast{}, err
	}
	cast, err := twin.ParseCast(data, speak)
	if err != nil {
		return twin.Cast{}, fmt.Errorf("%s: %w", file, err)
	}
	return cast, nil
}
