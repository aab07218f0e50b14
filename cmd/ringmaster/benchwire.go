package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	appbench "ringmaster/internal/app/bench"
)

func benchClaimsCommand() *cobra.Command {
	o, write := appbench.Claims{}, ""
	cmd := &cobra.Command{
		Use: "claims", Short: "claims per second on MariaDB, of few and of a million ready calls", Args: cobra.NoArgs,
		Long: "Fills two databases with ready calls, each to a person and a number of its own, and claims from them by the scheduler's own method: one by one,\n" +
			"by hundreds, by thousands, beside two ways that are found elsewhere. Without --dsn the laboratory's MariaDB is started and ended.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return kept(cmd, write, "claims", func(out io.Writer) error {
				o.Out = out
				return o.Run(cmd.Context())
			})
		},
	}
	writeFlag(cmd, &write)
	cmd.Flags().StringVar(&o.DSN, "dsn", "", "user:password@tcp(host:port)/ of a server on which two databases may be made and dropped")
	cmd.Flags().IntVar(&o.Small, "small", 20_000, "ready calls of the small stock")
	cmd.Flags().IntVar(&o.Large, "large", 1_000_000, "ready calls of the large stock")
	cmd.Flags().IntVar(&o.Rounds, "rounds", 5, "each figure is the median of so many")
	cmd.Flags().DurationVar(&o.Each, "each", 2*time.Second, "how long each measurement lasts")
	return cmd
}

func benchCallsCommand() *cobra.Command {
	o, write := appbench.Calls{}, ""
	cmd := &cobra.Command{
		Use: "calls", Short: "live dialogues over the exchange twin: what the controller adds, how many it bears, what each costs", Args: cobra.NoArgs,
		Long: "Starts the exchange twin as a second process on one core, stays on another itself, and raises the number of live dialogues step by step until a\n" +
			"call fails. Recognizer, understander and voice take no time: what is measured is the controller.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return err
			}
			return kept(cmd, write, "calls", func(out io.Writer) error {
				o.Out, o.Command = out, []string{self, "bench", "exchange"}
				_, err = o.Run(cmd.Context())
				return err
			})
		},
	}
	writeFlag(cmd, &write)
	cmd.Flags().IntSliceVar(&o.Steps, "live", []int{100, 200, 300, 400, 500, 600, 700, 800, 1000}, "live dialogues, step by step")
	cmd.Flags().DurationVar(&o.Hold, "hold", 20*time.Second, "how long each step is held")
	cmd.Flags().StringVar(&o.DSN, "dsn", "", "MariaDB or MySQL in place of an SQLite file; the database is migrated and written to")
	cmd.Flags().StringVar(&o.Profiles, "profiles", "", "folder for profiles of processor and heap, one of each step")
	cmd.Flags().BoolVar(&o.Unpinned, "unpinned", false, "leave both processes where the system puts them")
	return cmd
}

// benchExchangeCommand is the second process of benchCallsCommand.
func benchExchangeCommand() *cobra.Command {
	cpu := -1
	cmd := &cobra.Command{Use: "exchange", Hidden: true, Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
		return appbench.Twin(cmd.Context(), cpu, cmd.InOrStdin(), cmd.OutOrStdout())
	}}
	cmd.Flags().IntVar(&cpu, "cpu", -1, "core to stay on; negative = any")
	return cmd
}

func benchWireCommand() *cobra.Command {
	o, write := appbench.Wire{}, ""
	cmd := &cobra.Command{
		Use: "wire", Aliases: []string{"answer", "bargein"}, Short: "answer to first audio and interruption to silence, at telephones behind a real Asterisk", Args: cobra.NoArgs,
		Long: "Starts a private Asterisk 22 (setup/asterisk.sh installs it) with SIP telephones behind it, and measures at the telephones.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return kept(cmd, write, "wire", func(out io.Writer) error {
				o.Out = out
				_, err := o.Run(cmd.Context())
				return err
			})
		},
	}
	writeFlag(cmd, &write)
	cmd.Flags().IntVar(&o.Calls, "calls", 40, "how many calls")
	cmd.Flags().IntVar(&o.Together, "together", 4, "how many of them at once")
	return cmd
}

func writeFlag(cmd *cobra.Command, write *string) {
	cmd.Flags().StringVar(write, "write", "", "folder in which the table is kept too, as <name>.md, once it is whole")
}

// kept runs a measurement; what it prints is a file of the folder too, unless
// it fails.
func kept(cmd *cobra.Command, folder, name string, run func(io.Writer) error) error {
	var page bytes.Buffer
	if err := run(io.MultiWriter(cmd.OutOrStdout(), &page)); err != nil || folder == "" {
		return err
	}
	text := "# ringmaster bench " + name + "\n\n```text\n" + page.String() + "```\n"
	return os.WriteFile(filepath.Join(folder, name+".md"), []byte(text), 0o644) //nolint:gosec // a document
}
