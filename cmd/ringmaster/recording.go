package main

import (
	"encoding/json"
	"os"

	"github.com/spf13/cobra"

	"ringmaster/internal/app"
)

func recordingCommand() *cobra.Command {
	info := &cobra.Command{
		Use: "info FILE", Short: "show what a recording's file says of itself: format and implicit AI label", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }()
			i, err := app.ReadRecordingInfo(f)
			if err != nil {
				return err
			}
			enc := json.NewEncoder(os.Stdout)
			enc.SetIndent("", "  ")
			enc.SetEscapeHTML(false)
			return enc.Encode(i)
		},
	}
	cmd := &cobra.Command{Use: "recording", Short: "recordings"}
	cmd.AddCommand(info)
	return cmd
}
