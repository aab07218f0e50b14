package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"ringmaster/config"
	"ringmaster/internal/app"
	"ringmaster/internal/compliance/ledger"
)

func ledgerCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ledger", Short: "the permit ledger: why each call was allowed, and proof that nothing was changed since"}
	cmd.AddCommand(ledgerExportCommand(), ledgerVerifyCommand(), ledgerKeyCommand())
	return cmd
}

func ledgerExportCommand() *cobra.Command {
	var file, tenant, out string
	cmd := &cobra.Command{
		Use: "export", Short: "write a tenant's whole ledger as JSON lines for an auditor", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			if tenant == "" {
				tenant = c.Tenant.ID
			}
			st, err := app.ConnectStore(cmd.Context(), c, logger("error", "text"))
			if err != nil {
				return err
			}
			defer func() { _ = st.Close() }()
			if err := st.CheckSchema(cmd.Context()); err != nil {
				return err
			}
			var end ledger.Checkpoint
			err = written(out, cmd.OutOrStdout(), func(w io.Writer) (err error) {
				end, err = st.ExportLedger(cmd.Context(), tenant, w)
				return err
			})
			if err == nil {
				_, err = fmt.Fprintf(cmd.ErrOrStderr(), "tenant      %s\ncheckpoint  %s\npublic key  %s\n", tenant, end, ledger.KeyText(st.LedgerKey()))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&file, "config", "config.yaml", "configuration file")
	cmd.Flags().StringVar(&tenant, "tenant", "", "tenant; empty = that of the configuration")
	cmd.Flags().StringVar(&out, "out", "-", "file to write; - = standard output")
	return cmd
}

// written writes a file as a whole or not at all; only its owner can read it.
func written(path string, stdout io.Writer, write func(io.Writer) error) error {
	if path == "-" {
		return write(stdout)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".ledger-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

func ledgerVerifyCommand() *cobra.Command {
	var key string
	var kept []string
	cmd := &cobra.Command{
		Use: "verify <export>", Short: "prove an export against the public key, offline", Args: cobra.ExactArgs(1),
		Long: `Reads an export (- = standard input) and proves it: every record and every block is as it was sealed, the chain is whole, the last
block is signed by the key, and every placed call has exactly one permit. Needs no database and no network. The first broken row is
named. Give the checkpoint of an earlier export to prove that nothing was cut off since.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			public, err := ledger.ParseKey(key)
			if err != nil {
				return err
			}
			var earlier []ledger.Checkpoint
			for _, k := range kept {
				c, err := ledger.ParseCheckpoint(k)
				if err != nil {
					return err
				}
				earlier = append(earlier, c)
			}
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer func() { _ = f.Close() }()
				in = f
			}
			start := time.Now()
			r, err := ledger.Verify(in, public, earlier...)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "the ledger is whole\ntenant      %s\nexported    %s\npermits     %d (%d calls placed, %d messages, %d voided)\n"+
				"blocks      %d, %d signatures checked\ncheckpoint  %s\ntook        %s\n",
				r.Tenant, r.ExportedAt.Format(time.RFC3339), r.Permits, r.Attempts, r.Messages, r.Voids, r.Blocks, r.Signatures, r.Head,
				time.Since(start).Round(time.Millisecond))
			return err
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "public key, as `ringmaster ledger key` prints it")
	cmd.Flags().StringArrayVar(&kept, "checkpoint", nil, "checkpoint of an earlier export (repeatable)")
	_ = cmd.MarkFlagRequired("key")
	return cmd
}

func ledgerKeyCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "key", Short: "print the public key by which anybody can verify this installation's ledgers", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file)
			if err != nil {
				return err
			}
			st, err := app.ConnectStore(cmd.Context(), c, logger("error", "text"))
			if err != nil {
				return err
			}
			defer func() { _ = st.Close() }()
			_, err = fmt.Fprintln(cmd.OutOrStdout(), ledger.KeyText(st.LedgerKey()))
			return err
		},
	}
	cmd.Flags().StringVar(&file, "config", "config.yaml", "configuration file")
	return cmd
}
