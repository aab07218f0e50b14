package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/dialogue/check"
)

func scriptGraphCommand() *cobra.Command {
	out, finding := "", 1
	cmd := &cobra.Command{
		Use: "graph FILE", Short: "draw a script as SVG, with the path of a finding in red", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			files, lib, err := scriptFiles(args)
			if err != nil {
				return err
			}
			if len(files) != 1 {
				return errors.New("one script at a time: name a file")
			}
			src, err := readScript(files[0])
			if err != nil {
				return err
			}
			sc, err := lib.Compile(files[0], src)
			if err != nil {
				return err
			}
			var path []check.Step
			r := check.Run(sc, check.Options{File: files[0], Understander: keyword.New()})
			if n := finding - 1; n >= 0 && n < len(r.Findings) {
				path = r.Findings[n].Path
				fmt.Fprintln(cmd.ErrOrStderr(), r.Findings[n].Explain())
			}
			if out == "" {
				_, err = cmd.OutOrStdout().Write(check.Draw(sc, path))
				return err
			}
			return os.WriteFile(out, check.Draw(sc, path), 0o644) //nolint:gosec // a picture for everybody
		},
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "file to write; standard output when left out")
	cmd.Flags().IntVar(&finding, "finding", 1, "which finding of `script check` is drawn in red; 0 = none")
	return cmd
}
