package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"ringmaster/adapter/nlu/keyword"
	"ringmaster/internal/dialogue"
	"ringmaster/internal/dialogue/check"
	"ringmaster/internal/speech/voices"
)

// errRefused ends `script check` with status 1.
var errRefused = errors.New("refused")

func scriptCheckCommand() *cobra.Command {
	asJSON, file := false, ""
	cmd := &cobra.Command{
		Use: "check PATH...", Short: "prove scripts on every path, or show the conversation that goes wrong", Args: cobra.MinimumNArgs(1),
		Long: "Files, or folders of which every script is checked with the lexicons and parts beside it. Each finding has its place, what to do,\n" +
			"and a counter-example: the shortest conversation at whose end it happens. docs/script-check.md says what is proven.",
		RunE: func(cmd *cobra.Command, args []string) error {
			catalogue, err := catalogueOf(file)
			if err != nil {
				return err
			}
			return scriptCheck(cmd.OutOrStdout(), cmd.ErrOrStderr(), args, catalogue, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the reports as one JSON array")
	cmd.Flags().StringVar(&file, "config", "", "a configuration: the voices that scripts ask for must be in its catalogue")
	return cmd
}

func scriptCheck(out, progress io.Writer, paths []string, catalogue *voices.Catalogue, asJSON bool) error {
	files, lib, err := scriptFiles(paths)
	var reports []check.Report
	var ps dialogue.Problems
	if errors.As(err, &ps) { // a lexicon or part that cannot be read: told beside the rest
		reports = append(reports, check.Report{File: ps[0].File, Findings: check.FromProblems(ps[0].File, err)})
	} else if err != nil {
		return err
	}
	u := keyword.New()
	for i, file := range files {
		src, err := readScript(file)
		if err != nil {
			reports = append(reports, check.Report{File: file, Findings: check.FromProblems(file, err)})
			continue
		}
		reports = append(reports, check.Source(lib, file, src, check.Options{Understander: u, Voices: catalogue}))
		if n := i + 1; n%25 == 0 && n < len(files) {
			fmt.Fprintf(progress, "%d of %d scripts checked\n", n, len(files))
		}
	}
	return printReports(out, reports, asJSON)
}

func printReports(out io.Writer, reports []check.Report, asJSON bool) error {
	refused, findings := 0, 0
	for _, r := range reports {
		if !r.OK() {
			refused++
			findings += len(r.Findings)
		}
	}
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(reports); err != nil {
			return err
		}
	} else {
		for _, r := range reports {
			for _, f := range r.Findings {
				fmt.Fprintf(out, "%s\n\n", f.Explain())
			}
			if r.OK() {
				fmt.Fprintf(out, "%s: passed (%d nodes, %d states, %d ways on)\n", r.File, r.Nodes, r.States, r.Edges)
			}
		}
	}
	if refused > 0 {
		return fmt.Errorf("%w: %d of %d files, %d findings", errRefused, refused, len(reports), findings)
	}
	return nil
}
