package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ringmaster/internal/app"
)

func redactCommand() *cobra.Command {
	var patterns []string
	cmd := &cobra.Command{
		Use: "redact", Short: "read results as JSON lines on stdin, write what a sink may see", Args: cobra.NoArgs,
		Long: `Reads {"call","side","text","final"} as JSON lines and writes for each of them what a sink may see: persons' numbers
masked, an open run of digits held back from partial results. Nothing is kept.`,
		RunE: func(*cobra.Command, []string) error {
			mask, err := app.Redactor(patterns...)
			if err != nil {
				return err
			}
			in := bufio.NewScanner(os.Stdin)
			in.Buffer(make([]byte, 64<<10), 1<<20)
			out := bufio.NewWriter(os.Stdout)
			defer func() { _ = out.Flush() }()
			enc := json.NewEncoder(out)
			enc.SetEscapeHTML(false)
			for line := 1; in.Scan(); line++ {
				if len(in.Bytes()) == 0 {
					continue
				}
				seen, err := mask(in.Bytes())
				if err != nil {
					return fmt.Errorf("line %d: %w", line, err)
				}
				if err := enc.Encode(seen); err != nil {
					return err
				}
				if err := out.Flush(); err != nil {
					return err
				}
			}
			return in.Err()
		},
	}
	cmd.Flags().StringArrayVar(&patterns, "word", nil, "further words that announce a number, or /regular expressions/ of what is masked wherever it stands (repeatable)")
	return cmd
}
