package main

import (
	"time"

	"github.com/spf13/cobra"

	appbench "ringmaster/internal/app/bench"
)

func benchClaimsCommand() *cobra.Command {
	o := appbench.Claims{}
	cmd := &cobra.Command{
		Use: "claims", Short: "claims per second on MariaDB, of few and of a million ready calls", Args: cobra.NoArgs,
		Long: "Fills two databases with ready calls, each to a person and a number of its own, and claims from them by the scheduler's own method: one by one,\n" +
			"by hundreds, by thousands, beside two ways that are found elsewhere. Without --dsn the laboratory's MariaDB is started and ended.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			return o.Run(cmd.Context())
		},
	}
	cmd.Flags().StringVar(&o.DSN, "dsn", "", "user:password@tcp(host:port)/ of a server on which two databases may be made and dropped")
	cmd.Flags().IntVar(&o.Small, "small", 20_000, "ready calls of the small stock")
	cmd.Flags().IntVar(&o.Large, "large", 1_000_000, "ready calls of the large stock")
	cmd.Flags().IntVar(&o.Rounds, "rounds", 5, "each figure is the median of so many")
	cmd.Flags().DurationVar(&o.Each, "each", 2*time.Second, "how long each measurement lasts")
	return cmd
}
