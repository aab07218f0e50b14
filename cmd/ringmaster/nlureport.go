package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ringmaster/config"
	"ringmaster/internal/app"
)

// nluReport are the flags of `ringmaster nlu report`.
type nluReport struct {
	before, config, confusion string
	json, strict              bool
}

// errWorse ends a --strict report of a version that understands less.
var errWorse = errors.New("this version understands less than the one before: see the labels and sentences above")

func nluReportCommand() *cobra.Command {
	var o nluReport
	cmd := &cobra.Command{
		Use: "report SCRIPT.yaml", Short: "measure how well a script version would be understood, before it is published", Args: cobra.ExactArgs(1),
		Long: "Every sentence is judged as a call hears it, by a model that has not seen it (five folds) and by keywords without it.\n" +
			"With --before, or with --config for the version that is published in its database, regressions are named.\n" +
			"`serve` makes the same report for every version that it imports, in the folder understanding.reports.",
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	cmd.Flags().StringVar(&o.before, "before", "", "file of the version to compare with")
	cmd.Flags().StringVar(&o.config, "config", "", "configuration whose database holds the version to compare with")
	cmd.Flags().StringVar(&o.confusion, "confusion", "", "write a picture of the confusion matrix here, .png or .svg")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object")
	cmd.Flags().BoolVar(&o.strict, "strict", false, "fail when a label or a sentence got worse")
	cmd.MarkFlagsMutuallyExclusive("before", "config")
	return cmd
}

func (o nluReport) run(cmd *cobra.Command, script string) error {
	if p := strings.ToLower(o.confusion); p != "" && !strings.HasSuffix(p, ".png") && !strings.HasSuffix(p, ".svg") {
		return fmt.Errorf("--confusion %s: the name ends in .png or .svg", o.confusion)
	}
	var c *config.Config
	if o.config != "" {
		loaded, err := config.Load(o.config)
		if err != nil {
			return err
		}
		c = &loaded
	}
	p, s, err := app.MeasureScript(cmd.Context(), script, o.before, c)
	if err != nil {
		return err
	}
	if o.confusion != "" {
		if err := writePicture(o.confusion, p.Report.Matrix); err != nil {
			return err
		}
	}
	if o.json {
		err = json.NewEncoder(cmd.OutOrStdout()).Encode(s)
	} else {
		err = p.Print(cmd.OutOrStdout())
	}
	if err == nil && o.strict && len(s.Worse)+len(s.Lost) > 0 {
		err = errWorse
	}
	return err
}
