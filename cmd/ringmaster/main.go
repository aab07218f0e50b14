// Command ringmaster is a controller for AI outbound calling beside Asterisk
// or FreeSWITCH.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := &cobra.Command{
		Use:           "ringmaster",
		Short:         "AI outbound calling beside Asterisk or FreeSWITCH",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(serveCommand(), demoCommand(), doctorCommand(), keyCommand(), explainCommand(), migrateCommand(), configCommand(), redactCommand())
	root.AddCommand(nluCommand())
	root.AddCommand(scriptCommand())
	root.AddCommand(benchCommand())
	root.AddCommand(dialplanCommand())
	root.AddCommand(ledgerCommand())
	root.AddCommand(vaultCommand(), recordingCommand(), voicesCommand())
	if err := root.ExecuteContext(ctx); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "ringmaster:", err)
		os.Exit(1)
	}
}

// logger writes to stderr, so that stdout stays for what was asked for.
func logger(level, format string) *slog.Logger {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		l = slog.LevelInfo
	}
	o := &slog.HandlerOptions{Level: l}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, o))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, o))
}
