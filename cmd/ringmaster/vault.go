package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"ringmaster/config"
	"ringmaster/internal/app"
)

func vaultCommand() *cobra.Command {
	var file string
	rotate := &cobra.Command{
		Use: "rotate", Short: "make a new key and wrap every original's key with it; the originals stay as they are", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			st, err := app.OpenStore(cmd.Context(), c, logger("error", "text"))
			if err != nil {
				return err
			}
			n, err := st.RotateVault(cmd.Context(), c.Tenant.ID)
			if err == nil {
				fmt.Printf("%d originals are wrapped with a new key; earlier keys are retired\n", n)
			}
			return errors.Join(err, st.Close())
		},
	}
	cmd := &cobra.Command{Use: "vault", Short: "originals that recordings.originals: vault keeps"}
	cmd.PersistentFlags().StringVar(&file, "config", "config.yaml", "configuration file")
	cmd.AddCommand(rotate, vaultRead(&file))
	return cmd
}

func vaultRead(file *string) *cobra.Command {
	var out, reason string
	cmd := &cobra.Command{
		Use: "read RECORDING", Short: "write the original of a recording to a file; who and why go into the audit log", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return fmt.Errorf("RECORDING is the ID of a recording: %w", err)
			}
			c, err := config.Load(*file)
			if err != nil {
				return err
			}
			who, err := user.Current()
			if err != nil {
				return err
			}
			st, err := app.OpenStore(cmd.Context(), c, logger("error", "text"))
			if err != nil {
				return err
			}
			defer func() { _ = st.Close() }()
			f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			err = app.ReadOriginal(cmd.Context(), st, c, id, "os:"+who.Username, reason, f)
			if err = errors.Join(err, f.Close()); err != nil {
				return errors.Join(err, os.Remove(out))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "original.wav", "file to write; it must not exist")
	cmd.Flags().StringVar(&reason, "reason", "", "why it is read, 8 to 255 characters")
	return cmd
}
